# SPDX-License-Identifier: Apache-2.0
"""The boundary to the Globus C libraries: ``ffi`` and ``lib``, nothing more; they are loaded when they are first asked
for.

With ``PYGLOBUS_TRACE=ffi`` in the environment every C call and its result is logged to stderr, for bug reports.
"""

import os
import sys

from pyglobus.ffi.annotation import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyglobus.ffi._globus import ffi, lib

__all__ = ["ffi", "lib"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _globus = _load()
    found: dict[str, object] = {"ffi": _globus.ffi, "lib": _globus.lib}
    if "ffi" in os.environ.get("PYGLOBUS_TRACE", "").split(","):
        from pyglobus.ffi.trace import TracedLibrary

        found["lib"] = TracedLibrary(_globus.lib)
    globals().update(found)
    return found[name]


def _load() -> Any:
    """The extension. What it calls in the libraries is looked up at the first call: most of it is never called."""
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY)
    try:
        from pyglobus.ffi import _globus
    finally:
        sys.setdlopenflags(flags)
    return _globus

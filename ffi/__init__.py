# SPDX-License-Identifier: Apache-2.0
"""The boundary to the Globus C libraries: ``ffi`` and ``lib``, nothing more.

With ``PYGLOBUS_TRACE=ffi`` in the environment every C call and its result is logged to stderr, for bug reports.
"""

import os

from pyglobus.ffi._globus import ffi, lib

if "ffi" in os.environ.get("PYGLOBUS_TRACE", "").split(","):
    from pyglobus.ffi.trace import TracedLibrary

    lib = TracedLibrary(lib)

__all__ = ["ffi", "lib"]

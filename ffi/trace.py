# SPDX-License-Identifier: Apache-2.0
"""A library object that writes each call through it to stderr, one line a call, without secrets.

Arguments that point to structures are shown as addresses, so pass phrases inside them never appear; of bytes that are
longer than any path, or hold a private key, only the length is shown; user names and passwords inside URLs are blanked.
The event loop's own turns are left out.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable

from pyglobus.ffi.annotation import Any

_QUIET = frozenset(
    {
        "pg_engine_turn",
        "pg_engine_take",
        "pg_engine_wake",
        "pg_pump_bytes",
        "pg_relay_bytes",
        "pg_ftp_reported",
        "pg_body_bytes",
    }
)
_USERINFO = re.compile(rb"//[^/\s]*@")


_MAX_BYTES = 4096


def _show(value: Any) -> str:
    if isinstance(value, bytes) and (len(value) > _MAX_BYTES or b"PRIVATE KEY" in value):
        return f"<{len(value)} bytes>"
    return repr(_USERINFO.sub(b"//***@", value)) if isinstance(value, bytes) else repr(value)


class TracedLibrary:
    """Stands before the real ``lib`` and hands everything through."""

    def __init__(self, lib: Any) -> None:
        self._lib = lib
        self._start = time.monotonic()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._lib, name)
        if not callable(value):
            return value
        call = value if name in _QUIET else self._traced(name, value)
        setattr(self, name, call)
        return call

    def _traced(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any) -> Any:
            result = call(*args)
            seconds = time.monotonic() - self._start
            shown = ", ".join(map(_show, args))
            thread = threading.current_thread().name
            sys.stderr.write(f"ffi {seconds:9.6f} [{thread}] {name}({shown}) = {_show(result)}\n")
            return result

        return traced

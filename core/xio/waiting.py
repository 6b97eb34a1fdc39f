# SPDX-License-Identifier: Apache-2.0
"""Waiting for one's turn that obeys a socket's time-out, and the end of the process."""

from __future__ import annotations

import errno
import os
import threading

from pyglobus.ffi.engine import engine


class held:
    """Hold a lock; waiting for it obeys the time-out too."""

    def __init__(self, lock: threading.Lock, timeout: float | None) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        timeout = self._timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            if timeout == 0:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            raise TimeoutError("timed out")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._lock.release()
        quiet_at_exit.__exit__(kind)


class _QuietAtExit:
    """At the interpreter's exit only daemon threads still wait for sockets. What they are told then would be printed,
    which Python's own sockets do not do to anybody: such a thread ends as by ``sys.exit``.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and engine().exiting and threading.current_thread().daemon:
            raise SystemExit


quiet_at_exit = _QuietAtExit()

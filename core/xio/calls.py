# SPDX-License-Identifier: Apache-2.0
"""How a socket calls the engine and waits for it: within its time-out, until it is closed, with a socket's errors."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from pyglobus.core.xio.failures import translated
from pyglobus.core.xio.waiting import quiet_at_exit
from pyglobus.ffi.engine import Operation, engine
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled
from pyglobus.ffi.future import Future

T = TypeVar("T")
#: What "at once" means for a time-out of zero: enough for a connection to this machine.
AT_ONCE = 0.001


class Calls:
    """The calls of one socket. ``timeout``: seconds, None for no limit, 0 for at once; ``where``: what errors name;
    ``closed``: nobody wants it any more but its ``streams``, so many files made of it.
    """

    def __init__(self) -> None:
        self.timeout = socket.getdefaulttimeout()
        self.where: str | None = None
        self.closed = False
        self.streams = 0

    @property
    def over(self) -> bool:
        """Whether nothing more is to be done."""
        return self.closed and not self.streams

    def require(self) -> None:
        """Raise unless there is more to be done."""
        if self.over:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def late(self) -> OSError:
        """The error for an operation that has not been done in its time, or whose socket was closed meanwhile."""
        if engine().closed or self.over:
            return OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self.timeout == 0:
            return BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return TimeoutError("timed out")

    def submit(self, call: Callable[[], T], *, what: str) -> T:
        """The result of a call in the engine's thread; ``what`` could not be done where it fails."""
        with quiet_at_exit:
            return self._result(engine().submit(call), what)

    def wait(self, operation: Operation, timeout: float | None, *, what: str) -> Any:
        """The result of an operation; at its end, or when the time is over, it is no longer in flight."""
        limit = AT_ONCE if timeout == 0 else timeout
        with quiet_at_exit:
            try:
                operation.wait(limit)
            except BaseException:
                operation.cancel()
                operation.wait()
                raise
            if not operation.done():
                operation.cancel()
                operation.wait()
                if isinstance(operation.exception(), OperationCancelled | GlobusError):
                    raise self.late()
            return self._result(operation, what)

    def _result(self, future: Future[T], what: str) -> T:
        try:
            return future.result()
        except OperationCancelled as error:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error
        except EngineError as error:
            if not self.closed:
                raise
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error  # closed while this was on its way
        except GlobusError as error:
            raise translated(error, what=what, where=self.where) from error

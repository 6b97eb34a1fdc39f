# SPDX-License-Identifier: Apache-2.0
"""A result that is not there yet.

Like ``concurrent.futures.Future``, whose module would cost every command a quarter of its start-up, and made for the
engine: whoever waits may give up at any time, ``cancel`` is a wish, and ``await`` works in any asyncio loop.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator

from pyglobus.ffi.annotation import Any, Generic, TypeVar

T = TypeVar("T")


class Future(Generic[T]):
    """Set once, by `set_result` or `set_exception`; a second time is ignored."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._done = False
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._callbacks: list[Callable[[Future[T]], object]] = []

    def done(self) -> bool:
        """Whether it is set."""
        return self._done

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for at most ``timeout`` seconds; whether it is. Ctrl-C interrupts."""
        limit = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while not self._done:
                left = None if limit is None else limit - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._condition.wait(left)
            return self._done

    def result(self, timeout: float | None = None) -> T:
        """The result, or what went wrong as an exception. Raises TimeoutError if it is not set in time."""
        error = self.exception(timeout)
        if error is not None:
            try:
                raise error
            finally:
                del error  # the traceback refers to this frame
        return self._result  # type: ignore[return-value]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What went wrong, or None. Raises TimeoutError if it is not set in time."""
        if not self.wait(timeout):
            raise TimeoutError
        return self._exception

    def cancel(self) -> bool:
        """Ask for an early end; whether that is possible. By default it is not."""
        return False

    def add_done_callback(self, call: Callable[[Future[T]], object]) -> None:
        """Have ``call(self)`` called once it is set, in the thread that sets it, or at once."""
        with self._condition:
            if not self._done:
                self._callbacks.append(call)
                return
        self._call(call)

    def set_result(self, result: T) -> None:
        """It went well."""
        self._set(result, None)

    def set_exception(self, error: BaseException) -> None:
        """It went wrong."""
        self._set(None, error)

    def _set(self, result: T | None, error: BaseException | None) -> None:
        with self._condition:
            if self._done:
                return
            self._result, self._exception, self._done = result, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._condition.notify_all()
        for call in callbacks:
            self._call(call)

    def _call(self, call: Callable[[Future[T]], object]) -> None:
        try:
            call(self)
        except BaseException:  # it has nowhere to go but where exceptions of threads go
            kind, error, trace = sys.exc_info()
            assert kind is not None
            threading.excepthook(threading.ExceptHookArgs((kind, error, trace, threading.current_thread())))

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio

        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def done(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        self.add_done_callback(done)
        try:
            yield from waiter
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.result()

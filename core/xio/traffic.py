# SPDX-License-Identifier: Apache-2.0
"""How the bytes of an open connection move: through the stack of drivers, or straight from its descriptor.

Above tcp alone there is no driver that would change a byte, so they go the short way, which takes two thirds of the
time: the system's own calls in the caller's thread. What other drivers have to see goes through the engine.

Each direction belongs to one caller at a time. Time-outs are seconds; None is no limit, 0 is not at all.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from pyglobus.core.xio.failures import StackError, translated
from pyglobus.core.xio.waiting import held
from pyglobus.ffi.errors import GlobusError, OperationCancelled
from pyglobus.ffi.xio import XioHandle

Data = bytes | bytearray | memoryview
#: The error for what has not been done in its time, or whose socket was closed meanwhile.
Late = Callable[[], OSError]

# What "at once" means for a time-out of zero: enough for data that has arrived to come up through the stack.
_AT_ONCE = 0.001
# Seconds that who waits gets to notice that the socket is closed.
_LEAVE = 0.3


class Through:
    """Through the drivers. ``whole``: a write that is cut short leaves the stream as it was."""

    def __init__(self, handle: XioHandle, late: Late, where: str | None, *, whole: bool) -> None:
        self._handle = handle
        self._late = late
        self._where = where
        self._whole = whole
        self._spoilt = False
        self._ended = False
        self._receiving = threading.Lock()
        self._sending = threading.Lock()

    def send(self, data: Data, least: int, timeout: float | None) -> int:
        """Send at least so many bytes of ``data``; how many were sent."""
        self.require()
        with held(self._sending, timeout):
            try:
                return self._handle.write(data, least, _limit(timeout))
            except (OperationCancelled, KeyboardInterrupt) as error:
                self._spoilt = not self._whole
                if isinstance(error, KeyboardInterrupt):
                    raise
                raise self._late() from None
            except GlobusError as error:
                raise translated(error, what="cannot send", where=self._where) from error

    def receive(self, size: int, least: int, timeout: float | None) -> bytes:
        """Receive from ``least`` to ``size`` bytes; fewer only at the end."""
        if self._ended:
            return b""
        with held(self._receiving, timeout):
            try:
                data, self._ended = self._handle.read_new(size, least, _limit(timeout))
            except OperationCancelled:
                raise self._late() from None
            except GlobusError as error:
                raise translated(error, what="cannot receive", where=self._where) from error
        return data

    def receive_into(self, view: memoryview, least: int, timeout: float | None) -> int:
        """Receive into ``view``, at least so many bytes; fewer only at the end."""
        if self._ended:
            return 0
        with held(self._receiving, timeout):
            try:
                count, self._ended = self._handle.read(view, least, _limit(timeout))
            except OperationCancelled:
                raise self._late() from None
            except GlobusError as error:
                raise translated(error, what="cannot receive", where=self._where) from error
        return count

    def require(self) -> None:
        """Raise if the stream is of no more use."""
        if self._spoilt:
            raise StackError("cannot use the connection", where=self._where, why="a write on it was cut short")

    def leave(self) -> None:
        """The handle is about to be closed, which lets go who waits."""


class Direct:
    """From and to the descriptor of a tcp connection, which stays XIO's; it does not block."""

    def __init__(self, descriptor: int, late: Late) -> None:
        self._descriptor = descriptor
        self._late = late
        self._left = False
        self._readable = _poll(descriptor, select.POLLIN)
        self._writable = _poll(descriptor, select.POLLOUT)
        self._receiving = threading.Lock()
        self._sending = threading.Lock()

    def send(self, data: Data, least: int, timeout: float | None) -> int:
        """Send at least so many bytes of ``data``; how many were sent."""
        view, sent = memoryview(data).cast("B"), 0
        end = _end(timeout)
        with held(self._sending, timeout):
            while sent < least:
                try:
                    sent += os.write(self._open(), view[sent:])
                except BlockingIOError:
                    if not self._wait(self._writable, end):
                        break
        if not sent:
            raise self._late()
        return sent

    def receive(self, size: int, least: int, timeout: float | None) -> bytes:
        """Receive from ``least`` to ``size`` bytes; fewer only at the end."""
        if least > 1:
            buffer = bytearray(size)
            count = self.receive_into(memoryview(buffer), least, timeout)
            return bytes(memoryview(buffer)[:count])
        end = _end(timeout)
        with held(self._receiving, timeout):
            while True:
                try:
                    data = os.read(self._open(), size)
                except BlockingIOError:
                    if not self._wait(self._readable, end):
                        raise self._late() from None
                else:
                    self._open()  # what looks like the end of the stream may be our own
                    return data

    def receive_into(self, view: memoryview, least: int, timeout: float | None) -> int:
        """Receive into ``view``, at least so many bytes; fewer only at the end, or if the time is over."""
        end, count = _end(timeout), 0
        with held(self._receiving, timeout):
            while count < least:
                try:
                    got = os.readv(self._open(), [view[count:]])
                except BlockingIOError:
                    if not self._wait(self._readable, end):
                        break
                    continue
                self._open()
                if not got:
                    return count
                count += got
        if not count:
            raise self._late()
        return count

    def require(self) -> None:
        """A stream of bytes is always of use."""

    def leave(self) -> None:
        """The descriptor is about to be closed: let go who waits, and see that nobody uses its number any more."""
        self._left = True
        if self._receiving.locked() or self._sending.locked():
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        for lock in (self._receiving, self._sending):
            if lock.acquire(timeout=_LEAVE):
                lock.release()

    def _open(self) -> int:
        if self._left:
            raise self._late()
        return self._descriptor

    def _wait(self, ready: select.poll, end: float | None) -> bool:
        """Wait until the descriptor is ready; False if the time is over."""
        self._open()
        if end is None:
            return bool(ready.poll(None))
        while (left := end - time.monotonic()) > 0:
            if ready.poll(left * 1000):
                return True
        return False


def _poll(descriptor: int, event: int) -> select.poll:
    made = select.poll()
    made.register(descriptor, event)
    return made


def _end(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _limit(timeout: float | None) -> float | None:
    """The seconds that an operation of the drivers gets."""
    return timeout or (None if timeout is None else _AT_ONCE)

# SPDX-License-Identifier: Apache-2.0
"""Reads a file in pieces: what is asked for where it is asked for here and there, and ahead where it is read in order.

Who goes on where the last read has ended gets windows that double in size, and while one of them is read the next one
is on its way, into a file in memory of its own. Who jumps gets what was asked for, and at least a little.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

from fsspec.caching import BaseCache, register_cache

from pyglobus.core import errors
from pyglobus.core.fsspec import moving
from pyglobus.core.fsspec.connections import Connections
from pyglobus.core.fsspec.failures import builtins
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.ffi.engine import Operation

# Bytes: the least that is fetched, the first window of who reads in order, and the largest.
_LEAST = 64 << 10
_FIRST = 1 << 20
_MOST = 16 << 20


class _Window:
    """The bytes from ``start`` to ``end``, in a file in memory, or on their way there over a session of their own."""

    def __init__(
        self, connections: Connections, at: Callable[[Session], Remote], fd: int, start: int, end: int
    ) -> None:
        """Takes over ``fd``; what is in it is written over."""
        self._connections = connections
        self._at = at
        self.start, self.end = start, end
        self._fd = fd
        self._begun: tuple[Session, Operation] | None = None

    def begin(self) -> None:
        """Have the bytes moved."""
        session = self._connections.take()
        self._begun = session, moving.begin(session, self._at(session), self._fd, self.start, self.end)

    def finish(self, options: Options) -> None:
        """Wait until all of it is there. Raises `errors.Error`; a connection that was lost is replaced once."""
        begun, self._begun = self._begun, None
        try:
            self._receive(options, begun)
        except errors.TransientError as error:
            if error.fault in ("silent-server", "stalled"):
                raise
            self._connections.close()
            self._receive(options, None)

    def _receive(self, options: Options, begun: tuple[Session, Operation] | None) -> None:
        session, operation = begun or (self._connections.take(), None)
        sound = False
        try:
            place = self._at(session)
            length = moving.received(session, place, options, self._fd, self.start, self.end, operation)
            sound = True
        finally:
            self._connections.give_back(session, sound=sound)
        if length < self.end - self.start:
            why = f"it ends {self.end - self.start - length} bytes before its size"
            raise errors.DataError("cannot read", where=str(place.url), why=why, fault="short-file")

    def read(self, start: int, stop: int) -> bytes:
        """A part of it."""
        return moving.read_memory(self._fd, stop - start, start - self.start)

    def read_into(self, buffer: memoryview, start: int) -> int:
        """What it has from ``start`` on, as far as it fits; how many bytes."""
        return os.preadv(self._fd, [buffer[: self.end - start]], start - self.start)

    def release(self) -> int | None:
        """Its file in memory for another window, or None if something still comes: nobody waits for that, and its
        connection is of use again when it has come.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            return self._fd
        session, operation = begun
        give_back = self._connections.give_back
        operation.add_done_callback(lambda done: give_back(session, sound=done.exception() is None))
        os.close(self._fd)
        return None


class ReadAhead(BaseCache):
    """The way to read of these file systems, as one of fsspec's caches. One thread at a time reads."""

    name = "gridftp"

    def __init__(
        self,
        blocksize: int,
        fetcher: Callable[[int, int], bytes],
        size: int,
        *,
        connections: Connections,
        at: Callable[[Session], Remote],
        options: Options,
    ) -> None:
        """``at`` tells the place of the file over a session."""
        super().__init__(blocksize, fetcher, size)
        self._connections = connections
        self._at = at
        self._options = options
        self._lock = threading.Lock()
        self._here: _Window | None = None
        self._coming: _Window | None = None
        # Files in memory that no window needs now: their pages are there already.
        self._spare: list[int] = []
        # Where the last read ended, and the size of the last window of who goes on there.
        self._end = -1
        self._length = 0

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start, stop = start or 0, self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        with self._lock, builtins():
            self._note(start)
            data = self._read(start, stop)
            self._end = stop
            return data

    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill a buffer of bytes from ``start`` on, as far as the file goes; how many there are."""
        stop = min(start + len(buffer), self.size)
        with self._lock, builtins():
            self._note(start)
            at = start
            while at < stop:
                at += self._window(at, stop).read_into(buffer[at - start : stop - start], at)
            self._end = max(at, start)
        return self._end - start

    def _note(self, start: int) -> None:
        """Whether this goes on where the last one has ended."""
        if start != self._end:
            self._length = 0
        elif not self._length:
            self._length = _FIRST

    def _read(self, start: int, stop: int) -> bytes:
        window = self._window(start, stop)
        if stop <= window.end:
            return window.read(start, stop)
        whole = io.BytesIO()
        while start < stop:
            window = self._window(start, stop)
            start += whole.write(window.read(start, min(stop, window.end)))
        return whole.getvalue()

    def _window(self, start: int, stop: int) -> _Window:
        """One that has the byte at ``start``."""
        here, coming = self._here, self._coming
        if here is not None and here.start <= start < here.end:
            return here
        if coming is None or not coming.start <= start < coming.end:
            self._forget()
            end = min(max(stop, start + max(self._length, _LEAST)), start + _MOST, self.size)
            coming = self._new(start, end)
        self._coming = None
        try:
            coming.finish(self._options)
        except BaseException:
            self._release(coming)
            raise
        if here is not None and here is self._here:
            self._release(here)
        self._here = coming
        if (self._length or stop > coming.end) and coming.end < self.size:
            self._length = min(max(2 * self._length, _FIRST), _MOST)
            end = min(coming.end + self._length, self.size)
            self._coming = self._new(coming.end, end)
        return coming

    def _new(self, start: int, end: int) -> _Window:
        """One that is on its way."""
        fd = self._spare.pop() if self._spare else moving.new_memory_file()
        window = _Window(self._connections, self._at, fd, start, end)
        try:
            window.begin()
        except BaseException:
            self._release(window)
            raise
        return window

    def _release(self, window: _Window) -> None:
        fd = window.release()
        if fd is not None:
            self._spare.append(fd)

    def _forget(self) -> None:
        for window in (self._here, self._coming):
            if window is not None:
                self._release(window)
        self._here = self._coming = None

    def close(self) -> None:
        """Give back what is kept."""
        with self._lock:
            self._forget()
            for fd in self._spare:
                os.close(fd)
            self._spare.clear()


register_cache(ReadAhead, clobber=True)

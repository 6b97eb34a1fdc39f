# SPDX-License-Identifier: Apache-2.0
"""Writes a file piece by piece under a temporary name, and gives it its own when that is wished.

What comes in one piece is stored as it is. More than that goes through a pipe to the engine, which sends it as it
comes: nothing is kept back here, whatever the size of the file.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.core.fsspec import moving
from pyglobus.core.fsspec.connections import Connections
from pyglobus.core.options import Options
from pyglobus.core.recovery import yields
from pyglobus.core.remote import Remote
from pyglobus.core.session import TICK, Session, silent
from pyglobus.ffi.engine import Operation
from pyglobus.ffi.ftp import Span
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.relay import RelayEnd, relay

# What the system lets anybody put into a pipe.
_PIPE = 1 << 20


class Upload:
    """One file on its way. Methods raise `errors.Error`; after that only `discard` is of use."""

    def __init__(
        self, connections: Connections, at: Callable[[Session], Remote], options: Options, *, in_place: bool
    ) -> None:
        """``at`` tells the place of the file over a session; ``in_place`` does without a temporary name."""
        self._connections = connections
        self._at = at
        self._options = options
        self._in_place = in_place
        self._staging: Remote | None = None
        self._stream: Stream | None = None

    def send(self, content: moving.Content, *, last: bool) -> None:
        """The next piece; all of it is at the server after the ``last``."""
        if self._stream is None and last:
            with self._connections.session() as session:
                moving.store(session, self._place(session), self._options, content)
            return
        if self._stream is None:
            session = self._connections.take()
            self._stream = Stream(session, self._place(session), self._options)
        self._stream.write(content)
        if last:
            stream, self._stream = self._stream, None
            self._end(stream)

    def commit(self) -> None:
        """Let it be found under its name."""
        if not self._in_place:
            with self._connections.session() as session:
                self._place(session).move(self._at(session))

    def cancel(self) -> None:
        """Have what runs in another thread end."""
        if self._stream is not None:
            self._stream.session.cancel()

    def discard(self) -> None:
        """Take away what was written, as far as that is possible."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
            self._connections.give_back(stream.session, sound=False)
        if self._staging is None:
            return
        with self._connections.session() as session:
            moving.remove(session, self._place(session))

    def _place(self, session: Session) -> Remote:
        if self._staging is None:
            place = self._at(session)
            self._staging = place if self._in_place else moving.temporary(place)
        return self._staging.by(session)

    def _end(self, stream: Stream) -> None:
        sound = False
        try:
            stream.finish()
            sound = True
        finally:
            self._connections.give_back(stream.session, sound=sound)


class Stream:
    """Bytes that go to a server as they come, over a session that nobody else uses meanwhile."""

    def __init__(self, session: Session, place: Remote, options: Options) -> None:
        self.session = session
        self._place = place
        self._options = options
        self._meter = Meter()
        self._sent = 0
        self._open()

    def _open(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._reading, True)
        with suppress(OSError):  # a smaller one does as well
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, _PIPE)
        self._operation: Operation = relay(
            self.session.engine, RelayEnd(fd=self._reading),
            RelayEnd(url=self._place.wire, options=self._place.attributes()), Span(),
            block=self._options.block_size, client=self.session.client, meter=self._meter, length=Meter(),
        )  # fmt: skip

    def write(self, content: moving.Content) -> None:
        """Wait until the last of it is in the pipe."""
        whole = memoryview(content).cast("B")
        while True:
            try:
                self._write(whole)
            except errors.Error as error:
                again = self._sent == 0 and yields(self._options, self.session, error, self._place.url)
                if self._meter.bytes() or not again:
                    raise
                self._close()
                self._open()
            else:
                self._sent += len(whole)
                return

    def _write(self, rest: memoryview) -> None:
        poll = select.poll()
        poll.register(self._writing, select.POLLOUT)
        since = time.monotonic()
        while rest:
            if self._operation.done():
                raise self._failure()
            if poll.poll(TICK * 1000):
                rest = rest[os.write(self._writing, rest) :]
                since = time.monotonic()
            elif self._options.stall_timeout and time.monotonic() - since > self._options.stall_timeout:
                raise silent("cannot write", str(self._place.url), self._options.stall_timeout)
            self.session.check()

    def _failure(self) -> errors.Error:
        where = str(self._place.url)
        error = self._operation.exception()
        if error is None:
            return errors.DataError("cannot write", where=where, why="the transfer has ended before the file")
        return explain(error, what="cannot write", where=where, role="destination")

    def finish(self) -> None:
        """That was all: wait for the server, and see that it has as much."""
        writing, self._writing = self._writing, -1
        os.close(writing)
        moving.wait(self.session, self._place, self._options, "cannot write", self._operation, self._meter)
        self._close()
        there = self._place.size()
        if there is not None and there != self._sent:
            why = f"{self._sent} bytes were sent, and {there} are there"
            raise errors.DataError("cannot write", where=str(self._place.url), why=why, fault="short-file")

    def cancel(self) -> None:
        """End it early; what is at the server stays there."""
        self._operation.cancel()
        self._operation.wait()
        self._close()

    def _close(self) -> None:
        for fd in (self._reading, self._writing):
            if fd >= 0:
                os.close(fd)
        self._reading = self._writing = -1

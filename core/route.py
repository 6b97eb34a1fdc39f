# SPDX-License-Identifier: Apache-2.0
"""The ways bytes can take, and the two most used: put and get.

The others are third party, relay, and copy within this machine, in modules of their own. A route makes attempts. Each
attempt is a generator that yields every `session.TICK` while bytes move and raises what went wrong; after a failed one
the route knows how far it came, and the next attempt goes on there where the protocol allows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator

from pyglobus.core import errors
from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.options import Options
from pyglobus.core.remote import Facts, Remote
from pyglobus.core.session import Session
from pyglobus.ffi.annotation import TYPE_CHECKING
from pyglobus.ffi.ftp import Marker, Span

if TYPE_CHECKING:
    from pyglobus.core.partial import Ranges

_MIN_BLOCKS = 4

Attempt = Generator[None, None, None]


class Route(ABC):
    """One way, with its two open ends. ``name`` is what events call it; ``bytes`` counts the current attempt."""

    name: str
    #: Whether `bytes` has seen all of them at the end.
    counts = True

    def __init__(self, session: Session, options: Options) -> None:
        self.session = session
        self.options = options
        #: Bytes that were there before the current attempt began.
        self.base = 0

    @abstractmethod
    def attempt(self) -> Attempt:
        """Move the bytes."""

    @abstractmethod
    def bytes(self) -> int:
        """Bytes moved by the current attempt."""

    @abstractmethod
    def recover(self) -> None:
        """After a failed attempt: get ready to go on where the protocol allows it, else to begin anew."""

    def resume(self, ranges: Ranges) -> bool:
        """Before the first attempt: skip these ranges, which are at the destination from an earlier run.

        False if that cannot be; then all is moved.
        """
        del ranges
        return False

    def verified(self) -> Ranges:
        """Ranges that are at the destination for certain, those of `resume` among them; may be asked at any time."""
        return []

    def total(self) -> int | None:
        """Bytes to come, where only the route has been told."""
        return None

    def arrived(self, again: bool) -> int | None:
        """Bytes at the destination after the last attempt; None if only a look there can tell, as when what was sent
        came on top of earlier bytes (``again``).
        """
        return self.base + self.bytes() if self.counts and not again else None

    def begun(self) -> bool:
        """Whether the destination may have changed in any attempt."""
        return self.base + self.bytes() > 0

    def patience(self, limit: float) -> float:
        """How long no byte may be seen to move if nothing may stand still for ``limit`` seconds."""
        return limit

    def moves(self) -> bool:
        """Whether there are bytes that move unseen; asked when none was seen to move for so long."""
        return False

    @property
    def span(self) -> Span:
        """The part of the file that is moved."""
        return Span(start=self.options.offset, end=self.options.end, partial=self.options.partial)

    @property
    def blocks(self) -> int:
        """Buffers in flight: each stream needs one to fill and one to send."""
        return max(_MIN_BLOCKS, 2 * self.options.parallel)


class Handled(Route):
    """A route over the session's FTP handle."""

    def __init__(self, session: Session, options: Options) -> None:
        super().__init__(session, options)
        self.handle = session.handle()
        self.handle.ranges, self.handle.marker = [], None  # those of the transfer before
        self._offset = -1
        self._ranges: list[tuple[int, int]] = []
        self._begun = False

    def bytes(self) -> int:
        return self.handle.meter.bytes()

    def begun(self) -> bool:
        return self._begun or super().begun()

    def _marker(self) -> Marker:
        return Marker(self._offset, self._ranges)

    def resume(self, ranges: Ranges) -> bool:
        self._go_on(ranges, extended=self.extended)
        return self.base > 0

    def verified(self) -> Ranges:
        """What the servers have confirmed by restart markers: in stream mode there are none."""
        if not self.extended:
            return [(0, self._offset)] if self._offset > 0 else []
        self.handle.refresh()
        return merge([*self._ranges, *parse_ranges(self.handle.marker)])

    @property
    @abstractmethod
    def extended(self) -> bool:
        """Whether data goes in MODE E, which can skip any range."""

    def _go_on(self, ranges: list[tuple[int, int]], *, extended: bool) -> None:
        """From now on skip what is there: these ranges in MODE E, what comes before the first hole in stream mode."""
        if extended:
            self._ranges = ranges
            self.base = sum(end - start for start, end in ranges)
        else:
            self.base = ranges[0][1] if ranges and ranges[0][0] == 0 else 0
            self._offset = self.base or -1


class Put(Handled):
    """A local file to a GridFTP or FTP server."""

    name = "put"

    def __init__(self, session: Session, options: Options, source: LocalSource, remote: Remote) -> None:
        super().__init__(session, options)
        self._source = source
        self._remote = remote

    def attempt(self) -> Attempt:
        span = self.span
        start = max(span.start, self._offset)
        size = self._source.size
        left = -1 if size is None or span.partial else max(0, size - start)
        operation = self.handle.put(
            self._source.fd, self._remote.wire, self._remote.attributes(allocate=left),
            Span(start=start, end=span.end, partial=span.partial),
            block=self.options.block_size, blocks=self.blocks, marker=self._marker(),
        )  # fmt: skip
        ends = self._source.path, str(self._remote.url)
        try:
            yield from self.session.watch(operation, what="cannot put", where=ends)
        finally:
            self._begun |= self.handle.begun

    def recover(self) -> None:
        """In stream mode go on at the end of the remote file; in MODE E send what the server has not confirmed, since
        there may be holes.

        A remote file that is longer than what was sent is not what was sent: then the server has never begun.
        """
        sent = self.base + self.bytes()
        confirmed = self.verified()
        self._remote.forget(self.handle)
        if self._source.changed():
            raise _changed(self._source.path)
        if self.options.partial:
            return
        if self.extended:
            self._go_on(confirmed, extended=True)
        else:
            there = self._remote.size() or 0
            self._go_on([(0, there)] if there <= sent else [], extended=False)

    def resume(self, ranges: Ranges) -> bool:
        """In stream mode a server writes from first to last, so that all that is there counts."""
        if not self.extended:
            there = self._remote.size() or 0
            ranges = [(0, there)] if there <= (self._source.size or 0) else []
        return super().resume(ranges)

    @property
    def extended(self) -> bool:
        return self._remote.extended


class Get(Handled):
    """A file of a GridFTP or FTP server to a local one."""

    name = "get"

    def __init__(
        self, session: Session, options: Options, remote: Remote, facts: Facts, destination: LocalDestination
    ) -> None:
        super().__init__(session, options)
        self._remote = remote
        self._facts = facts
        self._destination = destination
        self._kept: list[tuple[int, int]] = []

    def attempt(self) -> Attempt:
        operation = self.handle.get(
            self._remote.wire, self._destination.fd, self._remote.attributes(), self.span,
            block=self.options.block_size, blocks=self.blocks, marker=self._marker(),
        )  # fmt: skip
        ends = str(self._remote.url), self._destination.path
        try:
            yield from self.session.watch(operation, what="cannot get", where=ends)
        finally:
            self._kept = merge([*self._kept, *self.handle.ranges])

    def recover(self) -> None:
        self._remote.forget(self.handle)
        now = self._remote.stat()
        before = self._facts
        if now is None or now.size != before.size or before.modified not in (None, now.modified):
            raise _changed(str(self._remote.url))
        if self.options.partial:
            self._kept = []
        extended = self._remote.extended
        self._go_on(list(self._kept), extended=extended)
        if not extended:
            self._kept = self._kept[:1] if self.base else []

    def resume(self, ranges: Ranges) -> bool:
        self._go_on(ranges, extended=self.extended)
        self._kept = (ranges if self.extended else ranges[:1]) if self.base else []
        return self.base > 0

    def verified(self) -> Ranges:
        self.handle.refresh()
        return merge([*self._kept, *self.handle.ranges])

    @property
    def extended(self) -> bool:
        return self._remote.extended

    def arrived(self, again: bool) -> int:
        """Distinct bytes, of all attempts."""
        del again
        return sum(end - start for start, end in self._kept)


def merge(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes in as few ranges as possible, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def parse_ranges(marker: str | None) -> list[tuple[int, int]]:
    """Ranges of a restart marker ("0-100,200-300"); what is no marker is none."""
    pairs: list[tuple[int, int]] = []
    for part in (marker or "").split(","):
        start, dash, end = part.strip().partition("-")
        if dash and start.isdecimal() and end.isdecimal() and int(start) < int(end):
            pairs.append((int(start), int(end)))
    return merge(pairs)


def _changed(where: str) -> errors.DataError:
    why = "somebody has written to it between two attempts"
    return errors.DataError("the source has changed", where=where, why=why, fault="source-changed")

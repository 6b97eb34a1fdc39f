# SPDX-License-Identifier: Apache-2.0
"""The ways bytes can take: put, get, third party, relay, and copy within this machine.

A route makes attempts. Each attempt is a generator that yields every `session.TICK` while bytes move and raises what
went wrong; after a failed one the route knows how far it came, and the next attempt goes on there where the protocol
allows.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Generator

from pyglobus.core import errors
from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.url import Url
from pyglobus.core.version import __version__
from pyglobus.ffi.ftp import Marker, Span
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.relay import RelayEnd, relay

_MIN_BLOCKS = 4

Attempt = Generator[None, None, None]


class Route(ABC):
    """One way, with its two open ends. ``name`` is what events call it; ``bytes`` counts the current attempt."""

    name: str

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

    def counts(self) -> bool:
        """Whether bytes are seen as they move, so that standing still can be told from silence."""
        return True

    @property
    def span(self) -> Span:
        """The part of the file that is moved."""
        return Span(start=self.options.offset, end=self.options.end, partial=self.options.partial)

    @property
    def blocks(self) -> int:
        """Buffers in flight: each stream needs one to fill and one to send."""
        return max(_MIN_BLOCKS, 2 * self.options.parallel)


class _Handled(Route):
    """A route over the session's FTP handle."""

    def __init__(self, session: Session, options: Options) -> None:
        super().__init__(session, options)
        self.handle = session.handle()
        self._offset = -1
        self._ranges: list[tuple[int, int]] = []

    def bytes(self) -> int:
        return self.handle.meter.bytes()

    def _marker(self) -> Marker:
        return Marker(self._offset, self._ranges)

    def _go_on(self, offset: int, ranges: list[tuple[int, int]]) -> None:
        """From now on skip what is there: ranges in MODE E, an offset in stream mode."""
        if self.options.parallel:
            self._ranges = ranges
            self.base = sum(end - start for start, end in ranges)
        else:
            self._offset = offset
            self.base = max(0, offset)


class Put(_Handled):
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
        yield from self.session.watch(operation, what="cannot put", where=str(self._remote.url), role="destination")

    def recover(self) -> None:
        self._remote.forget(self.handle)
        if not self.options.partial and not self.options.parallel:  # MODE E sends all again: it may have left holes
            there = self._remote.size() or 0
            self._go_on(min(there, self._source.size or 0) or -1, [])


class Get(_Handled):
    """A file of a GridFTP or FTP server to a local one."""

    name = "get"

    def __init__(self, session: Session, options: Options, remote: Remote, destination: LocalDestination) -> None:
        super().__init__(session, options)
        self._remote = remote
        self._destination = destination
        self._kept: list[tuple[int, int]] = []

    def attempt(self) -> Attempt:
        operation = self.handle.get(
            self._remote.wire, self._destination.fd, self._remote.attributes(), self.span,
            block=self.options.block_size, blocks=self.blocks, marker=self._marker(),
        )  # fmt: skip
        try:
            yield from self.session.watch(operation, what="cannot get", where=str(self._remote.url), role="source")
        finally:
            self._kept = merge([*self._kept, *self.handle.ranges])

    def recover(self) -> None:
        self._remote.forget(self.handle)
        if self.options.partial:
            self._kept = []
            return
        whole = self._kept[0][1] if self._kept and self._kept[0][0] == 0 else 0
        self._go_on(whole or -1, list(self._kept))

    def received(self) -> int:
        """Distinct bytes that have arrived in all attempts."""
        return sum(end - start for start, end in self._kept)


class ThirdParty(_Handled):
    """From one server straight to another."""

    name = "third party"

    def __init__(self, session: Session, options: Options, source: Remote, destination: Remote) -> None:
        super().__init__(session, options)
        self._source = source
        self._destination = destination

    def counts(self) -> bool:
        return self.bytes() > 0  # plain FTP servers report nothing

    def attempt(self) -> Attempt:
        operation = self.handle.third_party(
            self._source.wire, self._source.attributes(), self._destination.wire, self._destination.attributes(),
            self.span, marker=self._marker(),
        )  # fmt: skip
        ends = str(self._source.url), str(self._destination.url)
        yield from self.session.watch(operation, what="cannot transfer", where=ends)

    def recover(self) -> None:
        ranges = parse_ranges(self.handle.marker)
        self._source.forget(self.handle)
        self._destination.forget(self.handle)
        if not self.options.partial:
            self._go_on(-1, ranges)


class Relay(Route):
    """Through this process by globus_gass_copy: http, https, pipes, and FTP to FTP without third party."""

    name = "relay"

    def __init__(
        self,
        session: Session,
        options: Options,
        source: RelayEnd,
        destination: RelayEnd,
        source_url: Url,
        destination_url: Url,
    ) -> None:
        super().__init__(session, options)
        self._ends = source, destination
        self._where = str(source_url), str(destination_url)
        self._meter, self._length = Meter(), Meter()

    def bytes(self) -> int:
        return self._meter.bytes()

    def attempt(self) -> Attempt:
        source, destination = self._ends
        operation = relay(
            self.session.engine, source, destination, self.span,
            block=self.options.block_size, version=__version__, meter=self._meter, length=self._length,
            debug_fd=self.session.debug_fd,
        )  # fmt: skip
        yield from self.session.watch(operation, what="cannot copy", where=self._where)

    def recover(self) -> None:
        for end in self._ends:
            if end.url is None:
                try:
                    os.lseek(end.fd, 0, os.SEEK_SET)
                except OSError as error:
                    why = "a pipe cannot be read or written a second time"
                    raise errors.DataError("cannot try again", where=" -> ".join(self._where), why=why) from error


class LocalCopy(Route):
    """Within this machine, by the kernel where it can."""

    name = "local copy"

    def __init__(self, session: Session, options: Options, source: LocalSource, destination: LocalDestination) -> None:
        super().__init__(session, options)
        self._source = source
        self._destination = destination
        self._bytes = 0

    def bytes(self) -> int:
        return self._bytes

    def attempt(self) -> Attempt:
        left = self.options.length
        where = self._source.path, self._destination.path
        kernel = self._source.seekable and self._destination.seekable
        try:
            if self._source.seekable:
                os.lseek(self._source.fd, self.options.offset, os.SEEK_SET)
            if self._destination.seekable:
                os.lseek(self._destination.fd, self.options.offset if self.options.partial else 0, os.SEEK_SET)
            while left != 0:
                chunk = self.options.block_size if left is None else min(left, self.options.block_size)
                try:
                    moved = self._move(chunk, kernel)
                except OSError as error:
                    if not kernel or error.errno not in (
                        errno.EXDEV,
                        errno.EINVAL,
                        errno.ENOSYS,
                        errno.EBADF,
                        errno.EOPNOTSUPP,
                    ):
                        raise
                    kernel = False
                    continue
                if moved == 0 and kernel and self._bytes == 0:
                    kernel = False  # files of /proc and the like have no size, yet content
                    continue
                if moved == 0:
                    return
                self._bytes += moved
                left = None if left is None else left - moved
                self.session.check()
                yield
        except BrokenPipeError:
            raise
        except OSError as error:
            from pyglobus.core.faults import explain

            raise explain(error, what="cannot copy", where=where) from error

    def recover(self) -> None:
        self._bytes = 0

    def _move(self, chunk: int, kernel: bool) -> int:
        if kernel:
            return os.copy_file_range(self._source.fd, self._destination.fd, chunk)
        data = memoryview(os.read(self._source.fd, chunk))
        done = 0
        while done < len(data):
            done += os.write(self._destination.fd, data[done:])
        return done


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


def _position(fd: int) -> int:
    """How far an open file has come; the library, which shares the position, counts only once a second. 0 for a
    pipe.
    """
    try:
        return os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return 0


def ftp_end(remote: Remote) -> RelayEnd:
    """A relay's end at an FTP server."""
    return RelayEnd(url=remote.wire, options=remote.attributes())


def http_end(url: Url, subject: str | None) -> RelayEnd:
    """A relay's end at an HTTP server."""
    return RelayEnd(url=url.wire(), scheme=url.scheme, subject=subject)

# SPDX-License-Identifier: Apache-2.0
"""One file from one place to another.

    from pyglobus.core.transfer import Transfer

    for event in Transfer("gsiftp://host/data/run7.h5", "run7.h5"):
        print(event.bytes, event.total)

A `Transfer` is driven by whoever iterates it: events come as it goes, the last one is `Finished`. `Transfer.run` does
the same and returns the result. What goes wrong is raised as `pyglobus.core.errors.Error`; leaving the loop early, by
``break`` or an exception, cancels the transfer and cleans up.

The way is: open both ends, ask for the size, make directories if wished, move the bytes (again after transient
faults, if `Options.retry` says so), compare sizes and, if wished, checksums, and let the destination appear under its
name.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from pyglobus.core import checksum, errors, faults
from pyglobus.core.localfile import LocalDestination, LocalSource, same_file
from pyglobus.core.options import Options, Side
from pyglobus.core.partial import Partial
from pyglobus.core.remote import Facts, Remote
from pyglobus.core.route import Get, LocalCopy, Put, Relay, Route, ThirdParty, ftp_end, http_end
from pyglobus.core.session import TICK, Session
from pyglobus.core.url import Url, parse
from pyglobus.ffi.annotation import NamedTuple
from pyglobus.ffi.relay import RelayEnd

# Seconds that removing a cancelled upload may take: a far server needs its round trips, a dead one keeps us waiting.
_CLEAN_UP_LIMIT = 1.0
_LONGEST_PAUSE = 120.0
# Seconds between two looks at what of a file is verified, for who wants to know.
_NOTE_EVERY = 1.0
# Faults after which what has arrived is not worth keeping.
_SPOILT = ("short-file", "long-file", "checksum-mismatch", "source-changed")


class Started(NamedTuple):
    """The bytes begin to move. ``total`` is None if the size is not known."""

    source: str
    destination: str
    route: str
    total: int | None


class Progress(NamedTuple):
    """At least five times a second while bytes move."""

    bytes: int
    total: int | None
    seconds: float


class Retrying(NamedTuple):
    """A transient fault; the next attempt begins after ``delay`` seconds."""

    error: errors.Error
    attempt: int
    delay: float


class Warned(NamedTuple):
    """Something beside the bytes did not succeed; the transfer goes on."""

    error: errors.Error


class Result(NamedTuple):
    """What was done: bytes moved, seconds from the first to the last of them, attempts, the checksum if asked for, and
    the bytes of the file that an earlier run had moved (``resumed``).
    """

    source: str
    destination: str
    route: str
    bytes: int
    seconds: float
    attempts: int
    checksum: str | None = None
    checksum_algorithm: str | None = None
    resumed: int = 0

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0


class Finished(NamedTuple):
    """The end, and what was done."""

    result: Result


Event = Started | Progress | Retrying | Warned | Finished
_Step = Generator[Event, None, None]


class Transfer:
    """A transfer of one file, to be run once. ``session`` shares connections; without one the transfer has its own."""

    def __init__(
        self,
        source: str | Url,
        destination: str | Url,
        options: Options | None = None,
        *,
        session: Session | None = None,
        known: Facts | None = None,
        partial: Partial | None = None,
    ) -> None:
        """``known`` are facts of the source from a listing: then neither end is looked at again before the bytes move.
        With a ``partial`` the destination keeps a temporary name until it is whole, what it holds is gone on with, and
        after a failure it stays.

        Raises `errors.UsageError` for URLs that make no sense together.
        """
        self.options = (options or Options()).check()
        self.source = parse(source) if isinstance(source, str) else source
        self.destination = parse(destination) if isinstance(destination, str) else destination
        if self.source.is_directory and not self.source.is_http:
            raise errors.UsageError(
                "cannot copy a directory",
                where=str(self.source),
                why="only -r copies directories",
                fault="is-directory",
            )
        if self.destination.is_directory or (self.destination.is_local and os.path.isdir(self.destination.path)):
            if self.source.is_stream:
                raise errors.UsageError(
                    "cannot name the destination", where=str(self.destination), why="standard input has no name"
                )
            self.destination = self.destination.join(self.source.name)
        if self.source == self.destination and not self.source.is_stream:
            raise _same(self.source)
        self._known = known
        self._partial = partial
        # Between a server with GSI and one without, data channels cannot be authenticated.
        mixed = self.source.is_ftp and self.destination.is_ftp and self.source.scheme != self.destination.scheme
        self._ftp_options = self.options
        if mixed and self.options.third_party:
            self._ftp_options = self.options._replace(authenticate_data=False, protection="clear")
        self._owned = session is None
        self.session = session or Session(gridftp2=self.options.gridftp2, relative=self.options.relative)
        self._stack = ExitStack()
        self._source_file: LocalSource | None = None
        self._destination_file: LocalDestination | None = None
        self._source_remote: Remote | None = None
        self._destination_remote: Remote | None = None
        # What is moved to its place when it is whole; None where the place is written to.
        self._place: Remote | None = None
        self._source_facts: Facts | None = None
        # What was at the remote destination before, if it was looked at.
        self._looked = False
        self._before: Facts | None = None
        self._total: int | None = None
        self._attempts = 0
        self._cancelled = self._running = False

    def cancel(self) -> None:
        """End it soon, or at once when it begins, with `errors.Cancelled` raised where it is driven.

        Safe in signal handlers and from any thread. A shared session serves other transfers afterwards.
        """
        self._cancelled = True
        if self._running:
            self.session.cancel()

    def run(self, on_event: Callable[[Event], None] | None = None) -> Result:
        """Do it; ``on_event`` is called in this thread, and what it raises ends the transfer."""
        steps = iter(self)
        try:
            for event in steps:
                if on_event is not None:
                    on_event(event)
                if isinstance(event, Finished):
                    return event.result
        finally:
            steps.close()
        raise AssertionError("a transfer ends with Finished or an error")

    def __iter__(self) -> _Step:
        with self.session.within(self.options.timeout), self._stack:
            if self._owned:
                self._stack.callback(self.session.close)
            self._stack.callback(self._end)
            self._running = True
            if self._cancelled:
                self.session.cancel()
            self.session.check()
            result = yield from self._go()
        yield Finished(result)

    def _end(self) -> None:
        self._running = False
        if self._cancelled:
            self.session.resume()

    def _go(self) -> Generator[Event, None, Result]:
        options = self.options
        route = self._open()
        before = self._resume(route)
        with self._cleaning(route):
            yield Started(str(self.source), str(self.destination), route.name, self._total)
            started = time.monotonic()
            yield from self._attempt_all(route, started)
            seconds = time.monotonic() - started
            moved = route.base + route.bytes()
            self._compare_size(route, moved)
            if isinstance(route, ThirdParty):  # servers report now and then, and not at the end
                moved = self._total or moved
            yield Progress(moved, self._total, seconds)
            digest = (yield from self._verify(moved, started)) if options.verify else None
            if options.preserve:
                yield from self._preserve()
            self.session.check()  # who says stop at the last moment finds nothing either
            if self._destination_file is not None:
                self._destination_file.commit()
            elif self._destination_remote is not None and self._place is not None:
                self._destination_remote.move(self._place)
        return Result(
            str(self.source), str(self.destination), route.name, moved - before, seconds, self._attempts,
            digest, options.checksum_algorithm.lower() if digest else None, before,
        )  # fmt: skip

    def _resume(self, route: Route) -> int:
        """Let the route go on with what an earlier run has left; how many bytes that are."""
        partial, file, remote = self._partial, self._destination_file, self._destination_remote
        if partial is None:
            return 0
        ranges = partial.ranges
        if ranges is not None and file is not None and ranges and not file.holds(ranges[-1][1]):
            ranges = None
        if ranges is not None and remote is not None:
            facts = remote.stat()
            if facts is None or (ranges and (facts.size or 0) < ranges[-1][1]):
                ranges = None
        if ranges is not None and route.resume(ranges):
            return route.base
        if file is not None and file.seekable:
            file.rewind()
        partial.note([])
        return 0

    # The two ends ----------------------------------------------------------------------------------------------------

    def _open(self) -> Route:
        self._check_ends()
        self._open_source()
        self._open_destination()
        source, destination = self._source_file, self._destination_file
        if source is not None and destination is not None:
            return LocalCopy(self.session, self.options, source, destination)
        pumped = not self.options.ascii  # the library's conversion of line ends knows no offsets
        if source is not None and self._destination_remote is not None and source.seekable and pumped:
            return Put(self.session, self.options, source, self._destination_remote)
        facts = self._source_facts
        remote = self._source_remote
        if destination is not None and remote is not None and facts is not None and destination.seekable and pumped:
            return Get(self.session, self.options, remote, facts, destination)
        if self._source_remote is not None and self._destination_remote is not None and self.options.third_party:
            return ThirdParty(self.session, self.options, self._source_remote, self._destination_remote)
        sides = self.options.source, self.options.destination
        ends = (
            source or self._relay_end(self.source, self._source_remote, sides[0]),
            destination or self._relay_end(self.destination, self._destination_remote, sides[1]),
        )
        return Relay(self.session, self.options, self.source, self.destination, *ends)

    @staticmethod
    def _relay_end(url: Url, remote: Remote | None, side: Side) -> RelayEnd:
        return ftp_end(remote) if remote is not None else http_end(url, side.subject)

    def _check_ends(self) -> None:
        """Refuse what the two ends cannot do, before anything is done."""
        for url in (self.source, self.destination):
            if self.options.verify and (url.is_stream or url.is_http):
                why = "neither pipes nor HTTP servers can be asked for a checksum"
                raise errors.Unsupported("cannot verify", where=str(url), why=why)
            if self.options.partial and (url.is_http or (url.is_stream and url is self.source)):
                why = "only files and FTP servers give and take a part"
                raise errors.Unsupported("cannot copy a part", where=str(url), why=why)
            if url.is_http and url.user is not None:
                why = "HTTP servers are not told names and passwords"
                raise errors.Unsupported("cannot log in", where=str(url), why=why)

    def _open_source(self) -> None:
        url, options = self.source, self.options
        if url.is_local or url.is_stream:
            self._source_file = source = LocalSource(url.path, check=self.session.check)
            self._stack.callback(source.close)
            if self.destination.is_local and same_file(source, self.destination.path):
                raise _same(url)
            self._note_size(source.size)
        elif url.is_ftp:
            self._source_remote = self._remote(url, options.source, "source")
            self._source_facts = facts = self._known or self._source_remote.stat()
            if facts is None:
                raise faults.known("no-such-file", what="cannot get", where=str(url), role="source")
            if facts.is_directory:
                raise errors.UsageError(
                    "cannot copy a directory", where=str(url), why="only -r copies directories", fault="is-directory"
                )
            self._note_size(facts.size)

    def _remote(self, url: Url, side: Side, role: faults.Role) -> Remote:
        remote = Remote(self.session, url, side, self._ftp_options, role)
        if self._ftp_options is not self.options and url.scheme == "gsiftp":
            # An open connection may have authenticated data channels, and the library would not turn that off.
            remote.forget(self.session.handle())
        remote.check_name()
        return remote

    def _note_size(self, size: int | None) -> None:
        """Set the bytes to come from the size of the source and the part that is asked for."""
        length = self.options.length
        if size is not None:
            if self.options.offset > size:
                raise errors.UsageError(
                    "bad offset", where=str(self.options.offset), why=f"{self.source} has only {size} bytes"
                )
            rest = size - self.options.offset
            self._total = rest if length is None else min(rest, length)

    def _open_destination(self) -> None:
        url, options = self.destination, self.options
        if url.is_local or url.is_stream:
            destination = LocalDestination(
                url.path,
                in_place=options.in_place,
                keep=options.partial,
                create_directories=options.create_directories,
                partial=self._partial,
                check=self.session.check,
            )
            self._destination_file = destination
            self._stack.callback(destination.leave)
        elif url.is_ftp:
            self._destination_remote = place = self._remote(url, options.destination, "destination")
            if self._known is None:
                self._look_at_destination(place)
            if self._partial is not None:
                self._place = place
                self._destination_remote = place.beside(self._partial.url(url))

    def _look_at_destination(self, remote: Remote) -> None:
        url = remote.url
        try:
            self._before = facts = remote.stat()
        except errors.AccessDenied:
            return  # drop boxes take what they do not show
        self._looked = True
        if facts is None:
            if self.options.create_directories:
                remote.make_directories()
        elif facts.is_directory:
            raise errors.CannotCreate(
                "cannot put", where=str(url), why="it is a directory",
                hint="a destination that is a directory ends with a slash", fault="is-directory",
            )  # fmt: skip
        elif self._is_source(facts):
            raise _same(url)

    def _is_source(self, facts: Facts) -> bool:
        """Whether the destination is the very file that is the source, under another name or by another server."""
        source = self._source_facts
        if source is None or source.unique is None or source.unique != facts.unique or source.size != facts.size:
            return False
        return _are_one_host(self.source.host, self.destination.host)

    @contextmanager
    def _cleaning(self, route: Route) -> Iterator[None]:
        """After a failure remove what lies at the remote destination, if it is what we have put there."""
        try:
            yield
        except BaseException as error:
            for remote in (self._source_remote, self._destination_remote):
                if remote is not None:  # its cached connection may be in the middle of something
                    remote.forget(self.session.handle())
            spoilt = isinstance(error, errors.Error) and error.fault in _SPOILT
            if self._partial is not None and not spoilt:
                self._partial.note(route.verified())
            elif self._destination_remote is not None:
                with suppress(errors.Error):
                    self._clean_up(self._destination_remote, route.begun(), error)
            if self._partial is not None and spoilt:
                self._partial.note([])
                if self._destination_file is not None:
                    self._destination_file.discard()
            raise

    def _clean_up(self, remote: Remote, begun: bool, error: BaseException) -> None:
        hurry = not isinstance(error, errors.Error) or isinstance(error, errors.Cancelled | errors.DeadlineExceeded)
        with self.session.again() as remaining:
            remaining.until(_CLEAN_UP_LIMIT if hurry else self.options.connect_timeout)
            place = Remote(remaining, remote.url, self.options.destination, self.options, "destination")
            facts = place.stat()
            if facts is None or facts.kind != "file":
                return
            if self._place is not None or (self._looked and self._before is None):
                place.delete()
            elif not self.options.partial and (facts != self._before if self._looked else begun):
                place.delete()  # the old file is gone anyway

    # The bytes -------------------------------------------------------------------------------------------------------

    def _attempt_all(self, route: Route, started: float) -> _Step:
        retry = self.options.retry
        while True:
            self._attempts += 1
            try:
                yield from self._watched(route, started)
                return
            except errors.Error as error:
                if self._fall_back(route, error):
                    continue
                elapsed = time.monotonic() - started
                if (
                    retry is None
                    or not isinstance(error, errors.TransientError)
                    or (retry.times and self._attempts > retry.times)
                    or (retry.window and elapsed > retry.window)
                ):
                    raise
                delay = retry.interval or _pause(self._attempts)
                yield Retrying(error, self._attempts, delay)
                yield from self._sleep(delay, route, started)
                try:
                    route.recover()
                except errors.TransientError:
                    continue  # the server is still away: that was an attempt, too

    def _fall_back(self, route: Route, error: errors.Error) -> bool:
        """Whether to try again at once with what a server may need: delegation for its data channels, or
        stream mode.
        """
        remotes = [r for r in (self._source_remote, self._destination_remote) if r is not None]
        if route.bytes() or not remotes:
            return False
        urls = [remote.url for remote in remotes]
        if not (self.options.delegate == "auto" and self.session.fall_back(error, *urls)):
            plain = self.options.reuse_data and not self.options.parallel and error.ftp_code in (500, 501, 502, 504)
            if not (plain and isinstance(error, errors.Unsupported) and self.session.stream(*urls)):
                return False
        for remote in remotes:
            remote.forget(self.session.handle())
        self._attempts -= 1
        return True

    def _watched(self, route: Route, started: float) -> _Step:
        """One attempt, with events, and an end to standing still."""
        limit = self.options.stall_timeout
        last, since = -1, time.monotonic()
        noted = since
        attempt = route.attempt()
        for _ in attempt:
            now, moved = time.monotonic(), route.bytes()
            if self._partial is not None and now - noted >= _NOTE_EVERY:
                noted = now
                self._partial.note(route.verified())
            if self._total is None:
                self._total = route.total()
            if moved != last:
                last, since = moved, now
            elif limit and now - since > (patience := route.patience(limit)):
                if not route.moves():
                    attempt.throw(_stalled(self.source, self.destination, patience))
                since = time.monotonic()
            try:
                yield Progress(route.base + moved, self._total, now - started)
            except BaseException as thrown:
                attempt.throw(thrown)
                raise
        if self._total is None:
            self._total = route.total()

    def _sleep(self, seconds: float, route: Route, started: float) -> _Step:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.session.check()
            time.sleep(min(left, TICK))
            yield Progress(route.base + route.bytes(), self._total, time.monotonic() - started)

    # The proof -------------------------------------------------------------------------------------------------------

    def _compare_size(self, route: Route, moved: int) -> None:
        """Success is not taken on trust: less or more than there was is a failure, whoever lost or made it."""
        arrived: int | None = moved
        if isinstance(route, Get):
            arrived = route.received()
        elif isinstance(route, ThirdParty) or (self._attempts + route.base > 1 and not self.options.partial):
            # What servers report is not always the last word; what came in several attempts is better looked at.
            arrived = self._size_at_destination()
        if self._total is None or arrived is None:
            return
        if arrived < self._total:
            raise errors.DataError(
                "file is incomplete", where=str(self.source), fault="short-file",
                why=f"{arrived} of {self._total} bytes arrived, although no error was reported",
            )  # fmt: skip
        if arrived > self._total and not self._has_grown(arrived):
            raise errors.DataError(
                "file is too long", where=str(self.source), fault="long-file",
                why=f"{arrived} bytes arrived, although it has only {self._total}",
            )  # fmt: skip

    def _size_at_destination(self) -> int | None:
        """What has arrived at a server; None if it does not tell."""
        if self._destination_remote is None or self.options.partial:
            return None
        try:
            facts = self._destination_remote.stat()
        except (errors.Unsupported, errors.AccessDenied):
            return None
        except errors.TransientError:
            if self._attempts > 1:
                raise
            return None  # both servers have said that all is well
        return 0 if facts is None else facts.size

    def _has_grown(self, arrived: int) -> bool:
        """Whether the source has so many bytes by now, or is of those that have content but no size."""
        if self._total == 0 or self.options.length is not None:
            return True
        if self._source_remote is not None:
            size = self._source_remote.size()
        else:
            size = None if self._source_file is None else os.fstat(self._source_file.fd).st_size
        return size is None or size - self.options.offset >= arrived

    def _verify(self, moved: int, started: float) -> Generator[Event, None, str]:
        algorithm = self.options.checksum_algorithm
        sums: list[str] = []
        for file, remote, url in (
            (self._source_file, self._source_remote, self.source),
            (self._destination_file, self._destination_remote, self.destination),
        ):
            computing = remote.checksum(algorithm, self._total) if remote is not None else self._local_sum(file, url)
            while True:
                try:
                    next(computing)
                except StopIteration as ended:
                    sums.append(str(ended.value))
                    break
                yield Progress(moved, self._total, time.monotonic() - started)
        if sums[0] != sums[1]:
            raise errors.ChecksumMismatch(
                "checksums differ", where=str(self.destination), fault="checksum-mismatch",
                why=f"{algorithm.lower()} {sums[0]} at the source, {sums[1]} at the destination",
            )  # fmt: skip
        return sums[0]

    def _preserve(self) -> _Step:
        """Give the destination what the source has beside its bytes: permissions and time of last change."""
        from pyglobus.core.tree import parse_time

        mode = modified = None
        if self._source_file is not None and self.source.is_local:
            mode, modified = self._source_file.status.st_mode, self._source_file.status.st_mtime
        elif self._source_facts is not None:
            mode, modified = self._source_facts.mode, parse_time(self._source_facts.modified)
        # Neither set-user-ID nor its kin: whose the destination is, somebody else decides.
        steps: list[Callable[[], None]] = []
        if (file := self._destination_file) is not None and self.destination.is_local:
            if mode is not None:
                steps.append(partial(file.set_mode, mode & 0o777))
            if modified is not None:
                steps.append(partial(file.set_time, modified))
        elif (remote := self._destination_remote) is not None:
            if mode is not None:
                steps.append(partial(remote.set_mode, mode & 0o777))
            if modified is not None:
                steps.append(partial(remote.set_time, modified))
        for step in steps:
            try:
                step()
            except (errors.AccessDenied, errors.CannotCreate, errors.NotFound, errors.Unsupported) as error:
                yield Warned(error)

    def _local_sum(self, file: LocalSource | LocalDestination | None, url: Url) -> Generator[None, None, str]:
        options = self.options
        length = -1 if options.length is None else options.length
        try:
            if file is None or not file.seekable:
                raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
            computing = checksum.of_file(file.fd, options.checksum_algorithm, options.offset, length)
            while True:
                try:
                    next(computing)
                except StopIteration as ended:
                    return str(ended.value)
                self.session.check()
                yield
        except OSError as error:
            from pyglobus.core.faults import explain

            raise explain(error, what="cannot compute checksum", where=str(url)) from error


def copy(source: str, destination: str, options: Options | None = None) -> Result:
    """Copy one file and return what was done."""
    return Transfer(source, destination, options).run()


def _are_one_host(one: str, other: str) -> bool:
    import socket

    def addresses(host: str) -> set[object]:
        return {info[4][0] for info in socket.getaddrinfo(host, None)}

    try:
        return one == other or bool(addresses(one) & addresses(other))
    except OSError:
        return False


def _pause(attempt: int) -> float:
    """Exponential back-off with jitter, so that many clients of one server do not come back at once."""
    import random

    return min(_LONGEST_PAUSE, float(2 ** (attempt - 1))) * random.uniform(0.75, 1.25)  # noqa: S311  no secret


def _same(url: Url) -> errors.UsageError:
    return errors.UsageError("cannot copy a file onto itself", where=str(url), fault="same-file")


def _stalled(source: Url, destination: Url, seconds: float) -> errors.TransientError:
    return errors.TransientError(
        "transfer stalled", where=f"{source} -> {destination}", why=f"no byte moved for {seconds:g} s", fault="stalled",
        hint="a firewall may block data channels (GLOBUS_TCP_PORT_RANGE); -rst tries again, -st sets the limit",
    )  # fmt: skip


__all__ = ["Event", "Finished", "Progress", "Result", "Retrying", "Started", "Transfer", "Warned", "copy"]

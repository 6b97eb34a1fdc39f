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

import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack

from pyglobus.core import errors
from pyglobus.core.ends import Ends, directory, same
from pyglobus.core.options import Options
from pyglobus.core.remote import Facts
from pyglobus.core.route import Route
from pyglobus.core.session import TICK, Session
from pyglobus.core.url import Url, parse
from pyglobus.ffi.annotation import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyglobus.core.partial import Partial

# Seconds between two looks at what of a file is verified, for who wants to know.
_NOTE_EVERY = 1.0


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
            raise directory(self.source)
        if self.destination.is_directory or (self.destination.is_local and os.path.isdir(self.destination.path)):
            if self.source.is_stream:
                raise errors.UsageError(
                    "cannot name the destination", where=str(self.destination), why="standard input has no name"
                )
            self.destination = self.destination.join(self.source.name)
        if self.source == self.destination and not self.source.is_stream:
            raise same(self.source)
        self._owned = session is None
        self.session = session or Session(gridftp2=self.options.gridftp2, relative=self.options.relative)
        self._stack = ExitStack()
        self._partial = partial
        self._ends = Ends(self.session, self.options, self.source, self.destination, known=known, partial=partial)
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
        ends, options = self._ends, self.options
        route = ends.open(self._stack)
        if options.verify:
            from pyglobus.core.proof import foresee

            foresee(ends, options)
        before = self._resume(route)
        try:
            yield Started(str(self.source), str(self.destination), route.name, ends.total)
            started = time.monotonic()
            yield from self._attempt_all(route, started)
            seconds = time.monotonic() - started
            self._compare_size(route)
            moved = route.base + route.bytes() if route.counts else ends.total or route.base + route.bytes()
            yield Progress(moved, ends.total, seconds)
            digest = (yield from self._verify(moved, started)) if options.verify else None
            if options.preserve:
                yield from self._preserve()
            self.session.check()  # who says stop at the last moment finds nothing either
            ends.finish()
        except BaseException as error:
            from pyglobus.core import recovery

            recovery.clean(route, ends, options, self.session, self._partial, error)
            raise
        return Result(
            str(self.source), str(self.destination), route.name, moved - before, seconds, self._attempts,
            digest, options.checksum_algorithm.lower() if digest else None, before,
        )  # fmt: skip

    def _resume(self, route: Route) -> int:
        """Let the route go on with what an earlier run has left; how many bytes that are."""
        if self._partial is None:
            return 0
        from pyglobus.core import recovery

        return recovery.resume(route, self._ends, self._partial)

    def _attempt_all(self, route: Route, started: float) -> _Step:
        while True:
            self._attempts += 1
            try:
                yield from self._watched(route, started)
                return
            except errors.Error as error:
                from pyglobus.core import recovery

                if recovery.fall_back(route, self._ends, self.options, self.session, error):
                    self._attempts -= 1
                    continue
                delay = recovery.pause_after(error, self.options.retry, self._attempts, time.monotonic() - started)
                if delay is None:
                    raise
                yield Retrying(error, self._attempts, delay)
                yield from self._sleep(delay, route, started)
                try:
                    route.recover()
                except errors.TransientError:
                    continue  # the server is still away: that was an attempt, too

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
            if self._ends.total is None:
                self._ends.total = route.total()
            if moved != last:
                last, since = moved, now
            elif limit and now - since > (patience := route.patience(limit)):
                if not route.moves():
                    from pyglobus.core.recovery import stalled

                    attempt.throw(stalled(self.source, self.destination, patience))
                since = time.monotonic()
            try:
                yield Progress(route.base + moved, self._ends.total, now - started)
            except BaseException as thrown:
                attempt.throw(thrown)
                raise
        if self._ends.total is None:
            self._ends.total = route.total()

    def _sleep(self, seconds: float, route: Route, started: float) -> _Step:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.session.check()
            time.sleep(min(left, TICK))
            yield Progress(route.base + route.bytes(), self._ends.total, time.monotonic() - started)

    def _compare_size(self, route: Route) -> None:
        """Success is not taken on trust: less or more than there was is a failure."""
        again = self._attempts + route.base > 1 and not self.options.partial
        arrived = route.arrived(again)
        if arrived is None or arrived != self._ends.total:
            from pyglobus.core.proof import compare_size

            compare_size(self._ends, self.options, arrived, self._attempts)

    def _verify(self, moved: int, started: float) -> Generator[Event, None, str]:
        from pyglobus.core.proof import verify

        computing = verify(self._ends, self.options, self.session)
        while True:
            try:
                next(computing)
            except StopIteration as ended:
                return str(ended.value)
            yield Progress(moved, self._ends.total, time.monotonic() - started)

    def _preserve(self) -> _Step:
        from pyglobus.core.proof import preserve

        for error in preserve(self._ends):
            yield Warned(error)


def copy(source: str, destination: str, options: Options | None = None) -> Result:
    """Copy one file and return what was done."""
    return Transfer(source, destination, options).run()


__all__ = ["Event", "Finished", "Progress", "Result", "Retrying", "Started", "Transfer", "Warned", "copy"]

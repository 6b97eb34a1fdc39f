# SPDX-License-Identifier: Apache-2.0
"""The planner of a job: one thread that expands pairs to files, and offers those that are to be copied to the workers.

Directories are made before what goes into them, and files that are at their destination already go no further. In a
rehearsal it tells what would be copied, and makes nothing. Source and destination are listed over connections of their
own, ahead of what is made and compared; they log in when there is something to list.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.events import FileFailed, FilePlanned, FileSkipped, JobEvent, PlanComplete
from pyglobus.core.jobstate import JobState
from pyglobus.core.lister import Lister
from pyglobus.core.localfile import make_directory
from pyglobus.core.plan import Directory, Item, Listed, Pair, Plan
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.sync import Comparison, look
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TypeVar

T = TypeVar("T")

# Files that need nothing are told of so many at a time: a thread to hand each of them over would be most of the work.
_TOGETHER = 200


class Planner:
    """Plans these pairs for the job of ``state``."""

    def __init__(self, state: JobState, pairs: Iterable[Pair]) -> None:
        self._state = state
        self._terms = state.terms
        self._pairs = list(pairs) if state.terms.accounted else pairs
        # How many pairs have been begun, the plan, and what could not be listed.
        self._taken = 0
        self._plan: Plan | None = None
        self._comparison: Comparison | None = None
        self._unlisted: list[Pair] = []
        self._needless: list[JobEvent] = []
        #: Directories whose permissions and times are to be given in the end.
        self.directories: list[Directory] = []

    def rest(self) -> Iterator[Pair]:
        """Pairs that are still to be expanded, of a job that is ``accounted``. Safe in any thread."""
        assert isinstance(self._pairs, list)
        # In the order in which things move on, so that nothing slips through.
        later = self._pairs[self._taken :]
        listing = self._plan.rest() if self._plan else []
        yield from dict.fromkeys([*self._unlisted, *listing, *later])

    def run(self, session: Session) -> None:
        """Plan it all."""
        terms, state = self._terms, self._state
        try:
            with session.aside() as at_source, session.aside() as at_destination:
                if terms.sync is not None:
                    lister = Lister(at_destination, terms.options, "destination", state.events.put)
                    self._comparison = Comparison(terms.sync, session, terms.options, lister)
                self._plan = Plan(
                    Lister(at_source, terms.options, "source", state.events.put),
                    recursive=terms.recursive,
                    unlisted=self._report_unlisted if terms.continue_on_error else None,
                    names=terms.mirror is not None,
                    expect=self._comparison.expect if self._comparison is not None else None,
                )
                complete = self._expand(session, self._plan)
            if complete:
                self._tell_needless()
                state.events.put(PlanComplete(state.queued, state.total))
                if terms.journal is not None:
                    terms.journal.planned(state.files, state.total)
        finally:
            self._tell_needless()
            state.planned = True
            state.begin(None)
            for _ in range(terms.concurrency):
                state.put(None)

    def _expand(self, session: Session, plan: Plan) -> bool:
        """Take all steps, unless the job ends before; whether that is done."""
        terms, state = self._terms, self._state
        for number, given in enumerate(self._pairs, 1):
            pair = terms.aliases.pair(given) if terms.aliases else given
            state.begin(pair)
            fresh = False
            try:
                for step in plan.steps(pair):
                    self._taken = number
                    if state.stop.is_set():
                        return False
                    if isinstance(step, Directory):
                        fresh = self._enter(session, step)
                    elif isinstance(step, Listed):
                        self._compare(session, step)
                    else:
                        self._offer(session, step._replace(fresh=fresh) if fresh else step)
            except errors.Error as error:
                self._report_unlisted(pair, error)
                if not terms.continue_on_error:
                    return False
            self._taken = number
        return not state.stop.is_set()

    def _enter(self, session: Session, directory: Directory) -> bool:
        """Have the directory ready for what comes next in the plan; whether there is nothing in it yet."""
        terms, comparison = self._terms, self._comparison
        there = comparison is not None and comparison.enter(directory.url)
        fresh = not (there or terms.rehearsal) and self._try_to_make(session, directory)
        if comparison is not None and not fresh:
            comparison.look(directory.url)
        if terms.options.preserve and not directory.top:
            self.directories.append(directory)
        return fresh

    def _offer(self, session: Session, item: Item) -> None:
        terms, state = self._terms, self._state
        state.files += 1
        journal = terms.journal
        if journal is not None:
            if not item.listed:
                size, modified = look(session, terms.options, item.source)
                item = item._replace(size=size, modified=modified)
            if journal.has(item):
                self._skip(item, resumed=True)
                return
        if self._comparison is not None and not (item.fresh or self._comparison.differs(item)):
            self._skip(item)
            return
        size = item.size if item.size is not None else _size(item.source)
        state.total += size or 0
        state.sized = state.sized and size is not None
        state.queued += 1
        if terms.rehearsal:
            self._tell_later(FilePlanned(str(item.source), str(item.destination), size))
            return
        self._tell_needless()
        if terms.accounted:
            state.open[str(item.source), str(item.destination)] = item
        state.put(item)

    def _compare(self, session: Session, listed: Listed) -> None:
        if (mirror := self._terms.mirror) is not None:
            ends = listed.destination, listed.names
            mirror.compare(session, self._terms.options, *ends, top=listed.top, recursive=self._terms.recursive)

    def _report_unlisted(self, pair: Pair, error: errors.Error) -> None:
        self._unlisted.append(pair)
        self._state.events.put(FileFailed(str(pair.source), str(pair.destination), error))

    def _skip(self, item: Item, *, resumed: bool = False) -> None:
        self._tell_later(FileSkipped(str(item.source), str(item.destination), resumed))

    def _tell_later(self, event: JobEvent) -> None:
        self._needless.append(event)
        if len(self._needless) >= _TOGETHER:
            self._tell_needless()

    def _tell_needless(self) -> None:
        if self._needless:
            told, self._needless = self._needless, []
            self._state.events.put(told)

    def _try_to_make(self, session: Session, directory: Directory) -> bool:
        """As `_make`; if the job goes on after errors, a directory below the top that cannot be made is one failure."""
        try:
            return self._make(session, directory)
        except errors.Error as error:
            if not self._terms.continue_on_error or directory.top or isinstance(error, errors.Cancelled):
                raise
            self._state.events.put(FileFailed(str(directory.source or ""), str(directory.url), error))
            return False

    def _make(self, session: Session, directory: Directory) -> bool:
        """Make it, unless it is there; whether it is a server's, and new. What goes into it comes next in the plan."""
        options = self._terms.options
        if directory.top and not options.create_directories:
            return False
        url = directory.url
        if url.is_local:
            make_directory(url.path)
        elif url.is_ftp:
            place = Remote(session, url, options.destination, options, "destination")
            return self._insist(session, place, lambda: place.make_if_missing(above=directory.top))
        return False

    def _insist(self, session: Session, place: Remote, call: Callable[[], T]) -> T:
        """``call()``, again after transient faults if the options say so."""
        retry = self._terms.options.retry
        if retry is None:
            return call()
        from pyglobus.core.recovery import Insistence

        insistence = Insistence(session, retry, self._state.events.put)
        while True:
            try:
                return call()
            except errors.TransientError as error:
                insistence.pause(error)
                place.forget(session.handle())


def _size(url: Url) -> int | None:
    """Bytes of a local file, if it is one; others tell when they are transferred."""
    with suppress(OSError, ValueError):
        status = os.stat(url.path) if url.is_local else None
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None
    return None

# SPDX-License-Identifier: Apache-2.0
"""A worker of a job: one thread with connections of its own that copies what the planner offers.

Small files go down a pipeline where that serves, others, and what a pipeline leaves, have a transfer each. A worker
beyond the first begins only when there is enough to do that it pays to log in once more. The first one logs in for
small files as soon as it is known where they would go.
"""

from __future__ import annotations

import time
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.batch import Batch, sweep
from pyglobus.core.events import FileDone, FileFailed, FileStarted
from pyglobus.core.jobstate import TICK, JobState
from pyglobus.core.options import Options
from pyglobus.core.plan import Item
from pyglobus.core.remote import Facts
from pyglobus.core.session import Session
from pyglobus.core.transfer import Progress, Result, Retrying, Transfer, Warned
from pyglobus.core.url import Url
from pyglobus.core.way import LARGEST, HeadStart, Way, open_pipeline, way_ahead

# A further connection is opened for so many waiting files, or bytes to come.
_SHARE = 250
_LARGE_SHARE = 64 << 20
# Seconds since the first file came, before it is opened for small files that one pipeline could take.
_PATIENCE = 0.5


class Worker:
    """Worker ``number`` of the job of ``state``; ``asked``: so many were asked for, and all of them begin at once."""

    def __init__(self, state: JobState, number: int, *, asked: bool) -> None:
        self._state = state
        self._terms = state.terms
        self._number = number
        self._asked = asked
        # What pipelines have left at a server that was gone then.
        self._remains: list[Url] = []

    def run(self, session: Session) -> None:
        """Copy until nothing is left."""
        state, number = self._state, self._number
        if not self._wanted():
            return
        early = self._head_start(session) if number == 0 else None
        try:
            item = state.next(number)
            while item is not None:
                way = state.way(item)
                if way is None:
                    self._copy(session, item)
                    item = state.next(number)
                else:
                    item = self._batch(session, way, item, early) or state.next(number)
        finally:
            if early is not None:
                early.close()
        sweep(session, self._terms.options, self._remains, ended=state.stop.is_set())

    def _head_start(self, session: Session) -> HeadStart | None:
        """A pipeline on the way that the first files will go, as far as that can be told; errors are the planner's."""
        terms = self._terms
        pair = self._state.await_pair()
        way = None if pair is None or terms.aliases is not None else way_ahead(pair, terms.options)
        if pair is None or way is None or terms.options.preserve:
            return None
        with suppress(errors.Error):
            return HeadStart(way, open_pipeline(session, terms.options, way, pair, ahead=True, key=self._key))
        return None

    @property
    def _key(self) -> int:
        journal = self._terms.journal
        return journal.key if journal is not None else 0

    def _wanted(self) -> bool:
        """Whether a worker beyond the first has enough to do that it pays to log in once more.

        One pipeline is as fast as most servers make files: another joins if many still wait after a while.
        """
        state, number = self._state, self._number
        while not (self._asked or state.stop.is_set()):
            waiting = state.items.qsize()
            patience = number * _PATIENCE if state.is_streaming() else 0.0
            many = waiting >= number * _SHARE and state.since_first() >= patience
            if number == 0 or many or state.total - state.moved >= number * _LARGE_SHARE:
                break
            if state.planned and (not patience or waiting <= self._terms.concurrency):
                return waiting > self._terms.concurrency  # its own end mark is among them
            time.sleep(TICK / 5)
        return True

    def _unplaced(self, item: Item) -> Item:
        """The item as it was planned, by whichever hosts it went."""
        aliases = self._terms.aliases
        return item if aliases is None else aliases.item(item, 0)

    def _batch(self, session: Session, way: Way, first: Item, early: HeadStart | None) -> Item | None:
        """Copy what goes the way of ``first`` down a pipeline; the item that comes after it, if it was taken."""
        state, number = self._state, self._number
        counted = 0

        def take() -> Item | None:
            return state.next(number, wait=False)

        def moved(bytes_: int) -> None:
            state.moving[number] = bytes_ - counted

        def begun(item: Item) -> None:
            state.at[number] = item, True
            state.events.put(FileStarted(str(item.source), str(item.destination), item.size))

        def done(item: Item, result: Result) -> None:
            nonlocal counted
            counted += result.bytes
            self._arrived(item, result)

        def failed(item: Item, error: errors.Error) -> None:
            state.events.put(FileFailed(str(item.source), str(item.destination), error))

        batch = Batch(
            session, self._terms.options, way, first,
            pipeline=early.take(way) if early is not None else None,
            ahead=way not in state.careful, key=self._key,
            take=take, moved=moved, stopped=state.stop.is_set, begun=begun, done=done, failed=failed,
        )  # fmt: skip
        batch.run()
        state.at.pop(number, None)
        state.moving[number] = 0
        if batch.useless:
            state.no_pipeline.add(way)
        if batch.spoiled:
            state.careful.add(way)
        self._remains += batch.remains
        for item in batch.left:
            if state.stop.is_set():
                return None
            self._copy(session, item, started=True)
        return batch.stray

    def _copy(self, session: Session, item: Item, *, started: bool = False) -> None:
        state, number, journal = self._state, self._number, self._terms.journal
        source, destination = str(item.source), str(item.destination)

        def on_event(event: object) -> None:
            if isinstance(event, Progress):
                state.moving[number] = event.bytes
            elif isinstance(event, Retrying | Warned):
                state.events.put(event)

        options = self._terms.options
        if item.offset is not None or item.length is not None:
            options = options._replace(offset=item.offset or 0, length=item.length)
        if not started:
            state.events.put(FileStarted(source, destination, item.size))
        state.at[number] = item, False
        try:
            known = Facts("file", item.size) if item.listed and not options.preserve else None
            partial = None
            if journal is not None and _is_large(item, options):
                partial = journal.partial(self._unplaced(item))
            transfer = Transfer(item.source, item.destination, options, session=session, known=known, partial=partial)
            result = transfer.run(on_event)
        except errors.Error as error:
            state.moving[number] = 0
            if not (state.stop.is_set() and isinstance(error, errors.Cancelled)):
                state.events.put(FileFailed(source, destination, error))
            return
        finally:
            state.at.pop(number, None)
        state.moving[number] = 0
        self._arrived(item, result)

    def _arrived(self, item: Item, result: Result) -> None:
        """A file is where it belongs."""
        self._state.open.pop((result.source, result.destination), None)
        if self._terms.journal is not None:
            self._terms.journal.done(self._unplaced(item), result)
        self._state.events.put(FileDone(result))


def _is_large(item: Item, options: Options) -> bool:
    """Whether what there is of an item, should it not become whole, is worth keeping, and can be gone on with."""
    if item.size is None or item.size <= LARGEST or item.destination.is_stream or item.source.is_http:
        return False
    side = options.destination
    special = side.module or side.disk_stack or options.ascii or options.in_place or options.partial
    return not special and not item.destination.is_http

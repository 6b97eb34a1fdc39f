# SPDX-License-Identifier: Apache-2.0
"""How indexes are kept informed: of everything from time to time and of what has changed in between, as their `sources`
have it.

They are told side by side, so that one that is away holds up no other. It is tried again after ``lrc_update_retry``
seconds, with everything; an index that has forgotten a catalogue is sent all of that at once. `feed` is the form in
which all this is sent.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls.database import FAULTS
from pyglobus.core.rls.index import Event
from pyglobus.core.rls.requests import DONE
from pyglobus.core.rls.results import Result, RlsError
from pyglobus.core.rls.sources import Route, Source
from pyglobus.core.rls.store import Store
from pyglobus.core.rls.targets import Target

if TYPE_CHECKING:
    from pyglobus.core.rls.client import Client
    from pyglobus.core.rls.feed import Change
    from pyglobus.core.rls.server import Server
    from pyglobus.core.rls.shelf import Shelf

#: So many changes are sent at once, whatever lrc_buffer_time says; beyond the other, everything is sent instead.
_ENOUGH, _MOST = 200, 100_000
#: Indexes that are told at a time.
_TELLERS = 4


class Updater:
    """The thread that finds out who is to be told, and some that tell."""

    def __init__(self, server: Server, source: Source) -> None:
        self._server = server
        self._source = source
        self._shelf: Shelf
        self._events: list[Event] = []
        self._first = 0.0  # when the first of these came
        self._waiting: dict[str, list[Event]] = {}  # by index: what it has not been told yet
        self._due: dict[str, float] = {}  # by index: when it gets everything
        self._busy: set[str] = set()  # the indexes that are being told
        self._failed: set[str] = set()  # those that could not be
        self._condition = threading.Condition()
        self._ended = False
        self._everything = False  # everybody gets everything
        self._woken = False
        self._tellers = ThreadPoolExecutor(_TELLERS, "rls-tell")
        self._thread = threading.Thread(target=self._run, name="rls-updates", daemon=True)

    def start(self, shelf: Shelf) -> None:
        """Begin, with what there is now."""
        self._shelf = shelf
        self._thread.start()

    def committed(self, store: Store) -> None:
        """In the thread that writes: a transaction has been made durable."""
        events = self._source.taken(store)
        with self._condition:
            if events:
                self._first = self._first if self._events else time.monotonic()
                self._events += events
                if len(self._events) > _MOST:
                    self._events, self._everything = [], True
            self._woken |= self._everything or store.targets.changed or len(self._events) >= _ENOUGH
            store.targets.changed = False
            if self._woken or len(self._events) == len(events) > 0:
                self._condition.notify()

    def wake(self) -> None:
        """The configuration is another."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def update_all(self) -> None:
        """Send everything to all indexes now."""
        with self._condition:
            self._everything = self._woken = True
            self._condition.notify()

    def close(self) -> None:
        """End, after the message that is under way."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        self._thread.join()
        self._tellers.shutdown(cancel_futures=True)

    # When ------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended:
            try:
                self._resume()
                break
            except FAULTS as fault:
                self._fail(str(fault))
        while self._wait():
            try:
                self._round()
            except FAULTS as fault:
                self._fail(str(fault))

    def _resume(self) -> None:
        """What another life of this server has sent may be as good as before."""
        now = time.time()
        for target in self._shelf.reader().targets.all():
            left = target.last + self._source.period(target) - now
            if target.last <= now and left > 0 and self._source.resumes(target):
                self._due[target.url] = time.monotonic() + left

    def _wait(self) -> bool:
        """Until there is something to do; False at the end."""
        with self._condition:
            if not self._ended and not self._woken:
                self._condition.wait(self._patience())
            if self._everything:
                self._due = dict.fromkeys(self._due, 0.0)
            self._everything = self._woken = False
            return not self._ended

    def _patience(self) -> float | None:
        """Seconds until there is something to do."""
        chosen = self._server.configuration
        times = [due for url, due in self._due.items() if due < math.inf and url not in self._busy]
        if self._events:
            times.append(self._first + (chosen.lrc_buffer_time if len(self._events) < _ENOUGH else 0))
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _round(self) -> None:
        """Have all told who are to be, but for those who are just being told."""
        targets = self._shelf.reader().targets.all()
        with self._condition:
            events = self._take()
            there = {target.url for target in targets}
            self._due = {url: due for url, due in self._due.items() if url in there}
            self._waiting = {url: self._waiting.get(url, []) + events for url in there}
            self._failed &= there
            for target in targets:
                self._have_told(target)
            if not self._busy:
                self._source.rest()

    def _have_told(self, target: Target) -> None:
        url = target.url
        if len(self._waiting[url]) > _MOST:
            self._due[url] = 0.0
        whole = self._due.get(url, 0.0) <= time.monotonic()
        if url in self._failed or whole:
            self._waiting[url] = []  # everything is told, or will be
        if url in self._busy or not (whole or self._waiting[url]):
            return
        self._busy.add(url)
        if whole:
            self._due[url] = math.inf
        self._tellers.submit(self._attempt, target, None if whole else self._waiting.pop(url))

    def _take(self) -> list[Event]:
        patience = self._server.configuration.lrc_buffer_time
        if len(self._events) < _ENOUGH and time.monotonic() < self._first + patience:
            return []
        events, self._events = self._events, []
        return events

    def _fail(self, why: str) -> None:
        """The server's own database has failed: try again later."""
        self._server.tell("update", {"error": why})
        with self._condition:
            self._woken = True
            self._condition.wait_for(lambda: self._ended, max(self._server.configuration.lrc_update_retry, 1))

    # What ------------------------------------------------------------------------------------------------------------

    def _attempt(self, target: Target, events: list[Event] | None) -> None:
        """Tell an index of these events, or everything."""
        from pyglobus.core.rls.client import Client

        began, chosen = time.monotonic(), self._server.configuration
        failed = True
        try:
            jobs = [] if self._ended else self._jobs(target, events)
            if jobs:
                with Client(
                    target.url,
                    credential=self._server.credential,
                    protect=self._server.configuration.protect,
                    timeout=float(chosen.timeout),
                ) as index:
                    self._tell_all(index, target, jobs)
            if events is None:
                self._shelf.writer.submit(lambda store: _noted(store, target.url), lambda _: None)
            failed = False
        except (errors.Error, *FAULTS) as error:
            self._server.tell("update", {"rli": target.url, "error": str(error)})
        finally:
            with self._condition:
                self._busy.discard(target.url)
                if failed:
                    self._failed.add(target.url)
                    self._due[target.url] = time.monotonic() + max(chosen.lrc_update_retry, 1)
                elif events is None:
                    self._failed.discard(target.url)
                    if self._due.get(target.url) == math.inf:  # nobody has asked for everything meanwhile
                        self._due[target.url] = began + self._source.period(target)
                self._woken = True
                self._condition.notify()

    def _jobs(self, target: Target, events: list[Event] | None) -> list[tuple[Route, list[Change] | None]]:
        """The catalogues that an index is told of, each with its changes, or None where all of it is told."""
        routes = self._source.routes(self._shelf.reader(), target)
        if events is None:
            return [(route, None) for route in routes]
        changes: dict[str, list[Change]] = {}
        whole = set()
        for lrc, there, name in events:
            if there is None:
                whole.add(lrc)
            else:
                changes.setdefault(lrc, []).append((there, name))
        jobs: list[tuple[Route, list[Change] | None]] = []
        for route in routes:
            if route.lrc in whole:
                jobs.append((route, None))
            elif route.lrc in changes and not route.bloom:
                jobs.append((route, changes[route.lrc]))
        return jobs

    def _tell_all(self, index: Client, target: Target, jobs: list[tuple[Route, list[Change] | None]]) -> None:
        failure: RlsError | None = None
        for route, changes in jobs:
            try:
                try:
                    self._tell(index, target, route, changes)
                except RlsError as error:
                    if changes is None or error.code != Result.LRC_NEXIST:
                        raise
                    self._tell(index, target, route, None)  # it has forgotten this catalogue, or never known it
            except RlsError as error:
                if not (route.path and error.code == Result.LRC_EXIST):  # it hears of it by a shorter way
                    failure = failure or error
        if failure is not None:
            raise failure

    def _tell(self, index: Client, target: Target, route: Route, changes: list[Change] | None) -> None:
        from pyglobus.core.rls.feed import Feed

        began, store, source = time.monotonic(), self._shelf.reader(), self._source
        feed = Feed(index, route.lrc, target.patterns, route.path)
        if changes is not None:
            kind, count = "changes", feed.changes(changes)
        elif not route.bloom:
            kind, count = "full", feed.names(route.interval, source.count(store, route), self._blocks(store, route))
        elif (sent := source.filter(store, route)) is not None:
            kind, count = "filter", sent.shape.names
            feed.filter(route.interval, sent)
        else:
            return  # it has gone meanwhile
        facts = {"rli": target.url, "kind": kind, "names": count, "seconds": round(time.monotonic() - began, 3)}
        self._server.tell("update", facts | ({"lrc": route.lrc} if route.path else {}))

    def _blocks(self, store: Store, route: Route) -> Iterator[bytes]:
        for block in self._source.blocks(store, route):
            if self._ended:
                raise errors.Cancelled("the server ends")
            yield block


def _noted(store: Store, url: str) -> bytes:
    store.targets.updated(url, int(time.time()))
    return DONE

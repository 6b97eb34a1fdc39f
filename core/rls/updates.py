# SPDX-License-Identifier: Apache-2.0
"""How a catalogue keeps indexes informed: all its names from time to time and, where that is chosen, what has changed
in between.

An index that cannot be reached is tried again after ``lrc_update_retry`` seconds, with all names; one that has
forgotten the catalogue gets all names at once. `feed` is the form in which they are sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls.bloom import Filter, build
from pyglobus.core.rls.database import FAULTS
from pyglobus.core.rls.requests import DONE
from pyglobus.core.rls.results import Result, RlsError
from pyglobus.core.rls.service import Store
from pyglobus.core.rls.targets import Target

if TYPE_CHECKING:
    from pyglobus.core.rls.feed import Change
    from pyglobus.core.rls.server import Server
    from pyglobus.core.rls.shelf import Shelf

#: So many changes are sent at once, whatever lrc_buffer_time says; beyond the other, all names are sent instead.
_ENOUGH, _MOST = 200, 100_000


class Updater:
    """The thread that sends."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._shelf: Shelf
        self._changes: list[Change] = []
        self._first = 0.0  # when the first of these came
        self._due: dict[str, float] = {}  # by index: when it gets all names
        self._filter: Filter | None = None  # for all who get one at a time
        self._condition = threading.Condition()
        self._ended = False
        self._everything = False  # everybody gets all names
        self._woken = False
        self._thread = threading.Thread(target=self._run, name="rls-updates", daemon=True)

    def start(self, shelf: Shelf) -> None:
        """Begin, with the catalogue that there is now."""
        self._shelf = shelf
        self._thread.start()

    def committed(self, store: Store) -> None:
        """In the thread that writes: a transaction has been made durable."""
        changes, store.catalogue.changes = store.catalogue.changes, []
        with self._condition:
            if self._server.configuration.lrc_update_immediate and changes:
                self._first = self._first if self._changes else time.monotonic()
                self._changes += changes
                if len(self._changes) > _MOST:
                    self._changes, self._everything = [], True
            self._woken |= self._everything or store.targets.changed or len(self._changes) >= _ENOUGH
            store.targets.changed = False
            if self._woken or len(self._changes) == len(changes) > 0:
                self._condition.notify()

    def wake(self) -> None:
        """The configuration is another."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def update_all(self) -> None:
        """Send all names to all indexes now."""
        with self._condition:
            self._everything = self._woken = True
            self._condition.notify()

    def close(self) -> None:
        """End, after the message that is under way."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            try:
                self._resume()
                break
            except FAULTS as fault:
                self._fail("", str(fault))
        while self._wait():
            with self._condition:
                changes = self._take()
            try:
                self._round(changes)
            except FAULTS as fault:  # whoever needs these changes gets all names instead
                self._due.clear()
                self._fail("", str(fault))

    def _resume(self) -> None:
        """What another life of this server has sent is as good as before."""
        chosen, now = self._server.configuration, time.time()
        for url, bloom, last, _ in self._targets():
            left = last + chosen.interval(bloom) - now
            if last <= now and left > 0 and (bloom or not chosen.lrc_update_immediate):
                self._due[url] = time.monotonic() + left

    def _wait(self) -> bool:
        """Until there is something to do; False at the end."""
        with self._condition:
            if not self._ended and not self._woken:
                self._condition.wait(self._patience())
            if self._everything:
                self._due.clear()
            self._everything = self._woken = False
            return not self._ended

    def _round(self, changes: list[Change]) -> None:
        targets = self._targets()
        for target in targets:
            if self._ended:
                return
            if self._due.get(target.url, 0.0) <= time.monotonic():
                self._attempt(target, None)
            elif changes and not target.bloom:
                self._attempt(target, changes)
        self._filter = None
        for url in self._due.keys() - {target.url for target in targets}:
            del self._due[url]

    def _patience(self) -> float | None:
        """Seconds until there is something to do."""
        chosen = self._server.configuration
        times = list(self._due.values())
        if self._changes:
            times.append(self._first + (chosen.lrc_buffer_time if len(self._changes) < _ENOUGH else 0))
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _take(self) -> list[Change]:
        patience = self._server.configuration.lrc_buffer_time
        if len(self._changes) < _ENOUGH and time.monotonic() < self._first + patience:
            return []
        changes, self._changes = self._changes, []
        return changes

    def _targets(self) -> list[Target]:
        return self._shelf.reader().targets.all()

    def _attempt(self, target: Target, changes: list[Change] | None) -> None:
        """Send an index these changes, or all names, or a filter of them."""
        chosen, began, url = self._server.configuration, time.monotonic(), target.url
        try:
            count = self._send(target, changes)
        except RlsError as error:
            if changes is None or error.code != Result.LRC_NEXIST:
                self._fail(url, str(error))
            else:  # it has forgotten this catalogue, or never known it
                self._attempt(target, None)
            return
        except errors.Error as error:
            self._fail(url, str(error))
            return
        if changes is None:
            self._due[url] = began + chosen.interval(target.bloom)
        seconds = round(time.monotonic() - began, 3)
        kind = "changes" if changes is not None else "filter" if target.bloom else "full"
        self._server.tell("update", {"rli": url, "kind": kind, "names": count, "seconds": seconds})

    def _fail(self, url: str, why: str) -> None:
        """Try again later; an empty URL means that the catalogue's own database has failed."""
        pause = max(self._server.configuration.lrc_update_retry, 1)
        self._server.tell("update", {"rli": url, "error": why})
        if url:
            self._due[url] = time.monotonic() + pause
            return
        with self._condition:
            self._condition.wait_for(lambda: self._ended, pause)

    def _send(self, target: Target, changes: list[Change] | None) -> int:
        from pyglobus.core.rls.client import Client
        from pyglobus.core.rls.feed import Feed

        chosen, store = self._server.configuration, self._shelf.reader()
        url, bloom, _, patterns = target
        if bloom and self._filter is None:  # before the index begins to wait
            shape = chosen.lrc_bloomfilter_ratio, chosen.lrc_bloomfilter_numhash
            self._filter = build(store.catalogue.counts()[0], *shape, self._blocks(store))
        with Client(url, credential=self._server.credential, timeout=float(chosen.timeout)) as index:
            feed = Feed(index, self._server.url, patterns)
            if changes is not None:
                return feed.changes(changes)
            if bloom and self._filter is not None:
                feed.filter(chosen.interval(bloom), self._filter)
                count = self._filter.shape.names
            else:
                count = feed.names(chosen.interval(bloom), store.catalogue.counts()[0], self._blocks(store))
        self._shelf.writer.submit(lambda store: _noted(store, url), lambda _: None)
        return count

    def _blocks(self, store: Store) -> Iterator[bytes]:
        from pyglobus.core.rls.feed import PAGE

        for block in store.catalogue.blocks(PAGE):
            if self._ended:
                raise errors.Cancelled("the server ends")
            yield block


def _noted(store: Store, url: str) -> bytes:
    store.targets.updated(url, int(time.time()))
    return DONE

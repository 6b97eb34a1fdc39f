# SPDX-License-Identifier: Apache-2.0
"""What indexes are told, and of whom: a catalogue tells of itself, from time to time and perhaps of changes at once; an
index passes on what it has been told, as it comes.

What an index passes on goes with the way that it has come: the indexes on it, this one last. Nothing is passed to an
index that is on the way already, so that nothing goes in circles, and a catalogue that is silent does not live on
because two indexes tell each other of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pyglobus.core.rls.bloom import Filter, build
from pyglobus.core.rls.feed import PAGE
from pyglobus.core.rls.index import Event
from pyglobus.core.rls.store import Store
from pyglobus.core.rls.targets import Target

if TYPE_CHECKING:
    from pyglobus.core.rls.server import Server

#: Seconds for which a filter is as good as new: indexes that are told together get the same.
_FRESH = 2.0


class Route(NamedTuple):
    """A catalogue that an index is told of: its URL, within how many seconds it is heard again, whether by a Bloom
    filter, and the indexes through which the index hears of it.
    """

    lrc: str
    interval: int
    bloom: bool
    path: tuple[str, ...] = ()


class Source(Protocol):
    """What an updater sends from. Each method that takes a store may raise `database.FAULTS`."""

    def taken(self, store: Store) -> list[Event]:
        """What has changed since, as far as it is to be told; in the thread that writes."""

    def period(self, target: Target) -> float:
        """Seconds after which an index is told everything again."""

    def resumes(self, target: Target) -> bool:
        """Whether what another life of this server has told an index is still good."""

    def routes(self, store: Store, target: Target) -> list[Route]:
        """All catalogues of which an index is told."""

    def count(self, store: Store, route: Route) -> int:
        """How many names a catalogue has."""

    def blocks(self, store: Store, route: Route) -> Iterator[bytes]:
        """Its names, with NUL behind each."""

    def filter(self, store: Store, route: Route) -> Filter | None:
        """Its filter, if there is one."""

    def rest(self) -> None:
        """Forget what was made for several indexes."""


class Own:
    """A catalogue."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._filter: Filter | None = None  # for all who get one at a time
        self._made = 0.0

    def taken(self, store: Store) -> list[Event]:
        """What has changed, where that is to be told at once."""
        changes, store.catalogue.changes = store.catalogue.changes, []
        if not self._server.configuration.lrc_update_immediate:
            return []
        return [(self._server.url, there, name) for there, name in changes]

    def period(self, target: Target) -> float:
        """As it is configured."""
        return self._server.configuration.interval(target.bloom)

    def resumes(self, target: Target) -> bool:
        """Unless changes should have been told."""
        return target.bloom or not self._server.configuration.lrc_update_immediate

    def routes(self, _store: Store, target: Target) -> list[Route]:
        """It alone."""
        return [Route(self._server.url, self._server.configuration.interval(target.bloom), target.bloom)]

    def count(self, store: Store, _route: Route) -> int:
        """How many logical names there are."""
        return store.catalogue.counts()[0]

    def blocks(self, store: Store, _route: Route) -> Iterator[bytes]:
        """All logical names."""
        return store.catalogue.blocks(PAGE)

    def filter(self, store: Store, route: Route) -> Filter:
        """One of all names."""
        with self._lock:
            if self._filter is None or time.monotonic() > self._made + _FRESH:
                chosen, self._made = self._server.configuration, time.monotonic()
                shape = chosen.lrc_bloomfilter_ratio, chosen.lrc_bloomfilter_numhash
                self._filter = build(self.count(store, route), *shape, self.blocks(store, route))
            return self._filter

    def rest(self) -> None:
        """Forget the filter."""
        with self._lock:
            self._filter = None


class Passed:
    """An index."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def taken(self, store: Store) -> list[Event]:
        """All that has come."""
        events, store.index.changes = store.index.changes, []
        return events

    def period(self, _target: Target) -> float:
        """Never: what catalogues tell again is passed on when they do."""
        return math.inf

    def resumes(self, _target: Target) -> bool:
        """No: what has come last may not have been passed on."""
        return False

    def routes(self, store: Store, target: Target) -> list[Route]:
        """What it knows, but for what has come through that index, and for filters where it is told of some names."""
        own, found = self._server.url, []
        for lrc, interval, path, bloom in store.index.routes():
            if target.url not in (own, lrc, *path) and own not in path and not (bloom and target.patterns):
                found.append(Route(lrc, interval, bloom, (*path, own)))
        return found

    def count(self, store: Store, route: Route) -> int:
        """How many names a catalogue has here."""
        return store.index.count(route.lrc)

    def blocks(self, store: Store, route: Route) -> Iterator[bytes]:
        """Its names."""
        return store.index.blocks(route.lrc, PAGE)

    def filter(self, store: Store, route: Route) -> Filter | None:
        """As it has come."""
        return store.index.filters.of(route.lrc)

    def rest(self) -> None:
        """Nothing is made."""

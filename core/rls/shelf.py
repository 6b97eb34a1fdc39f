# SPDX-License-Identifier: Apache-2.0
"""One database of a server, with all that reads and writes it: a connection of the event loop's where it is swift, one
for each thread that reads, and the thread that writes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from pyglobus.core.rls.database import FAULTS, Database, Storage
from pyglobus.core.rls.gatherer import Gatherer
from pyglobus.core.rls.service import answer, perform
from pyglobus.core.rls.store import Perform, Store, Work
from pyglobus.core.rls.writer import Writer


class Shelf:
    """A database that is open."""

    def __init__(
        self,
        storage: Storage,
        *,
        make: Callable[[Database], Store] = Store,
        deliver: Callable[[Callable[[], None]], object],
        committed: Callable[[Store], None],
    ) -> None:
        """Make the tables or bring them up to date, and open it; ``make`` makes the store on a connection. Raises
        `errors.ConfigurationError`.
        """
        storage.prepare()
        #: Whether the event loop may read from `store`; otherwise it has to `ask`.
        self.swift = storage.swift
        self._storage = storage
        self._make = make
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[Database] = []
        self._limit = 0
        self._gatherer: Gatherer | None = None
        if self.swift:
            #: What the event loop reads from.
            self.store = self.reader()
        else:
            self._gatherer = Gatherer(self.reader, deliver, _perform(storage))
        #: What changes it.
        self.writer = Writer("rls-writer", self._writable, deliver, committed, _perform(storage))

    def reader(self) -> Store:
        """The store that the calling thread reads from."""
        store: Store | None = getattr(self._local, "store", None)
        if store is None:
            database = self._storage.connect(reading=True)
            with self._lock:
                self._open.append(database)
            store = self._local.store = self._make(database)
        store.restrict(self._limit)
        return store

    def read(self, name: str, strings: Sequence[bytes]) -> bytes:
        """Answer a request that changes nothing, in the calling thread."""
        return answer(self.reader(), name, strings)

    def ask(self, work: Work, done: Callable[[bytes | BaseException], None]) -> None:
        """Answer a request that changes nothing, in a thread, together with those of other clients."""
        assert self._gatherer is not None
        self._gatherer.submit(work, done)

    def limit(self, rows: int) -> None:
        """Give no more rows at a time; 0: as many as there are."""
        self._limit = rows
        if self.swift:
            self.store.restrict(rows)

    def close(self) -> None:
        """Write what is waiting, and close."""
        if self._gatherer is not None:
            self._gatherer.close()
        self.writer.close()
        with self._lock:
            while self._open:
                with contextlib.suppress(*FAULTS):
                    self._open.pop().close()

    def _writable(self) -> tuple[Database, Store]:
        database = self._storage.connect(reading=False)
        return database, self._make(database)


def _perform(storage: Storage) -> Perform:
    """How several requests are answered."""
    if storage.swift:
        return perform
    from pyglobus.core.rls.together import together

    return together

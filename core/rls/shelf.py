# SPDX-License-Identifier: Apache-2.0
"""One database of a server, with all that reads and writes it: a connection of the event loop's, one for each thread
that reads, and the thread that writes.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence

from pyglobus.core.rls import schema
from pyglobus.core.rls.service import Store, answer
from pyglobus.core.rls.writer import Writer


class Shelf:
    """A database that is open."""

    def __init__(
        self,
        path: str,
        versions: Sequence[str],
        *,
        interval: int,
        deliver: Callable[[Callable[[], None]], object],
        committed: Callable[[Store], None],
    ) -> None:
        """Make the file or bring it up to date, and open it. Raises `errors.ConfigurationError`."""
        schema.prepare(path, versions)
        self.path = path
        self._interval = interval
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[sqlite3.Connection] = []
        self._limit = 0
        #: What the event loop reads from.
        self.store = self.reader()
        #: What changes it.
        self.writer = Writer(
            "rls-writer", lambda: Store.open(path, reading=False, interval=interval), deliver, committed
        )

    def reader(self) -> Store:
        """The store that the calling thread reads from."""
        store: Store | None = getattr(self._local, "store", None)
        if store is None:
            database, store = Store.open(self.path, reading=True, interval=self._interval)
            with self._lock:
                self._open.append(database)
            self._local.store = store
        store.limit = self._limit
        return store

    def read(self, name: str, strings: Sequence[bytes]) -> bytes:
        """Answer a request that changes nothing, in the calling thread."""
        return answer(self.reader(), name, strings)

    def limit(self, rows: int) -> None:
        """Give no more rows at a time; 0: as many as there are."""
        self._limit = self.store.limit = rows

    def close(self) -> None:
        """Write what is waiting, and close."""
        self.writer.close()
        with self._lock:
            while self._open:
                with contextlib.suppress(sqlite3.Error):
                    self._open.pop().close()

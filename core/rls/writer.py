# SPDX-License-Identifier: Apache-2.0
"""All changes of one database: one thread, in which whatever has come in the meantime is one transaction.

A change is answered when the transaction that it is in is on the disk. While one is being written there, the next ones
gather, and what comes while a transaction is being made still gets into it, so that many clients share one wait for the
disk and one client never waits for company. Where a transaction as
a whole fails (a full disk, a database that is locked), each of its changes is done again by itself, so that one of them
cannot take the others with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from pyglobus.core.rls.database import FAULTS, Database, Fault
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.store import Perform, Store, Work

#: Changes of one transaction: so long the first of them waits for the others.
_MOST = 500
#: How often a transaction is begun that others, or a restart of the database, have made impossible.
_TRIES = 3


class Change(NamedTuple):
    """What is to be done, and who is told the outcome. ``weight``: how many names it is about."""

    work: Work
    done: Callable[[bytes | BaseException], None]
    weight: int


class Writer:
    """The thread that writes to one database."""

    def __init__(
        self,
        name: str,
        open_store: Callable[[], tuple[Database, Store]],
        deliver: Callable[[Callable[[], None]], object],
        committed: Callable[[Store], None],
        perform: Perform,
    ) -> None:
        """``open_store`` opens the database, in the thread. ``deliver`` runs a function where outcomes are told.
        ``committed`` is called after each transaction. ``perform`` does what one consists of.
        """
        self._perform = perform
        self._open = open_store
        self._deliver = deliver
        self._committed = committed
        self._waiting: list[Change] = []
        self._ended = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work, done: Callable[[bytes | BaseException], None], weight: int = 1) -> None:
        """Do ``work`` soon, and tell ``done`` what it gives or raises, once that is durable."""
        with self._condition:
            self._waiting.append(Change(work, done, weight))
            self._condition.notify()

    def close(self) -> None:
        """Do what is waiting, and end."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        database, store = self._open()
        try:
            while batch := self._next():
                outcomes = self._transaction(database, store, batch)
                self._committed(store)
                pairs = list(zip(batch, outcomes, strict=True))
                self._deliver(lambda pairs=pairs: _tell(pairs))  # type: ignore[misc]
        finally:
            database.close()

    def _next(self) -> list[Change]:
        """What is to be done now; empty at the end."""
        with self._condition:
            while not self._waiting and not self._ended:
                self._condition.wait()
        return self._take(_MOST)

    def _take(self, most: int) -> list[Change]:
        """What is waiting, up to some weight."""
        with self._condition:
            weight = count = 0
            while count < len(self._waiting) and (weight < most or not count):
                weight += self._waiting[count].weight
                count += 1
            taken = self._waiting[:count]
            del self._waiting[:count]
            return taken

    def _transaction(
        self, database: Database, store: Store, batch: list[Change], tries: int = _TRIES, *, alone: bool = False
    ) -> list[bytes | BaseException]:
        """Do them, and what comes meanwhile unless they are to be ``alone``: it is added to the list."""
        before = store.mark()
        try:
            database.begin()
            outcomes = self._perform(store, [change.work for change in batch])
            weight = sum(change.weight for change in batch)
            while not alone and weight < _MOST and (late := self._take(_MOST - weight)):
                batch += late
                weight += sum(change.weight for change in late)
                outcomes += self._perform(store, [change.work for change in late])
            database.commit()
        except FAULTS as error:
            store.rewind(before)
            database.rollback()
            if isinstance(error, Fault) and error.passing and tries > 1:
                return self._transaction(database, store, batch, tries - 1, alone=alone)
            if len(batch) == 1 or (isinstance(error, Fault) and error.gone):
                return [Refusal(Result.DBERROR, str(error)) for _ in batch]
            return [outcome for change in batch for outcome in self._transaction(database, store, [change], alone=True)]
        return outcomes


def _tell(pairs: list[tuple[Change, bytes | BaseException]]) -> None:
    for change, outcome in pairs:
        change.done(outcome)

# SPDX-License-Identifier: Apache-2.0
"""Queries to a database that is further away than the event loop can wait for: threads that take whatever has come in
the meantime, and answer it together.

While a thread waits for its answers the next queries gather, so that with many clients many of them share one way to
the database and back, and a single client waits for nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from pyglobus.core.rls.database import FAULTS, Fault
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.store import Perform, Store, Work

#: Threads, so that an answer with many rows does not hold up all others.
_THREADS = 2
#: Queries that are answered together.
_MOST = 200

Done = Callable[[bytes | BaseException], None]


class Gatherer:
    """The threads."""

    def __init__(
        self, store: Callable[[], Store], deliver: Callable[[Callable[[], None]], object], perform: Perform
    ) -> None:
        """``store`` gives what the calling thread reads from; ``deliver`` runs a function where outcomes are told;
        ``perform`` answers.
        """
        self._perform = perform
        self._store = store
        self._deliver = deliver
        self._waiting: SimpleQueue[tuple[Work, Done] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="rls-gatherer", daemon=True) for _ in range(_THREADS)]
        for each in self._threads:
            each.start()

    def submit(self, work: Work, done: Done) -> None:
        """Answer a query soon, and tell ``done`` the reply or what it raises."""
        self._waiting.put((work, done))

    def close(self) -> None:
        """Answer what is waiting, and end."""
        for _ in self._threads:
            self._waiting.put(None)
        for each in self._threads:
            each.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            try:
                while len(batch) < _MOST and (another := self._waiting.get_nowait()) is not None:
                    batch.append(another)
                if len(batch) < _MOST:
                    self._waiting.put(None)  # it was the mark of the end: the thread's next
            except Empty:
                pass
            replies = self._answered([work for work, _ in batch])
            pairs = [(done, reply) for (_, done), reply in zip(batch, replies, strict=True)]
            self._deliver(lambda pairs=pairs: _tell(pairs))  # type: ignore[misc]

    def _answered(self, works: list[Work]) -> list[bytes | BaseException]:
        try:
            return self._perform(self._store(), works)
        except FAULTS as fault:
            if len(works) == 1 or (isinstance(fault, Fault) and fault.gone):
                return [Refusal(Result.DBERROR, str(fault)) for _ in works]
            return [reply for work in works for reply in self._answered([work])]


def _tell(pairs: list[tuple[Done, bytes | BaseException]]) -> None:
    for done, reply in pairs:
        done(reply)

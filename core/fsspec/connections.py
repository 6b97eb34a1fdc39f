# SPDX-License-Identifier: Apache-2.0
"""The sessions of a file system (`pyglobus.core.pool`), and threads that wait for what they do.

asyncio code has its waiting done by a few threads, which do not keep the interpreter from ending; Python's own files
wait in the thread that reads them.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pyglobus.core import errors
from pyglobus.core.fsspec.failures import builtins
from pyglobus.core.pool import Pool
from pyglobus.core.session import Session

T = TypeVar("T")


class Connections(Pool):
    """The sessions of one file system."""

    def __init__(self, most: int) -> None:
        """At most so many (``most``) threads wait for asyncio, and so many idle sessions are kept."""
        super().__init__(most)
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._unoccupied = 0

    def call(self, work: Callable[[Session], T], *, again: bool = False) -> T:
        """Do this in the caller's thread, and raise Python's own errors.

        ``again``: once more, if a connection was lost that may have been idle for too long.
        """
        with builtins():
            try:
                with self.session() as session:
                    return work(session)
            except errors.TransientError as error:
                if not again or error.fault in ("silent-server", "stalled"):
                    raise
            self.close()
            with self.session() as session:
                return work(session)

    # For asyncio -----------------------------------------------------------------------------------------------------

    async def run(self, work: Callable[[Session], T], *, again: bool = False) -> T:
        """Do this in one of the threads, as `call` does. Who is cancelled, cancels what runs."""
        running: list[Session] = []

        def noted(session: Session) -> T:
            running.append(session)
            return work(session)

        def cancel() -> None:
            for session in running[-1:]:
                session.cancel()

        return await self.wait(lambda: self.call(noted, again=again), cancel)

    async def wait(self, call: Callable[[], T], cancel: Callable[[], None] = lambda: None) -> T:
        """Have one of the threads call this; ``cancel`` is called if nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        abandoned = threading.Event()

        def settle(result: Any, error: BaseException | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        def job() -> None:
            result, failure = None, None
            try:
                if not abandoned.is_set():
                    result = call()
            except BaseException as error:
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, failure)

        self._submit(job)
        try:
            return await future
        except asyncio.CancelledError:
            abandoned.set()
            cancel()
            raise

    def _submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            more = self._unoccupied <= self._jobs.qsize() and self._threads < self._most
            self._threads += more
            self._jobs.put(job)
        if more:
            threading.Thread(target=self._work, name="pyglobus-fsspec", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._unoccupied += 1
            job = self._jobs.get()
            with self._lock:
                self._unoccupied -= 1
            job()
            del job  # a thread that waits keeps nothing alive

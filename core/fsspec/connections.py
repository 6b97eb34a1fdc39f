# SPDX-License-Identifier: Apache-2.0
"""Sessions that are kept logged in, and threads that wait for what they do.

Whoever needs a connection takes a session, uses it alone, and gives it back; what has failed on the way is not kept. A
server is logged in to again only where two things are to be done at once, or after a pause that it might not outlive.
asyncio code has its waiting done by a few threads, which do not keep the interpreter from ending; Python's own files
wait in the thread that reads them.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pyglobus.core import errors
from pyglobus.core.fsspec.failures import builtins
from pyglobus.core.session import Session

T = TypeVar("T")

# Seconds. Servers close idle control connections after some minutes, and tell nobody who does not listen.
_FRESH = 120.0
# After these the connection is as good as before: the server has answered, and nothing but that.
_HARMLESS = (errors.NotFound, errors.AccessDenied, errors.CannotCreate, errors.UsageError, FileExistsError)


class Connections:
    """The sessions of one file system."""

    def __init__(self, most: int) -> None:
        """At most so many (``most``) threads wait for asyncio, and so many idle sessions are kept."""
        self._most = most
        self._lock = threading.Lock()
        self._known = Session()
        self._idle: list[tuple[float, Session]] = []
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._unoccupied = 0

    def take(self) -> Session:
        """A session for the caller alone, until `give_back`."""
        with self._lock:
            limit = time.monotonic() - _FRESH
            stale = [session for since, session in self._idle if since < limit]
            self._idle = [(since, session) for since, session in self._idle if since >= limit]
            taken = self._idle.pop()[1] if self._idle else self._known.akin()
        for session in stale:
            session.close()
        return taken

    def give_back(self, session: Session, *, sound: bool = True) -> None:
        """Keep its connections for the next one, if nothing has happened to them."""
        with self._lock:
            kept = sound and len(self._idle) < self._most
            if kept:
                self._idle.append((time.monotonic(), session))
        if not kept:
            session.close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for the length of the block."""
        session = self.take()
        try:
            yield session
        except BaseException as error:
            self.give_back(session, sound=isinstance(error, _HARMLESS))
            raise
        self.give_back(session)

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

    def close(self) -> None:
        """Close what is idle; whoever comes then, logs in again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

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

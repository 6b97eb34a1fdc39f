# SPDX-License-Identifier: Apache-2.0
"""A server of the Replica Location Service: a catalogue (LRC), an index (RLI), or both.

One thread runs an event loop that holds all connections and answers what takes microseconds; each database has a
thread that writes, and there is a small pool of threads for what takes longer: scans, bulks, and the arithmetic of
logins. So no client waits for another's scan, login or disk.

A query of one name is answered in the loop itself. Measured with a million mappings, two processors and 10 clients,
that is 30,000 a second; through a thread that reads it is 15,000, and with a thread for each client 9,500, for they
wait for the interpreter's lock. Two processes make 45,000 of it, but would have to agree on limits, on the access list,
and on who writes; one keeps what has been acknowledged visible to all clients at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pyglobus.core import errors
from pyglobus.core.rls import listening, schema
from pyglobus.core.rls.address import Address
from pyglobus.core.rls.clients import Clients
from pyglobus.core.rls.configuration import RUNNING, Configuration
from pyglobus.core.rls.connection import Connection
from pyglobus.core.rls.database import FAULTS, Database, opened
from pyglobus.core.rls.filters import Known
from pyglobus.core.rls.metrics import Metrics
from pyglobus.core.rls.requests import DONE
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.shelf import Shelf
from pyglobus.core.rls.sources import Own, Passed
from pyglobus.core.rls.store import Store
from pyglobus.core.rls.targets import BLOOM
from pyglobus.core.rls.updates import Updater

if TYPE_CHECKING:
    from pyglobus.core.gss import Credential
    from pyglobus.core.rls.exposition import Exposition

#: Threads for what takes longer than microseconds.
_THREADS = 4

#: What happened, and its facts, for a log.
Event = Callable[[str, dict[str, Any]], object]


class Server:
    """A server. `start` opens its databases and listens; `close`, or ``with``, ends it."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        bind: str = "",
        on_event: Event | None = None,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        """``bind``: the address to listen at; without one it is any, and without authentication only loopback.
        ``on_event`` is called in the server's threads and must return at once. ``metrics``: at which address and port
        to tell Prometheus what happens; None for not at all.
        """
        if not (configuration.lrc_server or configuration.rli_server):
            raise errors.ConfigurationError("a server must be a catalogue, an index, or both")
        self.configuration = configuration
        self._bind = bind or ("" if configuration.authentication else "localhost")
        self._on_event = on_event or (lambda _kind, _facts: None)
        #: Who is connected.
        self.clients = Clients(self)
        #: What it holds as a catalogue and as an index; None for what it is not. And what keeps indexes informed.
        self.lrc: Shelf | None = None
        self.rli: Shelf | None = None
        self.updaters: list[Updater] = []
        #: What is counted, if it is, and the URL where it is told.
        self.metrics: Metrics | None = Metrics() if metrics is not None else None
        self.metrics_url = ""
        self._metrics_at = metrics
        self._exposition: Exposition | None = None
        #: What it logs in and is logged in to with; None without authentication.
        self.credential: Credential | None = None
        self._known = Known()
        self._listening: list[asyncio.Server] = []
        self._loop: asyncio.AbstractEventLoop
        self._threads = ThreadPoolExecutor(_THREADS, "rls-reader")
        self._thread: threading.Thread | None = None
        #: When it was started (`time.monotonic`).
        self.began = 0.0
        self._asked: SimpleQueue[None] = SimpleQueue()
        #: The URL under which clients reach it, once started.
        self.url = ""

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen. Raises `errors.ConfigurationError`, `errors.CredentialError`, and `errors.CannotCreate` where the
        port cannot be had.
        """
        chosen = self.configuration
        if chosen.authentication:
            from pyglobus.core.gss import Credential

            self.credential = Credential.default(accept=True)
        sockets = listening.listen(self._bind, chosen.port)
        told: list[socket.socket] = []
        self._loop = asyncio.new_event_loop()
        try:
            if self._metrics_at is not None:
                told = listening.listen(*self._metrics_at)
                host, number = told[0].getsockname()[:2]
                self.metrics_url = f"http://{f'[{host}]' if ':' in host else host}:{number}/metrics"
            port = sockets[0].getsockname()[1]
            self.url = chosen.myurl or str(Address(listening.host(self._bind), port, chosen.authentication))
            Address.parse(self.url)
            self._open()
        except BaseException:
            for each in (*sockets, *told):
                each.close()
            self._close_shelves()
            self._loop.close()
            raise
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rls-server", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(sockets, told), self._loop).result()
        facts = {"url": self.url, "lrc": chosen.lrc_server, "rli": chosen.rli_server}
        self.tell("start", facts | ({"metrics": self.metrics_url} if self.metrics_url else {}))

    def _open(self) -> None:
        chosen = self.configuration
        deliver = self._loop.call_soon_threadsafe
        if chosen.rli_server:
            storage = opened(chosen.rli_dbname, schema.RLI, chosen.db_user, chosen.db_pwd)
            passing = Updater(self, Passed(self))

            def committed(store: Store) -> None:
                with contextlib.suppress(*FAULTS):
                    store.index.filters.refresh()  # before it is acknowledged: no query has to wait for that
                passing.committed(store)

            self.rli = Shelf(storage, make=self._index, deliver=deliver, committed=committed)
            passing.start(self.rli)
            self.updaters.append(passing)
        if chosen.lrc_server:
            informing = Updater(self, Own(self))
            storage = opened(chosen.lrc_dbname, schema.LRC, chosen.db_user, chosen.db_pwd)
            self.lrc = Shelf(storage, make=self._catalogue, deliver=deliver, committed=informing.committed)
            informing.start(self.lrc)
            self.updaters.append(informing)
        for shelf in self.shelves():
            shelf.limit(chosen.result_limit)

    def _catalogue(self, database: Database) -> Store:
        return Store(database, interval=lambda flags: self.configuration.interval(bool(flags & BLOOM)))

    def _index(self, database: Database) -> Store:
        return Store(database, known=self._known, lists=lambda: not self.configuration.rli_bloomfilter, own=self.url)

    async def _serve(self, sockets: Sequence[socket.socket], told: Sequence[socket.socket]) -> None:
        for each in sockets:
            self._listening.append(
                await self._loop.create_server(self._connection, sock=each, backlog=listening.BACKLOG)
            )
        if self.metrics is not None:
            from pyglobus.core.rls.exposition import Exposition

            self._exposition = Exposition(self, self.metrics)
            for each in told:
                self._listening.append(await self._loop.create_server(self._exposition.connection, sock=each))
        self.clients.sweep()
        if self.rli is not None:
            self._expire()

    def wait(self) -> None:
        """Until somebody asks it to end: `end`, or a client that may."""
        self._asked.get()

    def end(self, after: float = 0.0) -> None:
        """Make `wait` return; a handler of signals may call it at any moment. ``after`` so many seconds: only in the
        server's loop.
        """
        if after:
            self._loop.call_later(after, self.end)
        else:
            self._asked.put(None)

    def close(self, drain: float = 30.0) -> int:
        """Take no more clients, let those that are being served finish for ``drain`` seconds, and end. How many had
        not finished.
        """
        if self._thread is None:
            return 0
        left = asyncio.run_coroutine_threadsafe(self._drain(drain), self._loop).result()
        self._threads.shutdown()
        self._look_for_silence()
        self._close_shelves()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._thread = None
        self._loop.close()
        self.tell("stop", {"url": self.url, "unfinished": left})
        return left

    async def _drain(self, seconds: float) -> int:
        for server in self._listening:
            server.close()
        if self._exposition is not None:
            self._exposition.close()
        return await self.clients.drain(seconds)

    def _close_shelves(self) -> None:
        for each in self.updaters:
            each.close()
        for shelf in self.shelves():
            shelf.close()

    def reload(self, configuration: Configuration) -> None:
        """Go on with the acl and what `configuration.RUNNING` names of another one; the rest waits for a restart."""
        kept = {name: getattr(configuration, name) for name in RUNNING}
        self._loop.call_soon_threadsafe(self.apply, kept | {"acl": configuration.acl})
        self.tell("reload", {"url": self.url})

    def apply(self, values: dict[str, Any]) -> None:
        """Go on with these values of the configuration; in the server's loop."""
        from dataclasses import replace

        self.configuration = replace(self.configuration, **values)
        for shelf in self.shelves():
            shelf.limit(self.configuration.result_limit)
        self.clients.permit()
        for each in self.updaters:
            each.wake()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close(drain=1.0)

    # What connections ask --------------------------------------------------------------------------------------------

    def _connection(self) -> Connection:
        if self.credential is None:
            return Connection(self, None)
        from pyglobus.core.rls.login import Login

        return Connection(self, Login(self.credential))

    def tell(self, kind: str, facts: dict[str, Any]) -> None:
        """Something for the log, and for who counts."""
        if self.metrics is not None:
            self.metrics.happened(kind, facts)
        self._on_event(kind, facts)

    def shelves(self) -> Iterator[Shelf]:
        """The databases that there are."""
        return filter(None, (self.lrc, self.rli))

    def shelf(self, method: str) -> Shelf:
        """The database that a method is about. Raises `Refusal`."""
        shelf = self.lrc if method.startswith("lrc_") else self.rli
        if shelf is None:
            raise Refusal(Result.INVSERVER, method)
        return shelf

    def compute(self, work: Callable[[], bytes], done: Callable[[bytes | BaseException], None]) -> None:
        """Do something in a thread, and tell the outcome in the loop."""

        def finished(future: Future[bytes]) -> None:
            error = future.exception()
            outcome: bytes | BaseException = future.result() if error is None else error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(done, outcome)

        self._threads.submit(work).add_done_callback(finished)

    # Time ------------------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        """Forget catalogues that have been silent for too long, now and then."""
        self._look_for_silence()
        self._loop.call_later(max(self.configuration.rli_expire_int, 1), self._expire)

    def _look_for_silence(self) -> None:
        def work(store: Store) -> bytes:
            for lrc in store.index.expire(self.configuration.rli_expire_stale, time.monotonic()):
                self.tell("expired", {"lrc": lrc})
            return DONE

        if self.rli is not None:
            self.rli.writer.submit(work, lambda _: None)

# SPDX-License-Identifier: Apache-2.0
"""A server of the Replica Location Service: a catalogue (LRC), an index (RLI), or both.

One thread runs an event loop that holds all connections and answers what takes microseconds; each database has a
thread that writes, and there is a small pool of threads for what takes longer: scans, bulks, and the arithmetic of
logins. So no client waits for another's scan, login or disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pyglobus.core import errors
from pyglobus.core.rls import acl, schema
from pyglobus.core.rls.address import Address
from pyglobus.core.rls.configuration import RUNNING, Configuration
from pyglobus.core.rls.connection import Connection
from pyglobus.core.rls.database import opened
from pyglobus.core.rls.requests import DONE, listed, record
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.service import Store, number
from pyglobus.core.rls.shelf import Shelf
from pyglobus.core.rls.updates import Updater
from pyglobus.core.version import __version__

if TYPE_CHECKING:
    from pyglobus.core.gss import Credential

#: Threads for what takes longer than microseconds.
_THREADS = 4
#: Connections beyond the limit that are let in to be told so.
_EXCESS = 50
#: Seconds between two looks for connections that are overdue.
_SWEEP = 0.5
# Statistics: what a server is (the wire's flags).
_IS_LRC, _IS_RLI, _TAKES_NAMES, _SENDS_NAMES, _READY = 0x1, 0x2, 0x4, 0x10, 0x40

#: What happened, and its facts, for a log.
Event = Callable[[str, dict[str, Any]], object]


class Server:
    """A server. `start` opens its databases and listens; `close`, or ``with``, ends it."""

    def __init__(self, configuration: Configuration, *, bind: str = "", on_event: Event | None = None) -> None:
        """``bind``: the address to listen at; without one it is any, and without authentication only loopback.
        ``on_event`` is called in the server's threads and must return at once.
        """
        if not (configuration.lrc_server or configuration.rli_server):
            raise errors.ConfigurationError("a server must be a catalogue, an index, or both")
        self.configuration = configuration
        self._bind = bind or ("" if configuration.authentication else "localhost")
        self._on_event = on_event or (lambda _kind, _facts: None)
        self._connections: set[Connection] = set()
        self._lrc: Shelf | None = None
        self._rli: Shelf | None = None
        self._updater: Updater | None = None
        #: What it logs in and is logged in to with; None without authentication.
        self.credential: Credential | None = None
        self._listening: list[asyncio.Server] = []
        self._loop: asyncio.AbstractEventLoop
        self._threads = ThreadPoolExecutor(_THREADS, "rls-reader")
        self._thread: threading.Thread | None = None
        self._began = 0.0
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
        sockets = _listen(self._bind, chosen.port)
        self._loop = asyncio.new_event_loop()
        try:
            port = sockets[0].getsockname()[1]
            self.url = chosen.myurl or str(Address(_host(self._bind), port, chosen.authentication))
            Address.parse(self.url)
            self._open()
        except BaseException:
            for each in sockets:
                each.close()
            self._close_shelves()
            self._loop.close()
            raise
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rls-server", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(sockets), self._loop).result()
        self.tell("start", {"url": self.url, "lrc": chosen.lrc_server, "rli": chosen.rli_server})

    def _open(self) -> None:
        chosen = self.configuration
        deliver = self._loop.call_soon_threadsafe
        if chosen.rli_server:
            storage = opened(chosen.rli_dbname, schema.RLI, chosen.db_user, chosen.db_pwd)
            self._rli = Shelf(storage, interval=0, deliver=deliver, committed=lambda _: None)
        if chosen.lrc_server:
            self._updater = Updater(self)
            storage = opened(chosen.lrc_dbname, schema.LRC, chosen.db_user, chosen.db_pwd)
            self._lrc = Shelf(
                storage, interval=chosen.lrc_update_ll, deliver=deliver, committed=self._updater.committed
            )
            self._updater.start(self._lrc)
        for shelf in filter(None, (self._lrc, self._rli)):
            shelf.limit(chosen.result_limit)

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        for each in sockets:
            self._listening.append(await self._loop.create_server(self._connection, sock=each, backlog=1024))
        self._loop.call_later(_SWEEP, self._sweep)
        if self._rli is not None:
            self._expire()

    def wait(self) -> None:
        """Until somebody asks it to end: `end`, or a client that may."""
        self._asked.get()

    def end(self) -> None:
        """Make `wait` return; a handler of signals may call it at any moment."""
        self._asked.put(None)

    def close(self, drain: float = 30.0) -> int:
        """Take no more clients, let those that are being served finish for ``drain`` seconds, and end. How many had
        not finished.
        """
        if self._thread is None:
            return 0
        left = asyncio.run_coroutine_threadsafe(self._drain(drain), self._loop).result()
        if self._updater is not None:
            self._updater.close()
        self._threads.shutdown()
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
        deadline = time.monotonic() + seconds
        while (busy := [each for each in self._connections if each.busy]) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for each in list(self._connections):
            each.abort() if each in busy else each.end()
        await asyncio.sleep(0)
        return len(busy)

    def _close_shelves(self) -> None:
        for shelf in filter(None, (self._lrc, self._rli)):
            shelf.close()

    def reload(self, configuration: Configuration) -> None:
        """Go on with the acl and what `configuration.RUNNING` names of another one; the rest waits for a restart."""
        kept = {name: getattr(configuration, name) for name in RUNNING}
        self._loop.call_soon_threadsafe(self._apply, kept | {"acl": configuration.acl})
        self.tell("reload", {"url": self.url})

    def _apply(self, values: dict[str, Any]) -> None:
        from dataclasses import replace

        self.configuration = replace(self.configuration, **values)
        for shelf in filter(None, (self._lrc, self._rli)):
            shelf.limit(self.configuration.result_limit)
        for each in self._connections:
            each.permit()
        if self._updater is not None:
            self._updater.wake()

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

    def enter(self, connection: Connection) -> bool:
        """Take a connection; whether there is a place where it can at least be told that there is none."""
        self._connections.add(connection)
        return len(self._connections) <= self.configuration.maxconnections + _EXCESS

    def leave(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if connection.count:
            seconds = round(time.monotonic() - connection.began, 3)
            self.tell("close", _who(connection) | {"requests": connection.count, "seconds": seconds})

    def admit(self, connection: Connection) -> frozenset[Any]:
        """What a client may do that is logged in. Raises `Refusal`."""
        if len(self._connections) > self.configuration.maxconnections:
            raise Refusal(Result.TOO_MANY_CONNECTIONS, "")
        self.tell("open", _who(connection))
        return self.permissions(connection)

    def permissions(self, connection: Connection) -> frozenset[Any]:
        """What the acl says of a client."""
        own = self.credential.identity if self.credential is not None else None
        return acl.permissions(self.configuration.acl, connection.identity, own=own, account=_account)

    def tell(self, kind: str, facts: dict[str, Any]) -> None:
        """Something for the log."""
        self._on_event(kind, facts)

    def denied(self, connection: Connection, method: str) -> None:
        """It has asked for what it may not do."""
        self.tell("denied", _who(connection) | {"method": method})

    def broken(self, connection: Connection, error: BaseException) -> None:
        """It is ended, for what it has sent."""
        self.tell("error", _who(connection) | {"error": str(error) if isinstance(error, errors.Error) else repr(error)})

    def shelf(self, method: str) -> Shelf:
        """The database that a method is about. Raises `Refusal`."""
        shelf = self._lrc if method.startswith("lrc_") else self._rli
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

    def control(self, method: str, strings: Sequence[bytes]) -> bytes:
        """The reply to a method about the server itself. Raises `Refusal`."""
        given = [value.decode("utf-8", "replace") for value in strings]
        if method == "admin":
            return self._administer(number(given[0]))
        try:
            if method == "get_configuration":
                return listed(self.configuration.listed(given[0]))
            name, value = given
            changed = self.configuration.changed(name, value)
            if name not in RUNNING and name not in changed.idle:
                raise Refusal(Result.UNSUPPORTED, f"{name} cannot be set while the server runs")
        except KeyError:
            raise Refusal(Result.BADARG, given[0]) from None
        except errors.ConfigurationError as error:
            raise Refusal(Result.BADARG, f"{error.what}: {error.why}") from None
        self._apply({each: getattr(changed, each) for each in RUNNING})
        return DONE

    def _administer(self, command: int) -> bytes:
        if command == 1:
            self._loop.call_later(0.05, self.end)
        elif command == 2:
            if self._updater is None:
                raise Refusal(Result.INVSERVER, "")
            self._updater.update_all()
        elif command != 0:
            raise Refusal(Result.BADARG, str(command))
        return DONE

    def statistics(self) -> bytes:
        """The reply to ``stats``; it counts, which takes a while."""
        lrc = self._lrc.reader().catalogue.counts() if self._lrc else (0, 0, 0)
        rli = self._rli.reader().index.counts() if self._rli else (0, 0, 0)
        flags = _READY | (_IS_LRC | _SENDS_NAMES if self._lrc else 0) | (_IS_RLI | _TAKES_NAMES if self._rli else 0)
        uptime = int(time.monotonic() - self._began)
        interval = self.configuration.lrc_update_ll
        return record(__version__, uptime, flags, 0, interval, *lrc, rli[0], rli[1], rli[1], rli[2])

    # Time ------------------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        now, chosen = time.monotonic(), self.configuration
        for each in list(self._connections):
            if each.overdue(now, chosen.timeout, chosen.idletimeout):
                each.abort()
        self._loop.call_later(_SWEEP, self._sweep)

    def _expire(self) -> None:
        """Forget catalogues that have been silent for too long, now and then."""
        assert self._rli is not None

        def work(store: Store) -> bytes:
            for lrc in store.index.expire(int(time.time()), self.configuration.rli_expire_stale):
                self.tell("expired", {"lrc": lrc})
            return DONE

        self._rli.writer.submit(work, lambda _: None)
        self._loop.call_later(max(self.configuration.rli_expire_int, 1), self._expire)


def _who(connection: Connection) -> dict[str, Any]:
    return {"host": connection.host, "identity": connection.identity}


def _account(identity: str) -> str | None:
    from pyglobus.core.gss import gridmap

    try:
        return gridmap.account(identity)
    except errors.Error:
        return None


def _host(bind: str) -> str:
    import os

    if bind in ("", "0.0.0.0", "::"):  # noqa: S104 - compared
        return os.environ.get("GLOBUS_HOSTNAME") or socket.getfqdn()
    return bind


def _listen(bind: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of ``bind``; port 0 is any, the same for all of them."""
    made: list[socket.socket] = []
    try:
        flags = socket.AI_PASSIVE
        for family, kind, protocol, _, address in socket.getaddrinfo(
            bind or None, port, 0, socket.SOCK_STREAM, 0, flags
        ):
            each = socket.socket(family, kind, protocol)
            made.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                each.bind((address[0], made[0].getsockname()[1] if len(made) > 1 and not port else address[1]))
            except OSError:
                if len(made) == 1:
                    raise
                made.pop().close()  # another family's address is enough
                continue
            each.listen(1024)
    except OSError as error:
        for each in made:
            each.close()
        where = f"{bind or '*'}:{port}"
        raise errors.CannotCreate("cannot listen", where=where, why=error.strerror, errno=error.errno) from error
    return made

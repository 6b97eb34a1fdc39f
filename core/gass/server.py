# SPDX-License-Identifier: Apache-2.0
"""`Server`: files over https with GSI, or http, to those whom a policy lets in.

    with Server(policy, root="/data", write=True) as server:
        print(server.url)
        server.wait()

One thread accepts; each connection has a thread of its own (`connection`), while all bytes of files move in the engine.
Nobody waits for anybody: handshakes, policies and slow clients go on side by side. (globus_gass_transfer's own listener
serves no one else while one client has connected and says nothing; and it tells a client that a file was taken before
the server has seen its end.) Without a policy, only who has the server's own identity is served; on http, nobody has
any, so a policy must be given. Without a credential of its own it takes for each connection what the toolkit finds
then, so that one may be renewed, or with a policy come later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.core.gass import greeting
from pyglobus.core.gass.connection import Connection, Exchange
from pyglobus.core.gass.policy import Allow, Answer, Policy, Request, only
from pyglobus.core.gass.quota import Quota
from pyglobus.core.gass.room import Room, room
from pyglobus.core.gass.settings import Access, Settings, Visitor
from pyglobus.core.gass.sink import Sink
from pyglobus.core.gss.credential import Credential
from pyglobus.core.place import Place
from pyglobus.core.xio import XioOptions, XioSocket

# After an accept that failed for want of descriptors or memory, the next is tried this much later, in seconds.
_BREATH = 0.1
# A signal that comes just before the main thread begins to wait does not wake it: it is heard after so many seconds.
_LOOK = 0.5
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# Who waits for connections: long enough for what a client does, for nobody must wait for it.
_BACKLOG = 512


class Server:
    """A GASS server. `start` begins to listen, `close` ends it; as a context manager it does both."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        root: str | os.PathLike[str] | None = None,
        place: Place | None = None,
        credential: Credential | None = None,
        on_access: Callable[[Access], object] | None = None,
        settings: Settings | None = None,
        **chosen: Any,
    ) -> None:
        """``root`` confines all paths; ``place`` says it in full. ``credential``: None is what the toolkit finds.

        ``on_access`` is called at the end of each request, in its thread. ``chosen`` are fields of `Settings`.
        Raises `errors.UsageError`, and `errors.CannotCreate` for a root that cannot be used.
        """
        self.settings = replace(settings or Settings(), **chosen)
        if policy is None and not self.settings.secure:
            raise errors.UsageError(
                "cannot serve http without a policy", why="its clients have no identity to judge by"
            )
        try:
            self.place = place or Place(root)
        except OSError as error:
            raise explain(error, what="cannot serve directory", where=str(root), role="source") from error
        if self.settings.quota is not None and self.place.root is None:
            raise errors.UsageError("cannot keep a quota without a root")
        self._policy = policy
        self._credential = credential
        self._on_access = on_access
        self._sinks = dict(self.settings.sinks)
        #: For how many connections there is room: the settings', or fewer. Once it listens.
        self.room = Room(0, 0, 0)
        self._sock: XioSocket | None = None
        self._url = ""
        self._connections: dict[Connection, threading.Thread] = {}
        self._changed = threading.Condition()
        self._accepting: threading.Thread | None = None
        self._closing = False
        # One that a signal handler may put into while its own thread waits for it.
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._bytes = 0

    def start(self) -> Server:
        """Listen. Raises `errors.CredentialError` without a credential, and `errors.CannotCreate` for an address that
        cannot be had.
        """
        settings = self.settings
        policy = self._policy
        if policy is None:
            policy = only((self._credential or Credential.default(accept=True)).identity)
        try:
            quota = None if settings.quota is None else Quota(settings.quota, self.place.size())
        except OSError as error:
            raise explain(error, what="cannot measure directory", where=self.place.root or "", role="source") from error
        exchange = Exchange(
            settings=settings, place=self.place, policy=policy, quota=quota, sinks=self._sinks.get,
            shutdown=self.end,
        )  # fmt: skip
        options = XioOptions(
            credential=self._credential, authorization="none", anonymous=True, tls_only=True, nodelay=True,
            keepalive=True, handshake_timeout=settings.head_seconds, ports=settings.ports,
        )  # fmt: skip
        sock = XioSocket("tcp,gsi" if settings.secure else "tcp", options)
        host, port = settings.address
        try:
            sock.bind((host, port))
            sock.listen(_BACKLOG)
            own = sock.getsockname()
            self.room = room(settings.connections)
        except errors.Error:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            where = f"{host or '*'}:{port}"
            raise errors.CannotCreate("cannot listen", where=where, why=error.strerror, errno=error.errno) from error
        assert isinstance(own, tuple)
        name = settings.host or _host_name()
        self._url = f"{'https' if settings.secure else 'http'}://{f'[{name}]' if ':' in name else name}:{own[1]}"
        self._sock = sock
        self._accepting = threading.Thread(target=self._accept, args=(sock, exchange), name="gass-accept", daemon=True)
        self._accepting.start()
        return self

    @property
    def url(self) -> str:
        """Where it is reached, without a path: ``https://host:port``."""
        return self._url

    def capture(
        self, deliver: Callable[[bytes], object], *, lines: bool = False, ended: Callable[[], object] | None = None
    ) -> str:
        """A new URL, and a function that gets what is put or appended there, as it arrives: see `Sink`.

        The URL's path cannot be guessed, yet the policy is asked as for every other.
        """
        path = f"/capture/{secrets.token_urlsafe(18)}"
        self._sinks[path] = Sink(deliver, lines=lines, ended=ended)
        return self._url + path

    def release(self, url: str) -> None:
        """Forget a URL that `capture` has made. Who writes to it goes on until the end."""
        self._sinks.pop(url.removeprefix(self._url), None)

    def clients(self) -> list[Visitor]:
        """The connections that are open."""
        with self._changed:
            return [connection.look() for connection in self._connections]

    @property
    def bytes(self) -> int:
        """Bytes of files that have moved, with those under way."""
        with self._changed:
            return self._bytes + sum(connection.look().bytes for connection in self._connections)

    def end(self) -> None:
        """Let `wait` return; from any thread, and from signal handlers."""
        self._ended.put(None)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `end` is called, also by a client's shutdown; whether it was."""
        limit = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _LOOK if limit is None else min(_LOOK, limit - time.monotonic())
            try:
                self._ended.get(timeout=max(left, 0.0))
                break
            except queue.Empty:
                if limit is not None and time.monotonic() >= limit:
                    return False
        self.end()  # for others who wait
        return True

    def drain(self, seconds: float) -> bool:
        """Take no more clients, and let those that are there finish, for so long; whether all have. From one thread."""
        self._stop_listening()
        limit = time.monotonic() + seconds
        with self._changed:
            for connection in [each for each in self._connections if each.waiting]:
                connection.abort()
            while self._connections and (left := limit - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._connections

    def close(self) -> None:
        """End it at once; files half put are gone. Idempotent."""
        self._stop_listening()
        with self._changed:
            threads = dict(self._connections)
        for connection in threads:
            connection.abort()
        for thread in threads.values():
            thread.join(1.0)
        self.end()

    def _stop_listening(self) -> None:
        self._closing = True
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
        if self._accepting is not None:
            self._accepting.join(1.0)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # Its threads -----------------------------------------------------------------------------------------------------

    def _accept(self, sock: XioSocket, exchange: Exchange) -> None:
        while not self._closing:
            try:
                accepted = sock.accept_early(begin=False)
            except OSError as error:
                with self._changed:
                    helped = error.errno in _NO_DESCRIPTORS and self._make_room()
                if not helped and not self._closing:
                    time.sleep(_BREATH)
                continue
            with self._changed:
                there = sum(not connection.displaced for connection in self._connections)
                busy = there >= self.room.served and not self._make_room()
                full = busy and there >= self.room.served + self.room.told
                connection = Connection(accepted, exchange, busy=busy)
                thread = threading.Thread(target=self._run, args=(connection,), name="gass", daemon=True)
                if not full:
                    self._connections[connection] = thread
            if full:
                self._turn_away(accepted)
                continue
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                connection.abort()
                self._forget(connection)

    def _make_room(self) -> bool:
        """End the connection that has been silent longest since it was opened, if one is."""
        silent = next((each for each in self._connections if each.waiting and not each.displaced), None)
        if silent is not None:
            silent.displace()
        return silent is not None

    def _turn_away(self, accepted: XioSocket) -> None:
        """End a connection at once, and tell its client why."""
        host = ""
        with contextlib.suppress(OSError, errors.Error), accepted.underlying() as plain:
            host = greeting.host_of(plain)
            greeting.turn_away(plain, secure=self.settings.secure)
        accepted.close()
        if self._on_access is not None:
            with contextlib.suppress(Exception):  # whatever it raises, others must be accepted
                self._on_access(Access(time.time(), None, host, None, None, 0, 0.0, 503, "denied", greeting.NO_ROOM))

    def _run(self, connection: Connection) -> None:
        try:
            access = connection.run()
            if access is not None and self._on_access is not None:
                self._on_access(access)
        finally:
            self._forget(connection)  # last: who drains the server waits for what is told of each as well

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            if self._connections.pop(connection, None) is not None:
                self._bytes += connection.look().bytes
            self._changed.notify_all()


def everybody(_request: Request) -> Answer:
    """The policy that allows everything to all."""
    return Allow()


def _host_name() -> str:
    """This machine's name as the toolkit tells it to others."""
    import socket

    if name := os.environ.get("GLOBUS_HOSTNAME"):
        return name
    name = socket.gethostname()
    if "." not in name:
        with contextlib.suppress(OSError):
            name = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)[0][3] or name
    return name

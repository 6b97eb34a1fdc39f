# SPDX-License-Identifier: Apache-2.0
"""One connection of a server: its handshake, its request, who may have it, and what is done.

It runs in a thread of its own, from top to bottom; the bytes go through its `Wire`. What it may not know (the server's
state, other connections) it gets as an `Exchange`; what came of it is the `Access` that `run` returns.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyglobus.core import errors
from pyglobus.core.gass import greeting, message
from pyglobus.core.gass.message import BadMessage, RequestHead
from pyglobus.core.gass.policy import Allow, Deny, Operation, Policy, Redirect, Request
from pyglobus.core.gass.quota import Quota
from pyglobus.core.gass.refusal import Refused, local_faults
from pyglobus.core.gass.settings import Access, Outcome, Settings, Visitor
from pyglobus.core.gass.sink import Sink
from pyglobus.core.gass.wire import Cut, Wire
from pyglobus.core.place import Place
from pyglobus.core.xio import XioSocket
from pyglobus.ffi.errors import GlobusError

#: The path whose put ends a server that allows it.
SHUTDOWN = "/dev/globus_gass_client_shutdown"
# What is put there goes to the streams of the server's process, or nowhere: they are no files, not even with a root.
_STREAMS = ("/dev/stdout", "/dev/stderr")
# What who has nothing to say sends at most.
_NOTHING = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What all connections of a server share."""

    settings: Settings
    place: Place
    policy: Policy
    quota: Quota | None
    sinks: Callable[[str], Sink | None]
    shutdown: Callable[[], object]


class Connection:
    """One client, from its first byte to its last. ``busy``: there are too many; it is told to come later."""

    def __init__(self, sock: XioSocket, exchange: Exchange, *, busy: bool = False) -> None:
        self._sock = sock
        self._exchange = exchange
        self._wire = Wire(sock, exchange.settings)
        self._busy = busy
        self._begun = time.monotonic()
        self._asked = time.time()
        self._host = ""
        self._identity: str | None = None
        self._operation: Operation | None = None
        self._path: str | None = None
        self._size: int | None = None
        self._aborted = False
        self._displaced = ""
        self._plain: socket.socket | None = None

    @property
    def waiting(self) -> bool:
        """Whether its request is not there yet."""
        return self._operation is None

    @property
    def displaced(self) -> bool:
        """Whether it must go."""
        return bool(self._displaced)

    def look(self) -> Visitor:
        """What it does now; from any thread."""
        return Visitor(
            self._host, self._identity, self._operation, self._path, self._wire.bytes, self._size,
            time.monotonic() - self._begun,
        )  # fmt: skip

    def abort(self) -> None:
        """End it; from any thread."""
        self._aborted = True
        if (plain := self._plain) is not None:
            with contextlib.suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def displace(self) -> None:
        """End one that is still waiting, since there are too many, and tell it so; from any thread, which does not
        wait.
        """
        waited = time.monotonic() - self._begun
        self._displaced = f"there are too many clients, and it had asked for nothing within {waited:.1f} s"
        secure, plain = self._exchange.settings.secure, self._plain
        with contextlib.suppress(OSError, errors.Error):
            if self._wire.status:
                pass  # it was refused, and has not ended
            elif plain is not None:
                greeting.turn_away(plain, secure=secure)
            elif not secure:  # part of a head has come
                with self._sock.underlying() as copy:
                    greeting.turn_away(copy, secure=False)
        self.abort()

    def run(self) -> Access | None:
        """Serve it. None: it ended without a request."""
        outcome: Outcome = "done"
        reason = ""
        try:
            head = self._head() if self._greet() else None
            if head is None:
                return self._unserved()
            self._serve(head)
        except Refused as refusal:
            outcome, reason = refusal.outcome, str(refusal)
            if not self._wire.status:
                self._wire.refuse(refusal, sending=self._operation != "get")
        except Exception as error:  # whatever it is, it ends this connection alone
            if self._aborted and self._operation is None:
                return self._unserved()
            outcome, reason = "cut", str(error) or repr(error)
            if not self._aborted and not isinstance(error, Cut | GlobusError | OSError | errors.Error):
                outcome, reason = "failed", repr(error)
        finally:
            self._sock.close()
        return self._access(self._wire.status, outcome, reason)

    def _access(self, status: int, outcome: Outcome, reason: str) -> Access:
        return Access(
            self._asked, self._identity, self._host, self._operation, self._path, self._wire.bytes,
            time.time() - self._asked, status, outcome, reason,
        )  # fmt: skip

    def _unserved(self) -> Access | None:
        """The end of one without a request: nobody need know of it, unless it had to go."""
        return self._access(503, "denied", self._displaced) if self._displaced else None

    # The request -----------------------------------------------------------------------------------------------------

    def _greet(self) -> bool:
        """Begin the handshakes, unless the client has come to the wrong port; False: it says nothing."""
        settings = self._exchange.settings
        with self._sock.underlying() as plain:
            self._plain = plain
            if self._aborted:
                return False
            with contextlib.suppress(OSError):  # it may be gone
                self._host = greeting.host_of(plain)
            plain.settimeout(settings.head_seconds)
            first = plain.recv(1, socket.MSG_PEEK)
            why = greeting.misplaced(first, secure=settings.secure)
            if why is not None:
                self._asked, self._wire.status = time.time(), 400
                greeting.refuse(plain, why)
                raise Refused(400, why)
        self._plain = None
        if first:
            self._sock.begin()
        return bool(first)

    def _head(self) -> RequestHead | None:
        data = b""
        while True:
            left = self._begun + self._exchange.settings.head_seconds - time.monotonic()
            self._sock.settimeout(max(left, 0.001))
            if not data:
                self._identity = self._sock.peer
            piece = self._sock.recv(1 << 16)
            if not piece:
                return None
            data += piece
            try:
                parts = message.split(data)
                if parts is not None:
                    self._asked = time.time()
                    self._wire.rest = parts[1]
                    return message.request(parts[0])
            except BadMessage as error:
                self._asked = time.time()
                self._wire.rest = data
                raise Refused(error.status, error.why) from None

    def _serve(self, head: RequestHead) -> None:
        exchange, settings = self._exchange, self._exchange.settings
        if self._busy:
            raise Refused(503, greeting.NO_ROOM)
        methods: dict[str, Operation] = {"GET": "get", "HEAD": "get", "PUT": "put"}
        operation: Operation | None = "append" if head.append else methods.get(head.method)
        if operation is None:
            raise Refused(405, "only GET, PUT and appending are understood")
        sink = exchange.sinks(head.path) if operation != "get" else None
        if head.path == SHUTDOWN and operation == "put":
            operation = "shutdown"
        special = sink is not None or operation == "shutdown"
        path = head.path if special else exchange.place.path(head.path)
        self._operation, self._path, self._size = operation, path, head.length
        if operation != "get":
            self._wire.announce(head)
        judged = self._judge(Request(operation, path, self._identity, head.length, self._host))
        self._sock.settimeout(settings.idle_seconds)
        if operation == "shutdown":
            if not settings.shutdown:
                raise Refused(403, "clients may not end this server")
            self._wire.pour(head, Sink(bytes), _NOTHING)
            self._wire.respond(200)
            exchange.shutdown()
        elif sink is not None:
            self._wire.pour(head, sink, judged.limit)
            self._wire.respond(200)
        elif operation == "get":
            if not settings.read:
                raise Refused(403, "nothing can be read here")
            self._get(path, head)
        else:
            if not settings.write or path in _STREAMS:
                raise Refused(403, "nothing can be written here")
            (self._put if operation == "put" else self._append)(head, path, judged.limit)

    def _judge(self, request: Request) -> Allow:
        try:
            answer = self._exchange.policy(request)
        except Exception as error:
            raise Refused(500, "", "failed", cause=f"the policy has failed: {error!r}") from error
        if isinstance(answer, Deny):
            raise Refused(answer.code if 400 <= answer.code < 600 else 403, answer.reason)
        if isinstance(answer, Redirect):
            raise Refused(302, "", "redirected", location=answer.url, cause=answer.url)
        if not isinstance(answer, Allow):
            raise Refused(500, "", "failed", cause="the policy has not answered")
        return answer

    # What is done ----------------------------------------------------------------------------------------------------

    def _get(self, path: str, head: RequestHead) -> None:
        with local_faults():
            fd, size = self._exchange.place.source(path)
        try:
            try:
                part = message.part(head.headers, size) if head.method == "GET" else None
            except BadMessage as error:
                raise Refused(error.status, error.why) from None
            self._size = size if part is None else part.length
            self._wire.send_file(fd, size, part, bodiless=head.method == "HEAD")
        finally:
            os.close(fd)

    def _put(self, head: RequestHead, path: str, limit: int | None) -> None:
        quota = self._exchange.quota
        with local_faults():
            landing = self._exchange.place.put(path)
        try:
            if landing.regular:
                self._wire.store(head, landing.fd, limit, quota.left + landing.replaces if quota else None)
                with local_faults():
                    if quota is not None:
                        quota.take(self._wire.bytes - landing.replaces)
                    landing.commit()
            else:
                self._wire.pour(head, Sink.of_descriptor(landing.fd), limit)
            self._wire.respond(200)
        finally:
            landing.discard()

    def _append(self, head: RequestHead, path: str, limit: int | None) -> None:
        quota = self._exchange.quota
        with local_faults():
            fd = self._exchange.place.append(path)
        try:
            self._wire.store(head, fd, limit, quota.left if quota else None)
        finally:
            os.close(fd)
            if quota is not None:
                quota.count(self._wire.bytes)
        self._wire.respond(200)

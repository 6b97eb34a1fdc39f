# SPDX-License-Identifier: Apache-2.0
"""One connection of a server: its handshake, its request, the answer, and the bytes.

It runs in a thread of its own, from top to bottom. What it may not know (the server's state, other connections) it gets
as an `Exchange`; what came of it is the `Access` that `run` returns.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyglobus.core import errors
from pyglobus.core.gass import greeting, message
from pyglobus.core.gass.message import BadMessage, RequestHead
from pyglobus.core.gass.policy import Allow, Deny, Operation, Policy, Redirect, Request
from pyglobus.core.gass.quota import Quota
from pyglobus.core.gass.refusal import STATUS, Refused, local_faults, refusal_of
from pyglobus.core.gass.settings import Access, Outcome, Settings, Visitor
from pyglobus.core.gass.sink import Sink
from pyglobus.core.place import Place
from pyglobus.core.xio import XioSocket
from pyglobus.ffi.body import Body
from pyglobus.ffi.engine import Operation as Pending
from pyglobus.ffi.errors import GlobusError, OperationCancelled

#: The path whose put ends a server that allows it.
SHUTDOWN = "/dev/globus_gass_client_shutdown"

# What a client still sends after it was refused is read for so long, and so far: else the answer would be lost with the
# connection, as TCP resets one that is closed with unread bytes.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 256 << 20
# Bytes of one piece for a sink.
_PIECE = 256 * 1024


class _Cut(Exception):
    """The client is gone, or has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What all connections of a server share. ``busy`` says that there are too many."""

    settings: Settings
    place: Place
    policy: Policy
    quota: Quota | None
    sinks: Callable[[str], Sink | None]
    shutdown: Callable[[], object]


class Connection:
    """One client, from its first byte to its last."""

    def __init__(self, sock: XioSocket, exchange: Exchange, *, busy: bool = False) -> None:
        self._sock = sock
        self._exchange = exchange
        self._busy = busy
        self._begun = time.monotonic()
        self._asked = time.time()
        self._host = ""
        self._identity: str | None = None
        self._operation: Operation | None = None
        self._path: str | None = None
        self._body: Body | None = None
        self._size: int | None = None
        self._status = 0
        self._rest = b""
        self._aborted = False
        self._plain: socket.socket | None = None

    @property
    def waiting(self) -> bool:
        """Whether its request is not there yet."""
        return self._operation is None

    def look(self) -> Visitor:
        """What it does now; from any thread."""
        body = self._body
        return Visitor(
            self._host, self._identity, self._operation, self._path, body.bytes if body else 0, self._size,
            time.monotonic() - self._begun,
        )  # fmt: skip

    def abort(self) -> None:
        """End it; from any thread."""
        self._aborted = True
        if (plain := self._plain) is not None:
            with contextlib.suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def run(self) -> Access | None:
        """Serve it. None: it ended without a request."""
        outcome: Outcome = "done"
        reason = ""
        try:
            if not self._greet():
                return None
            head = self._head()
            if head is None:
                return None
            self._serve(head)
        except Refused as refusal:
            outcome, reason = refusal.outcome, str(refusal)
            if not self._status:
                self._refuse(refusal)
        except Exception as error:  # whatever it is, it ends this connection alone
            if self._aborted and self._operation is None:
                return None
            outcome, reason = "cut", str(error) or repr(error)
            if not self._aborted and not isinstance(error, _Cut | GlobusError | OSError | errors.Error):
                outcome, reason = "failed", repr(error)
        finally:
            self._sock.close()
        moved = self._body.bytes if self._body is not None else 0
        return Access(
            self._asked, self._identity, self._host, self._operation, self._path, moved,
            time.time() - self._asked, self._status, outcome, reason,
        )  # fmt: skip

    # The request -----------------------------------------------------------------------------------------------------

    def _greet(self) -> bool:
        """Begin the handshakes, unless the client has come to the wrong port; False: it says nothing."""
        settings = self._exchange.settings
        with self._sock.underlying() as plain:
            self._plain = plain
            if self._aborted:
                return False
            with contextlib.suppress(OSError):  # it may be gone
                self._host = plain.getpeername()[0].removeprefix("::ffff:")
            plain.settimeout(settings.head_seconds)
            first = plain.recv(1, socket.MSG_PEEK)
            why = greeting.misplaced(first, secure=settings.secure)
            if why is not None:
                self._asked, self._status = time.time(), 400
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
                    self._rest = parts[1]
                    return message.request(parts[0])
            except BadMessage as error:
                self._asked = time.time()
                self._rest = data
                raise Refused(error.status, error.why) from None

    def _serve(self, head: RequestHead) -> None:
        exchange, settings = self._exchange, self._exchange.settings
        if self._busy:
            raise Refused(503, "there are too many clients: come later")
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
            self._body = Body(head.framing or "length", head.length or 0, first=self._rest)
        judged = self._judge(Request(operation, path, self._identity, head.length, self._host))
        self._sock.settimeout(settings.idle_seconds)
        if operation == "shutdown":
            if not settings.shutdown:
                raise Refused(403, "clients may not end this server")
            self._receive_nothing(head)
            exchange.shutdown()
        elif sink is not None:
            self._pour(head, sink, judged.limit)
        elif operation == "get":
            if not settings.read:
                raise Refused(403, "nothing can be read here")
            self._get(path, head)
        else:
            if not settings.write:
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

    # Its answer ------------------------------------------------------------------------------------------------------

    def _get(self, path: str, head: RequestHead) -> None:
        with local_faults():
            fd, size = self._exchange.place.source(path)
        try:
            try:
                part = message.part(head.headers, size) if head.method == "GET" else None
            except BadMessage as error:
                raise Refused(error.status, error.why) from None
            self._size = size if part is None else part.length
            self._status = 200 if part is None else 206
            of = None if part is None else (part.offset, size)
            first = message.answer(self._status, length=self._size, of=of)
            self._body = Body("length", self._size if head.method == "GET" else 0, first=first)
            offset = 0 if part is None else part.offset
            if self._finish(self._body.send(self._sock.native(), fd, offset)) != "complete":
                raise _Cut("the file has become shorter")
        finally:
            os.close(fd)

    def _put(self, head: RequestHead, path: str, limit: int | None) -> None:
        quota = self._exchange.quota
        with local_faults():
            landing = self._exchange.place.put(path)
        try:
            if landing.regular:
                self._fill(head, landing.fd, limit, quota.left + landing.replaces if quota else None)
                with local_faults():
                    if quota is not None and self._body is not None:
                        quota.take(self._body.bytes - landing.replaces)
                    landing.commit()
                self._respond(200)
            else:
                self._pour(head, Sink.of_descriptor(landing.fd), limit)
        finally:
            landing.discard()

    def _append(self, head: RequestHead, path: str, limit: int | None) -> None:
        quota = self._exchange.quota
        with local_faults():
            fd = self._exchange.place.append(path)
        try:
            self._fill(head, fd, limit, quota.left if quota else None)
        finally:
            os.close(fd)
            if quota is not None and self._body is not None:
                quota.count(self._body.bytes)
        self._respond(200)

    def _fill(self, head: RequestHead, fd: int, limit: int | None, room: int | None) -> None:
        allowed = _least(limit, self._exchange.settings.most_bytes)
        body = self._incoming(head, _least(allowed, room))
        if body.state == "more":
            self._finish(body.store(self._sock.native(), fd))
        if body.state == "too-large" and room is not None and (allowed is None or room < allowed):
            raise Refused(507, STATUS[errno.EDQUOT][1])
        self._require_whole(body)

    def _pour(self, head: RequestHead, sink: Sink, limit: int | None) -> None:
        body = self._incoming(head, limit)
        writer = sink.writer()
        try:
            while body.state == "more":
                piece = self._finish(body.take(self._sock.native(), _PIECE))
                with local_faults():
                    writer.write(piece)
        finally:
            with local_faults():
                writer.close()
        self._require_whole(body)
        self._respond(200)

    def _receive_nothing(self, head: RequestHead) -> None:
        body = self._incoming(head, 1 << 20)
        while body.state == "more":
            self._finish(body.take(self._sock.native(), _PIECE))
        self._respond(200)

    def _incoming(self, head: RequestHead, limit: int | None) -> Body:
        limit = _least(limit, self._exchange.settings.most_bytes)
        rest, self._rest = self._rest, b""
        self._body = Body(head.framing or "length", head.length or 0, limit=-1 if limit is None else limit, first=rest)
        if head.expects_continue and self._body.state == "more":
            self._sock.sendall(message.CONTINUE)
        return self._body

    def _require_whole(self, body: Body) -> None:
        if body.state == "too-large":
            raise Refused(413, "it is larger than allowed")
        if body.state == "malformed":
            raise Refused(400, "the chunks are malformed")
        if body.state != "complete":
            raise _Cut("the client has ended in the middle")

    def _finish(self, pending: Pending) -> Any:
        """The result of an operation on the body; what moves no byte for too long is ended."""
        assert self._body is not None
        idle = self._exchange.settings.idle_seconds
        moved = self._body.bytes
        while not pending.wait(idle):
            if self._body.bytes == moved:
                pending.cancel()
                pending.wait()
                raise _Cut(f"no byte has moved for {idle:g} s")
            moved = self._body.bytes
        try:
            return pending.result()
        except GlobusError as error:
            if error.local_errno:
                raise refusal_of(OSError(error.local_errno, os.strerror(error.local_errno))) from error
            raise _Cut(str(error)) from error

    def _respond(self, status: int, reason: str = "", location: str | None = None) -> None:
        self._sock.sendall(message.answer(status, reason, location=location))
        self._status = status

    def _refuse(self, refusal: Refused) -> None:
        with contextlib.suppress(OSError, GlobusError, OperationCancelled):
            self._respond(refusal.status, refusal.reason, refusal.location)
            self._linger()

    def _linger(self) -> None:
        limit = time.monotonic() + _LINGER_SECONDS
        unread = 0
        while self._operation != "get" and unread < _LINGER_BYTES and (left := limit - time.monotonic()) > 0:
            self._sock.settimeout(left)
            piece = self._sock.recv(1 << 18)
            if not piece:
                break
            unread += len(piece)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)

# SPDX-License-Identifier: Apache-2.0
"""One client of a server, in the server's event loop.

Its requests are answered one after the other. What takes microseconds (a name, some names) is done at once; what may
look at all rows, and bulks, in a thread that reads; changes in the thread that writes, together with those of other
clients. Until such an answer is there nothing more is read from this client, and neither while it does not take what it
has been sent; all others go on meanwhile. A query that comes as a whole and alone, which is what nearly all do, goes
straight to what answers it: one table has been made of what this client may ask.

A client that has logged in may ask, before anything else, that all that follows be protected: then a `Shield` takes the
place of its transport.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls import administration
from pyglobus.core.rls.acl import NONE
from pyglobus.core.rls.database import FAULTS
from pyglobus.core.rls.methods import Kind, Permission
from pyglobus.core.rls.requests import DONE, WELCOME, Request, Requests, failed
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.service import answer
from pyglobus.core.rls.store import Point

if TYPE_CHECKING:
    from pyglobus.core.gss import Context
    from pyglobus.core.rls.login import Login
    from pyglobus.core.rls.server import Server
    from pyglobus.core.rls.shield import Shield

#: Strings of a request that is answered at once.
_FEW = 32
#: Bytes that may wait to be sent before a client is read no further.
_UNSENT = 1 << 20


class Connection(asyncio.BufferedProtocol):
    """The server's end."""

    def __init__(self, server: Server, login: Login | None) -> None:
        """``login``: what it begins with; None without authentication."""
        self._server = server
        self._clients = server.clients
        self._login = login
        self._requests = Requests()
        self._permissions = NONE
        self._points: dict[bytes, Point] = {}
        self._ready = False  # nothing is under way, and nothing of a request has come
        self._busy = False
        self._held = False  # it does not take what it is sent
        self._reading = True
        self._transport: asyncio.Transport | Shield
        self._context: Context | None = None  # of the login, as long as the client may ask for protection
        self._shield: Shield | None = None
        #: Its subject (None before the login, and without one) and where it comes from.
        self.identity: str | None = None
        self.host = ""
        self.began = self.active = time.monotonic()
        self.count = 0
        self._asked: tuple[str, float] | None = None  # what is being served, and since when, where that is counted

    # What the loop calls ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(_UNSENT)
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        if not self._clients.enter(self):
            transport.abort()
        elif self._login is None:
            self._welcome()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._clients.buffer

    def buffer_updated(self, count: int) -> None:
        data = bytes(self._clients.buffer[:count])
        if self._shield is None:
            self._received(data)
        else:
            self.active = time.monotonic()
            self._shield.feed(data)

    def _received(self, data: bytes) -> None:
        self.active = time.monotonic()
        if self._ready:
            strings = data.split(b"\0")
            point = self._points.get(strings[0])
            if point is not None and len(strings) == point[0] and not strings[-1]:
                self._answer_at_once(point, strings[1:-1])
                return
            self._ready = False
        try:
            if self._login is not None:
                self._log_in(self._login, data)
                return
            self._requests.feed(data)
        except (Refusal, errors.Error) as error:
            self._break(error)
            return
        if not self._busy and not self._held:
            self._work()
        elif self._reading:
            self._reading = False
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._held, self._ready = True, False

    def resume_writing(self) -> None:
        self._held = False
        self.active = time.monotonic()
        if not self._busy:
            self._work()

    def connection_lost(self, _error: Exception | None) -> None:
        self._busy, self._ready = True, False  # nothing more is begun
        if self._login is not None:
            self._login.close()
        self._forget()
        if self._shield is not None:
            self._shield.forget()
        self._clients.leave(self)

    # What the server asks --------------------------------------------------------------------------------------------

    def overdue(self, now: float, timeout: float, idle: float) -> bool:
        """Whether it has been silent for too long: within a login, a request or a reply, or between requests. The time
        that the server itself takes does not count.
        """
        if self._busy and self._login is None:
            return False
        within = self._login is not None or self._held or self._requests.pending
        limit = timeout if within else idle
        return bool(limit) and now - self.active > limit

    @property
    def new(self) -> bool:
        """Whether it has not logged in."""
        return self._login is not None

    @property
    def busy(self) -> bool:
        """Whether a request is being served, or its reply sent."""
        return (self._busy and self._login is None) or self._transport.get_write_buffer_size() > 0

    def permit(self) -> None:
        """Ask again what this client may do."""
        if self._login is None:
            self._allow(self._clients.permissions(self))

    def _allow(self, permissions: frozenset[Permission]) -> None:
        self._permissions = permissions
        self._points = {} if self._exposed else self._clients.points(permissions)

    @property
    def _exposed(self) -> bool:
        """Whether what it says is not protected and has to be."""
        return self._server.configuration.protect and self._shield is None

    def _forget(self) -> None:
        """The keys of the login."""
        context, self._context = self._context, None
        if context is not None:
            context.close()

    def end(self) -> None:
        """Send what is to be sent, and close."""
        self._ready = False
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    # Login -----------------------------------------------------------------------------------------------------------

    def _welcome(self) -> None:
        try:
            self._allow(self._clients.admit(self))
        except Refusal as refusal:
            self._break(refusal)
            return
        self._transport.write(WELCOME)
        self._ready = self._context is None  # the first request tells whether the keys are wanted

    def _log_in(self, login: Login, data: bytes) -> None:
        records = login.feed(data)
        if records and not self._busy:
            self._busy = True
            self._transport.pause_reading()
            self._server.compute(lambda: login.step(records), self._logged_in)

    def _logged_in(self, outcome: bytes | BaseException) -> None:
        login = self._login
        if self._transport.is_closing() or login is None:
            return
        self._busy = False
        self.active = time.monotonic()
        if isinstance(outcome, BaseException):
            self._transport.write(login.farewell)
            self._break(outcome)
            return
        self._transport.write(outcome)
        self._transport.resume_reading()
        if login.identity is not None:
            self.identity, self._login, self._context = login.identity, None, login.context
            self._welcome()
            if rest := login.rest():
                self._received(rest)

    # Requests --------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._busy and not self._held:
            try:
                request = self._requests.next()
            except Refusal as refusal:
                self._break(refusal)
                return
            if request is None:
                if not self._reading:
                    self._reading = True
                    self._transport.resume_reading()
                self._ready = not self._requests.pending
                return
            self.count += 1
            if self._server.metrics is not None:
                self._asked = request.method.name, time.perf_counter()
            try:
                self._serve(request)
            except (Refusal, *FAULTS) as error:
                self._transport.write(failed(refusal_of(error)))
                self._observe(refusal_of(error).result)
            else:
                if not self._busy:
                    self._observe(Result.SUCCESS)

    def _answer_at_once(self, point: Point, strings: list[bytes]) -> None:
        self.count += 1
        try:
            reply = point[1](point[2], [string.decode() for string in strings])
        except Refusal as refusal:
            reply = failed(refusal)
        except (UnicodeDecodeError, *FAULTS) as error:
            reply = failed(refusal_of(error))
        self._transport.write(reply)

    def _serve(self, request: Request) -> None:
        method, strings = request
        if method.name == "pyglobus1_protect":
            self._protect()
            return
        self._forget()
        if self._exposed and method.name != "close":
            raise Refusal(Result.PERM, f"{method.name}: this server wants requests to be protected (--protect)")
        if method.permission is not None and method.permission not in self._permissions:
            self._clients.denied(self, method.name)
            raise Refusal(Result.PERM, method.name)
        if method.name == "close":
            self._busy = True
            self._transport.close()
            return
        if method.kind is Kind.SERVER:
            self._transport.write(administration.control(self._server, method.name, strings))
            return
        if method.name == "stats":
            self._busy = True
            self._server.compute(lambda: administration.statistics(self._server), self._answer)
            return
        shelf = self._server.shelf(method.name)
        if method.kind is Kind.CHANGE:
            self._busy = True
            shelf.writer.submit((method.name, strings), self._answer, len(strings) or 1)
        elif method.kind is Kind.SCAN or len(strings) > _FEW:
            self._busy = True
            self._server.compute(lambda: shelf.read(method.name, strings), self._answer)
        elif shelf.swift:
            self._transport.write(answer(shelf.store, method.name, strings))
        else:
            self._busy = True
            shelf.ask((method.name, strings), self._answer)

    def _protect(self) -> None:
        """From here on every byte is in a record of the login's context."""
        from pyglobus.core.rls.shield import Shield

        if self._context is None:
            why = "only after a login, and before anything else"
            raise Refusal(Result.UNSUPPORTED, f"pyglobus1_protect: {why}")
        if self._requests.pending:  # somebody may have put it there who is not the client
            self._break(Refusal(Result.BADARG, "what follows a request for protection must be protected"))
            return
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(DONE)
        self._transport = self._shield = Shield(
            self._transport,
            self._context,
            compute=self._server.compute,
            received=self._received,
            broken=self._break,
        )
        self._context = None
        self._allow(self._permissions)

    def _answer(self, outcome: bytes | BaseException) -> None:
        """The reply to the request that was being served."""
        if self._transport.is_closing():
            return
        self._busy = False
        self.active = time.monotonic()
        if isinstance(outcome, bytes):
            self._transport.write(outcome)
            self._observe(Result.SUCCESS)
        else:
            self._transport.write(failed(refusal_of(outcome)))
            self._observe(refusal_of(outcome).result)
        if not self._held:
            self._work()

    def _observe(self, result: Result) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and self._server.metrics is not None:
            method, since = asked
            self._server.metrics.observe(method, result, time.perf_counter() - since)

    def _break(self, error: BaseException) -> None:
        """Say why, and end: nothing that comes now would be understood."""
        self._busy, self._ready = True, False
        self._clients.broken(self, error)
        if isinstance(error, Refusal):
            self._transport.write(failed(error))
        self._transport.close()


def refusal_of(error: BaseException) -> Refusal:
    """What a client is told of an error."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, FAULTS):
        return Refusal(Result.DBERROR, str(error))
    if isinstance(error, UnicodeDecodeError):
        return Refusal(Result.BADARG, "not UTF-8")
    return Refusal(Result.GLOBUSERR, type(error).__name__)

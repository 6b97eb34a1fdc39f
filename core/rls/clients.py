# SPDX-License-Identifier: Apache-2.0
"""All clients of a server: how many there may be, what each of them may do, and which are overdue.

What a client may do is found out once, when it comes and when the access list changes. From that follows which methods
are for it to call and, for those that are answered at once, by what: one table for all clients with the same
permissions, so that a request costs one look into it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from pyglobus.core import errors
from pyglobus.core.rls import acl
from pyglobus.core.rls.methods import METHODS, Kind, Permission
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.service import HANDLERS
from pyglobus.core.rls.store import Point

if TYPE_CHECKING:
    from pyglobus.core.rls.connection import Connection
    from pyglobus.core.rls.server import Server

#: Connections beyond the limit that are let in to be told so.
_EXCESS = 50
#: Bytes that are taken at once from a client.
_PIECE = 1 << 18
#: Seconds between two looks for connections that are overdue.
_SWEEP = 0.5


class Clients:
    """The connections, in the server's event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connections: set[Connection] = set()
        #: Where what a client sends is put first, whoever it is: a new one for each piece would cost the system more
        #: than to receive it.
        self.buffer = memoryview(bytearray(_PIECE))
        self._points: dict[frozenset[Permission], dict[bytes, Point]] = {}

    def enter(self, connection: Connection) -> bool:
        """Take a connection; whether there is a place where it can at least be told that there is none."""
        self._connections.add(connection)
        return len(self._connections) <= self._server.configuration.maxconnections + _EXCESS

    def __len__(self) -> int:
        """How many are connected."""
        return len(self._connections)

    def leave(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if connection.count:
            seconds = round(time.monotonic() - connection.began, 3)
            self._server.tell("close", _who(connection) | {"requests": connection.count, "seconds": seconds})

    def admit(self, connection: Connection) -> frozenset[Permission]:
        """What a client may do that is logged in. Raises `Refusal`."""
        if len(self._connections) > self._server.configuration.maxconnections:
            raise Refusal(Result.TOO_MANY_CONNECTIONS, "")
        self._server.tell("open", _who(connection))
        return self.permissions(connection)

    def permissions(self, connection: Connection) -> frozenset[Permission]:
        """What the acl says of a client."""
        credential = self._server.credential
        own = credential.identity if credential is not None else None
        return acl.permissions(self._server.configuration.acl, connection.identity, own=own, account=_account)

    def points(self, permissions: frozenset[Permission]) -> dict[bytes, Point]:
        """The methods that clients with these permissions get answered at once."""
        if permissions not in self._points:
            found: dict[bytes, Point] = {}
            for name, method in METHODS.items():
                shelf = self._server.lrc if name.startswith(b"lrc_") else self._server.rli
                if shelf is None or not shelf.swift or method.kind is not Kind.POINT or method.group:
                    continue
                if method.permission in permissions:
                    handler = HANDLERS[method.name]
                    if self._server.metrics is not None:
                        handler = self._server.metrics.timed(method.name, handler)
                    found[name] = method.fixed + 2, handler, shelf.store
            self._points[permissions] = found
        return self._points[permissions]

    def denied(self, connection: Connection, method: str) -> None:
        """It has asked for what it may not do."""
        self._server.tell("denied", _who(connection) | {"method": method})

    def broken(self, connection: Connection, error: BaseException) -> None:
        """It is ended, for what it has sent."""
        text = str(error) if isinstance(error, errors.Error) else repr(error)
        reason = error.result.name.lower() if isinstance(error, Refusal) else "login" if connection.new else "input"
        self._server.tell("error", _who(connection) | {"error": text, "reason": reason})

    def permit(self) -> None:
        """Ask the access list again, for all of them."""
        for each in self._connections:
            each.permit()

    def sweep(self) -> None:
        """End those that are overdue, now and from now on."""
        now, chosen = time.monotonic(), self._server.configuration
        for each in list(self._connections):
            if each.overdue(now, chosen.timeout, chosen.idletimeout):
                each.abort()
        asyncio.get_running_loop().call_later(_SWEEP, self.sweep)

    async def drain(self, seconds: float) -> int:
        """Let those finish that are being served, for so long, and end all. How many had not finished."""
        deadline = time.monotonic() + seconds
        while (busy := [each for each in self._connections if each.busy]) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for each in list(self._connections):
            each.abort() if each in busy else each.end()
        await asyncio.sleep(0)
        return len(busy)


def _who(connection: Connection) -> dict[str, Any]:
    return {"host": connection.host, "identity": connection.identity}


def _account(identity: str) -> str | None:
    from pyglobus.core.gss import gridmap

    try:
        return gridmap.account(identity)
    except errors.Error:
        return None

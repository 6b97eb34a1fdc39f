# SPDX-License-Identifier: Apache-2.0
"""The port at which a server tells what it has counted: ``GET /metrics`` by HTTP/1.0 or 1.1, one request on each
connection.

It is in the server's event loop; how much there is in the databases is counted in a thread, and at most every ten
seconds. Anybody who can connect may ask, so it is on loopback unless told otherwise, a request has few bytes and
seconds, and few are answered at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls import administration
from pyglobus.core.rls.metrics import Metrics

if TYPE_CHECKING:
    from pyglobus.core.rls.server import Server

PORT = 39282
#: Bytes and seconds of a request, and requests at a time.
_MOST, _PATIENCE, _SIDE_BY_SIDE = 8192, 5.0, 8
#: Seconds that the sizes of the databases are good for: to count them is a walk through all.
_FRESH = 10.0


def parse(text: str) -> tuple[str, int]:
    """Host and port of ``[ADDRESS][:PORT]``, by default loopback and `PORT`. Raises `errors.UsageError`."""
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        host, port = (text, "") if not text.isdigit() else ("", text)
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise errors.UsageError("bad address for metrics", where=text, why=f"{port!r} is no port")
    if host.count(":") and not (host.startswith("[") and host.endswith("]")):
        raise errors.UsageError("bad address for metrics", where=text, why="IPv6 stands in brackets")
    return host.strip("[]") or "localhost", int(port) if port else PORT


class Exposition:
    """What is told, and to how many at a time."""

    def __init__(self, server: Server, metrics: Metrics) -> None:
        self._server = server
        self._metrics = metrics
        self._open: set[_Scrape] = set()
        self._sizes: dict[str, float] = {}
        self._counted = -_FRESH

    def connection(self) -> asyncio.Protocol:
        """For a client that has come."""
        return _Scrape(self._open, self._tell)

    def close(self) -> None:
        """End those that are being answered."""
        for each in list(self._open):
            each.end()

    def _tell(self, done: Callable[[bytes], None]) -> None:
        def told(outcome: bytes | BaseException) -> None:
            if isinstance(outcome, bytes):
                done(_reply("200 OK", outcome, "text/plain; version=0.0.4; charset=utf-8"))
            else:
                done(_reply("500 Internal Server Error"))

        self._server.compute(self._text, told)

    def _text(self) -> bytes:
        gauges: dict[str, float] = {
            "connections": len(self._server.clients),
            "connections_limit": self._server.configuration.maxconnections,
            "uptime_seconds": round(time.monotonic() - self._server.began, 3),
        }
        if time.monotonic() - self._counted >= _FRESH:
            self._counted = time.monotonic()  # who asks meanwhile gets what was counted before
            try:
                self._sizes = {**administration.sizes(self._server), "databases_up": 1}
            except Exception:  # whatever it is, the rest is to be told
                self._sizes = {"databases_up": 0}
        return self._metrics.text(gauges | self._sizes).encode()


class _Scrape(asyncio.Protocol):
    """One client."""

    def __init__(self, others: set[_Scrape], tell: Callable[[Callable[[bytes], None]], None]) -> None:
        self._others = others
        self._tell = tell
        self._data = b""
        self._asked = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._others.add(self)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, transport.abort)
        if len(self._others) > _SIDE_BY_SIDE:
            self._answer(_reply("503 Service Unavailable"))

    def data_received(self, data: bytes) -> None:
        if self._asked:
            return
        self._data += data
        if b"\r\n\r\n" not in self._data and b"\n\n" not in self._data:
            if len(self._data) > _MOST:
                self._answer(_reply("431 Request Header Fields Too Large"))
            return
        self._asked = True
        self._timer.cancel()  # to count may take longer
        words = self._data.split(b"\n", 1)[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            self._answer(_reply("400 Bad Request"))
        elif words[1].partition(b"?")[0] != b"/metrics":
            self._answer(_reply("404 Not Found"))
        elif words[0] not in (b"GET", b"HEAD"):
            self._answer(_reply("405 Method Not Allowed"))
        elif words[0] == b"HEAD":
            self._tell(lambda reply: self._answer(reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))
        else:
            self._tell(self._answer)

    def connection_lost(self, _error: Exception | None) -> None:
        self._timer.cancel()
        self._others.discard(self)

    def end(self) -> None:
        """Close now."""
        self._transport.abort()

    def _answer(self, reply: bytes) -> None:
        self._asked = True
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._transport.abort)
        self._transport.write(reply)
        self._transport.close()


def _reply(status: str, body: bytes = b"", kind: str = "text/plain") -> bytes:
    body = body or f"{status}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body

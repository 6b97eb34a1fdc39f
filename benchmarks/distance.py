# SPDX-License-Identifier: Apache-2.0
"""A server made to be far away: a TCP relay on loopback that holds back every byte, in both directions.

Only the connection to the relay is slow. The data channels of a GridFTP server go to its own address, without it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 1 << 16


class Distance:
    """Listens on ``port`` as long as the ``with`` block lasts. Each way takes half of ``round_trip`` (seconds).

    ``cut``: bytes from the server after which both sides of a connection are closed; None for never.
    """

    def __init__(self, port: int, round_trip: float, *, cut: int | None = None) -> None:
        self._target = port
        self._delay = round_trip / 2
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wake, self._stop = socket.socketpair()
        self._due: list[tuple[float, int, socket.socket, bytes]] = []
        self._numbers = itertools.count()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._left: dict[socket.socket, int] = {}
        self._thread = threading.Thread(target=self._run, name="distance", daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.send(b"x")
        self._thread.join()
        for end in (*self._peers, self._listener, self._wake, self._stop):
            end.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            rest = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _ in self._selector.select(rest):
                if key.fileobj is self._wake:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, end, data = heapq.heappop(self._due)
                self._deliver(end, data)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        for end, peer in ((near, far), (far, near)):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[end] = peer
            self._selector.register(end, selectors.EVENT_READ)
        if self._cut is not None:
            self._left[far] = self._cut

    def _read(self, end: socket.socket) -> None:
        try:
            data = end.recv(_CHUNK)
        except OSError:
            data = b""
        if end in self._left:
            data = data[: self._left[end]]
            self._left[end] -= len(data)
        over = not data or self._left.get(end) == 0
        for part in ([data] if data else []) + ([b""] if over else []):
            heapq.heappush(self._due, (time.monotonic() + self._delay, next(self._numbers), self._peers[end], part))
        if over:
            self._selector.unregister(end)

    def _deliver(self, end: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if data:
                end.sendall(data)
            else:
                end.shutdown(socket.SHUT_WR)
                if end in self._left or self._peers[end] in self._left:
                    self._peers[end].shutdown(socket.SHUT_RDWR)
                    end.shutdown(socket.SHUT_RDWR)

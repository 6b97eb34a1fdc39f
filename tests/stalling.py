# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that stands before a real FTP or GridFTP server and falls silent, or hangs up, at the n-th reply.

GSI passes through it, so every state of a session can be reached: connecting, logging in, setting up, moving data.
Data channels go past it, straight to the server.
"""

from __future__ import annotations

import re
import select
import socket
import threading
from contextlib import suppress

# The last line of a reply: what begins with "123-" goes on.
_LAST_LINE = re.compile(rb"\d{3} ")


class Stalling:
    """Passes ``replies`` replies on, then keeps what comes; with none, not even the connection is made.

    ``silent`` is set when it has come so far. `hang_up` closes all connections. Used as a context manager.
    """

    def __init__(self, port: int, replies: int) -> None:
        self.silent = threading.Event()
        self._server = port
        self._left = replies
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def hang_up(self) -> None:
        """Close what is open. The listener goes on, but leads nowhere."""
        for each in self._sockets[1:]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Stalling:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if self._left <= 0:
                    self.silent.set()
                else:
                    self._start(self._pass, client)

    def _pass(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server))
        self._sockets.append(server)
        with suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for each in ready:
                    data = each.recv(65536)
                    if not data:
                        return
                    if each is client:
                        server.sendall(data)
                    elif not self._reply(client, data):
                        return

    def _reply(self, client: socket.socket, data: bytes) -> bool:
        for line in data.splitlines(keepends=True):
            client.sendall(line)
            self._left -= _LAST_LINE.match(line) is not None
            if self._left <= 0:
                self.silent.set()
                return False
        return True

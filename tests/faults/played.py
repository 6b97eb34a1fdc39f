# SPDX-License-Identifier: Apache-2.0
"""Servers that are sockets which answer what such a server answers."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias


@contextlib.contextmanager
def play(script: Callable[[socket.socket], None]) -> Iterator[int]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                script(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


Answer: TypeAlias = str | Callable[[str], str] | None


class Speaker:
    """The script of an FTP server: the answers to some commands are given, the others are those of a simple server.

    None closes the connection; a function gets the command's line.
    """

    SIMPLE: Mapping[str, Answer] = {
        "USER": "331 password",
        "PASS": "230 in",
        "TYPE": "200 ok",
        "MODE": "200 ok",
        "PORT": "200 ok",
        "SITE": "250 ok",
        "OPTS": "200 ok",
        "FEAT": "211-Features\r\n SIZE\r\n PARALLEL\r\n211 End",
        "SIZE": "213 100000",
        "QUIT": "221 bye",
    }

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = {**self.SIMPLE, **answers}

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 ready\r\n")
            for line in stream:
                command = line.decode().strip()
                answer = self.answers.get(command.split()[0], "500 unknown command")
                if callable(answer):
                    answer = answer(command)
                if answer is None:
                    return
                stream.write(answer.encode() + b"\r\n")


def passive(port: int, host: str = "127,0,0,1") -> str:
    return f"227 Entering Passive Mode ({host},{port >> 8},{port & 255})"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def silence(connection: socket.socket) -> None:
    connection.recv(1)


def saying(text: bytes) -> Callable[[socket.socket], None]:
    """Say something as soon as a client comes, and go on until it has gone."""

    def script(connection: socket.socket) -> None:
        connection.sendall(text)
        while connection.recv(4096):
            pass

    return script

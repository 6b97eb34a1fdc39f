# SPDX-License-Identifier: Apache-2.0
"""A second client of the Replica Location Service, as small as can be, which shares no code with the first: strings are
sent as they are given, and a reply is what comes until it looks complete.
"""

from __future__ import annotations

import socket
from typing import ClassVar

from tests.pace import PROMPT


class Wire:
    """A connection without authentication."""

    #: All that have been made: a test's fixture closes them.
    made: ClassVar[list[Wire]] = []

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("rlsn://").partition(":")
        self.socket = socket.create_connection((host, int(port)), PROMPT)
        self.made.append(self)
        self._buffer = b""
        self.end = ""
        self.welcome = self.string()

    def send(self, *strings: str | bytes) -> None:
        """Each with its NUL."""
        self.socket.sendall(b"".join((s.encode() if isinstance(s, str) else s) + b"\0" for s in strings))

    def string(self) -> str:
        """The next string; EOFError at the end of the connection."""
        while b"\0" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        found, self._buffer = self._buffer.split(b"\0", 1)
        return found.decode()

    def strings(self, count: int) -> list[str]:
        return [self.string() for _ in range(count)]

    def ask(self, *strings: str | bytes, more: int = 0) -> list[str]:
        """The code, and the detail or ``more`` strings."""
        self.send(*strings)
        code = self.string()
        return [code, *self.strings(more if code == "0" else 1)]

    def listed(self, *strings: str | bytes, size: int, short: int | None = None) -> list[list[str]] | list[str]:
        """The records of a list, of ``size`` strings (``short`` if they begin with another code than 0); or the code
        and the detail of an error.
        """
        self.send(*strings)
        if (code := self.string()) != "0":
            return [code, self.string()]
        found: list[list[str]] = []
        while (first := self.string()) not in ("", "\x01"):
            length = short if short is not None and first != "0" else size
            found.append([first, *self.strings(length - 1)])
        self.end = first
        return found

    def at_end(self) -> bool:
        """Whether the server has closed the connection, after whatever it still had to say."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()

# SPDX-License-Identifier: Apache-2.0
"""`Client`: get, put and append over https with GSI, or http.

The server must by default have the own identity, as GASS servers do that people start for themselves; ``subject``
names another, and ``"host"`` stands for whoever has the host's name. File bytes move in the engine; what goes to or
comes from a function passes through Python. `pyglobus.core.transfer` copies from and to these URLs as well, with
progress, retries and restarts; this is for programs that want what a GASS server says.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.core.gass import denial, message
from pyglobus.core.gass.connection import SHUTDOWN
from pyglobus.core.gss.credential import Credential
from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.xio import XioOptions, XioSocket
from pyglobus.ffi.body import Body
from pyglobus.ffi.engine import Operation
from pyglobus.ffi.errors import GlobusError

T = TypeVar("T")

#: Redirections that are followed, and only to the same scheme.
_HOPS = 5
# From this many bytes on a server is asked before they are sent. Those that do not know the question stay silent: then
# the bytes follow after so many seconds.
_ASK_FROM = 1 << 20
_ASK_SECONDS = 1.0
_PIECE = 256 * 1024
_SAFE = "/~!$&'()*+,;=:@%"


class Transferred(NamedTuple):
    """``bytes`` have moved; ``subject`` is who the server is (None on http); ``url`` is where redirections have led."""

    bytes: int
    subject: str | None
    url: str


class Client:
    """Asks servers, one connection for each request. It may be used from several threads."""

    def __init__(
        self, *, credential: Credential | None = None, subject: str | None = None, timeout: float | None = 60.0
    ) -> None:
        """``timeout``: seconds without a byte moving."""
        self._timeout = timeout
        rule = "self" if subject is None else "host" if subject == "host" else "identity"
        self._options = XioOptions(
            credential=credential, authorization=rule, identity=subject if rule == "identity" else None,
            tls_only=True, nodelay=True,
        )  # fmt: skip

    def get(self, url: str, destination: str | os.PathLike[str] | Callable[[bytes], object]) -> Transferred:
        """Get to a file, which appears when it is whole, or to a function, piece by piece.

        Raises `denial.Denial`, `errors.DataError` where the server ends too early, and others of `errors`.
        """
        for _ in range(_HOPS + 1):
            with closing(_Question(url, self._options, self._timeout)) as asked:
                asked.ask("GET", asked.target)
                head, rest = asked.answer()
                if head.status in (301, 302, 303, 307, 308) and "location" in head.headers:
                    url = _followed(url, head.headers["location"])
                    continue
                asked.require(head)
                body = Body(head.framing, head.length or 0, first=rest)
                if callable(destination):
                    while piece := asked.wait(body, body.take(asked.sock.native(), _PIECE)):
                        destination(piece)
                    asked.require_whole(body)
                else:
                    with LocalDestination(os.fspath(destination)) as file:
                        asked.wait(body, body.store(asked.sock.native(), file.fd))
                        asked.require_whole(body)
                return Transferred(body.bytes, asked.sock.peer if asked.secure else None, url)
        raise errors.Unsupported("cannot get", where=url, why=f"it is redirected more than {_HOPS} times")

    def put(self, source: str | os.PathLike[str] | bytes, url: str) -> Transferred:
        """Put a regular file, or bytes. Raises like `get`."""
        return self._send(source, url, append=False)

    def append(self, source: str | os.PathLike[str] | bytes, url: str) -> Transferred:
        """Append a regular file, or bytes. Raises like `get`."""
        return self._send(source, url, append=True)

    def shutdown(self, url: str) -> None:
        """End a server that lets its clients. Raises like `get`.

        globus-gass-server gives the same answer whether it ends or not; so it is looked whether it still listens.
        """
        base = urlsplit(url)
        where = f"{base.scheme}://{base.netloc}"
        try:
            self._send(b"end", where + SHUTDOWN, append=False)
        except denial.Denial as error:
            if error.code != 400:
                raise
            try:
                _Question(where, self._options, self._timeout).close()
            except errors.TransientError:
                return
            raise denial.Forbidden(403, "clients may not end this server", where=where) from error

    def _send(self, source: str | os.PathLike[str] | bytes, url: str, *, append: bool) -> Transferred:
        if isinstance(source, bytes):
            return self._exchange(url, append, len(source), lambda asked, head: asked.sock.sendall(head + source))
        with LocalSource(os.fspath(source)) as file:
            if file.size is None:
                raise errors.UsageError("cannot send", where=file.path, why="only regular files have a size")
            size = file.size

            def send(asked: _Question, head: bytes) -> None:
                body = Body("length", size, first=head)
                if asked.wait(body, body.send(asked.sock.native(), file.fd, 0)) != "complete":
                    raise errors.DataError("cannot send", where=file.path, why="it has become shorter")

            return self._exchange(url, append, size, send)

    def _exchange(self, url: str, append: bool, size: int, send: Callable[[_Question, bytes], None]) -> Transferred:
        with closing(_Question(url, self._options, self._timeout)) as asked:
            headers = [("Content-Length", str(size))]
            target = message.APPEND + asked.target if append else asked.target
            first = b""
            if size >= _ASK_FROM:
                asked.ask("POST" if append else "PUT", target, *headers, ("Expect", "100-continue"))
                asked.require_leave()
            else:
                first = message.question("POST" if append else "PUT", target, asked.host, *headers)
            cut: errors.Error | None = None
            try:
                send(asked, first)
            except errors.TransientError as error:
                cut = error  # the server may have said why
            try:
                head, _rest = asked.answer()
            except errors.Error as error:
                raise cut or error from error
            asked.require(head)
            return Transferred(size, asked.sock.peer if asked.secure else None, url)


class _Question:
    """One connection."""

    def __init__(self, url: str, options: XioOptions, timeout: float | None) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        except (KeyError, ValueError):
            raise errors.UsageError("invalid URL", where=url, why="https://host:port/path is meant") from None
        if not parts.hostname:
            raise errors.UsageError("invalid URL", where=url, why="it has no host")
        self.url = url
        self.secure = parts.scheme == "https"
        self.host = parts.netloc.rpartition("@")[2]
        self.target = quote(parts.path or "/", safe=_SAFE) + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._data = b""
        self.sock = XioSocket("tcp,gsi" if self.secure else "tcp", options)
        self.sock.settimeout(timeout)
        self._try(lambda: self.sock.connect((parts.hostname, port)))

    def ask(self, method: str, target: str, *headers: tuple[str, str]) -> None:
        """Send a head."""
        self._try(lambda: self.sock.sendall(message.question(method, target, self.host, *headers)))

    def require_leave(self) -> None:
        """Wait until the server wants the bytes, or has had its time to say otherwise."""
        self.sock.settimeout(_ASK_SECONDS)
        try:
            piece = self.sock.recv(_PIECE)
        except TimeoutError:
            piece = None
        except OSError as error:
            raise self._explained(error) from error
        self.sock.settimeout(self._timeout)
        if piece is not None:
            self._data += piece
            if not self._data.startswith(b"HTTP/1.1 100"):
                self.require(self.answer()[0])

    def answer(self) -> tuple[message.ResponseHead, bytes]:
        """The head of the answer, and what came with it."""
        while True:
            try:
                parts = message.split(self._data)
                if parts is not None:
                    head = message.response(parts[0])
                    self._data = parts[1]
                    if head.status >= 200:
                        return head, parts[1]
                    continue
            except message.BadMessage as error:
                raise errors.ProtocolError("cannot understand the server", where=self.url, why=error.why) from None
            piece: bytes = self._try(lambda: self.sock.recv(_PIECE))
            if not piece:
                why = "it has ended without an answer"
                raise errors.TransientError("the server does not answer", where=self.url, why=why)
            self._data += piece

    def require(self, head: message.ResponseHead) -> None:
        """Raise unless it is success."""
        if not 200 <= head.status < 300:
            raise denial.of(head.status, head.reason, where=self.url)

    def require_whole(self, body: Body) -> None:
        """Raise unless all of the body has come."""
        if body.state != "complete":
            raise errors.DataError("cannot get", where=self.url, why="the server has ended in the middle")

    def wait(self, body: Body, pending: Operation) -> Any:
        """The result of an operation on a body."""
        moved = body.bytes
        while not pending.wait(self._timeout):
            if body.bytes == moved:
                pending.cancel()
                pending.wait()
                raise errors.TransientError("the transfer stands still", where=self.url)
            moved = body.bytes
        try:
            return pending.result()
        except GlobusError as error:
            raise explain(error, what="cannot transfer", where=self.url) from error

    def close(self) -> None:
        self.sock.close()

    def _try(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except errors.Error:
            raise
        except OSError as error:
            raise self._explained(error) from error

    def _explained(self, error: OSError) -> errors.Error:
        if isinstance(error, errors.Error):
            return error
        if isinstance(error, TimeoutError):
            return errors.TransientError("the server does not answer", where=self.url, why="it is silent")
        return explain(error.__cause__ or error, what="connection failed", where=self.url)


def _followed(url: str, location: str) -> str:
    found = urljoin(url, location)
    if urlsplit(found).scheme != urlsplit(url).scheme:
        raise errors.Unsupported("cannot get", where=url, why=f"it is redirected to another protocol: {found}")
    return found

# SPDX-License-Identifier: Apache-2.0
"""What moves on one connection of a server behind a request's head: its body in, the answer, and a body out.

Nothing is decided here but what time and size decide: what moves no byte for too long, or ends in the middle, is cut
off, and what is larger than allowed or malformed is refused. Bytes of files move in C (`pyglobus.ffi.body`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import Any

from pyglobus.core.gass import message
from pyglobus.core.gass.message import Part, RequestHead
from pyglobus.core.gass.refusal import STATUS, Refused, local_faults, refusal_of
from pyglobus.core.gass.settings import Settings
from pyglobus.core.gass.sink import Sink
from pyglobus.core.xio import XioSocket
from pyglobus.ffi.body import Body
from pyglobus.ffi.engine import Operation
from pyglobus.ffi.errors import GlobusError, OperationCancelled

# What a client still sends after it was refused is read for so long, and so far: else the answer would be lost with the
# connection, as TCP resets one that is closed with unread bytes.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 256 << 20
# Bytes of one piece for a sink.
_PIECE = 256 * 1024


class Cut(Exception):
    """The client is gone, or has stopped."""


class Wire:
    """The bytes of one connection; ``rest`` are those that have come with the head, ``status`` what was answered."""

    def __init__(self, sock: XioSocket, settings: Settings) -> None:
        self._sock = sock
        self._settings = settings
        self._body: Body | None = None
        self.rest = b""
        self.status = 0

    @property
    def bytes(self) -> int:
        """Of the body, that have come or gone so far; from any thread."""
        body = self._body
        return body.bytes if body is not None else 0

    def announce(self, head: RequestHead) -> None:
        """A body will come: what is there of it counts already."""
        self._body = Body(head.framing or "length", head.length or 0, first=self.rest)

    def send_file(self, fd: int, size: int, part: Part | None, *, bodiless: bool = False) -> None:
        """Answer with a file of this size, or a part of it; or with the head of that answer alone."""
        length, offset = (size, 0) if part is None else (part.length, part.offset)
        self.status = 200 if part is None else 206
        first = message.answer(self.status, length=length, of=None if part is None else (offset, size))
        self._body = Body("length", 0 if bodiless else length, first=first)
        if self._finish(self._body.send(self._sock.native(), fd, offset)) != "complete":
            raise Cut("the file has become shorter")

    def store(self, head: RequestHead, fd: int, limit: int | None, room: int | None) -> None:
        """Receive the body into a file: at most ``limit`` bytes, and ``room`` of them before the quota is used up."""
        allowed = least(limit, self._settings.most_bytes)
        body = self._incoming(head, least(allowed, room))
        if body.state == "more":
            self._finish(body.store(self._sock.native(), fd))
        if body.state == "too-large" and room is not None and (allowed is None or room < allowed):
            raise Refused(507, STATUS[errno.EDQUOT][1])
        _require_whole(body)

    def pour(self, head: RequestHead, sink: Sink, limit: int | None) -> None:
        """Receive the body into a sink, piece by piece as it comes."""
        body = self._incoming(head, least(limit, self._settings.most_bytes))
        writer = sink.writer()
        try:
            while body.state == "more":
                piece = self._finish(body.take(self._sock.native(), _PIECE))
                with local_faults():
                    writer.write(piece)
        finally:
            with local_faults():
                writer.close()
        _require_whole(body)

    def respond(self, status: int, reason: str = "", location: str | None = None) -> None:
        """Answer in one line."""
        self._sock.sendall(message.answer(status, reason, location=location))
        self.status = status

    def refuse(self, refusal: Refused, *, sending: bool) -> None:
        """Answer with a refusal, and let a client that is still ``sending`` read it."""
        with contextlib.suppress(OSError, GlobusError, OperationCancelled):
            self.respond(refusal.status, refusal.reason, refusal.location)
            limit, unread = time.monotonic() + _LINGER_SECONDS, 0
            while sending and unread < _LINGER_BYTES and (left := limit - time.monotonic()) > 0:
                self._sock.settimeout(left)
                piece = self._sock.recv(1 << 18)
                if not piece:
                    break
                unread += len(piece)

    def _incoming(self, head: RequestHead, limit: int | None) -> Body:
        rest, self.rest = self.rest, b""
        body = Body(head.framing or "length", head.length or 0, limit=-1 if limit is None else limit, first=rest)
        self._body = body
        if head.expects_continue and body.state == "more":
            self._sock.sendall(message.CONTINUE)
        return body

    def _finish(self, pending: Operation) -> Any:
        """The result of an operation on the body; what moves no byte for too long is ended."""
        idle = self._settings.idle_seconds
        moved = self.bytes
        while not pending.wait(idle):
            if self.bytes == moved:
                pending.cancel()
                pending.wait()
                raise Cut(f"no byte has moved for {idle:g} s")
            moved = self.bytes
        try:
            return pending.result()
        except GlobusError as error:
            if error.local_errno:
                raise refusal_of(OSError(error.local_errno, os.strerror(error.local_errno))) from error
            raise Cut(str(error)) from error


def least(*limits: int | None) -> int | None:
    """The smallest of limits; None is none."""
    return min((limit for limit in limits if limit is not None), default=None)


def _require_whole(body: Body) -> None:
    if body.state == "too-large":
        raise Refused(413, "it is larger than allowed")
    if body.state == "malformed":
        raise Refused(400, "the chunks are malformed")
    if body.state != "complete":
        raise Cut("the client has ended in the middle")

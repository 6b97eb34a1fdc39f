# SPDX-License-Identifier: Apache-2.0
"""A context over a connected socket: the handshake, and messages.

On the wire it is what the toolkit's own programs speak: TLS records follow each other as they are, and tokens that are
no TLS have four bytes of length before them. The handshake takes no byte off the socket that is not its own. A message
is sent as one token; it is received record by record, so its boundaries are not kept: this is a stream.
"""

from __future__ import annotations

import contextlib
import socket
import time

from pyglobus.core import errors, faults
from pyglobus.core.gss import records
from pyglobus.core.gss.context import MOST_TOKEN, Context, Token

# Bytes that are looked at for a flight of handshake records: long chains fill a quarter of it.
_FLIGHT = 1 << 16
# Plain text per token: above it, wrapping another piece costs nothing, and memory stays small.
_PIECE = 1 << 20


class Channel:
    """An established context over a socket. The socket stays its maker's, with the time-out that it has."""

    def __init__(self, context: Context, sock: socket.socket) -> None:
        """``context`` must be established."""
        self.context = context
        self._socket = sock

    @classmethod
    def establish(cls, context: Context, sock: socket.socket, *, timeout: float | None = 30.0) -> Channel:
        """Do the handshake within ``timeout`` seconds (None: however long). Whose name the peer has is then known and
        checked, and not a byte of it has been handed out.

        Raises what `Context.step` does, `errors.DeadlineExceeded`, and `errors.TransientError` if the connection ends.
        """
        made, before = cls(context, sock), sock.gettimeout()
        end = None if timeout is None else time.monotonic() + timeout
        try:
            made._shake(end)
        except TimeoutError as error:
            raise errors.DeadlineExceeded(
                "cannot establish a security context", why=f"no answer within {timeout:g} s", fault="silent-peer"
            ) from error
        except (ConnectionError, EOFError) as error:
            if isinstance(error, errors.Error):
                raise
            raise errors.TransientError(
                "cannot establish a security context", why="the peer has closed the connection",
                fault="connection-lost",
                hint="the peer's log tells why: it may not accept this credential",
            ) from error  # fmt: skip
        finally:
            with contextlib.suppress(OSError):
                sock.settimeout(before)
        return made

    def _shake(self, end: float | None) -> None:
        context = self.context
        try:
            answer = context.step() if context.initiates else b""
            while True:
                if answer:
                    self._arm(end)
                    self._send_token(answer)
                if context.established:
                    return
                answer = self._step(end)
        except errors.Error:
            if context.farewell:
                with contextlib.suppress(OSError):
                    self._send_token(context.farewell)
            raise

    def _step(self, end: float | None) -> bytes:
        """Give the context what has come: a whole flight of records at once, if it is there."""
        self._arm(end)
        flight = records.leading(self._socket.recv(_FLIGHT, socket.MSG_PEEK))
        if not flight:  # it ends, or has not come as a whole, or is no record
            token = self._receive_token(end)
            if token is None:
                raise EOFError
            return self.context.step(token)
        taken = len(flight)
        try:
            answer, taken = self.context.steps(flight)
        finally:  # what is left unread would turn the end of the connection into a reset
            self._receive_exactly(sum(map(len, flight[:taken])), end)
        return answer

    def send(self, message: Token) -> None:
        """Send all of a message."""
        view = memoryview(message).cast("B")
        for at in range(0, len(view), _PIECE):
            self._send_token(self.context.wrap(view[at : at + _PIECE]))

    def receive(self) -> bytes:
        """What has come next of the peer's messages, at most some 16 KiB unless it is integrity-only; b"" at the end.

        Raises `errors.DataError` if the stream ends within a record.
        """
        while True:
            token = self._receive_token(None)
            if token is None:
                return b""
            message = self.context.unwrap(token)
            if message:
                return message
            if token[0] == records.ALERT:
                return b""  # the peer has said that it sends no more

    def close(self) -> None:
        """Forget the keys; the socket stays open."""
        self.context.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _arm(self, end: float | None) -> None:
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)

    def _send_token(self, token: bytes) -> None:
        if not records.length(token):
            token = len(token).to_bytes(4) + token
        self._socket.sendall(token)

    def _receive_token(self, end: float | None) -> bytes | None:
        header = self._receive_exactly(records.HEADER, end, first=True)
        if header is None:
            return None
        if size := records.length(header):
            rest = self._receive_exactly(size - len(header), end)
            if header[0] == records.SIGNED:
                return header + (rest or b"") + self._rest_of_signed(rest or b"", end)
            return header + (rest or b"")
        length = int.from_bytes(header[:4])
        if not 0 < length <= MOST_TOKEN:
            raise faults.known("not-gsi", what="not a security token")
        return header[4:] + (self._receive_exactly(length - 1, end) or b"")

    def _rest_of_signed(self, mic: bytes, end: float | None) -> bytes:
        """The message behind the header of an integrity-only record: sequence number (8), its length (4), digest."""
        length = int.from_bytes(mic[8:12])
        if len(mic) < 12 or length > _PIECE:
            raise faults.known("not-gsi", what="not a security token")
        return self._receive_exactly(length, end) or b""

    def _receive_exactly(self, count: int, end: float | None, *, first: bool = False) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            self._arm(end)
            piece = self._socket.recv(count - len(parts))
            if not piece:
                if first and not parts:
                    return None
                raise errors.DataError("the connection has ended within a message", fault="truncated")
            parts += piece
        return bytes(parts)

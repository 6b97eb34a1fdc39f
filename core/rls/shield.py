# SPDX-License-Identifier: Apache-2.0
"""What stands between a client's connection and its socket once both ends protect what they say: every byte is in a
record of the context that the login has made.

It is used as the transport of the connection. What comes is unwrapped, and what is to be sent wrapped, in a thread that
may wait, one turn after the other, and meanwhile nothing more is read from this client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pyglobus.core import errors, faults
from pyglobus.core.gss import Context, records

#: Bytes that are wrapped at once: with more, others would wait for their turn.
_PIECE = 1 << 18
#: Bytes of records that have come and wait; what is read at once is less.
_MOST = 1 << 20

Outcome = bytes | BaseException


class Shield:
    """A transport over a transport."""

    def __init__(
        self,
        transport: asyncio.Transport,
        context: Context,
        *,
        compute: Callable[[Callable[[], bytes], Callable[[Outcome], None]], object],
        received: Callable[[bytes], object],
        broken: Callable[[BaseException], object],
    ) -> None:
        """``compute`` does something in a thread and tells the outcome in the loop; there ``received`` is called with
        what a client has said, and ``broken`` where that is no record of the context.
        """
        self._transport = transport
        self._context = context
        self._compute = compute
        self._received = received
        self._broken = broken
        self._buffer = bytearray()  # records that have come
        self._opened: list[bytes] = []  # what was in them
        self._plain: list[bytes] = []  # what is to be sent
        self._turning = self._paused = self._closing = self._ended = False

    def feed(self, data: bytes) -> None:
        """What has come over the socket."""
        self._buffer += data
        if not records.begins(self._buffer) or len(self._buffer) > _MOST:
            self._broken(faults.known("not-gsi", what="not a protected message"))
        else:
            self._turn()

    def write(self, data: bytes) -> None:
        """Send it."""
        self._plain.append(data)
        self._turn()

    def close(self) -> None:
        """Send what is to be sent, and close."""
        self._closing = True
        self._turn()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def forget(self) -> None:
        """The connection is gone: so are the keys."""
        self._ended = True
        self._context.close()

    def is_closing(self) -> bool:
        """Whether it is."""
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be sent."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._plain)) + self._turning

    def pause_reading(self) -> None:
        """Take nothing from the client."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes again."""
        self._paused = False
        if not self._turning:
            self._transport.resume_reading()

    def _turn(self) -> None:
        if self._turning or self._ended:
            return
        flight, plain = records.take(self._buffer), b"".join(self._plain)
        self._plain.clear()
        if flight or plain:
            self._turning = True
            self._transport.pause_reading()
            self._compute(lambda: self._work(flight, plain), self._turned)
        elif self._closing:
            self._transport.close()

    def _work(self, flight: list[bytes], plain: bytes) -> bytes:
        """In a thread."""
        for token in flight:
            if token[0] == records.ALERT:
                raise errors.TransientError("the client has ended the protection")
            self._opened.append(self._context.unwrap(token))
        return b"".join([self._context.wrap(plain[at : at + _PIECE]) for at in range(0, len(plain), _PIECE)])

    def _turned(self, outcome: Outcome) -> None:
        self._turning = False
        if self._ended:
            return
        if isinstance(outcome, BaseException):
            self._transport.close()
            self._broken(outcome)
            return
        self._transport.write(outcome)
        opened, self._opened = b"".join(self._opened), []
        if opened and not self._closing:
            self._received(opened)
        if not self._paused and not self._turning:
            self._transport.resume_reading()
        self._turn()

# SPDX-License-Identifier: Apache-2.0
"""The server's side of a GSI login, fed with what comes from a socket: TLS records in, records to send out.

It is the handshake of TLS alone, as clients of this service ask for it, without GSI's word on delegation behind it;
after it the protocol goes on in the clear on the same connection, unless the client asks to protect it. The steps
compute in the engine's thread; whoever runs them must be able to wait some milliseconds.
"""

from __future__ import annotations

from pyglobus.core import errors, faults
from pyglobus.core.gss import Context, Credential, records

#: Bytes of a whole handshake: long chains fill a tenth of it.
_MOST = 1 << 18


class Login:
    """One login. It is over when `identity` is there."""

    def __init__(self, credential: Credential) -> None:
        self._context = Context.accept(credential=credential, tls_only=True)
        self._buffer = bytearray()
        self._bytes = 0
        #: Who the client is.
        self.identity: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has come; the whole records that are there now, for `step`. Raises `errors.ProtocolError`."""
        self._buffer += data
        self._bytes += len(data)
        if self._bytes > _MOST:
            raise errors.ProtocolError("cannot log in", why="the handshake has no end")
        flight = records.take(self._buffer)
        if not records.begins(self._buffer):
            raise faults.known("not-gsi", what="not a security token")
        return flight

    def step(self, flight: list[bytes]) -> bytes:
        """Go on with these records: what to send. Raises errors of ours; `farewell` may then hold what tells the
        client.
        """
        answers = bytearray()
        while flight and not self._context.established:
            answer, taken = self._context.steps(flight)
            answers += answer
            del flight[:taken]
        if self._context.established:
            peer = self._context.peer
            self._buffer[:0] = b"".join(flight)
            self.identity = str(peer) if peer is not None else ""
        return bytes(answers)

    @property
    def farewell(self) -> bytes:
        """What to send after a step that has failed."""
        return self._context.farewell

    def rest(self) -> bytes:
        """What has come behind the handshake and is no part of it."""
        return bytes(self._buffer)

    @property
    def context(self) -> Context:
        """The context that the login has made: for who protects what follows, and closes it."""
        return self._context

    def close(self) -> None:
        """Forget the keys."""
        self._context.close()

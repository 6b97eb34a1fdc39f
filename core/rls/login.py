# SPDX-License-Identifier: Apache-2.0
"""The server's side of a GSI login, fed with what comes from a socket: TLS records in, records to send out.

It is the handshake of TLS alone, as clients of this service ask for it, without GSI's word on delegation behind it;
after it the protocol goes on in the clear on the same connection. The steps compute in the engine's thread; whoever
runs them must be able to wait some milliseconds.
"""

from __future__ import annotations

from pyglobus.core import errors, faults
from pyglobus.core.gss import Context, Credential

_HEADER = 5
_TYPES = range(20, 24)
#: Bytes of a whole handshake: long chains fill a tenth of it.
_MOST = 1 << 18


def record_at(data: bytes | bytearray, at: int = 0) -> int:
    """The length of the TLS record (RFC 8446 section 5.1) that begins there; 0 if its header is not there as a whole.
    Raises `errors.ProtocolError` for what is none.
    """
    head = data[at : at + _HEADER]
    if (head and head[0] not in _TYPES) or (len(head) > 1 and head[1] != 3):
        raise faults.known("not-gsi", what="not a security token")
    return _HEADER + int.from_bytes(head[3:5]) if len(head) == _HEADER else 0


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
        records, at = [], 0
        while (length := record_at(self._buffer, at)) and at + length <= len(self._buffer):
            records.append(bytes(self._buffer[at : at + length]))
            at += length
        del self._buffer[:at]
        return records

    def step(self, records: list[bytes]) -> bytes:
        """Go on with these records: what to send. Raises errors of ours; `farewell` may then hold what tells the
        client.
        """
        answers = bytearray()
        while records and not self._context.established:
            answer, taken = self._context.steps(records)
            answers += answer
            del records[:taken]
        if self._context.established:
            peer = self._context.peer
            self._buffer[:0] = b"".join(records)
            self.identity = str(peer) if peer is not None else ""
        return bytes(answers)

    @property
    def farewell(self) -> bytes:
        """What to send after a step that has failed."""
        return self._context.farewell

    def rest(self) -> bytes:
        """What has come behind the handshake and is no part of it."""
        return bytes(self._buffer)

    def close(self) -> None:
        """Forget the keys."""
        self._context.close()

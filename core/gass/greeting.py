# SPDX-License-Identifier: Apache-2.0
"""What is known and said before any handshake: whether a client speaks what the port speaks, and that there is no room.

Who speaks HTTP at an https port would get nothing that it can read from a failed handshake, and who speaks TLS at an
http port would wait for an answer that never comes. Both are answered in plain HTTP instead; clients of TLS then say
in their own words that this is none. Who must go for want of room is told so in the language of the port.
"""

from __future__ import annotations

import contextlib
import socket
import time

from pyglobus.core.gass import message

# What a client of TLS begins with: a record of its handshake (RFC 8446, 5.1). HTTP begins with a method.
_TLS = b"\x16"
# What TLS has to say to who has not begun to speak it: the alert internal_error, fatal (RFC 8446, 6).
_TLS_NO_ROOM = b"\x15\x03\x03\0\x02\x02\x50"
NO_ROOM = "there are too many clients: come later"
# What is still sent is read for so long, else the answer would be lost with the connection.
_LINGER_SECONDS = 5.0


def misplaced(first: bytes, *, secure: bool) -> str | None:
    """What to tell a client whose first byte is this one, if it has come to the wrong port."""
    if secure and first.isalpha():
        return "this port is for https: ask with https:// and a grid proxy as the client certificate"
    if not secure and first == _TLS:
        return "this port is for http: ask with http://"
    return None


def refuse(plain: socket.socket, why: str) -> None:
    """Answer with 400, and let the client read it."""
    limit = time.monotonic() + _LINGER_SECONDS
    with contextlib.suppress(OSError):  # it may be gone
        plain.sendall(message.answer(400, why))
        plain.shutdown(socket.SHUT_WR)
        while (left := limit - time.monotonic()) > 0:
            plain.settimeout(left)
            if not plain.recv(1 << 16):
                break


def host_of(plain: socket.socket) -> str:
    """The address of a client. Raises OSError for one that is gone."""
    address: str = plain.getpeername()[0]
    return address.removeprefix("::ffff:")


def turn_away(plain: socket.socket, *, secure: bool) -> None:
    """Tell a client that there is no room, and end the connection. Raises OSError, and does not wait."""
    plain.send(_TLS_NO_ROOM if secure else message.answer(503, NO_ROOM), socket.MSG_DONTWAIT)
    plain.shutdown(socket.SHUT_RDWR)

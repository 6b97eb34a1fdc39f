# SPDX-License-Identifier: Apache-2.0
"""The first byte of a connection, seen before any handshake: whether its client speaks what the port speaks.

Who speaks HTTP at an https port would get nothing that it can read from a failed handshake, and who speaks TLS at an
http port would wait for an answer that never comes. Both are answered in plain HTTP instead; clients of TLS then say
in their own words that this is none.
"""

from __future__ import annotations

import contextlib
import socket
import time

from pyglobus.core.gass import message

# What a client of TLS begins with: a record of its handshake (RFC 8446, 5.1). HTTP begins with a method.
_TLS = b"\x16"
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

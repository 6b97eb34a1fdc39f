# SPDX-License-Identifier: Apache-2.0
"""Both directions of a connection between a socket and two descriptors, until the peer has said all."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

from pyglobus.core import files
from pyglobus.core.xio.socket import XioSocket

#: Bytes that are moved at once.
_PIECE = 1 << 18


def exchange(sock: XioSocket, source: int | None, sink: int | None) -> tuple[int, int]:
    """Send what comes from ``source``, and write what the peer sends to ``sink``; None leaves a direction out.

    At the end of ``source`` the peer is told, where the stack can tell it. Returns, with the bytes sent and received,
    when the peer has ended, or without ``sink`` when ``source`` has. A thread that still waits for ``source`` is left
    behind. Raises OSError.
    """
    sent = 0
    failures: list[OSError] = []

    def send() -> None:
        nonlocal sent
        assert source is not None
        try:
            while piece := os.read(source, _PIECE):
                sock.sendall(piece)
                sent += len(piece)
        except OSError as error:
            failures.append(error)
        with suppress(OSError):
            sock.shutdown(socket.SHUT_WR)

    if sink is None:
        if source is not None:
            send()
        if failures:
            raise failures[0]
        return sent, 0
    if source is not None:
        threading.Thread(target=send, name="xio-exchange", daemon=True).start()
    received = 0
    while piece := sock.recv(_PIECE):
        received += len(piece)
        files.write_all(sink, piece)
    if failures:
        raise failures[0]
    return sent, received

# SPDX-License-Identifier: Apache-2.0
"""Files over sockets, for `XioSocket.makefile`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyglobus.core.xio.socket import XioSocket


class _Raw(io.RawIOBase):
    """A socket as a raw file."""

    def __init__(self, sock: XioSocket, *, reads: bool, writes: bool) -> None:
        super().__init__()
        self._sock: XioSocket | None = sock
        self._reads = reads
        self._writes = writes
        sock.attached()

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def readinto(self, buffer: Any) -> int | None:
        if self._sock is None:
            raise ValueError("I/O operation on closed file")
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: Any) -> int | None:
        if self._sock is None:
            raise ValueError("I/O operation on closed file")
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return None

    def close(self) -> None:
        sock, self._sock = self._sock, None
        super().close()
        if sock is not None:
            sock.detached()


def open_stream(
    sock: XioSocket, mode: str, buffering: int | None, *, encoding: str | None, errors: str | None, newline: str | None
) -> io.IOBase:
    """A file over a socket; the arguments are those of ``socket.makefile``."""
    if not set(mode) <= set("rwb") or not set(mode) & set("rw"):
        raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
    reads, writes, binary = "r" in mode, "w" in mode, "b" in mode
    if buffering == 0 and not binary:
        raise ValueError("unbuffered streams must be binary")
    raw = _Raw(sock, reads=reads, writes=writes)
    if buffering == 0:
        return raw
    size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
    stream: io.BufferedReader | io.BufferedWriter | io.BufferedRWPair
    if reads and writes:
        stream = io.BufferedRWPair(raw, raw, size)
    else:
        stream = io.BufferedReader(raw, size) if reads else io.BufferedWriter(raw, size)
    if binary:
        return stream
    return io.TextIOWrapper(stream, encoding, errors, newline)  # type: ignore[type-var]

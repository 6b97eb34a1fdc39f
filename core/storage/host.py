# SPDX-License-Identifier: Apache-2.0
"""The process that holds a storage: it listens at a socket where the GridFTP server's sessions come.

The socket lies in a directory that only its owner may enter, and only processes of the same account are let in.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.storage.session import Event, Session
from pyglobus.core.storage.storage import Storage

_CREDENTIALS = struct.Struct("=iii")
_BACKLOG = 128


class Host:
    """Serves ``storage`` at ``path``. A context manager closes it."""

    def __init__(self, storage: Storage, path: Path, on_event: Event | None = None) -> None:
        """Listen. ``on_event`` is called in the threads of sessions and must return at once.

        Raises `errors.CannotCreate`.
        """
        self.path = path
        self._storage = storage
        self._tell = on_event or (lambda _kind, _facts: None)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._socket.bind(str(path))
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            raise errors.CannotCreate(
                "cannot listen", where=str(path), why=error.strerror or str(error), errno=error.errno
            ) from error
        self._thread = threading.Thread(target=self._accept, name="storage-host", daemon=True)
        self._thread.start()

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._connections)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            _, uid, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            with self._lock:
                if uid != os.geteuid() or self._closed:
                    connection.close()
                    continue
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="storage-session", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            Session(connection, self._storage, self._tell).run()
        finally:
            with self._lock:
                self._connections.discard(connection)

    def close(self) -> None:
        """End all sessions, and listen no more. Idempotent."""
        with self._lock:
            closed, self._closed = self._closed, True
            connections = list(self._connections)
        if closed:
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.path.unlink()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

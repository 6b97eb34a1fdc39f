# SPDX-License-Identifier: Apache-2.0
"""GridFTP servers with storages in this process, for tests: by GSI and anonymous at one port."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ftplib import FTP
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.gridftp import Server, Settings
from pyglobus.core.gss.credential import Credential
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.storage import Reader, Storage
from pyglobus.core.storage.archive import Archive
from pyglobus.core.storage.directory import Directory
from pyglobus.core.storage.filesystem import Filesystem
from pyglobus.core.storage.memory import Memory

#: More than a block, and not a multiple of one.
DATA = os.urandom(3 * 1024 * 1024 + 17)
SMALL = b"twelve bytes"
WRITABLE = ("directory", "memory", "fsspec")
ADA = "/O=Grid/OU=Sandbox/CN=Ada Lovelace"


class Served:
    """A server, its storage, and what it has told."""

    def __init__(self, server: Server, events: list[tuple[str, dict[str, Any]]]) -> None:
        self.server = server
        self.events = events

    def url(self, path: str = "", scheme: str = "gsiftp") -> str:
        return f"{scheme}://{self.server.url.partition('://')[2]}/{path}"

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @contextmanager
    def raw(self) -> Iterator[FTP]:
        """A client of the plain protocol, logged in anonymously."""
        with FTP() as client:
            client.connect("127.0.0.1", self.port, timeout=30)
            client.login()
            yield client

    @contextmanager
    def raw_connection(self, greeted: bool = True) -> Iterator[FTP]:
        """The same before the login, or even before the connection."""
        with FTP() as client:
            if greeted:
                client.connect("127.0.0.1", self.port, timeout=30)
            yield client

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [facts for each, facts in list(self.events) if each == kind]


@contextmanager
def serving(grid: Sandbox, **settings: Any) -> Iterator[Served]:
    """A server with the grid's host certificate, for the grid's user and anonymous clients."""
    events: list[tuple[str, dict[str, Any]]] = []
    host = grid.directory / "host"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X509_CERT_DIR", grid.variables["X509_CERT_DIR"])
        credential = Credential.of_files(host / "hostcert.pem", host / "hostkey.pem")
        defaults: dict[str, Any] = {"allow": (ADA,), "anonymous": True}
        chosen = Settings(**defaults | settings)
        with Server(chosen, credential, on_event=lambda kind, facts: events.append((kind, facts))) as server:
            yield Served(server, events)


def made(kind: str, directory: Path) -> Storage:
    """A storage with ``tree/large``, ``tree/below/small`` and ``tree/none/`` in it."""
    if kind == "zip":
        with zipfile.ZipFile(directory / "it.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("tree/large", DATA)
            packed.writestr("tree/below/small", SMALL)
            packed.writestr(zipfile.ZipInfo("tree/none/"), b"")
        return Archive(directory / "it.zip")
    kinds: dict[str, Callable[[], Storage]] = {
        "directory": lambda: Directory(directory),
        "memory": Memory,
        "fsspec": lambda: Filesystem(f"memory://{directory}"),
    }
    storage = kinds[kind]()
    if kind == "fsspec":
        storage._fs.makedirs(str(directory))  # type: ignore[attr-defined]
    for path in ("/tree", "/tree/below", "/tree/none"):
        storage.mkdir(path)
    for path, data in (("/tree/large", DATA), ("/tree/below/small", SMALL)):
        writer = storage.open_write(path, True, None)
        with memoryview(data) as view:
            if writer.descriptor is not None:
                os.pwrite(writer.descriptor, view, 0)
            else:
                writer.write(view, 0)
        writer.commit(None)
    return storage


def content(storage: Storage, path: str) -> bytes:
    """What a storage holds under a path."""
    reader: Reader = storage.open_read(path)
    try:
        if reader.descriptor is not None:
            return os.pread(reader.descriptor, 1 << 30, 0)
        whole = bytearray(storage.stat(path).size)
        done = 0
        while got := reader.read_into(memoryview(whole)[done:], done):
            done += got
        return bytes(whole[:done])
    finally:
        reader.close()

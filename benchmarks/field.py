# SPDX-License-Identifier: Apache-2.0
"""Where the measuring takes place: a local grid whose every file lies in memory, with files to send.

A large file is random bytes, each MiB of it different, so that neither a sparse file nor a repeated page makes a copy
cheap.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from benchmarks.distance import Distance
from pyglobus.core.sandbox import Sandbox, Server, services

MIB = 1 << 20
_PASS_PHRASE = b"kept for measuring"


@dataclass(frozen=True)
class File:
    """A file of the field, and what a copy of it must be like."""

    path: Path
    size: int

    @cached_property
    def digest(self) -> str:
        return digest(self.path)


class Kept(NamedTuple):
    """A credential that a MyProxy server keeps; ``pass_phrase`` is a file with a line."""

    server: str
    port: int
    username: str
    pass_phrase: Path


class Field:
    """A grid in ``directory``, which is best a tmpfs. ``size`` is that of the large file, in bytes."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self._size = size
        self._tree: tuple[tuple[int, int], ...] = ()
        self._open = ExitStack()
        self._distances: dict[float, Distance] = {}

    def __enter__(self) -> Field:
        # All that a sandbox makes lies in the temporary directory, if there is no other for sockets and the like.
        os.environ.pop("XDG_RUNTIME_DIR", None)
        tempfile.tempdir = str(self._directory)
        self._grid = Sandbox(run=(*services.DEFAULT, "myproxy"))
        self._grid.start()
        if not self._grid.data_dir.is_relative_to(self._directory.resolve()):
            self._grid.stop()
            raise PermissionError(f"{self._directory}: account {self._grid.user.account} cannot enter it")
        self._second = self._grid.start_gridftp()
        self.local = self._grid.directory / "benchmark"
        self.local.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()
        self._grid.stop()

    @property
    def environment(self) -> dict[str, str]:
        """For the commands: nothing of the user's own, but for the path."""
        return {name: value for name, value in self._grid.env.items() if not name.startswith("PYTHON")}

    @cached_property
    def large(self) -> File:
        """The large file."""
        return self._file("large", self._size)

    @cached_property
    def byte(self) -> File:
        """A file of one byte."""
        return self._file("byte", 1)

    @property
    def stored(self) -> Path:
        """Where a copy goes that is made through a server."""
        return self._grid.data_dir / "copy"

    @property
    def received(self) -> Path:
        """Where a copy goes that a client makes on its own side."""
        return self.local / "copy"

    def url(self, end: str, path: Path, *, round_trip: float = 0.0) -> str:
        """The URL of a file at one of the ends: ``file``, ``gsiftp``, ``gsiftp2`` (another server), ``ftp``.

        With a ``round_trip`` (seconds) the GSI server's control connections are as if it were so far away.
        """
        if end == "file":
            return f"file://{path}"
        if round_trip:
            return self._grid.gsiftp_url(path).replace(f":{self._port}/", f":{self._distant(round_trip)}/", 1)
        if end == "ftp":
            return self._grid.ftp_url(path)
        second: Server | None = self._second if end == "gsiftp2" else None
        return self._grid.gsiftp_url(path, second)

    def tree(self, files: tuple[tuple[int, int], ...]) -> Path:
        """A directory with these files: pairs of how many, and their size in bytes. The last one made is kept."""
        path = self._grid.data_dir / "tree"
        if self._tree != files:
            shutil.rmtree(path, ignore_errors=True)
            for count, size in files:
                directory = path / f"of-{size}"
                directory.mkdir(parents=True)
                for number in range(count):
                    _fill(directory / f"file-{number:04}", size)
            self._tree = files
        return path

    @property
    def host(self) -> Path:
        """Where certificate, key and grid-mapfile of the servers lie."""
        return self._grid.directory / "host"

    def logins(self) -> int:
        """Sessions that the GSI server has begun so far, as its log tells."""
        log = Path(self._grid.servers["gridftp"].logs[0])
        return log.read_text(errors="replace").count("New connection from")

    @property
    def proxy(self) -> Path:
        """The user's proxy."""
        return self._grid.user.proxy

    @cached_property
    def user_files(self) -> list[str]:
        """The options that name a certificate and key from which grid-proxy-init can make a proxy: it cannot from the
        grid's, which an elliptic key has signed.
        """
        from pyglobus.core.sandbox.authority import Authority
        from pyglobus.core.x509.keys import rsa_key

        certificate, key = self.local / "usercert.pem", self.local / "userkey.pem"
        Authority.create(key=rsa_key()).issue("Ada Lovelace").save(certificate, key)
        return ["-cert", str(certificate), "-key", str(key)]

    @cached_property
    def kept(self) -> Kept:
        """A user's credential at the grid's MyProxy server."""
        from pyglobus.core.myproxy import credentials
        from pyglobus.core.myproxy.contact import Contact
        from pyglobus.core.myproxy.session import Session
        from pyglobus.core.x509.keys import rsa_key

        server = Contact("localhost", self._grid.servers["myproxy"].port)
        credential = self._grid.authority.issue("Keeper").proxy(key=rsa_key())
        with Session((server,), credential=credential, environ=self._grid.env) as session:
            credentials.put(session, username="ada", pass_phrase=_PASS_PHRASE)
        phrase = self.local / "phrase"
        phrase.write_bytes(_PASS_PHRASE + b"\n")
        return Kept(server.host, server.port, "ada", phrase)

    @property
    def _port(self) -> int:
        return self._grid.servers["gridftp"].port

    def _distant(self, round_trip: float) -> int:
        if round_trip not in self._distances:
            self._distances[round_trip] = self._open.enter_context(Distance(self._port, round_trip))
        return self._distances[round_trip].port

    def _file(self, name: str, size: int) -> File:
        path = self._grid.data_dir / name
        _fill(path, size)
        return File(path, size)


def _fill(path: Path, size: int) -> None:
    noise = random.Random(f"{path.name} {size}").randbytes(min(size, MIB))
    with path.open("wb") as file:
        for number in range(-(-size // MIB)):
            file.write((number.to_bytes(8) + noise[8:])[: size - number * MIB])
    path.chmod(0o644)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

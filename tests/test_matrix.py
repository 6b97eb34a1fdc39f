# SPDX-License-Identifier: Apache-2.0
"""The same file by every way: two clients, two kinds of login, three directions, and sizes around what buffers hold.

All of it lies in memory. What has arrived is compared byte by byte with what was sent.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox, Server

CLIENTS = {
    "pyglobus-url-copy": str(Path(sys.executable).with_name("pyglobus-url-copy")),
    "globus-url-copy": "globus-url-copy",
}
GIB = 1 << 30
#: The last but one is larger than any buffer; the last is sparse, with a few bytes at places where counters overflow.
SIZES = {"empty": 0, "1B": 1, "4KiB": 4096, "64KiB+1": 65537, "16MiB": 16 << 20, "1GiB": GIB}
_ISLANDS = (0, 64 * 1024 - 3, (1 << 20) - 1, GIB // 2 - 7, GIB - 11)


@dataclass(frozen=True)
class Field:
    """Two servers of each kind, and a directory on each side."""

    grid: Sandbox
    servers: dict[str, tuple[Server, Server]]
    here: Path
    there: Path

    def url(self, security: str, path: Path, server: int = 0) -> str:
        scheme = "gsiftp" if security == "gsi" else "ftp"
        return f"{scheme}://localhost:{self.servers[security][server].port}{path}"


@pytest.fixture(scope="module")
def field(memory_grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    here, there = memory_grid.directory / "matrix", memory_grid.data_dir / "matrix"
    for directory in (here, there):
        directory.mkdir(mode=0o755)
    if os.geteuid() == 0:
        account = pwd.getpwnam(memory_grid.user.account)
        os.chown(there, account.pw_uid, account.pw_gid)
    running = memory_grid.servers
    with memory_grid.start_gridftp() as second, memory_grid.start_gridftp(anonymous=True) as second_ftp:
        servers = {"gsi": (running["gridftp"], second), "anonymous": (running["ftp"], second_ftp)}
        yield Field(memory_grid, servers, here, there)
    for directory in (here, there):
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def sources(field: Field) -> dict[str, Path]:
    """A file of each size, which the servers' account can read as well."""
    made = {}
    for name, size in SIZES.items():
        made[name] = path = field.there / f"source-{name}"
        with path.open("wb") as file:
            if size < GIB:
                file.write(random.Random(size).randbytes(size))
            else:
                file.truncate(size)
                for offset in _ISLANDS:
                    file.seek(offset)
                    file.write(b"%011d" % offset)
        path.chmod(0o644)
    return made


def assert_same(one: Path, other: Path) -> None:
    assert one.stat().st_size == other.stat().st_size
    buffers = bytearray(4 << 20), bytearray(4 << 20)
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        while count := first.readinto(buffers[0]):
            assert second.readinto(buffers[1]) == count
            assert buffers[0] == buffers[1], f"they differ before offset {first.tell()}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("direction", ["put", "get", "third-party"])
@pytest.mark.parametrize("security", ["gsi", "anonymous"])
@pytest.mark.parametrize("client", CLIENTS)
def test_bytes_arrive(
    client: str, security: str, direction: str, size: str, field: Field, sources: dict[str, Path]
) -> None:
    source = sources[size]
    arrived = (field.here if direction == "get" else field.there) / "arrived"
    source_url = f"file://{source}" if direction == "put" else field.url(security, source)
    target_url = f"file://{arrived}" if direction == "get" else field.url(security, arrived, int(direction != "put"))
    try:
        done = subprocess.run(
            [CLIENTS[client], source_url, target_url], env=field.grid.env, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert_same(source, arrived)
    finally:
        arrived.unlink(missing_ok=True)

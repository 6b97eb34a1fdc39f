# SPDX-License-Identifier: Apache-2.0
"""``gsiftp://`` and ``ftp://`` in fsspec: what its own tests leave out, from lost connections to two hosts."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pyglobus.core.fsspec import FTPFileSystem, GridFTPFileSystem
from pyglobus.core.sandbox import Sandbox, Server
from tests.misbehaving import Faults
from tests.misbehaving import Server as Misbehaving
from tests.stalling import Stalling

DATA = os.urandom(5 * 1024 * 1024 + 11)


@pytest.fixture
def fs(as_user: None) -> Iterator[Any]:
    made = GridFTPFileSystem(skip_instance_cache=True)
    yield made
    made.connections.close()


@pytest.fixture
def there(grid: Sandbox, served: Path) -> str:
    """The path of a directory at the server; ``large`` is in it."""
    (served / "large").write_bytes(DATA)
    return grid.gsiftp_url(served).removeprefix("gsiftp://")


@pytest.fixture
def beyond(grid: Sandbox, served: Path, second_server: Server) -> str:
    """The same directory at another server."""
    return grid.gsiftp_url(served, second_server).removeprefix("gsiftp://")


def logins(server: Server) -> int:
    return Path(server.logs[0]).read_text(errors="replace").count("New connection from")


def memory_files() -> int:
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += "memfd:pyglobus" in os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return found


# Reading --------------------------------------------------------------------------------------------------------------


def test_here_and_there_over_one_login(fs: Any, grid: Sandbox, there: str) -> None:
    places = random.Random(1)
    before, open_before = logins(grid.servers["gridftp"]), memory_files()
    with fs.open(f"{there}/large") as file:
        for _ in range(200):
            at = places.randrange(len(DATA))
            file.seek(at)
            assert file.read(65536) == DATA[at : at + 65536]
    assert logins(grid.servers["gridftp"]) == before + 1
    assert memory_files() == open_before


@pytest.mark.parametrize("piece", [1000, 65536, 1 << 20, 3 << 20])
def test_in_order(fs: Any, there: str, piece: int) -> None:
    open_before = memory_files()
    with fs.open(f"{there}/large") as file:
        got, buffer = bytearray(), bytearray(piece)
        while len(got) < len(DATA) // 2:
            got += file.read(piece)
        while count := file.readinto(buffer):
            got += buffer[:count]
        assert (file.tell(), file.read(1), file.readinto(buffer)) == (len(DATA), b"", 0)
    assert got == DATA
    assert memory_files() == open_before


def test_by_its_url(as_user: None, grid: Sandbox, served: Path) -> None:
    (served / "100% a line").write_text("one\ntwo\n")
    with fsspec.open(grid.gsiftp_url(served) + "/100% a line", "rt") as file:
        assert list(file) == ["one\n", "two\n"]
    with fsspec.open(grid.ftp_url(served) + "/100% a line") as file:
        assert file.read() == b"one\ntwo\n"


def test_many_ranges(fs: Any, there: str) -> None:
    places = random.Random(2)
    starts = [places.randrange(len(DATA)) for _ in range(40)]
    ends = [start + places.randrange(100_000) for start in starts]
    paths = [f"{there}/large"] * 40
    assert fs.cat_ranges(paths, starts, ends) == [DATA[start:end] for start, end in zip(starts, ends, strict=True)]
    assert fs.cat_ranges(paths[:2], [-10, 5], [None, -5]) == [DATA[-10:], DATA[5:-5]]
    good, bad = fs.cat_ranges([f"{there}/large", f"{there}/none"], [0, 0], [5, 5], on_error="return")
    assert (good, type(bad)) == (DATA[:5], FileNotFoundError)


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_an_idle_connection_that_is_lost(
    fs: Any, grid: Sandbox, there: str, session_pids: Callable[[Server], list[int]]
) -> None:
    server = grid.servers["gridftp"]

    def lose() -> None:
        pids = session_pids(server)
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    assert fs.cat_file(f"{there}/large", 0, 10) == DATA[:10]
    lose()
    assert fs.cat_file(f"{there}/large", 10, 20) == DATA[10:20]
    lose()
    assert fs.info(f"{there}/large")["size"] == len(DATA)
    with fs.open(f"{there}/large") as file:
        file.read(1)
        lose()
        file.seek(4_000_000)
        assert file.read(1_000_000) == DATA[4_000_000:5_000_000]
    lose()
    fs.pipe_file(f"{there}/piped", DATA)
    lose()
    with fs.open(f"{there}/written", "wb") as file:
        file.write(DATA)
    assert fs.cat_file(f"{there}/piped") == fs.cat_file(f"{there}/written") == DATA


@pytest.mark.parametrize("replies", [0, 3])
def test_a_server_that_hangs(as_user: None, grid: Sandbox, there: str, replies: int) -> None:
    """Before it says a word, and while one logs in."""
    with Stalling(grid.servers["gridftp"].port, replies) as stalling:
        fs = GridFTPFileSystem(timeout=0.5, skip_instance_cache=True)
        path = f"localhost:{stalling.port}/" + there.partition("/")[2]
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            fs.cat_file(f"{path}/large", 0, 10)
        assert time.monotonic() - begun < 10
        fs.connections.close()


@pytest.mark.parametrize("faults", [Faults(idle_after_150=True), Faults(stand_still_after=100_000)])
def test_a_server_that_stands_still(faults: Faults) -> None:
    with Misbehaving({"/file": DATA}, faults) as server:
        fs = FTPFileSystem(timeout=0.5, skip_instance_cache=True, reuse_data=False)
        with pytest.raises(TimeoutError), fs.open(server.url("/file"), size=len(DATA)) as file:
            file.read(200_000)
        fs.connections.close()


def test_a_file_that_is_shorter_than_it_was(fs: Any, served: Path, there: str) -> None:
    with fs.open(f"{there}/large") as file:
        file.read(10)
        os.truncate(served / "large", 1_000_000)
        with pytest.raises(OSError, match="bytes before its size"):
            file.seek(2_000_000)
            file.read(10)


def test_below_a_file(fs: Any, there: str) -> None:
    for call in (fs.cat_file, fs.info, fs.ls, fs.open, lambda path: fs.pipe_file(path, b"x"), fs.mkdir):
        with pytest.raises(NotADirectoryError):
            call(f"{there}/large/below")
    assert not fs.exists(f"{there}/large/below")


def test_errors_are_those_of_files(fs: Any, served: Path, there: str) -> None:
    (served / "directory").mkdir()
    with pytest.raises(FileNotFoundError):
        fs.open(f"{there}/none")
    with pytest.raises(IsADirectoryError):
        fs.open(f"{there}/directory")
    with pytest.raises(FileExistsError):
        fs.open(f"{there}/large", "xb")
    with pytest.raises(FileNotFoundError):
        fs.open(f"{there}/none/file", "wb")
    with pytest.raises(PermissionError):
        fs.cat_file(there.partition("/")[0] + "/etc/shadow")
    with pytest.raises(ConnectionError):
        fs.info("localhost:1/file")
    with pytest.raises(ValueError, match="connections"):
        GridFTPFileSystem(connections=0, skip_instance_cache=True)


def _same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], check=False).returncode == 0


# Two hosts ------------------------------------------------------------------------------------------------------------


def test_from_host_to_host(fs: Any, served: Path, second_server: Server, there: str, beyond: str) -> None:
    """The bytes go from the one to the other: the log of the other says from where they came."""
    for number in range(9):
        path = served / f"tree/{number % 3}/below/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA[: 1000 * number])
    for path in (served, *served.rglob("*")):
        path.chmod(0o777)
    fs.cp(f"{there}/large", f"{beyond}/copied")
    assert (served / "copied").read_bytes() == DATA
    stored = Path(second_server.logs[1]).read_text()
    assert f"FILE={served}" in stored
    assert "TYPE=STOR" in stored
    fs.cp(f"{there}/tree", f"{beyond}/again", recursive=True)
    assert _same(served / "tree", served / "again")
    fs.mv(f"{there}/copied", f"{beyond}/moved")
    assert (served / "moved").read_bytes() == DATA
    assert not (served / "copied").exists()
    fs.mv(f"{there}/tree", f"{beyond}/elsewhere", recursive=True)
    assert _same(served / "again", served / "elsewhere")
    assert not (served / "tree").exists()
    assert not [name for name in os.listdir(served) if name.startswith(".")]


# Writing --------------------------------------------------------------------------------------------------------------


def test_a_transaction(fs: Any, served: Path, there: str) -> None:
    with fs.transaction:
        for name in ("one", "two"):
            with fs.open(f"{there}/{name}", "wb") as file:
                file.write(DATA)
        assert not (served / "one").exists()
        assert not (served / "two").exists()
    assert (served / "one").read_bytes() == (served / "two").read_bytes() == DATA
    with pytest.raises(KeyError), fs.transaction:
        with fs.open(f"{there}/three", "wb") as file:
            file.write(DATA)
        raise KeyError
    assert sorted(os.listdir(served)) == ["large", "one", "two"]


def test_what_is_not_finished_does_not_appear(fs: Any, served: Path, there: str) -> None:
    with pytest.raises(KeyError), fs.open(f"{there}/cut", "wb", block_size=1 << 20) as file:
        file.write(DATA)
        raise KeyError
    assert os.listdir(served) == ["large"]


# asyncio --------------------------------------------------------------------------------------------------------------


def test_asyncio(as_user: None, there: str) -> None:
    async def work() -> None:
        fs = GridFTPFileSystem(asynchronous=True, skip_instance_cache=True)
        pieces = await asyncio.gather(
            *(fs._cat_file(f"{there}/large", at, at + 100_000) for at in range(0, len(DATA), 100_000))
        )
        assert b"".join(pieces) == DATA
        async with await fs.open_async(f"{there}/streamed", "wb") as file:
            for at in range(0, len(DATA), 1 << 20):
                await file.write(DATA[at : at + (1 << 20)])
        async with await fs.open_async(f"{there}/streamed") as file:
            got = b""
            while piece := await file.read(1 << 20):
                got += piece
        assert got == DATA
        assert [os.path.basename(name) for name in await fs._ls(there, detail=False)] == ["large", "streamed"]
        await fs._rm_file(f"{there}/streamed")
        with pytest.raises(FileNotFoundError):
            await fs._info(f"{there}/streamed")
        fs.connections.close()

    asyncio.run(work())


def test_who_is_cancelled_does_not_wait(as_user: None, grid: Sandbox, there: str) -> None:
    async def work() -> None:
        fs = GridFTPFileSystem(asynchronous=True, skip_instance_cache=True)
        with Stalling(grid.servers["gridftp"].port, 1) as stalling:
            path = f"localhost:{stalling.port}/" + there.partition("/")[2]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(fs._cat_file(f"{path}/large", 0, 10), 0.5)
        assert await fs._cat_file(f"{there}/large", 0, 10) == DATA[:10]
        fs.connections.close()

    begun = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - begun < 10

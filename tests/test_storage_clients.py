# SPDX-License-Identifier: Apache-2.0
"""What each client does best, with each storage: many streams, parts, ranges, trees, third party, sums, names.

What one of them cannot do is left out: curl has one stream and no trees, gfal-copy copies no parts. By bytes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.session import Session
from pyglobus.core.storage import Storage
from pyglobus.ffi.errors import GlobusError
from pyglobus.ffi.ftp import FtpOptions, Marker, Span
from tests.conftest import CommandRunner
from tests.storages import DATA, SMALL, WRITABLE, Served, content, made, serving
from tests.test_peers import run_gfal

EXTENDED = FtpOptions(extended=True, parallel=2, user="anonymous", password="x@y")
Gfal = Callable[..., str]


class Place(NamedTuple):
    kind: str
    storage: Storage
    served: Served

    def url(self, path: str, scheme: str = "gsiftp") -> str:
        return self.served.url(path, scheme)

    def holds(self, path: str, data: bytes = DATA) -> bool:
        return content(self.storage, path) == data


@pytest.fixture(scope="module", params=[*WRITABLE, "zip"])
def place(grid: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    storage = made(request.param, tmp_path_factory.mktemp(request.param))
    with serving(grid, storage=storage) as served:
        yield Place(request.param, storage, served)


@pytest.fixture
def writable(place: Place) -> Place:
    if place.kind == "zip":
        pytest.skip("it is read-only")
    return place


@pytest.fixture
def gfal(grid: Sandbox) -> Gfal:
    def run(program: str, *words: str) -> str:
        done = run_gfal(grid.env, program, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return run


def curl(*words: str) -> None:
    done = subprocess.run(["curl", "-sS", "-Q", "TYPE I", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def same_tree(path: Path) -> bool:
    files = {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}
    return files == {"large": DATA, "below/small": SMALL}


# Outward --------------------------------------------------------------------------------------------------------------


def test_by_globus_url_copy(place: Place, grid: Sandbox, second_server: Server, served: Path, url_copy: CommandRunner,
    tmp_path: Path) -> None:  # fmt: skip
    into = f"file://{tmp_path}"
    url_copy("-p", "4", place.url("tree/large"), f"{into}/parallel")
    assert (tmp_path / "parallel").read_bytes() == DATA
    url_copy("-off", "1000000", "-len", "70000", place.url("tree/large"), f"{into}/part")
    assert (tmp_path / "part").read_bytes()[-70000:] == DATA[1000000:1070000]
    url_copy("-r", "-cd", place.url("tree/"), f"{into}/tree/")
    assert same_tree(tmp_path / "tree")
    url_copy("-sync", "-sync-level", "3", "-r", "-cd", place.url("tree/"), f"{into}/tree/")
    assert same_tree(tmp_path / "tree")
    url_copy("-verify-checksum", "-checksum-alg", "MD5", place.url("tree/large"), f"{into}/sum")
    url_copy("-p", "2", place.url("tree/large"), grid.gsiftp_url(served / "third", second_server))
    assert (served / "third").read_bytes() == DATA


def test_by_gfal(place: Place, grid: Sandbox, second_server: Server, served: Path, gfal: Gfal, tmp_path: Path) -> None:
    gfal("gfal-copy", "-f", "-r", place.url("tree"), f"file://{tmp_path}/tree")
    assert same_tree(tmp_path / "tree")
    third = grid.gsiftp_url(served / "third", second_server)
    gfal("gfal-copy", "-f", "-n", "4", "-K", "MD5", place.url("tree/large"), third)
    assert (served / "third").read_bytes() == DATA


def test_by_curl(place: Place, tmp_path: Path) -> None:
    curl("-r", "1000-70999", place.url("tree/large", "ftp"), "-o", f"{tmp_path}/part")
    assert (tmp_path / "part").read_bytes() == DATA[1000:71000]
    (tmp_path / "begun").write_bytes(DATA[:2_000_000])
    curl("-C", "-", place.url("tree/large", "ftp"), "-o", f"{tmp_path}/begun")
    assert (tmp_path / "begun").read_bytes() == DATA


@pytest.mark.parametrize("ranges", [[(0, 1_000_000)], [(0, 65_536), (1_000_000, 1_000_003), (2_500_000, len(DATA))]])
def test_got_but_for_ranges(place: Place, ranges: list[tuple[int, int]], tmp_path: Path) -> None:
    """MODE E with REST and a list of ranges: what is there already does not come again."""
    fd = os.open(tmp_path / "got", os.O_RDWR | os.O_CREAT)
    with Session() as session:
        handle = session.handle()
        url = place.url("tree/large", "ftp")
        handle.get(url, fd, EXTENDED, Span(), block=1 << 18, blocks=4, marker=Marker(ranges=ranges)).result(60)
        missing, at = [], 0
        for start, end in [*ranges, (len(DATA), len(DATA))]:
            missing += [(at, start)] if start > at else []
            at = end
        assert handle.ranges == missing
        for start, end in missing:
            assert os.pread(fd, end - start, start) == DATA[start:end]
    os.close(fd)


# Inward ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [[(0, 1_000_000)], [(0, 65_536), (1_000_000, 1_000_003), (2_500_000, len(DATA))]])
def test_put_but_for_ranges(writable: Place, ranges: list[tuple[int, int]], tmp_path: Path) -> None:
    """What is in the ranges stays as it is there, and only the rest is sent."""
    (tmp_path / "first").write_bytes(bytes(len(DATA)))
    (tmp_path / "second").write_bytes(DATA)
    url = writable.url(f"ranges-{len(ranges)}", "ftp")
    with Session() as session:
        for name, marker in (("first", Marker()), ("second", Marker(ranges=ranges))):
            fd = os.open(tmp_path / name, os.O_RDONLY)
            put = session.handle().put(fd, url, EXTENDED, Span(), block=1 << 18, blocks=4, marker=marker)
            if name == "second" and writable.kind == "fsspec":  # such a file is written from its first byte to its last
                with pytest.raises(GlobusError):
                    put.result(60)
            else:
                put.result(60)
            os.close(fd)
    expected = bytearray(bytes(len(DATA)) if writable.kind == "fsspec" else DATA)
    if writable.kind != "fsspec":
        for start, end in ranges:
            expected[start:end] = bytes(end - start)
    assert writable.holds(f"/ranges-{len(ranges)}", bytes(expected))


def test_into_by_globus_url_copy(writable: Place, grid: Sandbox, second_server: Server, served: Path,
    url_copy: CommandRunner, tmp_path: Path) -> None:  # fmt: skip
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/large").write_bytes(DATA)
    (tmp_path / "tree/below/small").write_bytes(b"old")
    there = writable.url("by-c/")
    url_copy("-r", "-cd", f"file://{tmp_path}/tree/", there)
    (tmp_path / "tree/below/small").write_bytes(SMALL)
    url_copy("-r", "-cd", "-sync", f"file://{tmp_path}/tree/", there)
    assert writable.holds("/by-c/large")
    assert writable.holds("/by-c/below/small", SMALL)
    (served / "source").write_bytes(DATA)
    url_copy("-fast", grid.gsiftp_url(served / "source", second_server), writable.url("by-c/third"))
    assert writable.holds("/by-c/third")


def test_into_by_gfal(writable: Place, grid: Sandbox, second_server: Server, served: Path, gfal: Gfal,
    tmp_path: Path) -> None:  # fmt: skip
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/large").write_bytes(DATA)
    (tmp_path / "tree/below/small").write_bytes(SMALL)
    gfal("gfal-copy", "-r", f"file://{tmp_path}/tree", writable.url("by-gfal"))
    assert writable.holds("/by-gfal/large")
    assert writable.holds("/by-gfal/below/small", SMALL)
    (served / "source").write_bytes(DATA)
    gfal(
        "gfal-copy",
        "-n",
        "4",
        "-K",
        "ADLER32",
        grid.gsiftp_url(served / "source", second_server),
        writable.url("by-gfal/third"),
    )
    assert writable.holds("/by-gfal/third")
    gfal("gfal-rename", writable.url("by-gfal/third"), writable.url("by-gfal/named"))
    assert writable.holds("/by-gfal/named")
    gfal("gfal-rm", "-r", writable.url("by-gfal"))
    with pytest.raises(FileNotFoundError):
        writable.storage.stat("/by-gfal")


def test_into_by_curl(writable: Place, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(DATA)
    there = writable.url("", "ftp")
    curl("-T", f"{tmp_path}/sent", f"{there}by-curl", "-Q", "-RNFR by-curl", "-Q", "-RNTO by-curl-named")
    assert writable.holds("/by-curl-named")
    curl(there, "-Q", "-DELE by-curl-named", "-o", os.devnull)
    with pytest.raises(FileNotFoundError):
        writable.storage.stat("/by-curl-named")

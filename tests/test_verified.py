# SPDX-License-Identifier: Apache-2.0
"""Trees that are verified: small files go down the pipeline, and get their names only where both ends agree."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.checksum import ALGORITHMS
from pyglobus.core.sandbox import Sandbox
from tests.conftest import CommandRunner
from tests.misbehaving import Faults, Server

FILES = 60


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for number in range(FILES):
        path = top / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 1777))
    (top / "d0" / "blocks").write_bytes(os.urandom((2 << 20) + 5))
    return top


def files(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def sums(algorithm: str, top: Path) -> dict[str, str]:
    def one(data: bytes) -> str:
        return f"{zlib.adler32(data):08x}" if algorithm == "adler32" else hashlib.new(algorithm, data).hexdigest()

    return {name: one(data) for name, data in files(top).items()}


def records(stdout: str) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, stdout.splitlines()) if record["type"] == "file"]


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_checksum_of_each_file(
    algorithm: str, scheme: str, grid: Sandbox, tree: Path, served: Path, tmp_path: Path, copy: CommandRunner
) -> None:
    far = (grid.gsiftp_url if scheme == "gsiftp" else grid.ftp_url)(served / "far") + "/"
    for source, destination in ((f"{tree}/", far), (far, f"{tmp_path}/near/")):
        flags = "--format", "jsonl", "-r", "-cd", "--checksum", "--checksum-algorithm", algorithm
        found = records(copy(*flags, source, destination).stdout)
        assert Counter(record["route"] for record in found) == {"pipeline": FILES + 1}
        assert {record["checksum_algorithm"] for record in found} == {algorithm}
        told = {record["source"].removeprefix(source): record["checksum"] for record in found}
        expected = sums(algorithm, tree)
        assert told == expected
    assert files(served / "far") == files(tmp_path / "near") == files(tree)


def test_a_checksum_that_differs_leaves_nothing(tmp_path: Path, copy: CommandRunner) -> None:
    """A server that stores something else: 74, and what was at either end before is still there."""
    near = tmp_path / "near"
    near.mkdir()
    with Server({"/far/one": b"content"}, Faults(extended=True, checksum=b"0" * 32)) as server:
        done = copy("-r", "--checksum", server.url("/far/"), f"{near}/", check=False)
        assert (done.returncode, list(near.iterdir())) == (74, [])
        assert "checksums differ" in done.stderr and f"{'0' * 32} at the source" in done.stderr
        assert [command for command in server.commands if command == "CKSM"] == ["CKSM"]


@pytest.mark.parametrize("code", [500, 502, 504])
def test_a_server_that_does_not_know_the_algorithm(code: int, tmp_path: Path, copy: CommandRunner) -> None:
    """It is asked again for a file by itself, refuses, and that is told: no file stays that nobody has verified."""
    near = tmp_path / "near"
    near.mkdir()
    answers = {"CKSM": (f"{code} Unknown checksum algorithm requested.\r\n".encode(),)}
    with Server({"/far/one": b"content"}, Faults(extended=True, answers=answers)) as server:
        done = copy("-r", "--checksum", server.url("/far/"), f"{near}/", check=False)
    assert (done.returncode, list(near.iterdir())) == (69, [])
    assert "checksum" in done.stderr


@pytest.mark.parametrize("code", [500, 502, 504])
@pytest.mark.parametrize("way", ["put", "get"])
def test_a_large_file_is_not_copied_in_vain(code: int, way: str, tmp_path: Path, copy: CommandRunner) -> None:
    """A server that does not know the algorithm is found out before a byte moves, and keeps what it has."""
    content = bytes(16 << 20)
    (tmp_path / "here").write_bytes(content)
    answers = {"CKSM": (f"{code} Unknown checksum algorithm requested.\r\n".encode(),)}
    with Server({"/there": content}, Faults(answers=answers)) as server:
        ends = [tmp_path / "here", server.url("/there")]
        done = copy("--checksum", *(ends if way == "put" else reversed(ends)), check=False)
        assert server.files == {"/there": content}
        assert not {"STOR", "RETR", "ESTO", "ERET"} & set(server.commands)
    assert done.returncode == 69
    assert "checksum" in done.stderr
    assert (tmp_path / "here").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["here"]

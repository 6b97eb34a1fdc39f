# SPDX-License-Identifier: Apache-2.0
"""rls-query locate --copy: replicas of real servers, catalogues of which one is dead, and what becomes of the copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core.rls import Client, Configuration, ObjectType
from pyglobus.core.rls.locate import Replica
from pyglobus.core.rls.replica import choose, registered
from pyglobus.core.rls.server import Server
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.url import parse
from tests.waiting import LIMIT, wait_until

PROGRAM = Path(sys.executable).with_name("rls-query")
DEAD = "gsiftp://localhost:1/gone"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A catalogue of its own."""
    name = str(tmp_path_factory.mktemp("lrc") / "lrcdb")
    with Server(Configuration(authentication=False, port=0, lrc_server=True, lrc_dbname=name)) as server:
        yield server.url


@pytest.fixture(scope="module")
def index(catalogue: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A catalogue and index; it knows ``catalogue`` as well, and one that is dead."""
    place = tmp_path_factory.mktemp("rli")
    chosen = Configuration(
        authentication=False, port=0, lrc_server=True, rli_server=True, lrc_dbname=str(place / "lrcdb"),
        rli_dbname=str(place / "rlidb"), lrc_update_immediate=True, lrc_buffer_time=0,
    )  # fmt: skip
    with Server(chosen) as server:
        with Client(server.url) as client:
            client.call("lrc_rli_add", server.url, "0", "")
        yield server.url


@pytest.fixture
def name(index: str, catalogue: str, request: pytest.FixtureRequest) -> str:
    """A logical name that no other test uses."""
    return f"run/{request.node.name}"


def known(server: str, name: str, *pfns: str) -> None:
    """Register replicas, in this order, and wait until the index knows of them."""
    with Client(server) as client:
        client.create(name, pfns[0])
        for pfn in pfns[1:]:
            client.add(name, pfn)
        wait_until(lambda: client.exists(name, ObjectType.RLI_LFN))


def locate(grid: Sandbox, *words: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [str(PROGRAM), "locate", *map(str, words)], env=grid.env, cwd=cwd, capture_output=True, text=True,
        timeout=LIMIT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_what_is_on_this_machine_is_taken_and_the_copy_is_registered(
    grid: Sandbox, index: str, name: str, tmp_path: Path
) -> None:
    data = tmp_path / "a b*.dat"
    data.write_bytes(os.urandom(100_000))
    pfn = registered(parse(str(data)))
    assert pfn.startswith(f"file://{os.uname().nodename.lower()}/")
    known(index, name, DEAD, "a word", "file:///none", pfn)
    assert locate(grid, name, "--copy", "copy.dat", "--register", index, cwd=tmp_path) == (0, f"{name}: {pfn}\n", "")
    assert (tmp_path / "copy.dat").read_bytes() == data.read_bytes()
    with Client(index) as client:
        assert client.query(name)[-1] == (name, registered(parse(str(tmp_path / "copy.dat"))))
    status, shown, _ = locate(grid, name, "--copy", "copy.dat", "--register", index, cwd=tmp_path)
    assert (status, shown) == (0, f"{name}: {pfn}\n"), "the copy is no source of itself, and is registered once"


def test_the_next_replica_is_tried(grid: Sandbox, index: str, name: str, served: Path, tmp_path: Path) -> None:
    (served / "data").write_bytes(b"replica" * 1000)
    pfn = grid.gsiftp_url(served / "data")
    known(index, name, DEAD, grid.gsiftp_url(served / "none"), pfn)
    target = grid.ftp_url(served / "copied")
    status, shown, said = locate(grid, "--format", "json", "--register", name, "--copy", target, index)
    assert status == 0
    assert said == ""
    found = json.loads(shown)
    assert [each["pfn"] for each in found["warnings"]] == [DEAD, grid.gsiftp_url(served / "none")]
    (record,) = found["results"]
    assert (record["pfn"], record["bytes"], record["registered"], record["catalogue"]) == (pfn, 7000, target, index)
    assert (served / "copied").read_bytes() == b"replica" * 1000
    with Client(index) as client:
        assert (name, target) in client.query(name)
    lines = locate(grid, "--format", "jsonl", name, "--copy", tmp_path / "copied", index)[1].splitlines()
    assert {"warning", "started", "result"} <= {json.loads(line)["type"] for line in lines}
    status, shown, said = locate(grid, name, "--copy", tmp_path / "copied", index)
    assert (status, shown, said.count("the next replica is tried")) == (0, f"{name}: {pfn}\n", 2)


def test_a_dead_catalogue_is_told_of_and_the_copy_registered_elsewhere(
    grid: Sandbox, index: str, catalogue: str, name: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.write_text("here")
    known(index, name, f"file://{data}")
    chosen = Configuration(
        authentication=False, port=0, lrc_server=True, lrc_dbname=str(tmp_path / "lrcdb"), lrc_update_immediate=True,
        lrc_buffer_time=0,
    )  # fmt: skip
    with Server(chosen) as server, Client(server.url) as client, Client(index) as asked:
        dead = server.url
        client.create(name, "ftp://localhost/none")
        client.call("lrc_rli_add", index, "0", "")
        wait_until(lambda: len(asked.query_index(name)) == 2)
    status, shown, said = locate(grid, name, "--copy", f"{tmp_path}/new", "--register-at", catalogue, index)
    assert (status, shown) == (0, f"{name}: file://{data}\n")
    assert f"{dead} does not answer" in said
    with Client(catalogue) as client:
        assert client.query(name) == [(name, registered(parse(f"{tmp_path}/new")))], "it has not known the name"
    status, _, said = locate(grid, name, "--copy", f"{tmp_path}/third", "--register-at", dead, index)
    assert status == 75
    assert "third is there, but not registered" in said


def test_what_cannot_be_copied(grid: Sandbox, index: str, name: str, tmp_path: Path) -> None:
    known(index, name, "file:///none", "no URL", "file://elsewhere.example.org/data")
    status, shown, said = locate(grid, name, "--copy", tmp_path / "copy", index)
    assert (status, shown) == (66, "")
    assert "file:///none: there is no such file on this machine; no URL: it is no URL" in said
    (tmp_path / "data").write_text("data")
    with Client(index) as client:
        client.add(name, f"file://{tmp_path}/data")
        client.add(name, DEAD)
    status, _, said = locate(grid, name, "--copy", tmp_path / "none" / "copy", index)
    assert (status, "next replica" in said) == (73, False), "no replica could be copied there"
    with Client(index) as client:
        client.delete(name, f"file://{tmp_path}/data")
    assert locate(grid, name, "--copy", tmp_path / "copy", index)[0] == 75
    assert not (tmp_path / "copy").exists()


def test_several_names_go_to_a_directory(grid: Sandbox, index: str, name: str, tmp_path: Path) -> None:
    for letter in "ab":
        (tmp_path / letter).write_text(letter)
        known(index, f"{name}{letter}", f"file://{tmp_path}/{letter}")
    (tmp_path / "to").mkdir()
    names = (f"{name}a", f"{name}b")
    assert locate(grid, *names, "--copy", f"{tmp_path}/to/", index)[0] == 0
    assert {path.name: path.read_text() for path in (tmp_path / "to").iterdir()} == {"a": "a", "b": "b"}
    for words in ((*names, "--copy", "file"), (name, "--copy", "-"), (name, "--register")):
        assert locate(grid, *words, index, cwd=tmp_path)[0] == 2
    done = subprocess.run([PROGRAM, "query", "lrc", "lfn", name, "--copy", "x", index], check=False, cwd=tmp_path)
    assert done.returncode == 2


def test_order_of_replicas_and_names_of_copies() -> None:
    def order(*pfns: str) -> list[str]:
        found = choose([Replica("l", pfn, "rls://c") for pfn in pfns], parse("/nowhere/copy"))
        return [replica.pfn for replica, _ in found.within]

    far, near, here = "gsiftp://far.example.org/x", "ftp://localhost/x", "file:///etc/passwd"
    assert order(far, near, "https://h/x", here) == [here, near, far, "https://h/x"]
    assert order("gsiftp://h/directory/", "-", "gsiftp://", "") == []
    assert registered(parse("ftp://u:secret@h:21/a b")) == "ftp://u@h/a%20b"

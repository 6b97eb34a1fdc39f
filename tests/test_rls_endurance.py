# SPDX-License-Identifier: Apache-2.0
"""What a replica catalogue stands: kills under load, a full disk, a thousand clients, a clock that is moved."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rlsfield import Catalogue
from benchmarks.rlskills import survive
from pyglobus.core.rls import Client, Configuration
from pyglobus.core.rls.server import Server
from tests.rlswire import Wire
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """No connection outlives its test."""
    yield
    while Wire.made:
        Wire.made.pop().close()


def test_what_was_acknowledged_survives_kills_under_load(tmp_path: Path) -> None:
    creates, deletes = survive(Catalogue(tmp_path), 3, 0.4)
    assert creates > deletes > 0


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    kept: list[str] = []

    def create(wire: Wire) -> str:
        name = f"l{len(kept)}"
        code = wire.ask("lrc_create", name, f"p{name}" * 100)[0]
        if code == "0":
            kept.append(name)
        return code

    with Catalogue(tmp_path) as catalogue:
        wire = Wire(catalogue.url)
        for _ in range(20):
            assert create(wire) == "0"
        pid, unlimited = catalogue.process.pid, resource.RLIM_INFINITY
        size = (tmp_path / "lrcdb-wal").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 50_000, unlimited))
        wait_until(lambda: create(wire) == "17")
        bulk = [string for number in range(300) for string in (f"b{number}", "p" * 500)]
        assert wire.listed("lrc_create_bulk", *bulk, "", size=3)[0] == "17"
        assert wire.ask("lrc_exists", "b0", "0") == ["12", "b0"]
        assert wire.ask("lrc_exists", kept[-1], "0") == ["0"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        assert create(wire) == "0"
        catalogue.kill()
        catalogue.start()
        with Client(catalogue.url) as client:
            assert [code for code, _ in client.exists_bulk(kept)] == [0] * len(kept)
            assert len(list(client.match("%"))) == len(kept)


def test_a_thousand_clients(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this process may not have so many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    chosen = Configuration(
        authentication=False, port=0, lrc_server=True, lrc_dbname=str(tmp_path / "lrc"), maxconnections=1000
    )
    try:
        with Server(chosen) as server:
            many = [Wire(server.url) for _ in range(1000)]
            assert Wire(server.url).welcome == "28"
            for number, wire in enumerate(many):
                wire.send("lrc_create", f"l{number}", "p")
            assert [wire.string() for wire in many] == ["0"] * 1000
            for wire in many:
                wire.send("lrc_exists", "l999", "0")
            assert [wire.string() for wire in many] == ["0"] * 1000
            closing = [Wire.made.pop() for _ in range(len(Wire.made))]
            for wire in closing:
                wire.close()
            wait_until(lambda: Wire(server.url).welcome == "0")
            while Wire.made:
                Wire.made.pop().close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_clock_that_is_moved_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Configuration(
        authentication=False, port=0, lrc_server=True, lrc_dbname=str(tmp_path / "lrc"), timeout=5, idletimeout=5
    )
    with Server(chosen) as server:
        wire, half = Wire(server.url), Wire(server.url)
        half.socket.sendall(b"lrc_create\0l\0")
        now = time.time()
        for moved in (now + 1e8, now - 1e8):
            monkeypatch.setattr(time, "time", lambda moved=moved: moved)
            time.sleep(0.6)  # a look for those that are overdue is within
            assert wire.ask("lrc_exists", "none", "0") == ["12", "none"]
        half.socket.sendall(b"p\0")
        assert half.string() == "0"


def test_too_many_and_too_few_parameters(tmp_path: Path) -> None:
    chosen = Configuration(authentication=False, port=0, lrc_server=True, lrc_dbname=str(tmp_path / "lrc"))
    with Server(chosen) as server:
        wire = Wire(server.url)
        wire.send("lrc_exists", "l", "0", "more")
        assert wire.strings(4) == ["12", "l", "8", "more"], "what is too much would be the next method"
        assert wire.at_end()
        wire = Wire(server.url)
        wire.send("lrc_create", "l", "lrc_exists", "l", "0")
        assert wire.strings(3) == ["0", "8", "l"], "what is missing is taken from what follows"
        assert wire.at_end()

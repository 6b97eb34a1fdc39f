# SPDX-License-Identifier: Apache-2.0
"""Indexes that pass on what they are told to other indexes: what arrives, which way, and that circles end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.rls import Client, bloom
from pyglobus.core.rls.feed import PAGE, Feed
from pyglobus.core.rls.index import MOST_HOPS
from pyglobus.core.rls.results import RlsError
from pyglobus.core.rls.server import Server
from tests.cluster import Cluster
from tests.rlsindexes import ONE, TWO, known, plain
from tests.rlswire import Wire
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """No connection outlives its test."""
    yield
    while Wire.made:
        Wire.made.pop().close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ExitStack]:
    """For servers and clients of a test."""
    with ExitStack() as stack:
        yield stack


def index(running: ExitStack, directory: Path, name: str, **chosen: Any) -> tuple[Server, Client]:
    server = running.enter_context(
        plain(directory, name, rli_server=True, lrc_buffer_time=0, lrc_update_retry=1, **chosen)
    )
    return server, running.enter_context(Client(server.url))


def way(wire: Client, lrc: str) -> list[str]:
    """Who a catalogue is heard from."""
    assert lrc in [url for url, _ in wire.call("rli_lrc_list").records]
    return [url for url, _ in wire.call("rli_sender_list").records]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_names_changes_and_filters_are_passed_on(
    kind: str, running: ExitStack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    places = [str(tmp_path / "low.db"), str(tmp_path / "top.db")]
    if kind == "postgres":
        cluster: Cluster = request.getfixturevalue("cluster")
        places = [cluster.database(), cluster.database()]
    low, first = index(running, tmp_path, "low", rli_dbname=places[0])
    top, last = index(running, tmp_path, "top", rli_dbname=places[1])
    first.call("rli_rli_add", top.url, "")
    assert first.call("rli_rli_get_part", "", "").records == [(top.url, "")]
    chosen: dict[str, Any] = {"lrc_server": True, "lrc_update_immediate": True, "lrc_buffer_time": 0}
    one = running.enter_context(plain(tmp_path, "one", **chosen))
    client = running.enter_context(Client(one.url))
    client.create("a", "p")
    client.call("lrc_rli_add", low.url, "0", "")
    wait_until(lambda: known(last, "a") == [one.url])
    assert way(last, one.url) == [low.url]
    client.create("b", "p")
    client.delete("a", "p")
    wait_until(lambda: known(last, "b") == [one.url] and not known(last, "a"))
    Feed(first, TWO).filter(60, bloom.build(1, 10, 7, [b"c\0"]))
    wait_until(lambda: known(last, "c") == [TWO])
    Feed(first, TWO).names(60, PAGE + 1, ["".join(f"n{i}\0" for i in range(PAGE)).encode(), b"m\0"])
    wait_until(lambda: known(last, f"n{PAGE - 1}") == known(last, "m") == [TWO])
    wait_until(lambda: not known(last, "c"))
    assert int(first.call("rli_rli_list").records[0][3]) > 0


def test_parts_and_an_index_that_comes_later(running: ExitStack, tmp_path: Path) -> None:
    _, first = index(running, tmp_path, "low")
    top, last = index(running, tmp_path, "top")
    Feed(first, ONE).names(60, 2, [b"run7\0calibration\0"])
    Feed(first, TWO).filter(60, bloom.build(1, 10, 7, [b"run8\0"]))
    first.call("rli_rli_add", top.url, "run*")
    wait_until(lambda: known(last, "run7") == [ONE])
    assert known(last, "calibration") == []
    assert known(last, "run8") == [], "a filter cannot be taken apart"
    first.call("rli_rli_delete", top.url, "run*")
    first.call("admin", "2")
    wait_until(lambda: known(last, "calibration") == [ONE] and known(last, "run8") == [TWO])
    first.call("rli_rli_delete", top.url, "")
    with pytest.raises(errors.NotFound):
        first.call("rli_rli_delete", top.url, "")
    Feed(first, ONE).names(60, 1, [b"run9\0"])
    assert first.call("rli_rli_list").records == []


def test_the_shorter_way_is_taken_and_a_circle_ends(running: ExitStack, tmp_path: Path) -> None:
    """Three indexes tell each other, and one catalogue tells one of them, then another."""
    servers, clients = zip(*(index(running, tmp_path, name, rli_expire_int=1) for name in "xyz"), strict=True)
    for here, client in zip(servers, clients, strict=True):
        for there in servers:
            if there is not here:
                client.call("rli_rli_add", there.url, "")
    Feed(clients[0], ONE).names(3, 1, [b"a\0"])
    wait_until(lambda: all(known(client, "a") == [ONE] for client in clients))
    assert way(clients[0], ONE) == [ONE]
    assert way(clients[1], ONE) == way(clients[2], ONE) == [servers[0].url]
    Feed(clients[1], ONE).names(3, 1, [b"b\0"])
    wait_until(lambda: known(clients[1], "b") == [ONE])
    assert way(clients[1], ONE) == [ONE], "what it tells itself goes before what others say"
    wait_until(lambda: not any(known(client, name) for client in clients for name in "ab"))
    assert [client.call("rli_lrc_list").records for client in clients] == [[], [], []], "it is silent, and forgotten"


def test_a_way_is_looked_at(running: ExitStack, tmp_path: Path) -> None:
    top, last = index(running, tmp_path, "top")
    x, y = "rls://x.example.org", "rls://y.example.org"
    wire = Wire(top.url)

    def begin(*path: str, lrc: str = ONE) -> str:
        return wire.ask("pyglobus1_update_begin", lrc, "60", "1", " ".join(path), more=1)[0]

    assert begin(x, y) == "0"
    assert begin(x, y) == "0", "again by the same way"
    assert begin(y, x) == "15", "not shorter"
    assert begin(top.url) == begin(x, top.url, y) == "15", "in a circle"
    assert begin(x, lrc=top.url) == "15", "of this server itself"
    assert begin(*[f"rls://h{i}" for i in range(MOST_HOPS + 1)], lrc=TWO) == "15"
    assert begin(*[f"rls://h{i}" for i in range(MOST_HOPS)], lrc=TWO) == "0"
    assert begin("x" * 5000) == begin(x, "", y) == "6"
    assert wire.ask("pyglobus1_update_changes", ONE, "", "+", "a", "") == [
        "16", f"{ONE}: all of it must come this way first"
    ]  # fmt: skip
    assert wire.ask("pyglobus1_update_changes", ONE, f"{x} {y}", "+", "a", "") == ["0"]
    assert begin(y) == "0", "shorter"
    assert begin() == "0", "from the catalogue itself"
    assert begin(y) == "15"
    assert way(last, ONE) == [ONE, "rls://h7"]
    with pytest.raises(RlsError, match="it is heard by another way"):
        Feed(last, ONE, path=[x]).filter(60, bloom.build(0, 10, 7, []))


def test_one_catalogue_that_is_refused_holds_up_no_other(running: ExitStack, tmp_path: Path) -> None:
    _, first = index(running, tmp_path, "low")
    top, last = index(running, tmp_path, "top", rli_bloomfilter=True)
    Feed(first, ONE).names(60, 1, [b"a\0"])
    Feed(first, TWO).filter(60, bloom.build(1, 10, 7, [b"b\0"]))
    first.call("rli_rli_add", top.url, "")
    wait_until(lambda: known(last, "b") == [TWO])
    assert first.call("rli_rli_list").records[0][3] == "0", "it has not got all"
    last.call("set_configuration", "rli_bloomfilter", "false")
    wait_until(lambda: known(last, "a") == [ONE])

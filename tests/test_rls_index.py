# SPDX-License-Identifier: Apache-2.0
"""How an index learns of names, and forgets them."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core.rls import Client, Configuration, schema
from pyglobus.core.rls.database import opened
from pyglobus.core.rls.feed import PAGE, Feed
from pyglobus.core.rls.index import Index
from pyglobus.core.rls.requests import DONE
from pyglobus.core.rls.results import Refusal
from pyglobus.core.rls.schema import Schema
from pyglobus.core.rls.server import Server
from pyglobus.core.rls.store import Store
from tests.pace import PROMPT
from tests.rlsindexes import ONE, TWO, known, plain
from tests.waiting import wait_until


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for an index, without tables."""
    if request.param == "postgres":
        return str(request.getfixturevalue("cluster").database())
    return str(tmp_path / "index.db")


@pytest.fixture
def index(place: str) -> Iterator[Index]:
    """An index in it, in a transaction that nobody ends."""
    storage = opened(place, schema.RLI)
    storage.prepare()
    database = storage.connect(reading=False)
    database.begin()
    yield Index(database)
    database.rollback()
    database.close()


def rows(index: Index) -> set[tuple[str, str]]:
    return {(lfn, lrc) for lfn, lrc in index.match("%")}


def test_many_updates_against_a_model(index: Index) -> None:
    """Whole and partial updates of two catalogues in any order leave what a dictionary has."""
    chance = random.Random(7)
    names = [f"n{i}" for i in range(12)] + ["ä/☃", 'q"uo\\te', "{a,b}", "NULL", "a'b", "new\nline"]
    model: dict[str, set[str]] = {}
    for _ in range(60):
        lrc = chance.choice((ONE, TWO))
        some = [chance.choice(names) for _ in range(chance.randrange(9))]
        if lrc not in model or chance.random() < 0.4:
            number = index.begin(lrc, 60, 1)
            index.put(lrc, number, some[:4], 1)
            index.put(lrc, number, some[4:], 1)
            index.end(lrc, number, 1)
            model[lrc] = set(some)
        else:
            changes = [(chance.random() < 0.5, name) for name in some]
            index.change(lrc, changes, 1)
            for there, name in changes:
                (model[lrc].add if there else model[lrc].discard)(name)
        expected = {(name, lrc) for lrc, known in model.items() for name in known}
        assert rows(index) == expected
        assert index.counts() == (len({name for name, _ in expected}), len(model), len(expected))


def test_an_index_of_an_earlier_version_keeps_what_it_knows(place: str) -> None:
    opened(place, Schema("rli", schema.RLI.versions[:1])).prepare()
    database = opened(place, schema.RLI).connect(reading=False)
    for table, *row in (("t_lfn", 1, "a"), ("t_lrc", 1, ONE, 5, 60, 3), ("t_map", 1, 1, 3)):
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    database.close()
    opened(place, schema.RLI).prepare()
    database = opened(place, schema.RLI).connect(reading=False)
    found = Index(database)
    assert found.lookup("a") == [("a", ONE)]
    assert found.routes() == [(ONE, 60, (), False)]
    assert found.expire(50, 1000.0) == found.expire(50, 1071.0) == []
    assert found.expire(50, 1073.0) == [ONE], "silent since it was opened"
    database.close()


def test_only_the_latest_update_of_a_catalogue_counts(index: Index) -> None:
    old, new = index.begin(ONE, 60, 1), index.begin(ONE, 60, 1)
    index.put(ONE, new, ["a"], 1)
    with pytest.raises(Refusal, match="another update has begun"):
        index.put(ONE, old, ["b"], 1)
    with pytest.raises(Refusal, match="another update has begun"):
        index.end(ONE, old, 1)
    index.end(ONE, new, 1)
    assert rows(index) == {("a", ONE)}


def test_silence_is_measured_by_a_steady_clock(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    index.put(ONE, index.begin(ONE, 100, 5), ["a"], 5)
    index.put(TWO, index.begin(TWO, 0, 5), ["a"], 5)
    index.put("rls://dead", index.begin("rls://dead", 10, 5), ["a", "b"], 5)
    assert index.expire(50, clock + 11) == []
    assert index.expire(50, clock + 13) == ["rls://dead"]
    assert rows(index) == {("a", ONE), ("a", TWO)}
    assert index.expire(50, clock + 49) == []
    other = Index(index.database)  # another server on the database, or another life of this one
    assert other.expire(50, 7.0) == []
    assert other.expire(50, 9.0) == [TWO], "what has been measured is kept"
    assert other.expire(50, 77.0) == [], "77 - 7 + 49 seconds, of 120"
    index.put(ONE, index.begin(ONE, 100, 5), ["a"], 5)
    assert other.expire(50, 170.0) == [], "it has been heard meanwhile, by the other server"
    assert other.expire(50, 289.0) == []
    assert other.expire(50, 291.0) == [ONE]
    assert rows(index) == set()


def test_an_index_learns_all_names_and_then_changes(tmp_path: Path) -> None:
    quick = {"lrc_server": True, "lrc_update_immediate": True, "lrc_buffer_time": 0}
    with (
        plain(tmp_path, "index", rli_server=True) as index,
        plain(tmp_path, "one", **quick) as one,
        plain(tmp_path, "two", **quick) as two,
        Client(index.url) as asked,
        Client(one.url) as first,
        Client(two.url) as second,
    ):
        assert not list(first.bulk("create", ((f"run{i}", f"p{i}") for i in range(2500))))
        second.create("run7", "q7")
        second.create("calibration", "q")
        first.call("lrc_rli_add", index.url, "0", "")
        second.call("lrc_rli_add", index.url, "0", "run*")
        wait_until(lambda: sorted(known(asked, "run7")) == sorted([one.url, two.url]))
        wait_until(lambda: known(asked, "run2499") == [one.url])
        assert known(asked, "calibration") == [], "only what the pattern fits"
        first.create("new", "p")
        second.delete("run7", "q7")
        wait_until(lambda: known(asked, "new") == [one.url] and known(asked, "run7") == [one.url])
        first.rename("lfn", "new", "newer")
        wait_until(lambda: known(asked, "newer") == [one.url] and not known(asked, "new"))
        assert int(first.call("lrc_rli_info", index.url).records[0][3]) > 0
        first.call("admin", "2")
        wait_until(lambda: known(asked, "run2499") == [one.url])


def test_an_index_forgets_who_is_silent_wherever_the_clock_goes(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Configuration(authentication=False, port=0, rli_server=True, rli_dbname=place, rli_expire_int=1)
    now = time.time()
    with Server(chosen) as server, Client(server.url) as client:
        for url, interval in ((ONE, 3600), (TWO, 1)):
            Feed(client, url).names(interval, 1, [b"a\0"])
        monkeypatch.setattr(time, "time", lambda: now - 1e6)
        wait_until(lambda: known(client, "a") == [ONE])
        monkeypatch.setattr(time, "time", lambda: now + 1e6)
        Feed(client, TWO).names(1, 1, [b"b\0"])
        wait_until(lambda: known(client, "b") == [])
        assert known(client, "a") == [ONE]
    with Server(chosen) as server, Client(server.url) as client:
        Feed(client, TWO).names(1, 1, [b"b\0"])
        wait_until(lambda: known(client, "b") == [])
        assert known(client, "a") == [ONE], "nor has it been forgotten when the server began again"


def test_an_index_that_has_forgotten_a_catalogue_gets_all_names(tmp_path: Path) -> None:
    def forget(store: Store) -> bytes:
        store.index.expire(0, time.monotonic() + 1e6)
        return DONE

    with (
        plain(tmp_path, "index", rli_server=True) as index,
        plain(tmp_path, "one", lrc_server=True, lrc_update_immediate=True, lrc_buffer_time=0) as one,
        Client(index.url) as asked,
        Client(one.url) as client,
    ):
        client.create("a", "p")
        client.call("lrc_rli_add", index.url, "0", "")
        wait_until(lambda: client.call("lrc_rli_info", index.url).records[0][3] != "0")
        assert known(asked, "a") == [one.url]
        assert index.rli is not None
        index.rli.writer.submit(forget, lambda _: None)
        wait_until(lambda: not known(asked, "a"))
        client.create("b", "p")
        wait_until(lambda: known(asked, "a") == known(asked, "b") == [one.url])


def test_an_index_that_says_nothing_holds_up_no_other(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        plain(tmp_path, "index", rli_server=True) as index,
        plain(tmp_path, "one", lrc_server=True, lrc_update_immediate=True, lrc_buffer_time=0) as one,
        Client(index.url) as asked,
        Client(one.url) as client,
    ):
        client.call("lrc_rli_add", f"rlsn://127.0.0.1:{silent.getsockname()[1]}", "0", "")
        with silent.accept()[0]:  # now one of those who tell waits there, for up to 30 seconds
            began = time.monotonic()
            client.call("lrc_rli_add", index.url, "0", "")
            for name in ("a", "b", "c"):
                client.create(name, "p")
                wait_until(lambda name=name: known(asked, name) == [one.url])  # type: ignore[misc]
            assert time.monotonic() - began < 2 * PROMPT


def test_pages_of_the_longest_names(tmp_path: Path) -> None:
    with plain(tmp_path, "index", rli_server=True) as index, Client(index.url) as client:
        names = [f"{i:0>2048}" for i in range(PAGE)]
        assert Feed(client, ONE).names(60, PAGE, ["\0".join([*names, ""]).encode(), b"z\0"]) == PAGE + 1
        assert known(client, names[-1]) == known(client, "z") == [ONE]


def test_an_index_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with socket.socket() as held:  # nobody else gets the port, and nobody listens there
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with plain(tmp_path, "one", lrc_server=True, lrc_update_retry=1) as one, Client(one.url) as client:
            client.create("a", "p")
            client.call("lrc_rli_add", f"rlsn://127.0.0.1:{port}", "0", "")
            later = Configuration(
                authentication=False, port=port, rli_server=True, rli_dbname=str(tmp_path / "index.rli")
            )
            with Server(later, bind="127.0.0.1") as index, Client(index.url) as asked:
                wait_until(lambda: known(asked, "a") == [one.url])

# SPDX-License-Identifier: Apache-2.0
"""Bloom filters: that they keep what they promise, how catalogues send them and indexes ask them; and what is none."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.rls import Client, Configuration, ObjectType, bloom, configuration, filters
from pyglobus.core.rls.databasename import is_url
from pyglobus.core.rls.feed import Feed
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


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for an index, without tables."""
    if request.param == "postgres":
        return str(request.getfixturevalue("cluster").database())
    return str(tmp_path / "index.db")


@pytest.fixture
def server(place: str) -> Iterator[Server]:
    with Server(Configuration(authentication=False, port=0, rli_server=True, rli_dbname=place)) as made:
        yield made


def block(names: list[str]) -> bytes:
    return "".join(f"{name}\0" for name in names).encode()


def bits_of(names: list[str], size: int, hashes: int) -> bytes:
    """The filter as the manual defines it, made by nothing of ours."""
    bits = bytearray(size // 8)
    for name in names:
        digest = hashlib.sha256(name.encode()).digest()
        a, b = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
        for i in range(hashes):
            at = (a + i * b) % 2**64 % size
            bits[at // 8] |= 1 << at % 8
    return bytes(bits)


NAMES = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=30)


@given(NAMES, NAMES, st.integers(1, 64), st.integers(1, 8))
@settings(deadline=None, max_examples=200)
def test_what_was_put_in_is_there(names: list[str], others: list[str], ratio: int, hashes: int) -> None:
    half = len(names) // 2
    made = bloom.build(len(names), ratio, hashes, [block(names[:half]), block(names[half:])])
    assert all(made.holds(bloom.key(name)) for name in names)
    assert made.unfit() is None
    assert made.shape.unfit() is None
    assert made.shape.names == len(names)
    assert made.bits == bits_of(names, made.shape.size, made.shape.hashes)
    for other in others:
        alone = int.from_bytes(bits_of([other], made.shape.size, made.shape.hashes), "big")
        whole = int.from_bytes(made.bits, "big")
        assert made.holds(bloom.key(other)) == (alone & whole == alone)


@pytest.mark.parametrize(("hashes", "expected"), [(7, 0.0082), (3, 0.0174)])
def test_so_many_are_said_to_be_there_that_are_not(hashes: int, expected: float) -> None:
    count, asked = 20_000, 20_000
    made = bloom.build(count, 10, hashes, [block([f"lfn{i}" for i in range(count)])])
    wrong = sum(made.holds(bloom.key(f"other{i}")) for i in range(asked)) / asked
    assert abs(wrong - expected) < 4 * math.sqrt(expected / asked)


def test_a_catalogue_sends_filters(tmp_path: Path, place: str) -> None:
    catalogue = place if is_url(place) else str(tmp_path / "catalogue.db")
    with (
        plain(tmp_path, "index", rli_server=True, rli_dbname=place) as index,
        plain(tmp_path, "other", rli_server=True) as other,
        plain(tmp_path, "one", lrc_server=True, lrc_dbname=catalogue, lrc_update_bf=1, lrc_update_retry=1) as one,
        Client(index.url) as asked,
        Client(other.url) as second,
        Client(one.url) as client,
    ):
        assert not list(client.bulk("create", ((f"run{i}", f"p{i}") for i in range(3000))))
        client.call("lrc_rli_add", index.url, "1", "")
        client.call("lrc_rli_add", other.url, "1", "")
        wait_until(lambda: known(asked, "run2999") == known(second, "run7") == [one.url])
        assert sum(bool(known(asked, f"other{i}")) for i in range(3000)) < 60
        assert asked.exists("run7", ObjectType.RLI_LFN)
        assert asked.call("rli_mapping_exists", "run7", one.url).records == [("",)]
        found = list(asked.query_index_bulk(["run7", "run8"]))
        assert found == [(0, "run7", one.url), (0, "run8", one.url)]
        with pytest.raises(errors.Unsupported, match="do not know patterns"):
            list(asked.match_index("run%"))
        assert int(asked.call("stats").records[0][11]) == 3000
        client.create("new", "p")
        wait_until(lambda: known(asked, "new") == [one.url])
        for name in ("new", "run7"):
            client.delete(name, "p" if name == "new" else "p7")
        wait_until(lambda: not known(asked, "run7"))
        info = client.call("lrc_rli_info", index.url).records[0]
        assert (info[1], info[2]) == ("1", "1")
        client.call("lrc_rli_delete", index.url, "")
        client.call("lrc_rli_add", index.url, "0", "")
        wait_until(lambda: len(list_of(asked)) == 2999)
        assert not known(asked, "run7")


def list_of(index: Client) -> list[tuple[str, str]]:
    try:
        return list(index.match_index("run%"))
    except errors.Error:
        return []


def test_names_and_filters_side_by_side(server: Server) -> None:
    with Client(server.url, page=1) as client:
        Feed(client, ONE).names(60, 2, [block(["a", "b"])])
        Feed(client, TWO).filter(60, bloom.build(1, 10, 7, [block(["a"])]))
        assert client.query_index("a") == [("a", ONE), ("a", TWO)], "in pages of one"
        assert list(client.query_index_bulk(["a", "b"])) == [(0, "a", ONE), (0, "a", TWO), (0, "b", ONE)]
        assert list(client.match_index("%")) == [("a", ONE), ("b", ONE)], "what there is of lists"
        with pytest.raises(errors.NotFound, match="has sent a filter"):
            Feed(client, TWO).changes([(True, "b")])
        Feed(client, ONE).filter(60, bloom.build(1, 10, 7, [block(["b"])]))
        Feed(client, TWO).names(60, 1, [block(["b"])])
        assert known(client, "a") == []
        assert sorted(known(client, "b")) == [ONE, TWO]


def test_servers_on_one_database_notice_what_the_others_are_sent(cluster: Cluster) -> None:
    url = cluster.database()
    chosen = Configuration(authentication=False, port=0, rli_server=True, rli_dbname=url)
    with (
        Server(chosen) as one,
        Server(chosen) as two,
        Client(one.url) as first,
        Client(two.url) as second,
    ):
        for names, after in pairwise([["a"], ["b"], ["c"]]):
            Feed(first, ONE).filter(60, bloom.build(1, 10, 7, [block(names)]))
            assert known(second, names[0]) == known(first, names[0]) == [ONE]
            assert known(second, after[0]) == []
        Feed(second, ONE).names(60, 1, [block(["c"])])
        assert known(first, "b") == []
        assert known(first, "c") == [ONE]


def test_the_form_on_the_wire(server: Server) -> None:
    """As the manual tells it, by a client that shares no code with ours."""
    names, size, hashes, piece = [f"n{i}" for i in range(200_000)], 2_000_000, 7, 73_728
    bits = bits_of(names, size, hashes)
    wire = Wire(server.url)
    code, number = wire.ask("pyglobus1_filter_begin", ONE, "60", str(hashes), str(size), "200000", "", more=1)
    assert code == "0"
    pieces = [base64.b64encode(bits[at : at + piece]) for at in range(0, len(bits), piece)]
    for first in (2, 0):
        assert wire.ask("pyglobus1_filter_pieces", ONE, number, str(first), *pieces[first : first + 2], "") == ["0"]
    assert wire.listed("rli_get_lrc", "n7", "0", "0", size=2) == ["12", "n7"], "until all has come"
    assert wire.ask("pyglobus1_filter_end", ONE, number) == ["0"]
    assert wire.listed("rli_get_lrc", "n7", "0", "0", size=2) == [["n7", ONE]]
    assert wire.listed("rli_get_lrc_bulk", "n199999", "", size=3, short=2) == [["0", "n199999", ONE]]


def test_what_is_no_filter_is_refused_and_what_was_known_stays(server: Server) -> None:
    wire = Wire(server.url)
    with Client(server.url) as client:
        Feed(client, ONE).filter(60, bloom.build(1, 10, 7, [block(["a"])]))
    for shape in (("0", "64", "1"), ("17", "64", "1"), ("7", "56", "1"), ("7", "65", "1"), ("7", "536870920", "1"),
                  ("7", "64", "65"), ("7", "x", "1"), ("7", "99999999999", "1"), ("-7", "64", "1")):  # fmt: skip
        assert wire.ask("pyglobus1_filter_begin", TWO, "60", *shape, "")[0] == "6", shape
    begin = ("pyglobus1_filter_begin", ONE, "60", "7", str(8 * 100_000), "70000", "")
    old = wire.ask(*begin, more=1)[1]
    number = wire.ask(*begin, more=1)[1]
    good = base64.b64encode(bytes(bloom.PIECE))
    assert wire.ask("pyglobus1_filter_pieces", ONE, old, "0", good, "")[0] == "16", "of an update that was overtaken"
    for first, piece in (("0", b"!" * 98304), ("0", b"AAAA"), ("1", good), ("2", good), ("999999999", good),
                         ("x", good), ("0", good[:-1]), ("0", good + b"\n"), ("0", b"=" + good)):  # fmt: skip
        assert wire.ask("pyglobus1_filter_pieces", ONE, number, first, piece, "")[0] == "6", (first, piece[:8])
    assert wire.ask("pyglobus1_filter_pieces", ONE, number, "0", good, "") == ["0"]
    assert wire.ask("pyglobus1_filter_end", ONE, number)[1] == "73728 bytes of 100000 have come"
    ones = bytes([255]) * bloom.PIECE, bytes([255]) * (100_000 - bloom.PIECE)
    pieces = [base64.b64encode(each) for each in ones]
    assert wire.ask("pyglobus1_filter_pieces", ONE, number, "0", *pieces, "") == ["0"]
    assert "more bits are set" in wire.ask("pyglobus1_filter_end", ONE, number)[1]
    number = wire.ask(*begin[:-2], "200000", "", more=1)[1]
    assert wire.ask("pyglobus1_filter_pieces", ONE, number, "0", *pieces, "") == ["0"]
    assert wire.ask("pyglobus1_filter_end", ONE, number)[1] == "more than 75% of its bits are set"
    assert wire.listed("rli_get_lrc", "a", "0", "0", size=2) == [["a", ONE]]
    assert wire.listed("rli_get_lrc", "b", "0", "0", size=2) == ["12", "b"]
    assert wire.ask("pyglobus1_update_names", ONE, number, "c", "") == ["0"], "of a list, in the same update"
    for method in ("pyglobus1_filter_pieces", "pyglobus1_filter_end"):
        rest = ("0", good, "") if method.endswith("pieces") else ()
        assert wire.ask(method, "rls://never", "1", *rest)[0] == "16"


def test_filters_are_bounded_in_all(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "MOST_BITS", 1000)
    wire = Wire(server.url)
    assert wire.ask("pyglobus1_filter_begin", ONE, "60", "7", "800", "1", "", more=1)[0] == "0"
    assert wire.ask("pyglobus1_filter_begin", ONE, "60", "7", "960", "1", "", more=1)[0] == "0", "in place of the other"
    assert wire.ask("pyglobus1_filter_begin", TWO, "60", "7", "64", "1", "")[0] == "4"


def test_an_index_of_filters_alone(tmp_path: Path) -> None:
    with plain(tmp_path, "index", rli_server=True, rli_bloomfilter=True) as index:
        wire = Wire(index.url)
        assert wire.ask("stats", more=12)[3] == str(0x2 | 0x8 | 0x40)
        assert wire.ask("pyglobus1_update_begin", ONE, "60", "1", "")[0] == "26"
        assert wire.ask("pyglobus1_filter_begin", ONE, "60", "7", "64", "1", "", more=1)[0] == "0"
        assert wire.ask("set_configuration", "rli_bloomfilter", "false") == ["0"]
        assert wire.ask("pyglobus1_update_begin", ONE, "60", "1", "", more=1)[0] == "0"


def test_an_index_keeps_filters_and_forgets_those_of_the_silent(place: str) -> None:
    chosen = Configuration(authentication=False, port=0, rli_server=True, rli_dbname=place, rli_expire_int=1)
    with Server(chosen) as server, Client(server.url) as client:
        Feed(client, ONE).filter(3600, bloom.build(1, 10, 7, [block(["a"])]))
        Feed(client, TWO).filter(1, bloom.build(1, 10, 7, [block(["a"])]))
        assert known(client, "a") == [ONE, TWO]
    with Server(chosen) as server, Client(server.url) as client:
        wait_until(lambda: known(client, "a") == [ONE])


def test_keywords(tmp_path: Path) -> None:
    path = tmp_path / "globus-rls-server.conf"
    path.write_text("update_bf_int 5\nlrc_bloomfilter_numhash 3\nlrc_bloomfilter_ratio 12\nrli_bloomfilter true\n")
    found = configuration.read(path)
    assert (found.lrc_update_bf, found.lrc_bloomfilter_numhash, found.lrc_bloomfilter_ratio) == (5, 3, 12)
    assert (found.rli_bloomfilter, found.idle) == (True, ())
    for line in ("lrc_bloomfilter_numhash 9", "lrc_bloomfilter_numhash 0", "lrc_bloomfilter_ratio 65"):
        path.write_text(line)
        with pytest.raises(errors.ConfigurationError, match="it is from 1 to"):
            configuration.read(path)

# SPDX-License-Identifier: Apache-2.0
"""Each method of the Replica Location Service over the wire, by a client that shares no code with ours; and what is no
request.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.rls import Client, Configuration, acl, configuration, patterns
from pyglobus.core.rls.feed import Feed
from pyglobus.core.rls.methods import METHODS
from pyglobus.core.rls.server import Server
from tests.pace import PROMPT
from tests.rlswire import Wire
from tests.waiting import wait_until


def configured(directory: Path, **chosen: Any) -> Configuration:
    files = {"lrc_dbname": str(directory / "lrc.db"), "rli_dbname": str(directory / "rli.db")}
    return Configuration(
        **({"authentication": False, "port": 0, "lrc_server": True, "rli_server": True} | files | chosen)
    )


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    names = {}
    if request.param == "postgres":
        names = dict.fromkeys(("lrc_dbname", "rli_dbname"), request.getfixturevalue("cluster").database())
    with Server(configured(tmp_path_factory.mktemp("rls"), **names)) as made:
        yield made


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """No connection outlives its test."""
    yield
    while Wire.made:
        Wire.made.pop().close()


@pytest.fixture
def wire(server: Server) -> Wire:
    """A connection, to a catalogue and an index that are empty."""
    with Client(server.url) as client:
        client.clear()
        for kind in (0, 1):
            for name, _ in client.call("lrc_attr_get", "", str(kind)).records:
                client.call("lrc_attr_delete", name, str(kind), "1")
        for url in {url for url, *_ in client.call("lrc_rli_list").records}:
            client.call("lrc_rli_delete", url, "")
        for url, _ in client.call("rli_sender_list").records:
            Feed(client, url).names(60, 0, [])
    made = Wire(server.url)
    assert made.welcome == "0"
    return made


def test_mappings(wire: Wire) -> None:
    assert wire.ask("lrc_create", "l0", "p0") == ["0"]
    assert wire.ask("lrc_create", "l0", "p1") == ["11", "l0"]
    assert wire.ask("lrc_add", "l0", "p1") == ["0"]
    assert wire.ask("lrc_add", "l0", "p1") == ["20", "l0,p1"]
    assert wire.ask("lrc_add", "nosuchlfn", "p1") == ["12", "nosuchlfn"]
    assert wire.listed("lrc_get_pfn", "l0", "0", "0", size=2) == [["l0", "p0"], ["l0", "p1"]]
    assert wire.listed("lrc_get_lfn", "p1", "0", "0", size=2) == [["l0", "p1"]]
    assert wire.listed("lrc_get_pfn", "nosuchlfn", "0", "0", size=2) == ["12", "nosuchlfn"]
    assert wire.listed("lrc_get_lfn", "nosuchpfn", "0", "0", size=2) == ["14", "nosuchpfn"]
    assert wire.ask("lrc_exists", "l0", "0") == ["0"]
    assert wire.ask("lrc_exists", "p0", "1") == ["0"]
    assert wire.ask("lrc_exists", "p9", "1") == ["14", "p9"]
    assert wire.ask("lrc_exists", "p9", "2") == ["24", "2"]
    assert wire.ask("lrc_mapping_exists", "l0", "p0", more=1) == ["0", ""]
    assert wire.ask("lrc_mapping_exists", "l0", "p9") == ["10", "l0,p9"]
    assert wire.ask("lrc_delete", "l0", "p9") == ["14", "p9"]
    assert wire.ask("lrc_create", "l1", "p9") == ["0"]
    assert wire.ask("lrc_delete", "l0", "p9") == ["10", "l0,p9"]
    assert wire.ask("lrc_delete", "l0", "p0") == ["0"]
    assert wire.ask("lrc_exists", "p0", "1") == ["14", "p0"], "a name vanishes with its last mapping"
    assert wire.ask("lrc_clear") == ["0"]
    assert wire.ask("lrc_exists", "l0", "0") == ["12", "l0"]


def test_bulk(wire: Wire) -> None:
    assert wire.listed("lrc_create_bulk", "a", "1", "b", "2", "a", "3", "", size=3) == [["11", "a", "3"]]
    assert wire.listed("lrc_add_bulk", "a", "2", "c", "2", "", size=3) == [["12", "c", "2"]]
    found = wire.listed("lrc_get_pfn_bulk", "a", "x", "b", "", size=3, short=2)
    assert found == [["0", "a", "1"], ["0", "a", "2"], ["12", "x"], ["0", "b", "2"]]
    assert wire.listed("lrc_get_lfn_bulk", "1", "9", "", size=3, short=2) == [["0", "a", "1"], ["14", "9"]]
    found = wire.listed("lrc_exists_bulk", "0", "a", "x", "", size=3, short=2)
    assert found == [["0", "a", ""], ["12", "x"]]
    assert wire.listed("lrc_renamelfn_bulk", "a", "z", "x", "y", "", size=3) == [["12", "x", "y"]]
    assert wire.listed("lrc_renamepfn_bulk", "1", "11", "2", "11", "", size=3) == [["13", "2", "11"]]
    assert wire.ask("lrc_renamelfn", "z", "a") == ["0"]
    assert wire.ask("lrc_renamelfn", "a", "b") == ["11", "b"]
    assert wire.ask("lrc_renamepfn", "11", "1") == ["0"]
    assert wire.listed("lrc_delete_bulk", "a", "1", "a", "9", "", size=3) == [["14", "a", "9"]]
    assert wire.listed("lrc_delete_bulk", "", size=3) == []


def test_patterns_pages_and_order(wire: Wire) -> None:
    for name in ("b1", "a_1", "a%2", "ab3", "A4"):
        wire.ask("lrc_create", name, f"p{name}")

    def names(pattern: str, offset: int = 0, limit: int = 0) -> list[str]:
        return [row[0] for row in wire.listed("lrc_get_pfn_wc", pattern, str(offset), str(limit), size=2)]

    assert names("%") == ["A4", "a%2", "a_1", "ab3", "b1"]
    assert names("*") == names("%"), "a client in Java sends what was typed"
    assert names("a\\_%") == ["a_1"]
    assert names("a\\%%") == ["a%2"]
    assert names("a_%") == ["a%2", "a_1", "ab3"]
    assert names("%3") == ["ab3"]
    assert names("%", 1, 2) == ["a%2", "a_1"]
    assert wire.end == "\x01"
    assert names("%", 3, 2) == ["ab3", "b1"]
    assert wire.end == ""
    assert names("%", 5) == []
    assert wire.listed("lrc_get_pfn_wc", "zz%", "0", "0", size=2) == ["12", "zz%"]
    assert wire.listed("lrc_get_lfn_wc", "pa%", "0", "1", size=2) == [["a%2", "pa%2"]]
    assert wire.ask("lrc_get_pfn_wc", "a\\", "0", "0")[0] == "6"
    assert wire.ask("lrc_get_pfn_wc", "", "0", "0")[0] == "6"


@pytest.mark.parametrize(
    ("shell", "like"), [("a*b?", "a%b_"), ("100%_", "100\\%\\_"), ("\\*", "*"), ("a\\\\", "a\\\\"), ("a\\", "a\\\\")]
)
def test_patterns_of_shells(shell: str, like: str) -> None:
    assert patterns.of_shell(shell) == like


VALUES = {"0": ("date", "2003-05-06 07:08:09"), "1": ("flt", "2.5"), "2": ("int", "-7"), "3": ("str", "crème brûlée")}


def test_attributes(wire: Wire) -> None:
    wire.ask("lrc_create", "l0", "p0")
    wire.ask("lrc_create", "l1", "p1")
    for valtype, (name, value) in VALUES.items():
        assert wire.ask("lrc_attr_create", name, "0", valtype) == ["0"]
        assert wire.ask("lrc_attr_create", name, "0", valtype) == ["22", name]
        assert wire.ask("lrc_attr_add", "l0", "0", valtype, name, value) == ["0"]
        assert wire.ask("lrc_attr_add", "l0", "0", valtype, name, value) == ["22", name]
        assert wire.listed("lrc_attr_value_get", "l0", name, "0", size=3) == [[name, valtype, value]]
        assert wire.ask("lrc_attr_delete", name, "0", "0") == ["30", name]
    assert wire.ask("lrc_attr_add", "l0", "0", "2", "str", "1") == ["21", "str"]
    assert wire.ask("lrc_attr_add", "l9", "0", "3", "str", "1") == ["12", "l9"]
    assert wire.ask("lrc_attr_add", "l0", "0", "3", "none", "1") == ["23", "none"]
    assert wire.ask("lrc_attr_create", "new", "0", "4") == ["21", "4"]
    assert wire.ask("lrc_attr_create", "new", "7", "1") == ["24", "7"]
    for valtype, bad in (("0", "2003-02-30 00:00:00"), ("1", "inf"), ("2", "1_0"), ("2", str(1 << 63))):
        assert wire.ask("lrc_attr_modify", "l0", VALUES[valtype][0], "0", valtype, bad)[0] == "6"
    assert wire.ask("lrc_attr_modify", "l0", "date", "0", "0", "20040102030405") == ["0"]
    assert wire.listed("lrc_attr_value_get", "l0", "date", "0", size=3) == [["date", "0", "2004-01-02 03:04:05"]]
    assert len(wire.listed("lrc_attr_value_get", "l0", "", "0", size=3)) == 4
    assert [row[0] for row in wire.listed("lrc_attr_get", "", "0", size=2)] == ["date", "flt", "int", "str"]
    assert wire.listed("lrc_attr_get", "int", "0", "0", "0", size=2) == [["int", "2"]], "as the Java client sends it"
    assert wire.listed("lrc_attr_get", "none", "0", size=2) == ["23", "none"]
    added = wire.listed("lrc_attr_add_bulk", "l1", "0", "2", "int", "9", "lx", "0", "2", "int", "9", "", size=3)
    assert added == [["12", "lx", "int"]]
    found = wire.listed("lrc_attr_value_get_bulk", "int", "0", "l0", "l1", "lx", "", size=5, short=3)
    assert found == [["0", "l0", "int", "2", "-7"], ["0", "l1", "int", "2", "9"], ["12", "lx", "int"]]
    removed = wire.listed("lrc_attr_remove_bulk", "l1", "0", "int", "l1", "0", "str", "", size=3)
    assert removed == [["23", "l1", "str"]]
    assert wire.ask("lrc_attr_remove", "l0", "int", "0") == ["0"]
    assert wire.listed("lrc_attr_value_get", "l0", "int", "0", size=3) == ["23", "int"]
    assert wire.ask("lrc_attr_delete", "str", "0", "1") == ["0"]
    assert wire.ask("lrc_delete", "l0", "p0") == ["0"]
    assert wire.ask("lrc_attr_delete", "date", "0", "0") == ["0"], "values go with the name"


def test_search(wire: Wire) -> None:
    wire.ask("lrc_attr_create", "size", "1", "2")
    wire.ask("lrc_attr_create", "kind", "1", "3")
    for size in range(5):
        wire.ask("lrc_create", f"l{size}", f"p{size}")
        wire.ask("lrc_attr_add", f"p{size}", "1", "2", "size", str(size * 10))
        wire.ask("lrc_attr_add", f"p{size}", "1", "3", "kind", f"run{size}")

    def found(operator: int, first: str = "", second: str = "", name: str = "size") -> list[str]:
        rows = wire.listed("lrc_attr_search", name, "1", str(operator), first, second, "0", "0", size=3)
        return [row[0] for row in rows]

    assert found(0) == ["p0", "p1", "p2", "p3", "p4"]
    assert found(1, "20") == ["p2"]
    assert found(2, "20") == ["p0", "p1", "p3", "p4"]
    assert found(3, "20") == ["p3", "p4"]
    assert found(4, "20") == ["p2", "p3", "p4"]
    assert found(5, "20") == ["p0", "p1"]
    assert found(6, "20") == ["p0", "p1", "p2"]
    assert found(7, "10", "30") == ["p1", "p2", "p3"]
    assert found(8, "run%", name="kind") == ["p0", "p1", "p2", "p3", "p4"]
    assert found(1, "99") == ["2", "s"], "29, and the name"
    assert found(8, "1%") == ["2", "l"], "25: like is for strings"
    assert found(9, "1") == ["2", "9"]
    assert found(1, "x")[0] == "6"


def test_list_of_indexes(wire: Wire) -> None:
    url = "rlsn://localhost:1"
    assert wire.ask("lrc_rli_add", url, "0", "") == ["0"]
    assert wire.ask("lrc_rli_add", url, "0", "") == ["18", url]
    assert wire.listed("lrc_rli_get_part", "", "", size=2) == [[url, ""]]
    assert wire.ask("lrc_rli_add", url, "0", "run*") == ["0"]
    assert wire.ask("lrc_rli_add", url, "0", "run*") == ["18", url]
    assert wire.listed("lrc_rli_get_part", url, "run*", size=2) == [[url, "run*"]]
    info = wire.ask("lrc_rli_info", url, more=4)
    assert (info[:2], info[3]) == (["0", url], "0")
    assert [row[0] for row in wire.listed("lrc_rli_list", size=4)] == [url]
    assert wire.ask("lrc_rli_delete", url, "foo") == ["19", f"{url}: foo"]
    assert wire.ask("lrc_rli_delete", url, "run*") == ["0"]
    assert wire.ask("lrc_rli_delete", url, "") == ["0"]
    assert wire.ask("lrc_rli_delete", url, "") == ["19", url]
    assert wire.ask("lrc_rli_info", url) == ["19", url]
    assert wire.ask("lrc_rli_add", "foo", "0", "")[0] == "3"
    assert wire.ask("lrc_rli_add", url, "2", "")[0] == "6"
    assert wire.ask("lrc_rli_add", url, "1", "run*")[0] == "6", "a filter is of all names"
    assert wire.ask("lrc_rli_add", url, "1", "") == ["0"]
    assert wire.ask("lrc_rli_add", url, "0", "run*")[0] == "6"
    assert wire.ask("lrc_rli_info", url, more=4)[2:] == ["300", "1", "0"]


def test_index(wire: Wire) -> None:
    one, two = "rls://one.example.org", "rls://two.example.org"
    for lrc in (one, two):
        code, number = wire.ask("pyglobus1_update_begin", lrc, "60", "2", "", more=1)
        assert code == "0"
        assert wire.ask("pyglobus1_update_names", lrc, number, "a", f"only-{lrc[6:9]}", "") == ["0"]
        assert wire.ask("pyglobus1_update_end", lrc, number) == ["0"]
    assert wire.listed("rli_get_lrc", "a", "0", "0", size=2) == [["a", one], ["a", two]]
    assert wire.listed("rli_get_lrc", "b", "0", "0", size=2) == ["12", "b"]
    assert wire.listed("rli_get_lrc_wc", "only%", "0", "0", size=2) == [["only-one", one], ["only-two", two]]
    assert wire.listed("rli_get_lrc_bulk", "only-one", "b", "", size=3, short=2) == [
        ["0", "only-one", one],
        ["12", "b"],
    ]
    assert wire.ask("rli_exists", "a", "2") == ["0"]
    assert wire.ask("rli_exists", "rls://three", "3") == ["16", "rls://three"]
    assert wire.listed("rli_exists_bulk", "2", "a", "b", "", size=2) == [["0", "a"], ["12", "b"]]
    assert wire.ask("rli_mapping_exists", "a", one, more=1) == ["0", ""]
    assert wire.ask("rli_mapping_exists", "only-two", one) == ["10", f"only-two,{one}"]
    assert {row[0] for row in wire.listed("rli_sender_list", size=2)} >= {one, two}
    assert wire.listed("rli_lrc_list", size=2) == wire.listed("rli_sender_list", size=2)
    assert wire.ask("pyglobus1_update_changes", one, "", "+", "new", "-", "a", "") == ["0"]
    assert wire.listed("rli_get_lrc", "a", "0", "0", size=2) == [["a", two]]
    assert wire.listed("rli_get_lrc", "new", "0", "0", size=2) == [["new", one]]
    number = wire.ask("pyglobus1_update_begin", one, "60", "1", "", more=1)[1]
    wire.ask("pyglobus1_update_names", one, number, "a", "")
    assert wire.listed("rli_get_lrc", "new", "0", "0", size=2) == [["new", one]], "until all has come"
    assert wire.ask("pyglobus1_update_end", one, str(int(number) - 1))[0] == "16", "not of this update"
    wire.ask("pyglobus1_update_end", one, number)
    assert wire.listed("rli_get_lrc", "new", "0", "0", size=2) == ["12", "new"]
    assert wire.ask("pyglobus1_update_end", "rls://never.example.org", "1")[0] == "16"


def test_server(wire: Wire, server: Server) -> None:
    assert wire.ask("admin", "0") == ["0"]
    assert wire.ask("admin", "9") == ["6", "9"]
    assert wire.ask("pyglobus1_protect")[0] == "26", "there is no login that could"
    stats = wire.ask("stats", more=12)
    assert stats[3:6] == [str(0x7F), "300", "86400"]
    names = [row[0] for row in wire.listed("get_configuration", "all", size=2)]
    assert {"port", "result_limit", "lrc_update_ll"} <= set(names)
    assert wire.listed("get_configuration", "timeout", size=2) == [["timeout", "30"]]
    assert wire.listed("get_configuration", "nothing", size=2) == ["6", "nothing"]
    assert wire.ask("set_configuration", "result_limit", "2") == ["0"]
    try:
        for number in range(3):
            wire.ask("lrc_create", f"l{number}", "p")
        assert len(wire.listed("lrc_get_lfn", "p", "0", "0", size=2)) == 2
        assert wire.end == "\x01"
        assert wire.ask("lrc_get_lfn", "p", "0", "3")[0] == "6"
        with Client(server.url) as client:
            assert len(client.query("p", "pfn")) == 3, "ours asks on"
    finally:
        wire.ask("set_configuration", "result_limit", "0")
    assert wire.ask("set_configuration", "port", "1")[0] == "26"
    assert wire.ask("set_configuration", "result_limit", "x")[0] == "6"
    wire.send("close")
    assert wire.at_end()


def test_every_method_is_asked_here() -> None:
    files = (Path(__file__).with_name(f"test_rls_{part}.py") for part in ("wire", "bloom", "passing"))
    said = "".join(path.read_text() for path in files)
    assert not [name for name in METHODS if f'"{name.decode()}"' not in said]


def test_names_of_all_kinds(wire: Wire) -> None:
    for name in ("naïve ☃", " ", "a'b\"c\\", "x" * 2048, "'; DROP TABLE t_lfn; --", "a\nb", "0"):
        assert wire.ask("lrc_create", name, name) == ["0"]
        assert wire.listed("lrc_get_pfn", name, "0", "0", size=2) == [[name, name]]
        assert wire.ask("lrc_delete", name, name) == ["0"]
    for bad in ("", "\x01", "x" * 2049, "x" * 65536, b"\xff\xfe"):
        assert wire.ask("lrc_create", bad, "p")[0] == "6"
        assert wire.ask("lrc_create", "l", bad)[0] == "6"
    assert wire.ask("lrc_exists", "l", "0") == ["12", "l"]


def test_numbers_that_are_not(wire: Wire) -> None:
    for bad in ("x", "-1", "1e3", "٣", "9" * 40, ""):
        assert wire.ask("lrc_get_pfn_wc", "%", bad, "0")[0] == "6"
    assert wire.ask("lrc_exists", "l", "x")[0] == "6"


# What is no request --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0",
        b"\0" * 100_000,
        b"no_such_method\0a\0b\0",
        b"\xff" * 1000 + b"\0",
    ],
)
def test_garbage_is_refused_and_ends_the_connection(wire: Wire, data: bytes) -> None:
    wire.socket.sendall(data)
    assert wire.string() == "8"
    assert wire.at_end()


def test_a_string_without_end_is_refused(wire: Wire) -> None:
    piece = b"x" * (1 << 20)
    wire.send("lrc_create")
    with pytest.raises(ConnectionError):  # long before the hundred megabytes are through
        for _ in range(100):
            wire.socket.sendall(piece)


def test_a_bulk_without_end_is_refused(wire: Wire) -> None:
    wire.send("lrc_create_bulk")
    with pytest.raises(ConnectionError):
        for _ in range(100):
            wire.socket.sendall(b"a\0b\0" * 100_000)


def test_requests_in_pieces_and_together(wire: Wire) -> None:
    for byte in b"lrc_create\0l\0p\0":
        wire.socket.sendall(bytes([byte]))
    assert wire.string() == "0"
    wire.socket.sendall(b"lrc_exists\0l\x000\0lrc_add\0l\0q\0lrc_mapping_exists\0l\0q\0lrc_delete\0l\0p\0")
    assert wire.strings(5) == ["0", "0", "0", "", "0"]


def test_gone_in_the_middle(wire: Wire, server: Server) -> None:
    with Client(server.url) as client:
        assert not list(client.bulk("create", ((f"l{i}", f"p{i}" * 50) for i in range(5000))))
    for data in (b"lrc_get_pfn_wc\0%\x000\x000\0", b"lrc_create\0half", b"lrc_create\0whole\0p\0"):
        for _ in range(5):
            other = Wire(server.url)
            other.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.socket.sendall(data)
            other.close()
    assert wire.ask("lrc_exists", "half", "0") == ["12", "half"]
    wait_until(lambda: wire.ask("lrc_exists", "whole", "0") == ["0"])


# Around the requests -------------------------------------------------------------------------------------------------


def test_too_many_and_too_silent(tmp_path: Path) -> None:
    with Server(configured(tmp_path, maxconnections=2, timeout=0, idletimeout=0)) as server:
        first, second = Wire(server.url), Wire(server.url)
        third = Wire(server.url)
        assert (third.welcome, third.string()) == ("28", "")
        with pytest.raises(errors.TransientError, match="Too many connections"):
            Client(server.url)
        first.socket.sendall(b"lrc_create\0half")
        server.reload(configured(tmp_path, maxconnections=2, timeout=1, idletimeout=1))
        assert first.at_end()
        assert second.at_end()
        assert Wire(server.url).welcome == "0"


def test_what_a_server_is_not(tmp_path: Path) -> None:
    with Server(configured(tmp_path, rli_server=False)) as server:
        wire = Wire(server.url)
        assert wire.ask("rli_get_lrc", "a", "0", "0") == ["9", "rli_get_lrc"]
    with pytest.raises(errors.ConfigurationError):
        Server(configured(tmp_path, rli_server=False, lrc_server=False))


def test_access_list(tmp_path: Path) -> None:
    rules = (acl.parse("/O=Grid/.*: all"), acl.parse(".*: lrc_read, stats"))
    with Server(configured(tmp_path, acl=rules)) as server:
        wire = Wire(server.url)
        assert wire.ask("lrc_exists", "a", "0") == ["12", "a"]
        assert wire.ask("lrc_create", "a", "b") == ["7", "lrc_create"]
        assert wire.ask("admin", "1") == ["7", "admin"]
        with Client(server.url) as client, pytest.raises(PermissionError, match="Permission denied"):
            client.clear()
        server.reload(configured(tmp_path, acl=(acl.parse(".*: all"),)))
        wait_until(lambda: wire.ask("lrc_create", "a", "b") in (["0"], ["11", "a"]))


def test_rules_fit_whole_names() -> None:
    rules = [acl.parse('"/O=Grid/CN=Ada": all'), acl.parse("ada: lrc_read"), acl.parse("/O=Grid/CN=Bob: stats")]
    judge = acl.permissions
    nobody: dict[str, Any] = {"own": "/O=Grid/CN=Host", "account": lambda _: None}
    assert judge(rules, "/O=Grid/CN=Ada", **nobody) == acl.ALL
    assert judge(rules, "/O=Grid/CN=Ada2", **nobody) == acl.NONE
    assert {each.value for each in judge(rules, "/x", own=None, account=lambda _: "ada")} == {"lrc_read"}
    assert judge([], "/O=Grid/CN=Host", **nobody) == acl.ALL
    assert judge([], "/O=Grid/CN=Ada", **nobody) == acl.NONE
    for bad in ("nothing", "(: all", "x: everything", "x:"):
        with pytest.raises(errors.ConfigurationError):
            acl.parse(bad)


def test_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / "globus-rls-server.conf"
    path.write_text("# a comment\nacl .*: all\nlrc_server\ttrue\n\nupdate_ll_int 60\nmaxthreads 30\nport 1234\n")
    found = configuration.read(path)
    assert (found.lrc_server, found.lrc_update_ll, found.port, found.idle) == (True, 60, 1234, ("maxthreads",))
    assert len(found.acl) == 1
    for line in ("lrc_sever true", "port many", "lrc_server maybe", "lrc_dbname", "acl x"):
        path.write_text(f"\n{line}\n")
        with pytest.raises(errors.ConfigurationError) as caught:
            configuration.read(path)
        if line.startswith("lrc_sever"):
            assert caught.value.hint == "did you mean lrc_server?"
            assert f"{path}:2" in str(caught.value)


def test_a_slow_scan_stops_nobody(server: Server, wire: Wire) -> None:
    with Client(server.url) as client:
        assert not list(client.bulk("create", ((f"scan{i}", "p") for i in range(20_000))))
    slow = [Wire(server.url) for _ in range(3)]
    for each in slow:
        each.send("lrc_get_pfn_wc", "%x%", "0", "0", "lrc_get_lfn", "p", "0", "0")  # and does not read it
    for _ in range(50):
        assert wire.ask("lrc_exists", "scan1", "0") == ["0"]


def test_a_database_that_is_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyglobus.core.rls.sqlite._BUSY", 0.05)
    with Server(configured(tmp_path)) as server:
        wire = Wire(server.url)
        other = sqlite3.connect(tmp_path / "lrc.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert wire.ask("lrc_create", "a", "b")[0] == "17"
        assert wire.ask("lrc_exists", "a", "0") == ["12", "a"]
        other.execute("ROLLBACK")
        other.close()
        assert wire.ask("lrc_create", "a", "b") == ["0"]


def test_many_write_at_once_and_all_is_kept(tmp_path: Path) -> None:
    def write(server: Server, number: int) -> None:
        with Client(server.url) as client:
            for i in range(50):
                client.create(f"l{number}-{i}", "p")

    with Server(configured(tmp_path)) as server:
        threads = [threading.Thread(target=write, args=(server, number)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(PROMPT * 6)
    with Server(configured(tmp_path)) as server, Client(server.url) as client:
        assert len(client.query("p", "pfn")) == 400


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "lrc.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(errors.ConfigurationError, match="version 99"):
        Server(configured(tmp_path)).start()
    (tmp_path / "lrc.db").write_bytes(b"no database" * 100)
    with pytest.raises(errors.ConfigurationError):
        Server(configured(tmp_path)).start()

# SPDX-License-Identifier: Apache-2.0
"""What the browser stands on, without a terminal: addresses, orders and marks, readings in the background, settings."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

import pytest

from pyglobus.cli.browse import keys
from pyglobus.core import errors, sync
from pyglobus.core.browse import address, facts, settings
from pyglobus.core.browse.listing import Batch, Reader, list_here
from pyglobus.core.browse.view import FEW, Order, View, Wish
from pyglobus.core.options import Options
from pyglobus.core.pool import Pool
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.tree import Entry
from pyglobus.core.url import parse
from tests.stalling import Stalling

HOME = "gsiftp://dtn.example.org/~/data/"


@pytest.mark.parametrize(
    ("typed", "base", "expected"),
    [
        ("/data", HOME, "/data/"),
        ("sub/deeper", HOME, f"{HOME}sub/deeper/"),
        ("..", HOME, "gsiftp://dtn.example.org/~/"),
        ("../../..", HOME, "gsiftp://dtn.example.org/"),
        ("", HOME, HOME),
        ("gsiftp://other.example.org", HOME, "gsiftp://other.example.org/"),
        ("ftp://ada@other.example.org:2121/a//b/./c/", "/tmp/", "ftp://ada@other.example.org:2121/a/b/c/"),
        ("x*", "/tmp/", "/tmp/x*/"),
    ],
)
def test_what_is_typed_is_a_place(typed: str, base: str, expected: str) -> None:
    found = address.directory(typed, parse(base))
    assert (str(found), found.pattern) == (expected, None)


def test_a_file_stands_for_its_directory_and_the_web_for_none(tmp_path: Path) -> None:
    (tmp_path / "run7.h5").touch()
    assert address.directory(str(tmp_path / "run7.h5")).path == f"{tmp_path}/"
    with pytest.raises(errors.Unsupported, match="have no directories"):
        address.directory("https://www.example.org/")
    assert address.above(parse("/")) is None
    with pytest.raises(errors.UsageError):
        address.inside(parse("/tmp/"), "..")


def entries() -> list[Entry]:
    return [
        Entry("b.txt", False, 10, 300.0),
        Entry("A.h5", False, 30, 100.0),
        Entry("c.H5", False, 20, 200.0),
        Entry("dir", True, None, 50.0),
        Entry(".hidden", False, 5, 1.0),
    ]


def names(view: View) -> list[str]:
    return [view[row].name for row in range(len(view))]


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), ["dir", "A.h5", "b.txt", "c.H5"]),
        (Wish(Order("name", True)), ["dir", "c.H5", "b.txt", "A.h5"]),
        (Wish(Order("size")), ["dir", "A.h5", "c.H5", "b.txt"]),
        (Wish(Order("time", True)), ["dir", "A.h5", "c.H5", "b.txt"]),
        (Wish(Order("kind")), ["dir", "A.h5", "c.H5", "b.txt"]),
        (Wish(hidden=True), ["dir", ".hidden", "A.h5", "b.txt", "c.H5"]),
        (Wish(filter="h5"), ["A.h5", "c.H5"]),
        (Wish(filter="H5"), ["c.H5"]),
        (Wish(filter="hidden"), []),
    ],
)
def test_orders_and_filters(wish: Wish, expected: list[str]) -> None:
    view = View(up=True)
    view.add(entries()[:2])
    view.add(entries()[1:])
    view.ask(wish)
    assert names(view) == ["..", *expected]
    assert [view.row(name) for name in expected] == list(range(1, len(expected) + 1))


def test_marks_are_of_what_is_shown_and_stay_with_their_names() -> None:
    view = View(up=True)
    view.add(entries())
    assert view.mark_pattern("*.h5") == 2
    assert view.mark_pattern("*.H5", on=False) == 1
    view.mark(["..", "nothing", "b.txt"])
    assert [entry.name for entry in view.chosen(0)] == ["A.h5", "b.txt"]
    assert view.marked_size() == (2, 40)
    view.invert()
    assert view.marked == {"dir", "c.H5"}
    view.keep_marks(["dir", "gone"])
    assert view.marked == {"dir"}
    view.mark(["dir"], on=False)
    assert [entry.name for entry in view.chosen(1)] == ["dir"]
    assert view.chosen(0) == []


def test_many_entries_are_arranged_elsewhere() -> None:
    many = [Entry(f"{number * 7919 % 50_000:05d}", number % 9 == 0, number, 1.0) for number in range(50_000)]
    view = View()
    view.add(many[: FEW + 1])
    assert view.stale
    assert len(view) == 0
    make = view.prepare(many[1].name)
    view.add(many[FEW + 1 :])
    made = make()
    view.adopt(made)
    assert made.at is not None
    assert view[made.at] is many[1]
    assert len(view) == FEW + 1
    assert view.stale
    view.adopt(view.prepare()())
    assert not view.stale
    assert names(view) == [entry.name for entry in sorted(many, key=lambda one: (not one.directory, one.name))]


def reading(reader: Reader, place: str) -> queue.SimpleQueue[Batch]:
    told: queue.SimpleQueue[Batch] = queue.SimpleQueue()
    reader.read(parse(place), told.put)
    return told


def rest(told: queue.SimpleQueue[Batch]) -> tuple[list[str], errors.Error | None]:
    found: list[str] = []
    while True:
        batch = told.get(timeout=30)
        found += [entry.name for entry in batch.entries]
        if batch.complete:
            return sorted(found), batch.error


@pytest.mark.parametrize("scheme", ["file", "gsiftp", "ftp"])
def test_a_directory_is_read_and_read_again(scheme: str, grid: Sandbox, served: Path, as_user: None) -> None:
    (served / "one").touch()
    (served / "dir").mkdir()
    place = {"file": str(served), "gsiftp": grid.gsiftp_url(served), "ftp": grid.ftp_url(served)}[scheme] + "/"
    reader = Reader(Pool(2))
    assert rest(reading(reader, place)) == (["dir", "one"], None)
    (served / "two").touch()
    assert rest(reading(reader, place)) == (["dir", "one", "two"], None)
    found, error = rest(reading(reader, place + "nowhere/"))
    assert not found
    assert isinstance(error, errors.NotFound)


def test_a_silent_server_is_left_at_once(grid: Sandbox, served: Path, as_user: None) -> None:
    """Nobody waits for it: neither who asks for another place, nor the other pane."""
    (served / "one").touch()
    pool = Pool(2)
    here, there = Reader(pool), Reader(pool)
    port = parse(grid.gsiftp_url()).port
    with Stalling(port, 1) as stalling:
        told = reading(here, f"gsiftp://localhost:{stalling.port}{served}/")
        assert stalling.silent.wait(20)
        assert rest(reading(there, grid.gsiftp_url(served) + "/")) == (["one"], None)
        begun = time.monotonic()
        assert rest(reading(here, f"{served}/")) == (["one"], None)
        assert time.monotonic() - begun < 5
        assert told.empty()
        for thread in threading.enumerate():
            if thread.name == "browse-listing":
                thread.join(20)
                assert not thread.is_alive()


def test_links_that_lead_nowhere_are_seen_here(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    assert [(entry.name, entry.link, entry.directory) for entry in list_here(str(tmp_path))] == [
        ("broken", True, False)
    ]


def test_facts_and_checksums_are_the_same_at_both_ends(grid: Sandbox, served: Path, as_user: None) -> None:
    (served / "data").write_bytes(b"hello world\n")
    (served / "data").chmod(0o604)
    told = []
    with Pool(1).session() as session:
        for url in (parse(str(served / "data")), parse(grid.gsiftp_url(served / "data"))):
            known = dict(facts.facts(session, Options(), url))
            assert "0604" in known["mode"]
            told.append((known["size"], known["changed"], sync.digest(session, Options(), url, "source", 12)))
            assert known["owner"].split()[0] == (served / "data").owner()
    assert told[0] == told[1]
    assert told[0][2] == "6f5902ac237024bdd0c176cb93063dc4"


ACTIONS = [action.name for action in keys.ACTIONS]


def test_settings_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings.read(ACTIONS) == settings.Settings()
    (tmp_path / "pyglobus").mkdir()
    file = tmp_path / "pyglobus" / "config.toml"
    file.write_text('[browse]\ntheme = "light"\nhidden = true\n[browse.keys]\nhelp = "f1, ctrl+g"\n')
    found = settings.read(ACTIONS)
    assert found == settings.Settings("light", True, 2, {"help": "f1,ctrl+g"})
    assert {action.name: action.keys for action in keys.bound(found.keys)}["help"] == "f1,ctrl+g"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[browse", ""),
        ("browse = 1", "browse"),
        ('[browse]\ntheme = "pink"', "browse.theme"),
        ("[browse]\ntransfers = 0", "browse.transfers"),
        ("[browse]\ncolour = 1", "browse.colour"),
        ('[browse.keys]\nfly = "f5"', "browse.keys.fly"),
        ("[browse.keys]\nhelp = 5", "browse.keys.help"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    text: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pyglobus").mkdir()
    (tmp_path / "pyglobus" / "config.toml").write_text(text)
    with pytest.raises(errors.ConfigurationError) as caught:
        settings.read(ACTIONS)
    assert where in str(caught.value)


def test_no_key_does_two_things() -> None:
    taken = [key for action in keys.ACTIONS for key in action.keys.split(",")]
    assert sorted(taken) == sorted(set(taken))

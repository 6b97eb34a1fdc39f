# SPDX-License-Identifier: Apache-2.0
"""Directories are listed ahead, each as it is; a comparison makes nothing that is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.lister import Lister
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.session import Session
from pyglobus.core.url import Url, parse
from tests.conftest import CommandRunner


@pytest.fixture
def tree(grid: Sandbox, served: Path) -> Url:
    for directory, count in (("a", 3), ("b", 0), ("c", 1500)):
        (served / directory).mkdir()
        for number in range(count):
            (served / directory / f"{directory}{number}").write_bytes(b"x" * (number % 7))
    return parse(grid.ftp_url(served) + "/")


@pytest.fixture
def lister() -> Iterator[Lister]:
    with Session() as session:
        yield Lister(session, Options(reuse_data=True), "source")


def sizes(lister: Lister, directory: Url) -> dict[str, int | None]:
    return {entry.name: entry.size for entry in lister.entries(directory)}


def of(directory: str, count: int) -> dict[str, int]:
    return {f"{directory}{number}": number % 7 for number in range(count)}


def test_what_is_expected_comes(lister: Lister, tree: Url) -> None:
    a, b, c = (tree.join(f"{name}/") for name in "abc")
    for directory in (a, b, b):
        lister.expect(directory)
    assert sizes(lister, a) == of("a", 3)
    lister.expect(c)
    assert sizes(lister, b) == {}
    assert sizes(lister, c) == of("c", 1500)
    assert sizes(lister, a) == of("a", 3)


def test_the_next_one_begins_while_one_is_read(lister: Lister, tree: Url) -> None:
    reading = lister.entries(tree.join("a/"))
    first = next(reading)
    lister.expect(tree.join("c/"))
    assert {first.name, *(entry.name for entry in reading)} == set(of("a", 3))
    assert sizes(lister, tree.join("c/")) == of("c", 1500)


def test_something_else_is_wanted_after_all(lister: Lister, tree: Url) -> None:
    lister.expect(tree.join("c/"))
    assert sizes(lister, tree.join("a/")) == of("a", 3)
    lister.expect(tree.join("c/"))
    assert lister.identity(tree.join("a/")) is not None
    assert sizes(lister, tree.join("c/")) == of("c", 1500)


def test_what_is_not_there_spoils_nothing(lister: Lister, tree: Url) -> None:
    lister.expect(tree.join("none/"))
    lister.expect(tree.join("a/"))
    with pytest.raises(errors.NotFound):
        sizes(lister, tree.join("none/"))
    assert sizes(lister, tree.join("a/")) == of("a", 3)


@pytest.mark.parametrize("way", ["put", "get"])
def test_a_comparison_makes_what_is_missing_alone(
    grid: Sandbox, copy: CommandRunner, served: Path, tmp_path: Path, way: str
) -> None:
    here, there = tmp_path / "here", served / "there"
    old, new = (here, there) if way == "put" else (there, here)
    for name in ("top", "a/file", "a/b/file", "a/b/c/file", "d/e/file", "z/file"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(name)
    (old / "empty").mkdir()
    ends = [f"{here}/", f"{grid.gsiftp_url(there)}/"]
    words = ["-r", "-cd", "-sync", *(ends if way == "put" else reversed(ends))]
    copy(*words)
    files = {path.relative_to(old): path.is_file() and path.read_bytes() for path in old.rglob("*")}
    assert {path.relative_to(new): path.is_file() and path.read_bytes() for path in new.rglob("*")} == files
    (old / "a/b/new").mkdir()
    (old / "a/b/new/file").write_text("more")
    (old / "d/e/file").write_text("another")
    (new / "extra").mkdir()
    made = {line for line in copy(*words, "-dbg").stderr.splitlines() if line.startswith("MKD ")}
    assert made == ({f"MKD {there}/", f"MKD {there}/a/b/new/"} if way == "put" else set())
    assert (new / "a/b/new/file").read_text() == "more"
    assert (new / "d/e/file").read_text() == "another"
    assert copy(*words, "-dbg").stderr.count("\nSTOR ") == 0

# SPDX-License-Identifier: Apache-2.0
"""-sync --delete: the destination becomes like the source, and nothing else is ever touched."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.mirror import Doomed, Mirror, delete
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.session import Session
from pyglobus.core.url import parse
from tests.misbehaving import Faults, Server

Copy = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass
class Pair:
    """A source with a file and a directory, a destination with more, and their URLs."""

    source: Path
    destination: Path
    words: list[str]

    def run(self, copy: Copy, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = copy("-r", "-sync", "-cd", *options, *self.words, check=False)
        assert done.returncode == status, done.stderr
        return done

    @property
    def names(self) -> set[str]:
        return {str(path.relative_to(self.destination)) for path in self.destination.rglob("*")}


WHOLE = {"kept", "in", "in/kept"}
EXTRA = {"extra", "in/extra", "in/deep", "in/deep/er", "in/deep/er/file", "in/deep/empty"}


@pytest.fixture(params=["here", "there"])
def pair(request: pytest.FixtureRequest, grid: Sandbox, served: Path, tmp_path: Path) -> Pair:
    there = request.param == "there"
    source, destination = tmp_path / "source", (served if there else tmp_path) / "copy"
    for top, names in ((source, WHOLE), (destination, WHOLE | EXTRA)):
        for name in sorted(names):
            if name.rsplit("/")[-1] in ("in", "deep", "er", "empty"):
                (top / name).mkdir(parents=True)
            else:
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_bytes(b"old")
    if there and os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"--reference={served}", str(destination)], check=True)
    url = grid.gsiftp_url(destination) if there else str(destination)
    return Pair(source, destination, [f"{source}/", f"{url}/"])


def test_deletes_what_the_source_has_not(pair: Pair, copy: Copy) -> None:
    (pair.source / "new").write_bytes(b"new")
    done = pair.run(copy, "--delete", "-v")
    assert pair.names == WHOLE | {"new"}
    assert "6 deleted" in done.stderr


def test_rehearsal_deletes_nothing(pair: Pair, copy: Copy) -> None:
    (pair.source / "new").write_bytes(b"new")
    done = pair.run(copy, "--delete", "--dry-run", "--format", "jsonl")
    assert pair.names == WHOLE | EXTRA
    told = [json.loads(line) for line in done.stdout.splitlines()]
    gone = [record["destination"].rstrip("/").partition("/copy/")[2] for record in told if record["type"] == "deleted"]
    assert set(gone) == EXTRA
    assert gone.index("in/deep/er/file") < gone.index("in/deep/er") < gone.index("in/deep")
    assert [record["destination"][-4:] for record in told if record["type"] == "copy"] == ["/new"]
    summary = told[-1]
    assert (summary["files"], summary["deleted"], summary["dry_run"]) == (1, 6, True)


def test_without_delete_nothing_goes(pair: Pair, copy: Copy) -> None:
    pair.run(copy)
    assert pair.names == WHOLE | EXTRA


def test_directories_stay_without_r(pair: Pair, copy: Copy) -> None:
    copy("-sync", "--delete", *pair.words)
    assert pair.names == WHOLE | EXTRA - {"extra"}


def test_more_than_may_go(pair: Pair, copy: Copy) -> None:
    done = pair.run(copy, "--delete", "--max-delete", "5", status=1)
    assert "6 names would go; --max-delete allows 5" in done.stderr
    assert pair.names == WHOLE | EXTRA
    pair.run(copy, "--delete", "--max-delete", "6")
    assert pair.names == WHOLE


def test_empty_source(pair: Pair, copy: Copy) -> None:
    subprocess.run(["find", str(pair.source), "-mindepth", "1", "-delete"], check=True)
    done = pair.run(copy, "--delete", status=1)
    assert "the source is empty" in done.stderr
    assert pair.names == WHOLE | EXTRA
    pair.run(copy, "--delete", "--max-delete", "100")
    assert pair.names == set()


def test_nothing_goes_after_a_failure(pair: Pair, copy: Copy) -> None:
    """A file that cannot be copied, since a directory has its name."""
    (pair.source / "extra").mkdir()
    (pair.source / "extra" / "file").write_bytes(b"x")
    done = pair.run(copy, "--delete", "-c", status=3)
    assert "nothing was deleted" in done.stderr
    assert pair.names >= WHOLE | EXTRA


def test_name_that_is_not_copied_is_a_name(pair: Pair, copy: Copy) -> None:
    """A link that leads nowhere is not copied; what has its name is not extra all the same."""
    (pair.source / "extra").symlink_to("nowhere")
    pair.run(copy, "--delete")
    assert pair.names == WHOLE | {"extra"}


def test_temporary_names_count_in_the_end(pair: Pair, as_user: None) -> None:
    """A file that is on its way while its directory is compared is none of what the source has not."""
    arriving, left = (pair.destination / f".new.{salt}.part" for salt in ("0123abcd", "4567cdef"))
    for path in (arriving, left):
        path.write_bytes(b"new")
    url, options = parse(pair.words[1]), Options()
    with Session() as session:
        mirror = Mirror()
        mirror.compare(session, options, url, {"kept", "in", "new"}, top=True, recursive=True)
        arriving.rename(pair.destination / "new")
        assert {each.url.name for each in mirror.doomed(session, options)} == {"extra", left.name}
        delete(session, options, Doomed(url.join("gone by itself"), False, None))


def test_links_are_deleted_and_not_followed(pair: Pair, copy: Copy) -> None:
    outside = pair.destination.parent / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    (outside / "precious").write_bytes(b"x")
    (pair.destination / "link").symlink_to(outside)
    (pair.destination / "in" / "deep" / "link").symlink_to(outside)
    (pair.destination / "in" / "file link").symlink_to(outside / "precious")
    pair.run(copy, "--delete")
    assert pair.names == WHOLE
    assert (outside / "precious").read_bytes() == b"x"


def test_nothing_is_deleted_beyond_a_link(pair: Pair, copy: Copy) -> None:
    """A directory of the mirror is a link to elsewhere: what is copied goes there, and what is there stays."""
    outside = pair.destination.parent / "outside"
    (pair.destination / "in").rename(outside)
    (pair.destination / "in").symlink_to(outside)
    (pair.source / "in" / "deep").mkdir()
    pair.run(copy, "--delete")
    assert (outside / "extra").exists()
    assert (outside / "deep" / "er" / "file").exists()
    assert not (pair.destination / "extra").exists()


@pytest.mark.parametrize("listing", [b"type=file;size=1; kept\r\ntype=fi", b"type=file;size=1; ../x\r\n", None])
def test_partial_listing_of_the_source(listing: bytes | None, tmp_path: Path, copy: Copy) -> None:
    """A server whose listing breaks off, leads out of its directory, or does not come."""
    copied = tmp_path / "copy"
    copied.mkdir()
    (copied / "extra").write_bytes(b"x")
    faults = Faults(listing=listing, final=b"426 broken off\r\n") if listing else Faults(listing=b"", final=b"")
    with Server({"/d/kept": b"1"}, faults) as server:
        done = copy("-sync", "--delete", "-c", "--max-delete", "9", server.url("/d/"), f"{copied}/", check=False)
    assert done.returncode != 0
    assert (copied / "extra").exists()


@pytest.mark.parametrize("words", [["--delete"], ["-sync", "--max-delete", "3"]])
def test_senseless(words: list[str], tmp_path: Path, copy: Copy) -> None:
    done = copy("-r", *words, f"{tmp_path}/", f"{tmp_path}/x/", check=False)
    assert done.returncode == 2
    assert "makes sense with" in done.stderr


def test_rehearsal_of_a_copy(pair: Pair, copy: Any) -> None:
    for path in pair.source.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    done = copy("-r", "--dry-run", *pair.words)
    assert sorted(line.rpartition("/")[2] for line in done.stdout.splitlines()) == ["kept (3 B)", "kept (3 B)"]
    assert "2 files, 6 B would be copied" in done.stderr
    new = copy("-r", "-cd", "--dry-run", pair.words[0], pair.words[1] + "not/there/")
    assert len(new.stdout.splitlines()) == 2
    assert not (pair.destination / "not").exists()
    one = copy("--dry-run", f"{pair.source}/kept", pair.words[1] + "single")
    assert one.stdout.startswith("copy ")
    assert not (pair.destination / "single").exists()

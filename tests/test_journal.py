# SPDX-License-Identifier: Apache-2.0
"""A job that was broken off goes on where it was: nothing that its journal calls verified is sent again, and nothing is
taken for done that is not.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors, journalfile
from pyglobus.core.job import Job
from pyglobus.core.journal import Journal
from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.transfer import Result
from pyglobus.core.url import parse
from tests.waiting import wait_until

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
#: How often a job is killed; 20 is what the suite has no time for.
KILLS = int(os.environ.get("PYGLOBUS_TEST_KILLS", "3"))
MIB = 1 << 20


def records(path: Path) -> list[Any]:
    """The whole lines of a journal, but for the first."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True)[1:] if line.endswith("\n")]


# Kills ----------------------------------------------------------------------------------------------------------------


@dataclass
class Tree:
    """500 files, the last two of them large, and a directory beside them where the copy goes."""

    source: Path
    destination: Path
    words: list[str]
    journal: Path
    environment: dict[str, str]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as stream:
            command = [COPY, "-r", "-cd", "-dbg", "--journal", str(self.journal), *self.words]
            return subprocess.Popen(command, env=self.environment, stderr=stream)


@pytest.fixture(params=["put", "get"])
def tree(request: pytest.FixtureRequest, memory_grid: Sandbox, memory: Path, tmp_path: Path) -> Iterator[Tree]:
    here, there = memory / "journal", memory_grid.data_dir / "journal"
    for directory in (here, there):
        directory.mkdir()
        directory.chmod(0o777)
    source, destination = (here, there) if request.param == "put" else (there, here)
    noise = random.Random(1)
    for number in range(500):
        path = source / "from" / f"d{number % 7}" / f"file {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(24 * MIB if number >= 498 else noise.randrange(60_000)))
    urls = {here: f"{here}/", there: memory_grid.gsiftp_url(there) + "/"}
    words = [urls[source] + "from/", urls[destination] + "to/"]
    yield Tree(source / "from", destination / "to", words, tmp_path / "journal", memory_grid.env)
    for directory in (here, there):
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def test_killed_at_random_moments(tree: Tree, tmp_path: Path) -> None:
    """Runs are killed at a random number of verified files or bytes, until one has come through."""
    moments = random.Random(7)
    verified: set[str] = set()
    parts: dict[str, int] = {}
    killed = going_on = 0
    while True:
        log = tmp_path / f"log-{killed}"
        aim = moments.randrange(500) if killed < KILLS else 1 << 30
        with tree.start(log) as process:
            wait_for_records(tree.journal, len(verified) + aim // KILLS + 1, process)
            process.kill()
        sent = log.read_bytes().decode("utf-8", "surrogateescape")
        for path in verified:  # the command that would have named it
            assert f"/{path}\n" not in re.sub(r"(?m)^(?!STOR|RETR|ESTO|ERET).*\n", "", sent).replace("\r", "")
        for path, end in parts.items():
            begun = re.search(rf"REST 0-(\d+)\s.*?(?:STOR|RETR) \S*/\.?{re.escape(path)}", sent, re.DOTALL)
            assert path in verified or begun is None or int(begun[1]) >= end
        going_on += "going on where it was broken off" in sent
        if process.returncode == 0:
            break
        killed += 1
        done = records(tree.journal)
        verified = {record[1].rpartition("/from/")[2] for record in done if record[0] == "done"}
        parts = {
            record[1].rpartition("/")[2]: record[-1][0][1] for record in done if record[0] == "part" and record[-1]
        }
    assert killed == KILLS or killed >= 2
    assert going_on >= killed - 1
    same = subprocess.run(["diff", "-r", str(tree.source), str(tree.destination)], capture_output=True)
    assert same.stdout == b""
    assert not tree.journal.exists()


def wait_for_records(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: path.read_bytes().count(b'\n["done"') >= count, unless=lambda: process.poll() is not None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_a_whole_journal(number: int, tree: Tree, tmp_path: Path) -> None:
    with tree.start(tmp_path / "log") as process:
        wait_for_records(tree.journal, 20, process)
        process.send_signal(number)
    if process.returncode != 0:  # it may have been through
        assert process.returncode == -number
        assert tree.journal.read_bytes().endswith(b"\n")
        assert records(tree.journal)[-1][0] == "synced"
        with tree.start(tmp_path / "log") as process:
            pass
        assert process.returncode == 0
    assert subprocess.run(["diff", "-r", str(tree.source), str(tree.destination)]).returncode == 0
    assert not list(tree.destination.rglob(".*.part"))


# Large files ----------------------------------------------------------------------------------------------------------


@dataclass
class Large:
    """A file of 16 MiB at both sides, and the same as a job between any two of them."""

    grid: Sandbox
    here: Path
    there: Path
    journal: Path

    def ends(self, route: str) -> tuple[str, str, Path]:
        near, far = str(self.here / "source"), self.grid.gsiftp_url(self.there / "source")
        if route == "put":
            return near, self.grid.gsiftp_url(self.there / "new"), self.there
        if route == "get":
            return far, str(self.here / "new"), self.here
        return far, self.grid.gsiftp_url(self.there / "new"), self.there

    @property
    def content(self) -> bytes:
        return (self.here / "source").read_bytes()

    def leave(self, route: str, parts: list[tuple[int, int]], *, true: bool = True) -> Path:
        """What a killed run leaves: its journal, and a temporary file that holds these ranges (``true`` bytes)."""
        source, destination, directory = self.ends(route)
        job = [COPY, "--journal", str(self.journal), source, destination]
        done = subprocess.run([*job, "--timeout", "0.000001"], env=self.grid.env, capture_output=True, text=True)
        assert done.returncode == 124, done.stderr
        status = (self.here if route == "put" else self.there).joinpath("source").stat()
        modified = status.st_mtime if route == "put" else float(int(status.st_mtime))
        head = json.loads(self.journal.read_bytes().splitlines()[0])
        journal = Journal(head["job"], str(self.journal))
        item = Item(parse(source), parse(destination), status.st_size, modified)
        partial = journal.partial(item)
        partial.note(parts)
        journal.close()
        path = Path(partial.path(str(directory / "new")))
        with path.open("wb") as file:
            for start, end in parts:
                file.seek(start)
                file.write(self.content[start:end] if true else bytes(end - start))
        path.chmod(0o666)
        return path

    def run(self, route: str, *options: str) -> subprocess.CompletedProcess[str]:
        source, destination, _ = self.ends(route)
        command = [COPY, "--journal", str(self.journal), "-dbg", *options, source, destination]
        return subprocess.run(command, env=self.grid.env, capture_output=True, text=True, errors="replace")


@pytest.fixture
def large(memory_grid: Sandbox, memory: Path, tmp_path: Path) -> Iterator[Large]:
    here, there = memory / "large", memory_grid.data_dir / "large"
    content = random.Random(3).randbytes(16 * MIB)
    for directory in (here, there):
        directory.mkdir()
        directory.chmod(0o777)
        (directory / "source").write_bytes(content)
    yield Large(memory_grid, here, there, tmp_path / "journal")
    for directory in (here, there):
        subprocess.run(["rm", "-rf", str(directory)], check=True)


HOLES = [(0, 3 * MIB), (5 * MIB + 5, 7 * MIB), (10 * MIB, 16 * MIB)]


@pytest.mark.parametrize("parts", [HOLES[:1], HOLES, [(0, 16 * MIB)]], ids=["beginning", "holes", "all"])
@pytest.mark.parametrize("route", ["put", "get", "third-party"])
def test_goes_on_within_a_file(route: str, parts: list[tuple[int, int]], large: Large) -> None:
    temporary = large.leave(route, parts)
    done = large.run(route, "--format", "jsonl")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (temporary.parent / "new").read_bytes() == large.content
    assert not temporary.exists()
    assert not large.journal.exists()
    marker = ",".join(f"{start}-{end}" for start, end in parts)
    assert re.search(rf"^REST {marker}\s*$", done.stderr, re.MULTILINE)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    there = sum(end - start for start, end in parts)
    first = next(record for record in told if record["type"] == "resumed")
    assert (first["partial"], first["partial_bytes"]) == (1, there)
    file = next(record for record in told if record["type"] == "file")
    assert (file["bytes"], file["resumed"]) == (16 * MIB - there, there)


@pytest.mark.parametrize("route", ["put", "get"])
def test_verified_bytes_are_neither_sent_nor_looked_at(route: str, large: Large) -> None:
    """What the journal vouches for stays as it is: with other bytes there, those are in the copy."""
    temporary = large.leave(route, HOLES[:1], true=False)
    assert large.run(route).returncode == 0
    copy = (temporary.parent / "new").read_bytes()
    assert copy[: 3 * MIB] == bytes(3 * MIB)
    assert copy[3 * MIB :] == large.content[3 * MIB :]


@pytest.mark.parametrize("route", ["put", "get", "third-party"])
def test_checksum_finds_them(route: str, large: Large) -> None:
    """With -verify-checksum they are looked at: 74, nothing under the name, and the next run begins anew."""
    source, destination, directory = large.ends(route)
    command = [COPY, "--journal", str(large.journal), "-verify-checksum", source, destination]
    subprocess.run([*command, "--timeout", "0.000001"], env=large.grid.env)
    plain = Large(large.grid, large.here, large.there, large.journal.with_name("other"))
    left = plain.leave(route, HOLES[:1], true=False)
    part = records(plain.journal)[-2]
    assert part[0] == "part"
    head = json.loads(large.journal.read_bytes().splitlines()[0])
    journal = Journal(head["job"], str(large.journal))
    modified = part[6]
    partial = journal.partial(Item(parse(source), parse(destination), 16 * MIB, modified))
    partial.note(HOLES[:1])
    journal.close()
    left.rename(partial.path(str(directory / "new")))
    for status in (74, 0):
        done = subprocess.run(command, env=large.grid.env, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert (directory / "new").exists() == (status == 0)
        assert not list(directory.glob(".*.part"))
    assert (directory / "new").read_bytes() == large.content


@pytest.mark.parametrize("route", ["put", "get"])
@pytest.mark.parametrize("how", ["size", "time"])
def test_changed_source_is_copied_anew(route: str, how: str, large: Large) -> None:
    temporary = large.leave(route, HOLES[:1], true=False)
    source = (large.here if route == "put" else large.there) / "source"
    if how == "size":
        with source.open("ab") as file:
            file.write(b"more")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert large.run(route).returncode == 0
    assert (temporary.parent / "new").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("route", ["put", "get"])
def test_lost_temporary_file_is_no_harm(route: str, large: Large) -> None:
    temporary = large.leave(route, HOLES)
    os.truncate(temporary, 2 * MIB)
    assert large.run(route).returncode == 0
    assert (temporary.parent / "new").read_bytes() == large.content
    temporary = large.leave(route, HOLES)
    temporary.unlink()
    assert large.run(route).returncode == 0
    assert (temporary.parent / "new").read_bytes() == large.content


def test_symbolic_link_in_its_place_is_not_followed(large: Large) -> None:
    temporary = large.leave("get", HOLES)
    victim = large.here / "victim"
    victim.write_bytes(b"precious")
    temporary.unlink()
    temporary.symlink_to(victim)
    done = large.run("get")
    assert done.returncode == 73
    assert victim.read_bytes() == b"precious"


# The file -------------------------------------------------------------------------------------------------------------

JOB = {"source": "a", "destination": "b"}


def item(number: int, *, size: int = 5, directory: str = "gsiftp://h/d/") -> Item:
    return Item(parse(f"/src/f{number}"), parse(f"{directory}f{number}"), size, 1.5, listed=True)


def result(of: Item) -> Result:
    return Result(str(of.source), str(of.destination), "put", of.size or 0, 0.1, 1)


def filled(path: Path, count: int = 3) -> None:
    journal = Journal(JOB, str(path))
    for number in range(count):
        journal.done(item(number), result(item(number)))
    journal.close()


def test_remembers(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600
    journal = Journal(JOB, str(tmp_path / "j"))
    assert journal.resumed == (3, 15, 0, 0)
    assert [journal.has(item(number)) for number in range(4)] == [True, True, True, False]
    assert not journal.has(item(1, size=6))
    assert not journal.has(item(1)._replace(modified=2.0))
    assert not journal.has(item(1)._replace(offset=1))
    journal.complete()
    assert not (tmp_path / "j").exists()


def test_names_of_any_bytes(tmp_path: Path) -> None:
    odd = Item(parse("/src/\udcff \n"), parse("gsiftp://h/d/\udcff"), 5, 0.1 + 0.2)
    journal = Journal(JOB, str(tmp_path / "j"))
    journal.done(odd, result(odd))
    journal.close()
    journal = Journal(JOB, str(tmp_path / "j"))
    assert journal.has(odd)
    journal.close()


@pytest.mark.parametrize("tail", [b'["done","/src/f9","gsift', b"\0" * 300, b'{"a":1}\n', b"7\n", b"[]\n"])
def test_torn_line_and_what_follows_do_not_count(tail: bytes, tmp_path: Path) -> None:
    filled(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    lines = whole.splitlines(keepends=True)
    more = b"".join(lines[2:3]).replace(b"f0", b"f7")
    (tmp_path / "j").write_bytes(whole + tail + more)
    for _ in range(2):  # what is written behind it counts
        journal = Journal(JOB, str(tmp_path / "j"))
        assert not journal.has(item(7))
        assert journal.has(item(2))
        journal.done(item(8), result(item(8)))
        journal.close()
    journal = Journal(JOB, str(tmp_path / "j"))
    assert journal.has(item(8))
    journal.close()


def test_after_a_power_cut_it_counts_up_to_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "j")
    with (tmp_path / "j").open("ab") as file:  # written, and never marked
        file.write((tmp_path / "j").read_bytes().splitlines(keepends=True)[2].replace(b"f0", b"f7"))
    journal = Journal(JOB, str(tmp_path / "j"))
    assert journal.has(item(7))
    os.close(journal._fd)  # killed, so that no mark is set
    monkeypatch.setattr(journalfile, "boot", lambda: "another-boot")
    journal = Journal(JOB, str(tmp_path / "j"))
    assert [journal.has(item(number)) for number in (0, 1, 2, 7)] == [True, True, True, False]
    journal.close()


def test_local_file_must_be_there(tmp_path: Path) -> None:
    here = item(0, directory=f"{tmp_path}/")
    journal = Journal(JOB, str(tmp_path / "j"))
    journal.done(here, result(here))
    journal.close()
    journal = Journal(JOB, str(tmp_path / "j"))
    assert not journal.has(here)
    (tmp_path / "f0").write_bytes(b"1234")
    assert not journal.has(here)
    (tmp_path / "f0").write_bytes(b"12345")
    assert journal.has(here)
    journal.close()


def refused(path: Path, job: dict[str, str] = JOB) -> str:
    before = path.read_bytes()
    with pytest.raises(errors.UsageError) as caught:
        Journal(job, str(path))
    assert path.read_bytes() == before
    return str(caught.value)


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    assert "of another job" in refused(tmp_path / "j", {**JOB, "source": "c"})
    text = (tmp_path / "j").read_text()
    (tmp_path / "j").write_text(text.replace('"pyglobus-journal":1', '"pyglobus-journal":2'))
    assert "another version" in refused(tmp_path / "j")
    for content in (b"my thesis\n", b"{}\n", b"[1]\n", b"\0" * 100):
        (tmp_path / "j").write_bytes(content)
        assert "no journal" in refused(tmp_path / "j")
    (tmp_path / "link").symlink_to(tmp_path / "j")
    with pytest.raises(errors.CannotCreate):
        Journal(JOB, str(tmp_path / "link"))
    with pytest.raises(errors.Error):
        Journal(JOB, "/dev/null")


def test_one_process_at_a_time(tmp_path: Path, copy: Any) -> None:
    (tmp_path / "a").write_bytes(b"x")
    kept = copy("--keep-journal", "--journal", tmp_path / "j", tmp_path / "a", tmp_path / "b")
    assert kept.stderr == ""
    with (tmp_path / "j").open("rb") as file:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        done = copy("--journal", tmp_path / "j", tmp_path / "a", tmp_path / "b", check=False)
    assert done.returncode == 2
    assert "another process is at this job" in done.stderr


def test_in_the_state_directory(tmp_path: Path, copy: Any) -> None:
    (tmp_path / "a").write_bytes(b"x")
    state = tmp_path / "state"
    environment = {"XDG_STATE_HOME": str(state)}
    copy(tmp_path / "a", tmp_path / "b", env=environment)
    copy("-r", f"{tmp_path}/a", f"{tmp_path}/b", env=environment)
    assert not state.exists()
    copy("--resume", "--keep-journal", "a", "b", env=environment, cwd=tmp_path)
    (kept,) = (state / "pyglobus" / "journals").iterdir()
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    done = copy("--resume", "-v", tmp_path / "a", f"file://{tmp_path}/b", env=environment)
    assert "going on where it was broken off: 1 files (1 B) are done" in done.stderr
    assert "0 files" in done.stderr
    assert list(kept.parent.iterdir()) == []


def test_password_is_not_in_it(tmp_path: Path, copy: Any) -> None:
    (tmp_path / "a").write_bytes(b"x")
    job = ("--journal", tmp_path / "j", tmp_path / "a", "ftp://me:s3cret@127.0.0.1:1/x")
    assert copy(*job, check=False).returncode == 75
    assert "s3cret" not in (tmp_path / "j").read_text()
    assert "me@" in (tmp_path / "j").read_text()


def test_full_disk_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be noted is not worth beginning."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_bytes(b"x")
    journal = Journal(JOB, str(tmp_path / "j"), keep=True)
    os.close(journal._fd)
    journal._fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(errors.DataError, match="journal"):
        Job([Pair(parse(f"{tmp_path}/from/"), parse(f"{tmp_path}/"))], Options(), journal=journal).run()

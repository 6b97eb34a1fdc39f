# SPDX-License-Identifier: Apache-2.0
"""Sessions of the server are killed in the middle: -rst goes on where the bytes ended, and never mixes old and new."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.options import Options, Retry
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.transfer import Event, Progress, Retrying, Started, Transfer
from tests.sides import two_sides

SIZE = 300 << 20
AT_ONCE = Retry(times=5, interval=0.05)
FindSessions = Callable[[Server], list[int]]


@dataclass
class Field:
    """A file with no two blocks alike on both sides, and two servers of our own."""

    grid: Sandbox
    one: Server
    other: Server
    here: Path
    there: Path
    find: FindSessions

    def url(self, name: str, server: Server | None = None) -> str:
        return self.grid.gsiftp_url(self.there / name, server or self.one)

    def ends(self, direction: str) -> tuple[str, str, Path]:
        if direction == "put":
            return str(self.here / "source"), self.url("new"), self.there / "new"
        if direction == "get":
            return self.url("source"), str(self.here / "new"), self.here / "new"
        return self.url("source"), self.url("new", self.other), self.there / "new"

    def kill_sessions(self) -> None:
        for server in (self.one, self.other):
            for pid in self.find(server):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def place(memory_grid: Sandbox, memory: Path, session_pids: FindSessions) -> Iterator[Field]:
    with two_sides(memory_grid, memory, "restart") as (here, there):
        for directory in (here, there):
            block = random.Random(1).randbytes(1 << 20)
            with (directory / "source").open("wb") as file:
                for number in range(SIZE >> 20):
                    file.write(b"%08d" % number + block[8:])
            (directory / "source").chmod(0o644)
        with memory_grid.start_gridftp() as one, memory_grid.start_gridftp() as other:
            yield Field(memory_grid, one, other, here, there, session_pids)


@pytest.fixture
def scene(place: Field, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    for name, value in place.grid.variables.items():
        monkeypatch.setenv(name, value)
    yield place
    for top in (place.here, place.there):
        for path in top.iterdir():
            if path.name != "source":
                path.unlink()


@dataclass
class Killer:
    """Kills the sessions once ``share`` of the bytes have moved, or when the bytes are about to move."""

    scene: Field
    share: float | None
    killed: int = 0
    retries: list[errors.Error] = field(default_factory=list)
    most: int = 0
    after: list[int] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Retrying):
            self.retries.append(event.error)
        elif isinstance(event, Progress) and self.retries:
            self.after.append(event.bytes)
        elif isinstance(event, Progress):
            self.most = max(self.most, event.bytes)
        due = (
            isinstance(event, Started)
            if self.share is None
            else isinstance(event, Progress) and event.bytes > self.share * SIZE
        )
        if due and not self.killed:
            self.killed += 1
            self.scene.kill_sessions()


def assert_same(one: Path, other: Path) -> None:
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("parallel", [0, 2])
@pytest.mark.parametrize("direction", ["put", "get"])
def test_goes_on_where_it_stopped(direction: str, parallel: int, scene: Field) -> None:
    source, destination, path = scene.ends(direction)
    killer = Killer(scene, 0.1)
    result = Transfer(source, destination, Options(retry=AT_ONCE, parallel=parallel)).run(killer)
    assert killer.killed == 1
    assert len(killer.retries) == 1 and isinstance(killer.retries[0], errors.TransientError)
    assert result.attempts == 2
    assert_same(path, scene.here / "source")
    if not (direction == "put" and parallel):  # MODE E may have left holes at the server: all is sent again
        assert killer.after[-1] == SIZE
        first = next(moved for moved in killer.after[1:] if moved)
        assert first >= 0.05 * SIZE


@pytest.mark.parametrize("direction", ["put", "get"])
def test_offset_is_on_the_wire(direction: str, scene: Field, tmp_path: Path) -> None:
    """REST names a place in the middle, and the server sends or takes only what is behind it."""
    from pyglobus.core.session import Session

    source, destination, path = scene.ends(direction)
    log = Path(scene.one.logs[1])
    with (tmp_path / "commands").open("wb") as commands, Session(debug_fd=commands.fileno()) as session:
        Transfer(source, destination, Options(retry=AT_ONCE), session=session).run(Killer(scene, 0.1))
    assert_same(path, scene.here / "source")
    sent = re.findall(rb"^REST (\d+)", (tmp_path / "commands").read_bytes(), re.MULTILINE)
    assert len(sent) == 1
    offset = int(sent[0])
    assert 0.05 * SIZE < offset < SIZE
    moved = int(re.findall(r" NBYTES=(\d+) ", log.read_text(errors="replace"))[-1])
    assert moved == SIZE - offset


def test_third_party_is_done_again(scene: Field) -> None:
    source, destination, path = scene.ends("third-party")
    killer = Killer(scene, None)
    result = Transfer(source, destination, Options(retry=AT_ONCE)).run(killer)
    assert (killer.killed, result.bytes) == (1, SIZE)
    assert len(killer.retries) >= 1
    assert_same(path, scene.here / "source")


@pytest.mark.parametrize("direction", ["put", "third-party"])
@pytest.mark.parametrize("old", [SIZE // 2, SIZE, SIZE + 1000])
def test_old_file_is_not_taken_for_ours(old: int, direction: str, scene: Field) -> None:
    """The connection breaks before a byte is sent: what lies at the server is somebody's old file."""
    source, destination, path = scene.ends(direction)
    path.write_bytes(b"")
    os.truncate(path, old)
    path.chmod(0o666)
    killer = Killer(scene, None)
    Transfer(source, destination, Options(retry=AT_ONCE)).run(killer)
    assert killer.killed == 1
    assert_same(path, scene.here / "source")


@pytest.mark.parametrize("direction", ["put", "get"])
def test_part_is_done_again(direction: str, scene: Field) -> None:
    source, destination, path = scene.ends(direction)
    options = Options(retry=AT_ONCE, offset=1 << 20, length=SIZE - (2 << 20))
    Transfer(source, destination, options).run(Killer(scene, 0.1))
    with path.open("rb") as new, (scene.here / "source").open("rb") as old:
        assert new.read(1 << 20) == bytes(1 << 20)
        old.seek(1 << 20)
        assert new.read() == old.read(options.length or 0)


@pytest.mark.parametrize("direction", ["put", "get"])
def test_source_changes_meanwhile(direction: str, scene: Field) -> None:
    """Half of the old and half of the new make no file."""
    (scene.here / "changing").write_bytes((scene.here / "source").read_bytes())
    (scene.there / "changing").write_bytes((scene.here / "source").read_bytes())
    (scene.there / "changing").chmod(0o666)
    for path in (scene.here / "changing", scene.there / "changing"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    here, there = scene.here / "changing", scene.there / "changing"
    pair = (str(here), scene.url("new")) if direction == "put" else (scene.url("changing"), str(scene.here / "new"))
    killer = Killer(scene, 0.1)

    def change(event: Event) -> None:
        killer(event)
        if isinstance(event, Retrying):
            with (here if direction == "put" else there).open("r+b") as file:
                file.write(b"changed!")

    with pytest.raises(errors.DataError) as caught:
        Transfer(*pair, Options(retry=AT_ONCE)).run(change)
    assert caught.value.fault == "source-changed"
    assert not (scene.there / "new").exists()
    assert {path.name for path in scene.here.iterdir()} == {"source", "changing"}


# When it is no use ----------------------------------------------------------------------------------------------------


def failing(options: Options, pair: tuple[str, str], act: Callable[[Event], None] = lambda _: None) -> list[Retrying]:
    seen: list[Retrying] = []

    def note(event: Event) -> None:
        act(event)
        if isinstance(event, Retrying):
            seen.append(event)

    with pytest.raises(errors.TransientError):
        Transfer(*pair, options).run(note)
    return seen


def test_server_does_not_come_back(scene: Field) -> None:
    """So many retries, then the fault itself, and nothing of the file here."""
    with scene.grid.start_gridftp() as mortal:

        def die(event: Event) -> None:
            if isinstance(event, Progress) and event.bytes and mortal.process is not None:
                for pid in scene.find(mortal):
                    os.kill(pid, signal.SIGKILL)
                mortal.stop()

        pair = scene.url("source", mortal), str(scene.here / "new")
        seen = failing(Options(retry=Retry(times=3, interval=0.05)), pair, die)
    assert [event.attempt for event in seen] == [1, 2, 3]
    assert {event.delay for event in seen} == {0.05}
    assert [path.name for path in scene.here.iterdir()] == ["source"]


def test_pauses_grow(scene: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an interval they double, and no two clients pause alike."""
    from pyglobus.core import recovery

    pauses = [[recovery.pause(attempt) for attempt in range(1, 20)] for _ in range(2)]
    assert pauses[0] != pauses[1]
    assert all(0.75 <= pause[0] <= 1.25 and 1.5 <= pause[1] <= 2.5 for pause in pauses)
    assert max(pauses[0]) <= 150


def test_window_for_retries(scene: Field) -> None:
    with scene.grid.start_gridftp() as mortal:

        def die(event: Event) -> None:
            if isinstance(event, Started) and mortal.process is not None:
                for pid in scene.find(mortal):
                    os.kill(pid, signal.SIGKILL)
                mortal.stop()

        pair = scene.url("source", mortal), str(scene.here / "new")
        seen = failing(Options(retry=Retry(times=0, interval=0.1, window=0.5)), pair, die)
    assert 1 <= len(seen) <= 6


def test_faults_that_stay_are_not_retried(scene: Field) -> None:
    seen: list[Event] = []
    with pytest.raises(errors.NotFound):
        Transfer(scene.url("nothing"), str(scene.here / "new"), Options(retry=Retry(times=0))).run(seen.append)
    assert not any(isinstance(event, Retrying) for event in seen)


def test_without_rst_once_is_enough(scene: Field) -> None:
    source, destination, _ = scene.ends("get")
    assert failing(Options(), (source, destination), Killer(scene, 0.1)) == []
    assert [path.name for path in scene.here.iterdir()] == ["source"]
    source, destination, path = scene.ends("put")
    assert failing(Options(), (source, destination), Killer(scene, 0.1)) == []
    assert not path.exists()

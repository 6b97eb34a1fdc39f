# SPDX-License-Identifier: Apache-2.0
"""Many files over one connection: each is done or accounted for, and nothing lands under a wrong name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.distance import Distance
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.way import HeadStart, Way
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError, OperationCancelled
from pyglobus.ffi.gss import DataCredential, GssCredential
from pyglobus.ffi.pipeline import FileRecord, FileState, Pipeline, PipelineFile, PipelineOptions
from tests.gate import Gate
from tests.pace import PROMPT

#: Sizes around nothing, the block that these tests use, and several of it.
BLOCK = 1 << 16
SIZES = (0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 0, 777)
#: Seconds: what takes longer hangs.
LIMIT = 30.0

Open = Callable[..., Pipeline]


def contents(number: int) -> bytes:
    size = SIZES[number % len(SIZES)]
    return (f"{number:08}".encode() * (size // 8 + 1))[:size]


def fill(directory: Path, count: int) -> None:
    for number in range(count):
        (directory / f"f{number}").write_bytes(contents(number))


def names(local: Path, remote: Path, count: int) -> list[PipelineFile]:
    return [PipelineFile(number, str(local / f"f{number}"), str(remote / f"f{number}")) for number in range(count)]


def collect(pipeline: Pipeline, found: list[FileRecord], enough: Callable[[], bool]) -> None:
    """Take records as they come, until that is ``enough``."""
    until = time.monotonic() + LIMIT
    while not enough():
        assert time.monotonic() < until, found
        pipeline.wait(0.1)
        found += pipeline.records()


def drain(pipeline: Pipeline) -> dict[int, FileRecord]:
    """Wait for the end; the records by their identifiers, of which each must come once."""
    found: list[FileRecord] = []
    collect(pipeline, found, pipeline.operation.done)
    found += pipeline.records()
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


def states(records: dict[int, FileRecord]) -> list[FileState]:
    return [records[number].state for number in sorted(records)]


@pytest.fixture(scope="module")
def user(grid: Sandbox) -> Iterator[tuple[GssCredential, DataCredential]]:
    """The grid's user in this very process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in grid.variables.items():
            patch.setenv(name, value)
        credential = engine().submit(GssCredential).result()
        data = engine().submit(credential.derive, 3600).result()
        assert data is not None
        yield credential, data
        engine().submit(data.close).result()
        engine().submit(credential.close).result()


@pytest.fixture
def open_pipeline(grid: Sandbox, user: tuple[GssCredential, DataCredential]) -> Iterator[Open]:
    opened: list[Pipeline] = []

    def connect(**options: object) -> Pipeline:
        chosen: dict[str, object] = {
            "host": "localhost", "port": grid.servers["gridftp"].port, "block": BLOCK,
            "credential": user[0], "data_credential": user[1],
        }  # fmt: skip
        chosen |= options
        if chosen.get("secure") is False:
            chosen |= {"credential": None, "data_credential": None}
        pipeline = Pipeline(engine(), PipelineOptions(**chosen))  # type: ignore[arg-type]
        opened.append(pipeline)
        return pipeline

    yield connect
    for pipeline in opened:
        pipeline.cancel()
        pipeline.operation.exception(timeout=LIMIT)


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"depth": 1},
        {"authenticate_data": False},
        {"protection": "P"},
        {"protection": "S", "tcp_buffer": 1 << 17},
        {"secure": False},
        {"ipv6": True},
        {"ahead": True},
        {"ahead": True, "protection": "P"},
        {"ahead": True, "secure": False},
        {"delegation": "limited", "data_credential": None, "client": 'appname="test";appver="1";schema="gsiftp";'},
    ],
    ids=lambda how: "-".join(f"{name}={value}" for name, value in how.items() if name != "client") or "default",
)
def test_everything_arrives(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path, receive: bool, how: dict[str, object]
) -> None:
    count = 60
    source, target = (served, tmp_path) if receive else (tmp_path, served)
    fill(source, count)
    if how.get("secure") is False:
        how = how | {"port": grid.servers["ftp"].port}
    pipeline = open_pipeline(receive=receive, **how)
    pipeline.add(names(tmp_path, served, count))
    pipeline.end()
    records = drain(pipeline)
    assert pipeline.operation.result() is None
    assert states(records) == [FileState.DONE] * count
    for number in range(count):
        assert (target / f"f{number}").read_bytes() == contents(number)
        assert records[number].bytes == len(contents(number))
    assert pipeline.meter.bytes() == sum(len(contents(number)) for number in range(count))
    assert len(list(target.iterdir())) == count


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
def test_over_ipv6(open_pipeline: Open, sixth: Server, served: Path, tmp_path: Path, receive: bool) -> None:
    fill(served if receive else tmp_path, 20)
    pipeline = open_pipeline(host="::1", port=sixth.port, ipv6=True, receive=receive)
    pipeline.add(names(tmp_path, served, 20))
    pipeline.end()
    assert states(drain(pipeline)) == [FileState.DONE] * 20
    for number in range(20):
        assert ((tmp_path if receive else served) / f"f{number}").read_bytes() == contents(number)


def test_batches_and_pauses(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    """The pipeline waits for more as long as it is not told that there is none."""
    fill(tmp_path, 30)
    pipeline = open_pipeline()
    records: list[FileRecord] = []
    for first in range(0, 30, 10):
        pipeline.add(names(tmp_path, served, 30)[first : first + 10])
        enough = first + 10
        collect(pipeline, records, lambda enough=enough: len(records) >= enough)  # type: ignore[misc]
        assert not pipeline.operation.done()
    pipeline.end()
    assert pipeline.operation.result(timeout=LIMIT) is None
    assert [record.state for record in records] == [FileState.DONE] * 30
    pipeline.add([PipelineFile(99, "/etc/hostname", str(served / "late"))])
    assert [(record.id, record.state) for record in pipeline.records()] == [(99, FileState.UNTOUCHED)]


def test_no_more_than_there_is_room(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    pipeline = open_pipeline(port=_deaf().getsockname()[1])
    room = pipeline.room
    with pytest.raises(BufferError):
        pipeline.add(PipelineFile(number, "/etc/hostname", "/x") for number in range(room + 1))
    assert pipeline.room == 0
    pipeline.cancel()
    assert states(drain(pipeline)) == [FileState.UNTOUCHED] * room


REFUSED = [{0}, {1}, {17}, {59}, {3, 4, 5, 30}, set(range(60))]


def put_some_where_they_cannot_be(pipeline: Pipeline, served: Path, tmp_path: Path, bad: set[int]) -> None:
    """Sixty files, of which those in ``bad`` are for a directory that is not there."""
    for number in range(60):
        (tmp_path / f"f{number}").write_bytes(f"{number:06}".encode() * 500)
    pipeline.add(
        PipelineFile(number, local, remote.replace("/f", "/missing/f") if number in bad else remote, -1, fresh=True)
        for number, local, remote, _, _ in names(tmp_path, served, 60)
    )
    pipeline.end()


@pytest.mark.parametrize("bad", REFUSED)
def test_a_refused_put_fails_alone_and_nothing_lands_under_a_wrong_name(
    open_pipeline: Open, served: Path, tmp_path: Path, bad: set[int]
) -> None:
    pipeline = open_pipeline()
    put_some_where_they_cannot_be(pipeline, served, tmp_path, bad)
    records = drain(pipeline)
    assert pipeline.operation.exception() is None and not pipeline.spoiled
    for number, record in records.items():
        if number in bad:
            assert record.state is FileState.FAILED and record.code >= 500 and "No such file" in record.text
        else:
            assert record.state is FileState.DONE
    assert {path.name: path.read_bytes() for path in served.iterdir()} == {
        f"f{number}": (tmp_path / f"f{number}").read_bytes() for number in set(range(60)) - bad
    }


@pytest.mark.parametrize("protection", ["", "P"])
@pytest.mark.parametrize("bad", REFUSED)
def test_a_refused_put_whose_data_went_ahead_spoils_the_pipeline_but_no_file(
    open_pipeline: Open, served: Path, tmp_path: Path, bad: set[int], protection: str
) -> None:
    pipeline = open_pipeline(ahead=True, depth=20, protection=protection)
    put_some_where_they_cannot_be(pipeline, served, tmp_path, bad)
    records = drain(pipeline)
    assert pipeline.operation.exception() is None and pipeline.spoiled
    assert records[min(bad)].state is FileState.FAILED and records[min(bad)].code >= 500
    done = {number for number, record in records.items() if record.state is FileState.DONE}
    assert done <= set(range(min(bad)))
    remains = {Path(record.remains).name for record in records.values()} - {""}
    assert {path.name for path in served.iterdir()} - remains == {f"f{number}" for number in done}
    for number in done:
        assert (served / f"f{number}").read_bytes() == (tmp_path / f"f{number}").read_bytes()


def test_a_name_that_cannot_be_given_fails_alone(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    """A directory has come there that nobody knew of."""
    fill(tmp_path, 9)
    (served / "f3").mkdir()
    pipeline = open_pipeline(ahead=True)
    pipeline.add(file._replace(fresh=True) for file in names(tmp_path, served, 9))
    pipeline.end()
    records = drain(pipeline)
    assert pipeline.operation.exception() is None and not pipeline.unsupported
    assert states(records) == [FileState.FAILED if number == 3 else FileState.DONE for number in range(9)]
    assert "directory" in records[3].text and records[3].remains == ""
    assert {path.name for path in served.iterdir()} == {f"f{number}" for number in range(9)}


def test_a_server_that_renames_nothing_is_told(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path
) -> None:
    fill(tmp_path, 60)
    with grid.start_gridftp("-disable-command-list", "RNTO") as server:
        pipeline = open_pipeline(port=server.port, depth=4)
        pipeline.add(names(tmp_path, served, 60))
        records = drain(pipeline)
    assert pipeline.unsupported and pipeline.operation.exception() is None
    assert FileState.DONE not in states(records) and records[59].state is FileState.UNTOUCHED
    assert list(served.iterdir()) == []


def test_what_is_at_the_server_is_replaced_only_where_nothing_is_lost(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path
) -> None:
    """Regular files of the account's own that all may read, with their mode, and links that lead nowhere, which look
    like nothing; the rest is left as it is.
    """
    fill(tmp_path, 9)
    for number in range(8):
        (served / f"f{number}").write_text("old")
    for number, mode in enumerate((0o644, 0o664, 0o755, 0o600, 0o640)):
        (served / f"f{number}").chmod(mode)
    if os.geteuid() == 0:
        for number in (0, 1, 2, 3, 4, 6, 7):
            shutil.chown(served / f"f{number}", grid.user.account)
    (served / "f6").rename(served / "elsewhere")
    (served / "f6").symlink_to("elsewhere")
    (served / "f7").unlink()
    (served / "f7").symlink_to("nowhere")
    pipeline = open_pipeline(ahead=True)
    pipeline.add(names(tmp_path, served, 9))
    pipeline.add([PipelineFile(9, str(tmp_path / "f1"), "/dev/null"), PipelineFile(10, str(tmp_path / "f1"), "/dev")])
    pipeline.end()
    records = drain(pipeline)
    assert pipeline.operation.exception() is None
    kept = {3, 4, 6, 9, 10} | ({5} if os.geteuid() == 0 else set())
    assert {number for number, record in records.items() if record.errno == errno.EOPNOTSUPP} == kept
    assert {number for number, record in records.items() if record.state is FileState.DONE} == set(range(11)) - kept
    for number in set(range(9)) - kept:
        assert (served / f"f{number}").read_bytes() == contents(number)
    assert [stat.S_IMODE((served / f"f{number}").stat().st_mode) for number in range(3)] == [0o644, 0o664, 0o755]
    assert (served / "f3").read_text() == (served / "elsewhere").read_text() == "old"
    assert (served / "f6").is_symlink()
    assert {path.name for path in served.iterdir()} == {f"f{number}" for number in range(9)} | {"elsewhere"}


def test_a_put_that_is_stopped_leaves_whole_files_only(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    count = 200
    for number in range(count):
        (tmp_path / f"f{number}").write_bytes(os.urandom(1 << 20))
    pipeline = open_pipeline(ahead=True, depth=128)
    pipeline.add(file._replace(fresh=True) for file in names(tmp_path, served, count))
    found: list[FileRecord] = []
    collect(pipeline, found, lambda: bool(found))
    pipeline.stop()
    records = drain(pipeline) | {record.id: record for record in found}
    assert pipeline.operation.exception() is None
    done = {number for number, record in records.items() if record.state is FileState.DONE}
    assert {record.state for record in records.values()} <= {FileState.DONE, FileState.UNTOUCHED}
    assert {path.name for path in served.iterdir()} == {f"f{number}" for number in done}
    for number in done:
        assert (served / f"f{number}").read_bytes() == (tmp_path / f"f{number}").read_bytes()


@pytest.mark.parametrize("bad", REFUSED)
def test_a_refused_get_fails_alone(open_pipeline: Open, served: Path, tmp_path: Path, bad: set[int]) -> None:
    count = 60
    fill(served, count)
    for number in bad:
        (served / f"f{number}").unlink()
    pipeline = open_pipeline(receive=True)
    pipeline.add(names(tmp_path, served, count))
    pipeline.end()
    records = drain(pipeline)
    assert pipeline.operation.exception() is None
    assert {number for number, record in records.items() if record.state is FileState.FAILED} == bad
    assert all(records[number].code >= 500 and "No such file" in records[number].text for number in bad)
    assert {path.name for path in tmp_path.iterdir()} == {f"f{number}" for number in set(range(count)) - bad}
    for number in set(range(count)) - bad:
        assert (tmp_path / f"f{number}").read_bytes() == contents(number)


def test_local_faults_fail_alone(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    fill(tmp_path, 4)
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    pipeline = open_pipeline()
    pipeline.add(names(tmp_path, served, 4)[:2])
    pipeline.add([
        PipelineFile(10, str(tmp_path / "vanished"), str(served / "vanished")),
        PipelineFile(11, str(tmp_path / "directory"), str(served / "directory")),
        PipelineFile(12, str(tmp_path / "pipe"), str(served / "pipe")),
        PipelineFile(13, str(tmp_path / "f0"), str(served / "x\r\nDELE f1")),
        PipelineFile(14, str(tmp_path / "f0"), ""),
    ])  # fmt: skip
    pipeline.add(names(tmp_path, served, 4)[2:])
    pipeline.end()
    records = drain(pipeline)
    assert pipeline.operation.exception() is None
    expected = {10: errno.ENOENT, 11: errno.EISDIR, 12: errno.EOPNOTSUPP, 13: errno.EINVAL, 14: errno.EINVAL}
    assert {number: records[number].errno for number in expected} == expected
    assert states(records) == [FileState.DONE] * 4 + [FileState.FAILED] * 5
    assert sorted(path.name for path in served.iterdir()) == ["f0", "f1", "f2", "f3"]


def test_a_destination_keeps_its_mode_and_what_cannot_be_replaced_is_left(
    open_pipeline: Open, served: Path, tmp_path: Path
) -> None:
    fill(served, 6)
    (tmp_path / "f0").write_text("old")
    (tmp_path / "f0").chmod(0o640)
    (tmp_path / "f2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "f3").write_text("two names")
    os.link(tmp_path / "f3", tmp_path / "other")
    (tmp_path / "f4").mkdir()
    before = os.umask(0o027)
    try:
        pipeline = open_pipeline(receive=True)
        pipeline.add(
            [*names(tmp_path, served, 6)[:5], PipelineFile(5, str(tmp_path / "missing" / "f5"), str(served / "f5"))]
        )
        pipeline.end()
        records = drain(pipeline)
    finally:
        os.umask(before)
    assert [records[number].errno for number in range(6)] == [
        0, 0, errno.EOPNOTSUPP, errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / "f0").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "f1").stat().st_mode) == 0o640
    assert (tmp_path / "f0").read_bytes() == contents(0)
    assert (tmp_path / "f3").read_text() == "two names"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f0", "f1", "f2", "f3", "f4", "other"]


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
def test_cancelled_in_the_middle(open_pipeline: Open, served: Path, tmp_path: Path, receive: bool) -> None:
    source, target = (served, tmp_path) if receive else (tmp_path, served)
    for number in range(10):
        with (source / f"f{number}").open("wb") as file:
            file.truncate(256 << 20)
    pipeline = open_pipeline(receive=receive)
    pipeline.add(names(tmp_path, served, 10))
    until = time.monotonic() + LIMIT
    while pipeline.meter.bytes() < 1 << 20:
        assert time.monotonic() < until
        pipeline.wait(0.001)
    started = time.monotonic()
    pipeline.cancel()
    records = drain(pipeline)
    assert time.monotonic() - started < PROMPT
    assert isinstance(pipeline.operation.exception(), OperationCancelled)
    assert len(records) == 10 and states(records).count(FileState.DONE) < 10
    if receive:
        assert len(list(target.iterdir())) == states(records).count(FileState.DONE)


def test_cancelled_before_it_began(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    pipeline.add([PipelineFile(1, "/etc/hostname", "/x")])
    pipeline.cancel()
    assert states(drain(pipeline)) == [FileState.UNTOUCHED]
    assert isinstance(pipeline.operation.exception(), OperationCancelled)


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
@pytest.mark.parametrize("cut", [0, 60, 400, 2500, 4000, 5000, 6000, 7000, 9000, 12000])
def test_a_lost_connection_leaves_no_doubt(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path, receive: bool, cut: int
) -> None:
    """The control connection ends after so many bytes of replies: in login, in the set-up, among the files."""
    count = 60
    source, target = (served, tmp_path) if receive else (tmp_path, served)
    fill(source, count)
    with Distance(grid.servers["gridftp"].port, 0, cut=cut) as far:
        pipeline = open_pipeline(receive=receive, port=far.port)
        pipeline.add(names(tmp_path, served, count))
        pipeline.end()
        records = drain(pipeline)
    assert len(records) == count
    assert isinstance(pipeline.operation.exception(), GlobusError)
    for number, record in records.items():
        if record.state is FileState.DONE:
            assert (target / f"f{number}").read_bytes() == contents(number)
        elif receive or record.state is FileState.UNTOUCHED:
            assert not (target / f"f{number}").exists()
    parts = {str(path) for path in target.iterdir() if path.name.endswith(".part")}
    assert parts <= {record.remains for record in records.values()}


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
@pytest.mark.parametrize(
    ("depth", "count", "least", "most"), [(64, 120, 0, 20), (1, 20, 19, 1000)], ids=["deep", "one-by-one"]
)
def test_no_round_trip_is_paid_for_each_file(
    grid: Sandbox,
    open_pipeline: Open,
    served: Path,
    tmp_path: Path,
    receive: bool,
    depth: int,
    count: int,
    least: int,
    most: int,
) -> None:
    """Counted, not timed: how often a command for a file waited for the answer to another one. With one command out at
    a time each does.
    """
    log = tmp_path / "log"
    fill(served if receive else tmp_path, count)
    with Distance(grid.servers["gridftp"].port, 0.01) as far, log.open("wb") as file:
        pipeline = open_pipeline(port=far.port, depth=depth, deepest=depth, receive=receive, debug_fd=file.fileno())
        pipeline.add(names(tmp_path, served, count))
        pipeline.end()
        assert states(drain(pipeline)) == [FileState.DONE] * count
    assert least <= _round_trips(log.read_text(), "RETR /" if receive else "STOR /") <= most


def _round_trips(log: str, verb: str) -> int:
    """The length of the longest chain of commands of which each was given after the answer to the one before had come,
    from the first with this beginning to the last. Answers come in the order of the commands.
    """
    come, out, found = 0, deque[int](), []
    for line in log.splitlines():
        if re.match("[2-5][0-9][0-9] ", line):
            come = max(come, out.popleft() if out else 0)
        elif re.match("[A-Z]{3,4}( |$)", line):
            out.append(come + 1)
            if line.startswith(verb):
                found.append(come + 1)
    return found[-1] - found[0]


def _said(log: Path, pattern: str) -> int:
    return len(re.findall(pattern, log.read_text(errors="replace"), re.MULTILINE)) if log.exists() else 0


def _until_said(log: Path, pattern: str, count: int) -> None:
    until = time.monotonic() + LIMIT
    while _said(log, pattern) < count:
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.01)


@pytest.mark.parametrize(("deepest", "out"), [(0, 3), (512, 40)], ids=["bounded", "as-the-round-trip-asks"])
def test_the_farther_a_server_is_the_more_commands_are_out(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path, deepest: int, out: int
) -> None:
    log = tmp_path / "log"
    fill(served, 40)
    with Distance(grid.servers["gridftp"].port, 0.05) as far, log.open("wb") as file:
        pipeline = open_pipeline(port=far.port, depth=3, deepest=deepest, receive=True, debug_fd=file.fileno())
        pipeline.add(names(tmp_path, served, 40))
        pipeline.end()
        assert states(drain(pipeline)) == [FileState.DONE] * 40
    before_any_reply = log.read_text().partition("\n150 ")[0]
    assert before_any_reply.count("RETR ") == out + 1  # and one is OPTS RETR


@pytest.mark.parametrize("receive", [False, True], ids=["put", "get"])
def test_never_more_commands_than_a_server_keeps(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path, receive: bool
) -> None:
    """Globus's servers hang up on the thousandth that waits."""
    count, log = 1100, tmp_path / "log"
    here, there = tmp_path / "here", served / "there"
    here.mkdir()
    there.mkdir()
    there.chmod(0o777)
    for number in range(count):
        ((there if receive else here) / f"f{number}").write_bytes(b"%d" % number)
    with Distance(grid.servers["gridftp"].port, 0.2) as far, log.open("wb") as file:
        pipeline = open_pipeline(
            port=far.port, depth=512, deepest=512, receive=receive, ahead=True, debug_fd=file.fileno()
        )
        pipeline.add(
            PipelineFile(number, str(here / f"f{number}"), str(there / f"f{number}"), fresh=True)
            for number in range(count)
        )
        pipeline.end()
        assert states(drain(pipeline)) == [FileState.DONE] * count
    waiting = most = 0
    for line in log.read_text().splitlines():
        waiting += line.startswith(("STOR ", "RETR ", "RNFR ", "RNTO "))
        waiting -= line.startswith(("226 ", "350 ", "250 OK"))
        most = max(most, waiting)
    assert 300 < most <= 900


def test_a_file_that_goes_while_its_command_is_out_fails_alone(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    fill(tmp_path, 3)
    with Gate(grid.servers["gridftp"].port) as gate, log.open("wb") as file:
        pipeline = open_pipeline(port=gate.port, debug_fd=file.fileno())
        _until_said(log, "^227 ", 1)
        gate.open.clear()
        pipeline.add([each._replace(fresh=True) for each in names(tmp_path, served, 3)])
        pipeline.end()
        _until_said(log, "^STOR ", 3)
        (tmp_path / "f1").unlink()
        gate.open.set()
        records = drain(pipeline)
    assert states(records) == [FileState.DONE, FileState.FAILED, FileState.DONE]
    assert records[1].errno == errno.ENOENT
    assert sorted(path.name for path in served.iterdir()) == ["f0", "f2"]


def test_only_the_file_whose_data_comes_is_open(
    grid: Sandbox, open_pipeline: Open, served: Path, tmp_path: Path
) -> None:
    fill(served, 40)
    log, got = tmp_path / "log", tmp_path / "got"
    got.mkdir()
    with Gate(grid.servers["gridftp"].port) as gate, log.open("wb") as file:
        pipeline = open_pipeline(port=gate.port, depth=40, receive=True, debug_fd=file.fileno())
        _until_said(log, "^PORT ", 1)
        _until_said(log, "^200 PORT", 1)
        gate.open.clear()
        pipeline.add(names(got, served, 40))
        _until_said(log, "^RETR ", 40)
        assert list(got.iterdir()) == []
        gate.open.set()
        pipeline.end()
        assert states(drain(pipeline)) == [FileState.DONE] * 40


def test_a_head_start_is_taken_by_who_goes_its_way(open_pipeline: Open, served: Path, tmp_path: Path) -> None:
    fill(tmp_path, 3)
    way = Way(False, "localhost")
    early = HeadStart(way, open_pipeline())
    assert early.take(Way(True, "localhost")) is None
    pipeline = early.take(way)
    assert pipeline is not None and early.take(way) is None
    early.close()
    pipeline.add(names(tmp_path, served, 3))
    pipeline.end()
    assert states(drain(pipeline)) == [FileState.DONE] * 3


def test_a_head_start_that_nobody_takes_ends_well(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    HeadStart(Way(False, "localhost"), pipeline).close()
    assert pipeline.operation.done()


def test_a_head_start_that_failed_or_is_stale_is_not_taken(
    open_pipeline: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(False, "localhost")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        pipeline = open_pipeline(port=nobody.getsockname()[1])
        pipeline.operation.exception(timeout=LIMIT)
    assert HeadStart(way, pipeline).take(way) is None
    monkeypatch.setattr("pyglobus.core.way._FRESH", -1.0)
    early = HeadStart(way, open_pipeline())
    assert early.take(way) is None
    early.close()


def test_server_without_dcsc_is_told(grid: Sandbox, open_pipeline: Open, served: Path) -> None:
    with grid.start_gridftp("-disable-command-list", "DCSC") as server:
        pipeline = open_pipeline(port=server.port)
        pipeline.add([PipelineFile(1, "/etc/hostname", str(served / "x"))])
        pipeline.end()
        assert states(drain(pipeline)) == [FileState.UNTOUCHED]
    assert isinstance(pipeline.operation.exception(), GlobusError) and pipeline.unsupported
    assert not (served / "x").exists()


def test_login_refused(grid: Sandbox, open_pipeline: Open) -> None:
    for options in ({"subject": "/CN=somebody else"}, {"secure": False}, {"secure": False, "port": 1}):
        pipeline = open_pipeline(**options)
        pipeline.add([PipelineFile(1, "/etc/hostname", "/x")])
        assert states(drain(pipeline)) == [FileState.UNTOUCHED]
        assert isinstance(pipeline.operation.exception(), GlobusError) and not pipeline.unsupported


def _deaf() -> socket.socket:
    """A server that takes connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    _DEAF.append(listener)
    return listener


_DEAF: list[socket.socket] = []


@pytest.fixture(autouse=True)
def no_deaf_server_is_left() -> Iterator[None]:
    yield
    while _DEAF:
        _DEAF.pop().close()


class Odd:
    """A plain FTP server that does what it is told with each STOR: ``answers`` by the name that the file will have."""

    def __init__(self, features: str = "PARALLEL", answers: dict[str, list[str]] | None = None) -> None:
        self.features = features
        self.answers = answers or {}
        self.received = b""
        self.commands: list[str] = []
        self.checksum = "500 what"
        self.greeting = "220 odd"
        self._control = socket.create_server(("127.0.0.1", 0))
        self._data = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._control.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Odd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()
        self._control.close()
        self._data.close()

    def _serve(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._converse()

    def _converse(self) -> None:
        channel: socket.socket | None = None
        port = self._data.getsockname()[1]
        self._data.settimeout(LIMIT)
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(self._control.accept()[0])
            lines = opened.enter_context(connection.makefile("rb"))
            connection.sendall(f"{self.greeting}\r\n".encode())
            for line in lines:
                verb, _, rest = line.decode().strip().partition(" ")
                self.commands.append(verb)
                rest = re.sub(r"^\.(.*)\.[0-9a-f]{8}\.part$", r"\1", rest)
                for answer in self.answers.get(rest, ["550 no"]) if verb == "STOR" else []:
                    if answer == "accept":
                        channel = opened.enter_context(self._data.accept()[0])
                    elif answer == "close" and channel is not None:
                        channel.close()
                    elif answer == "read" and channel is not None:
                        self.received += channel.recv(1 << 16)
                    elif answer == "read all" and channel is not None:
                        self.received += _to_the_end(channel)
                    elif answer == "hang up":
                        return
                    else:
                        connection.sendall(f"{answer}\r\n".encode())
                reply = {
                    "USER": "331 who", "PASS": "230 in", "FEAT": f"211-Features\r\n {self.features}\r\n211 End",
                    "PASV": f"227 here (127,0,0,1,{port >> 8},{port & 255})", "QUIT": "221 bye", "SITE": "500 what",
                    "CKSM": self.checksum, "RNFR": "350 and then",
                }.get(verb, "200 ok")  # fmt: skip
                if verb != "STOR":
                    connection.sendall(f"{reply}\r\n".encode())


def _to_the_end(channel: socket.socket) -> bytes:
    """What comes in MODE E up to the block that says that this connection has no more: its flag 8."""
    found = b""
    with channel.makefile("rb") as stream:
        while True:
            flags, *rest = stream.read(17)
            found += stream.read(int.from_bytes(bytes(rest[:8])))
            if flags & 8:
                return found


def put_to(
    odd: Odd, open_pipeline: Open, tmp_path: Path, count: int = 3, **options: object
) -> tuple[Pipeline, dict[int, FileRecord]]:
    pipeline = open_pipeline(secure=False, port=odd.port, **options)
    for number in range(count):
        (tmp_path / f"f{number}").write_bytes(f"contents of {number}".encode())
    pipeline.add(
        PipelineFile(number, str(tmp_path / f"f{number}"), f"f{number}", fresh=True) for number in range(count)
    )
    pipeline.end()
    return pipeline, drain(pipeline)


def test_server_without_mode_e_is_told(open_pipeline: Open, tmp_path: Path) -> None:
    with Odd(features="SIZE") as odd:
        pipeline, records = put_to(odd, open_pipeline, tmp_path)
    assert pipeline.unsupported and states(records) == [FileState.UNTOUCHED] * 3


def test_an_unknown_server_that_refuses_a_file_ends_it(open_pipeline: Open, tmp_path: Path) -> None:
    with Odd(answers={"f0": ["553 no"], "f1": ["150 go"], "f2": ["150 go"]}) as odd:
        pipeline, records = put_to(odd, open_pipeline, tmp_path)
    assert states(records) == [FileState.FAILED, FileState.BEGUN, FileState.BEGUN]
    assert (records[0].code, records[0].text) == (553, "553 no")
    error = pipeline.operation.exception()
    assert isinstance(error, GlobusError) and error.ftp_code == 553


def test_no_data_moves_before_the_server_has_opened_the_file(open_pipeline: Open, tmp_path: Path) -> None:
    """What comes first on the data channel is the header and the bytes of the second file: MODE E, offset 0."""
    answers = {"f0": ["accept", "553 no"], "f1": ["150 go", "read", "226 done"]}
    with Odd(answers=answers) as odd:
        odd.greeting = "220 GridFTP Server 13.24 [Grid Community Toolkit 6.2]"
        put_to(odd, open_pipeline, tmp_path, count=2)
    text = b"contents of 1"
    assert odd.received.startswith(b"\0" + len(text).to_bytes(8) + bytes(8) + text)


def test_a_file_confirmed_without_its_data_is_not_done(open_pipeline: Open, tmp_path: Path) -> None:
    with Odd(answers={"f0": ["226 done already"]}) as odd:
        pipeline, records = put_to(odd, open_pipeline, tmp_path)
    assert FileState.DONE not in states(records)
    assert "before it had begun" in str(pipeline.operation.exception())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("213 " + "0" * 32, errno.EILSEQ),
        ("213 ", errno.EILSEQ),
        ("250 fine", errno.EILSEQ),
        ("213 " + "f" * 9999, errno.EILSEQ),
        ("500 what", errno.EOPNOTSUPP),
        ("213 " + hashlib.md5(b"contents of 0").hexdigest().upper(), 0),
    ],
)
def test_a_put_gets_its_name_only_if_the_checksums_agree(
    answer: str, error: int, open_pipeline: Open, tmp_path: Path
) -> None:
    with Odd(features="PARALLEL\r\n CKSM MD5", answers={"f0": ["150 go", "accept", "read all", "226 done"]}) as odd:
        odd.checksum = answer
        _, records = put_to(odd, open_pipeline, tmp_path, count=1, checksum="MD5")
    assert (records[0].state, records[0].errno) == (FileState.FAILED if error else FileState.DONE, error)
    assert ("DELE" in odd.commands, "RNTO" in odd.commands) == (bool(error), not error)
    assert records[0].remains == ""


def test_server_without_checksums_is_told(open_pipeline: Open, tmp_path: Path) -> None:
    with Odd() as odd:
        pipeline, records = put_to(odd, open_pipeline, tmp_path, checksum="MD5")
    assert pipeline.unsupported and states(records) == [FileState.UNTOUCHED] * 3
    assert "STOR" not in odd.commands


def test_data_channel_closed_early(open_pipeline: Open, tmp_path: Path) -> None:
    """The server drops the data channel and then says why, or hangs up without a word."""
    with Odd(answers={"f0": ["150 go", "accept", "close", "426 lost it"]}) as odd:
        _, records = put_to(odd, open_pipeline, tmp_path)
    assert (records[0].state, records[0].code) == (FileState.FAILED, 426)
    with Odd(answers={"f0": ["150 go", "accept", "hang up"]}) as odd:
        pipeline, records = put_to(odd, open_pipeline, tmp_path)
    assert set(states(records)) == {FileState.BEGUN}
    assert isinstance(pipeline.operation.exception(), GlobusError)


def test_exit_in_the_middle(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    """A process that ends with pipelines open ends well, and at once."""
    program = f"""
from pyglobus.ffi.engine import engine
from pyglobus.ffi.gss import GssCredential
from pyglobus.ffi.pipeline import Pipeline, PipelineFile, PipelineOptions
credential = engine().submit(GssCredential).result()
data = engine().submit(credential.derive, 3600).result()
options = dict(host="localhost", port={grid.servers["gridftp"].port}, credential=credential, data_credential=data)
idle = Pipeline(engine(), PipelineOptions(**options))
busy = Pipeline(engine(), PipelineOptions(**options))
deaf = Pipeline(engine(), PipelineOptions(**(options | dict(port={_deaf().getsockname()[1]}))))
busy.add(PipelineFile(number, "/etc/services", "{served}/f%d" % number) for number in range(4000))
while busy.meter.bytes() < 100000:
    busy.wait(0.01)
"""
    done = subprocess.run([sys.executable, "-c", program], env=grid.env, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")

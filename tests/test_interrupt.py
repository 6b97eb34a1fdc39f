# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, TERM, servers that fall silent: the prompt is back at once, and no part of a file lies under its name."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from pyglobus.core.sandbox import Sandbox, Server
from tests.pace import PROMPT
from tests.sides import hollow, two_sides
from tests.waiting import wait_until

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
BIG = 2 << 30
#: So long at most it takes to see that nothing moves, and to log in once more to remove what has arrived.
STILL = 10.0
ROUTES = ("put", "get", "third-party", "relay", "put-anonymous", "local", "from-stream", "to-stream")


class Ended(Exception):
    """The command has ended before what was waited for."""


@dataclass(frozen=True)
class Field:
    """A file of 2 GiB at both sides, and two servers of our own, whose sessions may be stopped and killed."""

    grid: Sandbox
    one: Server
    other: Server
    here: Path
    there: Path

    def command(self, route: str) -> list[str]:
        here, new = str(self.here / "big"), str(self.here / "new")
        there, into = self.url("big"), self.url("new")
        words = {
            "put": [here, into],
            "get": [there, new],
            "third-party": [there, self.url("new", self.other)],
            "relay": ["-notpt", there, self.url("new", self.other)],
            "put-anonymous": [here, self.grid.ftp_url(self.there / "new")],
            "local": [here, new],
            "from-stream": ["-", into],
            "to-stream": [there, "-"],
        }
        return [COPY, *words[route]]

    def url(self, name: str, server: Server | None = None) -> str:
        return self.grid.gsiftp_url(self.there / name, server or self.one)

    def new(self) -> list[Path]:
        """What has appeared on either side, under whatever name."""
        return [path for top in (self.here, self.there) for path in top.iterdir() if path.name != "big"]

    @contextmanager
    def start(self, route: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """The command, from the moment when its first bytes have arrived."""
        program, *words = self.command(route)
        with subprocess.Popen(
            [program, *options, *words],
            env=self.grid.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                assert process.stdin is not None and process.stdout is not None
                if route == "from-stream":
                    process.stdin.write(b"x" * (4 << 20))
                    process.stdin.flush()
                if route == "to-stream":
                    if not process.stdout.read(1 << 20):
                        raise Ended(process.stderr and process.stderr.read())
                else:
                    wait_for(lambda: any(path.stat().st_blocks for path in self.new() if path.exists()), process)
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    if not wait_until(condition, unless=lambda: process.poll() is not None):
        raise Ended(process.stderr and process.stderr.read())


@pytest.fixture(scope="module")
def field(memory_grid: Sandbox, memory: Path) -> Iterator[Field]:
    with two_sides(memory_grid, memory, "interrupt") as (here, there):
        for directory in (here, there):
            hollow(directory / "big", BIG)
        with memory_grid.start_gridftp() as one, memory_grid.start_gridftp() as other:
            yield Field(memory_grid, one, other, here, there)


@pytest.fixture
def clean(field: Field, session_pids: Callable[[Server], list[int]]) -> Iterator[Field]:
    yield field
    for server in (field.one, field.other):
        for pid in session_pids(server):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for path in field.new():
        path.unlink()


def end(process: subprocess.Popen[bytes]) -> tuple[int, float, str]:
    """Its exit status, the seconds it took, and what it said."""
    started = time.monotonic()
    status = process.wait(20)
    seconds = time.monotonic() - started
    assert process.stderr is not None
    return status, seconds, process.stderr.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("route", ROUTES)
def test_signal(route: str, number: signal.Signals, clean: Field) -> None:
    with clean.start(route) as process:
        process.send_signal(number)
        status, seconds, said = end(process)
    assert status == -number
    assert seconds < PROMPT, f"{seconds:.3f} s"
    assert said == f"pyglobus-url-copy: cancelled by {number.name}\n"
    assert clean.new() == []


@pytest.mark.parametrize("route", ["put", "get", "third-party", "relay", "to-stream"])
def test_signal_while_the_server_is_stopped(
    route: str, clean: Field, session_pids: Callable[[Server], list[int]]
) -> None:
    """It does not answer, and cannot be asked to: still the prompt comes back, and the server's parent cleans up."""
    with clean.start(route) as process:
        for pid in session_pids(clean.one):
            os.kill(pid, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        status, seconds, said = end(process)
    assert status == -signal.SIGINT
    assert seconds < PROMPT, f"{seconds:.3f} s"
    assert said == "pyglobus-url-copy: cancelled by SIGINT\n"
    assert clean.new() == []


def test_second_signal_ends_it_at_once(clean: Field, session_pids: Callable[[Server], list[int]]) -> None:
    """The first one asks, and waits for a server that is stopped altogether; the second one asks nobody."""
    assert clean.one.process is not None
    stopped = [clean.one.process.pid]
    try:
        with clean.start("put") as process:
            stopped += session_pids(clean.one)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: not caught(process.pid, signal.SIGINT), process)
            process.send_signal(signal.SIGINT)
            status, seconds, _ = end(process)
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert status == -signal.SIGINT  # who ends by itself dies by the first one
    assert seconds < PROMPT, f"{seconds:.3f} s"


def caught(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    found = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return bool(int(found[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp", "http", "https"])
def test_signal_while_a_server_says_nothing(scheme: str, field: Field, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x"
        with subprocess.Popen(
            [COPY, url, str(tmp_path / "new")], env=field.grid.env, stderr=subprocess.PIPE
        ) as process:
            connection, _ = listener.accept()
            process.send_signal(signal.SIGINT)
            status, seconds, _ = end(process)
            connection.close()
    assert status == -signal.SIGINT
    assert seconds < PROMPT, f"{seconds:.3f} s"
    assert list(tmp_path.iterdir()) == []


def test_signal_while_nothing_comes_from_standard_input(field: Field, tmp_path: Path) -> None:
    for destination in (str(tmp_path / "new"), field.url("new")):
        with subprocess.Popen(
            [COPY, "-vv", "-", destination], env=field.grid.env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            assert b"->" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            status, seconds, _ = end(process)
        assert status == -signal.SIGINT
        assert seconds < PROMPT, f"{seconds:.3f} s"
    assert list(tmp_path.iterdir()) == []
    assert field.new() == []


def test_signal_while_nobody_writes_to_a_fifo(field: Field, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([COPY, fifo, field.url("new")], env=field.grid.env, stderr=subprocess.PIPE) as process:
        opened = Path(f"/proc/{process.pid}/fd")
        wait_for(lambda: any(os.readlink(each) == str(fifo) for each in opened.iterdir()), process)
        process.send_signal(signal.SIGINT)
        status, seconds, said = end(process)
    assert status == -signal.SIGINT
    assert seconds < PROMPT, f"{seconds:.3f} s"
    assert said == "pyglobus-url-copy: cancelled by SIGINT\n"
    assert field.new() == []


# Standing still ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["put", "get", "relay", "to-stream"])
def test_server_stands_still(route: str, clean: Field, session_pids: Callable[[Server], list[int]]) -> None:
    began = time.monotonic()
    with clean.start(route, "-st", "1") as process:
        for pid in session_pids(clean.one):
            os.kill(pid, signal.SIGSTOP)
        status, seconds, said = end(process)
    assert status == 75
    assert time.monotonic() - began > 1
    assert seconds < STILL
    assert "stalled" in said.splitlines()[0]
    assert clean.new() == []


@pytest.mark.parametrize("route", ["put", "get", "relay", "to-stream"])
def test_deadline_while_the_server_stands_still(
    route: str, clean: Field, session_pids: Callable[[Server], list[int]]
) -> None:
    for limit in (1, 4, 16):  # a busy machine may take longer than the first to begin
        began = time.monotonic()
        with suppress(Ended), clean.start(route, "--timeout", str(limit)) as process:
            for pid in session_pids(clean.one):
                os.kill(pid, signal.SIGSTOP)
            status, seconds, said = end(process)
            break
    assert status == 124
    assert time.monotonic() - began > limit
    assert seconds < limit + PROMPT
    assert "deadline" in said.splitlines()[0]
    assert clean.new() == []


def test_third_party_stands_still(clean: Field, session_pids: Callable[[Server], list[int]]) -> None:
    """Servers report every five seconds: silence of one second says nothing, but that of three reports does."""
    driver = (
        "import sys; from pyglobus.core import thirdparty; thirdparty._SILENT_MARKERS = 2.0;"
        "from pyglobus.cli.main import url_copy; sys.exit(url_copy())"
    )
    words = clean.command("third-party")[1:]
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", driver, "-st", "1", *words], env=clean.grid.env, stderr=subprocess.PIPE
    ) as process:
        wait_for(lambda: any(path.stat().st_blocks for path in clean.new()), process)
        for pid in session_pids(clean.other):
            os.kill(pid, signal.SIGSTOP)
        status, seconds, said = end(process)
    assert (status, "stalled" in said) == (75, True), said
    assert time.monotonic() - began > 2
    assert seconds < STILL
    assert clean.new() == []


# A real terminal -----------------------------------------------------------------------------------------------------


def spawn(field: Field, *words: str) -> pexpect.spawn[str]:
    env = {key: value for key, value in field.grid.env.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    return pexpect.spawn(
        COPY, list(words), env=env | {"TERM": "xterm-256color"}, encoding="utf-8", timeout=20, dimensions=(24, 120)
    )


def test_progress_on_a_terminal(clean: Field) -> None:
    """Both ends, a bar that grows, rate and time to go; afterwards one line of summary and a tidy screen."""
    child = spawn(clean, *clean.command("put")[1:])
    seen = child.read()
    child.close()
    assert child.exitstatus == 0
    shares = [int(share) for share in re.findall(r"(\d+)%", seen)]
    assert len(set(shares)) > 2
    assert shares == sorted(shares)
    assert re.search(r"of 2(\.0+)? GiB +[0-9.]+ [GM]iB/s +[0-9.]+ s left", seen)
    assert f"{clean.url('new')}" in seen
    assert seen.rstrip().splitlines()[-1].strip().endswith("iB/s)")
    assert seen.rfind("\x1b[?25h") >= seen.rfind("\x1b[?25l")


def test_ctrl_c_on_a_terminal(clean: Field) -> None:
    child = spawn(clean, *clean.command("put")[1:])
    child.expect(r"[GM]iB/s")
    started = time.monotonic()
    child.sendintr()
    child.expect("cancelled by SIGINT")
    child.expect(pexpect.EOF)
    seconds = time.monotonic() - started
    child.close()
    assert child.signalstatus == signal.SIGINT
    assert seconds < PROMPT, f"{seconds:.3f} s"
    assert clean.new() == []

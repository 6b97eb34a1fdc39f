# SPDX-License-Identifier: Apache-2.0
"""A server dies in the middle of a job, sessions and all, and comes back on its port: the same command with --resume
sends what is missing, and nothing that was verified.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.server import program_path
from tests.waiting import wait_until

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
FILES = 600
LARGE = 32 << 20
#: A job may be through before its server is killed: then it is begun once more.
ATTEMPTS = 8
FindSessions = Callable[[Server], list[int]]


@dataclass
class Scene:
    """A tree at one end, a place for it at the other, and a server of their own."""

    server: Server
    source: Path
    destination: Path
    ends: tuple[str, str]
    journal: Path
    environment: dict[str, str]
    find: FindSessions

    def start(self, log: Path, *options: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as stream:
            command = [COPY, "-r", "-cd", "-dbg", "--journal", str(self.journal), *options, *self.ends]
            return subprocess.Popen(command, env=self.environment, stderr=stream)

    def kill(self) -> None:
        """The server and all its sessions, at once."""
        assert self.server.process is not None
        pid = self.server.process.pid
        os.kill(pid, signal.SIGSTOP)  # so that no session is born meanwhile
        for each in (*self.find(self.server), pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.server.stop()

    def revive(self) -> None:
        """The same server on the same port; it does not announce a port that it was given."""
        server, port = self.server, self.server.port
        program = program_path(server.program, server.name, server.package)
        silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        command = [program, *server.arguments, "-p", str(port)]
        pid = os.posix_spawn(program, command, server.environment, file_actions=silent, setsid=True)
        server.process = Process.of(pid)

        def answers() -> bool:
            assert server.alive
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                return True
            return False

        wait_until(answers)

    def records(self) -> list[Any]:
        lines = self.journal.read_text().splitlines(keepends=True)[1:] if self.journal.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def await_done(self, count: int, process: subprocess.Popen[bytes]) -> None:
        wait_until(
            lambda: self.journal.read_bytes().count(b'\n["done"') >= count, unless=lambda: process.poll() is not None
        )

    def broken_off(self, log: Path) -> int:
        """Run the job until its server is killed with some files done; the exit status."""
        for _ in range(ATTEMPTS):
            with self.start(log) as process:
                self.await_done(5, process)
                self.kill()
            if process.returncode:
                return process.returncode
            self.journal.unlink(missing_ok=True)
            shutil.rmtree(self.destination)
            self.revive()
        raise AssertionError("the job was always through before its server was dead")


@pytest.fixture(params=["gsiftp", "ftp"])
def server(request: pytest.FixtureRequest, memory_grid: Sandbox) -> Iterator[Server]:
    with memory_grid.start_gridftp(anonymous=request.param == "ftp") as server:
        yield server


@pytest.fixture(params=["put", "get"])
def scene(
    request: pytest.FixtureRequest, server: Server, memory_grid: Sandbox, memory: Path, tmp_path: Path,
    session_pids: FindSessions,
) -> Iterator[Scene]:  # fmt: skip
    here, there = memory / "dead", memory_grid.data_dir / "dead"
    for directory in (here, there):
        directory.mkdir()
        directory.chmod(0o777)
    source, destination = (here, there) if request.param == "put" else (there, here)
    noise = random.Random(1)
    for number in range(FILES):
        path = source / "from" / f"d{number % 7}" / f"file {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(LARGE if number == FILES - 1 else noise.randrange(30_000)))
    url = memory_grid.gsiftp_url if "GSI" in server.title else memory_grid.ftp_url
    urls = {here: f"{here}/", there: url(there, server) + "/"}
    ends = urls[source] + "from/", urls[destination] + "to/"
    environment = memory_grid.env
    yield Scene(server, source / "from", destination / "to", ends, tmp_path / "journal", environment, session_pids)
    for directory in (here, there):
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def asked_for(log: str) -> str:
    """The commands that move files, line by line."""
    return "\n".join(line.strip() for line in log.splitlines() if re.match("STOR|RETR|ESTO|ERET", line))


def test_the_same_command_goes_on_when_it_is_back(scene: Scene, tmp_path: Path) -> None:
    assert scene.broken_off(tmp_path / "first") == 75
    done = {record[1].rpartition("/from/")[2] for record in scene.records() if record[0] == "done"}
    assert 5 <= len(done) < FILES
    scene.revive()
    with scene.start(tmp_path / "second") as process:
        pass
    said = (tmp_path / "second").read_bytes().decode("utf-8", "surrogateescape")
    assert process.returncode == 0, said[-2000:]
    assert f"going on where it was broken off: {len(done)} files" in said
    sent = asked_for(said).replace("%20", " ") + "\n"
    assert [path for path in done if f"/{path}\n" in sent or f"/.{path}." in sent] == []
    same = subprocess.run(["diff", "-r", str(scene.source), str(scene.destination)], capture_output=True)
    assert same.stdout == b""
    assert not scene.journal.exists()

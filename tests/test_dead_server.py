# SPDX-License-Identifier: Apache-2.0
"""A server dies in the middle of a job, sessions and all, and comes back on its port: the same command with --resume
sends what is missing, and nothing that was verified. With -rst the first one goes on by itself.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from tests.revival import FindSessions, kill, revive
from tests.waiting import wait_until

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
FILES = 600
LARGE = 32 << 20
#: A job may be through before its server is killed: then it is begun once more.
ATTEMPTS = 8


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
        kill(self.server, self.find)

    def revive(self) -> None:
        revive(self.server)

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


def test_rst_outlives_it(scene: Scene, tmp_path: Path) -> None:
    """Nothing fails, and nothing is left behind, if it is back before the attempts are used up."""
    log = tmp_path / "log"
    for _ in range(ATTEMPTS):
        with scene.start(log, "-rst", "-rst-interval", "1") as process:
            scene.await_done(5, process)
            scene.kill()
            wait_until(lambda: b"trying again" in log.read_bytes(), unless=lambda: process.poll() is not None)
            scene.revive()
        said = log.read_text(errors="replace")
        assert process.returncode == 0, said[-2000:]
        if "trying again" in said:
            break
        shutil.rmtree(scene.destination)
    same = subprocess.run(["diff", "-r", str(scene.source), str(scene.destination)], capture_output=True)
    assert same.stdout == b""

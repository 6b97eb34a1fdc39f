# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a job is at each of its phases: the job is cancelled, and pyglobusrun dies of the signal. Only a
scheduler has jobs that are pending: test_slurm.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox
from tests.gate import Gate
from tests.pace import PROMPT
from tests.waiting import wait_until

OURS = str(Path(sys.executable).with_name("pyglobusrun"))
_TRUE = "&(executable=/bin/true)"


@contextmanager
def started(jobs: Sandbox, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """pyglobusrun with pipes."""
    command = [OURS, "--format", "jsonl", *arguments]
    with subprocess.Popen(command, env=jobs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process


def until(process: subprocess.Popen[str], state: str) -> str:
    """Wait until its job is in a state; the job's contact."""
    assert process.stdout is not None
    for line in process.stdout:
        record = json.loads(line)
        if record.get("state") == state:
            return str(record["contact"])
    raise AssertionError("it has ended before")


def interrupted(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """What it tells from then on; it must die of the signal, and soon."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, err
    assert time.monotonic() - begun < PROMPT + 20
    return [json.loads(line) for line in rest.splitlines()]


def cancelled(records: list[dict[str, object]]) -> bool:
    """Whether the last of it is that the user has cancelled the job."""
    failure = records[-1]["failure"]
    return records[-1]["state"] == "FAILED" and isinstance(failure, dict) and failure["code"] == 8


@pytest.mark.parametrize("signals", [1, 2])
def test_before_there_is_a_job(signals: int, jobs: Sandbox, tmp_path: Path) -> None:
    """While the description is read; and twice, while the gatekeeper is silent."""
    fifo = tmp_path / "description"
    os.mkfifo(fifo)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"localhost:{silent.getsockname()[1]}"
        what = ("-f", str(fifo)) if signals == 1 else ("--", "true")
        process = subprocess.Popen([OURS, "-r", where, *what], env=jobs.env, stderr=subprocess.PIPE)
        if signals == 1:
            os.close(os.open(fifo, os.O_WRONLY))  # it is there
            held = os.open(fifo, os.O_RDWR)
        else:
            connection, _ = silent.accept()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        begun = time.monotonic()
        process.communicate(timeout=60)
        assert (process.returncode, time.monotonic() - begun < PROMPT) == (-signal.SIGINT, True)
        if signals == 1:
            os.close(held)
        else:
            connection.close()


def test_while_it_is_submitted(jobs: Sandbox, contact: str) -> None:
    """The gatekeeper has not answered: as soon as it does, the job is cancelled, and it has never run."""
    ran = jobs.data_dir / "interrupted-ran"
    with Gate(int(contact.rpartition(":")[2])) as gate:
        gate.open.clear()
        with started(jobs, "-r", f"localhost:{gate.port}", "--", "touch", str(ran)) as process:
            wait_until(lambda: gate.connections == 1)
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)  # the signal comes first
            gate.open.set()
            rest, err = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT, err
        assert cancelled([json.loads(line) for line in rest.splitlines()]), rest
    assert not ran.exists()


def test_while_it_waits_for_the_commit(jobs: Sandbox, contact: str) -> None:
    """Of all or nothing, one has been accepted, and the gatekeeper of the other is silent."""
    ran = jobs.data_dir / "interrupted-ran"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        other = f"({_TRUE}(resource_manager_contact=localhost:{silent.getsockname()[1]}))"
        request = f"+(&(executable=/bin/touch)(arguments={ran})){other}"
        with started(jobs, "--all-or-nothing", "-r", contact, request) as process:
            connection, _ = silent.accept()
            assert process.stdout is not None
            accepted = json.loads(process.stdout.readline())
            assert (accepted["type"], accepted["job"]) == ("submitted", "1")
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            first = json.loads(process.stdout.readline())
            assert (first["job"], first["state"], first["failure"]["code"]) == ("1", "FAILED", 8)
            connection.close()
            process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - begun < PROMPT + 20) == (-signal.SIGINT, True)
    assert not ran.exists()


def test_while_files_are_staged_in(jobs: Sandbox, contact: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stage = f"(file_stage_in=(http://localhost:{silent.getsockname()[1]}/x y))"
        with started(jobs, "-r", contact, f"{_TRUE}{stage}") as process:
            until(process, "STAGE_IN")
            assert interrupted(process)[-1]["state"] == "FAILED"


def test_while_it_runs(jobs: Sandbox, contact: str) -> None:
    gate = jobs.data_dir / "interrupted-gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    held = os.open(gate, os.O_RDWR)
    with started(jobs, "-r", contact, "--", "sh", "-c", f"read x <{gate}") as process:
        until(process, "ACTIVE")
        assert cancelled(interrupted(process))
    os.close(held)
    gate.unlink()


def test_while_its_files_are_staged_out(jobs: Sandbox, contact: str) -> None:
    """To a server that takes the connection, and then nothing: no job manager gives that up, and we do."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stage = f"(file_stage_out=(/etc/hostname http://localhost:{silent.getsockname()[1]}/x))"
        with started(jobs, "--format", "text", "-r", contact, f"{_TRUE}{stage}") as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            connection.close()
    assert process.returncode == -signal.SIGINT
    assert "its job manager is busy with it" in err


def test_while_its_output_is_delivered(jobs: Sandbox, contact: str) -> None:
    """Which nobody reads: all of it is on its way, and cannot arrive."""
    command = [OURS, "-r", contact, "--", "sh", "-c", "head -c 3000000 /dev/zero"]
    with subprocess.Popen(command, env=jobs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"\0"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        assert time.monotonic() - begun < PROMPT + 20
    assert process.returncode == -signal.SIGINT

# SPDX-License-Identifier: Apache-2.0
"""Jobs on Slurm by way of the gatekeeper: files to and from them, true exit statuses, output while they run, and what
can be done to them. Slurm's job manager looks every ten seconds, so what can be seen by one round of jobs is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox, services
from pyglobus.core.sandbox import process as processes
from pyglobus.core.sandbox.server import MARK

if TYPE_CHECKING:
    from tests.conftest import Somebody

OURS = str(Path(sys.executable).with_name("pyglobusrun"))
STATUSES = (0, 1, 7, 42, 137)
#: A round of twenty takes a minute: PYGLOBUS_TEST_SLURM_JOBS=20 asks for one.
JOBS = int(os.environ.get("PYGLOBUS_TEST_SLURM_JOBS", "5"))

root = pytest.mark.skipif(os.geteuid() != 0, reason="the daemons of Slurm need root")


@pytest.fixture(scope="module")
def slurm(blank_user: Path) -> Iterator[Sandbox]:
    with Sandbox(run=("gridftp", "slurm")) as sandbox:
        yield sandbox


def test_it_brings_the_gatekeeper_which_begins_after_it() -> None:
    assert services.known(("gatekeeper", "slurm", "gass")) == ("slurm", "gass", "gatekeeper")
    assert services.known(("slurm",)) == ("slurm", "gatekeeper")


def test_an_ordinary_user_is_told_that_it_needs_root(ordinary_user: Somebody) -> None:
    done = ordinary_user.pyglobus("sandbox", "exec", "--name", "no-root", "--with", "slurm", "true", check=False)
    assert done.returncode == 77
    assert done.stderr.endswith("hint: run this command as root\n")
    assert "cannot start slurm" in done.stderr


@root
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("pyglobus.core.sandbox.server._SYSTEM_DIRECTORIES", ())
    with pytest.raises(errors.Unsupported, match="munged") as caught:
        Sandbox(tmp_path / "grid", run=("slurm",)).start()
    assert caught.value.hint == "apt install slurmctld slurmd slurm-client munge globus-gram-job-manager-slurm"


@root
def test_files_come_and_go_and_statuses_are_true(slurm: Sandbox) -> None:
    """Several jobs side by side, each with a file from here and one back, on the queue that was asked for."""
    contact = f"{slurm.variables['PYGLOBUS_SANDBOX_GRAM']}/jobmanager-slurm"
    site = f"{slurm.variables['PYGLOBUS_SANDBOX_GSIFTP']}{slurm.data_dir}"
    requests = []
    for number in range(JOBS):
        (slurm.data_dir / f"source{number}").write_bytes(os.urandom(70_000 + number))
        (slurm.data_dir / f"source{number}").chmod(0o644)
        status = STATUSES[number % len(STATUSES)]
        ends = "kill -9 $$" if status == 137 else f"exit {status}"
        script = f"cat in{number} in{number} >out{number}; echo $SLURM_JOB_PARTITION >>out{number}; {ends}"
        requests.append(
            f"(&(executable=/bin/sh)(arguments=-c '{script}')(queue=short)(max_wall_time=2)"
            f"(file_stage_in=('{site}/source{number}' in{number}))"
            f"(file_stage_out=(out{number} '{site}/sink{number}')))"
        )
    done = run(slurm, "--propagate-exit", "--format", "jsonl", "-r", contact, "+" + "".join(requests))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    ends_of = {record["job"]: record["exit_code"] for record in records if record.get("state") == "DONE"}
    assert ends_of == {str(number + 1): STATUSES[number % len(STATUSES)] for number in range(JOBS)}, done.stderr
    for number in range(JOBS):
        source = (slurm.data_dir / f"source{number}").read_bytes()
        assert (slurm.data_dir / f"sink{number}").read_bytes() == source * 2 + b"short\n"


@root
def test_a_job_is_seen_live_and_cancelled(slurm: Sandbox) -> None:
    """By a contact that names the service and the gatekeeper's subject."""
    host = slurm.variables["PYGLOBUS_SANDBOX_GRAM"]
    subject = "/O=Grid/OU=Sandbox/CN=localhost"
    contact, script = f"{host}/jobmanager-slurm:{subject}", "echo here; sleep 600"
    command = [OURS, "--live", "-r", contact, "--", "/bin/sh", "-c", script]
    with subprocess.Popen(command, env=slurm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert queue(slurm) == f"RUNNING {slurm.user.account}\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert "RUNNING" not in queue(slurm)


@root
def test_all_of_it_ends_with_the_sandbox(blank_user: Path) -> None:
    """Also what a job has put into the background, and while another sandbox has Slurm."""
    with Sandbox(run=("slurm",)) as sandbox:
        directory, shared = sandbox.directory, sandbox.data_dir.parent
        job = ["sbatch", "--output=/dev/null", "--uid", sandbox.user.account, f"--chdir={sandbox.data_dir}"]
        script = "setsid sleep 600 & touch begun; sleep 600"
        subprocess.run([*job, f"--wrap={script}"], env=sandbox.env, check=True, capture_output=True)
        while not (sandbox.data_dir / "begun").exists():
            subprocess.run(["scontrol", "ping"], env=sandbox.env, check=True, capture_output=True)
        marks = ((MARK, str(directory)), *sandbox.servers["slurm"].marks.items())
        found = {_program(each.pid) for mark in marks for each in processes.marked(*mark)}
        assert {"munged", "slurmctld", "slurmd", "slurmstepd:", "sleep"} <= found
    assert not any(list(processes.marked(*mark)) for mark in marks)
    assert not directory.exists()
    assert not shared.exists()
    assert not Path("/etc/slurm/slurm.conf").exists()


def _program(pid: int) -> str:
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].split(b" ")[0])).name


def queue(slurm: Sandbox) -> str:
    command = ["squeue", "-h", "-o", "%T %u"]
    return subprocess.run(command, env=slurm.env, capture_output=True, text=True, check=True).stdout


def run(slurm: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OURS, *arguments], env=slurm.env, capture_output=True, text=True, timeout=120, check=False)

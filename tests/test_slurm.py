# SPDX-License-Identifier: Apache-2.0
"""Jobs on Slurm by way of the gatekeeper: files to and from them, true exit statuses, output while they run, and what
can be done to them. Slurm's job manager looks every ten seconds, so what can be seen by one round of jobs is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
SEVERAL = 2

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
    # The command, on a machine that has a GridFTP server, which every sandbox needs, and nothing else.
    (tmp_path / "globus-gridftp-server").symlink_to("/usr/sbin/globus-gridftp-server")
    program = "import sys; from pyglobus.core.sandbox import server; server._SYSTEM_DIRECTORIES = (); "
    program += "from pyglobus.cli.main import pyglobus; sys.exit(pyglobus())"
    command = [sys.executable, "-c", program, "sandbox", "exec", "--name", "bare", "--with", "slurm", "/bin/true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 69
    assert done.stderr == (
        "pyglobus sandbox exec: cannot start slurm: munged: the program is not installed\n"
        "hint: apt install slurmctld slurmd slurm-client munge globus-gram-job-manager-slurm\n"
    )


class Round(NamedTuple):
    """Jobs that were started together."""

    #: Each with a file from here and one back to here, by options.
    alone: list[subprocess.Popen[str]]
    #: By one description, with files from a GridFTP server and back.
    several: subprocess.Popen[str]
    #: One that was left; where its list of jobs is.
    left: dict[str, str]
    #: One whose file goes to a server that takes nothing.
    stuck: subprocess.Popen[str]
    silent: socket.socket


@pytest.fixture(scope="module")
def together(slurm: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    place = tmp_path_factory.mktemp("slurm")
    contact = f"{slurm.variables['PYGLOBUS_SANDBOX_GRAM']}/jobmanager-slurm"
    env = slurm.env | {"XDG_STATE_HOME": str(place)}

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [OURS, "-r", contact, *arguments]
        return subprocess.Popen(command, env=env, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    left = env | {"XDG_STATE_HOME": str(place / "left")}
    (place / "left").mkdir()
    options = ("--detach", "--propagate-exit", "--stage-out", f"left-made={place}/left-out")
    script = "echo here; echo file >left-made; exit 7"
    command = [OURS, "-r", contact, *options, "--", "/bin/sh", "-c", script]
    subprocess.run(command, env=left, capture_output=True, text=True, timeout=60, check=True)
    alone = []
    for number in range(JOBS):
        (place / f"in {number}").write_bytes(os.urandom(70_000 + number))
        wishes = ("--queue", "short", "--walltime", "2", "--count", "1", "--env", f"NUMBER={number}")
        files = ("--stage-in", f"in {number}=came{number}", "--stage-out", f"made{number}=out {number}")
        script = f"cat came{number} came{number} >made{number}; echo $NUMBER $SLURM_JOB_PARTITION; {ending(number)}"
        alone.append(start("--propagate-exit", *wishes, *files, "--", "/bin/sh", "-c", script))
    several = start("--propagate-exit", "--format", "jsonl", gridftp_request(slurm))
    silent = socket.create_server(("127.0.0.1", 0))
    stage = f"(file_stage_out=(/etc/hostname http://localhost:{silent.getsockname()[1]}/x))"
    stuck = start(f"&(executable=/bin/true){stage}")
    yield Round(alone, several, left, stuck, silent)
    silent.close()
    for process in (*alone, several, stuck):
        with process:
            process.kill()


def ending(number: int) -> str:
    status = STATUSES[number % len(STATUSES)]
    return "kill -9 $$" if status == 137 else f"exit {status}"


def gridftp_request(slurm: Sandbox) -> str:
    site = f"{slurm.variables['PYGLOBUS_SANDBOX_GSIFTP']}{slurm.data_dir}"
    requests = []
    for number in range(SEVERAL):
        (slurm.data_dir / f"source{number}").write_bytes(os.urandom(70_000 + number))
        (slurm.data_dir / f"source{number}").chmod(0o644)
        script = f"cat in{number} in{number} >out{number}; echo $SLURM_JOB_PARTITION >>out{number}; {ending(number)}"
        requests.append(
            f"(&(executable=/bin/sh)(arguments=-c '{script}')(queue=short)(max_wall_time=2)"
            f"(file_stage_in=('{site}/source{number}' in{number}))"
            f"(file_stage_out=(out{number} '{site}/sink{number}')))"
        )
    return "+" + "".join(requests)


@root
def test_files_of_ours_come_and_go_and_statuses_are_true(together: Round, slurm: Sandbox) -> None:
    """By options alone, as many processes side by side as there are jobs."""
    for number, process in enumerate(together.alone):
        out, err = process.communicate(timeout=150)
        expected = STATUSES[number % len(STATUSES)]
        assert (process.returncode, out) == (expected, f"{number} short\n"), err
        place = Path(together.left["XDG_STATE_HOME"]).parent
        source = (place / f"in {number}").read_bytes()
        assert (place / f"out {number}").read_bytes() == source * 2
        (slurm.data_dir / f"came{number}").unlink()
        (slurm.data_dir / f"made{number}").unlink()


@root
def test_files_of_a_server_come_and_go_and_each_job_has_its_status(together: Round, slurm: Sandbox) -> None:
    out, err = together.several.communicate(timeout=150)
    records = [json.loads(line) for line in out.splitlines()]
    ends_of = {record["job"]: record["exit_code"] for record in records if record.get("state") == "DONE"}
    assert ends_of == {str(number + 1): STATUSES[number % len(STATUSES)] for number in range(SEVERAL)}, err
    for number in range(SEVERAL):
        source = (slurm.data_dir / f"source{number}").read_bytes()
        assert (slurm.data_dir / f"sink{number}").read_bytes() == source * 2 + b"short\n"


@root
def test_a_job_that_was_left_is_picked_up(together: Round) -> None:
    """With its output, its status and its file."""
    listed = json.loads(managed(together.left, "list", "--format", "json").stdout)["jobs"]
    assert [(job["number"], job["kept"]) for job in listed] == [(1, True)]
    done = managed(together.left, "output", "1")
    assert (done.returncode, done.stdout, done.stderr) == (7, "here\n", "")
    assert Path(together.left["XDG_STATE_HOME"], "..", "left-out").read_text() == "file\n"
    again = managed(together.left, "output", "1")
    assert (again.returncode, again.stdout) == (7, "here\n")
    assert "exit 7" in managed(together.left, "list").stdout


@root
def test_ctrl_c_while_files_are_staged_out(together: Round) -> None:
    """The job manager does not give up the transfer; we do."""
    together.silent.settimeout(150)
    connection, _ = together.silent.accept()
    together.stuck.send_signal(signal.SIGINT)
    _, err = together.stuck.communicate(timeout=60)
    connection.close()
    assert together.stuck.returncode == -signal.SIGINT
    assert "its job manager is busy with it" in err


@root
def test_a_job_that_is_pending_is_listed_and_cancelled_but_not_held(slurm: Sandbox, tmp_path: Path) -> None:
    """By its number, and by Ctrl-C. Slurm's job manager has no hold and no release: that is told, and what to do."""
    contact = f"{slurm.variables['PYGLOBUS_SANDBOX_GRAM']}/jobmanager-slurm"
    env = slurm.env | {"XDG_STATE_HOME": str(tmp_path)}
    blocks = ["sbatch", "--parsable", "--exclusive", "--output=/dev/null", "--wrap=sleep 600"]
    blocker = subprocess.run(
        [*blocks, "--uid", slurm.user.account, f"--chdir={slurm.data_dir}"],
        env=slurm.env, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    try:
        command = [OURS, "--format", "jsonl", "-r", contact, "--", "true"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["state"] == "PENDING"
            assert f"PENDING {slurm.user.account}\n" in queue(slurm)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        assert json.loads(out.splitlines()[-1])["failure"]["code"] == 8
        subprocess.run([OURS, "--detach", "-r", contact, "--", "true"], env=env, capture_output=True, check=True)
        assert json.loads(managed(env, "status", "2", "--format", "json").stdout)["jobs"][0]["state"] == "PENDING"
        for verb, name in (("hold", "suspend"), ("release", "resume")):
            done = managed(env, verb, "2")
            assert done.returncode == 69
            first, hint = done.stderr.splitlines()
            assert first.startswith(f"pyglobus job {verb}: cannot signal {name} to the job: https://localhost:")
            assert first.endswith(": its job manager does not know how")
            assert hint == "hint: the scheduler's own commands may, on its machine (Slurm: scontrol)"
        assert managed(env, "cancel", "2").returncode == 0
        assert "PENDING" not in queue(slurm)
    finally:
        subprocess.run(["scancel", "--full", "--signal=KILL", blocker], env=slurm.env, check=True)


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


def managed(env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(OURS).with_name("pyglobus")), "job", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=150, check=False)

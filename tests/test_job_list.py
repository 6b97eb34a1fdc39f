# SPDX-License-Identifier: Apache-2.0
"""The list of jobs: what is on it is whole, and a job on it is picked up again, whatever became of its submitter."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from pyglobus.core import errors, rsl
from pyglobus.core.gram import State, description, records, restart
from pyglobus.core.gram.errors import CODES, of_code
from pyglobus.core.gram.job import Event
from pyglobus.core.gram.outlet import Paths
from pyglobus.core.gram.records import Record, Records, Spool
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox import process as processes
from pyglobus.core.sandbox.server import MARK
from tests.waiting import wait_until

BIN = Path(sys.executable).parent


def add(directory: Path, **more: object) -> Record:
    known = {"title": "t", "gatekeeper": "g", "description": "&(a=b)", "contact": "https://h:1/1/2/"}
    return Records(directory).add(**(known | more))


def _add_many(directory: Path) -> list[int]:
    return [add(directory).number for _ in range(20)]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = add(tmp_path, kept=True, reads=None)
    failure = CODES["USER_CANCELLED"]
    record.heard(Event(State.ACTIVE, 1.0))
    record.heard(Event(State.ACTIVE, 2.0))
    record.heard(Event(State.FAILED, 3.0, of_code(failure, "cancelled", what="x"), 8))
    Records(tmp_path).save(record)
    again = Records(tmp_path).find(str(record.number))
    assert again.told() == json.loads(json.dumps(record.told()))
    assert (again.state, again.ended, again.reads, again.writes) == (State.FAILED, True, None, [])
    assert [state for state, _ in again.states] == ["ACTIVE", "FAILED"]
    assert again.failure == {"code": 8, "name": "UserCancelled", "why": "cancelled"}
    path = tmp_path / f"{record.number}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for contact in ("https://h:1/1/2/", "https://h:99/1/2/"):  # of the next job manager, or the one before
        assert Records(tmp_path).find(contact).number == record.number


def test_no_two_processes_have_the_same_number(tmp_path: Path) -> None:
    with get_context("spawn").Pool(3) as pool:
        numbers = [number for each in pool.map(_add_many, [tmp_path] * 3) for number in each]
    assert sorted(numbers) == list(range(1, 61))
    assert len(list(Records(tmp_path))) == 60


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    record = add(tmp_path)
    for name, text in (("2.json", ""), ("3.json", "{"), ("4.json", '{"form": 9}'), ("5.json", '{"form": 1, "x": 2}'),
                       ("6.json", "[]"), ("x.json", "{}"), ("7.json.tmp", "{}")):  # fmt: skip
        (tmp_path / name).write_text(text)
    assert list(Records(tmp_path)) == [record]
    for name in ("2", "8", "-1", "1.0", "https://h:2/", "٣", "9" * 30):
        with pytest.raises(errors.NotFound):
            Records(tmp_path).find(name)
    assert add(tmp_path).number == 7


def test_old_jobs_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MOST", 3)
    for _ in range(4):
        record = add(tmp_path)
        record.closed = record.number != 1
        Records(tmp_path).save(record)
    made = add(tmp_path), add(tmp_path)
    assert [each.number for each in Records(tmp_path)] == [1, 3, 4, *(each.number for each in made)]


def test_a_spool_is_there_when_it_is_whole(tmp_path: Path) -> None:
    paths = (tmp_path / "1.out", tmp_path / "1.err")
    with Spool(paths) as spool:
        spool.write(0, b"half")
    assert not list(tmp_path.iterdir())
    with Spool(paths) as spool:
        spool.write(0, b"out")
        spool.write(1, b"err")
        spool.complete()
    assert [path.read_bytes() for path in paths] == [b"out", b"err"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_only_what_came_to_us_is_called_for_at_a_restart() -> None:
    paths = Paths.of()
    for sent, streams in ((rsl.conjunction(executable="/bin/true"), 2), (rsl.conjunction(stdout="/x"), 1)):
        whole = description.prepared(sent, description.Wishes(shows=True, kept=True), paths, "https://localhost:1")
        again = restart.description("https://h:1/1/2/", str(whole), "https://localhost:2", paths)
        assert len([*again.relations("stdout"), *again.relations("stderr")]) == streams
        assert not [*again.relations("two_phase"), *again.relations("save_state")]
    assert not description.recoverable(rsl.conjunction(executable="/bin/true", twophase=5))


@pytest.fixture
def env(jobs: Sandbox, tmp_path: Path) -> dict[str, str]:
    return jobs.env | {"XDG_STATE_HOME": str(tmp_path)}


@pytest.fixture
def gate(jobs: Sandbox) -> Iterator[Path]:
    """A pipe in the data directory; a job that reads it runs until the test lets it."""
    path = jobs.data_dir / "list-gate"
    os.mkfifo(path)
    path.chmod(0o666)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)
    path.unlink()


def run(env: dict[str, str], *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / words[0]), *words[1:]]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def job(env: dict[str, str], *words: str) -> dict[str, object]:
    """The last job on the list, or what a verb tells of it."""
    verb = words or ("list",)
    found = json.loads(run(env, "pyglobus", "job", *verb, "--format", "json").stdout)["jobs"]
    assert isinstance(found[-1], dict)
    return found[-1]


def killed(env: dict[str, str], *words: str) -> None:
    """Run pyglobusrun, and kill it when its job is active."""
    command = [str(BIN / "pyglobusrun"), "--format", "jsonl", *words]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and json.loads(line).get("state") == "ACTIVE":
                break
        process.kill()
    assert process.returncode == -signal.SIGKILL


def undelivered(env: dict[str, str]) -> bool:
    return job(env, "status")["state"] == "STAGE_OUT"


@pytest.mark.parametrize("ended", [False, True])
def test_a_job_is_picked_up_after_kill_9_with_its_output_whole(
    ended: bool, env: dict[str, str], contact: str, gate: Path
) -> None:
    """While it runs, and after its end."""
    script = f"echo before; read x <{gate}; echo after; echo err >&2; exit 7"
    killed(env, "--propagate-exit", "-r", contact, "--", "sh", "-c", script)
    assert (job(env)["state"], job(env, "status", "1")["state"]) == ("ACTIVE", "ACTIVE")
    if ended:
        gate.write_text("go\n")
        wait_until(lambda: undelivered(env))
        done = run(env, "pyglobus", "job", "output", "1", check=False)
    else:
        command = [str(BIN / "pyglobus"), "job", "watch", "1"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            gate.write_text("go\n")  # whether it has the job before its end or not: both must work
            out, err = process.communicate(timeout=100)
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
    assert (done.returncode, done.stdout) == (7, "before\nafter\n")
    assert "err\n" in done.stderr
    told = job(env)
    assert (told["state"], told["exit_code"], told["failure"]) == ("DONE", 7, None)
    again = run(env, "pyglobus", "job", "output", "1", check=False)
    assert (again.returncode, again.stdout, again.stderr) == (7, "before\nafter\n", "err\n")
    run(env, "pyglobus", "job", "forget", "1")
    assert run(env, "pyglobus", "job", "list").stdout == ""


def test_a_job_outlives_its_job_manager(env: dict[str, str], contact: str, jobs: Sandbox, gate: Path) -> None:
    found = run(env, "pyglobusrun", "--detach", "-r", contact, "--", "sh", "-c", f"read x <{gate}; echo done")
    assert found.stdout.strip() == job(env)["contact"]
    run(env, "pyglobusrun", "-stop-manager", found.stdout.strip())
    gate.write_text("go\n")
    assert run(env, "pyglobus", "job", "output", "1").stdout == "done\n"


def kill_managers(jobs: Sandbox) -> int:
    """End all job managers at once; how many there were."""
    marked = [process.pid for process in processes.marked(MARK, str(jobs.directory))]
    managers = [pid for pid in marked if b"globus-job-manager\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in managers:
        os.kill(pid, signal.SIGKILL)
    return len(managers)


def there(jobs: Sandbox, contact: object) -> Iterator[Path]:
    """What of the output of a job lies in its directory."""
    name = "/".join(str(contact).split("/")[3:5]).replace("/", ".")
    return (jobs.data_dir / ".globus" / "job").glob(f"*/{name}/std*")


@pytest.mark.parametrize("ended", [False, True])
def test_the_output_of_a_job_is_whole_though_it_and_its_job_manager_were_left_and_killed(
    ended: bool, env: dict[str, str], contact: str, jobs: Sandbox, gate: Path, tmp_path: Path
) -> None:
    """The submitter by kill -9, and then all job managers, while the job runs and after its end. The next one sends the
    output nowhere, and says DONE: another job fetches it, with the exit status and the file.
    """
    script = f"echo began >>list-began; echo before; read x <{gate}; echo after; echo err >&2; echo file >made; exit 7"
    options = ("--propagate-exit", "--stage-out", f"made={tmp_path}/back")
    killed(env, *options, "-r", contact, "--", "sh", "-c", script)
    first = job(env)["contact"]
    if ended:
        gate.write_text("go\n")
        wait_until(lambda: undelivered(env))
    assert kill_managers(jobs) == 1
    if not ended:
        told = job(env, "status", "1")
        assert (told["state"], told["contact"] == first) == ("ACTIVE", False)
        gate.write_text("go\n")
    done = run(env, "pyglobus", "job", "output", str(first), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "before\nafter\n", "err\n")
    assert (tmp_path / "back").read_text() == "file\n"
    told = job(env)
    assert (told["state"], told["exit_code"], told["failure"]) == ("DONE", 7, None)
    again = run(env, "pyglobus", "job", "output", "1", check=False)
    assert (again.returncode, again.stdout, again.stderr) == (7, "before\nafter\n", "err\n")
    began = jobs.data_dir / "list-began"
    assert began.read_text() == "began\n"
    began.unlink()
    (jobs.data_dir / "made").unlink()
    wait_until(lambda: not list(there(jobs, first)))  # when it is here


def test_a_job_that_is_followed_survives_its_job_manager(
    env: dict[str, str], contact: str, jobs: Sandbox, gate: Path
) -> None:
    """The gatekeeper is asked for a new one as soon as it is missed."""
    script = f"echo before; read x <{gate}; echo after; exit 42"
    command = [str(BIN / "pyglobusrun"), "--live", "--propagate-exit", "-r", contact, "--", "sh", "-c", script]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "before\n"
        assert kill_managers(jobs) == 1
        gate.write_text("go\n")
        out, err = process.communicate(timeout=100)
    assert (process.returncode, out, err) == (42, "after\n", "")


def test_output_that_is_gone_is_told(env: dict[str, str], contact: str, jobs: Sandbox, gate: Path) -> None:
    """With the job manager that was to send it, and from the disk."""
    run(env, "pyglobusrun", "--detach", "-r", contact, "--", "sh", "-c", f"read x <{gate}; echo done")
    assert kill_managers(jobs) == 1
    told = job(env, "status", "1")
    gate.write_text("go\n")
    for path in there(jobs, told["contact"]):
        path.unlink()
    done = run(env, "pyglobus", "job", "output", "1", check=False)
    assert (done.returncode, done.stdout, "has not arrived" in done.stderr) == (74, "", True)
    assert done.stderr.endswith("hint: to try again: pyglobus job output 1\n")
    assert job(env)["state"] == "STAGE_OUT"


def test_jobs_are_managed_by_their_numbers(env: dict[str, str], contact: str, gate: Path) -> None:
    run(env, "pyglobusrun", "--detach", "-r", contact, "--", "sh", "-c", f"read x <{gate}")
    run(env, "pyglobus", "job", "renew", "1")
    held = run(env, "pyglobus", "job", "hold", "1", check=False)
    assert held.returncode == 69, "the fork job manager cannot"
    assert "cannot signal suspend" in held.stderr
    assert "\nhint: the scheduler's own commands may" in held.stderr
    wrong = run(env, "pyglobus", "job", "signal", "1", "nonsense", check=False)
    assert (wrong.returncode, "suspend, resume" in wrong.stderr) == (2, True)
    assert run(env, "pyglobus", "job", "forget", "1", check=False).returncode == 2
    partly = run(env, "pyglobus", "job", "cancel", "1", "99", check=False)
    assert (partly.returncode, "99: no such job" in partly.stderr) == (3, True)
    assert job(env, "status", "1")["state"] == "FAILED"
    assert run(env, "pyglobus", "job", "list", "--open").stdout == ""
    table = run(env, "pyglobus", "job", "list").stdout.splitlines()
    assert [line.split()[:3] for line in table[1:]] == [["1", "FAILED", "(8)"]]
    assert run(env, "pyglobus", "job", "output", "1", check=False).returncode == 66


def test_a_list_that_cannot_be_had_is_no_reason_not_to_run_a_job(
    env: dict[str, str], contact: str, tmp_path: Path
) -> None:
    (tmp_path / "pyglobus").write_text("")
    done = run(env, "pyglobusrun", "-r", contact, "--", "echo", "done")
    assert (done.stdout, "will not be on the list" in done.stderr) == ("done\n", True)

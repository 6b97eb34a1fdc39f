# SPDX-License-Identifier: Apache-2.0
"""Several requests in one description: all are run, or with --all-or-nothing none, and each has a status of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core import errors, rsl
from pyglobus.core.gram import multi
from pyglobus.core.sandbox import Sandbox

OURS = str(Path(sys.executable).with_name("pyglobusrun"))
_TRUE = "&(executable=/bin/true)"


def run(jobs: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OURS, *arguments], env=jobs.env, capture_output=True, text=True, timeout=100, check=False)


def shell(script: str, more: str = "") -> str:
    return f"(&(executable=/bin/sh)(arguments=-c '{script}'){more})"


def several(text: str) -> rsl.Boolean:
    found = rsl.parse(text)
    assert isinstance(found, rsl.Boolean)
    return found


def test_each_request_goes_to_its_gatekeeper_under_its_label() -> None:
    text = f"+({_TRUE})({_TRUE}(resource_manager_contact=other:1/x)(label=two))"
    first, second = multi.parts(several(text), "here")
    assert (first.label, first.contact, str(first.request)) == ("1", "here", '&("executable" = "/bin/true")')
    assert (second.label, second.contact, second.request) == ("two", "other:1/x", first.request)
    with pytest.raises(errors.UsageError, match="request 1"):
        multi.parts(several(text), None)
    for wrong in ("+(executable=/bin/true)", f"+(+({_TRUE}))", f"+({_TRUE}(label=(a b)))"):
        with pytest.raises(errors.UsageError):
            multi.parts(several(wrong), "here")


def test_states_are_told_of_each(jobs: Sandbox, contact: str) -> None:
    done = run(jobs, "-r", contact, f"+({_TRUE})({_TRUE}(label=two))")
    assert (done.returncode, done.stderr) == (0, "")
    for label in ("1", "two"):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{label}: ")]
        assert lines[0] == f"{label}: GRAM Job submission successful"
        assert lines[-1] == f"{label}: GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE"


def test_output_is_merged_by_lines_and_failures_are_counted(jobs: Sandbox, contact: str) -> None:
    request = "+" + "".join((
        shell("echo a; echo b; echo err >&2"), shell("printf x; exit 7", "(label=second)"),
        "(&(executable=/no/such)(label=third))", shell("exit 0", "(colour=red)"),
    ))  # fmt: skip
    done = run(jobs, "-o", "-r", contact, request)
    assert done.returncode == 3
    assert sorted(done.stdout.splitlines()) == ["1| a", "1| b", "second| x"]
    said = done.stderr.splitlines()
    assert "1| err" in said
    assert any(line.startswith("third: ") and "executable" in line for line in said)
    assert any(line.startswith("4: ") and "colour" in line for line in said)
    assert said[-1] == "pyglobusrun: jobs have failed: 2 of 4"


def test_exit_statuses_and_states_come_as_records(jobs: Sandbox, contact: str) -> None:
    request = "+" + shell("echo live; exit 0") + shell("exit 42", "(label=bad)")
    done = run(jobs, "--live", "--propagate-exit", "--format", "jsonl", "--limit", "1", "-r", contact, request)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert "1| live" in lines
    records = [json.loads(line) for line in lines if line.startswith("{")]
    ends = {record["job"]: record for record in records if record.get("state") == "DONE"}
    assert {label: record["exit_code"] for label, record in ends.items()} == {"1": 0, "bad": 42}
    assert [record["job"] for record in records if record["type"] == "failed"] == ["bad"]
    assert json.loads(done.stderr.splitlines()[-1])["exit_code"] == 3


@pytest.fixture
def ran(jobs: Sandbox) -> Iterator[Path]:
    path = jobs.data_dir / "multi-ran"
    yield path
    path.unlink(missing_ok=True)


def test_of_all_or_nothing_none_begins_if_one_is_refused(jobs: Sandbox, contact: str, ran: Path) -> None:
    request = "+" + shell(f"touch {ran}") + shell("true", "(colour=red)")
    done = run(jobs, "--all-or-nothing", "-r", contact, request)
    assert done.returncode == 3
    assert "the user cancelled the job" in done.stderr
    assert not ran.exists()
    done = run(jobs, "--all-or-nothing", "-r", contact, "+" + shell(f"touch {ran}") + shell("true"))
    assert (done.returncode, done.stderr) == (0, "")
    assert ran.exists()


def test_ctrl_c_cancels_all(jobs: Sandbox, contact: str) -> None:
    gate = jobs.data_dir / "multi-gate"
    os.mkfifo(gate)
    gate.chmod(0o666)
    held = os.open(gate, os.O_RDWR)
    request = "+" + shell(f"read x <{gate}") * 2
    command = [OURS, "--format", "jsonl", "-r", contact, request]
    with subprocess.Popen(command, env=jobs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        active = 0
        while active < 2:
            active += json.loads(process.stdout.readline()).get("state") == "ACTIVE"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    os.close(held)
    gate.unlink()
    assert process.returncode == -signal.SIGINT
    ends = [json.loads(line) for line in rest.splitlines()]
    assert [end["failure"]["code"] for end in ends if end.get("state") == "FAILED"] == [8, 8]

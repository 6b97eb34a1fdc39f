# SPDX-License-Identifier: Apache-2.0
"""pyglobusrun beside globusrun, against the same gatekeeper: what goes wrong is numbered and said alike; and what it
has beyond.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pexpect
import pytest

from pyglobus.cli.mishaps import MISHAPS
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.x509.proxytype import LIMITED

OURS = str(Path(sys.executable).with_name("pyglobusrun"))
THEIRS = "globusrun"
_TRUE = "(executable=/bin/true)"
SUBJECT = "/O=Grid/OU=Sandbox/CN=localhost"


@pytest.fixture(scope="module")
def proxies(jobs: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Proxies that a gatekeeper does not take."""
    from pyglobus.core.sandbox.authority import Issued

    place = tmp_path_factory.mktemp("proxies")
    now = dt.datetime.now(dt.UTC)
    user = Issued.load(jobs.user.certificate, jobs.user.key)
    stranger = jobs.authority.issue("Mallory", key=user.key)
    made = {
        "of somebody the site does not know": stranger.proxy(key=user.key),
        "limited": user.proxy(key=user.key, language=LIMITED),
        "expired": user.proxy(
            key=user.key, not_before=now - dt.timedelta(hours=3), not_after=now - dt.timedelta(minutes=90)
        ),
    }
    for name, proxy in made.items():
        proxy.save_proxy(place / name)
    return {name: str(place / name) for name in (*made, "missing")}


def both(jobs: Sandbox, *arguments: str, env: Mapping[str, str] | None = None) -> list[tuple[int, str, str]]:
    """What ours and globusrun do at the same time: status, stdout and stderr."""
    environment = jobs.env | dict(env or {})
    started = [
        subprocess.Popen([tool, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for tool in (OURS, THEIRS)
    ]
    done = []
    for process in started:
        out, err = process.communicate(timeout=100)
        done.append((process.returncode, re.sub(r"https://\S+", "JOB", out), err))
    return done


R = ("-r", "CONTACT")


def gone(jobs: Sandbox, contact: str) -> str:
    """The contact of a job that has ended, at a job manager that goes on."""
    command = [THEIRS, "-q", "-F", "-r", contact, f"&{_TRUE}"]
    job = subprocess.run(command, env=jobs.env, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    subprocess.run([OURS, "--wait", job], env=jobs.env, capture_output=True, check=False, timeout=60)
    return job


Results = Mapping[str, "Future[list[tuple[int, str, str]]]"]


@pytest.fixture(scope="module")
def results(jobs: Sandbox, contact: str, proxies: Mapping[str, str]) -> Iterator[Results]:
    """What comes of everything in the tables, several at a time: nearly all of it is waiting."""

    def job(arguments: tuple[str, ...], proxy: str) -> list[tuple[int, str, str]]:
        there = gone(jobs, contact) if any("JOB" in word for word in arguments) else ""
        words = (word.replace("CONTACT", contact).replace("JOB", there) for word in arguments)
        return both(jobs, *words, env={"X509_USER_PROXY": proxies[proxy]} if proxy else None)

    with ThreadPoolExecutor(4) as pool:
        started = {case: pool.submit(job, each.words, each.proxy) for case, each in MISHAPS.items()}
        yield started | {case: pool.submit(job, arguments, "") for case, arguments in RIGHT.items()}


# What globusrun says beside its status, where that is a text of the library or the job manager.
_BECAUSE = re.compile(r"because (.*) \(error code \d+\)", re.DOTALL)


@pytest.mark.parametrize("case", MISHAPS)
def test_what_goes_wrong_goes_wrong_as_with_globusrun(
    case: str, results: Results, contact: str, proxies: Mapping[str, str]
) -> None:
    """With the same status, the same words for what the library or the job manager says, and the same output. The
    whole of it stands in the manual page.
    """
    told = MISHAPS[case]
    ours, theirs = results[case].result()
    said = ours[2].replace(contact, "CONTACT").replace(proxies.get(told.proxy) or "PROXY", "PROXY")
    said = re.sub(r"https://localhost:\d{3,}/\d+/\d+/", "JOB", said).replace(SUBJECT, "SUBJECT")
    lines = said.splitlines()
    assert lines[0] == f"pyglobusrun: {told.message}"
    assert len(lines) == (2 if "hint: " in said else 1)
    assert ours[0] == told.status
    if told.theirs is not None:
        assert (theirs[0], theirs[1], ours[1]) == (told.theirs, "DONE\n", "ERROR\n")
        return
    assert theirs[0] == told.status
    assert ours[1] == theirs[1]
    if because := _BECAUSE.search(theirs[2]):
        assert " ".join(because[1].split()) in " ".join(ours[2].split())
    elif told.status == 254:
        assert "hint: " in ours[2]


SHELL = '&(executable=/bin/sh)(arguments=-c "echo out; echo err >&2")'
RIGHT = {
    "ping": ("-a", *R),
    "versions": ("-j", *R),
    "parse": ("-p", *R, f"&{_TRUE}"),
    "run": (*R, f"&{_TRUE}"),
    "quiet": ("-q", *R, f"&{_TRUE}"),
    "output": ("-o", *R, SHELL),
    "server": ("-s", *R, SHELL),
    "writable": ("-w", *R, SHELL),
    "dry run": ("-d", *R, f"&{_TRUE}"),
    "quiet batch": ("-q", "-b", *R, f"&{_TRUE}"),
    "fast batch": ("-q", "-F", *R, f"&{_TRUE}"),
    "full proxy": ("-D", "-q", *R, f"&{_TRUE}"),
    "two-phase": ("-q", *R, f"&{_TRUE}(twophase=60)"),
    "own output": ("-s", *R, "&(executable=/bin/echo)(arguments=x)(stdout=$(GLOBUSRUN_GASS_URL)/dev/stderr)"),
    "state of a job that is gone": ("-status", "JOB"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_goes_well_is_as_with_globusrun(case: str, results: Results) -> None:
    ours, theirs = results[case].result()
    assert (ours[0], theirs[0]) == (0, 0), ours
    if case == "run":  # whether a short job is seen while it is active is a matter of luck
        ours, theirs = ((code, out.replace("GLOBUS_GRAM_PROTOCOL_JOB_STATE_ACTIVE\n", ""), err)
                        for code, out, err in (ours, theirs))  # fmt: skip
    assert ours[1] == theirs[1]
    if case in ("output", "server", "writable"):
        assert ours[1:] == ("out\n", "err\n")


def run(jobs: Sandbox, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([OURS, *arguments], env=jobs.env, capture_output=True, text=True, timeout=100, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_a_command_is_run_without_writing_rsl(jobs: Sandbox, contact: str) -> None:
    awkward = ["a  b", 'say "hi"', "it's", "$(HOME)", "$HOME", "ünï", "", "#"]
    done = run(jobs, "-r", contact, "--", "printf", "%s|", *awkward)
    assert done.stdout == "|".join(awkward) + "|"
    options = ("--env", "A=b = c", "--env", "B=", "--directory", "/usr", "--stdin", "/etc/hostname")
    done = run(jobs, "-r", contact, *options, "--", "/bin/sh", "-c", 'echo "$A,$B,$PWD"; cat')
    assert done.stdout == f"b = c,,/usr\n{Path('/etc/hostname').read_text()}"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("echo out; exit 7", 7), ("kill -TERM $$", 143)])
def test_the_exit_status_of_the_program_comes_back(script: str, status: int, jobs: Sandbox, contact: str) -> None:
    done = run(jobs, "-r", contact, "--propagate-exit", "--", "/bin/sh", "-c", script, check=False)
    assert (done.returncode, done.stderr) == (status, "Terminated\n" if "kill" in script else ""), "as a shell says"
    assert done.stdout == ("out\n" if "out" in script else "")


def test_the_exit_status_comes_back_beside_other_files(jobs: Sandbox, contact: str) -> None:
    staged = jobs.data_dir / "staged-out"
    job = f"&(executable=/bin/sh)(arguments=-c 'exit 42')(file_stage_out=(/etc/hostname file://{staged}))"
    assert run(jobs, "-q", "-r", contact, "--propagate-exit", job, check=False).returncode == 42
    assert staged.read_bytes() == Path("/etc/hostname").read_bytes()
    staged.unlink()
    for wrong in (f"&{_TRUE}(count=2)", f"|{_TRUE}{_TRUE}", "&(arguments=x)"):
        done = run(jobs, "-r", contact, "--propagate-exit", wrong, check=False)
        assert (done.returncode, "cannot tell the exit status" in done.stderr) == (255, True)
    assert run(jobs, "-r", contact, "--propagate-exit", "/no/such", check=False).returncode == 255
    missing = run(jobs, "-r", contact, "--propagate-exit", "--", "/no/such", check=False)
    assert missing.returncode == 127, "what the shell there says"


def test_what_would_be_sent_is_shown(jobs: Sandbox) -> None:
    options = ("--count", "3", "--queue", "short", "--walltime", "90", "--project", "p", "-d")
    done = run(jobs, "--rsl", *options, "--", "date", "-u")
    assert done.stdout == (
        '&("dryrun" = "yes")("executable" = "/usr/bin/env")("arguments" = "date" "-u")("count" = "3")'
        '("queue" = "short")("project" = "p")("max_wall_time" = "90")\n'
    )
    twice = run(jobs, "--rsl", "--count", "3", f"&{_TRUE}(count=2)", check=False)
    assert (twice.returncode, "the description has it already" in twice.stderr) == (255, True)


def test_where_a_description_goes_wrong_is_said(jobs: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "job").write_text("& (executable = /bin/date)\n  (arguments -u)\n")
    done = run(jobs, "-p", "-f", str(tmp_path / "job"), check=False)
    assert done.returncode == 255
    assert done.stderr == (
        "pyglobusrun: not RSL: line 2, column 14: an operator such as = must follow the attribute, not '-'\n"
    )


def test_each_state_is_a_record(jobs: Sandbox, contact: str) -> None:
    done = run(jobs, "-r", contact, "--format", "jsonl", "&(executable=/no/such)", check=False)
    assert done.returncode == 5
    last = [json.loads(line) for line in done.stdout.splitlines()][-1]
    assert (last["type"], last["state"], last["failure"]["name"]) == ("state", "FAILED", "ExecutableNotFound")
    assert json.loads(done.stderr.splitlines()[-1])["fault"] == "gram-5"


def test_the_job_reads_and_writes_our_files_if_it_may(jobs: Sandbox, contact: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(100_000))
    stage = f"(file_stage_in=($(GLOBUSRUN_GASS_URL){tmp_path}/in $(HOME)/staged))"
    back = f"(file_stage_out=($(HOME)/staged $(GLOBUSRUN_GASS_URL){tmp_path}/out))(file_clean_up=$(HOME)/staged)"
    run(jobs, "-w", "-r", contact, f"&{_TRUE}{stage}{back}")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    (tmp_path / "out").unlink()
    assert run(jobs, "-s", "-r", contact, f"&{_TRUE}{stage}{back}", check=False).returncode == 155
    assert not (tmp_path / "out").exists()


@pytest.fixture
def gate(jobs: Sandbox) -> Iterator[Path]:
    """A pipe in the data directory; a job that reads it runs until the test lets it."""
    path = jobs.data_dir / "run-gate"
    os.mkfifo(path)
    path.chmod(0o666)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)
    path.unlink()


def active(process: subprocess.Popen[str]) -> str:
    """Wait until the job of one that prints records is active; its contact."""
    assert process.stdout is not None
    for line in process.stdout:
        record = json.loads(line)
        if record["type"] == "state" and record["state"] == "ACTIVE":
            return str(record["contact"])
    raise AssertionError("it has ended before")


def test_an_attribute_that_was_meant_is_offered(jobs: Sandbox, contact: str) -> None:
    """From the job manager's own list of attributes."""
    done = run(jobs, "-r", contact, "&(executabel=/bin/true)(max_wal_time=5)", check=False)
    assert done.returncode == 1
    hint = "hint: did you mean executable by executabel?; did you mean max_wall_time by max_wal_time?"
    assert done.stderr.splitlines()[1] == hint


def test_a_gatekeeper_takes_nearly_64_kibibytes(jobs: Sandbox, contact: str) -> None:
    script = 'printf %s "$@" | wc -c'
    done = run(jobs, "-r", contact, "--", "sh", "-c", script, "sh", *["x" * 1000] * 60)
    assert done.stdout == "60000\n"
    long = "&(executable=/bin/true)(arguments=" + " ".join(["x" * 1000] * 66) + ")"
    ours, theirs = both(jobs, "-r", contact, long)
    assert (ours[0], theirs[0]) == (10, 10)
    assert "hint: gatekeepers take 64 KiB at most" in ours[2]


def test_who_cannot_be_told_of_a_job_asks(jobs: Sandbox, contact: str) -> None:
    """Nobody is at the address (of RFC 5737) that the job manager is to tell the states to."""
    env = jobs.env | {"GLOBUS_HOSTNAME": "192.0.2.1"}
    command = [OURS, "--format", "jsonl", "-r", contact, f"&{_TRUE}"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["DONE"]


@pytest.mark.parametrize("subject", ["", f":{SUBJECT}"])
@pytest.mark.parametrize("service", ["", "/jobmanager", "/jobmanager-fork"])
def test_a_gatekeeper_is_named_in_all_forms(service: str, subject: str, jobs: Sandbox, contact: str) -> None:
    assert "successful" in run(jobs, "-a", "-r", f"{contact}{service}{subject}").stdout


def test_the_port_of_a_contact_is_2119_unless_it_is_given(jobs: Sandbox) -> None:
    forms = [f"localhost{rest}" for rest in ("", "/s", ":/s", f"::{SUBJECT}", f"/s:{SUBJECT}", f":/s:{SUBJECT}")]
    try:
        listener = socket.create_server(("127.0.0.1", 2119))
    except OSError:
        pytest.skip("port 2119 is taken")
    with listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(30)
        for form in forms:
            pinged = pool.submit(run, jobs, "-a", "-r", form, check=False)
            listener.accept()[0].close()
            assert pinged.result().returncode == 1, form


def test_states_are_watched(jobs: Sandbox, contact: str) -> None:
    """On lines; and on a terminal in a view that the job's output does not get into."""
    done = run(jobs, "--watch", "-r", contact, "--", "echo", "out")
    assert done.stdout == "out\n"
    assert re.fullmatch(r"( +\d+\.\d s  (STAGE_IN|PENDING|ACTIVE|STAGE_OUT|DONE)\n)+", done.stderr)
    env = {**jobs.env, "TERM": "xterm", "NO_COLOR": "1"}
    command = ["--watch", "--live", "-r", contact, "--", "sh", "-c", "sleep 1.5; echo out; sleep 1"]
    child = pexpect.spawn(OURS, command, env=env, timeout=60, dimensions=(30, 100), encoding="utf-8")
    child.expect(r"ACTIVE\S*  1\.\d s")
    child.expect("out\r\n")
    child.expect(r"DONE\S*  \d+\.\d s .*ACTIVE \d")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "Traceback" not in str(child.before)


def test_ctrl_c_leaves_the_job_where_that_is_asked(jobs: Sandbox, contact: str, gate: Path) -> None:
    job = f"&(executable=/bin/sh)(arguments=-c 'read x <{gate}')"
    command = [OURS, "--format", "jsonl", "-n", "-r", contact, job]
    with subprocess.Popen(command, env=jobs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        left = active(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert run(jobs, "-status", left).stdout == "ACTIVE\n"
    gate.write_text("go\n")
    waited = run(jobs, "--wait", left, "--format", "jsonl")
    assert json.loads(waited.stdout.splitlines()[-1])["state"] == "DONE"


def test_a_deadline_ends_the_wait(jobs: Sandbox, contact: str, gate: Path) -> None:
    job = run(jobs, "-q", "-b", "-r", contact, f"&(executable=/bin/sh)(arguments=-c 'read x <{gate}')").stdout.strip()
    done = run(jobs, "--wait", job, "--timeout", "1s", check=False)
    assert done.returncode == 124
    assert done.stderr.endswith("it has not ended within 1 s\n")
    assert run(jobs, "-status", job).stdout == "ACTIVE\n"
    done = run(jobs, "-r", contact, "--timeout", "2s", "--", "sh", "-c", f"read x <{gate}", check=False)
    assert done.returncode == 124


def test_a_gatekeeper_that_says_nothing_does_not_hold_us(jobs: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"localhost:{silent.getsockname()[1]}"
        assert run(jobs, "-r", where, "--timeout", "500ms", "--", "date", check=False).returncode == 124


def test_a_job_is_managed_by_its_contact(jobs: Sandbox, contact: str, gate: Path) -> None:
    job = run(jobs, "-q", "-b", "-r", contact, f"&(executable=/bin/sh)(arguments=-c 'read x <{gate}')").stdout.strip()
    assert run(jobs, "-status", job).stdout == "ACTIVE\n"
    run(jobs, "-y", job)
    run(jobs, "-k", job)
    waited = run(jobs, "--wait", job, check=False)
    assert waited.returncode in (8, 0), "cancelled, or forgotten already"

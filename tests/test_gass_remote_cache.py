# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass cache -r beside globus-gass-cache -r: the cache of another machine, through its gatekeeper."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyglobus.core import errors, rsl
from pyglobus.core.gass import remotecache
from pyglobus.core.sandbox import Sandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)

OURS = [str(Path(sys.executable).with_name("pyglobus")), "gass", "cache"]
THEIRS = ["globus-gass-cache"]
#: What the C tool's own description cannot hold: quotes end its words there.
TAG = 'a "quoted" tag'


def run(jobs: Sandbox, command: list[str], operation: str, *words: str) -> subprocess.CompletedProcess[str]:
    operation = operation if command is OURS else f"-{operation}"
    line = [*command, operation, "-r", jobs.variables["PYGLOBUS_SANDBOX_GRAM"], *words]
    # No cache of this side is looked at: that would be made where nothing can be.
    environment = jobs.env | {"GLOBUS_GASS_CACHE_DEFAULT": "/dev/null"}
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_the_words_are_those_of_the_c_tool(jobs: Sandbox) -> None:
    source = jobs.data_dir / "kept"
    source.write_bytes(b"kept" * 1000)
    source.chmod(0o644)
    url = f"file://{source}"
    for command, words in ((OURS, ["-t", TAG]), (THEIRS, ["-t", "plain"])):
        done = run(jobs, command, "add", *words, url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    alike = [("type", []), ("query", ["-t", "plain", url])]
    with ThreadPoolExecutor(8) as pool:
        ours = [pool.submit(run, jobs, OURS, operation, *words) for operation, words in alike]
        theirs = [pool.submit(run, jobs, THEIRS, operation, *words) for operation, words in alike]
        listed = pool.submit(run, jobs, OURS, "list", "-long")
        quoted = pool.submit(run, jobs, OURS, "query", "-t", TAG, url, "--format", "json")
        none = pool.submit(run, jobs, OURS, "query", "none")
        missing = pool.submit(run, jobs, OURS, "delete", "none")
        lost = pool.submit(run, jobs, THEIRS, "delete", "none")
    for one, other in zip(ours, theirs, strict=True):
        assert (one.result().returncode, one.result().stdout) == (0, other.result().stdout)
        assert one.result().stdout, "the C tool has said something too"
    assert (none.result().returncode, none.result().stdout) == (0, "\n")
    assert f"URL: {url}\n\tSize: 4000\n" in listed.result().stdout and f"\tTag:{TAG}\n" in listed.result().stdout
    answer = json.loads(quoted.result().stdout)
    assert (answer["type"], answer["exit_code"], answer["tag"]) == ("cache_elsewhere", 0, TAG)
    assert os.path.getsize(answer["lines"][0]) == 4000
    # What goes wrong there: theirs is on standard output, and its exit status says nothing of it.
    assert (missing.result().returncode, missing.result().stdout) == (255, "")
    assert (lost.result().returncode, lost.result().stderr) == (0, "")
    assert sorted(missing.result().stderr.splitlines()) == sorted(lost.result().stdout.splitlines()) != []


def test_who_may_not_in_is_told_so(jobs: Sandbox, tmp_path: Path) -> None:
    jobs.authority.issue("Mallory").proxy().save_proxy(tmp_path / "proxy")
    line = [*OURS, "type", "-r", jobs.variables["PYGLOBUS_SANDBOX_GRAM"]]
    environment = jobs.env | {"X509_USER_PROXY": str(tmp_path / "proxy")}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 77 and done.stdout == "" and "cannot reach the gatekeeper" in done.stderr, done.stderr


@pytest.mark.parametrize("operation", ["list", "cleanup-url"])
def test_nothing_is_handed_to_a_shell_there(operation: str) -> None:
    for word in ("x; touch here", "https://host/a&b", "$(id)", "`id`", "a b", "a\nb", "'"):
        with pytest.raises(errors.UsageError, match="hands it to a shell"):
            remotecache.request(operation, word)
        with pytest.raises(errors.UsageError, match="hands it to a shell"):
            remotecache.request(operation, "https://host/x", tag=word)
        assert str(rsl.parse(str(remotecache.request("add", word)))).count(word.replace('"', '""')) == 1
    remotecache.request(operation, "gsiftp://host:2811/~/run7.h5")


def test_a_machine_without_the_program_is_told(jobs: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remotecache, "_PROGRAM", remotecache._PROGRAM.replace("/bin/", "/none/"))
    with pytest.raises(errors.Unsupported, match="it has no globus-gass-cache"):
        remotecache.run(jobs.variables["PYGLOBUS_SANDBOX_GRAM"], "type")


def test_who_answers_too_much_is_refused(jobs: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remotecache, "_MOST", 10)
    with pytest.raises(errors.DataError, match="more than 10 bytes"):
        remotecache.run(jobs.variables["PYGLOBUS_SANDBOX_GRAM"], "type")


def test_who_interrupts_it_cancels_the_job(jobs: Sandbox) -> None:
    fifo = jobs.data_dir / "never"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    line = ["env", "--default-signal=INT", *OURS, "add", f"file://{fifo}", "-r"]
    with subprocess.Popen(
        [*line, jobs.variables["PYGLOBUS_SANDBOX_GRAM"]], env=jobs.env, stderr=subprocess.PIPE
    ) as one:
        wait_until(lambda: _uses(fifo))
        one.send_signal(signal.SIGINT)
        assert one.wait(60) == -signal.SIGINT
    wait_until(lambda: not _uses(fifo))
    fifo.unlink()


def _uses(path: Path) -> bool:
    """Whether a process has the path among its words."""
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if (
                words.read_bytes().startswith(b"globus-gass-cache-util\0-add")
                and os.fsencode(path) in words.read_bytes()
            ):
                return True
        except OSError:
            continue
    return False

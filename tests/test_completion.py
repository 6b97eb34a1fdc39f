# SPDX-License-Identifier: Apache-2.0
"""Completion, tried in the shells themselves: what a Tab makes of a line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shells
from tests.shells import COMPLETIONS, PROGRAMS, SHELLS, Shell, after


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with names that are hard to complete, which is also the home directory."""
    here = tmp_path_factory.mktemp("home")
    for name in ("alpha.txt", "beta one.dat", "file.list"):
        (here / name).touch()
    for name in ("deep", "two words"):
        (here / name).mkdir()
        (here / name / "inner.dat").touch()
    return here


@pytest.fixture(scope="module")
def bash(home: Path) -> Iterator[Shell]:
    with shells.bash(home) as complete:
        yield complete


@pytest.fixture(scope="module")
def zsh(home: Path) -> Iterator[Shell]:
    with shells.zsh(home) as complete:
        yield complete


@pytest.fixture(scope="module")
def fish(home: Path) -> Iterator[Shell]:
    with shells.fish(home) as complete:
        yield complete


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> Shell:
    found: Shell = request.getfixturevalue(request.param)
    return found


def test_fresh() -> None:
    command = [sys.executable, "completions/generate.py", "--check"]
    done = subprocess.run(command, cwd=COMPLETIONS.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run: python completions/generate.py"


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("pyglobus-url-copy -tcp-bu", "pyglobus-url-copy -tcp-buffer-size"),
        ("pyglobus-url-copy --inp", "pyglobus-url-copy --inplace"),
        ("pyglobus-url-copy alpha.txt -creat", "pyglobus-url-copy alpha.txt -create-dest"),
        ("pyglobus-url-copy alp", "pyglobus-url-copy alpha.txt"),
        ("pyglobus-url-copy beta", "pyglobus-url-copy beta\\ one.dat"),
        ("pyglobus-url-copy dee", "pyglobus-url-copy deep/"),
        ("pyglobus-url-copy deep/in", "pyglobus-url-copy deep/inner.dat"),
        ("pyglobus-url-copy gsif", "pyglobus-url-copy gsiftp://"),
        ("pyglobus-url-copy http:", "pyglobus-url-copy http:"),
        ("pyglobus-url-copy alpha.txt gsif", "pyglobus-url-copy alpha.txt gsiftp://"),
        ("pyglobus-url-copy -p 4 alp", "pyglobus-url-copy -p 4 alpha.txt"),
        ("pyglobus-url-copy -cred alp", "pyglobus-url-copy -cred alpha.txt"),
        ("pyglobus-url-copy --credential=alp", "pyglobus-url-copy --credential=alpha.txt"),
        ("pyglobus-url-copy --format=te", "pyglobus-url-copy --format=text"),
        ("pyglobus-url-copy --format te", "pyglobus-url-copy --format text"),
        ("pyglobus url-copy -tcp-bu", "pyglobus url-copy -tcp-buffer-size"),
        ("pyglobus url-copy gsif", "pyglobus url-copy gsiftp://"),
        ("pyglobus sand", "pyglobus sandbox"),
        ("pyglobus sandbox stat", "pyglobus sandbox status"),
        ("pyglobus sandbox --hel", "pyglobus sandbox --help"),
        ("pyglobus sandbox up --accou", "pyglobus sandbox up --account"),
        ("pyglobus sandbox env --shell fi", "pyglobus sandbox env --shell fish"),
        ("pyglobus sandbox up --name up --di", "pyglobus sandbox up --name up --dir"),
        ("pyglobus sandbox up --dir dee", "pyglobus sandbox up --dir deep/"),
    ],
)
def test_completed(shell: Shell, line: str, completed: str) -> None:
    assert after(shell, line) == completed


@pytest.mark.parametrize("prefix", ["file://", "file://localhost", "file:"])
def test_local_urls(request: pytest.FixtureRequest, home: Path, prefix: str) -> None:
    for shell in SHELLS:
        complete: Shell = request.getfixturevalue(shell)
        url = f"{prefix}{home}"
        assert after(complete, f"pyglobus-url-copy {url}/alp") == f"pyglobus-url-copy {url}/alpha.txt"
        assert after(complete, f"pyglobus-url-copy {url}/two") == f"pyglobus-url-copy {url}/two\\ words/"


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("pyglobus-url-copy -p", {"-p", "-parallel"}, {"--parallel", "-v", "alpha.txt"}),
        ("pyglobus-url-copy -rst", {"-rst", "-rst-retries", "-rst-interval", "-rst-timeout"}, {"-restart"}),
        ("pyglobus-url-copy --stall", {"--stall-timeout"}, {"-stall-timeout"}),
        ("pyglobus-url-copy --format ", {"text", "json", "jsonl"}, {"alpha.txt"}),
        ("pyglobus-url-copy -p ", set(), {"alpha.txt", "-p", "4"}),
        ("pyglobus-url-copy gsiftp://host/", set(), {"alpha.txt", "deep"}),
        ("pyglobus-url-copy fil", {"file.list"}, {"gsiftp://"}),
        ("pyglobus ", {"url-copy", "sandbox", "version"}, {"alpha.txt", "up"}),
        ("pyglobus sandbox ", {"up", "status", "env", "exec", "logs", "down"}, {"url-copy", "alpha.txt"}),
        ("pyglobus sandbox up ", set(), {"down", "status", "alpha.txt"}),
        ("pyglobus version --", {"--format", "--help"}, {"--parallel", "--name"}),
    ],
)
def test_offered(shell: Shell, line: str, offered: set[str], not_offered: set[str]) -> None:
    words = {word.rstrip("=") for word in re.split(r"\s+", shell(line))}
    assert offered <= words
    assert not not_offered & words - set(line.split())


def test_a_command_of_ones_own(shell: Shell) -> None:
    line = "pyglobus sandbox exec --name here globus-url-c"
    assert after(shell, line) == f"{line}opy"
    assert after(shell, "pyglobus sandbox exec globus-url-c") == "pyglobus sandbox exec globus-url-copy"


def test_no_python_runs(bash: Shell, home: Path) -> None:
    """A Tab is answered from the script: it is faster than an interpreter could start."""
    began = time.monotonic()
    for _ in range(10):
        bash("pyglobus-url-copy --parall")
    taken = time.monotonic() - began
    assert taken / 10 < 0.25, "a Tab takes longer than anything but another interpreter could"
    assert "python" not in (COMPLETIONS / "pyglobus.bash").read_text().replace("generate.py", "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_shells_accept_the_scripts(program: str) -> None:
    for shell, name in (("bash", f"{program}.bash"), ("zsh", f"_{program}"), ("fish", f"{program}.fish")):
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", COMPLETIONS / name], capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")

# SPDX-License-Identifier: Apache-2.0
"""Completion, tried in the shells themselves: what a Tab makes of a line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from pyglobus.cli.tree import scripts

ROOT = Path(__file__).parent.parent
COMPLETIONS = ROOT / "completions"
PROGRAMS = ["pyglobus", *scripts()]
SHELLS = ("bash", "zsh", "fish")
Shell = Callable[[str], str]


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


def started(shell: str, home: Path, *arguments: str) -> pexpect.spawn[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    clean = {"HOME": str(home), "TERM": "dumb", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}
    child: pexpect.spawn[str] = pexpect.spawn(
        shell,
        list(arguments),
        cwd=str(home),
        env={"PATH": os.environ["PATH"], **clean},
        encoding="utf-8",
        timeout=20,
        dimensions=(100, 200),
    )
    return child


def closed(child: pexpect.spawn[str]) -> None:
    child.sendcontrol("c")
    child.sendline("exit")
    child.close(force=True)


@pytest.fixture(scope="module")
def bash(home: Path) -> Iterator[Shell]:
    child = started("bash", home, "--norc", "--noprofile")
    files = " ".join(f"{COMPLETIONS}/{program}.bash" for program in PROGRAMS)
    child.sendline(f"for f in {files}; do . $f; done; bind 'set bell-style none' 'set enable-bracketed-paste off'")
    # Shows the line as it is after the Tab, or what could follow, and gives it up.
    child.sendline("show() { printf '\\n<%s>\\n' \"$READLINE_LINE\"; READLINE_LINE=; }; bind -x '\"\\C-o\": show'")
    child.sendline(
        "bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; bind 'set page-completions off'"
    )
    child.sendline("bind 'set bell-style none'; PS1=; echo rea''dy")
    child.expect("\nready\r\n")

    def complete(line: str) -> str:
        child.send(f"{line}\t\x0f")
        child.expect(r"\n<(.*)>\r\n")
        return f"{child.before}\n{child.match[1]}"  # type: ignore[index]

    yield complete
    closed(child)


@pytest.fixture(scope="module")
def zsh(home: Path) -> Iterator[Shell]:
    child = started("zsh", home, "-f")
    child.sendline(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -D -u")
    child.sendline("LISTMAX=1000; unsetopt beep list_ambiguous")
    child.sendline("show() { print -r -- $'\\n'\"<$BUFFER>\"; BUFFER= }; zle -N show; bindkey '^O' show")
    child.sendline("PS1=; echo rea''dy")
    child.expect("\nready\r\n")

    def complete(line: str) -> str:
        child.send(f"{line}\t\x0f")
        child.expect(r"\n<(.*)>\r*\n")
        return f"{child.before}\n{child.match[1]}"  # type: ignore[index]

    yield complete
    closed(child)


@pytest.fixture(scope="module")
def fish(home: Path) -> Iterator[Shell]:
    child = started("fish", home, "--no-config", "--private")
    for program in PROGRAMS:
        child.sendline(f"source {COMPLETIONS}/{program}.fish")
    # What could follow is asked of fish itself: what its pager shows is no text to read.
    child.sendline("function show; echo; complete -C (commandline); echo '<'(commandline)'>'; commandline ''; end")
    child.sendline("bind \\co show; function fish_prompt; end; echo rea''dy")
    child.expect("\nready\r\n")

    def complete(line: str) -> str:
        child.send(f"{line}\t\x0f")
        child.expect(r"\n<(.*)>\r\n")
        return f"{child.before}\n{child.match[1]}"  # type: ignore[index]

    yield complete
    closed(child)


def after(shell: Shell, line: str) -> str:
    """The line after the Tab; an "=" that zsh takes away again by itself does not count."""
    return shell(line).splitlines()[-1].rstrip().removesuffix("=")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> Shell:
    found: Shell = request.getfixturevalue(request.param)
    return found


def test_fresh() -> None:
    command = [sys.executable, "completions/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
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

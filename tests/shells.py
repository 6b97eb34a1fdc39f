# SPDX-License-Identifier: Apache-2.0
"""Shells with our completions, each in a terminal: it takes a line, presses Tab, and tells what came of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from pyglobus.cli.tree import scripts

COMPLETIONS = Path(__file__).parent.parent / "completions"
PROGRAMS = ["pyglobus", *scripts()]
SHELLS = ("bash", "zsh", "fish")
Shell = Callable[[str], str]
NOTHING: Mapping[str, str] = {}


def started(shell: str, home: Path, environment: Mapping[str, str], *arguments: str) -> pexpect.spawn[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    clean = {"HOME": str(home), "TERM": "dumb", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}
    child: pexpect.spawn[str] = pexpect.spawn(
        shell,
        list(arguments),
        cwd=str(home),
        env={"PATH": os.environ["PATH"], **clean, **environment},
        encoding="utf-8",
        timeout=20,
        dimensions=(100, 200),
    )
    return child


def completing(child: pexpect.spawn[str]) -> Iterator[Shell]:
    """Complete lines, and end the shell afterwards."""

    def complete(line: str) -> str:
        child.send(f"{line}\t\x0f")
        child.expect(r"\n<(.*)>\r*\n")
        return f"{child.before}\n{child.match[1]}"  # type: ignore[index]

    try:
        yield complete
    finally:
        child.sendcontrol("c")
        child.sendline("exit")
        child.close(force=True)


@contextmanager
def bash(home: Path, environment: Mapping[str, str] = NOTHING) -> Iterator[Shell]:
    child = started("bash", home, environment, "--norc", "--noprofile")
    files = " ".join(f"{COMPLETIONS}/{program}.bash" for program in PROGRAMS)
    child.sendline(f"for f in {files}; do . $f; done; bind 'set bell-style none' 'set enable-bracketed-paste off'")
    # Shows the line as it is after the Tab, or what could follow, and gives it up.
    child.sendline("show() { printf '\\n<%s>\\n' \"$READLINE_LINE\"; READLINE_LINE=; }; bind -x '\"\\C-o\": show'")
    child.sendline(
        "bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; bind 'set page-completions off'"
    )
    child.sendline("bind 'set bell-style none'; PS1=; echo rea''dy")
    child.expect("\nready\r\n")

    yield from completing(child)


@contextmanager
def zsh(home: Path, environment: Mapping[str, str] = NOTHING) -> Iterator[Shell]:
    child = started("zsh", home, environment, "-f")
    child.sendline(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -D -u")
    child.sendline("LISTMAX=1000; unsetopt beep list_ambiguous")
    child.sendline("show() { print -r -- $'\\n'\"<$BUFFER>\"; BUFFER= }; zle -N show; bindkey '^O' show")
    child.sendline("PS1=; echo rea''dy")
    child.expect("\nready\r\n")

    yield from completing(child)


@contextmanager
def fish(home: Path, environment: Mapping[str, str] = NOTHING) -> Iterator[Shell]:
    child = started("fish", home, environment, "--no-config", "--private")
    for program in PROGRAMS:
        child.sendline(f"source {COMPLETIONS}/{program}.fish")
    # What could follow is asked of fish itself: what its pager shows is no text to read.
    child.sendline("function show; echo; complete -C (commandline); echo '<'(commandline)'>'; commandline ''; end")
    child.sendline("bind \\co show; function fish_prompt; end; echo rea''dy")
    child.expect("\nready\r\n")

    yield from completing(child)


def after(shell: Shell, line: str) -> str:
    """The line after the Tab; an "=" that zsh takes away again by itself does not count."""
    return shell(line).splitlines()[-1].rstrip().removesuffix("=")

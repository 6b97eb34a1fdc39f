# SPDX-License-Identifier: Apache-2.0
"""What is measured: each case is two command lines, ours first, and what our time may be.

A `Copy` moves one file with the same options by both tools, a `Proxy` is made or shown by both. A `Start` compares how
long a command takes to begin with how long a bare Python does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.field import Field, File, digest

OURS = "pyglobus-url-copy"
C_TOOL = "globus-url-copy"


@dataclass(frozen=True)
class Goal:
    """The most that our median may be: a multiple of the peer's, or the peer's and so many seconds more."""

    ratio: float | None = None
    extra: float | None = None

    def met(self, ours: float, peer: float) -> bool:
        """Whether it is."""
        limits = [peer * self.ratio] if self.ratio else []
        if self.extra is not None:
            limits.append(peer + self.extra)
        return all(ours <= limit for limit in limits)

    def __str__(self) -> str:
        ratio = [f"≤ {self.ratio:.2f} ×"] if self.ratio else []
        return ", ".join(ratio + ([f"≤ +{self.extra * 1000:.0f} ms"] if self.extra is not None else []))


class Case(Protocol):
    """What the harness asks of a case."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def rounds(self) -> int: ...
    @property
    def goal(self) -> Goal: ...

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        """The two command lines by the names of what runs, ours first."""

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        """Raise ValueError unless the run just done did its work; clear its traces away."""


@dataclass(frozen=True)
class Copy:
    """One file from one end to another; the ends are those of `Field.url`."""

    name: str
    title: str
    source: str
    destination: str
    goal: Goal
    options: tuple[str, ...] = ()
    large: bool = True
    rounds: int = 5

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        ends = [field.url(self.source, self._file(field).path), field.url(self.destination, self._copy(field))]
        return {tool: [tool, *self.options, *ends] for tool in (OURS, C_TOOL)}

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        expected, copy = self._file(field), self._copy(field)
        if copy.stat().st_size != expected.size:
            raise ValueError(f"{copy.stat().st_size} bytes arrived, not {expected.size}")
        if thorough and digest(copy) != expected.digest:
            raise ValueError("other bytes arrived than were sent")
        copy.unlink()

    def _file(self, field: Field) -> File:
        return field.large if self.large else field.byte

    def _copy(self, field: Field) -> Path:
        return field.received if self.destination == "file" else field.stored


@dataclass(frozen=True)
class Proxy:
    """A proxy made or shown by both tools, with the same options; ``expected`` is in what they print."""

    name: str
    title: str
    ours: tuple[str, ...]
    peer: str
    expected: str
    goal: Goal
    rounds: int = 20

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        files = ["-file", str(field.proxy)]
        if self.peer == "grid-proxy-init":
            files = [*field.user_files, "-out", str(field.local / "proxy")]
        return {" ".join(self.ours): [*self.ours, *files], self.peer: [self.peer, *files]}

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        if self.expected not in printed:
            raise ValueError(f"it did not print {self.expected!r}")


@dataclass(frozen=True)
class Start:
    """A command that only starts, against ``python -c pass``; ``expected`` is in what it prints."""

    name: str
    title: str
    command: tuple[str, ...]
    expected: str
    goal: Goal
    rounds: int = 20

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        return {self._runner: list(self.command), "python -c pass": [sys.executable, "-c", "pass"]}

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        if runner == self._runner and self.expected not in printed:
            raise ValueError(f"it did not print {self.expected!r}")

    @property
    def _runner(self) -> str:
        return f"{self.name}: {Path(self.command[0]).name}"


_LARGE = Goal(ratio=1.05)
_SMALL = Goal(extra=0.09)
_IMPORT = (sys.executable, "-c", "import pyglobus.core.transfer")
# What bash does when TAB is pressed.
_TAB = """
. completions/pyglobus-url-copy.bash
COMP_LINE='pyglobus-url-copy --para' COMP_POINT=24 COMP_CWORD=1 COMP_WORDBREAKS=' =:'
COMP_WORDS=(pyglobus-url-copy --para)
_pyglobus_url_copy
echo "${COMPREPLY[@]}"
"""
_COMPLETION = ("bash", "--norc", "-c", _TAB)

CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Copy("put", "put {size}", "file", "gsiftp", _LARGE),
        Copy("get", "get {size}", "gsiftp", "file", _LARGE),
        Copy("third-party", "third party {size}", "gsiftp", "gsiftp2", _LARGE),
        Copy("put-private", "put {size} -dcpriv", "file", "gsiftp", _LARGE, ("-dcpriv",)),
        Copy("get-private", "get {size} -dcpriv", "gsiftp", "file", _LARGE, ("-dcpriv",)),
        Copy("put-parallel", "put {size} -p 4", "file", "gsiftp", _LARGE, ("-p", "4")),
        Copy("get-parallel", "get {size} -p 4", "gsiftp", "file", _LARGE, ("-p", "4")),
        Copy("byte", "put one byte", "file", "gsiftp", _SMALL, large=False, rounds=20),
        Copy("byte-anonymous", "put one byte, anonymous", "file", "ftp", _SMALL, large=False, rounds=20),
        Proxy(
            "proxy-init",
            "make a proxy (2048 bits)",
            ("proxy-init",),
            "grid-proxy-init",
            "Your proxy is valid until",
            Goal(extra=0.09),
        ),
        Proxy(
            "proxy-info", "show a proxy", ("pyglobus", "proxy", "info"), "grid-proxy-info", "timeleft", Goal(extra=0.11)
        ),
        Start("help", "--help", (OURS, "--help"), "SOURCE", Goal(extra=0.08)),
        Start("completion", "completion in bash", _COMPLETION, "--parallel", Goal(extra=0.08)),
        Start("import", "import core.transfer", _IMPORT, "", Goal(extra=0.04)),
    )
}

# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table for people and as JSON for programs. The table is Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cases import Case, Goal
from benchmarks.stopwatch import Reading

_COLUMNS = ("ours", "peer", "ratio", "difference", "RSS ours", "RSS peer", "goal", "")
_WIDTHS = (9, 9, 6, 10, 8, 8, 12, 6)


@dataclass(frozen=True)
class Outcome:
    """The readings of one case, by what ran: ours first."""

    name: str
    title: str
    goal: Goal
    commands: Mapping[str, list[str]]
    readings: Mapping[str, Sequence[Reading]]

    @property
    def medians(self) -> tuple[float, float]:
        ours, peer = (median(reading.seconds for reading in each) for each in self.readings.values())
        return ours, peer

    @property
    def residents(self) -> tuple[int, int]:
        ours, peer = (max(reading.resident for reading in each) for each in self.readings.values())
        return ours, peer

    @property
    def met(self) -> bool:
        return self.goal.met(*self.medians)


def title(case: Case, size: str) -> str:
    return case.title.replace("{size}", size)


def heading(width: int) -> str:
    """The table's first two lines; ``width`` is that of the first column."""
    return f"{_row('case', _COLUMNS, width)}\n{_row('-' * width, ['-' * (w - 1) + ':' for w in _WIDTHS], width)}"


def row(outcome: Outcome, width: int) -> str:
    """One line of the table."""
    ours, peer = outcome.medians
    cells = (
        *map(_seconds, (ours, peer)),
        f"{ours / peer:.2f}",
        f"{(ours - peer) * 1000:+.0f} ms",
        *(f"{resident / (1 << 20):.0f} MiB" for resident in outcome.residents),
        str(outcome.goal),
        "met" if outcome.met else "missed",
    )
    return _row(outcome.title, cells, width)


def record(outcome: Outcome) -> dict[str, Any]:
    """One case as plain data. Times are in seconds, memory in bytes."""
    ours, peer = outcome.medians
    return {
        "name": outcome.name,
        "title": outcome.title,
        "goal": asdict(outcome.goal),
        "met": outcome.met,
        "ratio": ours / peer,
        "difference": ours - peer,
        "sides": [
            {
                "name": name,
                "command": outcome.commands[name],
                "median": middle,
                "resident": resident,
                "runs": [asdict(reading) for reading in readings],
            }
            for (name, readings), middle, resident in zip(
                outcome.readings.items(), outcome.medians, outcome.residents, strict=True
            )
        ],
    }


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    processor = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {
        "processor": processor,
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _row(first: str, cells: Sequence[str], width: int) -> str:
    return " | ".join(("| " + first.ljust(width), *(c.rjust(w) for c, w in zip(cells, _WIDTHS, strict=True)))) + " |"

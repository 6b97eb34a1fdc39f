# SPDX-License-Identifier: Apache-2.0
"""Measure our commands and the C tools in turn, on a local grid in memory.

Each case runs both sides once to warm up, and checks by size and SHA-256 that what arrived is what was sent; then both
take turns, and who begins takes turns as well. The table shows medians and the highest peak of resident memory; every
reading is in the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.cases import CASES as SINGLE
from benchmarks.cases import Case
from benchmarks.field import Field
from benchmarks.kept import FETCHES
from benchmarks.stopwatch import Reading, Stopwatch
from benchmarks.trees import TREES

RESULTS = Path(__file__).with_name("results")
CASES: Mapping[str, Case] = {**SINGLE, **{case.name: case for case in (*FETCHES, *TREES)}}
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Failed(Exception):
    """A command did not do what it is measured for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    options = _parser().parse_args(arguments)
    options.json = options.json.absolute()
    if options.list:
        for case in CASES.values():
            print(f"{case.name:16} {report.title(case, options.size):28} {case.goal}")
        return 0
    if unknown := [name for name in options.cases if name not in CASES]:
        print(f"benchmarks: no such case: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    cases = [CASES[name] for name in options.cases or CASES]
    os.chdir(Path(__file__).parents[1])
    # The commands are those of the interpreter that runs this, whatever is first on PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    try:
        outcomes = _measure(cases, options)
    except (Failed, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    document = {
        "started": options.started,
        "machine": report.machine(),
        "size": options.size,
        "cases": [report.record(outcome) for outcome in outcomes],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{options.json}")
    return 0


def _measure(cases: Sequence[Case], options: argparse.Namespace) -> list[report.Outcome]:
    size = _bytes(options.size)
    free = shutil.disk_usage(options.directory).free
    if free < 2.2 * size:
        raise Failed(f"{options.directory}: two files of {options.size} do not fit")
    outcomes = []
    width = max(len(report.title(case, options.size)) for case in cases)
    with Field(options.directory, size) as field, Stopwatch(field.local / "printed") as stopwatch:
        print(report.heading(width))
        for case in cases:
            outcome = _outcome(case, field, stopwatch, options)
            outcomes.append(outcome)
            print(report.row(outcome, width), flush=True)
    return outcomes


def _outcome(case: Case, field: Field, stopwatch: Stopwatch, options: argparse.Namespace) -> report.Outcome:
    commands = case.commands(field)
    environment = field.environment
    readings: dict[str, list[Reading]] = {runner: [] for runner in commands}
    turns = list(commands.items())
    for number in range(1 + (options.rounds or case.rounds)):
        for runner, command in turns:
            reading = stopwatch.run(command, environment)
            printed = stopwatch.printed()
            if reading.status:
                raise Failed(f"{case.name}: {runner} ended with {reading.status}: {printed.strip()}")
            try:
                case.check(field, runner, printed, thorough=number == 0)
            except (ValueError, OSError) as error:
                raise Failed(f"{case.name}: {runner}: {error}") from error
            if number > 0:
                readings[runner].append(reading)
        turns.reverse()
    return report.Outcome(case.name, report.title(case, options.size), case.goal, commands, readings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    started = time.strftime("%Y-%m-%dT%H%M%S")
    parser.set_defaults(started=started)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what to measure [all]")
    parser.add_argument("--list", action="store_true", help="name the cases and their goals")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each side [5 large, 20 small]")
    parser.add_argument("--size", type=_size, default="2G", metavar="SIZE", help="of the large file [2G]")
    parser.add_argument(
        "--directory", type=Path, default=Path("/dev/shm"), metavar="DIR", help="where the files lie [/dev/shm]"
    )
    parser.add_argument(
        "--json", type=Path, default=RESULTS / f"{started}.json", metavar="FILE", help="for every reading"
    )
    return parser


def _size(text: str) -> str:
    """A size as it was given, if it is one."""
    if _bytes(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no size")
    return text


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "")
    return int(number) * UNITS.get(unit, 1)


if __name__ == "__main__":
    sys.exit(main())

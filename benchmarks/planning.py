# SPDX-License-Identifier: Apache-2.0
"""Measure how a tree of many empty files is planned: ``python -m benchmarks.planning``.

For each direction: how long it takes from the start of the process until the first file is begun; then a ``-sync`` run
that has nothing to do, its peak of resident memory, and how it compares with a program that only lists the tree at the
server. The copy that is there already is made here, not by the tool.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.cases import OURS
from benchmarks.field import MIB, Field
from benchmarks.stopwatch import Reading, Stopwatch

#: Seconds until the first file is begun, bytes of resident memory, and a ratio to the listing.
FIRST, RESIDENT, RATIO = 2.0, 150 * MIB, 1.5
_IN_A_DIRECTORY = 1000
_LISTING = """
import sys
from pyglobus.core.options import Options
from pyglobus.core.session import Session
from pyglobus.core.url import parse
from pyglobus.core.walk import walk
with Session() as session:
    places = walk(session, Options(), parse(sys.argv[1]), recursive=True)
    print(sum(not entry.directory for _, entries in places for entry in entries))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure it; 1 if a goal is not met, or a command fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--files", type=int, default=200_000, metavar="N", help="how many [200000]")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each kind [3]")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), metavar="DIR", help="[/dev/shm]")
    options = parser.parse_args(arguments)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with Field(options.directory, 1) as field, Stopwatch(field.local / "printed") as stopwatch:
        served, here = field.stored.with_name("many"), field.local / "many"
        for top in (served, here):
            _plant(top, options.files)
        server = field.url("gsiftp", served) + "/"
        lister = [sys.executable, "-c", _LISTING, server]
        listing = _fastest(_run(stopwatch, field, lister, str(options.files)) for _ in range(options.rounds))
        print(f"listing alone: {listing.seconds:.2f} s", flush=True)
        met = True
        for name, source, there, new in (
            ("put", f"file://{here}/", server, field.stored),
            ("get", server, f"file://{here}/", field.received),
        ):
            onto = field.url("gsiftp" if name == "put" else "file", new) + "/"
            copy = [OURS, "--format", "jsonl", "-r", "-cd", source, onto]
            first = min(_first(field, copy, new) for _ in range(options.rounds))
            again = [OURS, "-r", "-cd", "-sync", source, there]
            sync = _fastest(_run(stopwatch, field, again, "") for _ in range(options.rounds))
            ratio = sync.seconds / listing.seconds
            print(
                f"{name}: first file after {first:.2f} s; -sync with nothing to do {sync.seconds:.2f} s, "
                f"{ratio:.2f} x the listing, {sync.resident / MIB:.0f} MiB",
                flush=True,
            )
            met = met and first <= FIRST and ratio <= RATIO and sync.resident <= RESIDENT
    print("met" if met else "missed")
    return 0 if met else 1


def _plant(top: Path, files: int) -> None:
    """Empty files, all of one age."""
    for number in range(files):
        directory = top / f"d{number // _IN_A_DIRECTORY}"
        if number % _IN_A_DIRECTORY == 0:
            directory.mkdir(parents=True)
        path = directory / f"file-{number}"
        path.touch()
        os.utime(path, (1_700_000_000, 1_700_000_000))


def _fastest(readings: Iterable[Reading]) -> Reading:
    return min(readings, key=lambda reading: reading.seconds)


def _run(stopwatch: Stopwatch, field: Field, command: list[str], expected: str) -> Reading:
    reading = stopwatch.run(command, field.environment)
    printed = stopwatch.printed()
    if reading.status or expected not in printed:
        raise SystemExit(f"{command[0]} ended with {reading.status}: {printed[-2000:]}")
    return reading


def _first(field: Field, command: list[str], new: Path) -> float:
    """Seconds until the first file is begun of a copy to a ``new`` place; the rest is not waited for."""
    shutil.rmtree(new, ignore_errors=True)
    begun = time.perf_counter()
    with subprocess.Popen(
        command, env=field.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if '"started"' in line:
                break
        else:
            raise SystemExit("no file was begun")
        seconds = time.perf_counter() - begun
        running.terminate()
        running.stdout.read()
    return seconds


if __name__ == "__main__":
    sys.exit(main())

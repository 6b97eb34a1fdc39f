# SPDX-License-Identifier: Apache-2.0
"""Measure how far a large copy is from a raw socket: ``python -m benchmarks.rawcopy``.

One side is pyglobus-url-copy over GSI, whole process. The other is socat, which knows no protocol at all, from the same
file to the same place, and on top of that what our start costs: the same copy of one byte. All three take turns, in
one order and then in the other, the files are in memory, and medians are compared. Before each large copy as much
memory is written and given back: a virtual machine may have lent it to its host meanwhile, and whoever gets it first
would pay for that. Without socat there is nothing to compare with, and that is said.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.cases import OURS
from benchmarks.field import MIB, Field, File
from benchmarks.stopwatch import Stopwatch

#: The most that our time may be, as a multiple of socat's with our start.
GOAL = 1.1
_BLOCK = str(MIB)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure it; 1 if the goal is not met, or a command fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rawcopy", description=__doc__)
    parser.add_argument("--size", type=int, default=2048, metavar="MIB", help="of the file [2048]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each kind [5]")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), metavar="DIR", help="[/dev/shm]")
    options = parser.parse_args(arguments)
    if shutil.which("socat") is None:
        print("rawcopy: socat is not installed (apt-get install socat): nothing is measured")
        return 0
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    met = True
    with Field(options.directory, options.size * MIB) as field, Stopwatch(field.local / "printed") as stopwatch:
        for way in ("put", "get"):
            large = partial(_warmly, field, partial(_ours, stopwatch, field, way, field.large))
            raw_copy = partial(_warmly, field, partial(_raw, field.large, field.received))
            byte = partial(_ours, stopwatch, field, way, field.byte)
            readings = _in_turn(options.rounds, large, raw_copy, byte)
            ours, raw, start = map(statistics.median, readings)
            ratio = ours / (raw + start)
            met = met and ratio <= GOAL
            print(
                f"{way}: {ours:.2f} s; socat {raw:.2f} s and start {start:.2f} s; {ratio:.2f}, goal {GOAL:.2f}",
                flush=True,
            )
    print("met" if met else "missed")
    return 0 if met else 1


def _in_turn(rounds: int, *kinds: Callable[[], float]) -> list[list[float]]:
    """Seconds of each kind; the first round is to warm up."""
    readings: list[list[float]] = [[] for _ in kinds]
    turns = list(zip(readings, kinds, strict=True))
    for number in range(rounds + 1):
        for found, kind in turns:
            seconds = kind()
            if number:
                found.append(seconds)
        turns.reverse()
    return readings


def _warmly(field: Field, kind: Callable[[], float]) -> float:
    """Seconds of a copy that finds the memory it needs at hand."""
    spare, page = field.local / "spare", bytes(MIB)
    with spare.open("wb") as file:
        for _ in range(0, field.large.size, MIB):
            file.write(page)
    spare.unlink()
    return kind()


def _ours(stopwatch: Stopwatch, field: Field, way: str, file: File) -> float:
    ends = {"put": ("file", "gsiftp", field.stored), "get": ("gsiftp", "file", field.received)}
    source, destination, copy = ends[way]
    command = [OURS, field.url(source, file.path), field.url(destination, copy)]
    reading = stopwatch.run(command, field.environment)
    if reading.status:
        raise SystemExit(f"{OURS} ended with {reading.status}: {stopwatch.printed()}")
    _take_away(copy, file)
    return reading.seconds


def _raw(file: File, copy: Path) -> float:
    """From the start of the sender to the end of the receiver, which listens before."""
    environment: Mapping[str, str] = {"PATH": os.environ["PATH"]}
    receiver = ["socat", "-d", "-d", "-u", "-b", _BLOCK, "TCP-LISTEN:0,bind=127.0.0.1", f"CREATE:{copy}"]
    with subprocess.Popen(receiver, env=environment, stderr=subprocess.PIPE, text=True) as receiving:
        assert receiving.stderr is not None
        listens = re.compile(r"listening on .*:(\d+)$")
        port = next((found[1] for line in receiving.stderr if (found := listens.search(line.rstrip()))), None)
        if port is None:
            raise SystemExit("socat does not listen")
        begun = time.perf_counter()
        sender = ["socat", "-u", "-b", _BLOCK, f"OPEN:{file.path},rdonly", f"TCP:127.0.0.1:{port}"]
        subprocess.run(sender, env=environment, check=True)
        receiving.stderr.read()
        receiving.wait()
        seconds = time.perf_counter() - begun
    _take_away(copy, file)
    return seconds


def _take_away(copy: Path, file: File) -> None:
    if copy.stat().st_size != file.size:
        raise SystemExit(f"{copy.stat().st_size} bytes arrived, not {file.size}")
    copy.unlink()


if __name__ == "__main__":
    sys.exit(main())

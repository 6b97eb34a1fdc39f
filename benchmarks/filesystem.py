# SPDX-License-Identifier: Apache-2.0
"""fsspec's ``gsiftp://`` beside pyglobus-url-copy, in turn, whole processes, and the files in memory.

    python -m benchmarks.filesystem [MIB] [ROUNDS] [READS]

A file of so many MiB is fetched by pyglobus-url-copy, and read from first to last through `fsspec.open` in pieces of
1 MiB, by ``read`` and by ``readinto``; the goal is 0.7 of the rate of the former. Then so many pieces of 64 KiB are
read here and there by one process, and compared with the file; the goal is a single login.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from benchmarks.cases import OURS
from benchmarks.field import Field
from benchmarks.stopwatch import Stopwatch

GOAL = 0.7
#: Bytes of one read, in order and at random.
PIECE = 1 << 20
PART = 64 << 10

_READ = """
import sys, fsspec
with fsspec.open(sys.argv[1]) as file:
    while piece := file.read(1 << 20):
        pass
    print(file.tell())
"""
_INTO = """
import sys, fsspec
piece = bytearray(1 << 20)
with fsspec.open(sys.argv[1]) as file:
    while file.readinto(piece):
        pass
    print(file.tell())
"""
_HERE_AND_THERE = """
import os, random, sys, time, fsspec
url, local, reads, size = sys.argv[1], os.open(sys.argv[2], os.O_RDONLY), int(sys.argv[3]), int(sys.argv[4])
length = os.fstat(local).st_size - size
with fsspec.open(url) as file:
    file.read(1)
    begun = time.perf_counter()
    for _ in range(reads):
        at = random.randrange(length)
        file.seek(at)
        assert file.read(size) == os.pread(local, size, at)
    print(time.perf_counter() - begun)
"""


def in_order(field: Field, stopwatch: Stopwatch, rounds: int) -> None:
    """Print a line for each way to read a file from its first byte to its last."""
    source = field.url("gsiftp", field.large.path)
    ways = {
        OURS: [str(Path(sys.executable).with_name(OURS)), source, field.url("file", field.received)],
        "fsspec, read": [sys.executable, "-c", _READ, source],
        "fsspec, readinto": [sys.executable, "-c", _INTO, source],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    peaks = dict.fromkeys(ways, 0)
    turns = list(ways.items())
    for number in range(rounds + 1):  # the first one warms up
        for name, command in turns:
            reading = stopwatch.run(command, field.environment)
            if reading.status or (name != OURS and stopwatch.printed().strip() != str(field.large.size)):
                raise SystemExit(f"{name}: {stopwatch.printed()}")
            if name == OURS:
                field.received.unlink()
            if number:
                times[name].append(reading.seconds)
                peaks[name] = max(peaks[name], reading.resident)
        turns.reverse()
    first = statistics.median(times[OURS])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:18}{median:8.2f} s{first / median:8.2f} x{peaks[name] >> 20:6} MiB")


def here_and_there(field: Field, stopwatch: Stopwatch, reads: int) -> None:
    """Print a line for reads at random places, and how many logins they took."""
    before = field.logins()
    source, local = field.url("gsiftp", field.large.path), str(field.large.path)
    reading = stopwatch.run(
        [sys.executable, "-c", _HERE_AND_THERE, source, local, str(reads), str(PART)], field.environment
    )
    printed = stopwatch.printed().strip()
    if reading.status:
        raise SystemExit(printed)
    rate, logins = reads / float(printed), field.logins() - before
    print(f"{reads} reads of {PART >> 10} KiB: {rate:.0f} a second, {logins} login{'s' if logins > 1 else ''}")


def measure(mib: int, rounds: int, reads: int) -> None:
    """Print a table."""
    directory = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp")
    with Field(directory, mib << 20) as field, Stopwatch(field.local / "printed") as stopwatch:
        print(f"{mib} MiB in order; goal {GOAL} x")
        in_order(field, stopwatch, rounds)
        here_and_there(field, stopwatch, reads)


if __name__ == "__main__":
    measure(*(int(word) for word in (sys.argv[1:] + ["1024", "5", "10000"][len(sys.argv) - 1 :])))

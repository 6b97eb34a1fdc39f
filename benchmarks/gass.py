# SPDX-License-Identifier: Apache-2.0
"""gass-server beside globus-gass-server, with globus-url-copy as the client of both, in turn, and the files in memory.

    python -m benchmarks.gass [MIB] [ROUNDS]

prints the medians of https with GSI and of http, get and put, and what the server had in memory at most.
"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pyglobus.core.sandbox import Sandbox

#: Ours comes first; what our median may be is a multiple of theirs.
SERVERS = ("gass-server", "globus-gass-server")
GOAL = 1.05


class Rival:
    """One server that runs."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.name = name
        self.url = process.stdout.readline().strip()
        self._process = process

    def peak(self) -> int:
        """MiB it had in memory at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) >> 10 if found else 0


@contextlib.contextmanager
def rivals(environment: dict[str, str], *options: str) -> Iterator[list[Rival]]:
    """Both servers, and their end."""
    with contextlib.ExitStack() as stack:
        made = []
        for name in SERVERS:
            command = [name, "-r", "-w", *options]
            process = stack.enter_context(
                subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)
            made.append(Rival(name, process))
        yield made


def seconds(environment: dict[str, str], source: str, dest: str) -> float:
    """How long one copy takes; it must succeed."""
    begun = time.perf_counter()
    subprocess.run(["globus-url-copy", source, dest], env=environment, check=True)
    return time.perf_counter() - begun


def measure(mib: int, rounds: int) -> None:
    """Print a table."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name, Sandbox() as grid:
        source, copy = Path(name, "source"), Path(name, "copy")
        with source.open("wb") as stream:
            for _ in range(mib):
                stream.write(os.urandom(1 << 20))
        environment = grid.env
        print(f"{'':12}{SERVERS[0]:>14}{SERVERS[1]:>20}{'ratio':>8}{'goal':>7}")
        for scheme, options in (("https", ()), ("http", ("-i",))):
            with rivals(environment, *options) as both:
                for what in ("get", "put"):
                    times: dict[str, list[float]] = {each: [] for each in SERVERS}
                    for _ in range(rounds):
                        for rival in both:
                            ends = [f"{rival.url}{source}", f"file://{copy}"]
                            if what == "put":
                                ends = [f"file://{source}", f"{rival.url}{copy}"]
                            times[rival.name].append(seconds(environment, ends[0], ends[1]))
                            if copy.stat().st_size != source.stat().st_size:
                                raise ValueError(f"{rival.name} {what}: {copy.stat().st_size} bytes arrived")
                            copy.unlink()
                    ours, theirs = (statistics.median(times[each]) for each in SERVERS)
                    print(f"{scheme} {what:<6}{ours:>14.2f} s{theirs:>18.2f} s{ours / theirs:>8.2f}{GOAL:>7.2f}")
                print(f"{scheme} memory{both[0].peak():>12} MiB{both[1].peak():>16} MiB")


if __name__ == "__main__":
    measure(*(int(word) for word in (sys.argv[1:] + ["1024", "5"][len(sys.argv) - 1 :])))

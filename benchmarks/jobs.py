# SPDX-License-Identifier: Apache-2.0
"""Measure how fast jobs are submitted and a gatekeeper is asked: ``python -m benchmarks.jobs``.

Many jobs of /bin/true by one description of pyglobusrun, against a C program that submits them asynchronously with the
toolkit's client library, to the same gatekeeper and up to the end of the last job; and ``-a`` of both tools. They take
turns, and the medians count.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sockets import compiled
from pyglobus.core.sandbox import Sandbox

#: Of the C program's jobs in a second; and seconds that a ping may take beyond globusrun's.
RATIO, PING = 0.95, 0.09
_JOB = "&(executable=/bin/true)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure it; 1 if a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=50, metavar="N", help="how many [50]")
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="runs of each [3]; pings are three times these"
    )
    options = parser.parse_args(arguments)
    ours = str(Path(sys.executable).with_name("pyglobusrun"))
    with tempfile.TemporaryDirectory() as place, Sandbox(run=("gatekeeper",)) as sandbox:
        environment = sandbox.env | {"XDG_STATE_HOME": place}
        contact = sandbox.variables["PYGLOBUS_SANDBOX_GRAM"]
        theirs = str(
            compiled(Path(place), "gram_submit", "globus-gram-client", "globus-gram-protocol", "globus-common")
        )
        many = "+" + f"({_JOB})" * options.jobs
        commands = [[ours, "-q", "-r", contact, many], [theirs, contact, str(options.jobs), _JOB]]
        one, other = _medians(commands, environment, options.rounds)
        ratio = other / one
        print(f"{options.jobs} jobs: {options.jobs / one:.2f} a second, the C client {options.jobs / other:.2f}: "
              f"{ratio:.2f} x (goal {RATIO:g})")  # fmt: skip
        pings = [[ours, "-a", "-r", contact], ["globusrun", "-a", "-r", contact]]
        one, other = _medians(pings, environment, 3 * options.rounds)
        print(f"ping: {one * 1000:.0f} ms, globusrun {other * 1000:.0f} ms (goal +{PING * 1000:.0f})")
    return int(ratio < RATIO or one - other > PING)


def _medians(commands: Sequence[Sequence[str]], environment: dict[str, str], rounds: int) -> list[float]:
    """Seconds of each command; the first run of each is not counted."""
    seconds: list[list[float]] = [[] for _ in commands]
    for turn in range(rounds + 1):
        for command, spent in zip(commands, seconds, strict=True):
            begun = time.perf_counter()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=600)
            if turn:
                spent.append(time.perf_counter() - begun)
    return [statistics.median(spent) for spent in seconds]


if __name__ == "__main__":
    sys.exit(main())

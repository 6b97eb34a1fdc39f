# SPDX-License-Identifier: Apache-2.0
"""Time and peak memory of one command after another, as the kernel counts them.

The commands are started by a bare Python of their own (`benchmarks.starter`), because the peak that Linux reports for
a process is never less than the peak of the process it was started from, and the harness is larger than the tools that
it measures. What that floor is, `Stopwatch.floor` tells.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Reading:
    """One run: wall-clock and processor seconds, peak resident bytes, exit status (of a signal: its negative)."""

    seconds: float
    processor: float
    resident: int
    status: int


class Stopwatch:
    """Runs commands and reads off what they took. ``output`` is a file for what the last one printed."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def __enter__(self) -> Stopwatch:
        starter = [sys.executable, "-I", "-S", str(Path(__file__).with_name("starter.py"))]
        self._starter = subprocess.Popen(starter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._starter:  # closes the pipes, so that it ends, and waits for it
            pass

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> Reading:
        """Run a command, with nothing on its standard input and nobody reading what it prints."""
        program = shutil.which(command[0], path=environment.get("PATH"))
        if program is None:
            raise FileNotFoundError(f"{command[0]} is not installed")
        order = {
            "program": program,
            "command": list(command),
            "environment": dict(environment),
            "output": str(self._output),
        }
        assert self._starter.stdin is not None
        assert self._starter.stdout is not None
        self._starter.stdin.write(json.dumps(order) + "\n")
        self._starter.stdin.flush()
        return Reading(**json.loads(self._starter.stdout.readline()))

    def printed(self) -> str:
        """What the last command printed, on either stream."""
        return self._output.read_text(errors="replace")

    def floor(self) -> int:
        """The least peak that can be read off: that of a program which needs next to nothing."""
        return self.run(["true"], {"PATH": "/usr/bin:/bin"}).resident

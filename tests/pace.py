# SPDX-License-Identifier: Apache-2.0
"""How much slower than usual this process runs: under valgrind, what is to be quick takes its time."""

from __future__ import annotations

from pathlib import Path

VALGRIND = "vgpreload" in Path("/proc/self/maps").read_text()
#: Factor for limits of time.
PACE = 50 if VALGRIND else 1
#: Seconds: what is to happen at once has happened by then, on a machine that is busy with other tests too.
PROMPT = 5.0 * PACE

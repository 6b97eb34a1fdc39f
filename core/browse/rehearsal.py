# SPDX-License-Identifier: Apache-2.0
"""What an errand would meet: which of its files are at the destination already, before anything is copied."""

from __future__ import annotations

from typing import NamedTuple

from pyglobus.core.browse.errands import Errand
from pyglobus.core.events import FilePlanned, FileSkipped
from pyglobus.core.job import Job
from pyglobus.core.options import Options
from pyglobus.core.sync import MISSING, Sync


class Found(NamedTuple):
    """Pairs of source and destination."""

    missing: list[tuple[str, str]]
    existing: list[tuple[str, str]]


class Rehearsal:
    """Lists both sides, and changes neither."""

    def __init__(self, errand: Errand) -> None:
        options = Options(create_directories=True)
        self._job = Job(errand.pairs(), options, recursive=True, sync=Sync(MISSING), rehearsal=True)

    def cancel(self) -> None:
        """End it soon. Safe in any thread."""
        self._job.cancel()

    def run(self) -> Found:
        """What is there. Raises `errors.Error`."""
        found = Found([], [])
        for event in self._job:
            if isinstance(event, FilePlanned):
                found.missing.append((event.source, event.destination))
            elif isinstance(event, FileSkipped):
                found.existing.append((event.source, event.destination))
        return found

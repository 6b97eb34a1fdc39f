# SPDX-License-Identifier: Apache-2.0
"""A dump file: what of a job has not been copied yet, as a list of URLs that the next run begins with (-df).

It is written when the job begins, every minute, and when it ends, however it ends: a job of which nothing is left
leaves an empty file. The form is that of `pyglobus.core.urllist`, which globus-url-copy reads and writes as well. A
file that was begun is listed as a whole: what has arrived of it was no file yet, and is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from pyglobus.core import files, urllist
from pyglobus.core.job import Job, JobEvent, JobResult
from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair

# As often as globus-url-copy does.
_EVERY = 60.0


class DumpFile:
    """One dump file, by its path."""

    def __init__(self, path: str, options: Options) -> None:
        self._path = path
        self._options = options

    def read(self) -> list[Pair] | None:
        """What an earlier run has left to do, which may be nothing; None if there is no file."""
        return list(urllist.read(self._path)) if os.path.exists(self._path) else None

    def write(self, job: Job) -> None:
        """Write what an ``accounted`` job leaves. Raises `errors.Error`."""
        lines = (
            urllist.item_line(left, self._options) if isinstance(left, Item) else urllist.pair_line(left, self._options)
            for left in job.rest()
        )
        files.write(Path(self._path), b"".join(os.fsencode(line) + b"\n" for line in lines))

    def run(self, job: Job, on_event: Callable[[JobEvent], None]) -> JobResult:
        """Do the job, and keep the file."""
        due = time.monotonic() + _EVERY

        def observe(event: JobEvent) -> None:
            nonlocal due
            on_event(event)
            if time.monotonic() >= due:
                self.write(job)
                due = time.monotonic() + _EVERY

        self.write(job)  # what cannot be written then is known before anything is copied
        try:
            return job.run(observe)
        finally:
            self.write(job)

# SPDX-License-Identifier: Apache-2.0
"""What the threads of a job share: its terms, what waits to be copied, what is to be told, and the account of it all.

The planner fills the queue, workers empty it, and whoever iterates the job counts what they tell. Each number has one
thread that changes it; others read it, and may see it a moment late.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.events import (
    FileDeleted,
    FileDone,
    FileFailed,
    FilePlanned,
    FileSkipped,
    JobEvent,
    JobProgress,
    JobResult,
    Moving,
)
from pyglobus.core.journal import Journal
from pyglobus.core.mirror import Mirror
from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair
from pyglobus.core.sync import Sync
from pyglobus.core.way import Way, way_of
from pyglobus.ffi.annotation import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyglobus.core.aliases import Aliases

#: Seconds between two looks at what goes on.
TICK = 0.1
# Files that may wait between planner and workers: enough to keep them busy, too few to matter.
_AHEAD = 1000


class Terms(NamedTuple):
    """What a job was asked for, as `pyglobus.core.job.Job` has it; ``options`` have no deadline."""

    options: Options
    recursive: bool
    continue_on_error: bool
    concurrency: int
    sync: Sync | None
    aliases: Aliases | None
    accounted: bool
    journal: Journal | None
    mirror: Mirror | None
    rehearsal: bool


class JobState:
    """What is common to the threads of one job."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        #: What waits for a worker; None for the end, once for each of them.
        self.items: queue.Queue[Item | None] = queue.Queue(_AHEAD)
        #: What is to be told; None for the end of a thread.
        self.events: queue.SimpleQueue[JobEvent | list[JobEvent] | None] = queue.SimpleQueue()
        self.stop = threading.Event()
        #: Items on their way from the plan to their places, where an account is kept.
        self.open: dict[tuple[str, str], Item] = {}
        # Counted by the planner: files; those of them that are to be copied, with their bytes as far as known.
        self.files = self.queued = self.total = 0
        #: Whether the sizes of all files so far are known, so that there is a total.
        self.sized = True
        #: Whether there is no more to come.
        self.planned = False
        self._pair: Pair | None = None
        # Set when the first pair is known, or there is none.
        self._begun = threading.Event()
        # Set by workers: bytes of what each has under way, and the item, and whether that is one of many in a pipeline.
        self.moving: dict[int, int] = {}
        self.at: dict[int, tuple[Item, bool]] = {}
        #: Ways whose server has shown that it cannot serve a pipeline.
        self.no_pipeline: set[Way] = set()
        #: Ways whose server has refused a file after its data had gone ahead.
        self.careful: set[Way] = set()
        # Counted by whoever iterates the job.
        self.failures: list[errors.Error] = []
        self.moved = 0
        self._done = self._skipped = self._resumed = self._deleted = 0
        # Bytes of files that are done which an earlier run had moved.
        self._before = 0
        # When the first file arrived.
        self._first: float | None = None

    def count(self, event: JobEvent) -> None:
        """Enter what has happened."""
        if isinstance(event, FileDone):
            self._first = self._first or time.monotonic()
            self._done += 1
            self.moved += event.result.bytes
            self._before += event.result.resumed
        elif isinstance(event, FileSkipped):
            self._skipped += not event.resumed
            self._resumed += event.resumed
        elif isinstance(event, FilePlanned):
            self._done += 1
            self.moved += event.size or 0
        elif isinstance(event, FileDeleted):
            self._deleted += 1
        elif isinstance(event, FileFailed):
            self.failures.append(event.error)
            if not self.terms.continue_on_error:
                self.stop.set()

    def since_first(self) -> float:
        """Seconds since the first file has arrived; none have passed before that."""
        return 0.0 if self._first is None else time.monotonic() - self._first

    def progress(self, seconds: float) -> JobProgress:
        """How far it is after so many seconds."""
        moved = sum(list(self.moving.values()))
        moving = tuple(
            Moving(str(item.source), str(item.destination), item.size, None if piped else self.moving.get(number, 0))
            for number, (item, piped) in sorted(self.at.copy().items())
        )
        return JobProgress(
            self.moved + self._before + moved, self.total if self.sized else None, self._done, len(self.failures),
            self._skipped + self._resumed, self.files, self.planned, seconds, moving,
        )  # fmt: skip

    def result(self, seconds: float) -> JobResult:
        """What became of it."""
        return JobResult(
            self._done, len(self.failures), self._skipped, self.moved, seconds, self._resumed, self._deleted
        )

    def judge(self) -> None:
        """Raise what failed, if anything did."""
        if not self.failures:
            return
        arrived = self._done + self._skipped + self._resumed
        if not self.terms.continue_on_error or (len(self.failures) == 1 and not arrived):
            raise self.failures[0]
        raise errors.PartlyDone(
            f"{len(self.failures)} of {self.files} files failed" if self.files else "nothing could be copied",
            why=str(self.failures[0]),
            failures=self.failures,
        )

    def begin(self, pair: Pair | None) -> None:
        """The planner begins with this pair; or it has ended."""
        self._pair = self._pair or pair
        self._begun.set()

    def await_pair(self) -> Pair | None:
        """The first pair of the plan as soon as it is known; None if there is none, or the job ends."""
        while not self._begun.wait(TICK):
            if self.stop.is_set():
                return None
        return self._pair

    def put(self, item: Item | None) -> None:
        """Let an item wait for a worker, as soon as there is room."""
        while True:
            try:
                self.items.put(item, timeout=TICK)
                return
            except queue.Full:
                if self.stop.is_set():
                    return

    def next(self, number: int, *, wait: bool = True) -> Item | None:
        """The next item for a worker; None at the end of the job, or if there is none just now and nobody waits."""
        while not self.stop.is_set():
            try:
                item = self.items.get(wait, TICK)
            except queue.Empty:
                if not wait:
                    return None
                continue
            if item is None and not wait:
                self.items.put(None)  # the mark of the end, to be found again by who waits
            return item if item is None or self.terms.aliases is None else self._placed(item, number)
        return None

    def _placed(self, item: Item, number: int) -> Item:
        """The item at the hosts that are this worker's."""
        assert self.terms.aliases is not None
        placed = self.terms.aliases.item(item, number)
        if self.open.pop((str(item.source), str(item.destination)), None) is not None:
            self.open[str(placed.source), str(placed.destination)] = placed
        return placed

    def way(self, item: Item) -> Way | None:
        """The pipeline that an item can go down; None for a transfer of its own."""
        way = None if self.terms.options.preserve else way_of(item, self.terms.options)
        return None if way in self.no_pipeline else way

    def is_streaming(self) -> bool:
        """Whether the next item goes down a pipeline."""
        with suppress(IndexError):
            item: Item | None = self.items.queue[0]
            return item is not None and self.way(item) is not None
        return True

# SPDX-License-Identifier: Apache-2.0
"""Many files: a plan, a few workers with connections of their own, and one account of what became of each file.

The planner and every worker are threads that wait most of the time; the bytes move in the engine. Workers take files
from a bounded queue, so planning never runs far ahead, and a tree of any size fits into memory. Whoever iterates a
`Job` gets its events in one thread; leaving the loop early cancels everything.
"""

from __future__ import annotations

import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress

from pyglobus.core import errors
from pyglobus.core.batch import LARGEST, Batch, Way, way_of
from pyglobus.core.events import (
    FileDeleted,
    FileDone,
    FileFailed,
    FilePlanned,
    FileSkipped,
    FileStarted,
    JobEvent,
    JobFinished,
    JobProgress,
    JobResult,
    JobResumed,
    Moving,
    PlanComplete,
)
from pyglobus.core.journal import Journal
from pyglobus.core.localfile import make_directory
from pyglobus.core.mirror import Mirror, delete
from pyglobus.core.options import Options
from pyglobus.core.plan import Directory, Item, Listed, Pair, Plan
from pyglobus.core.remote import Facts, Remote
from pyglobus.core.session import Session
from pyglobus.core.sync import Sync, look
from pyglobus.core.transfer import Progress, Result, Retrying, Transfer, Warned
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.aliases import Aliases

# Files that may wait between planner and workers: enough to keep them busy, too few to matter.
_AHEAD = 1000
_TICK = 0.1
# Files that need nothing are told of so many at a time: a thread to hand each of them over would be most of the work.
_TOGETHER = 200
# A further connection is opened for so many waiting files, or bytes to come.
_SHARE = 250
_LARGE_SHARE = 64 << 20
# Seconds since the first file came, before it is opened for small files that one pipeline could take.
_PATIENCE = 0.5
#: Connections that a job opens by itself.
DEFAULT_CONCURRENCY = 4

_Queue = queue.Queue[Item | None]


class Job:
    """A job, to be run once by iterating or by `run`."""

    def __init__(
        self,
        pairs: Iterable[Pair],
        options: Options,
        *,
        recursive: bool = False,
        continue_on_error: bool = False,
        concurrency: int = 0,
        sync: Sync | None = None,
        aliases: Aliases | None = None,
        accounted: bool = False,
        journal: Journal | None = None,
        mirror: Mirror | None = None,
        rehearsal: bool = False,
        debug_fd: int = -1,
    ) -> None:
        """``concurrency`` 0: as many connections as serve the job. The deadline of ``options`` is that of the job.

        What the ``journal`` says is done is not done again, and what is done is written to it; the job closes it.
        With a ``mirror``, what the source has not is deleted in the end. A ``rehearsal`` tells what would be done.
        ``accounted``: `rest` can tell at any time what has not been copied; then all ``pairs`` are read at once.
        """
        self._pairs = list(pairs) if accounted else pairs
        self._aliases = aliases
        # With an account: how many pairs the planner has begun, its plan, and items and directories not done with.
        self._accounted = accounted
        self._taken = 0
        self._planned_by: Plan | None = None
        self._open: dict[tuple[str, str], Item] = {}
        self._unlisted: list[Pair] = []
        self._limit = options.timeout
        self._options = options.check()._replace(timeout=None)
        self._recursive = recursive
        self._continue = continue_on_error
        self._concurrency = concurrency or DEFAULT_CONCURRENCY
        self._sync = sync
        self._journal = journal
        self._mirror = mirror
        self._rehearsal = rehearsal
        self._debug_fd = debug_fd
        self._items: _Queue = queue.Queue(_AHEAD)
        # None for the end of a thread.
        self._events: queue.SimpleQueue[JobEvent | list[JobEvent] | None] = queue.SimpleQueue()
        self._needless: list[JobEvent] = []
        self._sessions: list[Session] = []
        self._stop = threading.Event()
        self._cancelled = False
        self._moving: dict[int, int] = {}
        # What each worker is at, and whether that is one of many in a pipeline.
        self._at: dict[int, tuple[Item, bool]] = {}
        self._failures: list[errors.Error] = []
        self._done = self._skipped = self._resumed = self._deleted = self._files = self._moved = self._total = 0
        # Bytes of files that are done which an earlier run had moved.
        self._before = 0
        # Files that are to be copied.
        self._queued = 0
        self._planned = False
        # Whether the sizes of all files so far are known, so that there is a total.
        self._sized = True
        self._asked = concurrency > 0
        # When the first file arrived.
        self._first: float | None = None
        #: Ways whose server has shown that it cannot serve a pipeline.
        self._no_pipeline: set[Way] = set()
        #: Ways whose server has refused a file after its data had gone ahead.
        self._careful: set[Way] = set()

    def cancel(self) -> None:
        """End it soon. Safe in signal handlers and from any thread."""
        self._cancelled = True
        self._stop.set()
        for session in list(self._sessions):
            session.cancel()

    def rest(self) -> Iterator[Item | Pair]:
        """What has not been copied so far, failures included: files, and pairs that are still to be expanded.

        For a job that is ``accounted``. Safe in any thread, while it goes on or afterwards; what is on its way from a
        listing to its copy just now may be in it twice.
        """
        assert isinstance(self._pairs, list)
        # In the order in which things move on, so that nothing slips through.
        later = self._pairs[self._taken :]
        listing = self._planned_by.rest() if self._planned_by else []
        yield from list(self._open.values())
        yield from dict.fromkeys([*self._unlisted, *listing, *later])

    def run(self, on_event: Callable[[JobEvent], None] | None = None) -> JobResult:
        """Do it all; ``on_event`` is called in this thread.

        Raises the first error, or, with ``continue_on_error``, `errors.PartlyDone` at the end if some files failed.
        """
        events = iter(self)
        try:
            for event in events:
                if on_event is not None:
                    on_event(event)
                if isinstance(event, JobFinished):
                    return event.result
        finally:
            events.close()
        raise AssertionError("a job ends with JobFinished or an error")

    def __iter__(self) -> Generator[JobEvent, None, None]:
        started = time.monotonic()
        threads = [threading.Thread(target=self._guarded, args=(self._plan,), name="planner", daemon=True)]
        for number in range(0 if self._rehearsal else self._concurrency):
            worker = threading.Thread(
                target=self._guarded, args=(self._work, number), name=f"worker-{number}", daemon=True
            )
            threads.append(worker)
        with ExitStack() as stack:
            if self._journal is not None:
                stack.callback(self._close_journal)
            yield from self._all(threads, started)
            self._judge()
            if self._journal is not None and not (self._rehearsal and any(self._journal.resumed)):
                self._journal.complete()
        seconds = time.monotonic() - started
        result = JobResult(
            self._done, len(self._failures), self._skipped, self._moved, seconds, self._resumed, self._deleted
        )
        yield JobFinished(result)

    def _all(self, threads: list[threading.Thread], started: float) -> Generator[JobEvent, None, None]:
        try:
            if self._journal is not None and any(self._journal.resumed):
                yield JobResumed(self._journal.path, self._journal.resumed)
            for thread in threads:
                thread.start()
            yield from self._follow(len(threads), started)
            if self._mirror is not None and not self._cancelled:
                last = threading.Thread(target=self._guarded, args=(self._prune,), name="pruner", daemon=True)
                threads.append(last)
                last.start()
                yield from self._follow(1, started)
        finally:
            if any(thread.is_alive() for thread in threads):
                self._stop.set()
                for session in list(self._sessions):
                    session.cancel()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()

    def _follow(self, running: int, started: float) -> Generator[JobEvent, None, None]:
        shown = 0.0
        while running:
            came: JobEvent | list[JobEvent] | None = []
            with suppress(queue.Empty):
                came = self._events.get(timeout=_TICK)
            if came is None:
                running -= 1
                continue
            for event in came if isinstance(came, list) else [came]:
                self._count(event)
                yield event
            if self._journal is not None and self._events.empty():
                self._journal.flush()
            now = time.monotonic()
            if self._limit is not None and now - started > self._limit:
                raise errors.DeadlineExceeded("deadline reached", hint="--timeout sets it")
            if now - shown >= _TICK:
                shown = now
                yield self._progress(now - started)

    def _count(self, event: JobEvent) -> None:
        if isinstance(event, FileDone):
            self._first = self._first or time.monotonic()
            self._done += 1
            self._moved += event.result.bytes
            self._before += event.result.resumed
        elif isinstance(event, FileSkipped):
            self._skipped += not event.resumed
            self._resumed += event.resumed
        elif isinstance(event, FilePlanned):
            self._done += 1
            self._moved += event.size or 0
        elif isinstance(event, FileDeleted):
            self._deleted += 1
        elif isinstance(event, FileFailed):
            self._failures.append(event.error)
            if not self._continue:
                self._stop.set()

    def _progress(self, seconds: float) -> JobProgress:
        moved = sum(list(self._moving.values()))
        moving = tuple(
            Moving(str(item.source), str(item.destination), item.size, None if piped else self._moving.get(number, 0))
            for number, (item, piped) in sorted(self._at.copy().items())
        )
        return JobProgress(
            self._moved + self._before + moved, self._total if self._sized else None, self._done, len(self._failures),
            self._skipped + self._resumed, self._files, self._planned, seconds, moving,
        )  # fmt: skip

    def _judge(self) -> None:
        if self._cancelled:
            raise errors.Cancelled("cancelled")
        if not self._failures:
            return
        if not self._continue or (len(self._failures) == 1 and not self._done + self._skipped + self._resumed):
            raise self._failures[0]
        raise errors.PartlyDone(
            f"{len(self._failures)} of {self._files} files failed" if self._files else "nothing could be copied",
            why=str(self._failures[0]),
            failures=self._failures,
        )

    # Threads ---------------------------------------------------------------------------------------------------------

    def _guarded(self, main: Callable[..., None], *args: int) -> None:
        options = self._options
        session = Session(debug_fd=self._debug_fd, gridftp2=options.gridftp2, relative=options.relative)
        self._sessions.append(session)
        try:
            with session:
                if not self._cancelled:
                    main(session, *args)
        except errors.Error as error:
            if not self._stop.is_set():
                self._events.put(FileFailed("", "", error))
        except BaseException as error:
            self._events.put(FileFailed("", "", errors.Error("internal error", why=repr(error), fault="internal")))
            self._stop.set()
        finally:
            self._events.put(None)

    def _plan(self, session: Session) -> None:
        report = self._report_unlisted if self._continue else None
        plan = self._planned_by = Plan(
            session, self._options, recursive=self._recursive, unlisted=report, names=self._mirror is not None
        )
        try:
            for number, given in enumerate(self._pairs, 1):
                pair = self._aliases.pair(given) if self._aliases else given
                fresh = False
                try:
                    for step in plan.steps(pair):
                        self._taken = number
                        if self._stop.is_set():
                            return
                        if isinstance(step, Directory):
                            fresh = not self._rehearsal and self._try_to_make(session, step)
                        elif isinstance(step, Listed):
                            self._compare(session, step)
                        else:
                            self._offer(session, step._replace(fresh=fresh) if fresh else step)
                except errors.Error as error:
                    self._report_unlisted(pair, error)
                    if not self._continue:
                        return
                self._taken = number
            if not self._stop.is_set():
                self._tell_needless()
                self._events.put(PlanComplete(self._queued, self._total))
                if self._journal is not None:
                    self._journal.planned(self._files, self._total)
        finally:
            self._tell_needless()
            self._planned = True
            for _ in range(self._concurrency):
                self._put(None)

    def _offer(self, session: Session, item: Item) -> None:
        self._files += 1
        journal = self._journal
        if journal is not None:
            if not item.listed:
                size, modified = look(session, self._options, item.source)
                item = item._replace(size=size, modified=modified)
            if journal.has(item):
                self._skip(item, resumed=True)
                return
        if self._sync is not None and not self._sync.differs(session, self._options, item):
            self._skip(item)
            return
        size = item.size if item.size is not None else _size(item.source)
        self._total += size or 0
        self._sized = self._sized and size is not None
        self._queued += 1
        if self._rehearsal:
            self._needless.append(FilePlanned(str(item.source), str(item.destination), size))
            if len(self._needless) >= _TOGETHER:
                self._tell_needless()
            return
        self._tell_needless()
        if self._accounted:
            self._open[str(item.source), str(item.destination)] = item
        self._put(item)

    def _compare(self, session: Session, listed: Listed) -> None:
        if self._mirror is not None:
            ends = listed.destination, listed.names
            self._mirror.compare(session, self._options, *ends, top=listed.top, recursive=self._recursive)

    def _prune(self, session: Session) -> None:
        """Delete what the source has not, now that all is copied."""
        assert self._mirror is not None
        if self._failures:
            why = "not everything could be listed and copied"
            self._events.put(Warned(errors.Error("nothing was deleted", why=why, fault="nothing-deleted")))
            return
        for doomed in self._mirror.doomed(session, self._options):
            if self._stop.is_set():
                return
            if not self._rehearsal:
                delete(session, self._options, doomed)
            self._events.put(FileDeleted(str(doomed.url), doomed.size))

    def _report_unlisted(self, pair: Pair, error: errors.Error) -> None:
        self._unlisted.append(pair)
        self._events.put(FileFailed(str(pair.source), str(pair.destination), error))

    def _settle(self, source: str, destination: str) -> None:
        """A file is where it belongs."""
        self._open.pop((source, destination), None)

    def _skip(self, item: Item, *, resumed: bool = False) -> None:
        self._needless.append(FileSkipped(str(item.source), str(item.destination), resumed))
        if len(self._needless) >= _TOGETHER:
            self._tell_needless()

    def _tell_needless(self) -> None:
        if self._needless:
            told, self._needless = self._needless, []
            self._events.put(told)

    def _put(self, item: Item | None) -> None:
        while True:
            try:
                self._items.put(item, timeout=_TICK)
                return
            except queue.Full:
                if self._stop.is_set():
                    return

    def _try_to_make(self, session: Session, directory: Directory) -> bool:
        """As `_make`; if the job goes on after errors, a directory below the top that cannot be made is one failure."""
        try:
            return self._make(session, directory)
        except errors.Error as error:
            if not self._continue or directory.top or isinstance(error, errors.Cancelled):
                raise
            self._events.put(FileFailed(str(directory.source or ""), str(directory.url), error))
            return False

    def _make(self, session: Session, directory: Directory) -> bool:
        """Make it, unless it is there; whether it is a server's, and new. What goes into it comes next in the plan."""
        if directory.top and not self._options.create_directories:
            return False
        url = directory.url
        if url.is_local:
            make_directory(url.path)
        elif url.is_ftp:
            place = Remote(session, url, self._options.destination, self._options, "destination")
            if directory.top and place.stat() is None:
                place.make_directories()
            return place.make_if_missing()
        return False

    def _work(self, session: Session, number: int) -> None:
        if not self._wanted(number):
            return
        item = self._next(number)
        while item is not None:
            way = self._way(item)
            if way is None or way in self._no_pipeline:
                self._copy(session, number, item)
                item = self._next(number)
            else:
                item = self._batch(session, number, way, item) or self._next(number)

    def _wanted(self, number: int) -> bool:
        """Whether a worker beyond the first has enough to do that it pays to log in once more.

        One pipeline is as fast as most servers make files: another joins if many still wait after a while.
        """
        while not (self._asked or self._stop.is_set()):
            waiting = self._items.qsize()
            patience = number * _PATIENCE if self._is_streaming() else 0.0
            many = waiting >= number * _SHARE and self._since_first() >= patience
            if number == 0 or many or self._total - self._moved >= number * _LARGE_SHARE:
                break
            if self._planned and (not patience or waiting <= self._concurrency):
                return waiting > self._concurrency  # its own end mark is among them
            time.sleep(_TICK / 5)
        return True

    def _is_streaming(self) -> bool:
        """Whether the next item goes down a pipeline."""
        try:
            item: Item | None = self._items.queue[0]
        except IndexError:
            return True
        way = None if item is None else self._way(item)
        return way is not None and way not in self._no_pipeline

    def _way(self, item: Item) -> Way | None:
        return None if self._options.preserve else way_of(item, self._options)

    def _since_first(self) -> float:
        """Seconds since the first file has arrived; none have passed before that."""
        return 0.0 if self._first is None else time.monotonic() - self._first

    def _next(self, number: int, *, wait: bool = True) -> Item | None:
        """The next item for a worker; None at the end of the job, or if there is none just now and nobody waits."""
        while not self._stop.is_set():
            try:
                item = self._items.get(wait, _TICK)
            except queue.Empty:
                if not wait:
                    return None
                continue
            if item is None and not wait:
                self._items.put(None)  # the mark of the end, to be found again by who waits
            return item if item is None or self._aliases is None else self._placed(item, number)
        return None

    def _placed(self, item: Item, number: int) -> Item:
        """The item at the hosts that are this worker's."""
        assert self._aliases is not None
        placed = self._aliases.item(item, number)
        if self._open.pop((str(item.source), str(item.destination)), None) is not None:
            self._open[str(placed.source), str(placed.destination)] = placed
        return placed

    def _unplaced(self, item: Item) -> Item:
        """The item as it was planned, by whichever hosts it went."""
        return item if self._aliases is None else self._aliases.item(item, 0)

    def _batch(self, session: Session, number: int, way: Way, first: Item) -> Item | None:
        """Copy what goes the way of ``first`` down a pipeline; the item that comes after it, if it was taken."""

        counted = 0

        def take() -> Item | None:
            return self._next(number, wait=False)

        def moved(bytes_: int) -> None:
            self._moving[number] = bytes_ - counted

        def begun(item: Item) -> None:
            self._at[number] = item, True
            self._events.put(FileStarted(str(item.source), str(item.destination), item.size))

        def done(item: Item, result: Result) -> None:
            nonlocal counted
            counted += result.bytes
            self._arrived(item, result)

        def failed(item: Item, error: errors.Error) -> None:
            self._events.put(FileFailed(str(item.source), str(item.destination), error))

        batch = Batch(
            session, self._options, way, first,
            ahead=way not in self._careful, key=self._journal.key if self._journal is not None else 0,
            take=take, moved=moved, stopped=self._stop.is_set, begun=begun, done=done, failed=failed,
        )  # fmt: skip
        batch.run()
        self._at.pop(number, None)
        self._moving[number] = 0
        if batch.useless:
            self._no_pipeline.add(way)
        if batch.spoiled:
            self._careful.add(way)
        for item in batch.left:
            if self._stop.is_set():
                return None
            self._copy(session, number, item, started=True)
        return batch.stray

    def _copy(self, session: Session, number: int, item: Item, *, started: bool = False) -> None:
        source, destination = str(item.source), str(item.destination)

        def on_event(event: object) -> None:
            if isinstance(event, Progress):
                self._moving[number] = event.bytes
            elif isinstance(event, Retrying | Warned):
                self._events.put(event)

        options = self._options
        if item.offset is not None or item.length is not None:
            options = options._replace(offset=item.offset or 0, length=item.length)
        if not started:
            self._events.put(FileStarted(source, destination, item.size))
        self._at[number] = item, False
        try:
            known = Facts("file", item.size) if item.listed and not options.preserve else None
            partial = None
            if self._journal is not None and _is_large(item, options):
                partial = self._journal.partial(self._unplaced(item))
            transfer = Transfer(item.source, item.destination, options, session=session, known=known, partial=partial)
            result = transfer.run(on_event)
        except errors.Error as error:
            self._moving[number] = 0
            if not (self._stop.is_set() and isinstance(error, errors.Cancelled)):
                self._events.put(FileFailed(source, destination, error))
            return
        finally:
            self._at.pop(number, None)
        self._moving[number] = 0
        self._arrived(item, result)

    def _arrived(self, item: Item, result: Result) -> None:
        self._settle(result.source, result.destination)
        if self._journal is not None:
            self._journal.done(self._unplaced(item), result)
        self._events.put(FileDone(result))

    def _close_journal(self) -> None:
        """On the way out of a job that failed, what made it fail is told rather than a full disk."""
        if self._journal is not None:
            with suppress(errors.DataError):
                self._journal.close()


def _size(url: Url) -> int | None:
    """Bytes of a local file, if it is one; others tell when they are transferred."""
    with suppress(OSError, ValueError):
        status = os.stat(url.path) if url.is_local else None
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None
    return None


def _is_large(item: Item, options: Options) -> bool:
    """Whether what there is of an item, should it not become whole, is worth keeping, and can be gone on with."""
    if item.size is None or item.size <= LARGEST or item.destination.is_stream or item.source.is_http:
        return False
    side = options.destination
    special = side.module or side.disk_stack or options.ascii or options.in_place or options.partial
    return not special and not item.destination.is_http


__all__ = [
    "DEFAULT_CONCURRENCY",
    "FileDeleted",
    "FileDone",
    "FileFailed",
    "FilePlanned",
    "FileSkipped",
    "FileStarted",
    "Job",
    "JobEvent",
    "JobFinished",
    "JobProgress",
    "JobResult",
    "JobResumed",
    "PlanComplete",
]

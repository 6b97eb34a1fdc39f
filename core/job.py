# SPDX-License-Identifier: Apache-2.0
"""Many files: a plan, a few workers with connections of their own, and one account of what became of each file.

The planner and every worker are threads that wait most of the time; the bytes move in the engine. Workers take files
from a bounded queue, so planning never runs far ahead, and a tree of any size fits into memory. Whoever iterates a
`Job` gets its events in one thread; leaving the loop early cancels everything.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress

from pyglobus.core import errors
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
    PlanComplete,
)
from pyglobus.core.jobstate import TICK, JobState, Terms
from pyglobus.core.journal import Journal
from pyglobus.core.mirror import Mirror, delete
from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair
from pyglobus.core.planner import Planner
from pyglobus.core.session import Session
from pyglobus.core.sync import Sync
from pyglobus.core.transfer import Warned
from pyglobus.core.worker import Worker
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.aliases import Aliases

#: Connections that a job opens by itself.
DEFAULT_CONCURRENCY = 4


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
        self._limit = options.timeout
        self._terms = Terms(
            options=options.check()._replace(timeout=None),
            recursive=recursive,
            continue_on_error=continue_on_error,
            concurrency=concurrency or DEFAULT_CONCURRENCY,
            sync=sync,
            aliases=aliases,
            accounted=accounted,
            journal=journal,
            mirror=mirror,
            rehearsal=rehearsal,
        )
        self._asked = concurrency > 0
        self._state = JobState(self._terms)
        self._planner = Planner(self._state, pairs)
        self._debug_fd = debug_fd
        self._sessions: list[Session] = []
        self._cancelled = False

    def cancel(self) -> None:
        """End it soon. Safe in signal handlers and from any thread."""
        self._cancelled = True
        self._end()

    def _end(self) -> None:
        self._state.stop.set()
        for session in list(self._sessions):
            session.cancel()

    def rest(self) -> Iterator[Item | Pair]:
        """What has not been copied so far, failures included: files, and pairs that are still to be expanded.

        For a job that is ``accounted``. Safe in any thread, while it goes on or afterwards; what is on its way from a
        listing to its copy just now may be in it twice.
        """
        unplanned = list(self._planner.rest())  # first, as that is where files come from
        yield from list(self._state.open.values())
        yield from unplanned

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
        journal, rehearsal = self._terms.journal, self._terms.rehearsal
        threads = [self._thread("planner", self._planner.run)]
        for number in range(0 if rehearsal else self._terms.concurrency):
            worker = Worker(self._state, number, asked=self._asked)
            threads.append(self._thread(f"worker-{number}", worker.run))
        with ExitStack() as stack:
            if journal is not None:
                stack.callback(self._close_journal, journal)
            yield from self._all(threads, started)
            if self._cancelled:
                raise errors.Cancelled("cancelled")
            self._state.judge()
            if journal is not None and not (rehearsal and any(journal.resumed)):
                journal.complete()
        yield JobFinished(self._state.result(time.monotonic() - started))

    def _all(self, threads: list[threading.Thread], started: float) -> Generator[JobEvent, None, None]:
        journal = self._terms.journal
        try:
            if journal is not None and any(journal.resumed):
                yield JobResumed(journal.path, journal.resumed)
            for thread in threads:
                thread.start()
            yield from self._follow(len(threads), started)
            if self._terms.mirror is not None and not self._cancelled:
                last = self._thread("pruner", self._prune)
                threads.append(last)
                last.start()
                yield from self._follow(1, started)
            if self._planner.directories and not (self._terms.rehearsal or self._state.stop.is_set()):
                last = self._thread("preserver", self._preserve)
                threads.append(last)
                last.start()
                yield from self._follow(1, started)
        finally:
            if any(thread.is_alive() for thread in threads):
                self._end()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()

    def _follow(self, running: int, started: float) -> Generator[JobEvent, None, None]:
        state, journal = self._state, self._terms.journal
        shown = 0.0
        while running:
            came: JobEvent | list[JobEvent] | None = []
            with suppress(queue.Empty):
                came = state.events.get(timeout=TICK)
            if came is None:
                running -= 1
                continue
            for event in came if isinstance(came, list) else [came]:
                state.count(event)
                yield event
            if journal is not None and state.events.empty():
                journal.flush()
            now = time.monotonic()
            if self._limit is not None and now - started > self._limit:
                raise errors.DeadlineExceeded("deadline reached", hint="--timeout sets it")
            if now - shown >= TICK:
                shown = now
                yield state.progress(now - started)

    def _thread(self, name: str, main: Callable[[Session], None]) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(main,), name=name, daemon=True)

    def _guarded(self, main: Callable[[Session], None]) -> None:
        """What each thread does: ``main``, with connections of its own, and whatever becomes of it is told."""
        options, state = self._terms.options, self._state
        session = Session(debug_fd=self._debug_fd, gridftp2=options.gridftp2, relative=options.relative)
        self._sessions.append(session)
        try:
            with session:
                if not self._cancelled:
                    main(session)
        except errors.Error as error:
            if not state.stop.is_set():
                state.events.put(FileFailed("", "", error))
        except BaseException as error:
            state.events.put(FileFailed("", "", errors.Error("internal error", why=repr(error), fault="internal")))
            state.stop.set()
        finally:
            state.events.put(None)

    def _preserve(self, session: Session) -> None:
        """Give directories their permissions and times, now that nothing is put into them any more."""
        from pyglobus.core.directories import preserve

        for error in preserve(session, self._terms.options, self._planner.directories):
            if self._state.stop.is_set():
                return
            self._state.events.put(Warned(error))

    def _prune(self, session: Session) -> None:
        """Delete what the source has not, now that all is copied."""
        mirror, options, state = self._terms.mirror, self._terms.options, self._state
        assert mirror is not None
        if state.failures:
            why = "not everything could be listed and copied"
            state.events.put(Warned(errors.Error("nothing was deleted", why=why, fault="nothing-deleted")))
            return
        for doomed in mirror.doomed(session, options):
            if state.stop.is_set():
                return
            if not self._terms.rehearsal:
                delete(session, options, doomed)
            state.events.put(FileDeleted(str(doomed.url), doomed.size))

    @staticmethod
    def _close_journal(journal: Journal) -> None:
        """On the way out of a job that failed, what made it fail is told rather than a full disk."""
        with suppress(errors.DataError):
            journal.close()


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

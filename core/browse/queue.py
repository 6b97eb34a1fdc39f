# SPDX-License-Identifier: Apache-2.0
"""The queue of transfers: so many at a time, each of them a job with a journal, so that it can be paused and gone on
with, also by another run of the program after this one was left or killed.

The queue is written to a file of this process whenever something of it changes but its progress. A file beside it is
locked as long as the process lives: a later one takes over what nobody holds, and offers it. Pausing ends the job and
keeps its journal; going on starts it again. Giving up removes the journal, and what there is of large
files at the destination.

A move within a server or file system is a rename where the name is free. All else is copied, and what has arrived is
then deleted at its source, unless it has changed its size meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pyglobus.core import errors, files, journalfile
from pyglobus.core.browse import deeds
from pyglobus.core.browse.errands import Errand, State
from pyglobus.core.events import FileDone, FileSkipped, JobEvent, JobProgress
from pyglobus.core.job import Job
from pyglobus.core.journal import Journal, leftovers
from pyglobus.core.mirror import Doomed, below
from pyglobus.core.mirror import delete as delete_one
from pyglobus.core.options import Options, Retry
from pyglobus.core.pool import Pool

#: Attempts after transient faults, before an errand has failed and waits for somebody to say "again".
_RETRY = Retry(times=3)
_MAX_FILE = 64 << 20
_FORM = 1


def directory() -> Path:
    """Where queues are kept."""
    return Path(files.state_home(), "pyglobus", "browse", "queues")


class Queue:
    """All methods are safe in any thread, and return at once. ``changed`` is called in any thread when a state is."""

    def __init__(self, pool: Pool, *, limit: int = 2, changed: Callable[[], None] = lambda: None) -> None:
        """``limit`` errands go on at a time."""
        self._pool = pool
        self._limit = limit
        self._changed = changed
        self._lock = threading.RLock()
        self._errands: list[Errand] = []
        self._jobs: dict[str, Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        # What is to become of an errand whose job is being ended.
        self._ending: dict[str, State] = {}
        self._file: Path | None = None
        self._held = -1
        self._closed = False

    # What is there ---------------------------------------------------------------------------------------------------

    @property
    def errands(self) -> list[Errand]:
        """In their order."""
        with self._lock:
            return list(self._errands)

    @property
    def limit(self) -> int:
        """How many go on at a time."""
        return self._limit

    def set_limit(self, limit: int) -> None:
        """Let so many go on at a time; those that do, go on."""
        with self._lock:
            self._limit = max(1, limit)
        self._settle()

    def active(self) -> bool:
        """Whether something is under way or waits for its turn."""
        return any(errand.state in (State.RUNNING, State.WAITING) for errand in self.errands)

    # What can be done with it ----------------------------------------------------------------------------------------

    def add(self, errand: Errand) -> None:
        """Put it at the end. Raises `errors.CannotCreate` if the queue cannot be written."""
        with self._lock:
            self._errands.append(errand)
        self._settle()

    def pause(self, errand: Errand) -> None:
        """End what is under way of it, so that it can be gone on with."""
        self._leave(errand, State.PAUSED)

    def cancel(self, errand: Errand) -> None:
        """Give it up, and remove what was kept to go on with it. What has arrived, stays."""
        self._leave(errand, State.CANCELLED)

    def resume(self, errand: Errand) -> None:
        """Go on with it, or try it again."""
        with self._lock:
            if errand.state in (State.PAUSED, State.FAILED):
                errand.state, errand.error = State.WAITING, None
        self._settle()

    def shift(self, errand: Errand, by: int) -> None:
        """Let it have its turn sooner (-1) or later (1)."""
        with self._lock:
            at = self._errands.index(errand)
            to = max(0, min(at + by, len(self._errands) - 1))
            self._errands.insert(to, self._errands.pop(at))
        self._settle()

    def forget(self) -> None:
        """Drop what is over from the list."""
        with self._lock:
            self._errands = [errand for errand in self._errands if not errand.state.is_over]
        self._settle()

    def close(self) -> None:
        """End what is under way, so that another run can go on with it, and wait for that. Idempotent."""
        with self._lock:
            self._closed = True
            running = [errand for errand in self._errands if errand.state is State.RUNNING]
            waiting = [errand for errand in self._errands if errand.state is State.WAITING]
        for errand in (*running, *waiting):
            self.pause(errand)
        for thread in list(self._threads.values()):
            thread.join()
        with self._lock:
            with suppress(errors.Error):
                self._save()
            if self._held >= 0 and self._file is not None:
                if not self._file.exists():
                    self._file.with_suffix(".lock").unlink(missing_ok=True)
                os.close(self._held)
                self._held = -1

    def adopt(self) -> list[Errand]:
        """Take over what earlier runs have left, all of it paused or failed; what is not understood stays."""
        found: list[Errand] = []
        for path in sorted(directory().glob("*.json")) if directory().is_dir() else []:
            lock = path.with_suffix(".lock")
            if path == self._file or (held := _hold(lock)) < 0:
                continue
            try:
                with suppress(OSError, ValueError, KeyError, TypeError, errors.UsageError):
                    known = {errand.key for errand in self.errands}
                    left = [errand for errand in _read(path) if not errand.state.is_over and errand.key not in known]
                    with self._lock:
                        self._errands += left
                        self._save()
                    found += left
                    path.unlink()
                    lock.unlink()
            finally:
                os.close(held)
        if found:
            self._changed()
        return found

    # Under way -------------------------------------------------------------------------------------------------------

    def _leave(self, errand: Errand, state: State) -> None:
        with self._lock:
            if errand.state is State.RUNNING:
                self._ending[errand.key] = state
                if (job := self._jobs.get(errand.key)) is not None:
                    job.cancel()
                return
            if errand.state.is_over or errand.state is state:
                return
            errand.state = state
        if state is State.CANCELLED:
            thread = threading.Thread(target=self._clean, args=(errand,), name="browse-cleaning", daemon=True)
            with self._lock:
                self._threads[f"{errand.key}-cleaning"] = thread
                thread.start()
        self._settle()

    def _settle(self) -> None:
        """Write the queue, and begin with what may begin."""
        with self._lock:
            running = sum(errand.state is State.RUNNING for errand in self._errands)
            for errand in self._errands:
                if errand.state is State.WAITING and running < self._limit and not self._closed:
                    running += 1
                    errand.state, errand.error = State.RUNNING, None
                    thread = threading.Thread(target=self._run, args=(errand,), name="browse-transfer", daemon=True)
                    self._threads[errand.key] = thread
                    thread.start()
            if not self._closed:
                self._save()
        self._changed()

    def _run(self, errand: Errand) -> None:
        state, error = State.DONE, None
        try:
            self._do(errand)
        except errors.Error as caught:
            state, error = State.FAILED, caught
        except Exception as caught:
            why = f"{type(caught).__name__}: {caught}"
            state, error = State.FAILED, errors.Error("internal error", why=why, fault="internal")
        with self._lock:
            self._jobs.pop(errand.key, None)
            wanted = self._ending.pop(errand.key, None)
        if wanted is not None and state is State.FAILED:
            state, error = wanted, None
        if state is State.CANCELLED:
            self._clean(errand)
        with self._lock:
            errand.state, errand.error, errand.moving = state, error, ()
            self._threads.pop(errand.key, None)
        with suppress(errors.Error):
            self._settle()

    def _do(self, errand: Errand) -> None:
        if errand.move and errand.only is None:
            self._rename(errand)
        pairs = errand.pairs()
        if not pairs:
            return
        options = Options(create_directories=True, reuse_data=True, verify=errand.checked, retry=_RETRY)
        job = Job(
            pairs, options, recursive=True, continue_on_error=True, sync=errand.rule.sync,
            journal=Journal(_identity(errand), _journal(errand)),
        )  # fmt: skip
        with self._lock:
            self._jobs[errand.key] = job
            if errand.key in self._ending:
                job.cancel()
        arrived: dict[str, int] = {}
        for event in job:
            self._note(errand, event, arrived)
        if errand.move:
            self._delete(errand, arrived)

    def _note(self, errand: Errand, event: JobEvent, arrived: dict[str, int]) -> None:
        if isinstance(event, JobProgress):
            errand.files, errand.done, errand.skipped = event.files, event.done, event.skipped
            errand.failed, errand.planned, errand.seconds = event.failed, event.planned, event.seconds
            errand.bytes, errand.total = event.bytes, event.total
            errand.moving = tuple(moving.source for moving in event.moving)
            errand.begun.update((one.source, one.destination) for one in event.moving if one.bytes is not None)
        elif isinstance(event, FileDone):
            errand.done += 1
            errand.begun.discard((event.result.source, event.result.destination))
            if errand.move:
                arrived[event.result.source] = event.result.bytes + event.result.resumed
        elif isinstance(event, FileSkipped) and event.resumed and errand.move:
            arrived[event.source] = -1

    # Moves -----------------------------------------------------------------------------------------------------------

    def _rename(self, errand: Errand) -> None:
        """Rename what can be, and leave the rest in ``names``."""
        source, destination = errand.source, errand.destination
        ends = [(end.scheme, end.host, end.port, end.user) for end in (source, destination)]
        if ends[0] != ends[1]:
            return
        left: list[tuple[str, bool]] = []
        with self._pool.session() as session:
            for at, (name, is_directory) in enumerate(errand.names):
                if errand.key in self._ending:
                    errand.names = left + errand.names[at:]
                    raise errors.Cancelled("cancelled")
                try:
                    deeds.rename(session, Options(), source.join(name), destination.join(name))
                    errand.done += 1
                except errors.CredentialError:
                    raise
                except errors.Error:
                    left.append((name, is_directory))
        errand.names = left

    def _delete(self, errand: Errand, arrived: dict[str, int]) -> None:
        """Delete at the source what has arrived, and directories that are empty then."""
        kept: list[errors.Error] = []
        options = Options()
        with self._pool.session() as session:
            names = errand.names if errand.only is None else [("", False)] * len(errand.only)
            for pair, (_, is_directory) in zip(errand.pairs(), names, strict=True):
                holding: set[str] = set()
                for doomed in below(session, options, Doomed(pair.source, is_directory, None)):
                    path = doomed.url.path.rstrip("/")
                    if doomed.directory:
                        stays = path in holding
                    else:
                        size = arrived.get(str(doomed.url))
                        stays = size is None or (size >= 0 and doomed.size not in (None, size))
                    if stays:
                        holding.update(path[:at] for at, letter in enumerate(path) if letter == "/")
                        continue
                    try:
                        delete_one(session, options, doomed)
                    except errors.Error as error:
                        kept.append(error)
                        holding.update(path[:at] for at, letter in enumerate(path) if letter == "/")
        if kept:
            raise errors.PartlyDone(
                "all has arrived, but not all could be deleted at its source", why=str(kept[0]), failures=kept,
                hint=kept[0].hint,
            )  # fmt: skip

    # Files -----------------------------------------------------------------------------------------------------------

    def _clean(self, errand: Errand) -> None:
        """Remove the journal of an errand that was given up, and what of large files is at the destination."""
        path = _journal(errand)
        with suppress(errors.Error, OSError):
            for url in leftovers(path, errand.begun):
                if url.is_local:
                    with suppress(FileNotFoundError):
                        os.unlink(url.path)
                else:
                    with self._pool.session() as session:
                        delete_one(session, Options(), Doomed(url, False, None))
        with suppress(OSError):
            os.unlink(path)

    def _save(self) -> None:
        """Write the queue, or remove its file if nothing in it is worth keeping."""
        left = [errand.record() for errand in self._errands if not errand.state.is_over]
        if not left and self._file is None:
            return
        if self._file is None:
            self._file, self._held = _made()
        if left:
            files.write(self._file, json.dumps({"pyglobus-queue": _FORM, "errands": left}))
        else:
            self._file.unlink(missing_ok=True)


def _identity(errand: Errand) -> dict[str, object]:
    return {"browse": errand.key}


def _journal(errand: Errand) -> str:
    return os.path.join(journalfile.state_directory(), f"browse-{errand.key}.jsonl")


def _made() -> tuple[Path, int]:
    """A name for the queue of this process, and the descriptor of its lock. Raises `errors.CannotCreate`."""
    place = directory()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise errors.CannotCreate("cannot make directory", where=str(place), why=error.strerror) from error
    path = place / f"{os.getpid()}-{os.urandom(4).hex()}.json"
    held = _hold(path.with_suffix(".lock"))
    if held < 0:
        raise errors.CannotCreate("cannot write the queue", where=str(path), why="its lock cannot be had")
    return path, held


def _hold(lock: Path) -> int:
    """The descriptor of a locked file, made if it is missing; -1 if another process has it, or it is not ours."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError:
        return -1
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return -1


def _read(path: Path) -> list[Errand]:
    with path.open("rb") as stream:
        told = json.loads(stream.read(_MAX_FILE))
    if told["pyglobus-queue"] != _FORM:
        raise ValueError("written by another version")
    return [Errand.of(record) for record in told["errands"]]

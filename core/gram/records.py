# SPDX-License-Identifier: Apache-2.0
"""The jobs that this user has submitted, kept in files so that each can be found again, whatever becomes of the process
that has submitted it.

One file a job, ``$XDG_STATE_HOME/pyglobus/jobs/NUMBER.json``, for this user alone (a description may hold secrets). It
is written to a temporary name and renamed: what is there is whole. Numbers count up; who takes one makes its
file, so two processes never have the same. What an absent process has missed of a job's output lies beside it, in
``NUMBER.out`` and ``NUMBER.err``.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from pyglobus.core import errors, files
from pyglobus.core.gram.job import Event, State

_FORM = 1
# A description can have 64 KiB and more; what is far beyond is none of ours.
_MOST_BYTES = 16 << 20
# Of more than so many, the oldest that nothing is to be had of any more make room.
_MOST = 1000


@dataclass
class Record:
    """What is known of one job.

    ``contact`` is None until its job manager has it. ``kept`` tells that it can be picked up with its output, which
    ``part`` says the paths of (`pyglobus.core.gram.outlet.Paths.of`); ``restarted`` tells that what is to be staged out
    at its end may be forgotten (`pyglobus.core.gram.salvage`). ``reads`` and ``writes`` are the files of ours
    that it may read and write, None for all that we may. ``states`` are states and their times, in seconds since the
    epoch. ``failure`` has ``code``, ``name`` and ``why``. With ``closed`` nothing more is to be had of it.
    """

    number: int
    title: str
    gatekeeper: str
    description: str
    submitted: float
    contact: str | None = None
    label: str | None = None
    part: int = 0
    kept: bool = False
    restarted: bool = False
    full: bool = False
    propagates: bool = False
    reads: list[str] | None = field(default_factory=list)
    writes: list[str] | None = field(default_factory=list)
    states: list[tuple[str, float]] = field(default_factory=list)
    failure: dict[str, Any] | None = None
    exit_code: int | None = None
    closed: bool = False

    @property
    def state(self) -> State:
        """The last that is known."""
        return State(self.states[-1][0]) if self.states else State.UNSUBMITTED

    @property
    def ended(self) -> bool:
        """Whether no other state can follow."""
        return self.state.final

    def heard(self, event: Event) -> None:
        """Take down a state."""
        if not self.states or self.states[-1][0] != event.state:
            self.states.append((str(event.state), event.time))
        if event.exit_code is not None:
            self.exit_code = event.exit_code
        failure = event.failure
        self.failure = (
            None if failure is None else {"code": failure.code, "name": type(failure).__name__, "why": failure.why}
        )

    def told(self) -> dict[str, Any]:
        """What programs are told of it."""
        names = ("number", "title", "label", "gatekeeper", "contact", "submitted", "kept", "failure", "exit_code")
        return {
            **{name: getattr(self, name) for name in names},
            "state": str(self.state),
            "states": [{"state": state, "time": at} for state, at in self.states],
        }


class Records:
    """All of them. Methods raise `errors.CannotCreate` where the directory cannot be used."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or _directory()

    def add(self, **known: Any) -> Record:
        """A record of a job that a job manager has; on the disk, if it is kept."""
        numbers = self._numbers()
        number = max(numbers, default=0) + 1
        if len(numbers) > _MOST:
            self._make_room(sorted(numbers)[: len(numbers) - _MOST])
        while True:
            try:
                os.close(os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise errors.CannotCreate(
                    "cannot keep a list of jobs", where=str(self.directory), why=error.strerror, errno=error.errno
                ) from error
        record = Record(number=number, submitted=time.time(), **known)
        self.save(record, flushed=record.kept)
        return record

    def save(self, record: Record, *, flushed: bool = False) -> None:
        """Write it; ``flushed`` to the disk, for what must not be lost with the machine."""
        text = json.dumps({"form": _FORM, **asdict(record)})
        files.write(self._path(record.number), f"{text}\n", flushed=flushed)

    def __iter__(self) -> Iterator[Record]:
        """All that can be read, oldest first."""
        for number in sorted(self._numbers()):
            record = self._read(number)
            if record is not None:
                yield record

    def find(self, name: str) -> Record:
        """The one of this number, or contact, whose port is another once a new job manager has the job. Raises
        `errors.NotFound`.
        """
        if name.startswith("https://"):
            found = next((record for record in self if _same(record.contact, name)), None)
        else:
            found = self._read(int(name)) if name.isascii() and name.isdigit() and len(name) < 10 else None
        if found is None:
            raise errors.NotFound("no such job", where=name, hint="pyglobus job list")
        return found

    def forget(self, record: Record) -> None:
        """Remove it and its output."""
        for path in (*self.outputs(record), self._path(record.number)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def outputs(self, record: Record) -> tuple[Path, Path]:
        """Where its standard output and standard error are kept, once somebody has picked them up."""
        path = self._path(record.number)
        return path.with_suffix(".out"), path.with_suffix(".err")

    def _make_room(self, numbers: list[int]) -> None:
        for number in numbers:
            record = self._read(number)
            if record is not None and record.closed:
                self.forget(record)

    def _path(self, number: int) -> Path:
        return self.directory / f"{number}.json"

    def _numbers(self) -> list[int]:
        names = (path.name.partition(".json") for path in self.directory.iterdir())
        return [int(stem) for stem, ending, rest in names if ending and not rest and stem.isascii() and stem.isdigit()]

    def _read(self, number: int) -> Record | None:
        """None for what is not there or no record, such as one that a process has just made, or died over."""
        try:
            with self._path(number).open("rb") as file:
                found = json.loads(file.read(_MOST_BYTES))
            if found.pop("form") != _FORM:
                return None
            return Record(**found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _same(contact: str | None, name: str) -> bool:
    if contact is None:
        return False
    ours, theirs = urlsplit(contact), urlsplit(name)
    return (ours.netloc.rpartition(":")[0], ours.path) == (theirs.netloc.rpartition(":")[0], theirs.path)


def _directory() -> Path:
    """Where they lie: made if it is missing, and open to this user alone."""
    path = Path(files.state_home(), "pyglobus", "jobs")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise errors.CannotCreate(
            "cannot make directory", where=str(path.parent), why=error.strerror, errno=error.errno
        ) from error
    files.private_directory(path)
    return path


class Spool:
    """The files that a job's output is kept in: whole from `complete` on, and nothing before."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Spool:
        for path in self._paths:
            fd = os.open(_part(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._files.append(os.fdopen(fd, "wb"))
        return self

    def write(self, index: int, data: bytes) -> None:
        """More of standard output (0) or standard error (1)."""
        self._files[index].write(data)

    def complete(self) -> None:
        """That was all: put it on the disk, under its names. Once."""
        for file, path in zip(self._files, self._paths, strict=True):
            file.flush()
            os.fsync(file.fileno())
            _part(path).rename(path)

    def __exit__(self, *_: object) -> None:
        for file, path in zip(self._files, self._paths, strict=False):
            file.close()
            with contextlib.suppress(FileNotFoundError):
                _part(path).unlink()


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")

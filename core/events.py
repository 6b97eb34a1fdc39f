# SPDX-License-Identifier: Apache-2.0
"""What a job tells of while it runs."""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.core.journal import Resumed
from pyglobus.core.transfer import Result, Retrying, Warned
from pyglobus.ffi.annotation import NamedTuple


class JobResumed(NamedTuple):
    """An earlier run has left something to go on with. It comes first."""

    journal: str
    resumed: Resumed


class FileStarted(NamedTuple):
    """A worker begins with a file."""

    source: str
    destination: str
    size: int | None


class FileDone(NamedTuple):
    """A file has arrived."""

    result: Result


class FileSkipped(NamedTuple):
    """A file that is at its destination already: a comparison has shown it (``sync``), or the journal of an earlier
    run (``resumed``).
    """

    source: str
    destination: str
    resumed: bool = False


class FilePlanned(NamedTuple):
    """What would be copied, if this were not a rehearsal."""

    source: str
    destination: str
    size: int | None


class FileDeleted(NamedTuple):
    """What the source has not is gone from the destination, or in a rehearsal would be."""

    destination: str
    size: int | None


class PlanComplete(NamedTuple):
    """No more is to come: files and bytes to be copied, those that failed until now left out of neither."""

    files: int
    bytes: int


class FileFailed(NamedTuple):
    """A file, or what should have been listed, that could not be copied."""

    source: str
    destination: str
    error: errors.Error


class Moving(NamedTuple):
    """A file that is under way; ``bytes`` is None for one of many in a pipeline."""

    source: str
    destination: str
    size: int | None
    bytes: int | None


class JobProgress(NamedTuple):
    """The whole, several times a second. ``total`` counts the bytes planned so far, None if some size is not known;
    ``planned`` tells if that is all.
    """

    bytes: int
    total: int | None
    done: int
    failed: int
    skipped: int
    files: int
    planned: bool
    seconds: float
    #: The file that each connection is at.
    moving: tuple[Moving, ...] = ()


class JobResult(NamedTuple):
    """What became of it: numbers of files, bytes moved, seconds; ``resumed`` files were done by an earlier run.

    In a rehearsal, what would become of it.
    """

    done: int
    failed: int
    skipped: int
    bytes: int
    seconds: float
    resumed: int = 0
    deleted: int = 0


class JobFinished(NamedTuple):
    """The end."""

    result: JobResult


JobEvent = (
    JobResumed
    | PlanComplete
    | FilePlanned
    | FileStarted
    | FileDone
    | FileSkipped
    | FileFailed
    | FileDeleted
    | Retrying
    | Warned
    | JobProgress
    | JobFinished
)

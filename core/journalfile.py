# SPDX-License-Identifier: Apache-2.0
"""The file that a journal is written to: where it lies, who may hold it, and which of its lines count.

It is opened for this user alone and locked (flock), so that a second process is refused. The first line is an object
that names the form of the file and the job; every other line is an array whose first element says what it is. Lines
count up to the first that is torn or is no such array; after a restart of the machine, up to the last mark.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from pyglobus.core import errors
from pyglobus.ffi.annotation import Any

#: Of what follows: a file that is written otherwise has another number.
FORM = 1
_FORM_KEY = "pyglobus-journal"
_MAX_HEAD = 1 << 20
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_HINT = "name another file (--journal), or remove this one to begin anew"


def state_directory() -> str:
    """Where journals lie that nobody has named: made if it is missing, and open to this user alone.

    Raises `errors.CannotCreate`.
    """
    from pyglobus.core.files import state_home

    path = os.path.join(state_home(), "pyglobus", "journals")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise errors.CannotCreate("cannot make directory", where=path, why=error.strerror, errno=error.errno) from error
    return path


def hold(path: str) -> int:
    """The descriptor of the journal at ``path``, which is made if it is missing; held until it is closed.

    Raises `errors.UsageError` for what is no file of one's own, or held by another process; `errors.CannotCreate`.
    """
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        try:
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise errors.CannotCreate(
                "cannot open the journal", where=path, why=error.strerror, errno=error.errno
            ) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise errors.UsageError("cannot use the journal", where=path, why="it is not a file of your own")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, status):
                return fd
        except BlockingIOError as error:
            os.close(fd)
            raise errors.UsageError(
                "cannot use the journal", where=path, why="another process is at this job", fault="journal-in-use",
                hint="wait for its end, or stop it",
            ) from error  # fmt: skip
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # whoever held it has just removed it


def head(name: str, key: str, job: dict[str, Any]) -> dict[str, Any]:
    """The first line."""
    from pyglobus.core.version import __version__

    return {_FORM_KEY: FORM, "version": __version__, "name": name, "key": key, "job": job}


def boot() -> str:
    """What this start of the machine is called; empty where nobody knows."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


class Lines:
    """The lines of a journal that count, as an iterator; after it, ``end`` is where they end in the file.

    ``name`` is the journal's own. None for a file that is empty.
    """

    def __init__(self, fd: int, path: str, key: str) -> None:
        """Read the first line. Raises `errors.UsageError` for a journal of another job, and what is none."""
        import json

        self._file = open(fd, "rb", closefd=False)  # noqa: SIM115  its descriptor is the caller's
        first = self._file.readline(_MAX_HEAD)
        self.name: str | None = None
        self.end = len(first)
        torn = not first.endswith(b"\n") and first.startswith(b'{"' + _FORM_KEY.encode("ascii"))
        if not first or torn:
            self.end = 0
            return
        try:
            told = json.loads(first)
            form, self.name = told[_FORM_KEY], f"{int(told['name'], 16):016x}"
        except (ValueError, KeyError, TypeError) as error:
            raise errors.UsageError("cannot use the journal", where=path, why="it is no journal", hint=_HINT) from error
        if form != FORM:
            why = f"another version of pyglobus has written it (form {form}, not {FORM})"
            raise errors.UsageError("cannot use the journal", where=path, why=why, fault="journal-version", hint=_HINT)
        if told.get("key") != key:
            why = "it is that of another job, or of the same with other options"
            raise errors.UsageError("cannot use the journal", where=path, why=why, fault="journal-of-other", hint=_HINT)

    def __iter__(self) -> Iterator[list[Any]]:
        import json

        if self.name is None:
            return
        limit = self._limit()
        self._file.seek(self.end)
        for line in self._file:
            try:
                record = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n") or not isinstance(record, list) or not record or self.end >= limit:
                return
            yield record
            self.end += len(line)

    def _limit(self) -> int:
        """Where the last mark is, if the machine has been started since; else the end."""
        last, mark = "", self.end
        for line in self._file:
            if line.startswith(b'["boot",'):
                last = line[8:].strip(b'"]\r\n').decode("ascii", "replace")
            elif line.startswith(b'["synced",') and line[10:-2].isdigit():
                mark = int(line[10:-2])
        return os.fstat(self._file.fileno()).st_size if last == boot() else mark


def _is_still(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), status)
    except FileNotFoundError:
        return False


def explained(error: OSError, what: str, path: str) -> errors.DataError:
    """The error for a journal that cannot be written."""
    return errors.DataError(what, where=path, why=os.strerror(error.errno or errno.EIO), errno=error.errno)

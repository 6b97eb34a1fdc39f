# SPDX-License-Identifier: Apache-2.0
"""The local end of a transfer: an open source, or a destination that appears under its name only when it is whole.

A destination is written to a temporary file beside it, with the mode bits that it will have (those of the file it
replaces, or what the umask leaves of 0666), and renamed at the end. It is written in place instead where a rename
would do harm or is not wanted: not a regular file, a file with several links or of another owner, a part of a file,
or the caller's wish.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from pyglobus.core import errors


class LocalSource:
    """An open local file, pipe or device to read from. Closed by `close`, or as a context manager."""

    def __init__(self, path: str) -> None:
        """Open ``path``; ``-`` is standard input. Raises `errors.NotFound`, `errors.AccessDenied`,
        `errors.UsageError`.
        """
        self.path = path
        try:
            self.fd = os.dup(0) if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
            self.status = os.fstat(self.fd)
        except OSError as error:
            raise _error("cannot read", path, error) from error
        if stat.S_ISDIR(self.status.st_mode):
            self.close()
            raise errors.UsageError(
                "cannot copy a directory", where=path, why="only -r copies directories", fault="is-directory"
            )

    @property
    def seekable(self) -> bool:
        """Whether bytes can be read at any offset."""
        return _seekable(self.fd)

    @property
    def size(self) -> int | None:
        """Bytes; None for what has no size, such as a pipe."""
        return self.status.st_size if stat.S_ISREG(self.status.st_mode) else None

    def close(self) -> None:
        """Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> LocalSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalDestination:
    """A place to write to. As a context manager it is committed when the block ends well, else nothing of it is
    left.
    """

    def __init__(self, path: str, *, in_place: bool = False, create_directories: bool = False) -> None:
        """Open ``path`` for writing; ``-`` is standard output. ``in_place``: no temporary name, nothing truncated."""
        self.path = path
        self._temporary: str | None = None
        self._target = path
        if path == "-":
            self.fd = os.dup(1)
            return
        if create_directories and (parent := os.path.dirname(path)):
            make_directory(parent)
        try:
            self._open(in_place)
        except OSError as error:
            raise _creation("cannot create", path, error) from error

    def _open(self, in_place: bool) -> None:
        self._target = os.path.realpath(self.path)
        try:
            status = os.stat(self._target)
        except FileNotFoundError:
            status = None
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        replaceable = status is None or (
            stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
        )
        if not in_place and replaceable and self._open_temporary(status):
            return
        regular = status is None or stat.S_ISREG(status.st_mode)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        self.fd = os.open(self._target, flags | (os.O_TRUNC if regular and not in_place else 0), 0o666)

    def _open_temporary(self, status: os.stat_result | None) -> bool:
        """Make the temporary file; False where only the directory forbids it and the file itself may be written."""
        if status is not None and not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        directory, name = os.path.split(self._target)
        # The name is cut so that the temporary one is not longer than a directory takes (255 bytes).
        stem = os.fsdecode(os.fsencode(name)[:200])
        temporary = os.path.join(directory, f".{stem}.{os.urandom(4).hex()}.part")
        mode = 0o666 if status is None else stat.S_IMODE(status.st_mode)
        try:
            self.fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & 0o777)
        except PermissionError:
            if status is None:
                raise
            return False
        self._temporary = temporary
        if status is not None:
            os.fchmod(self.fd, mode)
        return True

    @property
    def seekable(self) -> bool:
        """Whether bytes can be written at any offset."""
        return _seekable(self.fd)

    def commit(self) -> None:
        """Close, and let the file appear under its name. Raises `errors.DataError` if the last bytes cannot
        be written.
        """
        fd, self.fd = self.fd, -1
        temporary = self._temporary
        try:
            if fd >= 0:
                os.close(fd)
            if temporary is not None:
                os.rename(temporary, self._target)
                self._temporary = None
        except OSError as error:
            raise errors.DataError("cannot finish", where=self.path, why=error.strerror, errno=error.errno) from error

    def discard(self) -> None:
        """Close, and leave nothing behind; what was written in place stays. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def __enter__(self) -> LocalDestination:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


def make_directory(path: str) -> None:
    """Make a directory and those above it, unless they are there. Raises `errors.CannotCreate`,
    `errors.AccessDenied`.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _creation("cannot make directory", path, error) from error


def same_file(source: LocalSource, path: str) -> bool:
    """Whether ``path`` is the very file that is open."""
    try:
        return os.path.samestat(source.status, os.stat(path))
    except OSError:
        return False


def _seekable(fd: int) -> bool:
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return False
    return not os.isatty(fd)


def _error(what: str, path: str, error: OSError) -> errors.Error:
    kind: type[errors.Error] = errors.DataError
    hint = None
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        kind = errors.NotFound
    elif isinstance(error, PermissionError):
        kind, hint = errors.AccessDenied, "check the rights of the file and of the directories above it"
    return kind(what, where=path, why=error.strerror, hint=hint, errno=error.errno)


def _creation(what: str, path: str, error: OSError) -> errors.Error:
    hint = None
    kind: type[errors.Error] = errors.CannotCreate
    if isinstance(error, PermissionError):
        kind, hint = errors.AccessDenied, "check the rights of the file and of its directory"
    elif isinstance(error, FileNotFoundError):
        hint = "the directory does not exist: -cd (--create-dest) makes it"
    elif isinstance(error, IsADirectoryError):
        hint = "a destination that is a directory ends with a slash"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        kind = errors.DataError
    return kind(what, where=path, why=error.strerror, hint=hint, errno=error.errno)

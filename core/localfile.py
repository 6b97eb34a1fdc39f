# SPDX-License-Identifier: Apache-2.0
"""The local end of a transfer: an open source, or a destination that appears under its name only when it is whole.

A destination is written to a temporary file beside it, with the mode bits that it will have (those of the file it
replaces, or what the umask leaves of 0666), and renamed at the end. It is written in place instead where a rename
would do harm or is not wanted: not a regular file, a file with several links or of another owner, a part of a file
that is there, or the caller's wish.

A FIFO is waited for until somebody has opened its other end, and whoever transfers can give that up at any time: a
system call that hangs cannot be cancelled.

The standard streams are read and written where they stand, from first to last, even if they are files: what a shell
has read from them or written to them before stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

from pyglobus.core import errors
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyglobus.core.faults import Role
    from pyglobus.core.partial import Partial


# Seconds between two looks at a FIFO that nobody has opened at the other end.
_TICK = 0.1
# Bytes of a name that stay in the temporary one, so that this is not longer than a directory takes (255).
_MAX_STEM = 200


def _go_on() -> None:
    pass


class LocalSource:
    """An open local file, pipe or device to read from. Closed by `close`, or as a context manager."""

    def __init__(self, path: str, *, check: Callable[[], None] = _go_on) -> None:
        """Open ``path``; ``-`` is standard input. Raises `errors.Error`.

        ``check`` is called now and then while a FIFO has no writer; what it raises ends the waiting.
        """
        self.path = path
        self._start = 0
        self.fd = -1
        try:
            if path == "-":
                self.fd = _stream(0)
            else:
                fifo = os.O_NONBLOCK if stat.S_ISFIFO(os.stat(path).st_mode) else 0
                self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | fifo)
                if fifo:
                    self._await_writer(check)
            self.status = os.fstat(self.fd)
            if stat.S_ISREG(self.status.st_mode):
                self._start = os.lseek(self.fd, 0, os.SEEK_CUR)
        except OSError as error:
            self.close()
            where = "standard input" if path == "-" else path
            raise _explained(error, what="cannot read", where=where, role="source") from error
        if stat.S_ISDIR(self.status.st_mode):
            self.close()
            raise errors.UsageError(
                "cannot copy a directory", where=path, why="only -r copies directories", fault="is-directory"
            )

    def _await_writer(self, check: Callable[[], None]) -> None:
        import select

        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        try:
            while not poll.poll(_TICK * 1000):
                check()
        except BaseException:
            self.close()
            raise
        os.set_blocking(self.fd, True)

    @property
    def seekable(self) -> bool:
        """Whether bytes can be read at any offset."""
        return self.path != "-" and _seekable(self.fd)

    @property
    def size(self) -> int | None:
        """Bytes that can be read; None for what has no size, such as a pipe."""
        return max(0, self.status.st_size - self._start) if stat.S_ISREG(self.status.st_mode) else None

    def changed(self) -> bool:
        """Whether somebody has written to the file since it was opened."""
        now = os.fstat(self.fd)
        return (now.st_size, now.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns)

    def rewind(self) -> None:
        """Begin anew. Raises `errors.DataError` for what cannot be read twice."""
        try:
            os.lseek(self.fd, self._start, os.SEEK_SET)
        except OSError as error:
            raise _once(self.path, error) from error

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

    def __init__(
        self,
        path: str,
        *,
        in_place: bool = False,
        keep: bool = False,
        create_directories: bool = False,
        partial: Partial | None = None,
        check: Callable[[], None] = _go_on,
    ) -> None:
        """Open ``path`` for writing; ``-`` is standard output.

        ``in_place``: no temporary name. ``keep``: what the file holds already stays where it is not overwritten.
        ``partial`` names the temporary file, which then stays when this is left, and may be there already.
        ``check`` is called now and then while a FIFO has no reader; what it raises ends the waiting.
        """
        self.path = path
        self.fd = -1
        self._partial = partial
        self._temporary: str | None = None
        self._target = path
        if path == "-":
            try:
                self.fd = _stream(1)
            except OSError as error:
                raise _explained(error, what="cannot write", where="standard output", role="destination") from error
            return
        if create_directories and (parent := os.path.dirname(path)):
            make_directory(parent)
        try:
            self._open(in_place, keep, check)
        except OSError as error:
            self.discard()
            raise _explained(error, what="cannot create", where=path, role="destination") from error

    def _open(self, in_place: bool, keep: bool, check: Callable[[], None]) -> None:
        self._target = os.path.realpath(self.path)
        try:
            status = os.stat(self._target)
        except FileNotFoundError:
            status = None
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status is not None and stat.S_ISFIFO(status.st_mode):
            self._open_fifo(check)
            return
        regular = status is None or stat.S_ISREG(status.st_mode)
        replaceable = status is None or (
            regular and not keep and status.st_nlink == 1 and status.st_uid == os.geteuid()
        )
        if not in_place and replaceable and self._open_temporary(status):
            return
        flags = os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | (os.O_TRUNC if regular and not keep else 0)
        if regular:
            with contextlib.suppress(PermissionError):  # what may be read as well can be verified
                self.fd = os.open(self._target, flags | os.O_RDWR, 0o666)
                return
        self.fd = os.open(self._target, flags | os.O_WRONLY, 0o666)

    def _open_fifo(self, check: Callable[[], None]) -> None:
        while self.fd < 0:
            try:
                self.fd = os.open(self._target, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                check()
                time.sleep(_TICK)
        os.set_blocking(self.fd, True)

    def _open_temporary(self, status: os.stat_result | None) -> bool:
        """Make the temporary file; False where only the directory forbids it, or it would be of another group, and
        the file itself may be written.
        """
        if status is not None and not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = 0o666 if status is None else stat.S_IMODE(status.st_mode)
        try:
            if self._partial is None:
                directory, name = os.path.split(self._target)
                temporary = os.path.join(directory, temporary_name(name, os.urandom(4).hex()))
                self.fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & 0o777)
            else:
                temporary = self._partial.path(self._target)
                self.fd = _own_file(temporary, mode & 0o777)
        except PermissionError:
            if status is None:
                raise
            return False
        self._temporary = temporary
        if status is not None:
            try:
                if os.fstat(self.fd).st_gid != status.st_gid:
                    os.fchown(self.fd, -1, status.st_gid)
            except PermissionError:
                self.discard()
                return False
            os.fchmod(self.fd, mode)
        return True

    def holds(self, end: int) -> bool:
        """Whether the temporary file has so many bytes already."""
        return self._temporary is not None and os.fstat(self.fd).st_size >= end

    @property
    def seekable(self) -> bool:
        """Whether bytes can be written at any offset."""
        return self.path != "-" and _seekable(self.fd)

    def rewind(self) -> None:
        """Forget what was written, to begin anew. Raises `errors.DataError` for what cannot be taken back."""
        try:
            if not self.seekable:
                raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
            os.lseek(self.fd, 0, os.SEEK_SET)
            os.ftruncate(self.fd, 0)
        except OSError as error:
            raise _once(self.path, error) from error

    def set_mode(self, mode: int) -> None:
        """Give the file these permissions. Raises `errors.Error`."""
        self._change("cannot set the mode", lambda: os.fchmod(self.fd, mode))

    def set_time(self, modified: float) -> None:
        """Set the time of the last change, in seconds since the epoch. Raises `errors.Error`."""
        self._change("cannot set the time", lambda: os.utime(self.fd, (modified, modified)))

    def _change(self, what: str, change: Callable[[], None]) -> None:
        try:
            change()
        except OSError as error:
            raise _explained(error, what=what, where=self.path, role="destination") from error

    def commit(self) -> None:
        """Close, and let the file appear under its name. Raises `errors.Error` if the last bytes cannot be written."""
        fd, self.fd = self.fd, -1
        temporary = self._temporary
        try:
            if fd >= 0:
                os.close(fd)
            if temporary is not None:
                os.rename(temporary, self._target)
                self._temporary = None
        except OSError as error:
            raise _explained(error, what="cannot finish", where=self.path, role="destination") from error

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

    def leave(self) -> None:
        """Close; a temporary file that has a `Partial` stays for the next run, others go. Idempotent."""
        if self._partial is not None:
            self._temporary = None
        self.discard()

    def __enter__(self) -> LocalDestination:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


def temporary_name(name: str, salt: str) -> str:
    """What a file is called until it is whole; ``salt`` is eight digits. Pipelines name theirs alike, in C."""
    stem = os.fsencode(name)
    end = min(len(stem), _MAX_STEM)
    while _MAX_STEM - 4 < end < len(stem) and stem[end] & 0xC0 == 0x80:  # not within a character of UTF-8
        end -= 1
    return f".{os.fsdecode(stem[:end])}.{salt}.part"


def is_temporary_name(name: str) -> bool:
    """Whether `temporary_name` makes names like this one."""
    stem, _, salt = name.removesuffix(".part").rpartition(".")
    return (
        name.endswith(".part")
        and stem.startswith(".")
        and len(stem) > 1
        and len(salt) == 8
        and all(digit in "0123456789abcdef" for digit in salt)
    )


def make_directory(path: str) -> None:
    """Make a directory and those above it, unless they are there. Raises `errors.Error`."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _explained(error, what="cannot make directory", where=path, role="destination") from error


def _own_file(path: str, mode: int) -> int:
    """A file that may be there from an earlier run, but is nobody else's, and has no other name."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    fd = os.open(path, flags, mode)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
        return fd
    os.close(fd)
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def same_file(source: LocalSource, path: str) -> bool:
    """Whether ``path`` is the very file that is open."""
    try:
        return os.path.samestat(source.status, os.stat(path))
    except OSError:
        return False


def _explained(error: OSError, *, what: str, where: str, role: Role) -> errors.Error:
    from pyglobus.core.faults import explain

    return explain(error, what=what, where=where, role=role)


def _once(path: str, error: OSError) -> errors.DataError:
    why = "a pipe cannot be read or written a second time"
    return errors.DataError("cannot try again", where=path, why=why, errno=error.errno)


def _stream(fd: int) -> int:
    """A copy of standard input or output, if it is open for that."""
    import fcntl

    wrong = os.O_RDONLY if fd else os.O_WRONLY
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == wrong:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return os.dup(fd)


def _seekable(fd: int) -> bool:
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return False
    return not os.isatty(fd)

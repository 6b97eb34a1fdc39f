# SPDX-License-Identifier: Apache-2.0
"""Files that must never be seen half written or by others.

A file is made under a temporary name in its own directory with its final mode from the first byte, filled, and
renamed: readers see the old file or the new one. Nothing is ever opened through a symbolic link that somebody else
may have put there.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pyglobus.core import errors


def write(
    path: Path, content: bytes | str, *, mode: int = 0o600, replace_own: bool = False, flushed: bool = False
) -> None:
    """Put ``content`` under ``path`` in one step, with exactly ``mode`` whatever the umask; ``flushed`` to the disk
    before. Raises `errors.CannotCreate`.

    With ``replace_own`` only what belongs to this user is replaced: for a name in a directory that all may write to,
    where somebody else may have put something on purpose.
    """
    if replace_own:
        _require_own(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 & mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                os.fchmod(descriptor, mode)
                if flushed:
                    stream.flush()
                    os.fsync(descriptor)
            temporary.rename(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise errors.CannotCreate("cannot write", where=str(path), why=error.strerror, errno=error.errno) from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it to an open descriptor, which may take it in parts. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def state_home() -> str:
    """The directory for what programs of this user remember (XDG Base Directory Specification); it may be missing."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return base if os.path.isabs(base) else os.path.expanduser("~/.local/state")


def _require_own(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.CannotCreate("cannot write", where=str(path), why=error.strerror, errno=error.errno) from error
    if status.st_uid != os.geteuid():
        raise errors.CannotCreate(
            "cannot write",
            where=str(path),
            why="something that belongs to somebody else is there",
            hint="ask its owner or root to remove it, or write elsewhere",
            fault="not-owner",
        )
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise errors.CannotCreate("cannot write", where=str(path), why="what is there is not a file")


def private_directory(path: Path) -> None:
    """Make ``path`` a directory that only its owner may enter, or check that it is one and ours.

    Raises `errors.ConfigurationError` when something else, or somebody else's, is already there: in a directory that
    all may write to, such as /tmp, the name could have been taken on purpose.
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        status = path.lstat()
    except OSError as error:
        why, number = error.strerror, error.errno
        raise errors.CannotCreate("cannot make directory", where=str(path), why=why, errno=number) from error
    if not stat.S_ISDIR(status.st_mode):
        raise errors.ConfigurationError("cannot use directory", where=str(path), why="it is not a directory")
    if status.st_uid != os.geteuid():
        raise errors.ConfigurationError("cannot use directory", where=str(path), why="it belongs to somebody else")
    if status.st_mode & 0o077:
        raise errors.ConfigurationError(
            "cannot use directory",
            where=str(path),
            why=f"others may enter it (mode {status.st_mode & 0o777:04o})",
            hint=f"chmod 700 {path}",
        )

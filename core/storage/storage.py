# SPDX-License-Identifier: Apache-2.0
"""What a storage is to the host that serves it.

Paths are absolute, with ``/`` between their parts, without ``.``, ``..`` and empty parts; bytes that are no UTF-8 are
surrogates, as with `os.fsdecode`. What cannot be done is raised as OSError, whose ``errno`` the client is told in the
protocol's own words; any other exception is told as a fault of the storage. Neither text reaches the client, so a
storage need not fear for its paths.

The methods are called in a thread of each session: those of one session one after the other, those of several at the
same time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import NamedTuple, NoReturn, Protocol

#: Kinds of entries, as in ``st_mode``.
DIRECTORY, REGULAR, LINK = 0o040000, 0o100000, 0o120000


class Visitor(NamedTuple):
    """Who logs in: the identity of a certificate (empty for an anonymous client), and the account that the server's
    grid-mapfile has given it.
    """

    identity: str
    account: str


class Entry(NamedTuple):
    """What there is under a name. ``mode`` is kind and permissions as in ``st_mode``; ``size`` in bytes; times in
    seconds since the epoch. Two entries of one ``device`` with the same ``inode`` are one file; 0: unknown. ``owner``
    and ``group`` are numbers of this machine, -1 for those of the account that the session has.
    """

    name: str
    mode: int
    size: int = 0
    modified: float = 0
    accessed: float | None = None
    changed: float | None = None
    links: int = 1
    device: int = 0
    inode: int = 0
    owner: int = -1
    group: int = -1
    #: What a symbolic link refers to, and the mode of that; 0 if it leads nowhere.
    target: str = ""
    target_mode: int = 0

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> Entry:
        """An entry from what the system says of a file."""
        return cls(
            name, status.st_mode, status.st_size, status.st_mtime, status.st_atime, status.st_ctime, status.st_nlink,
            status.st_dev, status.st_ino, status.st_uid, status.st_gid,
        )  # fmt: skip


class Reader(Protocol):
    """A file that is being read. One that has a ``descriptor`` is not read by calls: the session reads from that."""

    @property
    def descriptor(self) -> int | None:
        """An open descriptor of a regular file with the same bytes, or None. It stays the reader's."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer, which is shared with the network, from ``offset`` on; how many bytes are in it. Fewer than it
        takes are asked for again, and 0 is the end of the file.
        """

    def close(self) -> None:
        """It is not needed any more."""


class Writer(Protocol):
    """A file on its way. Ends with `commit` or `discard`, exactly one of them."""

    @property
    def descriptor(self) -> int | None:
        """An open descriptor of a regular file to write to instead of calling `write`, or None."""

    @property
    def ordered(self) -> bool:
        """Whether the bytes must come in their order, from the first on."""

    def write(self, data: memoryview, offset: int) -> None:
        """Take all of ``data``, which is only valid during the call."""

    def commit(self, modified: float | None) -> None:
        """All is there: let the file appear under its name, with this time of its last change if one is given."""

    def discard(self) -> None:
        """It has failed: leave under the name what was there before."""


class Storage:
    """A storage in which nothing can be done; subclasses can."""

    def login(self, visitor: Visitor) -> None:
        """Called for each session; raises PermissionError to refuse it."""

    def stat(self, path: str, follow: bool = True) -> Entry:
        """What is there. ``follow``: of a symbolic link what it leads to, with its own name."""
        _cannot(path)

    def listdir(self, path: str) -> Iterable[Entry]:
        """The entries of a directory, without itself and the one above."""
        _cannot(path)

    def open_read(self, path: str) -> Reader:
        """Open a file for reading."""
        _cannot(path)

    def open_write(self, path: str, truncate: bool, size: int | None) -> Writer:
        """Open a file for writing. With ``truncate`` it begins empty; otherwise what is there, or what an upload that
        failed has left, is gone on with, and the bytes may lie anywhere. ``size``: how many will come, if that is told.
        """
        _read_only(path)

    def mkdir(self, path: str) -> None:
        """Make a directory."""
        _read_only(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        _read_only(path)

    def rmtree(self, path: str) -> None:
        """Remove a directory and all that is in it, without following links."""
        _read_only(path)

    def unlink(self, path: str) -> None:
        """Remove a file or a link."""
        _read_only(path)

    def rename(self, path: str, new: str) -> None:
        """Give it another name, in place of what may have that."""
        _read_only(path)

    def chmod(self, path: str, mode: int) -> None:
        """Set the permissions."""
        _read_only(path)

    def utime(self, path: str, modified: float) -> None:
        """Set the time of the last change, in seconds since the epoch."""
        _read_only(path)

    def truncate(self, path: str, size: int) -> None:
        """Make a file so many bytes long."""
        _read_only(path)

    def symlink(self, path: str, target: str) -> None:
        """Make a symbolic link at ``path`` that refers to ``target``."""
        _read_only(path)

    def checksum(self, path: str, algorithm: str, offset: int, length: int) -> str | None:
        """A checksum (MD5, ADLER32, SHA1, SHA256, SHA512) of a part of a file in hexadecimal, if it is known without
        reading it; ``length`` -1: to its end. With None the host reads and computes.
        """
        return None


def _cannot(path: str) -> NoReturn:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), path)


def _read_only(path: str) -> NoReturn:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

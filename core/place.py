# SPDX-License-Identifier: Apache-2.0
"""The files that a server serves: from the path of a URL to an open descriptor.

Without a root, a URL's path is a path of this machine, as globus-gass-server has it: ``/./x`` begins at the working
directory, ``/~/x`` at the own home, ``/~ada/x`` at somebody's. With a root, every path begins there, and nothing
outside it can be reached: symbolic links are resolved first, what leads out is refused, and what is left is opened part
by part without following any link, so that nobody can slip one in between.

A file that is put appears under its name only when it is whole: it is written beside it under a temporary name, with
the mode it will have (that of the file it replaces, or what the umask leaves of 0666), and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# The longest stem of a temporary name, so that with its ending it still fits into the 255 bytes of a name.
_STEM = 200
# Parts that say where to go, and are no names.
_UNPLAIN = frozenset(("", ".", ".."))


def plain(path: str) -> str:
    """A path without ``.``, ``..`` and empty parts; one that climbs above ``/`` stays there."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _home() -> str:
    """The account's own, whatever HOME says, as for the others."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # an account without a name
        return os.path.expanduser("~")


class Place:
    """A directory tree. All of its methods raise OSError."""

    def __init__(self, root: str | os.PathLike[str] | None = None, *, home: bool = True, homes: bool = True) -> None:
        """``home``: expand ``/~/``; ``homes``: expand ``/~user/``; neither applies to a root, whose own it would be."""
        self.root = None if root is None else os.path.realpath(root)
        self._home = home
        self._homes = homes
        if self.root is not None:
            os.close(os.open(self.root, _DIRECTORY))

    def path(self, of_url: str) -> str:
        """The path that will be looked up: what a policy judges."""
        if self.root is None:
            if of_url.startswith("/./"):
                return plain(f"{os.getcwd()}/{of_url}")
            first = of_url.split("/")[1]
            if first.startswith("~") and (self._home if first == "~" else self._homes):
                home = _home() if first == "~" else os.path.expanduser(first)
                if not home.startswith("~"):
                    return plain(home + of_url[1 + len(first) :])
        return plain(of_url)

    def source(self, path: str) -> tuple[int, int]:
        """Open a regular file for reading: descriptor and size."""
        with closing(self.parent(path)) as (parent, name):
            # Not blocking: a FIFO without a writer would keep the thread for ever.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=parent)
        try:
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EPERM, "not a regular file")
        except OSError:
            os.close(fd)
            raise
        return fd, status.st_size

    def put(self, path: str) -> Landing:
        """A file that will appear, or replace the one that is there."""
        parent, name = self.parent(path)
        return Landing(parent, name, confined=self.root is not None)

    def append(self, path: str) -> int:
        """Open a regular file for appending; it is made if it is not there."""
        with closing(self.parent(path)) as (parent, name):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            fd = os.open(name, flags, 0o666, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EPERM, "not a regular file")
        return fd

    def size(self) -> int:
        """Bytes of all files below the root."""
        assert self.root is not None
        total = 0
        for directory, _, names, descriptor in os.fwalk(self.root, onerror=_raise):
            del directory
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return total

    def parent(self, path: str, *, follow: bool = True) -> tuple[int, str]:
        """An open directory, which is the caller's, and the name in it, with all links resolved; without ``follow`` the
        name may be that of a link.
        """
        if self.root is not None and (straight := self._straight(self.root, path, follow)) is not None:
            return straight
        whole = (self.root or "") + path
        if follow or path == "/":
            real = os.path.realpath(whole)
        else:
            real = os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))
        if self.root is not None and PurePosixPath(self.root) not in PurePosixPath(real).parents:
            if real == self.root:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise PermissionError(errno.EACCES, "the path leads out of what is served")
        directory, name = os.path.split(real)
        if not name:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if self.root is None:
            return os.open(directory, _DIRECTORY), name
        descriptor = os.open(self.root, _DIRECTORY | os.O_NOFOLLOW)
        for part in PurePosixPath(directory).relative_to(self.root).parts:
            outer = descriptor
            try:
                descriptor = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
            finally:
                os.close(outer)
        return descriptor, name

    @staticmethod
    def _straight(root: str, path: str, follow: bool) -> tuple[int, str] | None:
        """The same where no link is on the way, as nearly always, without a look at each part before. None: look."""
        *above, name = path.split("/")[1:]
        if not _UNPLAIN.isdisjoint((*above, name)):
            return None
        descriptor = os.open(root, _DIRECTORY | os.O_NOFOLLOW)
        try:
            for part in above:
                outer = descriptor
                descriptor = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
                os.close(outer)
            with contextlib.suppress(FileNotFoundError):
                if follow and stat.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode):
                    os.close(descriptor)
                    return None
        except OSError:
            os.close(descriptor)
            return None
        return descriptor, name


class Landing:
    """A file on its way: `commit` lets it appear, `discard` leaves nothing. What is no regular file (a device, a FIFO)
    is written in place, and `regular` is False: writing may then block.
    """

    def __init__(self, parent: int, name: str, *, confined: bool) -> None:
        """Of `Place`: take over the open directory."""
        self.fd = -1
        self.regular = True
        #: Bytes of the file that it replaces.
        self.replaces = 0
        self._parent = parent
        self._name = name
        self._temporary: str | None = None
        try:
            self._open(confined)
        except BaseException:
            self.discard()
            raise

    def _open(self, confined: bool) -> None:
        status: os.stat_result | None
        try:
            status = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if status is not None and not stat.S_ISREG(status.st_mode):
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if confined:
                raise OSError(errno.EPERM, "not a regular file")
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            self.fd = os.open(self._name, flags, dir_fd=self._parent)
            os.set_blocking(self.fd, True)
            self.regular = False
            return
        mode = 0o666
        if status is not None:
            # A file that may not be written is not to be replaced either.
            os.close(os.open(self._name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._parent))
            mode = stat.S_IMODE(status.st_mode) & 0o777
            self.replaces = status.st_size
        stem = os.fsdecode(os.fsencode(self._name)[:_STEM])
        temporary = f".{stem}.{os.urandom(4).hex()}.part"
        self.fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=self._parent)
        self._temporary = temporary
        if status is not None:
            os.fchmod(self.fd, mode)

    def commit(self) -> None:
        """Close it, and let it appear; if that fails nothing is left."""
        try:
            fd, self.fd = self.fd, -1
            os.close(fd)
            if self._temporary is not None:
                os.rename(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
                self._temporary = None
        finally:
            self.discard()

    def discard(self) -> None:
        """Idempotent."""
        fd, self.fd = self.fd, -1
        parent, self._parent = self._parent, -1
        temporary, self._temporary = self._temporary, None
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
        if parent >= 0:
            os.close(parent)


@contextlib.contextmanager
def closing(parent: tuple[int, str]) -> Iterator[tuple[int, str]]:
    """Close the directory of a `Place.parent` in the end."""
    try:
        yield parent
    finally:
        os.close(parent[0])


def _raise(error: OSError) -> None:
    raise error

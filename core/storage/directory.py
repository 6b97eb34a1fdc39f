# SPDX-License-Identifier: Apache-2.0
"""A directory of this machine as a storage. Nothing outside it can be reached, by ``..`` or by links.

Files move without passing here: the session reads and writes an open descriptor. What is uploaded lies beside the file
that it will be, under a hidden name that no listing shows, and gets its own name in one step when it is whole. What an
upload that failed has left stays there until somebody goes on with it or begins anew.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator

from pyglobus.core.place import Place, closing
from pyglobus.core.storage import hidden
from pyglobus.core.storage.storage import Entry, Reader, Storage, Writer

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Directory(Storage):
    """The tree below a directory."""

    def __init__(self, root: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Raises OSError if there is no such directory."""
        self._place = Place(root)
        self._read_only = read_only

    def stat(self, path: str, follow: bool = True) -> Entry:
        if path == "/":
            return Entry.of("/", os.stat(self._root))
        name = path.rpartition("/")[2]
        if hidden.is_hidden(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        with closing(self._place.parent(path, follow=False)) as (parent, last):
            status = os.stat(last, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return self._link(path, name, parent, follow)
            return Entry.of(name, status)

    def _link(self, path: str, name: str, parent: int, follow: bool) -> Entry:
        """What a link is, or leads to. One that leads out of the storage leads nowhere."""
        entry = Entry.of(name, os.stat(name, dir_fd=parent, follow_symlinks=False))
        target, target_mode = os.readlink(name, dir_fd=parent), 0
        try:
            with closing(self._place.parent(path)) as (holder, last):
                status = os.stat(last, dir_fd=holder, follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):  # the loop of links that nothing resolves
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        except IsADirectoryError:
            status = os.stat(self._root)
        except OSError:
            if follow:
                raise
        else:
            if follow:
                return Entry.of(name, status)
            target_mode = status.st_mode
        return entry._replace(target=target, target_mode=target_mode)

    def listdir(self, path: str) -> Iterator[Entry]:
        descriptor = self._open_directory(path)
        try:
            with os.scandir(descriptor) as found:
                for each in found:
                    if hidden.is_hidden(each.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                        status = each.stat(follow_symlinks=False)
                        if stat.S_ISLNK(status.st_mode):
                            below = f"{path.rstrip('/')}/{each.name}"
                            yield self._link(below, each.name, descriptor, False)
                        else:
                            yield Entry.of(each.name, status)
        finally:
            os.close(descriptor)

    def open_read(self, path: str) -> Reader:
        with closing(self._place.parent(path)) as (parent, name):
            return _Open(_regular(os.open(_shown(name), _READ, dir_fd=parent)))

    def open_write(self, path: str, truncate: bool, size: int | None) -> Writer:
        self._writable()
        parent, name = self._place.parent(path)
        try:
            return _Upload(parent, _shown(name), truncate)
        except BaseException:
            os.close(parent)
            raise

    def mkdir(self, path: str) -> None:
        with self._holder(path) as (parent, name):
            os.mkdir(name, dir_fd=parent)

    def rmdir(self, path: str) -> None:
        with self._holder(path) as (parent, name):
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not self._only_parts(path):
                    raise
                shutil.rmtree(name, dir_fd=parent)

    def _only_parts(self, path: str) -> bool:
        """Whether nothing is in a directory but what failed uploads have left."""
        descriptor = self._open_directory(path)
        try:
            return all(hidden.is_hidden(name) for name in os.listdir(descriptor))
        finally:
            os.close(descriptor)

    def rmtree(self, path: str) -> None:
        with self._holder(path) as (parent, name):
            shutil.rmtree(name, dir_fd=parent)

    def unlink(self, path: str) -> None:
        with self._holder(path) as (parent, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            os.unlink(name, dir_fd=parent)

    def rename(self, path: str, new: str) -> None:
        with self._holder(path) as (parent, name), self._holder(new) as (to, last):
            os.rename(name, last, src_dir_fd=parent, dst_dir_fd=to)

    def chmod(self, path: str, mode: int) -> None:
        self._writable()
        with self._opened(path) as descriptor:
            os.fchmod(descriptor, mode & 0o777)  # nothing that runs as somebody else, or that only owners remove

    def utime(self, path: str, modified: float) -> None:
        self._writable()
        with self._opened(path) as descriptor:
            os.utime(descriptor, (modified, modified))

    def truncate(self, path: str, size: int) -> None:
        self._writable()
        with closing(self._place.parent(path)) as (parent, name):
            descriptor = _regular(os.open(_shown(name), _WRITE, dir_fd=parent))
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def symlink(self, path: str, target: str) -> None:
        with self._holder(path) as (parent, name):
            os.symlink(target, name, dir_fd=parent)

    @property
    def _root(self) -> str:
        assert self._place.root is not None
        return self._place.root

    def _writable(self) -> None:
        if self._read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    @contextlib.contextmanager
    def _holder(self, path: str) -> Iterator[tuple[int, str]]:
        """The directory that a name is in, to change something there."""
        self._writable()
        with closing(self._place.parent(path, follow=False)) as (parent, name):
            yield parent, _shown(name)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """A file or directory that is there."""
        if path == "/":
            descriptor = os.open(self._root, _DIRECTORY)
        else:
            with closing(self._place.parent(path)) as (parent, name):
                descriptor = os.open(_shown(name), _READ, dir_fd=parent)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_directory(self, path: str) -> int:
        try:
            with closing(self._place.parent(path)) as (parent, name):
                return os.open(name, _DIRECTORY, dir_fd=parent)
        except IsADirectoryError:  # the root itself, or a link to it
            return os.open(self._root, _DIRECTORY)


class _Open:
    """A file that the session reads by itself."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int | None = descriptor

    def read_into(self, buffer: memoryview, offset: int) -> int:
        assert self.descriptor is not None
        return os.preadv(self.descriptor, [buffer], offset)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class _Upload:
    """A file on its way, under its hidden name. One that goes on with a file which is whole is written where it is."""

    ordered = False

    def __init__(self, parent: int, name: str, truncate: bool) -> None:
        """Takes over ``parent`` if it succeeds."""
        self._name = name
        self._temporary: str | None = hidden.name_for(name)
        self._kept = True
        status = _status(parent, name)
        if status is not None and not stat.S_ISREG(status.st_mode):
            number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EPERM
            raise OSError(number, os.strerror(number))
        if status is not None and not os.access(name, os.W_OK, dir_fd=parent, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = 0o666 if status is None else stat.S_IMODE(status.st_mode) & 0o777
        if not truncate and status is not None and _status(parent, self._temporary) is None:
            self._temporary = None
            self.descriptor: int | None = _regular(os.open(name, _WRITE, dir_fd=parent))
        else:
            self.descriptor = self._open(parent, mode)
        self._parent = parent
        try:
            if self._temporary is not None and (truncate or not self._kept):
                os.ftruncate(self.descriptor, 0)
            if status is not None:
                os.fchmod(self.descriptor, mode)
        except BaseException:
            os.close(self.descriptor)
            raise

    def _open(self, parent: int, mode: int) -> int:
        """The hidden file, which is this upload's own: of two with one name, the second is not kept when it fails."""
        assert self._temporary is not None
        descriptor = _regular(os.open(self._temporary, _WRITE | os.O_CREAT, mode, dir_fd=parent))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            self._kept = False
            self._temporary = hidden.name_for(self._name, unique=True)
            return os.open(self._temporary, _WRITE | os.O_CREAT | os.O_EXCL, mode, dir_fd=parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def write(self, data: memoryview, offset: int) -> None:
        assert self.descriptor is not None
        while data:
            written = os.pwritev(self.descriptor, [data], offset)
            data, offset = data[written:], offset + written

    def commit(self, modified: float | None) -> None:
        assert self.descriptor is not None
        if modified is not None:
            os.utime(self.descriptor, (modified, modified))
        if self._temporary is not None:
            os.rename(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
            self._temporary = None
        self._close()

    def discard(self) -> None:
        temporary, self._temporary = self._temporary, None
        if (
            temporary is not None
            and self.descriptor is not None
            and not (self._kept and os.fstat(self.descriptor).st_size)
        ):
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._parent)
        self._close()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, None
        parent, self._parent = self._parent, -1
        for each in (descriptor, parent):
            if each is not None and each >= 0:
                os.close(each)


def _shown(name: str) -> str:
    """A name that is not one of ours."""
    if hidden.is_hidden(name):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return name


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _regular(descriptor: int) -> int:
    """The descriptor, if it is that of a regular file; otherwise it is closed."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EPERM
    raise OSError(number, os.strerror(number))

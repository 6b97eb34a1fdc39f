# SPDX-License-Identifier: Apache-2.0
"""A zip or tar file as a read-only storage.

What is in it is looked up once, at the start. A member that is stored as it is gets read from the archive's own file,
at any offset; a compressed one is unpacked from its beginning up to where it is wanted, so reading on is cheap and
going back is not.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, cast

from pyglobus.core.place import plain
from pyglobus.core.storage.storage import DIRECTORY, LINK, REGULAR, Entry, Reader, Storage

#: Members of an archive; each takes some hundred bytes of memory.
_MOST_MEMBERS = 1_000_000


class _Member(NamedTuple):
    entry: Entry
    #: Opens the member; None for a directory or a link.
    open: Callable[[], Reader] | None


class Archive(Storage):
    """The files of an archive. Raises OSError if it cannot be read, or is none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._members: dict[str, _Member] = {"/": _directory("/")}
        self._names: dict[str, list[str]] = {"/": []}
        try:
            self._load()
        except (zipfile.BadZipFile, tarfile.TarError, ValueError, NotImplementedError) as error:
            raise OSError(errno.EINVAL, str(error), self._path) from error

    def _load(self) -> None:
        if zipfile.is_zipfile(self._path):
            with zipfile.ZipFile(self._path) as packed:
                for info in packed.infolist():
                    self._add(info.filename, self._zipped(info))
            return
        with tarfile.open(self._path) as wound:
            compressed = not isinstance(wound.fileobj, io.BufferedReader)
            for member in wound:
                if member.isdir() or member.isreg() or member.issym():
                    self._add(member.name, self._wound(member, compressed))
                elif member.islnk():
                    self._add(member.name, self._members.get(plain("/" + member.linkname)))

    def _zipped(self, info: zipfile.ZipInfo) -> _Member:
        name, permissions = _last(info.filename), info.external_attr >> 16
        modified = time.mktime((*info.date_time, 0, 0, -1))
        if info.is_dir():
            return _directory(name, modified)
        mode = permissions & 0o7777 or 0o644
        if stat.S_ISLNK(permissions):
            with zipfile.ZipFile(self._path) as packed:
                target = os.fsdecode(packed.read(info)[:4096])
            return _Member(Entry(name, LINK | 0o777, len(target), modified, target=target), None)
        return _Member(
            Entry(name, REGULAR | mode & 0o777, info.file_size, modified),
            lambda: _Unpacked(lambda: _open_zipped(self._path, info)),
        )

    def _wound(self, member: tarfile.TarInfo, compressed: bool) -> _Member:
        name, path = _last(member.name), self._path
        if member.isdir():
            return _directory(name, member.mtime)
        if member.issym():
            link = Entry(name, LINK | 0o777, len(member.linkname), member.mtime, target=member.linkname)
            return _Member(link, None)
        start, size = member.offset_data, member.size
        entry = Entry(name, REGULAR | member.mode & 0o777, size, member.mtime)
        if compressed or member.issparse():
            return _Member(entry, lambda: _Unpacked(lambda: _open_wound(path, member)))
        return _Member(entry, lambda: _Part(path, start, size))

    def _add(self, name: str, member: _Member | None) -> None:
        path = plain("/" + name)
        if member is None or path == "/":
            return
        if len(self._members) >= _MOST_MEMBERS:
            raise ValueError(f"it has more than {_MOST_MEMBERS} members")
        member = member._replace(entry=member.entry._replace(name=path.rpartition("/")[2]))
        parts = path.split("/")
        for depth in range(2, len(parts)):  # directories that are only part of a name
            self._note("/".join(parts[:depth]), _directory(parts[depth - 1]), replace=False)
        self._note(path, member, replace=True)

    def _note(self, path: str, member: _Member, *, replace: bool) -> None:
        if path not in self._members:
            head, _, last = path.rpartition("/")
            self._names.setdefault(head or "/", []).append(last)
        elif not replace:
            return
        self._members[path] = member

    def stat(self, path: str, follow: bool = True) -> Entry:
        entry = self._find(path).entry
        if not stat.S_ISLNK(entry.mode):
            return entry
        try:
            there = self._find(self._resolve(path)).entry
        except OSError:
            if follow:
                raise
            return entry
        return there._replace(name=entry.name) if follow else entry._replace(target_mode=there.mode)

    def listdir(self, path: str) -> Iterator[Entry]:
        path = self._resolve(path)
        if not stat.S_ISDIR(self._find(path).entry.mode):
            raise _error(errno.ENOTDIR)
        base = path.rstrip("/")
        return (self.stat(f"{base}/{name}", False) for name in self._names.get(path, ()))

    def open_read(self, path: str) -> Reader:
        member = self._find(self._resolve(path))
        if member.open is None:
            raise _error(errno.EISDIR)
        return member.open()

    def _find(self, path: str) -> _Member:
        member = self._members.get(path)
        if member is None:
            head = path.rpartition("/")[0] or "/"
            resolved = self._resolve(head) if path != "/" else head
            member = self._members.get(f"{resolved.rstrip('/')}/{_last(path)}")
        if member is None:
            raise _error(errno.ENOENT)
        return member

    def _resolve(self, path: str, depth: int = 40) -> str:
        """The path without links; nothing outside the archive is ever looked at."""
        done = "/"
        parts = path.split("/")[1:]
        for number, part in enumerate(parts):
            done = f"{done.rstrip('/')}/{part}" if part else done
            member = self._members.get(done)
            if member is not None and stat.S_ISLNK(member.entry.mode):
                if not depth:
                    raise _error(errno.ELOOP)
                target = member.entry.target
                base = "" if target.startswith("/") else done.rpartition("/")[0]
                rest = "/".join(parts[number + 1 :])
                return self._resolve(plain(f"{base}/{target}/{rest}"), depth - 1)
        return done


class _Part:
    """A part of a file, which the session cannot read by itself: it would see the rest."""

    descriptor = None

    def __init__(self, path: str, start: int, size: int) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._start = start
        self._size = size

    def read_into(self, buffer: memoryview, offset: int) -> int:
        length = min(len(buffer), self._size - offset)
        return os.preadv(self._file, [buffer[:length]], self._start + offset) if length > 0 else 0

    def close(self) -> None:
        os.close(self._file)


class _Unpacked:
    """A member that is unpacked as it is read."""

    descriptor = None

    def __init__(self, opened: Callable[[], IO[bytes]]) -> None:
        self._stream = opened()
        self._lock = threading.Lock()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        with self._lock:
            try:
                if self._stream.tell() != offset:
                    self._stream.seek(offset)
                return int(cast(io.BufferedIOBase, self._stream).readinto(buffer))
            except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
                raise OSError(errno.EIO, str(error)) from error

    def close(self) -> None:
        self._stream.close()


def _open_zipped(path: str, info: zipfile.ZipInfo) -> IO[bytes]:
    with zipfile.ZipFile(path) as packed:  # the member keeps the file open
        if info.flag_bits & 1:
            raise _error(errno.EACCES)
        return packed.open(info)


class _Wound(io.BufferedReader):
    """A member of a tar file that closes the tar file with itself."""

    def __init__(self, wound: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        stream = wound.extractfile(member)
        assert stream is not None
        super().__init__(cast(io.RawIOBase, stream))
        self._wound = wound

    def close(self) -> None:
        super().close()
        self._wound.close()


def _open_wound(path: str, member: tarfile.TarInfo) -> IO[bytes]:
    return _Wound(tarfile.open(path), member)  # closed with the member


def _directory(name: str, modified: float = 0.0) -> _Member:
    return _Member(Entry(name, DIRECTORY | 0o755, 0, modified), None)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))

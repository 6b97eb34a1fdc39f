# SPDX-License-Identifier: Apache-2.0
"""Whatever fsspec opens as a storage: object stores, archives, other hosts. Needs the extra ``[fsspec]``.

Such file systems take a file from its first byte to its last: blocks that come by several streams are put in order on
their way, and an upload that has failed begins anew. What is written appears when it is whole: the file system keeps it
back until then (``autocommit``; all object stores can), or it is written under a hidden name and moved.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pyglobus.core import errors
from pyglobus.core.storage import hidden
from pyglobus.core.storage.storage import DIRECTORY, REGULAR, Entry, Reader, Storage, Writer


class Filesystem(Storage):
    """The tree below a URL that fsspec knows, such as ``s3://bucket/data`` or ``memory://``."""

    def __init__(self, url: str) -> None:
        """Raises `errors.ConfigurationError` without fsspec, or for a URL that it does not know."""
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise errors.ConfigurationError(
                "cannot open storage", where=url, why="fsspec is not installed", hint="pip install 'pyglobus[fsspec]'"
            ) from None
        try:
            self._fs, root = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise errors.ConfigurationError("cannot open storage", where=url, why=str(error)) from error
        self._root = str(root).rstrip("/")

    def stat(self, path: str, follow: bool = True) -> Entry:
        name = path.rpartition("/")[2] or "/"
        if path == "/":
            return Entry(name, DIRECTORY | 0o755)
        return _entry(name, self._fs.info(self._root + path))

    def listdir(self, path: str) -> Iterator[Entry]:
        if path != "/" and self._fs.info(self._root + path)["type"] != "directory":
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self._fs.invalidate_cache(self._root + path)
        for each in self._fs.ls(self._root + path, detail=True):
            name = str(each["name"]).rstrip("/").rpartition("/")[2]
            if name and not hidden.is_hidden(name):
                yield _entry(name, each)

    def open_read(self, path: str) -> Reader:
        if self._fs.isdir(self._root + path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return _Stream(self._fs.open(self._root + path, "rb"))

    def open_write(self, path: str, truncate: bool, size: int | None) -> Writer:
        if self._fs.isdir(self._root + path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not truncate and self._fs.exists(self._root + path):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        self._require_parent(path)
        return _Upload(self._fs, self._root + path)

    def mkdir(self, path: str) -> None:
        if self._fs.exists(self._root + path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._require_parent(path)
        self._fs.mkdir(self._root + path, create_parents=False)

    def rmdir(self, path: str) -> None:
        if any(True for _ in self.listdir(path)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self._fs.rmdir(self._root + path)

    def rmtree(self, path: str) -> None:
        if path == "/":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._fs.rm(self._root + path, recursive=True)

    def unlink(self, path: str) -> None:
        if self._fs.isdir(self._root + path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._fs.rm_file(self._root + path)

    def rename(self, path: str, new: str) -> None:
        self._require_parent(new)
        self._fs.mv(self._root + path, self._root + new, recursive=self._fs.isdir(self._root + path))

    def _require_parent(self, path: str) -> None:
        """Many make directories as they go; a server does not."""
        parent = path.rpartition("/")[0]
        if parent and not self._fs.isdir(self._root + parent):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


class _Stream:
    """A file that is being read."""

    descriptor = None

    def __init__(self, file: Any) -> None:
        self._file = file
        self._lock = threading.Lock()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        with self._lock:
            if self._file.tell() != offset:
                self._file.seek(offset)
            return int(self._file.readinto(buffer) or 0)

    def close(self) -> None:
        self._file.close()


class _Upload:
    """A file on its way."""

    descriptor = None
    ordered = True

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._path = self._place = path
        self._offset = 0
        self._file = self._open(path)

    def _open(self, path: str) -> Any:
        """Under its own name where the file system keeps a file back until it is whole, else under a hidden one."""
        head, slash, name = path.rpartition("/")
        self._place = f"{head}{slash}{hidden.name_for(name, unique=True)}"
        file = self._fs.open(self._place, "wb", autocommit=False)
        self._held = getattr(file, "autocommit", True) is False
        if self._held:
            file.close()
            file.discard()
            self._place = path
            file = self._fs.open(path, "wb", autocommit=False)
        return file

    def write(self, data: memoryview, offset: int) -> None:
        if offset != self._offset:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        self._file.write(data)
        self._offset += len(data)

    def commit(self, modified: float | None) -> None:
        self._file.close()
        if self._held:
            self._file.commit()
        else:
            self._fs.mv(self._place, self._path)
        self._fs.invalidate_cache()

    def discard(self) -> None:
        with contextlib.suppress(Exception):
            self._file.close()
        if self._held:
            self._file.discard()
        else:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._place)
        self._fs.invalidate_cache()


def _entry(name: str, info: dict[str, Any]) -> Entry:
    directory = info["type"] == "directory"
    modified = info.get("mtime") or info.get("LastModified") or info.get("last_modified") or info.get("created") or 0.0
    if isinstance(modified, datetime):
        modified = modified.timestamp()
    mode = (DIRECTORY | 0o755) if directory else (REGULAR | 0o644)
    return Entry(name, mode, 0 if directory else int(info.get("size") or 0), float(modified))

# SPDX-License-Identifier: Apache-2.0
"""A storage in memory: for tests, for demonstrations, and to hand files over that are not to touch a disk.

It lives as long as its host. What is uploaded is kept aside until it is whole.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyglobus.core.storage.storage import DIRECTORY, REGULAR, Entry, Reader, Storage, Writer

#: The most bytes that all files may have, unless told otherwise.
CAPACITY = 1 << 30


@dataclass(eq=False)
class _Node:
    mode: int
    modified: float = field(default_factory=time.time)
    content: bytes | bytearray = b""
    children: dict[str, _Node] | None = None

    def entry(self, name: str) -> Entry:
        return Entry(name, self.mode, len(self.content), self.modified, device=1, inode=id(self) & 0x7FFFFFFF)


class Memory(Storage):
    """Directories and files in memory. Methods may be called from any thread."""

    def __init__(self, capacity: int | str = CAPACITY) -> None:
        """``capacity``: the most bytes that all files, and those on their way, may have together."""
        self._left = int(capacity)
        self._root = _Node(DIRECTORY | 0o755, children={})
        self._lock = threading.RLock()

    def stat(self, path: str, follow: bool = True) -> Entry:
        with self._lock:
            return self._find(path).entry(path.rpartition("/")[2] or "/")

    def listdir(self, path: str) -> Iterator[Entry]:
        with self._lock:
            found = [node.entry(name) for name, node in _children(self._find(path)).items()]
        return iter(found)

    def open_read(self, path: str) -> Reader:
        with self._lock:
            return _Content(_content(self._find(path)))

    def open_write(self, path: str, truncate: bool, size: int | None) -> Writer:
        with self._lock:
            parent, name = self._parent(path)
            node = _children(parent).get(name)
            before = b"" if node is None else _content(node)
            upload = _Upload(self, path)
            if not truncate:
                upload.write(memoryview(before), 0)
            return upload

    def mkdir(self, path: str) -> None:
        self._add(path, _Node(DIRECTORY | 0o755, children={}))

    def rmdir(self, path: str) -> None:
        with self._lock:
            parent, name = self._parent(path)
            if _children(self._find(path)):
                raise _error(errno.ENOTEMPTY)
            del _children(parent)[name]

    def rmtree(self, path: str) -> None:
        with self._lock:
            node = self._find(path)
            parent, name = self._parent(path)
            del _children(parent)[name]
            self._left += _weight(node)

    def unlink(self, path: str) -> None:
        with self._lock:
            node = self._find(path)
            self._left += len(_content(node))
            parent, name = self._parent(path)
            del _children(parent)[name]

    def rename(self, path: str, new: str) -> None:
        with self._lock:
            node = self._find(path)
            parent, name = self._parent(path)
            to, last = self._parent(new)
            if f"{new}/".startswith(f"{path}/") and new != path:
                raise _error(errno.EINVAL)
            there = _children(to).get(last)
            if there is not None and there is not node:
                if there.children is not None:
                    raise _error(errno.ENOTEMPTY if there.children else errno.EISDIR)
                self._left += len(there.content)
            del _children(parent)[name]
            _children(to)[last] = node

    def chmod(self, path: str, mode: int) -> None:
        with self._lock:
            node = self._find(path)
            node.mode = node.mode & ~0o7777 | mode

    def utime(self, path: str, modified: float) -> None:
        with self._lock:
            self._find(path).modified = modified

    def truncate(self, path: str, size: int) -> None:
        with self._lock:
            node = self._find(path)
            content = _content(node)
            self.take(size - len(content))
            node.content = content[:size] + bytes(max(0, size - len(content)))
            node.modified = time.time()

    def take(self, size: int) -> None:
        """Have so many bytes less, or more, for others. Raises OSError if there are not that many."""
        with self._lock:
            if size > self._left:
                raise _error(errno.ENOSPC)
            self._left -= size

    def put(self, path: str, content: bytes | bytearray, modified: float | None) -> None:
        """Let a file appear whose bytes have been taken already."""
        with self._lock:
            parent, name = self._parent(path)
            there = _children(parent).get(name)
            node = _Node(there.mode if there else REGULAR | 0o644, modified or time.time(), content)
            if there is not None:
                self._left += len(_content(there))
            _children(parent)[name] = node

    def _add(self, path: str, node: _Node) -> None:
        with self._lock:
            parent, name = self._parent(path)
            if name in _children(parent):
                raise _error(errno.EEXIST)
            _children(parent)[name] = node

    def _find(self, path: str) -> _Node:
        node = self._root
        for part in path.split("/")[1:]:
            if part:
                try:
                    node = _children(node)[part]
                except KeyError:
                    raise _error(errno.ENOENT) from None
        return node

    def _parent(self, path: str) -> tuple[_Node, str]:
        head, _, name = path.rpartition("/")
        if not name:
            raise _error(errno.EBUSY)
        parent = self._find(head)
        _children(parent)
        return parent, name


class _Content:
    descriptor = None

    def __init__(self, content: bytes | bytearray) -> None:
        self._view = memoryview(content)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        part = self._view[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._view.release()


class _Upload:
    descriptor = None
    ordered = False

    def __init__(self, memory: Memory, path: str) -> None:
        self._memory = memory
        self._path = path
        self._content = bytearray()

    def write(self, data: memoryview, offset: int) -> None:
        more = offset + len(data) - len(self._content)
        if more > 0:
            self._memory.take(more)
            self._content += bytes(more)
        self._content[offset : offset + len(data)] = data

    def commit(self, modified: float | None) -> None:
        self._memory.put(self._path, self._content, modified)
        self._content = bytearray()

    def discard(self) -> None:
        self._memory.take(-len(self._content))
        self._content = bytearray()


def _children(node: _Node) -> dict[str, _Node]:
    if node.children is None:
        raise _error(errno.ENOTDIR)
    return node.children


def _content(node: _Node) -> bytes | bytearray:
    if node.children is not None:
        raise _error(errno.EISDIR)
    return node.content


def _weight(node: _Node) -> int:
    return len(node.content) + sum(_weight(child) for child in (node.children or {}).values())


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))

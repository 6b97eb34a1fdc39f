# SPDX-License-Identifier: Apache-2.0
"""One session of the GridFTP server: its requests, one after the other, until it is gone.

The blocks that file bytes lie in are memory that the session has made and shares: a storage reads into them and writes
from them, and the network does the same at the other side. What was being written when a session goes is discarded.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import socket
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from pyglobus.core.place import plain
from pyglobus.core.storage import message, refusal
from pyglobus.core.storage.message import Request, Verb
from pyglobus.core.storage.storage import Entry, Reader, Storage, Visitor, Writer

#: The most that blocks may take in all; the session asks for less.
_MOST_MEMORY = 256 << 20
_CHECKSUM_BLOCK = 1 << 20

#: What a name cannot hold: a line break would make two lines of a listing out of one.
_NO_NAME = frozenset("\r\n\0/")

#: What happened, and its facts, for a log.
Event = Callable[[str, dict[str, Any]], object]
_Replies = Iterator[tuple[bytes, int | None]]


class Session:
    """A session, for one thread: `run` until it ends."""

    def __init__(self, connection: socket.socket, storage: Storage, tell: Event) -> None:
        """Takes over the connection."""
        self._connection = connection
        self._storage = storage
        self._tell = tell
        self._visitor: Visitor | None = None
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._path = ""
        self._memory: mmap.mmap | None = None
        self._block = 0
        self._answers: dict[Verb, Callable[[Request, int], _Replies]] = {
            Verb.STAT: self._stat,
            Verb.LIST: self._list,
            Verb.CHECKSUM: self._checksum,
            Verb.MAP: self._map,
            Verb.OPEN_READ: self._open_read,
            Verb.OPEN_WRITE: self._open_write,
            Verb.READ: self._read,
            Verb.WRITE: self._write,
            Verb.CLOSE: self._close,
        }

    def run(self) -> None:
        """Answer until the session is gone. Raises nothing."""
        try:
            while data := self._receive():
                request, descriptor = data
                self._answer(request, descriptor)
        except (OSError, ValueError) as error:
            self._tell("broken", self._who() | {"error": str(error)})
        finally:
            self._leave()
            self._connection.close()

    def _receive(self) -> tuple[Request, int] | None:
        data, descriptors, flags, _ = socket.recv_fds(self._connection, message.ROOM, 1)
        descriptor = descriptors[0] if descriptors else -1
        try:
            if not data:
                return None
            if flags & socket.MSG_TRUNC:
                raise ValueError("a request is too long")
            return Request.parse(data), descriptor
        except ValueError:
            if descriptor >= 0:
                os.close(descriptor)
            raise

    def _answer(self, request: Request, descriptor: int) -> None:
        try:
            for reply, handed in self._replies(request, descriptor):
                if handed is None:
                    self._connection.sendall(reply)
                else:
                    socket.send_fds(self._connection, [reply], [handed])
        except BrokenPipeError:
            raise
        except Exception as error:
            refused = refusal.of(error)
            if request.verb is Verb.HELLO:
                refused = refusal.LOGIN_DENIED
            if not isinstance(error, OSError) or request.verb is Verb.HELLO:
                self._tell("failed", self._who() | {"verb": request.verb.name.lower(), "error": repr(error)})
            self._connection.sendall(message.failed(refused))
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _replies(self, request: Request, descriptor: int) -> _Replies:
        if request.verb is Verb.HELLO:
            identity, account = (os.fsdecode(each) for each in request.strings)
            self._storage.login(Visitor(identity, account))
            self._visitor = Visitor(identity, account)
            self._tell("login", self._who())
            yield message.done(), None
            return
        if self._visitor is None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        answer = self._answers.get(request.verb)
        if answer is not None:
            yield from answer(request, descriptor)
        else:
            self._change(request)
            yield message.done(), None

    # Names -----------------------------------------------------------------------------------------------------------

    def _change(self, request: Request) -> None:
        storage, number = self._storage, request.numbers[0]
        path = _path(request)
        match request.verb:
            case Verb.MAKE_DIRECTORY:
                storage.mkdir(path)
            case Verb.REMOVE_DIRECTORY:
                storage.rmdir(path)
            case Verb.REMOVE_TREE:
                storage.rmtree(path)
            case Verb.REMOVE:
                storage.unlink(path)
            case Verb.RENAME:
                storage.rename(path, _path(request, 1))
            case Verb.CHANGE_MODE:
                storage.chmod(path, number & 0o7777)
            case Verb.CHANGE_TIME:
                storage.utime(path, number)
            case Verb.TRUNCATE:
                storage.truncate(path, number)
            case Verb.LINK:
                storage.symlink(path, os.fsdecode(request.strings[1]))
        self._tell(request.verb.name.lower(), self._who() | {"path": path})

    def _stat(self, request: Request, _descriptor: int) -> _Replies:
        path = _path(request)
        for reply in message.entries([_identified(self._storage.stat(path, bool(request.numbers[0])), path)]):
            yield reply, None

    def _list(self, request: Request, _descriptor: int) -> _Replies:
        path = _path(request)
        found = (
            _identified(each, f"{path.rstrip('/')}/{each.name}")
            for each in self._storage.listdir(path)
            if not _NO_NAME.intersection(each.name)
        )
        for reply in message.entries(found):
            yield reply, None

    def _checksum(self, request: Request, _descriptor: int) -> _Replies:
        path, algorithm = _path(request), os.fsdecode(request.strings[1]).upper()
        offset, length, _ = request.numbers
        if offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        known = self._storage.checksum(path, algorithm, offset, length)
        yield message.done(0, (known or self._compute(path, algorithm, offset, length)).encode()), None

    def _compute(self, path: str, algorithm: str, offset: int, length: int) -> str:
        adler = 1
        if algorithm == "ADLER32":
            digest = None
        elif algorithm in ("MD5", "SHA1", "SHA256", "SHA512"):
            digest = hashlib.new(algorithm.lower(), usedforsecurity=False)
        else:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        block = memoryview(bytearray(_CHECKSUM_BLOCK))
        reader = self._storage.open_read(path)
        try:
            while length:
                wanted = block if length < 0 else block[: min(length, len(block))]
                got = _fill(reader, wanted, offset)
                if digest is None:
                    adler = zlib.adler32(wanted[:got], adler)
                else:
                    digest.update(wanted[:got])
                if got < len(wanted):
                    break
                offset += got
                length -= got if length > 0 else 0
        finally:
            reader.close()
        return f"{adler:08x}" if digest is None else digest.hexdigest()

    # Bytes -----------------------------------------------------------------------------------------------------------

    def _map(self, request: Request, descriptor: int) -> _Replies:
        count, size, _ = request.numbers
        if descriptor < 0 or count <= 0 or size <= 0 or count * size > _MOST_MEMORY:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._unmap()
        self._memory, self._block = mmap.mmap(descriptor, count * size), size
        yield message.done(), None

    def _unmap(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            with contextlib.suppress(BufferError):  # a storage has kept a view: it goes with that
                memory.close()

    def _open_read(self, request: Request, _descriptor: int) -> _Replies:
        self._finish()
        self._path = _path(request)
        self._reader = self._storage.open_read(self._path)
        self._tell("read", self._who() | {"path": self._path})
        yield message.done(), self._reader.descriptor

    def _open_write(self, request: Request, _descriptor: int) -> _Replies:
        self._finish()
        self._path = _path(request)
        truncate, size, _ = request.numbers
        self._writer = self._storage.open_write(self._path, bool(truncate), size if size >= 0 else None)
        self._tell("write", self._who() | {"path": self._path})
        yield message.done(int(self._writer.ordered)), self._writer.descriptor

    def _view(self, request: Request) -> memoryview:
        block, offset, length = request.numbers
        start = block * self._block
        if self._memory is None or min(block, offset) < 0 or not 0 < length <= self._block:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if start + length > len(self._memory):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return memoryview(self._memory)[start : start + length]

    def _read(self, request: Request, _descriptor: int) -> _Replies:
        if self._reader is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        with self._view(request) as view:
            got = _fill(self._reader, view, request.numbers[1])
        yield message.done(got), None

    def _write(self, request: Request, _descriptor: int) -> _Replies:
        if self._writer is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        with self._view(request) as view:
            self._writer.write(view, request.numbers[1])
        yield message.done(), None

    def _close(self, request: Request, _descriptor: int) -> _Replies:
        whole, modified, _ = request.numbers
        if self._writer is not None and whole:
            writer, self._writer = self._writer, None
            try:
                writer.commit(None if modified < 0 else modified)
            except BaseException:
                with contextlib.suppress(Exception):
                    writer.discard()
                raise
            self._tell("written", self._who() | {"path": self._path})
        self._finish()
        yield message.done(), None

    def _finish(self) -> None:
        """Close what is open, and discard what is not whole."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if reader is not None:
            reader.close()
        if writer is not None:
            self._tell("discarded", self._who() | {"path": self._path})
            writer.discard()

    def _leave(self) -> None:
        try:
            self._finish()
        except Exception as error:
            self._tell("failed", self._who() | {"verb": "close", "error": repr(error)})
        self._unmap()
        if self._visitor is not None:
            self._tell("logout", self._who())

    def _who(self) -> dict[str, Any]:
        return dict((self._visitor or Visitor("", ""))._asdict())


def _path(request: Request, number: int = 0) -> str:
    return plain(os.fsdecode(request.strings[number]))


def _identified(entry: Entry, path: str) -> Entry:
    """An entry that has a number: clients take two with the same one for one file, and stop at such a directory."""
    if entry.inode:
        return entry
    digest = int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest())
    return entry._replace(device=digest >> 32, inode=digest & 0xFFFFFFFF)


def _fill(reader: Reader, buffer: memoryview, offset: int) -> int:
    """As much as there is, up to the whole buffer. Raises OSError where a reader tells nonsense."""
    if (descriptor := reader.descriptor) is not None:
        return _fill_from(descriptor, buffer, offset)
    done = 0
    while done < len(buffer):
        got = reader.read_into(buffer[done:], offset + done)
        if not isinstance(got, int) or not 0 <= got <= len(buffer) - done:
            raise TypeError(f"read_into returned {got!r}")
        if got == 0:
            break
        done += got
    return done


def _fill_from(descriptor: int, buffer: memoryview, offset: int) -> int:
    done = 0
    while done < len(buffer) and (got := os.preadv(descriptor, [buffer[done:]], offset + done)):
        done += got
    return done

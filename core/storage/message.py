# SPDX-License-Identifier: Apache-2.0
"""What sessions of the GridFTP server and the host of a storage say to each other, as ``ffi/src/storage/message.h``
has it.
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyglobus.core.storage.refusal import Refusal
from pyglobus.core.storage.storage import Entry

#: Bytes of a message.
ROOM = 65536
_REQUEST = struct.Struct("=IIqqq")
_REPLY = struct.Struct("=IIq")
_ENTRY = struct.Struct("=IIqqqqqqqqII")
_DONE, _FAILED, _MORE = range(3)


class Verb(enum.IntEnum):
    """What is asked; the numbers of the C header."""

    HELLO = 1
    STAT = 2
    LIST = 3
    MAKE_DIRECTORY = 4
    REMOVE_DIRECTORY = 5
    REMOVE_TREE = 6
    REMOVE = 7
    RENAME = 8
    CHANGE_MODE = 9
    CHANGE_TIME = 10
    TRUNCATE = 11
    LINK = 12
    CHECKSUM = 13
    MAP = 14
    OPEN_READ = 15
    OPEN_WRITE = 16
    READ = 17
    WRITE = 18
    CLOSE = 19


class Request(NamedTuple):
    """A request: its numbers, and its strings as they came."""

    verb: Verb
    numbers: tuple[int, int, int]
    strings: tuple[bytes, ...]

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """Raises ValueError for what is none."""
        if len(data) < _REQUEST.size:
            raise ValueError("a request is too short")
        verb, _, *numbers = _REQUEST.unpack_from(data)
        strings = data[_REQUEST.size :].split(b"\0")
        return cls(Verb(verb), tuple(numbers), tuple(strings[:-1]))


def done(number: int = 0, text: bytes = b"") -> bytes:
    """The reply to what has succeeded."""
    return _REPLY.pack(_DONE, 0, number) + text


def failed(refusal: Refusal) -> bytes:
    """The reply to what has not."""
    words = f"{refusal.code}\0{refusal.name}\0{refusal.text}\0"
    return _REPLY.pack(_FAILED, 0, 0) + words.encode()


def entries(found: Iterable[Entry]) -> Iterator[bytes]:
    """Replies with entries, each as full as it may be; at least one."""
    parts: list[bytes] = []
    room = ROOM - _REPLY.size
    for entry in found:
        packed = _packed(entry)
        if len(packed) > room:
            yield _REPLY.pack(_MORE, len(parts), 0) + b"".join(parts)
            parts, room = [], ROOM - _REPLY.size
        parts.append(packed)
        room -= len(packed)
    yield _REPLY.pack(_DONE, len(parts), 0) + b"".join(parts)


def _packed(entry: Entry) -> bytes:
    names = os.fsencode(entry.name) + b"\0" + os.fsencode(entry.target) + b"\0"
    size = -(_ENTRY.size + len(names)) // 8 * -8
    modified = int(entry.modified)
    head = _ENTRY.pack(
        entry.mode, entry.links & 0xFFFFFFFF, entry.size, modified,
        modified if entry.accessed is None else int(entry.accessed),
        modified if entry.changed is None else int(entry.changed),
        _signed(entry.device), _signed(entry.inode), entry.owner, entry.group, entry.target_mode, size,
    )  # fmt: skip
    return (head + names).ljust(size, b"\0")


def _signed(number: int) -> int:
    return number & 0x7FFFFFFFFFFFFFFF

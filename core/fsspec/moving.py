# SPDX-License-Identifier: Apache-2.0
"""Bytes between a place at a server and memory, on an open connection.

The engine moves them to and from a file in memory (memfd), as it does with any other file: nothing of Python runs in
between, and the same checks hold. A range is asked for as such (ERET, or REST), and nothing beyond it is taken. What is
written gets a temporary name, and its own when it is whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyglobus.core import errors
from pyglobus.core.localfile import temporary_name
from pyglobus.core.options import Options
from pyglobus.core.recovery import yields
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session, silent
from pyglobus.ffi.engine import Operation
from pyglobus.ffi.ftp import Span
from pyglobus.ffi.meter import Meter

# Buffers in flight, and the largest of them.
_BLOCKS = 4
_BLOCK = 1 << 20
_PAGE = 1 << 12
# What Linux reads and writes at once, roughly.
_LARGEST = 1 << 30
# Seconds for taking away what has failed: nobody waits longer for a server that may be gone.
_CLEAN_UP_LIMIT = 5.0

Content = bytes | bytearray | memoryview


def new_memory_file() -> int:
    """The descriptor of an empty file in memory."""
    return os.memfd_create("pyglobus")


def read_memory(fd: int, length: int, offset: int = 0) -> bytes:
    """So many bytes of a file in memory."""
    pieces = [os.pread(fd, min(_LARGEST, length - done), offset + done) for done in range(0, max(length, 1), _LARGEST)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def begin(session: Session, place: Remote, fd: int, start: int, end: int) -> Operation:
    """Have the bytes from ``start`` to ``end`` (exclusive) moved to the beginning of ``fd``; then `received`."""
    return session.handle().get(
        place.wire, fd, place.attributes(), Span(start, end, partial=True),
        block=_block(end - start), blocks=_BLOCKS, shift=start,
    )  # fmt: skip


def received(
    session: Session, place: Remote, options: Options, fd: int, start: int, end: int, begun: Operation | None = None
) -> int:
    """How many bytes from ``start`` on have come to ``fd``: fewer than asked for where the file ends.

    Raises `errors.Error`.
    """
    waiting = [begun] if begun is not None else []
    move(
        session, place, options, "cannot read",
        lambda: waiting.pop() if waiting else begin(session, place, fd, start, end),
    )  # fmt: skip
    ranges = session.handle().ranges
    if len(ranges) > 1 or (ranges and ranges[0][0] != start):
        raise errors.DataError("cannot read", where=str(place.url), why="the server has left out a part")
    return ranges[0][1] - start if ranges else 0


def fetch(session: Session, place: Remote, options: Options, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end`` (exclusive), as far as the file has them. Raises `errors.Error`."""
    if start >= end:
        return b""
    fd = new_memory_file()
    try:
        return read_memory(fd, received(session, place, options, fd, start, end))
    finally:
        os.close(fd)


def store(session: Session, place: Remote, options: Options, content: Content) -> None:
    """Make a file of these bytes. Raises `errors.Error`."""
    rest = memoryview(content).cast("B")
    size, fd = len(rest), new_memory_file()
    try:
        while rest:
            rest = rest[os.write(fd, rest[:_LARGEST]) :]
        move(
            session, place, options, "cannot write",
            lambda: session.handle().put(
                fd, place.wire, place.attributes(allocate=size), Span(), block=_block(size), blocks=_BLOCKS
            ),
        )  # fmt: skip
    finally:
        os.close(fd)


def move(session: Session, place: Remote, options: Options, what: str, start: Callable[[], Operation]) -> None:
    """Do an operation that moves bytes, in another way if the server needs it. Raises `errors.Error`."""
    while True:
        handle = session.handle()
        try:
            wait(session, place, options, what, start(), handle.meter)
            return
        except errors.Error as error:
            place.forget(handle)  # its data channels are in an unknown state
            if handle.meter.bytes() or not yields(options, session, error, place.url):
                raise


def wait(session: Session, place: Remote, options: Options, what: str, operation: Operation, meter: Meter) -> Any:
    """Wait for an operation whose bytes ``meter`` counts; the server may stand still for the time of the options."""
    where, limit = str(place.url), options.stall_timeout
    watching = session.watch(operation, what=what, where=where, role=place.role)
    last, since = meter.bytes(), time.monotonic()
    while True:
        try:
            next(watching)
        except StopIteration as ended:
            return ended.value
        if (moved := meter.bytes()) != last:
            last, since = moved, time.monotonic()
        elif limit and time.monotonic() - since > limit:
            watching.throw(silent(what, where, limit))


# Names ----------------------------------------------------------------------------------------------------------------


def temporary(place: Remote) -> Remote:
    """Beside ``place``, a name that nothing has."""
    return place.beside(place.url.parent().join(temporary_name(place.url.name, os.urandom(4).hex())))


@contextmanager
def staged(session: Session, place: Remote, *, in_place: bool) -> Iterator[Remote]:
    """Where to write what is to be found at ``place`` when the block has ended well."""
    staging = place if in_place else temporary(place)
    try:
        yield staging
        if not in_place:
            staging.move(place)
    except BaseException:
        remove(session, staging)
        raise


def remove(session: Session, place: Remote) -> None:
    """Take away what has failed, if it is there and the server can be reached."""
    with session.akin() as other, suppress(errors.Error):
        other.until(_CLEAN_UP_LIMIT)
        place.by(other).delete()


def _block(size: int) -> int:
    """Bytes of a buffer for a transfer of this size."""
    return min(_BLOCK, max(_PAGE, -(-size // _PAGE) * _PAGE))

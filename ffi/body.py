# SPDX-License-Identifier: Apache-2.0
"""Bodies of HTTP messages between an XIO handle and a file, moved in C, or taken piece by piece.

One operation of a body is under way at a time. A body is freed with its object, which must outlive its operations: each
operation keeps it.
"""

from __future__ import annotations

from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, Literal, TypeAlias
from pyglobus.ffi.engine import Operation, engine
from pyglobus.ffi.errors import check
from pyglobus.ffi.xio import XioHandle

Framing: TypeAlias = Literal["length", "chunked", "until-end"]
State: TypeAlias = Literal["more", "complete", "cut", "malformed", "too-large"]

_FRAMING = {"length": lib.PG_BODY_LENGTH, "chunked": lib.PG_BODY_CHUNKED, "until-end": lib.PG_BODY_UNTIL_END}
_STATES: dict[int, State] = {
    lib.PG_BODY_MORE: "more",
    lib.PG_BODY_COMPLETE: "complete",
    lib.PG_BODY_CUT: "cut",
    lib.PG_BODY_MALFORMED: "malformed",
    lib.PG_BODY_TOO_LARGE: "too-large",
}
#: Bytes that may have been read with the head.
MOST_FIRST = 256 * 1024


class Body:
    """A body that comes: what has been read of it with the head is ``first``. One that goes: ``first`` is the head."""

    def __init__(self, framing: Framing = "length", length: int = 0, *, limit: int = -1, first: bytes = b"") -> None:
        """``length``: bytes, where the framing has one. ``limit``: more bytes than this are too many; -1: none."""
        if len(first) > MOST_FIRST:
            raise ValueError("more than fits beside a head")
        pointer = lib.pg_body_new(_FRAMING[framing], length, limit, first, len(first))
        if pointer == ffi.NULL:
            raise MemoryError
        self._body = ffi.gc(pointer, lib.pg_body_free)
        self._engine = engine()

    @property
    def state(self) -> State:
        """Where it is; between operations."""
        return _STATES[lib.pg_body_where(self._body)]

    @property
    def bytes(self) -> int:
        """Bytes that have moved so far, without framing; at any time."""
        return int(lib.pg_body_bytes(self._body))

    def store(self, handle: XioHandle, fd: int) -> Operation:
        """Write it to an open file, from its position on; its result is the `State`."""
        return self._operation(
            lambda record: lib.pg_body_store(self._body, record, handle.live(), fd),
            handle.cancel_reads,
            lambda: self.state,
        )

    def take(self, handle: XioHandle, most: int) -> Operation:
        """What comes next, as bytes; empty when it has ended, as `state` then tells."""
        memory = ffi.new("unsigned char[]", most)
        return self._operation(
            lambda record: lib.pg_body_take(self._body, record, handle.live(), memory, most),
            handle.cancel_reads,
            lambda: bytes(ffi.buffer(memory, lib.pg_body_taken(self._body))),
        )

    def send(self, handle: XioHandle, fd: int, offset: int) -> Operation:
        """Send ``first`` and as many bytes of a file as ``length`` says; its result is the `State`."""
        return self._operation(
            lambda record: lib.pg_body_send(self._body, record, handle.live(), fd, offset),
            handle.cancel_writes,
            lambda: self.state,
        )

    def _operation(
        self, begin: Callable[[Any], int], abort: Callable[[], None], finish: Callable[[], Any]
    ) -> Operation:
        return Operation(self._engine, lambda record: check(begin(record)), abort=abort, finish=finish)

# SPDX-License-Identifier: Apache-2.0
"""One direction of an XIO handle: reads or writes, one after the other, with as little around each as can be.

An operation is begun and waited for by one call of C, which holds no lock of Python's; the engine's thread moves the
bytes without any Python. A lane is used by one thread at a time. It has a time-out of its own, since the framework's
are off by hundreds of milliseconds: when the time is over the operation is cancelled, and what has moved until then
counts.
"""

from __future__ import annotations

import contextlib
import time

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled, from_object

# XIO ends a cancelled operation in a millisecond or two; after this long it is stuck.
_CANCEL_GRACE = 0.3
# Lanes that C has not let go of: it may still write into their memory.
_stuck: set[Lane] = set()


class Lane:
    """One direction of a handle; freed with its object."""

    def __init__(self, handle: Any, *, writes: bool) -> None:
        """``handle`` must live until `shut` has been called."""
        self._engine = engine()
        lane = lib.pg_lane_new(handle, writes)
        if lane == ffi.NULL:
            raise MemoryError
        self._lane = ffi.gc(lane, lib.pg_lane_free)
        self._came = lib.pg_lane_came(lane)
        self._memory: Any = None  # what C reads or writes

    def run(self, memory: Any, length: int, least: int, seconds: float | None) -> tuple[int, bool]:
        """Move at least so many bytes, for at most so many seconds: how many, and whether the stream has ended.

        Raises `OperationCancelled` when the time is over before a byte has moved; `GlobusError` for a failure.
        """
        lane, came = self._lane, self._came
        self._engine.require_open()
        if self in _stuck:
            if lib.pg_lane_wait(lane, 0.0) != lib.PG_LANE_ENDED:
                raise EngineError("an operation of this XIO handle could not be ended")
            _stuck.discard(self)
        end = None if seconds is None else time.monotonic() + seconds
        self._memory = memory
        try:
            state = lib.pg_lane_move(lane, memory, length, least, -1.0 if seconds is None else seconds)
            while state == lib.PG_LANE_INTERRUPTED:
                state = lib.pg_lane_wait(lane, -1.0 if end is None else max(end - time.monotonic(), 0.0))
        finally:
            if lib.pg_lane_moving(lane):  # the time is over, or a signal's handler has raised something
                self._end_early()
            self._memory = None
        if state == lib.PG_LANE_REFUSED:
            raise EngineError("the Globus engine is closed")
        if came.error != ffi.NULL:
            raise self._engine.submit(self._failure).result()
        if came.cancelled and not came.bytes:
            raise OperationCancelled
        return came.bytes, bool(came.eof)

    def _end_early(self) -> None:
        """Cancel, and wait for the end; if C does not come to one, what it uses is kept."""
        lane, memory = self._lane, self._memory
        turn = lib.pg_lane_turn(lane)
        with contextlib.suppress(EngineError):
            self._engine.post(lambda: lib.pg_lane_stop(lane, turn))
        end = time.monotonic() + _CANCEL_GRACE
        while (state := lib.pg_lane_wait(lane, max(end - time.monotonic(), 0.0))) == lib.PG_LANE_INTERRUPTED:
            pass
        if state != lib.PG_LANE_ENDED:
            self._kept = memory
            _stuck.add(self)
            raise OperationCancelled

    def _failure(self) -> GlobusError:
        error, self._came.error = self._came.error, ffi.NULL
        try:
            return from_object(error)
        finally:
            lib.globus_object_free(error)

    def shut(self) -> None:
        """The handle is about to be closed. In the engine's thread."""
        lib.pg_lane_shut(self._lane)

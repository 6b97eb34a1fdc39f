# SPDX-License-Identifier: Apache-2.0
"""One direction of an XIO handle: reads or writes, one after the other, with as little around each as can be.

A lane is used by one thread at a time. It has a time-out of its own, since the framework's are off by hundreds of
milliseconds: when the time is over the operation is cancelled, and what has moved until then counts.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled, check, from_object

# XIO ends a cancelled operation in a millisecond or two; after this long it is stuck.
_CANCEL_GRACE = 0.3


class Lane:
    """One direction of a handle: an operation that is begun again and again, and waited for by one thread at a time.

    It is an `Operation` without what a future costs; that cost is a tenth of the time that a MiB takes.
    """

    def __init__(self, begin: Callable[[Any, Any, Any, int, int], int], cancel: Callable[[], None]) -> None:
        """``begin(io, record, memory, length, least)`` starts the operation in C."""
        self._engine = engine()
        self._begin_in_c = begin
        self._cancel = cancel
        self._io = ffi.gc(lib.pg_xio_io_new(), lib.pg_xio_io_free)
        self._signal = threading.Lock()
        self._signal.acquire()
        self._record: Any = None
        self._done = True
        self._stopping = False
        self._wanted: tuple[Any, int, int] | None = None
        self._error: BaseException | None = None

    def run(self, memory: Any, length: int, least: int, seconds: float | None) -> tuple[int, bool]:
        """Move at least so many bytes, for at most so many seconds: how many, and whether the stream has ended.

        Raises `OperationCancelled` when the time is over before a byte has moved; `GlobusError` for a failure.
        """
        if not self._done:
            raise EngineError("an operation of this XIO handle could not be ended")
        self._wanted = memory, length, least
        self._error, self._done, self._stopping = None, False, False
        self._engine.post(self._begin)
        try:
            ended = self._signal.acquire(timeout=-1 if seconds is None else seconds)
        except BaseException:
            self._end_early()
            raise
        if not ended:
            self._end_early()
        if self._error is not None:
            raise self._error
        if self._io.cancelled and not self._io.bytes:
            raise OperationCancelled
        return self._io.bytes, bool(self._io.eof)

    def _end_early(self) -> None:
        """Cancel, and wait for the end; if C does not come to one, what it uses is kept, and the lane is closed."""
        with contextlib.suppress(EngineError):
            self._engine.post(self.stop)
        if not self._signal.acquire(timeout=_CANCEL_GRACE) and not self._done:
            raise OperationCancelled

    def _begin(self) -> None:
        assert self._wanted is not None
        try:
            if self._stopping:
                raise OperationCancelled
            self._record = self._engine.adopt(self)
            self._io.bytes = self._io.eof = self._io.cancelled = 0
            check(self._begin_in_c(self._io, self._record, *self._wanted))
        except BaseException as error:
            self._finish(error)

    def stop(self) -> None:
        """Ask C to end it; in the engine's thread."""
        self._stopping = True
        if self._record is not None:
            with contextlib.suppress(GlobusError):  # it is ending by itself
                self._cancel()

    def ended(self) -> None:
        """The C side has ended; called by the engine."""
        failed = self._record.error != ffi.NULL
        self._finish((OperationCancelled() if self._stopping else from_object(self._record.error)) if failed else None)

    def _finish(self, error: BaseException | None) -> None:
        record, self._record = self._record, None
        if record is not None:
            self._engine.disown(record)
        self._wanted = None
        self.let_go(error)

    def let_go(self, error: BaseException | None) -> None:
        """Whoever waits goes on."""
        self._error, self._done = error, True
        if self._signal.locked():
            self._signal.release()

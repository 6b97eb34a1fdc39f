# SPDX-License-Identifier: Apache-2.0
"""The engine: one thread that owns every Globus call and runs its event loop.

The toolkit's thread model is "none": no locks, so exactly one thread may be inside it. That thread sleeps in ``select()`` until
a socket, a timer or a wake-up byte stirs it. Other threads only append to a queue and write that byte; they wait for results in
Python, so Ctrl-C, deadlines and cancellation work the same everywhere. No Python runs inside a Globus callback: C marks an
operation as finished, and the loop resolves its future afterwards.

Rules: `Engine.submit` and `Operation` may be used from any thread, and from asyncio by ``asyncio.wrap_future``. Callbacks of
futures run in the engine's thread: short, never blocking. A forked child has no engine. One process has one engine, for the
toolkit's state is global; it is closed at exit, when operations in flight are cancelled and, if they do not end at once, left.
"""

from __future__ import annotations

import atexit
import contextlib
import heapq
import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, TypeVar

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled, from_object
from pyglobus.ffi.text import decode

T = TypeVar("T")

# At exit, an aborted operation gets this long to end before it is left to the kernel.
_CLOSE_GRACE = 0.3


class Operation(Future[Any]):
    """One asynchronous operation of the C libraries, as a future.

    ``start(record)`` begins it in the engine with a C record that the completion fills in, ``abort()`` asks C to end it early,
    ``finish()`` makes the result of a success, and ``release()`` (always called, once) gives back what C used meanwhile.
    """

    def __init__(
        self,
        engine: Engine,
        start: Callable[[Any], None],
        *,
        abort: Callable[[], None] = lambda: None,
        finish: Callable[[], Any] = lambda: None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._engine = engine
        self._start = start
        self._abort = abort
        self._finish = finish
        self._release = release
        self._record: Any = None
        self._cancelling = False
        engine.post(self._begin)

    def cancel(self) -> bool:
        """Ask for an early end; True unless it has ended. The future then raises `OperationCancelled`."""
        if self.done():
            return False
        self._cancelling = True
        with contextlib.suppress(EngineError):
            self._engine.post(self._stop)
        return True

    def _begin(self) -> None:
        if self._cancelling:
            self._resolve(error=OperationCancelled())
            return
        self._record = self._engine.adopt(self)
        try:
            self._start(self._record)
        except BaseException as error:
            self._engine.disown(self._record)
            self._record = None
            self._resolve(error=error)

    def _stop(self) -> None:
        if self._record is not None:
            with contextlib.suppress(GlobusError):  # it is ending by itself
                self._abort()

    def _end(self) -> None:
        """The C side has ended; called by the engine."""
        record, self._record = self._record, None
        error: BaseException | None = None
        result: Any = None
        if self._cancelling:
            error = OperationCancelled()
        elif record.error != ffi.NULL or record.local_errno:
            error = from_object(record.error, record.local_errno)
        else:
            try:
                result = self._finish()
            except BaseException as failure:
                error = failure
        self._engine.disown(record)
        self._resolve(result, error)

    def _resolve(self, result: Any = None, error: BaseException | None = None) -> None:
        try:
            self._release()
        except BaseException as failure:
            error = error or failure
        with contextlib.suppress(InvalidStateError):  # given up at close
            if error is not None:
                self.set_exception(error)
            else:
                self.set_result(result)

    def give_up(self, error: BaseException) -> None:
        """The engine closes without waiting for C: whoever waits is told, and nothing that C may still use is freed."""
        with contextlib.suppress(InvalidStateError):
            self.set_exception(error)


class Engine:
    """The one engine of this process: take it from `engine()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._ready = threading.Event()
        self._failure: str | None = None
        self._closing = False
        self._jobs: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._operations: dict[int, Operation] = {}
        self._ids = itertools.count(1)

    # Any thread ------------------------------------------------------------------------------------------------------

    def post(self, job: Callable[[], None]) -> None:
        """Run ``job`` in the engine's thread soon. It must not raise: use `submit` for what may."""
        self._ensure()
        self._jobs.append(job)
        lib.pg_engine_wake()

    def submit(self, call: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``call(*args)`` in the engine's thread and return its future; what it raises is raised in the waiter."""
        future: Future[T] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = call(*args)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        self.post(job)
        return future

    def close(self) -> None:
        """Cancel what is in flight, stop the thread, deactivate the modules. Idempotent; there is no way back."""
        with self._lock:
            thread, self._closing = self._thread, True
        if thread is not None and self._pid == os.getpid() and thread is not threading.current_thread():
            lib.pg_engine_wake()
            thread.join(timeout=4 * _CLOSE_GRACE)

    def _ensure(self) -> None:
        if self._pid != os.getpid():
            raise EngineError("the Globus engine does not survive a fork: use it in one process only, or start the child afresh")
        if self._closing:
            raise EngineError("the Globus engine is closed")
        if not self._ready.is_set():
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="globus-engine", daemon=True)
                    self._thread.start()
            self._ready.wait()
        if self._failure:
            raise EngineError(self._failure)

    # The engine's thread ---------------------------------------------------------------------------------------------

    def require(self) -> None:
        """Raise unless called in the engine's thread."""
        if threading.current_thread() is not self._thread:
            raise EngineError("this belongs to the Globus engine's thread: submit it there")

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Run ``call`` in the engine's thread after a delay. Call this in that thread; ``call`` must not raise."""
        self.require()
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._ids), call))

    def adopt(self, operation: Operation) -> Any:
        """A C record for an operation that is about to start."""
        self.require()
        number = next(self._ids)
        record = lib.pg_operation_new(number)
        if record == ffi.NULL:
            raise MemoryError
        self._operations[number] = operation
        return record

    def disown(self, record: Any) -> None:
        """Free the record of an operation that has ended or did not start."""
        self._operations.pop(record.id, None)
        lib.pg_operation_free(record)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        failed = ffi.new("const char **")
        code = lib.pg_engine_open(failed)
        if code:
            self._failure = f"the Globus libraries do not start: {decode(failed[0])} (code {code})"
        self._ready.set()
        if code:
            return
        while not self._closing:
            lib.pg_engine_turn(self._rest())
            self._collect()
        self._shut()

    def _rest(self) -> float:
        """Seconds until the next timer; negative: none."""
        if self._jobs:
            return 0.0
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else -1.0

    def _collect(self) -> None:
        while (record := lib.pg_engine_take()) != ffi.NULL:
            operation = self._operations.get(record.id)
            if operation is not None:
                operation._end()
        while self._jobs:
            self._jobs.popleft()()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _shut(self) -> None:
        for operation in list(self._operations.values()):
            operation._cancelling = True
            operation._stop()
        limit = time.monotonic() + _CLOSE_GRACE
        while self._operations and (rest := limit - time.monotonic()) > 0:
            lib.pg_engine_turn(rest)
            self._collect()
        closed = EngineError("the Globus engine is closed")
        for operation in self._operations.values():
            operation.give_up(closed)
        self._collect()
        if not self._operations:
            lib.pg_engine_close()


_engine: Engine | None = None
_engine_lock = threading.Lock()


def engine() -> Engine:
    """The engine of this process. It starts its thread at the first use and closes at exit."""
    global _engine
    with _engine_lock:
        if _engine is None:
            _engine = Engine()
            atexit.register(_engine.close)
        return _engine

# SPDX-License-Identifier: Apache-2.0
"""The engine: one thread that owns every Globus call and runs its event loop.

The toolkit's thread model is "none": no locks, so exactly one thread may be inside it. That thread sleeps in
``select()`` until a socket, a timer or a wake-up byte stirs it. Other threads only append to a queue and write that
byte; they wait for results in Python, so Ctrl-C, deadlines and cancellation work the same everywhere. No Python runs
inside a Globus callback: C marks an operation as finished, and the loop resolves its future afterwards.

Rules: `Engine.submit` and `Operation` may be used from any thread, and asyncio code awaits them. Callbacks of futures
run in the engine's thread: short, never blocking; what they raise goes to ``threading.excepthook``. The toolkit looks
up host names and reads local files inside its one thread: while that hangs, nothing else moves, yet waiters can give
up.

One process has one engine, for the toolkit's state is global; it sets the soft limit of open files to 1,000, since XIO
cannot count further, or to the hard limit where that is lower. A forked child has none (and holds copies of the
parent's sockets until it ends or calls exec, so fork while nothing is in flight). At exit it is closed: operations in
flight are cancelled and, if they do not end at once, left.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, Protocol, TypeVar
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled, from_object
from pyglobus.ffi.future import Future
from pyglobus.ffi.text import decode

T = TypeVar("T")

# A cancelled operation ends within milliseconds, also when its server is silent. If C does not end it in this time (its
# thread hangs in a name look-up, or the toolkit has lost track), whoever waits is let go, and C keeps what it uses.
_CANCEL_GRACE = 0.3
# At exit, the engine's thread gets this long to cancel what is in flight and to end.
_CLOSE_LIMIT = 0.5


class Active(Protocol):
    """Whatever C works for; the engine calls this in its thread."""

    def ended(self) -> None:
        """The C side has ended."""

    def stop(self) -> None:
        """The engine closes: ask C to end it."""

    def let_go(self, error: BaseException) -> None:
        """The engine closes without waiting for C: whoever waits is told."""


def _nothing() -> None:
    pass


class Operation(Future[Any]):
    """One asynchronous operation of the C libraries, as a future.

    ``start(record)`` begins it in the engine with a C record that the completion fills in, ``abort()`` asks C to end it
    early, ``finish()`` makes the result of a success, and ``release()`` (always called, once) gives back what C used
    meanwhile. Where C does not end a cancelled operation in time, ``abandon()`` is called, and ``release()`` if it ends
    after all. All of them run in the engine's thread; what they raise is raised in the waiter. With ``keeps``, what was
    achieved before an early end counts: ``finish()`` is called then too, and may itself raise `OperationCancelled`.
    """

    def __init__(
        self,
        engine: Engine,
        start: Callable[[Any], None],
        *,
        abort: Callable[[], None] = _nothing,
        abandon: Callable[[], None] = _nothing,
        finish: Callable[[], Any] = _nothing,
        release: Callable[[], None] = _nothing,
        keeps: bool = False,
    ) -> None:
        super().__init__()
        self._keeps = keeps
        self._engine = engine
        self._start = start
        self._abort = abort
        self._abandon = abandon
        self._finish = finish
        self._release = release
        self._record: Any = None
        # Signal handlers may cancel too, hence an RLock.
        self._gate = threading.RLock()
        self._cancelling = False
        self._ended = False
        self._patience: threading.Timer | None = None
        engine.post(self._begin)

    def cancel(self) -> bool:
        """Ask for an early end. True unless it has ended: the future then raises `OperationCancelled` within 0.3 s."""
        with self._gate:
            if self._ended or self.done():
                return False
            if not self._cancelling:
                self._cancelling = True
                self._patience = threading.Timer(_CANCEL_GRACE, self._lose_patience)
                self._patience.daemon = True
                # No new thread at the interpreter's exit, no post after the engine's: then close() ends everything.
                with contextlib.suppress(RuntimeError):
                    self._engine.post(self._stop)
                    self._patience.start()
            return True

    def _begin(self) -> None:
        if self._cancelling:
            self._resolve(error=OperationCancelled())
            return
        try:
            self._record = self._engine.adopt(self)
            self._start(self._record)
        except BaseException as error:
            if self._record is not None:
                self._engine.disown(self._record)
                self._record = None
            self._resolve(error=error)

    def _stop(self) -> None:
        if self._record is not None:
            with contextlib.suppress(GlobusError):  # it is ending by itself
                self._abort()

    def _lose_patience(self) -> None:
        if not self.done():
            with contextlib.suppress(EngineError):
                self._engine.post(self._leave)  # first: what the waiter does next comes after it in the queue
            self._settle(error=OperationCancelled())

    def _leave(self) -> None:
        if self._record is not None:
            self._abandon()

    def stop(self) -> None:
        """The engine closes: ask C to end it."""
        self._cancelling = True
        self._stop()

    def let_go(self, error: BaseException) -> None:
        """The engine closes without waiting for C: whoever waits is told."""
        self._settle(error=error)

    def ended(self) -> None:
        """The C side has ended; called by the engine."""
        with self._gate:
            self._ended = True
        record, self._record = self._record, None
        error: BaseException | None = None
        result: Any = None
        try:
            if self._cancelling and not self._keeps:
                error = OperationCancelled()
            elif record.error != ffi.NULL or record.local_errno:
                error = from_object(record.error, record.local_errno, record.ftp_code)
            else:
                result = self._finish()
        except BaseException as failure:
            error = failure
        self._engine.disown(record)
        self._resolve(result, error)

    def _resolve(self, result: Any = None, error: BaseException | None = None) -> None:
        with self._gate:
            self._ended = True
            if self._patience is not None:
                self._patience.cancel()
        try:
            self._release()
        except BaseException as failure:
            error = error or failure
        self._settle(result, error)

    def _settle(self, result: Any = None, error: BaseException | None = None) -> None:
        if error is not None:  # ignored if the waiter was let go before
            self.set_exception(error)
        else:
            self.set_result(result)


class Engine:
    """The one engine of this process: take it from `engine()`."""

    def __init__(self) -> None:
        # Signal handlers may post too, hence an RLock.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._ready = threading.Event()
        self._failure: str | None = None
        self._reason: OSError | None = None
        self._closing = False
        #: Whether the interpreter is at its end: of those who may still wait, all but the main thread are daemons.
        self.exiting = False
        self._jobs: deque[Callable[[], None]] = deque()
        self._operations: dict[int, Active] = {}
        self._ids = itertools.count(1)

    # Any thread ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the libraries beside what the caller does next. Who needs them first, waits for them, and hears it if
        they do not start.
        """
        with self._lock, contextlib.suppress(EngineError):
            if self._thread is None and self._pid is None and not self._closing:
                self._launch()

    def post(self, job: Callable[[], None]) -> None:
        """Run ``job`` in the engine's thread soon; what it raises goes to ``threading.excepthook``.

        Raises `EngineError` after close, after a fork, and if the libraries do not start.
        """
        self._ensure()
        with self._lock:
            if self._closing:
                raise EngineError("the Globus engine is closed")
            self._jobs.append(job)
            lib.pg_engine_wake()

    def submit(self, call: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``call(*args)`` in the engine's thread and return its future; what it raises is raised in the waiter."""
        future: Future[T] = Future()

        def job() -> None:
            try:
                result = call(*args)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.post(job)
        return future

    def close(self) -> None:
        """Cancel what is in flight and stop the thread. Idempotent; there is no way back.

        Idle connections are left to the end of the process: the toolkit's own deactivation waits for their servers.
        """
        if self._pid not in (None, os.getpid()):
            return
        with self._lock:
            self._closing = True
            if self._thread is not None:
                lib.pg_engine_wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=_CLOSE_LIMIT)

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closing

    def require_open(self) -> None:
        """Raise as `post` would; for what goes to C without it."""
        self._ensure()
        if self._closing:
            raise EngineError("the Globus engine is closed")

    def _exit(self) -> None:
        self.exiting = True
        self.close()

    def _ensure(self) -> None:
        if self._pid not in (None, os.getpid()):
            raise EngineError(
                "the Globus engine does not survive a fork: use it in one process only, or start the child afresh"
            )
        if not self._ready.is_set():
            with self._lock:
                if self._thread is None and not self._closing:
                    self._launch()
            if self._thread is not None:
                self._ready.wait()
        if self._failure:
            raise EngineError(self._failure) from self._reason

    def _launch(self) -> None:
        import signal

        # Signals are for the main thread, except those that tell of a fault in the thread itself.
        faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="globus-engine", daemon=True)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - faults)  # the new thread inherits it
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = self._pid = None
            raise EngineError(f"the Globus engine gets no thread: {error}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        atexit.register(self._exit)

    # The engine's thread ---------------------------------------------------------------------------------------------

    def require(self) -> None:
        """Raise unless called in the engine's thread."""
        if threading.current_thread() is not self._thread:
            raise EngineError("this belongs to the Globus engine's thread: submit it there")

    def adopt(self, operation: Active) -> Any:
        """A C record for an operation that is about to start."""
        self.require()
        if self._closing:
            raise EngineError("the Globus engine is closed")
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
        try:
            failed = ffi.new("const char **")
            number = ffi.new("int *")
            code = lib.pg_engine_open(failed, number)
            if code:
                self._failure = f"the Globus libraries do not start: {decode(failed[0])} (code {code})"
            if number[0]:
                self._reason = OSError(number[0], os.strerror(number[0]))
        except BaseException as error:
            self._failure = f"the Globus libraries do not start: {error}"
        finally:
            self._ready.set()
        if self._failure:
            return
        while not self._closing:
            self._turn(-1.0)
        self._shut()

    def _turn(self, seconds: float) -> None:
        """Sleep in C for at most so many seconds (negative: no limit), then see what there is to do."""
        lib.pg_engine_turn(0.0 if self._jobs else seconds)
        while (record := lib.pg_engine_take()) != ffi.NULL:
            self._call(self._operations[record.id].ended)
        for _ in range(len(self._jobs)):  # what these post gets its turn after C
            self._call(self._jobs.popleft())

    def _call(self, job: Callable[[], None]) -> None:
        """The loop outlives whatever a job or a future's callback raises."""
        try:
            job()
        except BaseException as error:
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            )

    def _shut(self) -> None:
        limit = time.monotonic() + _CANCEL_GRACE
        lib.pg_engine_refuse()
        lib.pg_lanes_stop()
        for operation in list(self._operations.values()):
            self._call(operation.stop)
        while (self._operations or self._jobs or lib.pg_lanes_moving()) and (rest := limit - time.monotonic()) > 0:
            self._turn(rest)
        while self._jobs:
            self._call(self._jobs.popleft())
        lib.pg_lanes_leave()
        for operation in list(self._operations.values()):
            operation.let_go(OperationCancelled())  # nothing that C may still use is freed


_engine = Engine()


def engine() -> Engine:
    """The engine of this process. It starts its thread at the first use and closes at exit."""
    return _engine

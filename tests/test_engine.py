# SPDX-License-Identifier: Apache-2.0
"""The engine by itself: jobs, futures, cancellation, threads, signals. No server is needed.

An operation here is a record that the test completes as C would, by ``pg_operation_done``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.engine import Operation, engine
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled, check
from pyglobus.ffi.future import Future
from pyglobus.ffi.gss import GssCredential
from tests.pace import PACE, PROMPT, VALGRIND

PATIENCE = 10 * PACE


def complete(record: Any) -> None:
    """What C does when an operation succeeds."""
    lib.pg_operation_done(record, ffi.NULL, ffi.NULL)


class Endless:
    """An operation that ends when the test says so, or when it is aborted if ``obeys``. What happened is in ``log``."""

    def __init__(self, *, obeys: bool = False) -> None:
        self.log: list[str] = []
        self.started = threading.Event()
        self.released = threading.Event()
        self._record: Any = None
        self._obeys = obeys
        self.operation = Operation(
            engine(), self._start, abort=self._abort, abandon=lambda: self.log.append("abandon"), release=self._release
        )

    def _start(self, record: Any) -> None:
        self.log.append("start")
        self._record = record
        self.started.set()

    def _abort(self) -> None:
        self.log.append("abort")
        if self._obeys:
            self.complete()

    def _release(self) -> None:
        self.log.append("release")
        self.released.set()

    def complete(self) -> None:
        """Once, as C does; in the engine's thread."""
        if self._record is not None:
            record, self._record = self._record, None
            complete(record)


def block() -> threading.Event:
    """Have the engine's thread wait until this event is set."""
    event = threading.Event()
    engine().submit(event.wait, PATIENCE)
    return event


def lives() -> None:
    assert engine().submit(lambda: 6 * 7).result(PATIENCE) == 42


# Jobs and callbacks that raise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_a_job_raises_reaches_the_waiter(kind: type[BaseException]) -> None:
    error = kind("mine")

    def job() -> None:
        raise error

    future = engine().submit(job)
    with pytest.raises(kind) as caught:
        future.result(PATIENCE)
    assert caught.value is error
    lives()


@pytest.mark.parametrize("part", ["start", "finish", "release"])
def test_what_a_part_of_an_operation_raises_reaches_the_waiter(part: str) -> None:
    error = LookupError("mine")

    def fail(*_: object) -> None:
        raise error

    parts: dict[str, Any] = {"start": complete, part: fail}
    operation = Operation(engine(), **parts)
    with pytest.raises(LookupError) as caught:
        operation.result(PATIENCE)
    assert caught.value is error
    lives()


def test_an_error_of_the_libraries_is_no_longer_theirs() -> None:
    """A result stands for its error once; freed twice, the process would end here."""

    def bad() -> None:
        handle = ffi.new("globus_ftp_client_handle_t *")
        check(lib.globus_ftp_client_handle_flush_url_state(handle, b"ftp://localhost/"))

    for _ in range(3):
        with pytest.raises(GlobusError) as caught:
            engine().submit(bad).result(PATIENCE)
        assert caught.value.links[0].module == "globus_ftp_client"


def test_a_callback_of_a_future_may_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_value))
    ran = threading.Event()
    errors: list[BaseException] = [ValueError("ordinary"), SystemExit("not ordinary")]
    for error in errors:

        def callback(_: object, error: BaseException = error) -> None:
            ran.set()
            raise error

        blocked = block()
        operation = Operation(engine(), complete, finish=lambda: "fine")
        operation.add_done_callback(callback)
        blocked.set()
        assert operation.result(PATIENCE) == "fine"
        assert ran.wait(PATIENCE)
        ran.clear()
        lives()
    assert seen == errors


# Cancellation ---------------------------------------------------------------------------------------------------------


def test_cancelled_before_it_starts() -> None:
    blocked = block()
    one = Endless()
    assert one.operation.cancel()
    blocked.set()
    with pytest.raises(OperationCancelled):
        one.operation.result(PATIENCE)
    assert one.log == ["release"]


def test_cancelled_in_flight() -> None:
    one = Endless(obeys=True)
    assert one.started.wait(PATIENCE)
    assert one.operation.cancel()
    one.operation.cancel()  # once more does no harm
    with pytest.raises(OperationCancelled):
        one.operation.result(PATIENCE)
    assert one.log == ["start", "abort", "release"]


def test_cancelled_after_the_end() -> None:
    operation = Operation(engine(), complete, finish=lambda: 7)
    assert operation.result(PATIENCE) == 7
    assert not operation.cancel()
    assert operation.result(0) == 7
    failed = Operation(engine(), complete, finish=lambda: 1 // 0)
    assert isinstance(failed.exception(PATIENCE), ZeroDivisionError)
    assert not failed.cancel()


def test_a_waiter_is_let_go_when_c_does_not_end_it() -> None:
    one = Endless()
    assert one.started.wait(PATIENCE)
    began = time.monotonic()
    one.operation.cancel()
    with pytest.raises(OperationCancelled):
        one.operation.result(PATIENCE)
    assert 0.2 < time.monotonic() - began < PROMPT
    lives()
    assert one.log == ["start", "abort", "abandon"]  # nothing that C may use has been released
    engine().submit(one.complete).result(PATIENCE)
    assert one.released.wait(PATIENCE)
    lives()
    assert one.log == ["start", "abort", "abandon", "release"]


def test_a_waiter_is_let_go_when_the_engine_itself_hangs() -> None:
    one = Endless(obeys=True)
    assert one.started.wait(PATIENCE)
    hang = block()
    try:
        began = time.monotonic()
        one.operation.cancel()
        with pytest.raises(OperationCancelled):
            one.operation.result(PATIENCE)
        assert time.monotonic() - began < PROMPT
        assert one.log == ["start"]
    finally:
        hang.set()
    assert one.released.wait(PATIENCE)


def test_cancel_and_end_at_the_same_moment() -> None:
    """Whichever comes first wins, and all agree on it."""
    outcomes = set()
    for round_ in range(200 // PACE):
        one = Endless(obeys=True)
        assert one.started.wait(PATIENCE)
        engine().post(one.complete)
        if round_ % 2:
            time.sleep(0)
        cancelled = one.operation.cancel()
        error = one.operation.exception(PATIENCE)
        assert isinstance(error, OperationCancelled) == cancelled
        outcomes.add(cancelled)
        assert one.released.wait(PATIENCE)
        assert one.log.count("release") == 1
    assert outcomes


# Threads and time -----------------------------------------------------------------------------------------------------


def test_a_wrong_thread_is_told_so() -> None:
    lives()
    with pytest.raises(EngineError, match="thread"):
        engine().require()
    with pytest.raises(EngineError, match="thread"):
        GssCredential()


NO_THREAD = """
import threading
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import EngineError

def refuse(thread):
    raise RuntimeError("can't start new thread")

start, threading.Thread.start = threading.Thread.start, refuse
for _ in range(2):
    try:
        engine().post(print)
    except EngineError as error:
        print(error)
threading.Thread.start = start
engine().submit(print, "runs").result()
"""


def test_no_thread_is_to_be_had() -> None:
    """Nobody waits for what cannot come, and a later attempt may succeed."""
    ended = subprocess.run([sys.executable, "-c", NO_THREAD], capture_output=True, text=True, timeout=60, check=True)
    refused = "the Globus engine gets no thread: can't start new thread\n"
    assert (ended.stdout, ended.stderr) == (2 * refused + "runs\n", "")


def test_jobs_from_many_threads_run_in_one_and_in_order() -> None:
    ran: list[tuple[int, int, int]] = []

    def submit(number: int) -> None:
        for index in range(200 // PACE):
            engine().submit(lambda index=index: ran.append((number, index, threading.get_ident()))).result(PATIENCE)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ident for _, _, ident in ran}) == 1
    for number in range(4):
        assert [index for one, index, _ in ran if one == number] == list(range(200 // PACE))


def test_woken_at_once_and_idle_for_free() -> None:
    lives()
    used = time.process_time()
    time.sleep(2)  # the point is to do nothing
    assert time.process_time() - used < 0.010 * PACE
    delays = []
    for _ in range(300):
        asked = time.perf_counter()
        delays.append(engine().submit(time.perf_counter).result(PATIENCE) - asked)
    # Whoever looks now and then is seldom quick; who is woken is often quick, also where others keep the machine busy.
    assert statistics.quantiles(delays, n=10)[0] < 0.001 * PACE


def test_signals_go_to_the_main_thread() -> None:
    """Also while it waits for the engine; and a handler may cancel what it waits for."""
    one = Endless(obeys=True)
    seen: list[str] = []

    def handler(*_: object) -> None:
        seen.append(threading.current_thread().name)
        one.operation.cancel()

    assert one.started.wait(PATIENCE)
    previous = signal.signal(signal.SIGUSR1, handler)
    # The system gives a signal for the process to the main thread; valgrind gives it to any.
    main = threading.main_thread().ident
    assert main is not None
    kill: tuple[Callable[..., None], int] = (signal.pthread_kill, main) if VALGRIND else (os.kill, os.getpid())
    timer = threading.Timer(0.1, kill[0], (kill[1], signal.SIGUSR1))
    try:
        timer.start()
        began = time.monotonic()
        with pytest.raises(OperationCancelled):
            one.operation.result(PATIENCE)
        assert time.monotonic() - began < PROMPT
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, previous)
    assert seen == ["MainThread"]


# asyncio --------------------------------------------------------------------------------------------------------------


def test_asyncio_awaits_operations() -> None:
    async def main() -> list[Any]:
        numbered = [Operation(engine(), complete, finish=partial(int, number)) for number in range(50)]
        return await asyncio.gather(*numbered)

    assert asyncio.run(main()) == list(range(50))


def test_a_cancelled_task_cancels_its_operation() -> None:
    one = Endless(obeys=True)

    async def main() -> None:
        task = asyncio.ensure_future(one.operation)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    with pytest.raises(OperationCancelled):
        one.operation.result(PATIENCE)
    assert one.released.wait(PATIENCE)


def test_asyncio_deadlines() -> None:
    one = Endless(obeys=True)

    async def main() -> None:
        await asyncio.wait_for(one.operation, 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert one.released.wait(PATIENCE)


# Futures --------------------------------------------------------------------------------------------------------------


def test_a_future_is_set_once() -> None:
    future: Future[int] = Future()
    assert not future.done()
    with pytest.raises(TimeoutError):
        future.result(0.01)
    future.set_result(1)
    future.set_result(2)
    future.set_exception(ValueError())
    assert (future.result(), future.exception(), future.cancel()) == (1, None, False)


def test_callbacks_come_once_whenever_they_are_added() -> None:
    future: Future[int] = Future()
    seen: list[int] = []
    future.add_done_callback(lambda done: seen.append(done.result()))
    future.set_result(1)
    future.add_done_callback(lambda done: seen.append(done.result() + 1))
    assert seen == [1, 2]


def test_asyncio_gets_the_exception_itself() -> None:
    error = ValueError("this one")

    async def main() -> None:
        await engine().submit(raising, error)

    def raising(thrown: BaseException) -> None:
        raise thrown

    with pytest.raises(ValueError, match="this one") as caught:
        asyncio.run(main())
    assert caught.value is error

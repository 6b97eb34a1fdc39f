# SPDX-License-Identifier: Apache-2.0
"""A third-party copy whose source dies in the middle never succeeds, whatever the other server makes of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.transfer import Result, Transfer
from tests import misbehaving
from tests.waiting import wait_until

SIZE = 512 << 20
#: Seconds: what takes longer hangs.
LIMIT = 40.0


class Copy:
    """A transfer in a thread of its own, and what came of it."""

    def __init__(self, source: str, destination: str, options: Options) -> None:
        self.result: Result | None = None
        self.error: errors.Error | None = None
        self._transfer = Transfer(source, destination, options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._transfer.run()
        except errors.Error as error:
            self.error = error

    def wait(self) -> None:
        self._thread.join(LIMIT)
        if self._thread.is_alive():
            self._transfer.cancel()
            self._thread.join()
            pytest.fail("it hangs")

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()


def wait_for(path: Path, size: int, copy: Copy) -> None:
    """Until so many bytes have arrived, or the copy has ended."""
    wait_until(lambda: path.stat().st_size >= size, unless=lambda: not copy.runs)


@pytest.fixture(scope="module")
def source(grid: Sandbox) -> Iterator[Server]:
    """A server to be killed from."""
    with grid.start_gridftp() as server:
        yield server


def test_a_source_that_vanishes_looks_like_the_end_of_a_file(grid: Sandbox, served: Path) -> None:
    """In stream mode the other server cannot tell that from a whole file, and says that all is well."""
    data = os.urandom(1 << 20)
    with ExitStack() as stack:
        server = misbehaving.Server({"/a": data}, misbehaving.Faults(stand_still_after=len(data) // 2))
        stack.enter_context(server)
        copy = Copy(server.url("/a"), grid.ftp_url(served / "copy"), Options(connect_timeout=5))
        wait_for(served / "copy", len(data) // 2, copy)
    copy.wait()
    assert copy.result is None and isinstance(copy.error, errors.Error)
    assert not (served / "copy").exists()


@pytest.mark.parametrize("parallel", [0, 2], ids=["stream", "mode-e"])
def test_a_source_that_is_killed(
    grid: Sandbox,
    second_server: Server,
    source: Server,
    session_pids: Callable[[Server], list[int]],
    as_user: None,
    served: Path,
    parallel: int,
) -> None:
    """The receiving session is held still while the other one is killed, so that it finds the end of what came."""
    (served / "a").touch()
    os.truncate(served / "a", SIZE)
    before = set(session_pids(second_server))
    there = grid.gsiftp_url(served / "copy", second_server)
    copy = Copy(grid.gsiftp_url(served / "a", source), there, Options(parallel=parallel))
    wait_for(served / "copy", 1, copy)
    receivers = set(session_pids(second_server)) - before
    try:
        for pid in receivers:
            os.kill(pid, signal.SIGSTOP)
        whole = (served / "copy").stat().st_size == SIZE  # it was faster
        for pid in session_pids(source):
            os.kill(pid, signal.SIGKILL)
    finally:
        for pid in receivers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    copy.wait()
    assert (copy.result is None) != (copy.error is None)
    if copy.result is None:
        assert not (served / "copy").exists()
    else:
        assert whole and (served / "copy").stat().st_size == SIZE

# SPDX-License-Identifier: Apache-2.0
"""A process that can be recognised later, so that a number which was given to another process since is never killed.

A process is its id together with the moment it started, as the kernel tells it. On Linux the moment is that of /proc
(ticks since boot, with the boot's own id), and signals go through a pidfd; elsewhere ps(1) tells it. A process that
has ended but has not been waited for counts as ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of ours. ``started`` is only good for comparing."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this id now, or None if there is none."""
        moment = _start_of(pid)
        return None if moment is None else cls(pid, moment)

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is still the same."""
        return _start_of(self.pid) == self.started

    def stop(self, grace: float = 2.0) -> None:
        """Stop it and its process group, which it must lead: SIGTERM, and after ``grace`` seconds SIGKILL."""
        with contextlib.suppress(ProcessLookupError), _handle(self.pid) as descriptor:
            if self.alive:
                os.killpg(self.pid, signal.SIGTERM)
                if not self._ended(descriptor, grace):
                    os.killpg(self.pid, signal.SIGKILL)
                    self._ended(descriptor, grace)
        _reap(self.pid)

    def _ended(self, descriptor: int | None, seconds: float) -> bool:
        """Wait until it has ended, at most this long."""
        if descriptor is not None:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            time.sleep(0.01)  # no pidfd here, and it need not be our child: there is nothing to wait on
        return not self.alive


def marked(variable: str, value: str) -> Iterator[Process]:
    """The processes that were started with ``variable=value`` in their environment. Empty where there is no /proc."""
    mark = f"{variable}={value}".encode()
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                process = Process.of(int(entry.name))
                if process is not None and mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield process


def kill(process: Process) -> None:
    """End this one process at once, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError), _handle(process.pid) as descriptor:
        if process.alive:
            os.kill(process.pid, signal.SIGKILL)
            process._ended(descriptor, 5.0)
    _reap(process.pid)


def _reap(pid: int) -> None:
    """Take note of the end of a child, so that it does not stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """A pidfd, which keeps meaning the same process; None where the system has none."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _start_of(pid: int) -> str | None:
    try:
        # The second field is the program's name in brackets, and may hold anything; the others follow the last bracket.
        state, *fields = (_PROC / str(pid) / "stat").read_text("latin-1").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if (_PROC / "self" / "stat").exists() else _start_by_ps(pid)
    if state in "ZX":
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{fields[18]}"


def _start_by_ps(pid: int) -> str | None:
    import subprocess

    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    state, _, moment = (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    )
    return moment.strip() if moment and not state.startswith("Z") else None

# SPDX-License-Identifier: Apache-2.0
"""One server of the local grid: how it is started, when it is ready, how it is stopped.

A server chooses its port itself and announces it on its standard output; that line is what readiness means, so
nothing sleeps and no port is guessed. It runs in a session of its own, without a terminal, and goes on when the
process that started it has ended. Its environment holds `MARK`, by which its own children are found when the server
has been killed.

All of it can be written to and read from JSON: another process can stop the server, or start it again on the same port.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyglobus.core import errors
from pyglobus.core.sandbox.process import Process

#: The variable that tells a sandbox's servers and their children from all other processes: its value is the directory.
MARK = "PYGLOBUS_SANDBOX_SERVER"

#: Seconds from start to announcement. It takes tens of milliseconds; the rest is for a machine that is busy or
#: swapping.
STARTING = 30.0

_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass
class Server:
    """A server that is to run, or runs.

    ``marks`` are variables that tell what it has started where `MARK` is not handed on. ``exports`` is what it adds to
    a client's environment, with ``{port}`` where the port belongs. ``announcement`` is a regular expression whose
    first group is the port. ``logs`` are its log files, the most telling one first; what it prints goes to the last.
    """

    name: str
    title: str
    program: str
    package: str
    arguments: list[str]
    environment: dict[str, str] = field(repr=False)
    exports: dict[str, str]
    logs: list[str]
    announcement: str
    marks: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: Process | None = None

    def __post_init__(self) -> None:
        if isinstance(self.process, Mapping):
            self.process = Process(**self.process)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.alive

    def variables(self) -> dict[str, str]:
        """What a client's environment gets from it."""
        return {name: value.replace("{port}", str(self.port)) for name, value in self.exports.items()}

    def start(self) -> None:
        """Start it and wait until it is ready. Raises `errors.Unsupported` with the last lines of its log if it
        does not come up.
        """
        path = program_path(self.program, self.name, self.package)
        self.stop()
        reading, writing = os.pipe()
        try:
            try:
                # SIGPIPE is ignored in Python and stays so in the server: nobody reads its output after the
                # announcement.
                pid = os.posix_spawn(
                    path,
                    [path, *self.arguments],
                    self.environment,
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_DUP2, writing, 1),
                        (os.POSIX_SPAWN_OPEN, 2, self.logs[-1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    ],
                    setsid=True,
                    setsigmask=(),
                    setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD),
                )
            except OSError as error:
                raise self._not_started(error.strerror or str(error)) from error
            finally:
                os.close(writing)
            self.process = Process.of(pid) or Process(pid, "ended")
            self.port = self._announced_port(reading)
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(reading)

    def stop(self) -> None:
        """Stop it and all it has started. Does nothing if it does not run."""
        process, self.process = self.process, None
        if process is not None:
            process.stop()

    def _announced_port(self, reading: int) -> int:
        deadline = time.monotonic() + STARTING
        output = b""
        while (found := re.search(self.announcement.encode() + rb"[^\n]*\n", output)) is None:
            ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._not_started(f"it has not announced its port within {STARTING:g} s", output)
            block = os.read(reading, 4096)
            if not block:
                raise self._not_started("it ended at once", output)
            output = output[-65536:] + block
        return int(found[1])

    def _not_started(self, why: str, output: bytes = b"") -> errors.Unsupported:
        lines = [*output.decode(errors="replace").splitlines(), *self.last_lines(10)]
        said = "; ".join([line.strip() for line in lines if line.strip()][-4:])
        return errors.Unsupported(
            f"cannot start {self.name}",
            where=self.program,
            why=f"{why}: {said}" if said else why,
            chain=lines,
            fault="server-not-started",
        )

    def last_lines(self, number: int) -> list[str]:
        """The last lines of its logs."""
        lines: list[str] = []
        for log in self.logs:
            with contextlib.suppress(OSError):
                lines += Path(log).read_text(errors="replace").splitlines()[-number:]
        return lines

    def status(self) -> dict[str, Any]:
        """What a person or a program wants to know of it."""
        return {
            "name": self.name,
            "title": self.title,
            "alive": self.alive,
            "pid": self.process.pid if self.process else None,
            "port": self.port,
            "url": next(iter(self.variables().values()), None),
            "logs": list(self.logs),
        }

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def program_path(name: str, service: str, package: str) -> str:
    """The path of a server's program. Raises `errors.Unsupported`, which names the package, if it is not installed."""
    import shutil

    places = [os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES]
    if location := os.environ.get("GLOBUS_LOCATION"):
        places[:0] = [f"{location}/sbin", f"{location}/bin"]
    path = shutil.which(name, path=os.pathsep.join(places))
    if path is None:
        raise errors.Unsupported(
            f"cannot start {service}",
            where=name,
            why="the program is not installed",
            hint=f"apt install {package}",
            fault="program-missing",
        )
    return path

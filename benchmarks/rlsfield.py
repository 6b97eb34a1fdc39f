# SPDX-License-Identifier: Apache-2.0
"""What is measured of a replica catalogue: a server in a process of its own, with access list, limits and log, and the
load that a C program puts on connections that are open and logged in.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.sockets import compiled
from pyglobus.core.rls import Client

#: Requests that no run comes to the end of.
MANY = 1 << 40
#: Seconds until a server listens, or has ended.
_PATIENCE = 60
_CONFIGURATION = """\
maxconnections 2000
timeout 30
idletimeout 900
result_limit 100000
"""


class Load(NamedTuple):
    """What a run has shown: requests and names in a second, and times of answers in milliseconds."""

    requests: float
    names: float
    median: float
    late: float
    longest: float


class Catalogue:
    """A server on files in a directory, or on PostgreSQL at the URL ``database``, whose tables are to be empty;
    with ``host``, the environment of one with a certificate, it authenticates. ``index``: it is an index instead.
    """

    def __init__(
        self, directory: Path, database: str = "", *, host: Mapping[str, str] | None = None, index: bool = False
    ) -> None:
        self._directory = directory
        role = "rli" if index else "lrc"
        self._chosen = f"{role}_server true\n" + (f"{role}_dbname {database}\n" if database else "")
        self._host = host
        self.url = ""
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Run it, until it listens."""
        configuration = self._directory / "globus-rls-server.conf"
        secure = str(self._host is not None).lower()
        configuration.touch(0o600)
        configuration.write_text(
            f"{_CONFIGURATION}{self._chosen}authentication {secure}\nacl /none: admin\nacl .*: all\n"
        )
        command = [
            str(Path(sys.executable).with_name("pyglobus")), "rls", "server", "--port", "0", "--bind", "localhost",
            "--data", str(self._directory), "--config", str(configuration),
            "--log", str(self._directory / "log"),
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(self._host or os.environ))
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _PATIENCE)
        self.url = os.read(self.process.stdout.fileno(), 1000).decode().strip() if ready else ""
        if not self.url.startswith("rls"):
            self.stop()
            raise OSError("the server does not start")

    def stop(self) -> None:
        """End it as an administrator does."""
        self.process.terminate()
        self.process.wait(_PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def kill(self) -> None:
        """End it as a failure does."""
        self.process.kill()
        self.process.wait(_PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def resident(self, peak: bool = False) -> float:
        """MiB of its memory now, or at most so far."""
        key = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    @contextlib.contextmanager
    def clients(self, count: int) -> Iterator[list[Client]]:
        """Connections, opened and logged in."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(Client(self.url)) for _ in range(count)]

    def __enter__(self) -> Catalogue:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Generator:
    """The program that puts load on connections."""

    def __init__(self, directory: Path, total: int) -> None:
        """``total``: how many mappings there are, once they have been loaded."""
        self._program = compiled(directory, "rls_load")
        self._total = total
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))

    def run(
        self,
        case: str,
        clients: list[Client],
        *,
        seconds: float = 1e6,
        count: int = MANY,
        seed: int = 0,
        bulk: int = 0,
    ) -> Load:
        """One case for so long or so many requests. Raises OSError where an answer is not success."""
        descriptors = [client.fileno() for client in clients]
        numbers = [seconds, count, self._total, seed, bulk, *descriptors]
        done = subprocess.run(
            [str(self._program), case, *map(str, numbers)],
            pass_fds=descriptors, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"{case}: {done.stderr.strip()}")
        requests, spent, *times = map(float, done.stdout.split())
        rate = requests / spent
        return Load(rate, rate * (bulk or 1), *(microseconds / 1000 for microseconds in times))

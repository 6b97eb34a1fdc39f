# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of our own, made for a session of tests: no other is ever used, and it is gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Who runs it where we are root, which PostgreSQL does not want to be.
ACCOUNT = "nobody"


class Cluster:
    """It listens in its directory alone, and lets everybody there in as ``rls``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._prefix = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
        if os.geteuid() == 0:
            os.chown(directory, pwd.getpwnam(ACCOUNT).pw_uid, -1)
        self._count = 0
        self._run("initdb", "-D", str(directory / "data"), "-U", "rls", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def start(self) -> None:
        """Run it."""
        listen = f"-c listen_addresses= -c max_connections=60 -k {self.directory}"
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-s", "-o", listen, "-l", log, "start")

    def stop(self, mode: str = "fast") -> None:
        """End it: ``fast`` in good order, ``immediate`` as in a crash."""
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-s", "-m", mode, "stop")

    def kill(self) -> None:
        """End all of it as a lack of memory does."""
        pid = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What a statement gives, as psql shows it bare."""
        return self._run("psql", "-h", str(self.directory), "-U", "rls", "-d", database, "-XAtqc", statement).strip()

    def database(self) -> str:
        """The URL of a new one."""
        self._count += 1
        self.ask(f"CREATE DATABASE rls{self._count}")
        return f"postgresql://rls@/rls{self._count}?host={self.directory}"

    def _run(self, program: str, *arguments: str) -> str:
        command = [*self._prefix, str(self._programs / program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", stdin=subprocess.DEVNULL, timeout=60,
            env={**os.environ, "PGOPTIONS": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running() -> Iterator[Cluster]:
    """One that runs, for a while. Its directory has a short name, for that of its socket has to be one."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        made = Cluster(directory)
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(directory)

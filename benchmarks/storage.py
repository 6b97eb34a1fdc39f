# SPDX-License-Identifier: Apache-2.0
"""The GridFTP server with a storage in Python beside its own file access, in turn, whole processes, files in memory.

    python -m benchmarks.storage [MIB] [ROUNDS] [SESSIONS]

One server serves a directory by `pyglobus.core.storage.directory`, another the same directory natively; globus-url-copy
gets and puts a file of so many MiB, and with -fast a tree of 2,000 files of 4 KiB, and one byte for what a session's
start costs. Then fifty sessions are open at once, and so many more come one after the other, each with a put and a get,
while the memory of the process that holds the storage is looked at.
"""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.field import Field
from benchmarks.stopwatch import Stopwatch

CLIENT = "globus-url-copy"
#: Our rate as part of the server's own at least, and seconds that a session may start later.
GOALS = {"large": 0.85, "small": 0.5, "start": 0.04}
SMALL = ((2000, 4096),)
TOGETHER = 50
#: MiB that a thousand sessions may add.
GROWTH = 4


class Served:
    """A server that runs as a command of ours."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2])
        self._process = process

    def resident(self) -> int:
        """KiB that the process has in memory now."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self._process.pid}/status").read_text())
        return int(found[1]) if found else 0


@contextlib.contextmanager
def serving(field: Field, directory: Path, *options: str) -> Iterator[Served]:
    """A server for the field's user and for anonymous clients."""
    host = field.host
    command = [str(Path(sys.executable).with_name("pyglobus")), "gridftp", "server", str(directory), "--anonymous",
        "--cert", str(host / "hostcert.pem"), "--key", str(host / "hostkey.pem"),
        "--gridmap", str(host / "grid-mapfile"), *options]  # fmt: skip
    with subprocess.Popen(command, env=field.environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Served(process)
        finally:
            process.terminate()


class Comparison:
    """Runs one command with each server in turn, and tells what it took."""

    def __init__(self, field: Field, stopwatch: Stopwatch, rounds: int) -> None:
        self._field = field
        self._stopwatch = stopwatch
        self._rounds = rounds

    def medians(self, commands: dict[str, list[str]], made: Path, files: int) -> dict[str, float]:
        """Seconds, by the names of the commands; each makes ``files`` files at or below ``made``."""
        times: dict[str, list[float]] = {name: [] for name in commands}
        turns = list(commands.items())
        for number in range(self._rounds + 1):  # the first one warms up
            for name, command in turns:
                reading = self._stopwatch.run(command, self._field.environment)
                there = sum(each.is_file() for each in (made, *made.rglob("*")))
                if reading.status or there != files:
                    raise SystemExit(f"{name}: {there} of {files} files, status {reading.status}: {self._said()}")
                shutil.rmtree(made) if made.is_dir() else made.unlink()
                if number:
                    times[name].append(reading.seconds)
            turns.reverse()
        return {name: statistics.median(taken) for name, taken in times.items()}

    def _said(self) -> str:
        return self._stopwatch.printed().strip()


def rates(field: Field, stopwatch: Stopwatch, ours: Served, native: Served, rounds: int) -> None:
    """Print a line for each case."""
    compare = Comparison(field, stopwatch, rounds)
    tree, data = field.tree(SMALL), field.stored.parent
    below = {"storage": f"{ours.url}/", "native": f"{native.url}{data}/"}

    def both(*words: str) -> dict[str, list[str]]:
        """The command with each server: what begins with @ is a path there."""
        return {name: [CLIENT, *(word.replace("@", there) for word in words)] for name, there in below.items()}

    local, stored = field.received, field.stored
    out, into = f"file://{field.large.path}", f"file://{local}"
    cases = (
        ("get", both(f"@{field.large.path.name}", into), local, 1, "large"),
        ("put", both(out, f"@{stored.name}"), stored, 1, "large"),
        ("get small", both("-fast", "-r", "-cd", f"@{tree.name}/", f"{into}/"), local, 2000, "small"),
        ("put small", both("-fast", "-r", "-cd", f"file://{tree}/", f"@{stored.name}/"), stored, 2000, "small"),
        ("one byte", both(f"@{field.byte.path.name}", into), local, 1, "start"),
    )
    print(f"{'':12}{'storage':>12}{'native':>12}{'':>10}{'goal':>10}")
    for title, commands, made, files, goal in cases:
        medians = compare.medians(commands, made, files)
        mine, theirs = medians["storage"], medians["native"]
        ratio, limit = f"{theirs / mine:.2f} x", f"{GOALS[goal]:.2f} x"
        if goal == "start":
            ratio, limit = f"{(mine - theirs) * 1000:+.0f} ms", f"{GOALS[goal] * 1000:+.0f} ms"
        print(f"{title:12}{mine:10.2f} s{theirs:10.2f} s{ratio:>10}{limit:>10}", flush=True)


def session(port: int, name: str, together: threading.Barrier, wrong: list[str]) -> None:
    """One anonymous session, which puts a file and gets it back while the others do the same."""
    data = os.urandom(100_000)
    try:
        with ftplib.FTP() as client:
            client.connect("127.0.0.1", port, timeout=60)
            client.login()
            together.wait(120)
            client.storbinary(f"STOR {name}", io.BytesIO(data))
            got = io.BytesIO()
            client.retrbinary(f"RETR {name}", got.write)
            client.delete(name)
            if got.getvalue() != data:
                wrong.append(f"{name}: other bytes")
    except (OSError, ftplib.Error, threading.BrokenBarrierError) as error:
        wrong.append(f"{name}: {error!r}")


def sessions(server: Served, number: int) -> None:
    """Print what many sessions leave in memory, first fifty at once, then one after the other."""
    wrong: list[str] = []
    together = threading.Barrier(TOGETHER)
    threads = [
        threading.Thread(target=session, args=(server.port, f"at-once-{each}", together, wrong))
        for each in range(TOGETHER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{TOGETHER} sessions at once: {len(wrong)} failed")
    alone = threading.Barrier(1)
    before = server.resident()
    for each in range(number):
        session(server.port, f"one-{each}", alone, wrong)
    growth = server.resident() - before
    print(f"{number} sessions: {len(wrong)} failed, {growth:+} KiB of {before} KiB; goal {GROWTH << 10:+} KiB")
    if wrong:
        raise SystemExit("\n".join(wrong[:5]))


def measure(mib: int, rounds: int, number: int) -> None:
    """Print a table."""
    directory = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    with Field(directory, mib << 20) as field, Stopwatch(field.local / "printed") as stopwatch:
        data = field.stored.parent
        with (
            serving(field, data, *(("--user", "root") if os.geteuid() == 0 else ())) as ours,
            serving(field, data, "--native") as native,
        ):
            if mib:
                rates(field, stopwatch, ours, native, rounds)
            sessions(ours, number)


if __name__ == "__main__":
    measure(*(int(word) for word in (sys.argv[1:] + ["1024", "5", "1000"][len(sys.argv) - 1 :])))

# SPDX-License-Identifier: Apache-2.0
"""gass-server under many clients at a time, each an independent one: Python's own TLS, with the proxy as certificate.

    python -m benchmarks.gassload [CLIENTS] [TIMES] [KIB] [SERVER]

Each client gets a file that all share and puts one of its own, in turn, so many TIMES of KIB each; every byte is
compared. Printed are seconds, transfers a second, and what the server had in memory at most. The goal is 64 clients,
200 times 1 MiB each, all bytes right, and less than 120 MiB.
"""

from __future__ import annotations

import hashlib
import http.client
import multiprocessing
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.gass import Rival
from pyglobus.core.sandbox import Sandbox

GOAL_MIB = 120
# Clients of one process: one interpreter would be slower than the server.
_SHARE = 32


def client(port: int, proxy: str, directory: Path, number: int, times: int, size: int, wrong: list[str]) -> None:
    """One client; what it finds wrong is added to the list."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(proxy)
    shared = hashlib.sha256((directory / "shared").read_bytes()).digest()
    own = directory / f"own{number}"
    for turn in range(times):
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=300)
        try:
            if (turn + number) % 2:
                data = os.urandom(size)
                connection.request("PUT", str(own), body=data)
                status = connection.getresponse().status
                good = status == 200 and own.read_bytes() == data
            else:
                connection.request("GET", str(directory / "shared"))
                response = connection.getresponse()
                status = response.status
                good = hashlib.sha256(response.read()).digest() == shared
            if not good:
                wrong.append(f"client {number}, turn {turn}: {status}")
        except (OSError, http.client.HTTPException) as error:
            wrong.append(f"client {number}, turn {turn}: {error!r}")
        finally:
            connection.close()


def _share(
    port: int, proxy: str, directory: Path, numbers: range, times: int, size: int, results: multiprocessing.Queue[str]
) -> None:
    wrong: list[str] = []
    threads = [
        threading.Thread(target=client, args=(port, proxy, directory, number, times, size, wrong)) for number in numbers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put("\n".join(wrong))


def load(port: int, proxy: str, directory: Path, clients: int, times: int, size: int) -> str:
    """Let so many clients loose on a server that serves the directory under its own name; what they find wrong."""
    (directory / "shared").write_bytes(os.urandom(size))
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    processes = [
        context.Process(
            target=_share,
            args=(port, proxy, directory, range(first, min(first + _SHARE, clients)), times, size, results),
        )
        for first in range(0, clients, _SHARE)
    ]
    for process in processes:
        process.start()
    wrong = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return "\n".join(filter(None, wrong))


def main(clients: int, times: int, kib: int, *, server: str) -> int:
    """Measure, and print what came out; 1 if a byte is wrong."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name, Sandbox() as grid:
        command = [server, "-r", "-w"]
        with subprocess.Popen(
            command, env=grid.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            rival = Rival(server, process)
            try:
                begun = time.perf_counter()
                port = int(rival.url.rpartition(":")[2])
                wrong = load(port, grid.env["X509_USER_PROXY"], Path(name), clients, times, kib << 10)
                seconds = time.perf_counter() - begun
                peak = rival.peak()
            finally:
                process.terminate()
    print(f"{server}: {clients} clients, {times} x {kib} KiB each: {seconds:.1f} s, {clients * times / seconds:.0f}/s,")
    print(f"at most {peak} MiB in memory (goal: less than {GOAL_MIB}); {wrong or 'all bytes right'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    numbers = [int(word) for word in (sys.argv[1:] + ["64", "200", "1024"][len(sys.argv) - 1 :])[:3]]
    sys.exit(main(*numbers, server=(*sys.argv[4:], "gass-server")[0]))

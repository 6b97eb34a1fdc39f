# SPDX-License-Identifier: Apache-2.0
"""Measure XioSocket against the same stack driven from C, and GSS handshakes: ``python -m benchmarks.sockets``.

Sender and receiver are two processes. Both sides take turns; the rate is that of the receiver from the end of its
first message to the end of the last. Handshakes are done over a socket pair between two threads of one process, so they
use one processor where two machines would use two; those of C need no socket at all, both ends are one loop.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

MIB = 1 << 20
STACKS = ("tcp", "tcp,gsi")
HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, metavar="N", help="runs of each side [21]")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="messages of 1 MiB in a run [1000]")
    parser.add_argument("--handshakes", type=int, default=100, metavar="N", help="handshakes [100]")
    parser.add_argument("--role", nargs=2, metavar=("ROLE", "STACK"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.role:
        role, stack = options.role
        pump(role, stack, options.count, options.port)
        return 0
    from pyglobus.core.sandbox import Sandbox

    with Sandbox(run=()) as grid, tempfile.TemporaryDirectory() as directory:
        os.environ.update(grid.variables)
        print(f"{'stack':10} {'ours MB/s':>10} {'C MB/s':>10} {'ratio':>6}")
        program = compiled(Path(directory), "xio_pump", "globus-xio", "globus-common")
        for stack in STACKS:
            ours, theirs = rates(program, stack, options.count, options.rounds)
            print(f"{stack:10} {ours:10.0f} {theirs:10.0f} {ours / theirs:6.2f}", flush=True)
        shaker = compiled(Path(directory), "gss_handshake", "globus-gss-assist", "globus-gssapi-gsi", "globus-common")
        print(f"{'handshake':10} {'ours ms':>10} {'C ms':>10} {'ratio':>6}", flush=True)
        mine, other = in_turn(shaker, options.handshakes)
        for row, at in (("median", 0), ("least", 1)):
            print(f"{row:10} {mine[at]:10.1f} {other[at]:10.1f} {mine[at] / other[at]:6.2f}")
    return 0


def compiled(directory: Path, name: str, *modules: str) -> Path:
    """A program of C beside this file, with the libraries that it is linked with."""
    compiler = shutil.which("cc") or "gcc"
    query = ["pkg-config", "--cflags", "--libs", *modules]
    flags = subprocess.run(query, capture_output=True, text=True, check=True).stdout if modules else ""
    program = directory / name
    source = str(HERE / f"{name}.c")
    subprocess.run([compiler, "-O2", "-o", str(program), source, *flags.split()], check=True)
    return program


def rates(program: Path, stack: str, count: int, rounds: int) -> tuple[float, float]:
    """Medians in megabytes a second, ours and that of C."""
    messages = [stack, str(MIB), str(count)]
    module = [sys.executable, "-m", "benchmarks.sockets", "--count", str(count), "--role"]
    sides = {
        "ours": ([*module, "receive", stack], [*module, "send", stack, "--port"]),
        "C": ([str(program), "receive", *messages], [str(program), "send", *messages]),
    }
    found: dict[str, list[float]] = {side: [] for side in sides}
    turns = list(sides.items())
    for number in range(rounds + 1):
        for side, (receive, send) in turns:
            seconds = exchange(receive, send)
            if number:
                found[side].append((count - 1) * MIB / 1e6 / seconds)
        turns.reverse()
    return statistics.median(found["ours"]), statistics.median(found["C"])


def exchange(receive: list[str], send: list[str]) -> float:
    """Let one process send to another; the seconds that the receiver took."""
    with subprocess.Popen(receive, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as receiver:
        assert receiver.stdout is not None
        port = receiver.stdout.readline().strip()
        subprocess.run([*send, port], check=True, cwd=HERE.parent)
        return float(receiver.stdout.readline())


def pump(role: str, stack: str, count: int, port: int | None) -> None:
    """One side of ours."""
    from pyglobus.core.xio import XioOptions, XioSocket

    with XioSocket(stack, XioOptions(authorization="self")) as sock:
        if role == "send":
            message = b"x" * MIB
            sock.connect(("127.0.0.1", port))
            for _ in range(count):
                sock.sendall(message)
            return
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = sock.getsockname()
        assert isinstance(address, tuple)
        print(address[1], flush=True)
        connection, _ = sock.accept()
        buffer, started = bytearray(MIB), 0.0
        for number in range(count):
            if connection.recv_into(buffer, flags=socket.MSG_WAITALL) != MIB:
                raise EOFError
            started = started if number else time.perf_counter()
        print(f"{time.perf_counter() - started:.6f}", flush=True)
        connection.close()


def in_turn(program: Path, count: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Median and least milliseconds of handshakes without delegation, ours and those of C, a part of each in turn."""
    parts = 5
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(parts):
        ours += handshakes(max(count // parts, 1))
        ran = subprocess.run([program, str(max(count // parts, 1))], check=True, capture_output=True, text=True)
        theirs += map(float, ran.stdout.split())
    mine, other = ((statistics.median(found) * 1000, min(found) * 1000) for found in (ours, theirs))
    return mine, other


def handshakes(count: int) -> list[float]:
    """Seconds of each."""
    from pyglobus.core.gss import Channel, Context, Credential

    found = []
    with Credential.default() as credential:
        for number in range(count + 5):
            one, other = socket.socketpair()
            with (
                one,
                other,
                Context.initiate(credential.identity, credential=credential) as initiator,
                Context.accept(credential=credential) as acceptor,
            ):
                started = time.perf_counter()
                thread = threading.Thread(target=Channel.establish, args=(acceptor, other))
                thread.start()
                Channel.establish(initiator, one)
                thread.join()
                if number >= 5:
                    found.append(time.perf_counter() - started)
    return found


if __name__ == "__main__":
    sys.exit(main())

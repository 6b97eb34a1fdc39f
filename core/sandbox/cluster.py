# SPDX-License-Identifier: Apache-2.0
"""Slurm on one machine, as one process: munged, slurmctld and slurmd on loopback, which end when one of them ends.

It is run as a program by root (``python cluster.py PRIVATE OPEN MARK``), imports nothing of the package, and announces
the controller's port when sinfo says that the node is idle. PRIVATE holds munge's key and what the daemons keep; OPEN,
which the users of the cluster can enter, munge's socket and ``etc`` with slurm.conf. MARK is a variable of this
process's environment that all jobs get, so that they can be found.

Slurm's daemons cannot choose a port: each start takes two that are free, and if a daemon does not come up with them,
two others.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

#: Of the cluster: one with these names and times is good for trying things, and for nothing else.
PARTITIONS = {"batch": "INFINITE", "short": "5"}

_ATTEMPTS = 3
_STARTING = 20.0
_STOPPING = 1.5
_INTERVAL = 0.05


class Cluster:
    """The three daemons."""

    def __init__(self, private: Path, open_: Path, mark: str) -> None:
        self._private, self._open = private, open_
        self._configuration = open_ / "etc" / "slurm.conf"
        self._mark = mark
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> int:
        """The controller's port, once a job can be run. Raises TimeoutError."""
        key, munge = self._private / "munge.key", self._open / "munge"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(128))
        self._daemon(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}"),
            *(f"--{name}-file={self._private / name}" for name in ("pid", "seed")),
            f"--log-file={self._private / 'munged.log'}",
        )
        self._await(["munge", "--no-input", f"--socket={munge}"], None)
        for attempt in range(_ATTEMPTS):
            port = self._configure()
            self._daemon("slurmctld", "-D", "-i", "-f", str(self._configuration))
            self._daemon("slurmd", "-D", "-f", str(self._configuration))
            try:
                self._await(["sinfo", "-h", "-p", next(iter(PARTITIONS)), "-o", "%t"], b"idle\n")
            except TimeoutError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                self._end(self._daemons[1:])
                del self._daemons[1:]
            else:
                break
        return port

    def watch(self) -> None:
        """Return when a daemon has ended."""
        os.waitpid(-1, 0)

    def stop(self) -> None:
        """End jobs and daemons."""
        self._call(["scancel", "--quiet", "--signal=KILL", "--full", "--state=RUNNING"])
        self._end(list(reversed(self._daemons)))

    def _daemon(self, *command: str) -> None:
        self._daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, process_group=0))

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        env = os.environ | {"SLURM_CONF": str(self._configuration)}
        try:
            return subprocess.run(
                command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, b"", b"no answer")

    def _await(self, command: list[str], answer: bytes | None) -> None:
        until = time.monotonic() + _STARTING
        while True:
            done = self._call(command)
            if done.returncode == 0 and answer in (None, done.stdout):
                return
            ended = [str(each.pid) for each in self._daemons if each.poll() is not None]
            if ended or time.monotonic() > until:
                said = (done.stdout + done.stderr).decode(errors="replace").strip()
                raise TimeoutError(f"daemon {ended[0]} has ended" if ended else f"{command[0]}: {said}")
            time.sleep(_INTERVAL)  # neither daemon tells when it is ready

    def _end(self, daemons: list[subprocess.Popen[bytes]]) -> None:
        for daemon in daemons:
            daemon.terminate()
        until = time.monotonic() + _STOPPING
        for daemon in daemons:
            try:
                daemon.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _configure(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            port, node_port = int(one.getsockname()[1]), int(two.getsockname()[1])
        prolog = self._open / "etc" / "prolog"
        prolog.write_text(f"#!/bin/sh\necho 'export {self._mark}={os.environ[self._mark]}'\n")
        prolog.chmod(0o755)
        host = socket.gethostname().partition(".")[0]
        settings = {
            "ClusterName": "sandbox",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": port,
            "SlurmdPort": node_port,
            "SlurmUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._open / 'munge'}",
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
            "StateSaveLocation": self._private / "state",
            "SlurmdSpoolDir": self._open / "spool",
            "SlurmctldPidFile": self._private / "slurmctld.pid",
            "SlurmdPidFile": self._private / "slurmd.pid",
            "SlurmctldLogFile": self._private / "slurmctld.log",
            "SlurmdLogFile": self._private / "slurmd.log",
            "TaskProlog": prolog,
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "JobAcctGatherType": "jobacct_gather/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU",
            "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=0,bf_interval=1",
            "EnforcePartLimits": "ALL",
            "ReturnToService": 2,
            "NodeName": f"{host} NodeAddr=127.0.0.1 CPUs={os.cpu_count() or 1} State=UNKNOWN",
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        lines += [
            f"PartitionName={name} Nodes=ALL State=UP MaxTime={limit} Default={'NO' if number else 'YES'}"
            for number, (name, limit) in enumerate(PARTITIONS.items())
        ]
        self._configuration.write_text("\n".join(lines) + "\n")
        self._configuration.chmod(0o644)
        return port


def serve(private: str, open_: str, mark: str) -> None:
    """Run a cluster until the end of this process, or of a daemon."""
    cluster = Cluster(Path(private), Path(open_), mark)

    def end(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    try:
        port = cluster.start()
        os.write(1, f"slurmctld listening at port {port}\n".encode())
        os.close(1)
        cluster.watch()
    except TimeoutError as error:
        sys.stderr.write(f"Slurm does not start: {error}\n")
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        cluster.stop()


if __name__ == "__main__":
    serve(*sys.argv[1:])

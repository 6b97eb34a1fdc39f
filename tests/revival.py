# SPDX-License-Identifier: Apache-2.0
"""A server that dies with all its sessions, and comes back on its port."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from pyglobus.core.sandbox import Server
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.server import program_path
from tests.waiting import wait_until

FindSessions = Callable[[Server], list[int]]


def kill(server: Server, find: FindSessions) -> None:
    """The server and all its sessions, at once."""
    assert server.process is not None
    pid = server.process.pid
    os.kill(pid, signal.SIGSTOP)  # so that no session is born meanwhile
    for each in (*find(server), pid):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    server.stop()


def revive(server: Server) -> None:
    """The same server on the same port; it does not announce a port that it was given."""
    port = server.port
    program = program_path(server.program, server.name, server.package)
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    command = [program, *server.arguments, "-p", str(port)]
    pid = os.posix_spawn(program, command, server.environment, file_actions=silent, setsid=True)
    server.process = Process.of(pid)

    def answers() -> bool:
        assert server.alive
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    wait_until(answers)

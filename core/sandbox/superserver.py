# SPDX-License-Identifier: Apache-2.0
"""What inetd does, for one server on loopback: listen, and hand each connection to a process of its own as its standard
input. The process's standard error is the log.

For servers that would else become daemons with a process id, and a log, that nobody knows. It is run as a program
(``python superserver.py LOG PROGRAM [ARGUMENT]...``), imports nothing of the package, and announces its port first.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

_BACKLOG = 128


def serve(log: str, command: list[str]) -> None:
    """Listen until the end of this process."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        os.write(1, f"listening at port {listener.getsockname()[1]}\n".encode())
        while True:
            connection, _ = listener.accept()
            with connection:
                _start(connection.fileno(), log, command)
            _reap()


def _start(connection: int, log: str, command: list[str]) -> None:
    os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, connection, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ],
        setsigdef=(signal.SIGPIPE,),  # Python ignores it, and exec would hand that on
    )


def _reap() -> None:
    """Take note of those that have ended; the last ones stay zombies until somebody else connects."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])

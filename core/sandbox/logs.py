# SPDX-License-Identifier: Apache-2.0
"""What the servers of a sandbox have said, and what they go on to say."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pyglobus.core.sandbox.server import Server

#: Seconds between two looks at log files that are followed. They are few and small, and a person is reading.
_INTERVAL = 0.2


def lines(servers: Iterable[Server], *, follow: bool = False) -> Iterator[tuple[str, str]]:
    """Each line of each log as (server's name, line), in the order of servers and files.

    With ``follow`` it goes on with what is added, until the last log file is removed or the caller stops asking.
    """
    with contextlib.ExitStack() as stack:
        logs: list[tuple[str, IO[str]]] = []
        for server in servers:
            for path in server.logs:
                with contextlib.suppress(FileNotFoundError):
                    logs.append((server.name, stack.enter_context(Path(path).open(errors="replace"))))
        begun = dict.fromkeys(range(len(logs)), "")
        while True:
            for number, (name, stream) in enumerate(logs):
                for text in stream:
                    if text.endswith("\n") or not follow:
                        yield name, begun[number] + text.rstrip("\n")
                        begun[number] = ""
                    else:
                        begun[number] += text
            if not follow or not any(_is_there(stream) for _, stream in logs):
                return
            time.sleep(_INTERVAL)


def _is_there(stream: IO[str]) -> bool:
    return os.fstat(stream.fileno()).st_nlink > 0

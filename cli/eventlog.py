# SPDX-License-Identifier: Apache-2.0
"""The log of a server: a JSON object on a line for each event."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyglobus.cli.output import Output
from pyglobus.core import errors

#: What happened, and its facts.
Tell = Callable[[str, dict[str, Any]], None]


@contextlib.contextmanager
def event_log(output: Output, path: str | None) -> Iterator[Tell]:
    """What to call for each event, from any thread: it appends to the file ``path``, where ``-`` is standard error.
    Without a path, and with events as output, it prints them.

    Raises `errors.CannotCreate`.
    """
    if path is None:
        yield lambda kind, facts: output.event(kind, facts) if kind != "start" and not output.is_text else None
        return
    import json
    import threading

    lock = threading.Lock()
    try:
        stream = sys.stderr if path == "-" else open(path, "a", encoding="utf-8", opener=_private)  # noqa: SIM115
    except OSError as error:
        raise errors.CannotCreate("cannot write", where=path, why=error.strerror) from error

    def tell(kind: str, facts: dict[str, Any]) -> None:
        when = moment(time.time())
        with lock, contextlib.suppress(OSError):  # a full disk must not stop the service
            stream.write(json.dumps({"time": when, "type": kind, **facts}) + "\n")
            stream.flush()

    try:
        yield tell
    finally:
        if stream is not sys.stderr:
            stream.close()


def moment(seconds: float) -> str:
    """A time since the epoch as logs write it: UTC, to the millisecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o640)

# SPDX-License-Identifier: Apache-2.0
"""The access log of a GASS server: one line for each request, at its end."""

from __future__ import annotations

import json
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pyglobus.cli.eventlog import moment
from pyglobus.cli.output import Output, printable
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gass import Access


class AccessLog:
    """Writes to a file that may be moved away and is then made anew, to standard error, or nowhere."""

    def __init__(self, output: Output, path: str | None, form: str) -> None:
        """Raises `errors.CannotCreate`."""
        self._output = output
        self._path = path
        self._form = form
        self._lock = threading.Lock()
        self._fd = -1
        if path not in (None, "-"):
            self._reopen()

    def add(self, access: Access) -> None:
        """One request has ended; from any thread."""
        record = record_of(access)
        with self._lock:
            if self._output.format == "jsonl":
                self._output.event("access", record)
            if self._path is None:
                if self._output.verbosity:
                    self._output.note(text_of(access))
                return
            line = json.dumps({"type": "access", **record}) if self._form == "jsonl" else text_of(access)
            if self._path == "-":
                self._output.progress_line(line)
            else:
                self._write(line)

    def _write(self, line: str) -> None:
        assert self._path is not None
        try:
            if not os.path.exists(self._path):
                self._reopen()
            os.write(self._fd, line.encode("utf-8", "surrogateescape") + b"\n")
        except (OSError, errors.CannotCreate) as error:
            self._output.warning(f"{self._output.command}: cannot write the access log: {error}")

    def _reopen(self) -> None:
        assert self._path is not None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise errors.CannotCreate("cannot write", where=self._path, why=error.strerror) from error

    def __enter__(self) -> AccessLog:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def record_of(access: Access) -> dict[str, Any]:
    """The JSON form of one request."""
    return {
        "time": moment(access.time),
        "identity": access.identity,
        "host": access.host,
        "operation": access.operation,
        "path": access.path,
        "bytes": access.bytes,
        "seconds": round(access.seconds, 4),
        "status": access.status,
        "outcome": access.outcome,
        "reason": access.reason,
    }


def text_of(access: Access) -> str:
    """One line: when, from where, who, what, how it ended, bytes, seconds, and why not."""
    who = json.dumps(access.identity or "-", ensure_ascii=False)
    path = json.dumps(access.path or "-", ensure_ascii=False)
    end = f" {json.dumps(printable(access.reason), ensure_ascii=False)}" if access.reason else ""
    return (
        f"{moment(access.time)} {access.host or '-'} {who} {access.operation or '-'} {path} {access.outcome}"
        f" {access.status} {access.bytes} {access.seconds:.3f}{end}"
    )

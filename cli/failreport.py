# SPDX-License-Identifier: Apache-2.0
"""What failed, as JSON lines in a file, for whoever tries again.

The file is new with each run, and empty as long as nothing has failed. Each line is written at once and as a whole, so
that who reads it while the job goes on, or after it was killed, never finds half of one.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from pyglobus.cli.exits import code_of
from pyglobus.cli.output import error_record
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.job import FileFailed


class FailReport:
    """The file of one run, as a context manager."""

    def __init__(self, path: str) -> None:
        """Raises `errors.CannotCreate`."""
        self._path = path
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
            self._fd = os.open(path, flags, 0o666)
        except OSError as error:
            raise errors.CannotCreate("cannot write", where=path, why=error.strerror, errno=error.errno) from error

    def add(self, failure: FileFailed) -> None:
        """Write a line. Raises `errors.DataError`."""
        import json

        record = error_record(failure.error, code_of(failure.error))
        record.pop("failures", None)
        line = json.dumps({"source": failure.source, "destination": failure.destination, **record})
        try:
            os.write(self._fd, f"{line}\n".encode("ascii"))
        except OSError as error:
            raise errors.DataError("cannot write", where=self._path, why=error.strerror, errno=error.errno) from error

    def __enter__(self) -> FailReport:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

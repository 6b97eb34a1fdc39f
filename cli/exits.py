# SPDX-License-Identifier: Apache-2.0
"""Exit codes: one enum, and the one place where an error becomes a code."""

from __future__ import annotations

import enum

from pyglobus.core import errors


class ExitCode(enum.IntEnum):
    """What a pyglobus command tells the shell. Numbers from 64 on follow sysexits(3) where that has one."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    DONE = 0, "done"
    FAILED = 1, "failed, not otherwise classed"
    USAGE = 2, "usage"
    PARTLY = 3, "partly done: some items failed"
    NOT_FOUND = 66, "source, name or credential not found"
    UNSUPPORTED = 69, "server refuses or lacks the feature"
    INTERNAL = 70, "our bug"
    CANNOT_CREATE = 73, "cannot create the destination"
    DATA = 74, "I/O error or checksum mismatch"
    TRY_LATER = 75, "transient, retries used up: try again later"
    DENIED = 77, "no, expired or refused credential; access denied"
    CONFIGURATION = 78, "bad configuration"
    DEADLINE = 124, "own deadline reached"
    SIGINT = 130, "SIGINT"
    SIGTERM = 143, "SIGTERM"


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.ConfigurationError, ExitCode.CONFIGURATION),
    (errors.PartlyDone, ExitCode.PARTLY),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.CredentialError, ExitCode.DENIED),
    (errors.AccessDenied, ExitCode.DENIED),
    (errors.Unsupported, ExitCode.UNSUPPORTED),
    (errors.CannotCreate, ExitCode.CANNOT_CREATE),
    (errors.DataError, ExitCode.DATA),
    (errors.TransientError, ExitCode.TRY_LATER),
    (errors.DeadlineExceeded, ExitCode.DEADLINE),
    (errors.Error, ExitCode.FAILED),
)


def code_of(error: BaseException) -> ExitCode:
    """The exit code for an error; anything that is not one of ours is our bug."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.INTERNAL)

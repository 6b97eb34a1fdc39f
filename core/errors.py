# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong, as one tree.

Each error says what happened, where, why, and (when one is known) what to do. Each also inherits the matching
builtin, so that code which knows nothing of pyglobus can still write ``except FileNotFoundError``. The classes part
along the question a caller asks: *did I call it wrongly* (`UsageError`, `ConfigurationError`), *is it not there*
(`NotFound`), *may I not* (`CredentialError`, `AccessDenied`), *can it not be done there* (`Unsupported`,
`ProtocolError`), *would it work later* (`TransientError`), *is data at stake* (`DataError`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence


class Error(Exception):
    """Base of every error that pyglobus raises on purpose.

    ``what`` is the thing that could not be done ("cannot copy"), ``where`` the URL, host or path, ``why`` the cause in
    a sentence, ``hint`` what to do about it. ``chain`` is the Globus error chain, outermost first; ``ftp_code`` the
    reply of the server and ``errno`` the system's number, where there was one. ``fault`` is the stable name of a
    recognised cause ("proxy-expired", "name-mismatch"), for scripts; `pyglobus.core.faults` lists them.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
        chain: Sequence[str] = (),
        ftp_code: int | None = None,
        errno: int | None = None,
        fault: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint
        self.chain = tuple(chain)
        self.ftp_code = ftp_code
        self.errno = errno
        self.fault = fault

    def __str__(self) -> str:
        return ": ".join(part for part in (self.what, self.where, self.why) if part)


class UsageError(Error, ValueError):
    """The call makes no sense as it stands: nothing was tried."""


class ConfigurationError(Error):
    """A configuration file, directory or environment variable is wrong."""


class NotFound(Error, FileNotFoundError):
    """The source, host name, or named credential does not exist."""


class CredentialError(Error, PermissionError):
    """No credential, an expired one, or one that the other side refuses; or the other side's own is not trusted."""


class AccessDenied(Error, PermissionError):
    """The credential is good, but it is not allowed to do this."""


class Unsupported(Error):
    """The other side refuses, or lacks what is needed."""


class ProtocolError(Unsupported):
    """The other side does not speak the protocol, or broke it."""


class CannotCreate(Error, OSError):
    """The destination cannot be created."""


class DataError(Error, OSError):
    """Reading or writing data failed, or what arrived is not what was sent."""


class ChecksumMismatch(DataError):
    """Source and destination differ after the transfer."""


class TransientError(Error, ConnectionError):
    """Something that may work later: a refused or lost connection, a busy server, a transfer that stands still."""


class DeadlineExceeded(Error, TimeoutError):
    """The deadline that the caller set has passed."""


class Cancelled(Error):
    """The operation was cancelled by its caller."""


class PartlyDone(Error):
    """Some items of several were done, others were not. ``failures`` holds the causes."""

    def __init__(
        self, what: str, *, failures: Sequence[Error], why: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, why=why, hint=hint)
        self.failures = tuple(failures)


#: What there can be too little of, and where it is counted.
_LIMITS = {
    errno.EMFILE: "let this process have more open files (ulimit -n)",
    errno.ENFILE: "the whole machine has too many open files: try again later",
    errno.ENOMEM: "let this process have more memory (ulimit -v), or try again later",
    errno.EAGAIN: "let this user have more processes and threads (ulimit -u), or try again later",
}


def exhausted(error: BaseException, what: str = "cannot go on", *, where: str | None = None) -> TransientError | None:
    """The error for what means that there are no more open files, threads or memory to be had; None for anything else.

    It imports nothing, for that may be what has failed.
    """
    link: BaseException | None = error
    while link is not None:
        number = _number(link)
        if number in _LIMITS:
            return TransientError(
                what, where=where, why=os.strerror(number), hint=_LIMITS[number], errno=number, fault="resources"
            )
        link = link.__cause__
    return None


def _number(error: BaseException) -> int:
    """The system's number that is meant; 0 for none."""
    if isinstance(error, OSError):
        return error.errno or 0
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    text = str(error)
    if isinstance(error, RuntimeError) and "start new thread" in text:
        return errno.EAGAIN
    # The loader's words for an extension module; where it cannot read its messages either, it tells the number.
    words = os.strerror(errno.EMFILE), f"Error {errno.EMFILE}"
    return errno.EMFILE if isinstance(error, ImportError) and text.endswith(words) else 0

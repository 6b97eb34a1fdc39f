# SPDX-License-Identifier: Apache-2.0
"""What the Globus libraries demand of a credential's file, and the places that all grid software agrees on.

A private key must belong to the user and be closed to all others, root not exempt; a certificate must belong to the
user and not be writable by others. The names of faults are those of `pyglobus.core.faults`.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pyglobus.core import errors

#: Larger than any chain of proxies; whatever is beyond it is no credential.
MAX_SIZE = 1 << 20

_PRIVATE = 0o177
_PUBLIC = 0o133


def fault(status: os.stat_result, *, private: bool = True) -> str | None:
    """What the libraries would pass over a file of this status for; None if they would take it."""
    if not stat.S_ISREG(status.st_mode):
        return "credential-not-a-file"
    if status.st_uid != os.geteuid():
        return "credential-not-owned"
    if status.st_mode & (_PRIVATE if private else _PUBLIC):
        return "credential-exposed"
    if status.st_size == 0:
        return "credential-empty"
    return "not-a-credential" if status.st_size > MAX_SIZE else None


def read(path: Path, *, private: bool = True) -> bytes:
    """The content of a credential's file, after its owner and mode have been found good.

    Raises `errors.CredentialError`, or `errors.NotFound`; what is checked is what is read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise unreadable(path, error) from error
    with os.fdopen(descriptor, "rb") as stream:
        require(path, os.fstat(descriptor), private=private)
        data = stream.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise _known("not-a-credential", path)
    return data


def require(path: Path, status: os.stat_result, *, private: bool = True) -> None:
    """Raise `errors.CredentialError` unless the libraries would take a file of this status."""
    found = fault(status, private=private)
    if found is not None:
        raise _known(found, path)


def unreadable(path: Path, error: OSError) -> errors.Error:
    """The error for a file that cannot be opened or looked at."""
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return _known("credential-missing" if missing else "credential-unreadable", path)


def default_proxy() -> str:
    """The proxy file of a user who has set nothing."""
    return f"/tmp/x509up_u{os.geteuid()}"  # noqa: S108 - the place that all grid software agrees on


def home() -> str:
    """The home directory of the account, whatever HOME says."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/nonexistent"


def _known(name: str, path: Path) -> errors.Error:
    from pyglobus.core import faults

    return faults.known(name, what="cannot use credential", path=str(path))

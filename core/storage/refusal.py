# SPDX-License-Identifier: Apache-2.0
"""What a client is told of a failure: the FTP reply code and, behind it, a name of the GridFTP server's own vocabulary.

The texts are those of the error numbers. What an exception says by itself may name paths of this machine: it goes to
the log, never to the client.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple


class Refusal(NamedTuple):
    """The FTP code, its name in the lines that programs read, and a sentence."""

    code: int
    name: str
    text: str


_WORDS = {
    errno.ENOENT: (550, "PATH_NOT_FOUND"),
    errno.EACCES: (550, "PERMISSION_DENIED"),
    errno.EPERM: (550, "PERMISSION_DENIED"),
    errno.EROFS: (550, "PERMISSION_DENIED"),
    errno.EEXIST: (553, "PATH_EXISTS"),
    errno.ENOTEMPTY: (553, "PATH_EXISTS"),
    errno.EISDIR: (553, "IS_A_DIRECTORY"),
    errno.ENOTDIR: (553, "NOT_A_DIRECTORY"),
    errno.ENAMETOOLONG: (553, "INVALID_PATH_NAME"),
    errno.EINVAL: (553, "INVALID_PATH_NAME"),
    errno.ELOOP: (553, "INVALID_PATH_NAME"),
    errno.ENOSPC: (451, "NO_SPACE_LEFT"),
    errno.EFBIG: (451, "NO_SPACE_LEFT"),
    errno.EDQUOT: (451, "QUOTA_EXCEEDED"),
    errno.EBUSY: (451, "TOO_BUSY"),
    errno.EAGAIN: (451, "TOO_BUSY"),
    errno.ENOTSUP: (500, "NOT_IMPLEMENTED"),
    errno.ENOSYS: (500, "NOT_IMPLEMENTED"),
}
# Exceptions that were raised without a number.
_KINDS: dict[type[OSError], int] = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}
#: A login that the storage does not want.
LOGIN_DENIED = Refusal(530, "LOGIN_DENIED", "the storage refuses this login")


def of(error: BaseException) -> Refusal:
    """What is said of an exception of a storage."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        number = next((number for kind, number in _KINDS.items() if isinstance(error, kind)), None)
    if number is None:
        return Refusal(500, "INTERNAL_ERROR", "the storage has failed")
    code, name = _WORDS.get(number, (500, "INTERNAL_ERROR"))
    return Refusal(code, name, os.strerror(number))

# SPDX-License-Identifier: Apache-2.0
"""Answers of a GASS server other than success: what a client is told of what is wrong, and what only the log is told.

Faults of files become the statuses of HTTP that say the same; what nobody has foreseen is the server's own fault, and
the client learns no more than that.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator

from pyglobus.core.gass.settings import Outcome

#: What a client is told of a fault of a file.
STATUS = {
    errno.ENOENT: (404, "File Not Found"),
    errno.ENOTDIR: (404, "File Not Found"),
    errno.EACCES: (403, "Permission denied"),
    errno.EPERM: (403, "Permission denied"),
    errno.EROFS: (403, "Read-only file system"),
    errno.EISDIR: (403, "It is a directory"),
    errno.ELOOP: (403, "It is a symbolic link"),
    errno.ENXIO: (403, "Nobody reads from it"),
    errno.ENAMETOOLONG: (414, "The name is too long"),
    errno.ENOSPC: (507, "No space left"),
    errno.EDQUOT: (507, "Disk quota exceeded"),
    errno.EFBIG: (413, "The file is too large"),
}


class Refused(Exception):
    """The request is answered with a status other than success."""

    def __init__(
        self, status: int, reason: str, outcome: Outcome = "denied", *, location: str | None = None, cause: str = ""
    ) -> None:
        """``cause`` is for the log alone."""
        super().__init__(cause or reason)
        self.status = status
        self.reason = reason
        self.outcome = outcome
        self.location = location


@contextlib.contextmanager
def local_faults() -> Generator[None]:
    """What goes wrong here is this machine's fault or the path's, not the connection's."""
    try:
        yield
    except OSError as error:
        raise refusal_of(error) from error
    except Refused:
        raise
    except Exception as error:
        raise Refused(500, "", "failed", cause=repr(error)) from error


def refusal_of(error: OSError) -> Refused:
    """The refusal for a fault of a file."""
    status, reason = STATUS.get(error.errno or 0, (500, ""))
    return Refused(status, reason or error.strerror or "Internal Server Error", "failed" if status >= 500 else "denied")

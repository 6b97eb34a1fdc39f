# SPDX-License-Identifier: Apache-2.0
"""Faults of files, on this machine or at the server: the system's error numbers, and replies that mean the same."""

from __future__ import annotations

import errno

from pyglobus.core.errors import AccessDenied, CannotCreate, DataError, NotFound, TransientError, UsageError
from pyglobus.core.faults.fault import Fault, any_of, code, file, reply

FAULTS = (
    Fault(
        "path-not-allowed",
        AccessDenied,
        reply(r"Path not allowed"),
        "the server does not serve this path, or not for this operation",
        "ask the server's operator which directories are open to you",
    ),
    Fault(
        "permission-denied",
        AccessDenied,
        any_of(file(errno.EACCES, errno.EPERM), reply(r"[Pp]ermission denied|[Aa]ccess denied", 450, 500, 550, 553)),
        "permission denied{there}",
        "check owner and mode of the path and of every directory above it",
    ),
    Fault(
        "read-only",
        CannotCreate,
        file(errno.EROFS),
        "the file system is read-only{there}",
        "choose another directory",
    ),
    Fault(
        "link-loop",
        (NotFound, CannotCreate),
        any_of(file(errno.ELOOP), reply(r"Too many levels of symbolic links", 450, 451, 500, 550, 553)),
        "symbolic links on the way to it lead round in a circle{there}",
        "follow the links one by one with ls -l, and make the one that points back point elsewhere",
    ),
    Fault(
        "no-such-file",
        (NotFound, CannotCreate),
        any_of(
            file(errno.ENOENT, errno.ENOTDIR),
            reply(r"[Nn]o such file|[Ff]ile (is )?not found|[Dd]oes not exist", 450, 451, 500, 550, 553),
        ),
        "{missing}{there}",
        "{look}",
    ),
    Fault(
        "is-directory",
        (UsageError, CannotCreate),
        any_of(file(errno.EISDIR), reply(r"[Ii]s a directory|[Nn]ot a (plain|regular) file", 450, 500, 550, 553)),
        "it is a directory{there}",
        "{directory}",
    ),
    Fault(
        "exists",
        CannotCreate,
        any_of(file(errno.EEXIST, errno.ENOTEMPTY), reply(r"[Ff]ile exists|[Aa]lready exists", 500, 550, 553)),
        "it exists already{there}",
        "remove it first, or choose another name",
    ),
    Fault(
        "name-too-long",
        (NotFound, CannotCreate),
        file(errno.ENAMETOOLONG),
        "the name is too long{there}",
        "choose a shorter name",
    ),
    Fault(
        "quota-exceeded",
        DataError,
        any_of(file(errno.EDQUOT), reply(r"[Qq]uota", 451, 452, 500, 550, 552)),
        "the disk quota is used up{there}",
        "delete what is not needed there, or ask for more",
    ),
    Fault(
        "file-too-large",
        DataError,
        file(errno.EFBIG, errno.EOVERFLOW),
        "the file is larger than the file system or a limit allows{there}",
        "look at ulimit -f and at the limits of the file system",
    ),
    Fault(
        "no-space",
        DataError,
        any_of(file(errno.ENOSPC), code(452, 552)),
        "no space is left{there}",
        "make room there, or choose another destination",
    ),
    Fault(
        "unexpected-data",
        DataError,
        file(errno.EBADMSG),
        "the server sent data that was not asked for",
        "report it to the server's operator: it does not keep to the protocol",
    ),
    Fault(
        "resources",
        TransientError,
        file(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY, errno.ETXTBSY),
        "{strerror}{there}",
        "try again later, or with fewer transfers at a time",
    ),
)

#: Tried after everything else that is known.
LATE_FAULTS = (
    Fault(
        "io-error",
        DataError,
        lambda evidence: {} if evidence.file_errno else None,
        "reading or writing the file failed{there} ({strerror})",
        "look at the system's log for faults of the disk or the file server",
    ),
    Fault(
        "file-unavailable",
        (NotFound, CannotCreate),
        code(550, 553),
        "the server cannot open this path ({words})",
        "check the path and its permissions at the server",
    ),
)

# SPDX-License-Identifier: Apache-2.0
"""Our errors as those of Python's own files, which is what users of fsspec catch."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pyglobus.core import errors

_BY_FAULT: dict[str, tuple[type[OSError], int]] = {
    "no-such-file": (FileNotFoundError, errno.ENOENT),
    "is-directory": (IsADirectoryError, errno.EISDIR),
    "exists": (FileExistsError, errno.EEXIST),
    "silent-server": (TimeoutError, errno.ETIMEDOUT),
    "stalled": (TimeoutError, errno.ETIMEDOUT),
}
# What servers say in words alone.
_BY_WORDS: dict[str, tuple[type[OSError], int]] = {
    "ot a directory": (NotADirectoryError, errno.ENOTDIR),
    "irectory not empty": (OSError, errno.ENOTEMPTY),
}
_BY_CLASS: tuple[tuple[type[errors.Error], type[OSError], int], ...] = (
    (errors.NotFound, FileNotFoundError, errno.ENOENT),
    (errors.CredentialError, PermissionError, errno.EACCES),
    (errors.AccessDenied, PermissionError, errno.EACCES),
    (errors.TransientError, ConnectionError, errno.ECONNABORTED),
    (errors.DeadlineExceeded, TimeoutError, errno.ETIMEDOUT),
    (errors.Unsupported, OSError, errno.EOPNOTSUPP),
)


def as_builtin(error: errors.Error) -> Exception:
    """The same as an exception of Python's, with the message and the hint in its text; ours is its cause."""
    text = f"{error} (hint: {error.hint})" if error.hint else str(error)
    said = " ".join(error.chain)
    kind = next((kind for words, kind in _BY_WORDS.items() if words in said), None) or _BY_FAULT.get(error.fault or "")
    if kind is None:
        if isinstance(error, errors.UsageError):
            return ValueError(text)
        found = ((builtin, number) for ours, builtin, number in _BY_CLASS if isinstance(error, ours))
        kind = next(found, (OSError, error.errno or errno.EIO))
    builtin, number = kind
    return builtin(number, text)


@contextmanager
def builtins() -> Iterator[None]:
    """Within the block our errors come out as Python's."""
    try:
        yield
    except errors.Error as error:
        raise as_builtin(error) from error

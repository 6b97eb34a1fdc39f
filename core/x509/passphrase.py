# SPDX-License-Identifier: Apache-2.0
"""Pass phrases for unattended use: from standard input, a file that only its owner can read, or systemd.

They are bytes, as typed; the first line counts, without its end. None of these functions puts one into an error.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pyglobus.core import errors

#: As much as OpenSSL takes.
MAX_BYTES = 1024


def from_descriptor(descriptor: int) -> bytes:
    """The next line; what follows it stays unread, for whoever reads the same input next."""
    line = bytearray()
    while len(line) <= MAX_BYTES:
        try:
            byte = os.read(descriptor, 1)
        except OSError as error:
            raise _refused(
                "standard input", "it is closed" if error.errno == errno.EBADF else error.strerror
            ) from error
        if byte in (b"", b"\n"):
            break
        line += byte
    return _usable(bytes(line), "standard input")


def from_file(path: Path) -> bytes:
    """The first line of a file of this user that is closed to all others."""
    return _first_line(path, forbidden=0o077, owners=(os.geteuid(),))


def from_systemd(name: str, environ: Mapping[str, str] | None = None) -> bytes:
    """The first line of a service's credential (LoadCredential=, systemd.exec(5)).

    systemd keeps it in a directory that only the service can enter, and may own it as root.
    """
    directory = (os.environ if environ is None else environ).get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise _refused(
            f"credential {name}",
            "CREDENTIALS_DIRECTORY is not set: this is no service of systemd",
            "add LoadCredential= or LoadCredentialEncrypted= to the service",
        )
    if "/" in name or name in ("", ".", ".."):
        raise errors.UsageError("not the name of a systemd credential", where=name)
    return _first_line(Path(directory) / name, forbidden=0o007, owners=(0, os.geteuid()))


def _first_line(path: Path, *, forbidden: int, owners: tuple[int, ...]) -> bytes:
    where = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _refused(where, error.strerror) from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(where, "it is no regular file")
        if status.st_uid not in owners:
            raise _refused(where, "it belongs to somebody else")
        if status.st_mode & forbidden:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise _refused(where, f"others may read it (mode {mode})", f"chmod 600 {where}")
        line = stream.readline(MAX_BYTES + 2)
    return _usable(line.removesuffix(b"\n"), where)


def _usable(line: bytes, where: str) -> bytes:
    if not line:
        raise _refused(where, "there is no pass phrase in it")
    if len(line) > MAX_BYTES:
        raise _refused(where, f"its first line is longer than {MAX_BYTES} bytes")
    return line


def _refused(where: str, why: str | None, hint: str | None = None) -> errors.Error:
    from pyglobus.core import faults

    found = faults.known("no-pass-phrase", what="cannot read pass phrase", where=where, problem=why or "")
    found.hint = hint or found.hint
    return found

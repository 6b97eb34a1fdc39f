# SPDX-License-Identifier: Apache-2.0
"""The local account that a sandbox's user is mapped to, and a directory that this account can reach.

An ordinary user's servers can act for that user only. Root's servers refuse to act for root: their sessions become an
unprivileged account, which cannot enter a private directory of root's.
"""

from __future__ import annotations

import os
import pwd
import secrets
import tempfile
from pathlib import Path

from pyglobus.core import errors

UNPRIVILEGED = "nobody"

#: Where every account finds room on a system that follows the FHS, if not in TMPDIR.
_TEMPORARY_DIRECTORIES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - what is made there has a name nobody can guess


def choose(wanted: str | None) -> str:
    """The account to map to: the one wanted if that is possible, else the caller's own, or nobody if the caller is
    root.

    Raises `errors.UsageError` for an account that the servers cannot act for, `errors.ConfigurationError` for one
    that is not there.
    """
    if os.geteuid() != 0:
        try:
            own = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise errors.ConfigurationError(
                "cannot map the user", why=f"user id {os.geteuid()} has no account, and the servers serve accounts only"
            ) from None
        if wanted not in (None, own):
            raise errors.UsageError("cannot map the user", where=wanted, why="only root can choose the account")
        return own
    name = wanted or UNPRIVILEGED
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        why, hint = "there is no such account", "name one with --account"
        raise errors.ConfigurationError("cannot map the user", where=name, why=why, hint=hint) from None
    if entry.pw_uid == 0:
        raise errors.UsageError("cannot map the user", where=name, why="the servers refuse to act for root")
    return name


def reachable(directory: Path) -> Path:
    """``directory`` if the account is the caller's own, else the name of a new one that every account can reach.

    That lies beside ``directory`` if everybody can get there, else in a temporary directory.
    """
    if os.geteuid() != 0:
        return directory
    for candidate in (directory.parent, tempfile.gettempdir(), *_TEMPORARY_DIRECTORIES):
        path = Path(candidate).resolve()
        if path.is_dir() and all(step.stat().st_mode & 0o001 for step in (path, *path.parents)):
            return path / f"pyglobus-{secrets.token_hex(6)}"
    raise errors.ConfigurationError(
        "cannot serve files", why="there is no temporary directory that every account can enter"
    )

# SPDX-License-Identifier: Apache-2.0
"""The grid-mapfile: which local account a name in the grid may use.

It is the file that GRIDMAP names, or the one that the toolkit finds for this account; it is read anew each time. Pool
accounts (``.prefix``, leased in GRIDMAPDIR) are understood.
"""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.core.gss.calls import run
from pyglobus.ffi import gss


def account(subject: str) -> str:
    """The account for ``subject``: the first in its line. Raises `errors.AccessDenied` where there is none."""
    user = run(gss.gridmap_user, subject, what="cannot read the grid-mapfile")
    if user is None:
        raise errors.AccessDenied(
            "no local account", where=subject, why="the grid-mapfile has no line for this name, or cannot be read",
            hint="GRIDMAP says which file is read; a line is \"SUBJECT\" ACCOUNT", fault="not-in-gridmap",
        )  # fmt: skip
    return user


def allows(subject: str, user: str) -> bool:
    """Whether ``subject`` may use the account ``user``; also False if the grid-mapfile cannot be read."""
    return run(gss.gridmap_allows, subject, user, what="cannot read the grid-mapfile")


def subjects(user: str) -> list[str]:
    """All names that may use the account ``user``."""
    return run(gss.gridmap_subjects, user, what="cannot read the grid-mapfile", where=user)

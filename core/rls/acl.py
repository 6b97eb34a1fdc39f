# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the acl lines of a server's configuration. The first line that fits a client decides.

    acl /O=Grid/OU=Physics/CN=.*: lrc_read lrc_update stats
    acl ada: all
    acl .*: lrc_read rli_read

What stands before the last colon is a regular expression that must fit the whole of the client's subject, or the whole
of the local account that the grid-mapfile has for it. A server without authentication knows no names: there an
expression must fit the empty text, and without acl lines everybody may do everything. One with authentication and
without acl lines serves its own identity alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.rls.methods import Permission

ALL = frozenset(Permission)
NONE: frozenset[Permission] = frozenset()


class Rule(NamedTuple):
    """One line."""

    who: re.Pattern[str]
    permissions: frozenset[Permission]


def parse(line: str) -> Rule:
    """What stands behind ``acl``. Raises `errors.ConfigurationError`."""
    who, colon, words = line.rpartition(":")
    if not colon or not words.strip():
        raise errors.ConfigurationError("bad acl", where=line, why="REGEX: PERMISSION... is meant")
    permissions: frozenset[Permission] = frozenset()
    known = {permission.value: frozenset((permission,)) for permission in Permission} | {"all": ALL}
    for word in words.replace(",", " ").split():
        if word not in known:
            why = f"no permission is called {word}: there are {', '.join(known)}"
            raise errors.ConfigurationError("bad acl", where=line, why=why)
        permissions |= known[word]
    who = who.strip()
    if len(who) > 1 and who[0] == who[-1] == '"':
        who = who[1:-1]
    try:
        return Rule(re.compile(who), permissions)
    except re.error as error:
        raise errors.ConfigurationError("bad acl", where=line, why=str(error)) from None


def permissions(
    rules: Sequence[Rule], identity: str | None, *, own: str | None, account: Callable[[str], str | None]
) -> frozenset[Permission]:
    """What a client may do. ``identity``: its subject, None without authentication; ``own``: the server's."""
    if identity is None:
        if not rules:
            return ALL
        return next((rule.permissions for rule in rules if rule.who.fullmatch("")), NONE)
    if not rules:
        return ALL if identity == own else NONE
    names = [identity]
    if (user := account(identity)) is not None:
        names.append(user)
    return next((rule.permissions for rule in rules if any(map(rule.who.fullmatch, names))), NONE)

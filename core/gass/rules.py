# SPDX-License-Identifier: Apache-2.0
"""Rules: who may do what where, as a policy. The first rule that fits a request decides.

One rule a line, in four fields; what holds blanks is quoted as for a shell, and # begins a comment::

    allow "/O=Grid/OU=Physics/*"      read,append  /runs/*
    deny  *                           *            /private/*
    allow gridmap                     read         *
    allow anonymous                   read         /pub/*

*Who* is a pattern of subjects (``*`` any characters, ``?`` one, ``[...]`` one of several), ``self`` (the server's own
identity), ``gridmap`` (whoever has a line in the grid-mapfile) or ``anonymous``; a pattern fits no client without a
name. *What* is a list of ``get``, ``put``, ``append``, ``shutdown``, or ``read`` (get), ``write`` (put and append),
``*``. *Where* is a pattern of paths, in which ``*`` goes across ``/``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.gass.policy import Allow, Answer, Deny, Policy, Request

_ALL = frozenset(("get", "put", "append", "shutdown"))
_OPERATIONS = {
    "*": _ALL,
    "read": frozenset(("get",)),
    "write": frozenset(("put", "append")),
    **{name: frozenset((name,)) for name in _ALL},
}
#: Bytes of a rules file: a million would be some ten thousand rules.
_MOST = 1 << 20


class Rule(NamedTuple):
    """One line."""

    allows: bool
    who: str
    operations: frozenset[str] = _ALL
    where: str = "*"

    def fits(self, request: Request, own: str | None) -> bool:
        """Whether it is about this request."""
        return (
            request.operation in self.operations
            and fnmatchcase(request.path, self.where)
            and _is(self.who, request.identity, own)
        )


def read(path: str | os.PathLike[str]) -> list[Rule]:
    """The rules of a file. Raises `errors.ConfigurationError`, with the line."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise errors.ConfigurationError("cannot read rules", where=str(path), why=error.strerror) from error
    if len(data) > _MOST:
        raise errors.ConfigurationError("cannot read rules", where=str(path), why=f"it has more than {_MOST} bytes")
    return parse(os.fsdecode(data).splitlines(), where=str(path))


def parse(lines: Iterable[str], *, where: str = "rules") -> list[Rule]:
    """The rules of these lines. Raises `errors.ConfigurationError`."""
    rules = []
    for number, line in enumerate(lines, 1):
        try:
            fields = shlex.split(line, comments=True)
            if fields:
                rules.append(_rule(fields))
        except ValueError as error:
            raise errors.ConfigurationError("cannot read rules", where=f"{where}:{number}", why=str(error)) from None
    return rules


def policy(rules: Sequence[Rule], *, own: str | None) -> Policy:
    """What the rules say; what no rule is about is denied. ``own``: the identity that ``self`` stands for."""
    chosen = tuple(rules)

    def judge(request: Request) -> Answer:
        for rule in chosen:
            if rule.fits(request, own):
                if rule.allows:
                    return Allow()
                break
        who = request.identity or "a client without a name"
        return Deny(403, f"{who} is not allowed to {request.operation} this")

    return judge


def _rule(fields: Sequence[str]) -> Rule:
    if len(fields) != 4:
        raise ValueError("four fields are meant: allow or deny, who, what, where")
    verb, who, what, where = fields
    if verb not in ("allow", "deny"):
        raise ValueError(f"a rule begins with allow or deny, not {verb}")
    operations: frozenset[str] = frozenset()
    for name in what.split(","):
        if name not in _OPERATIONS:
            raise ValueError(f"no operation is called {name}: there are {', '.join(sorted(_OPERATIONS))}")
        operations |= _OPERATIONS[name]
    if not where.startswith(("/", "*")):
        raise ValueError(f"a path begins with /, not as {where}")
    return Rule(verb == "allow", who, operations, where)


def _is(who: str, identity: str | None, own: str | None) -> bool:
    if identity is None:
        return who == "anonymous"
    if who == "anonymous":
        return False
    if who == "self":
        return identity == own
    if who == "gridmap":
        return _has_account(identity)
    return fnmatchcase(identity, who)


def _has_account(identity: str) -> bool:
    from pyglobus.core.gss import gridmap

    try:
        gridmap.account(identity)
    except errors.AccessDenied:
        return False
    return True

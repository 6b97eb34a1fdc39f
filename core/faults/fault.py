# SPDX-License-Identifier: Apache-2.0
"""One entry of the table: how a fault is recognised, what class of error it is, and what is said about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pyglobus.core import errors
from pyglobus.core.faults.evidence import Evidence
from pyglobus.ffi.annotation import NamedTuple, TypeAlias

Fields: TypeAlias = Mapping[str, str]
#: What to do about a certificate that begins in the future.
CLOCKS = "compare the clocks of this machine, of the other one, and of the one that made the certificate"

#: Looks at the evidence; the fields for the texts if this is it, else None.
Rule: TypeAlias = Callable[[Evidence], Fields | None]
Class: TypeAlias = type[errors.Error]


class Fault(NamedTuple):
    """A fault that is known by a stable ``name``.

    ``kind`` is the error's class, or a pair: one for a path that is read, one for a path that is made. ``why`` and
    ``hint`` are format strings over the rule's fields and those that every fault has; ``detail`` may add to the fields.
    """

    name: str
    kind: Class | tuple[Class, Class]
    rule: Rule
    why: str
    hint: str
    detail: Callable[[Fields], Fields] | None = None

    def class_for(self, role: str | None) -> Class:
        """The error's class for a path in this role."""
        if isinstance(self.kind, tuple):
            return self.kind[role == "destination"]
        return self.kind


def own(pattern: str) -> Rule:
    """Our own libraries said this (a regular expression, whose named groups become fields)."""
    return lambda evidence: _found(pattern, evidence.own) if not evidence.reply else None


def reply(pattern: str, *codes: int) -> Rule:
    """The server said this, with one of these reply codes if any are given."""

    def rule(evidence: Evidence) -> Fields | None:
        if not evidence.reply or (codes and evidence.code not in codes):
            return None
        return _found(pattern, "\n".join(evidence.reply))

    return rule


def code(*codes: int) -> Rule:
    """The server's reply had one of these codes."""
    return lambda evidence: {} if evidence.code in codes else None


def network(*numbers: int) -> Rule:
    """A network call of ours failed with one of these."""
    return lambda evidence: {} if evidence.network_errno in numbers else None


def data_channel(*numbers: int) -> Rule:
    """A network call for a data channel failed with one of these, here or at the server."""

    def rule(evidence: Evidence) -> Fields | None:
        number = evidence.network_errno if evidence.on_data_channel else evidence.remote and evidence.file_errno
        return {} if number in numbers else None

    return rule


def file(*numbers: int) -> Rule:
    """A file operation failed with one of these, here or at the server."""
    return lambda evidence: {} if evidence.file_errno in numbers else None


def either(pattern: str) -> Rule:
    """Our own libraries or the server said this."""
    return any_of(own(pattern), reply(pattern))


def unspoken(_: Evidence) -> Fields | None:
    """Nobody says this: it is found by looking, and named to `pyglobus.core.faults.known`."""
    return None


def otherwise(**fields: str) -> Callable[[Fields], Fields]:
    """The fields that stand in where the rule, or whoever names the fault, has none."""
    return lambda given: {name: value for name, value in fields.items() if name not in given}


def any_of(*rules: Rule) -> Rule:
    """The first of these that holds."""
    return lambda evidence: next((fields for rule in rules if (fields := rule(evidence)) is not None), None)


def _found(pattern: str, text: str) -> Fields | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

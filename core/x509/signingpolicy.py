# SPDX-License-Identifier: Apache-2.0
"""Signing policies: which names an authority may sign, as the site that trusts it says (HASH.signing_policy).

    access_id_CA   X509    '/O=Grid/CN=Example CA'
    pos_rights     globus  CA:sign
    cond_subjects  globus  '"/O=Grid/OU=One/*" "/O=Grid/OU=Two/*"'

A file may hold such entries for several authorities. In a pattern ``*`` stands for any text and ``?`` for one
character. Names are in OpenSSL's one-line form.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from pyglobus.core import errors

#: A policy of a real authority has a few hundred bytes.
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class SigningPolicy:
    """The entries of one file: the authority's name, and the patterns of the names that it may sign."""

    entries: tuple[tuple[str, tuple[str, ...]], ...]

    def patterns(self, authority: str) -> tuple[str, ...]:
        """The patterns for this authority; none if the file does not speak of it."""
        return tuple(pattern for name, patterns in self.entries if name == authority for pattern in patterns)

    def allows(self, authority: str, subject: str) -> bool:
        """True if the authority may sign this name."""
        return any(_matches(pattern, subject) for pattern in self.patterns(authority))


def parse(text: str, *, where: str | None = None) -> SigningPolicy:
    """Read a policy file. Raises `errors.ConfigurationError` for a line that cannot be understood."""
    entries: list[tuple[str, tuple[str, ...]]] = []
    authority: str | None = None
    may_sign = False
    if len(text) > MAX_BYTES:
        raise _malformed(where, 0, "the file is too large")
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise _malformed(where, number, "a quotation mark is missing") from error
        if not words:
            continue
        if len(words) < 3:
            raise _malformed(where, number, "it needs three words")
        key, _, value = words[:3]
        if key == "access_id_CA":
            authority, may_sign = value, False
        elif authority is None:
            raise _malformed(where, number, "it comes before access_id_CA")
        elif key in ("pos_rights", "neg_rights"):
            may_sign = key == "pos_rights" and value == "CA:sign"
        elif key == "cond_subjects":
            if may_sign:
                entries.append((authority, _patterns(value, where, number)))
        else:
            raise _malformed(where, number, f"{key!r} is not known")
    return SigningPolicy(tuple(entries))


def _patterns(value: str, where: str | None, number: int) -> tuple[str, ...]:
    if '"' not in value:
        return (value,)
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise _malformed(where, number, "a quotation mark is missing") from error


def _matches(pattern: str, subject: str) -> bool:
    parts = [
        {"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", re.sub(r"\*+", "*", pattern))
    ]
    return re.fullmatch("".join(parts), subject, re.S) is not None


def _malformed(where: str | None, number: int, why: str) -> errors.Error:
    from pyglobus.core import faults

    line = f"(line {number}: {why})" if number else f"({why})"
    return faults.known("signing-policy-invalid", what="cannot judge", policy=f"{where} {line}" if where else line)

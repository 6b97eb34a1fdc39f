# SPDX-License-Identifier: Apache-2.0
"""Patterns of names. On the wire they are those of SQL's LIKE, with a backslash before what stands for itself; people
write those of the shell, ``*`` and ``?``.
"""

from __future__ import annotations

from typing import NamedTuple

from pyglobus.core.rls.results import Refusal, Result

_LAST = "\U0010ffff"


class Pattern(NamedTuple):
    """A pattern for LIKE with the backslash as escape, and the range of names in which all that it fits must be."""

    like: str
    first: str
    last: str


def of_shell(pattern: str) -> str:
    """The wire's form of a pattern with ``*`` and ``?``; a backslash before these makes them stand for themselves."""
    written, characters = [], iter(pattern)
    for character in characters:
        if character == "\\":
            character = next(characters, "\\")
            written.append(f"\\{character}" if character in "\\%_" else character)
        elif character in "*?":
            written.append("%" if character == "*" else "_")
        else:
            written.append(f"\\{character}" if character in "%_" else character)
    return "".join(written)


def read(text: str) -> Pattern:
    """The pattern of a request. One that has ``*`` or ``?`` and neither ``%`` nor ``_`` is taken for one of the shell:
    a client in Java sends these as they are typed. Raises `Refusal`.
    """
    if not text:
        raise Refusal(Result.BADARG, "pattern is NULL")
    if ("*" in text or "?" in text) and not ("%" in text or "_" in text):
        text = of_shell(text)
    prefix, characters = [], iter(text)
    for character in characters:
        if character in "%_":
            break
        if character == "\\":
            character = next(characters, "")
        prefix.append(character)
    ending = len(text) - len(text.rstrip("\\"))
    if ending % 2:
        raise Refusal(Result.BADARG, "a pattern cannot end with a backslash")
    first = "".join(prefix)
    return Pattern(text, first, first + _LAST)

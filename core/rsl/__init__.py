# SPDX-License-Identifier: Apache-2.0
"""The Resource Specification Language, in which GRAM is told what to run.

`parse` reads it with the toolkit's own library, so that we take what services take; `tree` has what comes of it, and
makes it without text. Between the two, ``parse(str(tree)) == tree``.
"""

from __future__ import annotations

import os
from typing import Any

from pyglobus.core import errors
from pyglobus.core.rsl.position import fault
from pyglobus.core.rsl.tree import (
    Boolean,
    Concatenation,
    Literal,
    Relation,
    Sequence,
    Simple,
    Specification,
    Value,
    Variable,
    conjunction,
    literal,
    relation,
    variable,
)

__all__ = [
    "Boolean",
    "Concatenation",
    "Literal",
    "Relation",
    "Sequence",
    "Specification",
    "Variable",
    "conjunction",
    "literal",
    "parse",
    "relation",
    "variable",
]


def parse(text: str) -> Specification:
    """The tree of a text. Raises `errors.UsageError`, which tells line and column of what is wrong."""
    from pyglobus.ffi import rsl
    from pyglobus.ffi.engine import engine

    found = fault(text)
    # The library stops at a NUL; and it does not see a closing quote that is the last character.
    tree = None if found or "\0" in text else engine().submit(rsl.parse, os.fsencode(text) + b"\n").result()
    if tree is None:
        where = f"line {found.line}, column {found.column}" if found else None
        why = found.why if found else "the library does not take it"
        raise errors.UsageError("not RSL", where=where, why=why, fault="bad-rsl")
    return _specification(tree)


def _specification(tree: Any) -> Specification:
    if len(tree) == 2:
        return Boolean(tree[0], tuple(map(_specification, tree[1])))
    operator, attribute, values = tree
    return Relation(os.fsdecode(attribute), operator, tuple(map(_value, values)))


def _value(value: Any) -> Value:
    return Sequence(tuple(map(_value, value))) if isinstance(value, list) else _simple(value)


def _simple(value: Any) -> Simple:
    if isinstance(value, bytes):
        return Literal(os.fsdecode(value))
    if value[0] == "#":
        return Concatenation(_simple(value[1]), _simple(value[2]))
    names = value[1]
    if len(names) > 2 or any(isinstance(name, list) for name in names):
        why = "a variable has a name and at most a default"
        raise errors.UsageError("not RSL", where="$(...)", why=why, fault="bad-rsl")
    return Variable(*map(_simple, names))

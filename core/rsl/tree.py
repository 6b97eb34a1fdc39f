# SPDX-License-Identifier: Apache-2.0
"""Job descriptions as trees of values, and the text that stands for them.

    description = conjunction(executable="/bin/echo", arguments=["a b", variable("HOME") + "/x"], count=2)
    str(description)  ->  &("executable" = "/bin/echo")("arguments" = "a b" $("HOME")#"/x")("count" = "2")

The text is canonical: every literal is quoted, and two trees are equal exactly if their texts are. Literals are text
without NUL; bytes that are no UTF-8 stand as lone surrogates (PEP 383). An empty sequence has no text in the language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pyglobus.core import errors


class _Joined:
    """What can be concatenated with ``+``."""

    def __add__(self, other: object) -> Concatenation:
        return Concatenation(_simple(self), _simple(other))

    def __radd__(self, other: object) -> Concatenation:
        return Concatenation(_simple(other), _simple(self))


@dataclass(frozen=True, slots=True)
class Literal(_Joined):
    """A piece of text."""

    text: str

    def __post_init__(self) -> None:
        if "\0" in self.text:
            raise errors.UsageError("not a literal of RSL", where=repr(self.text), why="it holds a NUL")

    def __str__(self) -> str:
        return '"' + self.text.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Variable(_Joined):
    """A reference to a variable, which the other side replaces; ``default`` is taken where it is not defined."""

    name: Simple
    default: Simple | None = None

    def __str__(self) -> str:
        return f"$({self.name})" if self.default is None else f"$({self.name} {self.default})"


@dataclass(frozen=True, slots=True)
class Concatenation(_Joined):
    """Two values as one text. Of three, the last two are joined first, as the language has it."""

    left: Simple
    right: Simple

    def __post_init__(self) -> None:
        if isinstance(self.left, Concatenation):
            object.__setattr__(self, "right", Concatenation(self.left.right, self.right))
            object.__setattr__(self, "left", self.left.left)

    def __str__(self) -> str:
        return f"{self.left}#{self.right}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Values in brackets."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _not_empty(self.values, "a sequence")

    def __str__(self) -> str:
        return "(" + " ".join(map(str, self.values)) + ")"


Simple: TypeAlias = Literal | Variable | Concatenation
Value: TypeAlias = Simple | Sequence


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute and what it is to be; the operator is mostly ``=``."""

    attribute: str
    operator: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        _not_empty(self.values, self.attribute)
        _known(self.operator, RELATIONS)

    @property
    def name(self) -> str:
        """The attribute as services compare it: without case and underscores."""
        return self.attribute.lower().replace("_", "")

    def __str__(self) -> str:
        return f"{Literal(self.attribute)} {self.operator} {' '.join(map(str, self.values))}"


@dataclass(frozen=True, slots=True)
class Boolean:
    """A request: ``&`` all of the operands hold, ``|`` one of them; ``+`` several requests at once."""

    operator: str
    operands: tuple[Specification, ...]

    def __post_init__(self) -> None:
        _not_empty(self.operands, self.operator)
        _known(self.operator, BOOLEANS)

    @property
    def multiple(self) -> bool:
        """Whether it is several requests."""
        return self.operator == "+"

    def relations(self, attribute: str) -> Iterator[Relation]:
        """The relations directly in this request for the attribute; case and underscores do not count."""
        wanted = attribute.lower().replace("_", "")
        for operand in self.operands:
            if isinstance(operand, Relation) and operand.name == wanted:
                yield operand

    def with_first(self, *relations: Relation) -> Boolean:
        """The same request with more relations before the others, the last one given first."""
        return Boolean(self.operator, (*reversed(relations), *self.operands))

    def __str__(self) -> str:
        return self.operator + "".join(f"({operand})" for operand in self.operands)


Specification: TypeAlias = Boolean | Relation

RELATIONS = ("=", "!=", ">", ">=", "<", "<=")
BOOLEANS = ("&", "|", "+")


def literal(value: object) -> Simple:
    """A value as it stands in RSL: text, numbers, paths and booleans (yes, no) are literals."""
    return _simple(value)


def variable(name: object, default: object = None) -> Variable:
    """A reference to a variable."""
    return Variable(_simple(name), None if default is None else _simple(default))


def relation(attribute: str, *values: object, operator: str = "=") -> Relation:
    """An attribute and its values; a list or tuple among them is a sequence."""
    return Relation(attribute, operator, tuple(map(_value, values)))


def conjunction(*operands: Specification, **attributes: object) -> Boolean:
    """A request of relations; a list is several values, a mapping a sequence of pairs (``environment``)."""
    made = []
    for name, value in attributes.items():
        if isinstance(value, dict):
            made.append(relation(name, *(list(pair) for pair in value.items())))
        else:
            made.append(relation(name, *(value if isinstance(value, list | tuple) else (value,))))
    return Boolean("&", (*operands, *made))


def _simple(value: object) -> Simple:
    if isinstance(value, Literal | Variable | Concatenation):
        return value
    if isinstance(value, bool):
        return Literal("yes" if value else "no")
    if isinstance(value, str | int | float):
        return Literal(str(value))
    import os

    if isinstance(value, os.PathLike):
        return Literal(os.fsdecode(value))
    raise errors.UsageError("not a value of RSL", where=repr(value))


def _value(value: object) -> Value:
    if isinstance(value, Sequence):
        return value
    return Sequence(tuple(map(_value, value))) if isinstance(value, list | tuple) else _simple(value)


def _not_empty(parts: tuple[object, ...], what: str) -> None:
    if not parts:
        raise errors.UsageError("not RSL", where=what, why="it is empty")


def _known(operator: str, operators: tuple[str, ...]) -> None:
    if operator not in operators:
        raise errors.UsageError("not an operator of RSL", where=operator, why=f"there are {' '.join(operators)}")

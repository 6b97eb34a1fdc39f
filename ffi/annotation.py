# SPDX-License-Identifier: Apache-2.0
"""The words of ``typing`` that the modules on the way to a transfer use, at run time without its cost.

``typing`` imports ``re`` and ``enum`` and compiles each annotation of a `NamedTuple`: together a third of what it takes
to import `pyglobus.core.transfer`. Type checkers see the real things. At run time, a `NamedTuple` is what
``collections.namedtuple`` makes of the same fields and defaults, with its methods; a `Generic` or `Protocol` is a plain
base class; the rest stands in annotations and aliases, which nobody evaluates.

This module imports nothing of the package, so that every layer above can use it without loading the C libraries.
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "Any", "Generic", "Literal", "NamedTuple", "Protocol", "TypeAlias", "TypeVar"]

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar
else:
    from collections import namedtuple

    class _Subscripted:
        def __class_getitem__(cls, parameters):
            return cls

    class Any(_Subscripted):
        """Of any type."""

    class Generic(_Subscripted):
        """Base of a class with type parameters."""

    class Literal(_Subscripted):
        """One of the values in brackets."""

    class Protocol(_Subscripted):
        """Base of a class that tells what methods others have."""

    class TypeAlias:
        """Marks an assignment as another name for a type."""

    class TypeVar:
        """A type parameter."""

        def __init__(self, name, **_settings):
            self.__name__ = name

    class _Record(type):
        """Makes a tuple class of a class body with annotated fields."""

        def __new__(cls, name, _bases, body):
            fields = tuple(body.get("__annotations__", ()))
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key != "__module__":
                    setattr(made, key, value)
            return made

    NamedTuple = type.__new__(_Record, "NamedTuple", (), {"__doc__": "Base of a tuple class with named fields."})

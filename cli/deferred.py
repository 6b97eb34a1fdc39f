# SPDX-License-Identifier: Apache-2.0
"""What imports do and nobody needs: it is put off, for good where nothing asks for it.

Some modules click imports at its top and hardly uses: they are loaded when they are used, if ever. ``inspect`` alone,
with the syntax tree, the disassembler and the tokenizer behind it, takes an eighth of the time of --help; click wants
it to unindent texts, which ours need not. While click is being imported, a stand-in takes the place of such a module;
it forwards to the real one, which the first use of an attribute imports. Afterwards ``sys.modules`` is as it was, so
that whoever else imports the module gets the module itself, and only click holds stand-ins.
``importlib.util.LazyLoader`` would leave its own to all, and before Python 3.12.3 two threads must not use it at once.

`typing` compiles annotations that are texts as it meets them, those of every field of a named tuple too, and the first
of them makes the hundred classes of the syntax tree. A command evaluates none, so they are not compiled.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Collection, Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_NOTHING = (lambda: None).__code__


class _StandIn(ModuleType):
    def __init__(self, name: str, mentioned: Collection[str]) -> None:
        super().__init__(name)
        self._mentioned = mentioned

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks for these; nobody else does
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            if name in self._mentioned:
                return object
            del sys.modules[self.__name__]
        import importlib

        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def deferred(**modules: Collection[str]) -> Generator[None, None, None]:
    """In this block, who imports one of these top-level ``modules`` gets a stand-in, unless it is loaded already.

    With each go the names of classes that the block only mentions, as parameters of generic types: while it lasts they
    are ``object``.
    """
    for name, mentioned in modules.items():
        if name not in sys.modules:
            sys.modules[name] = _StandIn(name, mentioned)
    try:
        yield
    finally:
        for name in modules:
            if isinstance(sys.modules.get(name), _StandIn):
                del sys.modules[name]


@contextmanager
def unread_annotations() -> Generator[None, None, None]:
    """In this block, annotations that are texts are kept as such: who evaluates them later gets None."""
    shadowed: dict[str, object] = vars(typing)
    shadowed["compile"] = lambda *_: _NOTHING
    try:
        yield
    finally:
        del shadowed["compile"]

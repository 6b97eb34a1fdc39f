# SPDX-License-Identifier: Apache-2.0
"""Options and arguments that know more than how they are parsed: where they stand in the help, and what the C tool
makes of them.

An option has every spelling of the C tool (one dash) and a modern one (two dashes). In the help, ``-parallel`` is
left out beside ``--parallel``; the manual page lists all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

Callback = Callable[..., int | None]

#: What the shells complete a value with; where none is given, the click type decides (choices, paths).
Completion = Literal["url", "file", "directory", "command"]

#: Where the context keeps the spelling that was used for each option, by parameter name.
USED = "pyglobus.cli.option.used"

#: Stands for the value of an option that click has to find out.
UNKNOWN = object()


class Parity(enum.StrEnum):
    """How an option of the C tool fares here; the manual's compatibility table says it."""

    SAME = "same"
    BETTER = "better"
    IMPOSSIBLE = "not possible"


SAME, BETTER, IMPOSSIBLE = Parity.SAME, Parity.BETTER, Parity.IMPOSSIBLE


class Option(click.Option):
    """An option with the section of the help it stands in, and its parity with the C tool.

    ``doubled`` is a spelling that counts twice; ``c_spellings`` says which are the C tool's, where that is not all
    with one dash. ``idle`` is the value that it has while nobody uses it, or `UNKNOWN`; a callback is not told of it.

    Of a hundred options a command line uses a handful, and click takes long to make one: that waits until something is
    asked for which the declaration does not tell.
    """

    def __init__(
        self,
        declarations: Sequence[str],
        *,
        section: str = "Options",
        parity: Parity | None = None,
        remark: str = "",
        c_spellings: Sequence[str] | None = None,
        doubled: str | None = None,
        completion: Completion | None = None,
        help: str | None = None,
        **attributes: Any,
    ) -> None:
        self.name, self.opts, self.secondary_opts = _declared(declarations)
        self.expose_value = attributes.get("expose_value", True)
        self.idle = _idle(attributes)
        self.section = section
        self.parity = parity
        self.remark = remark
        self.doubled = doubled
        self.completion = completion
        self.help = help
        if c_spellings is None and parity is not None:
            c_spellings = [word for word in (*self.opts, *self.secondary_opts) if not word.startswith("--")]
        self.c_spellings = tuple(c_spellings or ())
        self._made_of = declarations, attributes

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__") or (made_of := vars(self).pop("_made_of", None)) is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            help = self.help
            super().__init__(made_of[0], **made_of[1])
            self.help = help  # past click, which would load a module to unindent it
            return getattr(self, name)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The spelling that was used on this command line."""
        used: dict[str, str] = {} if ctx is None else ctx.meta.get(USED, {})
        return used.get(self.name or "", self.opts[-1])


def _declared(words: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Name, spellings, and those that switch off, as click takes them from the words of a declaration."""
    name, opts, off = "", [], []
    for word in words:
        if word.isidentifier():
            name = word
        else:
            first, _, second = word.partition("/")
            opts.append(first)
            if second:
                off.append(second)
    if not name:
        longest = next((word for word in opts if word.startswith("--")), opts[0])
        name = longest.lstrip("-").replace("-", "_").lower()
    return name, opts, off


def _idle(attributes: dict[str, Any]) -> Any:
    default = attributes.get("default")
    if attributes.get("required") or attributes.get("envvar") or isinstance(default, str) or callable(default):
        return UNKNOWN
    if default is not None:
        return default
    return () if attributes.get("multiple") else False if attributes.get("is_flag") else None


class Argument(click.Argument):
    """An argument that can say what it is."""

    def __init__(
        self, declarations: Sequence[str], *, help: str = "", completion: Completion | None = None, **attributes: Any
    ) -> None:
        super().__init__(declarations, **attributes)
        self.description = help
        self.completion = completion

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The name that the usage line shows."""
        return self.human_readable_name


def option(*declarations: str, **attributes: Any) -> Callable[[Callback], Callback]:
    """Add an `Option` to the command below; the keywords are those of `Option` and of `click.Option`."""
    return click.option(*declarations, cls=Option, **attributes)


def argument(name: str, *, help: str, **attributes: Any) -> Callable[[Callback], Callback]:
    """Add an `Argument` to the command below."""
    return click.argument(name, cls=Argument, help=help, **attributes)

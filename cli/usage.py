# SPDX-License-Identifier: Apache-2.0
"""How --help looks: synopsis, what it does, arguments, options by section, where to read on; at most 80 columns.

Headings are bold on a terminal, by click and not by rich: rich takes longer to import than the whole of --help may
cost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pyglobus.cli.option import Argument, Option

if TYPE_CHECKING:
    from pyglobus.cli.command import Command, Group

_NAMES_WIDTH = 24


def write_command(command: Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the help of one command."""
    _write_usage(command, ctx, formatter)
    if command.help:
        formatter.write_paragraph()
        formatter.write_text(_prose(command.help))
    described = [p for p in command.params if isinstance(p, Argument) and p.description]
    _write_table(formatter, "Arguments", [(p.make_metavar(ctx), p.description) for p in described])
    for title, options in sections(command):
        _write_table(formatter, title, [(_names(option, ctx), option.help or "") for option in options])
    formatter.write_paragraph()
    formatter.write_text(f"Exit status, files and examples: man {page_name(ctx)}")


def write_group(group: Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the help of a noun: its verbs, one line each."""
    _write_usage(group, ctx, formatter)
    if group.help:
        formatter.write_paragraph()
        formatter.write_text(_prose(group.help))
    _write_table(formatter, "Commands", group.summaries(ctx))
    for title, options in sections(group):
        _write_table(formatter, title, [(_names(option, ctx), option.help or "") for option in options])
    formatter.write_paragraph()
    formatter.write_text(f"{ctx.command_path} COMMAND --help tells more; so does man {page_name(ctx)}")


def sections(command: click.Command) -> list[tuple[str, list[Option]]]:
    """The options that may be shown, by section; sections and options in the order in which they were declared."""
    found: dict[str, list[Option]] = {}
    for param in command.params:
        if isinstance(param, Option) and not param.hidden:
            found.setdefault(param.section, []).append(param)
    return list(found.items())


def page_name(ctx: click.Context) -> str:
    """The name of the manual page for a command: verbs share the page of their noun."""
    parts = ctx.command_path.split()
    return "-".join(parts[:2])


def shown_spellings(option: Option) -> list[str]:
    """The spellings without the single-dash ones that a two-dash one repeats; short before long."""
    words = [word for word in option.opts if word.startswith("--") or f"-{word}" not in option.opts]
    if option.doubled:
        words.insert(1, option.doubled)
    return sorted(words, key=lambda word: word.startswith("--")) + list(option.secondary_opts)


def width() -> int:
    """Columns that a help may use: those of the terminal, between 40 and 80."""
    try:
        columns = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (ValueError, OSError):  # no number; no terminal, or no stdout at all
        columns = 80
    return max(40, min(columns, 80))


def bold(text: str, *, stream: object = None) -> str:
    """``text`` in bold where it will be read on a terminal that wants it."""
    return click.style(text, bold=True) if wants_style(stream) else text


def wants_style(stream: object = None) -> bool:
    """True if ``stream`` (stdout) is a terminal, and neither NO_COLOR nor TERM=dumb speaks against style."""
    isatty = getattr(sys.stdout if stream is None else stream, "isatty", None)
    return bool(isatty and isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write_usage(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    formatter.write_usage(ctx.command_path, " ".join(command.collect_usage_pieces(ctx)), prefix=f"{bold('Usage:')} ")


def _write_table(formatter: click.HelpFormatter, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        formatter.write_paragraph()
        formatter.write(f"{bold(title)}:\n")
        with formatter.indentation():
            formatter.write_dl(rows, col_max=_NAMES_WIDTH, col_spacing=2)


def _names(option: Option, ctx: click.Context) -> str:
    names = ", ".join(shown_spellings(option))
    return names if option.is_flag or option.count else f"{names} {option.make_metavar(ctx)}"


def _prose(text: str) -> str:
    import inspect

    return inspect.cleandoc(text)

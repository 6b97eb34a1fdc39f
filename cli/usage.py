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
    _write_head(command, ctx, formatter)
    described = [p for p in command.params if isinstance(p, Argument) and p.description]
    _write_table(formatter, "Arguments", [(p.make_metavar(ctx), p.description) for p in described])
    for title, options in sections(command):
        _write_table(formatter, title, [(_names(option, ctx), option.help or "") for option in options])
    _write_text(formatter, f"Exit status, files and examples: man {page_name(ctx)}")


def write_group(group: Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the help of a noun: its verbs, one line each."""
    _write_head(group, ctx, formatter)
    _write_table(formatter, "Commands", group.summaries(ctx))
    for title, options in sections(group):
        _write_table(formatter, title, [(_names(option, ctx), option.help or "") for option in options])
    _write_text(formatter, f"{ctx.command_path} COMMAND --help tells more; so does man {page_name(ctx)}")


def write_usage(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the synopsis: one line, or several if it must be."""
    start = f"Usage: {ctx.command_path} "
    lines = _wrapped(" ".join(command.collect_usage_pieces(ctx)), formatter.width - len(start))
    formatter.write(start.replace("Usage:", bold("Usage:"), 1) + f"\n{' ' * len(start)}".join(lines) + "\n")


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


def _write_head(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    write_usage(command, ctx, formatter)
    for paragraph in (command.help or "").split("\n\n"):
        _write_text(formatter, paragraph)


def _write_text(formatter: click.HelpFormatter, text: str) -> None:
    formatter.write("\n" + "\n".join(_wrapped(text, formatter.width)) + "\n")


def _write_table(formatter: click.HelpFormatter, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if not rows:
        return
    names = min(max(len(name) for name, _ in rows), _NAMES_WIDTH)
    margin = " " * (names + 4)
    formatter.write(f"\n{bold(title)}:\n")
    for name, text in rows:
        lines = _wrapped(text, formatter.width - len(margin))
        if len(name) > names:
            lines.insert(0, "")
        formatter.write(f"  {name:{names}}  {lines[0]}".rstrip() + "\n")
        formatter.write("".join(f"{margin}{line}\n" for line in lines[1:]))


def _wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines; textwrap would do it, in most of the time that --help takes."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _names(option: Option, ctx: click.Context) -> str:
    names = ", ".join(shown_spellings(option))
    return names if option.is_flag or option.count else f"{names} {option.make_metavar(ctx)}"

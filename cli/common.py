# SPDX-License-Identifier: Apache-2.0
"""The options that every command has, and what they set in the process's `Output`.

They take effect as soon as they are read, so that an error in a later word is already shown the way they ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import click

from pyglobus.cli.option import SAME, Option
from pyglobus.cli.output import Output

SECTION = "General options"
_ALWAYS_C = ("-help", "-usage", "-version")
#: Short spellings that only some C tools have.
_SHORT = {"version": "-V", "usage": "-u"}


def output_of(ctx: click.Context) -> Output:
    """The process's `Output`, which the entry point has made."""
    output = ctx.find_object(Output)
    assert output is not None, "commands are run by pyglobus.cli.main.run"
    return output


def options(
    taken: Collection[str], formats: Sequence[str], *, drop_in: bool, c_common: Sequence[str]
) -> list[click.Parameter]:
    """The common options of one command, without the spellings that it has ``taken`` for others.

    ``formats`` are the output formats it has. ``c_common`` are the spellings that a drop-in's C tool has with the
    same meaning; those that print something and end are always among them.
    """
    in_c = (*c_common, *_ALWAYS_C) if drop_in else ()

    def make(*spellings: str, doubled: str | None = None, **attributes: Any) -> Option:
        free = [word for word in spellings if word not in taken]
        same = [word for word in free if word in in_c]
        return Option(
            free,
            section=SECTION,
            parity=SAME if same else None,
            c_spellings=same,
            doubled=None if doubled in taken else doubled,
            expose_value=False,
            is_eager=True,
            **attributes,
        )

    made: list[click.Parameter] = [
        make(
            *("-v", "-verbose", "--verbose"),
            doubled="-vv",
            count=True,
            callback=_set_verbosity,
            help="Say more: what is done; with -vv also how, and the whole chain of causes of an error.",
        ),
        make(*("-q", "-quiet", "--quiet"), callback=_set("quiet"), is_flag=True, help="Show errors and results only."),
    ]
    if formats:
        kinds = "text, as one JSON document or as JSON lines" if "jsonl" in formats else "text or as one JSON document"
        choice = click.Choice(list(formats))
        put = _set("format")
        made.append(make("--format", type=choice, default="text", callback=put, help=f"Print results as {kinds}."))
    made.append(
        make("-debug", "--debug", is_flag=True, callback=_set("debug"), help="Show Python tracebacks and all of -vv.")
    )
    if drop_in:
        for name, text, what in (
            ("version", _version, "the version"),
            ("versions", _versions, "the versions of all modules"),
            ("usage", click.Context.get_usage, "the synopsis"),
        ):
            short = [_SHORT[name]] if _SHORT.get(name) in c_common else []
            made.append(
                make(
                    *short, f"-{name}", f"--{name}", is_flag=True, callback=_ending(text), help=f"Print {what} and end."
                )
            )
    made.append(help_option(taken, make))
    return made


def help_option(taken: Collection[str] = (), make: Callable[..., Option] | None = None) -> Option:
    """The option that prints the help."""
    spellings = [word for word in ("-h", "-help", "--help") if word not in taken]
    attributes: dict[str, Any] = {
        "is_flag": True,
        "callback": _ending(click.Context.get_help),
        "help": "Print this help and end.",
    }
    if make is not None:
        return make(*spellings, **attributes)
    return Option(spellings, section=SECTION, expose_value=False, is_eager=True, **attributes)


def version_option() -> Option:
    """The option of the whole tree that prints the version."""
    return Option(
        ["-version", "--version"],
        section=SECTION,
        expose_value=False,
        is_eager=True,
        is_flag=True,
        callback=_ending(_version),
        help="Print the version and end.",
    )


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def put(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        setattr(output_of(ctx), attribute, value)

    return put


def _set_verbosity(ctx: click.Context, _param: click.Parameter, value: int) -> None:
    output_of(ctx).verbosity = value


def _ending(text: Callable[[click.Context], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            output_of(ctx).line(text(ctx))
            ctx.exit()

    return show


def _version(ctx: click.Context) -> str:
    from pyglobus.core.version import __version__

    return f"{ctx.command_path.replace(' ', '-')}: {__version__}"


def _versions(ctx: click.Context) -> str:
    from pyglobus.core import toolkit

    return "\n".join([_version(ctx), *(f"{module.name}: {module.version}" for module in toolkit.versions())])

# SPDX-License-Identifier: Apache-2.0
"""Commands, groups and options: click's, with the manners of the house. A command is written like this:

    @command("url-copy", summary="copy a file between URLs", drop_in="globus-url-copy", c_common=("-v", "-q"))
    @argument("source", metavar="SOURCE", completion="url", help="URL or path to copy from; - is standard input.")
    @option("-p", "-parallel", "--parallel", type=POSITIVE, metavar="N", section="Data channels", parity=SAME,
            help="Use N streams at a time.")
    @option("-notpt", "--no-third-party", is_flag=True, section="Routes", parity=BETTER, remark="any scheme",
            help="Pass the data through this machine.")
    def url_copy(*, output: Output, source: str, parallel: int | None, no_third_party: bool) -> ExitCode | None:
        '''What the command does, in a paragraph: the beginning of its --help.'''

Callbacks take keywords only; ``output`` (`pyglobus.cli.output.Output`) comes first and is always there. They raise
`pyglobus.core.errors.Error`, and return an exit code or None for 0. ``parity`` is for options of the C tool that
``drop_in`` names: all their single-dash spellings are the C tool's. The common options (-v, -q, --format, --debug,
--help and a drop-in's -usage, -version, -versions) add themselves; a spelling that the command uses otherwise, they
leave to the command. Words are read strictly, as `pyglobus.cli.words` tells. A family of commands in one module is a
`Group`: ``sandbox = Group("sandbox", summary=...)``, its verbs are made with ``@sandbox.verb("up", ...)``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import click

from pyglobus.cli import common, usage, words
from pyglobus.cli.common import output_of
from pyglobus.cli.option import (
    BETTER,
    IMPOSSIBLE,
    SAME,
    UNKNOWN,
    USED,
    Argument,
    Callback,
    Option,
    Parity,
    argument,
    option,
)
from pyglobus.cli.output import FORMATS, Output
from pyglobus.core import errors

__all__ = [
    "BETTER",
    "IMPOSSIBLE",
    "SAME",
    "Argument",
    "Command",
    "Group",
    "Option",
    "Output",
    "Parity",
    "argument",
    "command",
    "option",
]


#: Where the context keeps, while words are read, the parameters that they are for.
_ASKED = "pyglobus.cli.command.asked"


class Command(click.Command):
    """A command whose words are read strictly, and whose help stands in sections.

    ``drop_in`` names the C tool that it stands in for, and ``c_common`` the spellings of common options that this
    tool has too; ``getopt`` tells that it reads its words by getopt(3). ``status_of`` gives the exit status for an
    error, where that tool's numbers differ from ours.
    """

    def __init__(
        self,
        name: str,
        *,
        summary: str,
        drop_in: str | None = None,
        c_common: Sequence[str] = (),
        formats: Sequence[str] = FORMATS[:2],
        interspersed: bool = True,
        getopt: bool = False,
        status_of: Callable[[BaseException], int] | None = None,
        **attributes: Any,
    ) -> None:
        settings = _settings(interspersed)
        super().__init__(name, short_help=summary, add_help_option=False, context_settings=settings, **attributes)
        self.summary = summary
        self.drop_in = drop_in
        self.getopt = getopt
        self.status_of = status_of
        taken = {word for param in self.params for word in (*param.opts, *param.secondary_opts)}
        self.params += common.options(taken, formats, drop_in=drop_in is not None, c_common=c_common)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.status_of is not None:
            output_of(ctx).status_of = self.status_of
        args = _sorted(self, ctx, args)
        if (used := ctx.meta.get(USED)) is not None:
            asked = ctx.meta[_ASKED] = []
            for param in self.params:
                if not isinstance(param, Option) or param.name in used or param.idle is UNKNOWN:
                    asked.append(param)
                elif param.expose_value:
                    ctx.params.setdefault(param.name, param.idle)
        try:
            return super().parse_args(ctx, args)
        finally:
            ctx.meta.pop(_ASKED, None)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All, or while the words are read those that are used: of a hundred options that is a handful."""
        asked: list[click.Parameter] | None = ctx.meta.get(_ASKED)
        return super().get_params(ctx) if asked is None else asked

    def invoke(self, ctx: click.Context) -> Any:
        # What was imported to get here stays: the collector, off since the entry point, need never look at it.
        gc.freeze()
        gc.enable()
        ctx.params["output"] = output_of(ctx)
        return super().invoke(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        usage.write_usage(self, ctx, formatter)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        usage.write_command(self, ctx, formatter)


class Group(click.Group):
    """A noun whose verbs are commands. Without a verb it shows what there is."""

    def __init__(self, name: str, *, summary: str, **attributes: Any) -> None:
        super().__init__(
            name,
            short_help=summary,
            add_help_option=False,
            invoke_without_command=True,
            subcommand_metavar="COMMAND [ARGUMENT]...",
            callback=self._without_verb,
            context_settings=_settings(interspersed=False),
            **attributes,
        )
        self.summary = summary
        self.params.append(common.help_option())

    def verb(self, name: str, *, summary: str, **attributes: Any) -> Callable[[Callback], Command]:
        """Like `command`, for a verb of this noun."""

        def add(callback: Callback) -> Command:
            made = command(name, summary=summary, **attributes)(callback)
            self.add_command(made)
            return made

        return add

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Each verb and its one-line help."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [(name, verb.short_help or "") for name, verb in verbs if verb is not None and not verb.hidden]

    def overview(self, ctx: click.Context) -> str:
        """What is shown when no verb is given."""
        return ctx.get_help()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _sorted(self, ctx, args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = self.get_command(ctx, args[0])
        if found is None:
            meant = words.closest(args[0], self.list_commands(ctx))
            raise errors.UsageError(
                f"no such command {args[0]}" + (f" (did you mean {meant}?)" if meant else ""),
                hint=f"{ctx.command_path} --help lists the commands",
            )
        return args[0], found, args[1:]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        usage.write_usage(self, ctx, formatter)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        usage.write_group(self, ctx, formatter)

    def _without_verb(self) -> None:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is None:
            output_of(ctx).line(self.overview(ctx))


def command(name: str, *, summary: str, **attributes: Any) -> Callable[[Callback], Command]:
    """Make a `Command` of a function; the other keywords are those of `Command`."""

    def make(callback: Callback) -> Command:
        return click.command(name, cls=Command, summary=summary, **attributes)(callback)

    return make


def _settings(interspersed: bool) -> dict[str, Any]:
    # The width is given because click would import shutil, and with it three compressors, to find it.
    return {"allow_interspersed_args": interspersed, "terminal_width": usage.width()}


def _sorted(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    output_of(ctx).command = ctx.command_path
    if ctx.resilient_parsing:
        return args
    ctx.meta[USED] = {}
    try:
        found, ctx.meta[USED] = words.sort(
            args,
            words.Spellings(command.params),
            interspersed=ctx.allow_interspersed_args,
            clusters=getattr(command, "getopt", False),
        )
    except errors.UsageError as error:
        error.hint = f"{ctx.command_path} --help lists the options"
        raise
    return found

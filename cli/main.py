# SPDX-License-Identifier: Apache-2.0
"""The entry points, and the one place where an error, a signal or a closed pipe becomes an exit status.

This module imports next to nothing, so that signals are taken over before the long imports begin.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from pyglobus.cli import signals

if TYPE_CHECKING:
    import click

    from pyglobus.cli.output import Output


def pyglobus() -> NoReturn:
    """The command ``pyglobus``."""

    def tree() -> click.Command:
        from pyglobus.cli.tree import Tree

        return Tree()

    _end(run(tree, "pyglobus"))


def url_copy() -> NoReturn:
    """The command ``pyglobus-url-copy``."""
    _end(run(_leaf("url-copy"), "pyglobus-url-copy"))


def pyglobusrun() -> NoReturn:
    """The command ``pyglobusrun``."""
    _end(run(_leaf("run"), "pyglobusrun"))


def proxy_init() -> NoReturn:
    """The command ``proxy-init``."""
    _end(run(_leaf("proxy", "init"), "proxy-init"))


def myproxy_get() -> NoReturn:
    """The command ``myproxy-get``."""
    _end(run(_leaf("myproxy", "get"), "myproxy-get"))


def gass_server() -> NoReturn:
    """The command ``gass-server``."""
    _end(run(_leaf("gass", "server"), "gass-server"))


def rls_query() -> NoReturn:
    """The command ``rls-query``."""
    _end(run(_leaf("rls", "query"), "rls-query"))


def run(load: Callable[[], click.Command], prog: str, arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``load`` imports, under the name ``prog``; returns the exit status, or dies by a signal.

    What the command raises is shown here: errors as `pyglobus.cli.output.Output.error` does, usage errors of click
    the same way, a broken pipe not at all. After a signal the process dies by it, whatever the command made of it.
    """
    _occupy_standard_descriptors()
    if (beginning := os.environ.get("_PYGLOBUS_COMPLETE_URL")) is not None:  # a shell asks, not a user
        from pyglobus.cli.remotenames import complete

        return complete(beginning)
    signals.install()
    gc.disable()  # until the command begins: a tenth of the time to get there
    try:
        status = _run(load, prog, sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        signals.die(signals.received() or signal.SIGINT)
    except BrokenPipeError:
        signals.die(signal.SIGPIPE)
    if number := signals.received():
        signals.die(number)
    return status


def _end(status: int) -> NoReturn:
    """End the process, which gives everything back at once: the interpreter would take itself apart, piece by piece.

    What was registered for the end runs, and the streams are flushed. Where that fails, or other threads still run, or
    somebody measures what Python does, the end is the usual one.
    """
    gc.freeze()  # the interpreter's last collection would find no more than the end of the process
    atexit._run_exitfuncs()
    threading = sys.modules.get("threading")
    alone = threading is None or threading.active_count() == 1
    if alone and sys.gettrace() is None and sys.getprofile() is None:
        with suppress(OSError, ValueError):
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(status)
    sys.exit(status)


def _occupy_standard_descriptors() -> None:
    """A standard descriptor that is closed would be the next file or socket, and get what is written to stdout.

    What is put there fails when it is used: nobody shall believe that lost output was written.
    """
    for descriptor, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)


def _leaf(name: str, verb: str | None = None) -> Callable[[], click.Command]:
    def load() -> click.Command:
        from pyglobus.cli import tree

        return tree.load(name, verb)

    return load


def _run(load: Callable[[], click.Command], prog: str, arguments: list[str]) -> int:
    from pyglobus.cli.deferred import deferred, unread_annotations

    with unread_annotations(), deferred(datetime=("datetime",), inspect=(), uuid=("UUID",)):
        import click  # noqa: F401  (the first of many imports, all others find it)

    from pyglobus.cli.output import Output, prepare_streams

    prepare_streams()
    output = Output(prog)
    try:
        with unread_annotations():
            command = load()
        status = _invoke(command, prog, arguments, output)
        output.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        if number := signals.received():
            _show(output, _interrupted(number), 128 + number)
        raise
    except Exception as error:
        status = _report(error, arguments, output)
    return status


def _invoke(command: click.Command, prog: str, arguments: list[str], output: Output) -> int:
    from click.exceptions import Exit

    try:
        with command.make_context(prog, arguments, obj=output) as ctx:
            return int(command.invoke(ctx) or 0)
    except Exit as ended:
        return ended.exit_code


def _report(error: Exception, arguments: list[str], output: Output) -> int:
    import click

    from pyglobus.core import errors

    shown: Exception = error
    if not isinstance(error, errors.Error):
        shown = errors.exhausted(error) or error
    if isinstance(error, click.ClickException):
        shown = _of_click(error, arguments)
    if isinstance(shown, errors.UsageError) and output.is_text:
        output.format = _asked_format(arguments)
    if number := signals.received():
        _show(output, _interrupted(number), 128 + number)
        return 128 + number
    status = int(output.status_of(shown))
    _show(output, shown, status)
    return status


def _show(output: Output, error: Exception, status: int) -> None:
    import contextlib

    with contextlib.suppress(Exception):
        output.flush()  # results come before the error; if they are lost, the error matters more
    output.error(error, status)


def _interrupted(number: int) -> Exception:
    from pyglobus.core import errors

    return errors.Cancelled(f"cancelled by {signal.Signals(number).name}")


def _of_click(error: click.ClickException, arguments: list[str]) -> Exception:
    """What click says about a command line, in the words of the house."""
    import click

    from pyglobus.cli.words import dash_hint
    from pyglobus.core import errors

    ctx = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{ctx.command_path} --help lists what it takes" if ctx is not None else None
    if isinstance(error, click.MissingParameter) and error.param is not None:
        what = f"missing {error.param.get_error_hint(ctx)}"
        usage = click.unstyle(ctx.get_usage()).replace("Usage:", "usage:", 1) if ctx is not None else None
        return errors.UsageError(what, hint=dash_hint(arguments) or usage)
    text = error.message.strip().rstrip(".")
    if isinstance(error, click.BadParameter) and error.param is not None:
        return errors.UsageError("invalid value", where=error.param.get_error_hint(ctx), why=text, hint=hint)
    text = text.removeprefix("Got ")
    return errors.UsageError(text[:1].lower() + text[1:], hint=dash_hint(arguments) or hint)


def _asked_format(arguments: list[str]) -> str:
    """The output format that a command line asks for, when an error in it was found before the option was read."""
    from pyglobus.cli.output import FORMATS

    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        asked = following if word == "--format" else word.removeprefix("--format=")
        if word.startswith("--format") and asked in FORMATS:
            return asked
    return "text"

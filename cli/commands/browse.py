# SPDX-License-Identifier: Apache-2.0
"""pyglobus browse: two panes, this machine and servers, in the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.values import DURATION, CountType
from pyglobus.core import errors

PORT = CountType(1, 65535)

if TYPE_CHECKING:
    from pyglobus.cli.browse.keys import Action


@command("browse", summary="two panes and a queue: browse files here and at servers")
@argument(
    "left",
    metavar="[LEFT]",
    required=False,
    completion="url",
    help="What the left pane shows: a directory, or a gsiftp or ftp URL. [default: the working directory]",
)
@argument(
    "right",
    metavar="[RIGHT]",
    required=False,
    completion="url",
    help="What the right pane shows. [default: the same as the left one]",
)
@option("--plain", is_flag=True, help="One pane at a time and no drawings, for readers of the screen.")
@option(
    "--web",
    is_flag=True,
    help="Show it in a web page on this machine: print the URL that opens it once, and serve until nobody is there.",
)
@option("--port", type=PORT, metavar="N", help="The port of --web. [default: any free one]")
@option(
    "--idle",
    type=DURATION,
    metavar="TIME",
    default="15m",
    help="With --web, end when nobody has been there for so long. [default: 15m]",
)
@option("--keys", is_flag=True, help="Print the actions with their keys, as they are configured, and end.")
def browse(*, output: Output, left: str | None, right: str | None, plain: bool, keys: bool, **web: Any) -> None:
    """See two places side by side, this machine and GridFTP or FTP servers; mark, copy, move, delete and rename what is
    there. Transfers wait in a queue, which outlives the program.

    F1 shows the keys. It needs textual, the extra [tui].
    """
    from pyglobus.cli.browse import keys as known
    from pyglobus.core.browse import address, settings

    configured = settings.read([action.name for action in known.ACTIONS])
    if keys:
        _show_keys(output, known.bound(configured.keys))
        return
    here = address.directory(left or "")
    there = address.directory(right) if right is not None else here
    if web["web"]:
        _serve(output, [word for word in (left, right) if word is not None] + ["--plain"] * plain, web)
        return
    _require_terminal()
    try:
        from pyglobus.cli.browse.app import Browser
    except ImportError as error:
        raise errors.Unsupported(
            "cannot browse", why=f"textual is not installed ({error})", hint="pip install 'pyglobus[tui]'"
        ) from error
    from pyglobus.cli import signals

    browser = Browser(here, there, configured, plain=plain)
    try:
        with signals.cancelling(browser.leave):
            browser.run()
    finally:
        browser.queue.close()
        browser.pool.close()


def _show_keys(output: Output, actions: list[Action]) -> None:
    from pyglobus.cli.browse import keys as known
    from pyglobus.cli.output import columns

    record = {"actions": [{"name": each.name, "keys": each.keys, "says": each.says} for each in actions]}
    rows = [(each.name, known.shown(each.keys), each.says) for each in actions]
    output.result("keys", record, lambda: columns(rows))


def _serve(output: Output, arguments: list[str], given: dict[str, Any]) -> None:
    from pyglobus.cli import signals

    try:
        from pyglobus.cli.browse.web import Door
    except ImportError as error:
        raise errors.Unsupported(
            "cannot serve the page", why=f"textual-serve is not installed ({error})", hint="pip install 'pyglobus[tui]'"
        ) from error
    door = Door(output, arguments, port=given["port"] or 0, idle=given["idle"])
    with signals.cancelling(door.stop):
        door.run()


def _require_terminal() -> None:
    if os.environ.get("TEXTUAL_DRIVER"):  # its terminal is a page
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise errors.UsageError(
            "cannot browse", why="there is no terminal", hint="run it in a terminal; pyglobus browse --keys needs none"
        )

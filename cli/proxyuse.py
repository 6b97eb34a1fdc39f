# SPDX-License-Identifier: Apache-2.0
"""What the commands that bring a proxy have in common: made only when it is needed (cron), and handed to a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from pyglobus.cli.option import Callback, option
from pyglobus.cli.output import Output
from pyglobus.cli.values import LIFETIME

SECTION = "What is done"


def used(which: str) -> Callable[[Callback], Callback]:
    """Add --renew-below and --export; ``which`` proxy makes another one needless."""
    below = option(
        "--renew-below",
        type=LIFETIME,
        metavar="H:M",
        section=SECTION,
        help=f"Do nothing if there is {which} with at least this much life left: made for cron.",
    )
    shell = option(
        "--export",
        type=click.Choice(["sh", "csh", "fish"]),
        metavar="SHELL",
        section=SECTION,
        help="Print what gives a shell (sh, csh or fish) the proxy, and nothing else.",
    )
    return lambda callback: below(shell(callback))


def export(output: Output, shell: str, path: Path) -> None:
    """Print what gives a shell the proxy in ``path``, which is absolute."""
    from pyglobus.core.sandbox.shell import script

    output.line(script(shell, {"X509_USER_PROXY": str(path)}, ()))

# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy destroy: in place of grid-proxy-destroy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.commands.proxy.info import status_of
from pyglobus.cli.commands.proxy.wishes import FILE
from pyglobus.core import errors


@command("destroy", summary="remove a proxy", drop_in="grid-proxy-destroy", c_common=("-debug",), status_of=status_of)
@option("-default", "--default", is_flag=True, parity=SAME, help="Remove your own proxy, besides the files named.")
@option(
    *("-all", "--all"),
    is_flag=True,
    parity=BETTER,
    remark="also where X509_USER_PROXY names a file outside /tmp",
    help="Remove it, and all proxies that were delegated to you on this machine.",
)
@option("-dryrun", "--dry-run", is_flag=True, parity=SAME, help="Only tell what would be removed.")
@argument("files", nargs=-1, type=FILE, metavar="[FILE]...", help="The proxies to remove. [default: your own]")
def destroy(*, output: Output, default: bool, all: bool, dry_run: bool, files: Sequence[Path]) -> None:
    """Remove proxies from disk: overwritten with zeros first, so that a copy of the disk holds none of them.

    A symbolic link is removed, and what it names is left alone. A file that was named and does not exist is no error.
    """
    from pyglobus.core import proxy

    own = [proxy.location()] if default or all or not files else []
    wanted = [*files, *own, *(proxy.delegated() if all else [])]
    removed: list[Path] = []
    failures: list[errors.Error] = []
    for path in dict.fromkeys(wanted):
        if dry_run:
            output.note(f"would remove {path}")
            continue
        try:
            proxy.destroy(path)
            removed.append(path)
        except errors.NotFound as error:
            if path in own:
                failures.append(error)
            else:
                output.note(str(error))
        except errors.Error as error:
            failures.append(error)
    output.result("destroyed", {"removed": [str(path) for path in removed], "dry_run": dry_run})
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise errors.PartlyDone("some proxies are still there", failures=failures)

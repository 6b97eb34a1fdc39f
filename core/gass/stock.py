# SPDX-License-Identifier: Apache-2.0
"""The toolkit's own server, globus_gass_server_ez, as the program globus-gass-server that is made of it.

It stays in a process of its own: its listener serves nobody else while one client has connected and says nothing, and
its catcher of standard output writes to descriptor 1 of whatever process it is in. Where exactly its behaviour is
wanted, it is all there; nothing of `pyglobus.core.gass.Server` applies to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyglobus.core import errors

PROGRAM = "globus-gass-server"


def command(options: Sequence[str]) -> list[str]:
    """The command line that serves with these options of the program. Raises `errors.Unsupported` where it is not
    installed.
    """
    import shutil

    path = shutil.which(PROGRAM)
    if path is None:
        raise errors.Unsupported(
            f"cannot run {PROGRAM}", why="it is not installed", hint="install the package globus-gass-server-ez-progs"
        )
    return [path, *options]

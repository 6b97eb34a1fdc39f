# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass: serve files by GASS, and what goes with it."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.gass.cache import cache
from pyglobus.cli.commands.gass.server import server
from pyglobus.cli.commands.gass.shutdown import shutdown

gass = Group(
    "gass",
    summary="files over https, by GSI",
    help="Serve files to jobs and colleagues over https, and decide who gets what.",
)
gass.add_command(server)
gass.add_command(shutdown)
gass.add_command(cache)

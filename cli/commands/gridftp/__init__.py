# SPDX-License-Identifier: Apache-2.0
"""pyglobus gridftp: serve files by GridFTP."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.gridftp.server import server

gridftp = Group(
    "gridftp",
    summary="serve files by GridFTP",
    help="Serve a directory, or storage written in Python, to every GridFTP client.",
)
gridftp.add_command(server)

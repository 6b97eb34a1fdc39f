# SPDX-License-Identifier: Apache-2.0
"""pyglobus rls: the Replica Location Service. One module for each verb, and what query understands."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.rls.admin import admin
from pyglobus.cli.commands.rls.query import query
from pyglobus.cli.commands.rls.server import server

rls = Group(
    "rls",
    summary="which files have which replicas",
    help="Ask and keep catalogues of replicas, and indexes that tell which catalogue knows a name.",
)
for verb in (query, admin, server):
    rls.add_command(verb)

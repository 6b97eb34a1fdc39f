# SPDX-License-Identifier: Apache-2.0
"""pyglobus job: the jobs that were submitted from here, and what can be done to them."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.job import caring, looking

job = Group(
    "job",
    summary="jobs that were submitted",
    help="List the jobs that pyglobusrun has submitted, see what they are at, pick up their output, and manage them.",
)
for each in (looking.list_, looking.status, looking.watch, looking.output_, *caring.COMMANDS):
    job.add_command(each)

# SPDX-License-Identifier: Apache-2.0
"""The whole job: how it is gone on with."""

from __future__ import annotations

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("The whole job")
own = SECTION.own

own(
    "--resume",
    "Keep a journal of what has arrived, and go on where the same command was broken off, be it by a crash, a signal "
    "or a server that died. The journal is removed when all is done.",
)
own("--journal", "Keep that journal in FILE; implies --resume.", value="FILE")
own("--keep-journal", "Keep the journal when all is done, too; implies --resume.")

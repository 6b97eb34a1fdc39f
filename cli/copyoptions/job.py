# SPDX-License-Identifier: Apache-2.0
"""The whole job: how it is gone on with, what it needs, what becomes of what the source has not."""

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
own("--dry-run", "Copy and delete nothing; tell what would be.")
own(
    "--delete",
    "With -sync: when all is copied, delete below the destination what the source has not; without -r only files. "
    "Nothing is deleted if anything failed.",
)
own(
    "--max-delete",
    "Delete nothing if it were more than N names; with it, the source may be empty.",
    value="N",
)
own("--fail-report", "Write what failed to FILE, as JSON lines.", value="FILE")
own(
    "--require-lifetime",
    "Refuse to begin unless your credential is good for so long, with exit status 77.",
    value="H:M",
)

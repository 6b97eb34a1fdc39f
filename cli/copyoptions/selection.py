# SPDX-License-Identifier: Apache-2.0
"""Which files are copied, which part of them, and how they are written."""

from __future__ import annotations

import click

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("What is copied")
same, better, own = SECTION.same, SECTION.better, SECTION.own

same("-r -recurse --recurse", "Copy what is below the source's directory, too.")
same(
    "-f -filename --from-file from_file",
    'Copy the pairs that FILE lists, one to a line: "SOURCE" "DEST" [OFFSET[,LENGTH]]; - is standard input.',
    remark="lines and URLs of any length; the C tool cuts them at 1,023 and 511 bytes",
    value="FILE",
)
same(
    "-do -dump-only --dump-only dump_only",
    "Copy nothing; write what would be copied to FILE, in the form that -f reads; - is standard output.",
    value="FILE",
)
better(
    "-df -dumpfile --dump-file dump_file",
    "Keep in FILE what has not been copied yet, in the form that -f reads; if FILE is there, begin with what it lists "
    "instead of all other arguments, and with status 2 if that is nothing.",
    remark="lists files that failed with -c, too; files that were begun are listed as a whole",
    value="FILE",
)
better(
    "-list -list-url --list listing",
    "Copy nothing; list the directory at URL, with -r also those below it.",
    remark="with -r, loops of links end; a directory need not be written with a slash",
    value="URL",
)
same("-sync --sync", "Copy only what is missing at the destination or differs.")
same(
    "-sync-level --sync-level",
    "What differs: 0 what is missing; 1 also another size; 2 also what is older; 3 size or checksum.",
    type=click.IntRange(0, 3),
    default=2,
    value="N",
)
same("-off -partial-offset --offset", "Begin at this offset, at both ends.", default=0, value="BYTES")
same("-len -partial-length --length", "Copy so many bytes only.", value="BYTES")
same(
    "-cd -create-dest --create-dest create_dest",
    "Make the destination's directory, and those above it, if they are missing.",
)
own("--inplace", "Write a local destination under its own name from the first byte, without a temporary file.")
same("-a -ascii --ascii", "Convert line ends between this system's form and that of the network.")
same("-b -binary --binary", "Convert nothing: the default.")
better(
    "-preserve -cp -copy-perms --preserve",
    "Give files, and the directories below the one that is named, the permissions and times of last change of their "
    "sources, as far as a server can; directories when all else is done.",
    remark="the C tool takes it and does nothing",
)
same(
    "-rp -relative-paths --relative-paths relative",
    "Read paths of FTP URLs as relative to the login's directory; those that begin with %2F are not.",
)

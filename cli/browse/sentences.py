# SPDX-License-Identifier: Apache-2.0
"""What will happen, in a plain sentence, before it does."""

from __future__ import annotations

import stat
from collections.abc import Sequence

from pyglobus.cli.browse.text import count
from pyglobus.cli.output import printable
from pyglobus.cli.units import format_size
from pyglobus.core.browse.errands import Errand, Rule
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url

_RULES = {
    Rule.REPLACE: "Files of the same name there are replaced.",
    Rule.NEWER: "Files of the same name there are replaced only if they are older, or of another size.",
    Rule.DIFFERENT: "Files of the same name there are replaced only if size or checksum differ.",
    Rule.SKIP: "Files of the same name there stay as they are.",
}


def things(entries: Sequence[Entry], *, contents: bool = True) -> str:
    """``the file run7.h5 (1.21 GiB)``, ``3 files (4.00 KiB) and 2 directories with all that is in them``."""
    directories = [entry for entry in entries if entry.directory and not entry.link]
    files = [entry for entry in entries if not (entry.directory and not entry.link)]
    parts = []
    if len(entries) == 1:
        name = printable(entries[0].name)
        if directories:
            return f"the directory {name}" + (" with all that is in it" if contents else "")
        known = f" ({format_size(entries[0].size)})" if entries[0].size is not None and not entries[0].link else ""
        return f"the {'link' if entries[0].link else 'file'} {name}{known}"
    if files:
        parts.append(f"{count(len(files), 'file')} ({format_size(sum(entry.size or 0 for entry in files))})")
    if directories:
        inside = " with all that is in " + ("it" if len(directories) == 1 else "them") if contents else ""
        parts.append(count(len(directories), "directory") + inside)
    return " and ".join(parts)


def delete(place: Url, entries: Sequence[Entry]) -> str:
    """Before entries are deleted."""
    it = "It" if len(entries) == 1 else "They"
    return f"Delete {things(entries)} from {_place(place)}. {it} cannot be brought back."


def rename(place: Url, entry: Entry) -> str:
    """Before an entry gets another name."""
    return f"Rename {things([entry], contents=False)} in {_place(place)} to:"


def make_directory(place: Url) -> str:
    """Before a directory is made."""
    return f"Make a directory in {_place(place)} called:"


def change_mode(place: Url, entries: Sequence[Entry]) -> str:
    """Before a mode is changed."""
    return f"Set the mode of {things(entries, contents=False)} in {_place(place)} to (octal, as in 640):"


def mode(bits: int) -> str:
    """What mode bits mean."""
    return f"{bits:04o} is {stat.filemode(bits)[1:]}"


def transfer(errand: Errand, entries: Sequence[Entry]) -> str:
    """Before something is copied or moved."""
    source, destination = errand.source, errand.destination
    verb = "Move" if errand.move else "Copy"
    text = f"{verb} {things(entries)} from {_place(source)} to {_place(destination)}."
    if source.is_ftp and destination.is_ftp and source.authority != destination.authority:
        text += " The data goes straight from one server to the other."
    if errand.move and (source.scheme, source.authority) != (destination.scheme, destination.authority):
        text += " What has arrived is then deleted where it came from."
    return text


def rule(rule: Rule) -> str:
    """What a rule means."""
    return _RULES[rule]


def collisions(existing: int, missing: int) -> str:
    """What a look at the destination has found."""
    there = "is there already" if existing == 1 else "are there already"
    return f"{count(existing, 'file')} of {existing + missing:,} {there}. What is to become of them?"


def _place(place: Url) -> str:
    return printable(str(place))

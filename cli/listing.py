# SPDX-License-Identifier: Apache-2.0
"""pyglobus-url-copy -list: directories in the form of the C tool, or as records."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.output import Output

if TYPE_CHECKING:
    from pyglobus.core.options import Options
    from pyglobus.core.tree import Entry


def show(output: Output, text: str, options: Options, *, recursive: bool, debug_fd: int) -> None:
    """List the directory that ``text`` names, or what matches the pattern; with ``recursive`` also what is below."""
    from pyglobus.core.session import Session
    from pyglobus.core.url import parse
    from pyglobus.core.urllist import full
    from pyglobus.core.walk import walk

    url = parse(text)
    records = []
    session = Session(debug_fd=debug_fd, gridftp2=options.gridftp2, relative=options.relative)
    with session, signals.cancelling(session.cancel):
        top = None
        for directory, entries in walk(session, options, url, recursive=recursive):
            output.event("listing", {"url": str(directory)}, text if top is None else full(directory))
            top = top or str(directory)
            for entry in entries:
                records.append(_record(entry, str(directory).removeprefix(top)))
                output.event("entry", records[-1], f"    {entry.name}/" if entry.directory else f"    {entry.name} ")
            if output.is_text:
                sys.stdout.write("\n")
    if output.format == "json":
        output.result("listing", {"url": str(url), "entries": records})


def _record(entry: Entry, below: str) -> dict[str, Any]:
    """One entry; its name is relative to the directory that was asked for."""
    return {
        "name": below + entry.name, "directory": entry.directory, "size": entry.size, "modified": entry.modified,
    }  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""Multicast: one upload that the first server passes on to others, by its XIO driver ``gridftp_multicast``.

A file lists the destinations, a URL to a line, each with options for the driver after a ``?`` (such as ``P=4``).
The driver's own text, in which the list goes to the server as part of the destination's disk stack, is escaped twice:
each URL within the list, and the list within the stack. This is what globus-url-copy does with -MC.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.url import Url, parse

_RESERVED = frozenset(b"#;:=+ ,%")
_MAX_LINE = 64 * 1024


class Multicast(NamedTuple):
    """Where an upload goes: ``first`` is the server that gets it from here, ``driver`` tells it where else to."""

    first: Url
    driver: str


def read(path: str, destination: Url | None, subject: str | None) -> Multicast:
    """What a file of destinations says; without a ``destination`` of its own the upload goes to the first of them.

    ``subject`` is the name that the servers must have, where a line gives none. Raises `errors.Error`.
    """
    try:
        with open(path, "rb") as file:
            lines = [os.fsdecode(line).strip() for line in iter(lambda: file.readline(_MAX_LINE), b"")]
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot read the list of destinations", where=path, role="source") from error
    targets = [_Target.parse(line, f"{path}, line {number}", subject) for number, line in enumerate(lines, 1) if line]
    if not targets:
        raise errors.UsageError("no destination", where=path, why="the list is empty")
    options = []
    if destination is None:
        first = targets.pop(0)
        destination = first.url
        options = [first.options] if first.options else []
    urls = "".join(f"#{_escaped(f'{target.text}?{target.options}')}" for target in targets)
    if urls:
        options.append(f"urls={urls}")
    return Multicast(destination, f"gridftp_multicast:{_escaped(';'.join(options))}")


class _Target(NamedTuple):
    text: str
    url: Url
    options: str

    @classmethod
    def parse(cls, line: str, where: str, subject: str | None) -> _Target:
        text, _, options = line.partition("?")
        url = parse(text)
        if not url.is_ftp:
            raise errors.UsageError("bad destination", where=where, why="only GridFTP and FTP servers pass data on")
        if subject is not None and "subject=" not in options:
            options = f"{options};subject={subject}" if options else f"subject={subject}"
        return cls(text, url, options)


def _escaped(text: str) -> str:
    return "".join(
        f"%{byte:02X}" if byte <= 0x1F or byte >= 0x7F or byte in _RESERVED else chr(byte) for byte in os.fsencode(text)
    )

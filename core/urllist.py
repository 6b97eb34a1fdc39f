# SPDX-License-Identifier: Apache-2.0
"""Lists of URL pairs in files, as globus-url-copy reads them (-f) and writes them (-do, -df).

A line holds a source and a destination, each in double quotes if it contains blanks, then, if only a part is meant,
``OFFSET`` or ``OFFSET,LENGTH`` (-1: none), and then anything, which is ignored. Blank lines and lines that begin with
``#`` are comments.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.plan import Directory, Item, Pair, Step
from pyglobus.core.url import Url, parse

_WORD = r'(?:"(?P<{0}q>[^"]+)"|(?P<{0}>[^\s"]\S*))'
_LINE = re.compile(rf"\s*{_WORD.format('source')}\s+{_WORD.format('dest')}(?:\s+(?P<rest>.*?))?\s*\Z", re.DOTALL)
_PART = re.compile(r"(-1|\d+)(?:,(-1|\d+))?(?:\s|\Z)")
# The C tool cuts lines at 1 KiB; a line beyond this is no list of URLs.
_MAX_LINE = 256 * 1024


def read(path: str) -> Iterator[Pair]:
    """The pairs in a file, ``-`` being standard input, as they are read. Raises `errors.Error`."""
    try:
        stream = open(0, "rb", closefd=False) if path == "-" else open(path, "rb")  # noqa: SIM115
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot read the list of URLs", where=path, role="source") from error
    with stream:
        number = 0
        while line := stream.readline(_MAX_LINE):
            number += 1
            text = os.fsdecode(line).strip()
            if text and not text.startswith("#"):
                yield _pair(text, f"{path}, line {number}")


def _pair(text: str, where: str) -> Pair:
    match = _LINE.match(text)
    if match is None:
        raise errors.UsageError(
            "cannot understand the list of URLs", where=where, why='a line holds "SOURCE" "DEST" [OFFSET[,LENGTH]]'
        )
    source, destination = match["sourceq"] or match["source"], match["destq"] or match["dest"]
    offset = length = None
    if rest := match["rest"]:
        part = _PART.match(rest)
        if part is None:  # the C tool takes -2 for an error, too
            raise errors.UsageError("bad offset in the list of URLs", where=where, why=f"'{rest}' is not OFFSET,LENGTH")
        offset, length = _number(part[1]), _number(part[2])
    if source == destination == "-":
        raise errors.UsageError("bad list of URLs", where=where, why="standard input and output cannot be copied")
    return Pair(parse(source), parse(destination), offset, length)


def _number(text: str | None) -> int | None:
    return None if text is None or text.startswith("-") else int(text)


def lines(steps: Iterable[Step], options: Options) -> Iterator[str]:
    """The lines of a list of what would be copied; directories are comments, as the C tool has them."""
    for step in steps:
        if isinstance(step, Item):
            yield item_line(step, options)
        elif isinstance(step, Directory) and step.source is not None:
            yield "#" + _line(step.source, step.url, *_part(options), _facts(step))


def item_line(item: Item, options: Options) -> str:
    """The line of one file, with the part of it that ``options`` ask for, unless it has one of its own."""
    own = item.offset is not None or item.length is not None
    return _line(item.source, item.destination, *((item.offset, item.length) if own else _part(options)), _facts(item))


def pair_line(pair: Pair, options: Options) -> str:
    """The line of a pair of URLs as they were given."""
    return item_line(Item(pair.source, pair.destination, offset=pair.offset, length=pair.length), options)


def _part(options: Options) -> tuple[int | None, int | None]:
    return options.offset if options.partial else None, options.length


def _line(source: Url, destination: Url, offset: int | None, length: int | None, facts: str) -> str:
    ends = f'"{full(source)}" "{full(destination)}"'
    if length is not None:
        return f"{ends} {offset or 0},{length} {facts}"
    if offset is not None:
        return f"{ends} {offset} {facts}"
    return f"{ends} 0,-1 {facts}" if facts else ends


def full(url: Url) -> str:
    """A URL in a form that every tool reads back: with scheme, and with escapes."""
    if url.is_stream:
        return "-"
    from urllib.parse import quote_from_bytes

    # As the C tool does it, for the lines to be the same; an asterisk would be a pattern. "/~" alone is a home.
    home = "/~" if url.path.startswith("/~") and not url.is_local else ""
    path = quote_from_bytes(os.fsencode(url.path[len(home) :]), safe="/:@+,=$!'()&").replace("~", "%7E")
    path = home + path
    if url.is_local:
        return (
            f"file://{path}" if path.startswith("/") else f"file://{quote_from_bytes(os.fsencode(os.getcwd()))}/{path}"
        )
    user = f"{url.user}@" if url.user else ""
    if url.is_ftp and path.startswith("//"):  # absolute, with -rp
        path = f"/%2F{path[2:]}"
    return f"{url.scheme}://{user}{url.authority}{path}"


def _facts(step: Item | Directory) -> str:
    known = []
    if isinstance(step, Item) and step.size is not None:
        known.append(f"size={step.size};")
    if step.modified is not None:
        known.append(f"modify={int(step.modified)};")
    if step.mode is not None:
        known.append(f"mode={step.mode:04o};")
    return "".join(known)

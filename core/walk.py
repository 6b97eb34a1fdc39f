# SPDX-License-Identifier: Apache-2.0
"""Directories of this machine and of servers alike: what is in one, and which of those below it to go on with.

A directory that leads back to one in which it lies, by a symbolic link, is none to go on with: local ones are known by
their real paths, those of a server by what it calls them whatever name leads there (the fact ``unique`` of MLSD).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice

from pyglobus.core.lister import Lister
from pyglobus.core.options import Options
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import NamedTuple


class Place(NamedTuple):
    """A directory to be listed, where a copy of it goes, and what led there. ``ids`` are the directories that it lies
    in, in the words of their server.
    """

    source: Url
    destination: Url
    depth: int = 0
    pattern: str = "*"
    entry: Entry | None = None
    ids: frozenset[str] = frozenset()


def inner(lister: Lister, place: Place, directories: list[Entry]) -> Iterator[Place]:
    """The directories to go on with: not those that lead back to one in which they lie."""
    ids = place.ids
    if not ids and place.source.is_ftp and any(entry.unique for entry in directories):
        ids = frozenset(filter(None, (lister.identity(place.source),)))
    for entry in directories:
        below, into = place.source.join(entry.name + "/"), place.destination.join(entry.name + "/")
        if (entry.unique is not None and entry.unique in ids) or (below.is_local and _loops(below.path)):
            continue
        known = ids | {entry.unique} if entry.unique is not None else ids
        yield Place(below, into, place.depth + 1, entry=entry, ids=known)


def walk(session: Session, options: Options, top: Url, *, recursive: bool) -> Iterator[tuple[Url, Iterator[Entry]]]:
    """A directory, or what matches a pattern in it, then with ``recursive`` those below it, level by level: each with
    its entries, which must be taken before the next one, whose listing is begun meanwhile. Raises `errors.Error`.
    """
    first = Place(top, top) if top.pattern is None else Place(top.parent(), top.parent(), pattern=top.pattern)
    waiting = deque([first])
    lister = Lister(session, options, "source")
    while waiting:
        place = waiting.popleft()
        found: list[Entry] = []
        for coming in (place, *islice(waiting, 1)):
            lister.expect(coming.source)
        yield place.source, _noted(lister.entries(place.source), place.pattern, found)
        if recursive:
            waiting += inner(lister, place, found)


def _noted(listed: Iterator[Entry], pattern: str, directories: list[Entry]) -> Iterator[Entry]:
    for entry in listed:
        if fnmatchcase(entry.name, pattern):
            if entry.directory:
                directories.append(entry)
            yield entry


def _loops(path: str) -> bool:
    """Whether a local directory is one of those that it lies in, by way of a symbolic link."""
    path = path.rstrip("/")
    if not os.path.islink(path):
        return False
    above = os.path.realpath(os.path.dirname(path))
    real = os.path.realpath(path)
    return above == real or above.startswith(real.rstrip("/") + "/")

# SPDX-License-Identifier: Apache-2.0
"""Which files of a mirror differ. The destination's directories are listed once each, not looked at file by file."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress

from pyglobus.core import checksum, errors
from pyglobus.core.localfile import LocalSource
from pyglobus.core.options import Options
from pyglobus.core.plan import Item
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry, list_local, list_remote, parse_time
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.faults import Role

#: Copy what is missing; or differs in size; or in size or is older; or in size or checksum. As globus-url-copy
#: numbers them.
MISSING, SIZE, TIME, CHECKSUM = range(4)


class Sync:
    """Compares the items of a plan with their destinations, in the order of the plan."""

    def __init__(self, level: int = TIME) -> None:
        if level not in (MISSING, SIZE, TIME, CHECKSUM):
            raise errors.UsageError("bad sync level", where=str(level), why="it is 0, 1, 2 or 3")
        self._level = level
        # The directory of the destination that was listed last: its place, and what is in it.
        self._place: tuple[object, ...] = ()
        self._entries: dict[str, Entry] = {}

    def differs(self, session: Session, options: Options, item: Item) -> bool:
        """Whether the item must be copied."""
        there = self._find(session, options, item.destination)
        if there is None or there.directory:
            return True
        if self._level == MISSING:
            return False
        size, modified = item.size, item.modified
        if not item.listed:
            size, modified = look(session, options, item.source)
        if size != there.size:
            return True
        if self._level == TIME:
            return modified is None or there.modified is None or int(there.modified) < int(modified)
        if self._level == CHECKSUM:
            return _sum(session, options, item.source, "source", size) != _sum(
                session, options, item.destination, "destination", size
            )
        return False

    def _find(self, session: Session, options: Options, url: Url) -> Entry | None:
        head, _, name = url.path.rpartition("/")
        place = (head, url.scheme, url.host, url.port, url.user)  # for each file of a tree: Url.parent() costs more
        if place != self._place:
            self._place, self._entries = place, {}
            with suppress(errors.NotFound, errors.CannotCreate):  # a directory that is not there has no entries
                self._entries = {entry.name: entry for entry in _entries(session, options, url.parent())}
        return self._entries.get(name)


def _entries(session: Session, options: Options, directory: Url) -> Iterator[Entry]:
    if directory.is_local:
        return list_local(directory.path)
    return list_remote(Remote(session, directory, options.destination, options, "destination"))


def look(session: Session, options: Options, url: Url) -> tuple[int | None, float | None]:
    """Size and time of a source that no listing has told of; None for what cannot be known."""
    if url.is_local:
        with LocalSource(url.path) as source:
            return source.size, source.status.st_mtime
    if url.is_ftp:
        facts = Remote(session, url, options.source, options, "source").stat()
        if facts is not None:
            return facts.size, parse_time(facts.modified)
    return None, None


def _sum(session: Session, options: Options, url: Url, role: Role, size: int | None) -> str:
    algorithm = options.checksum_algorithm
    if url.is_local:
        with LocalSource(url.path) as source:
            return _result(checksum.of_file(source.fd, algorithm), session)
    side = options.source if role == "source" else options.destination
    return _result(Remote(session, url, side, options, role).checksum(algorithm, size), session)


def _result(computing: Generator[None, None, str], session: Session) -> str:
    while True:
        try:
            next(computing)
        except StopIteration as ended:
            return str(ended.value)
        session.check()

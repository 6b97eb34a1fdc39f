# SPDX-License-Identifier: Apache-2.0
"""Which files of a mirror differ. The destination's directories are listed once each, not looked at file by file.

Such a listing tells of the directories in it as well: those that are there need not be made, and can be listed ahead.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress

from pyglobus.core import checksum, errors
from pyglobus.core.lister import Lister
from pyglobus.core.localfile import LocalSource
from pyglobus.core.options import Options
from pyglobus.core.plan import Item
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry, parse_time
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.faults import Role

#: Copy what is missing; or differs in size; or in size or is older; or in size or checksum. As globus-url-copy
#: numbers them.
MISSING, SIZE, TIME, CHECKSUM = range(4)


class Sync:
    """What must be alike for a file not to be copied again."""

    def __init__(self, level: int = TIME) -> None:
        if level not in (MISSING, SIZE, TIME, CHECKSUM):
            raise errors.UsageError("bad sync level", where=str(level), why="it is 0, 1, 2 or 3")
        self.level = level


class Comparison:
    """Compares the items of a plan with their destinations, in the order of the plan."""

    def __init__(self, sync: Sync, session: Session, options: Options, lister: Lister) -> None:
        """``lister`` is for the destination."""
        self._level = sync.level
        self._session = session
        self._options = options
        self._lister = lister
        # The directory of the destination that was listed last: its place, and what is in it.
        self._place: tuple[object, ...] = ()
        self._entries: dict[str, Entry] = {}
        # Directories of servers that are there, and were not entered yet.
        self._there: set[Url] = set()

    def expect(self, directory: Url) -> None:
        """This directory comes next."""
        if directory in self._there:
            self._lister.expect(directory)

    def enter(self, directory: Url) -> bool:
        """What comes next goes into this directory; whether that is known to be there."""
        there = directory in self._there
        self._there.discard(directory)
        return there

    def look(self, directory: Url) -> None:
        """See what is in the directory, which has been entered and is there."""
        with suppress(errors.AccessDenied):  # unless there is something to compare, that does not matter
            self._list(directory, _place(directory))

    def differs(self, item: Item) -> bool:
        """Whether the item must be copied."""
        session, options = self._session, self._options
        there = self._find(item.destination)
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
            return digest(session, options, item.source, "source", size) != digest(
                session, options, item.destination, "destination", size
            )
        return False

    def _find(self, url: Url) -> Entry | None:
        if (place := _place(url)) != self._place:
            self._list(url.parent(), place)
        return self._entries.get(url.path.rpartition("/")[2])

    def _list(self, directory: Url, place: tuple[object, ...]) -> None:
        found: dict[str, Entry] = {}
        with suppress(errors.NotFound, errors.CannotCreate):  # a directory that is not there has no entries
            found = {entry.name: entry for entry in self._lister.entries(directory)}
        self._place, self._entries = place, found
        if directory.is_ftp:
            self._there.update(directory.join(f"{entry.name}/") for entry in found.values() if entry.directory)


def _place(url: Url) -> tuple[object, ...]:
    """The directory that a file is in, or that a directory is; for each file of a tree: Url.parent() costs more."""
    return url.path.rpartition("/")[0], url.scheme, url.host, url.port, url.user


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


def digest(session: Session, options: Options, url: Url, role: Role, size: int | None) -> str:
    """The checksum of a file, in ``options.checksum_algorithm``, with the ``role`` that it has for a server. Raises
    `errors.Error`.
    """
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

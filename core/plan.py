# SPDX-License-Identifier: Apache-2.0
"""What is to be copied: pairs of URLs, expanded to single files as they are needed.

A source that ends in a slash stands for the files in that directory, with ``recursive`` for all below it; ``* ? [ ]``
in the last component of a source stand for the names that match. Expansion is lazy and depth first: the first file is
known as soon as the first listing has begun. Directories of the destination come before what belongs into them. Which
directory comes next is settled before one is listed, so that it can be listed meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from fnmatch import fnmatchcase

from pyglobus.core import errors
from pyglobus.core.lister import Lister
from pyglobus.core.tree import Entry, names_in
from pyglobus.core.url import Url
from pyglobus.core.walk import Place, inner
from pyglobus.ffi.annotation import NamedTuple

# Deeper trees are loops of links, or not to be believed.
_MAX_DEPTH = 200


class Pair(NamedTuple):
    """A source and a destination as the user names them; ``offset`` and ``length`` as in `Options`, None for its
    own.
    """

    source: Url
    destination: Url
    offset: int | None = None
    length: int | None = None


class Item(NamedTuple):
    """One file to copy. ``size`` and ``modified`` (seconds since the epoch) are known from the listing, or None."""

    source: Url
    destination: Url
    size: int | None = None
    modified: float | None = None
    mode: int | None = None
    #: From a listing, so that it need not be looked at again.
    listed: bool = False
    offset: int | None = None
    length: int | None = None
    #: The destination's directory is new: there can be nothing of its name.
    fresh: bool = False


class Directory(NamedTuple):
    """A directory of the destination to make, unless it is there.

    ``top`` is the one that the user names, which is made only if that is wished; below it ``source`` is its pattern.
    """

    url: Url
    source: Url | None = None
    modified: float | None = None
    mode: int | None = None
    top: bool = False


class Listed(NamedTuple):
    """All of a directory has been listed: the names in it, also of what is not copied. ``top`` as of `Directory`."""

    source: Url
    destination: Url
    names: frozenset[str]
    top: bool


Step = Item | Directory | Listed


class Plan:
    """The steps of a job. It is used by one thread, the one that iterates."""

    def __init__(
        self,
        lister: Lister,
        *,
        recursive: bool,
        unlisted: Callable[[Pair, errors.Error], None] | None = None,
        names: bool = False,
        expect: Callable[[Url], None] | None = None,
    ) -> None:
        """``names``: there is a `Listed` for each directory that is copied as a whole. ``unlisted`` is told of a
        directory below the top that cannot be listed; without it, that is raised. ``expect`` is told which
        directories of the destination come next.
        """
        self._lister = lister
        self._unlisted = unlisted
        self._names = names
        self._expect = expect
        self._recursive = recursive
        # The pair under way; the directory of it that is being listed; and those that are known and not listed yet.
        self._lock = threading.Lock()
        self._pair: Pair | None = None
        self._at: Place | None = None
        self._ahead: list[Place] = []

    def steps(self, pair: Pair) -> Iterator[Step]:
        """The steps for one pair. Raises `errors.Error` for what cannot be listed."""
        with self._lock:
            self._pair, self._at, self._ahead = pair, None, []
        source, destination = pair.source, pair.destination
        if source.is_plain:
            if destination.is_directory:
                destination = destination.join(source.name)
            yield Item(source, destination, offset=pair.offset, length=pair.length)
        elif not destination.is_directory:
            raise errors.UsageError(
                "destination must be a directory", where=str(destination), why="several files may be copied to it",
                hint="a URL that names a directory ends with a slash",
            )  # fmt: skip
        elif source.is_directory:
            yield Directory(destination, top=True)
            yield from self._below(pair, Place(source, destination))
        else:
            yield Directory(destination, top=True)
            found = False
            for step in self._below(pair, Place(source.parent(), destination, 1, source.pattern or "*")):
                found = True
                yield step
            if not found:
                raise errors.NotFound("nothing to copy", where=str(source), why="no name matches", fault="no-such-file")
        with self._lock:
            self._pair = None

    def rest(self) -> list[Pair]:
        """What the steps given so far leave of the pair under way, as pairs to be given to a plan of the same kind.

        A directory whose listing has begun is in it as a whole. Safe from another thread while steps are taken.
        """
        with self._lock:
            pair, at, ahead = self._pair, self._at, list(self._ahead)
        if pair is None:
            return []
        if at is None or at.pattern != "*":
            return [pair]
        return [pair._replace(source=place.source, destination=place.destination) for place in (at, *reversed(ahead))]

    def _below(self, pair: Pair, top: Place) -> Iterator[Step]:
        place = self._next([top])
        while place is not None:
            if place.entry is not None:
                yield Directory(place.destination, place.source, place.entry.modified, place.entry.mode)
            try:
                directories = yield from self._listed(pair, place)
            except errors.Error as error:
                if self._unlisted is None or place.entry is None or isinstance(error, errors.Cancelled):
                    raise
                self._unlisted(pair._replace(source=place.source, destination=place.destination), error)
                directories = []
            if not self._recursive:
                directories = []
            if directories and place.depth >= _MAX_DEPTH:
                why = "is there a loop of symbolic links?"
                raise errors.DataError("directory too deep", where=str(place.source), why=why)
            place = self._next(list(inner(self._lister, place, directories)))

    def _next(self, found: list[Place]) -> Place | None:
        """The directory to be listed next, in place of the one that ``found`` are in; they come after the one that
        was announced to come next.
        """
        with self._lock:
            self._ahead[-1:-1] = reversed(found)
            if not self._ahead:
                self._pair = None
                return None
            self._at = place = self._ahead.pop()
            coming = self._ahead[-1:]
        for each in (place, *coming):
            self._lister.expect(each.source)
            if self._expect is not None:
                self._expect(each.destination)
        return place

    def _listed(self, pair: Pair, place: Place) -> Generator[Step, None, list[Entry]]:
        """The files of a directory as they are listed; in the end its directories."""
        source, into, directories = place.source, place.destination, []
        source_of, place_of = source.inside(), into.inside()
        names = set()
        for entry in self._lister.entries(source):
            if self._names:
                names.add(entry.name)
            if place.pattern != "*" and not fnmatchcase(entry.name, place.pattern):
                continue
            if entry.directory:
                directories.append(entry)
            else:
                yield Item(
                    source_of(entry.name), place_of(entry.name), entry.size, entry.modified, entry.mode,
                    listed=True, offset=pair.offset, length=pair.length,
                )  # fmt: skip
        if self._names and place.pattern == "*":
            if source.is_local:  # links that lead nowhere are names, too
                names.update(names_in(source.path))
            yield Listed(source, into, frozenset(names), place.entry is None)
        return directories

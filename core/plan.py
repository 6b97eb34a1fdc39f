# SPDX-License-Identifier: Apache-2.0
"""What is to be copied: pairs of URLs, expanded to single files as they are needed.

A source that ends in a slash stands for the files in that directory, with ``recursive`` for all below it; ``* ? [ ]``
in the last component of a source stand for the names that match. Expansion is lazy and depth first: the first file is
known as soon as the first listing has begun. Directories of the destination come before what belongs into them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry, list_local, list_remote
from pyglobus.core.url import Url
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


class Directory(NamedTuple):
    """A directory of the destination to make, unless it is there.

    ``top`` is the one that the user names, which is made only if that is wished; below it ``source`` is its pattern.
    """

    url: Url
    source: Url | None = None
    modified: float | None = None
    mode: int | None = None
    top: bool = False


Step = Item | Directory


class Plan:
    """The steps of a job. Its session is used by one thread, the one that iterates."""

    def __init__(self, session: Session, options: Options, *, recursive: bool) -> None:
        self._session = session
        self._options = options
        self._recursive = recursive

    def steps(self, pair: Pair) -> Iterator[Step]:
        """The steps for one pair. Raises `errors.Error` for what cannot be listed."""
        source, destination = pair.source, pair.destination
        if source.is_plain:
            if destination.is_directory:
                destination = destination.join(source.name)
            yield Item(source, destination, offset=pair.offset, length=pair.length)
            return
        if not destination.is_directory:
            raise errors.UsageError(
                "destination must be a directory", where=str(destination), why="several files may be copied to it",
                hint="a URL that names a directory ends with a slash",
            )  # fmt: skip
        if source.is_directory:
            yield from self._below(source, destination, "*", 0)
        else:
            yield Directory(destination, top=True)
            found = False
            for step in self._below(source.parent(), destination, source.pattern or "*", 1):
                found = True
                yield step
            if not found:
                raise errors.NotFound("nothing to copy", where=str(source), why="no name matches", fault="no-such-file")

    def _below(self, source: Url, destination: Url, pattern: str, depth: int) -> Iterator[Step]:
        directories: list[Entry] = []
        if depth == 0:
            yield Directory(destination, top=True)
        for entry in entries(self._session, self._options, source):
            if not fnmatchcase(entry.name, pattern):
                continue
            if entry.directory:
                directories.append(entry)
            else:
                into = destination.join(entry.name)
                yield Item(source.join(entry.name), into, entry.size, entry.modified, entry.mode, listed=True)
        if not self._recursive:
            return
        if depth >= _MAX_DEPTH:
            raise errors.DataError("directory too deep", where=str(source), why="is there a loop of symbolic links?")
        for entry in directories:
            inner, into = source.join(entry.name + "/"), destination.join(entry.name + "/")
            if source.is_local and _loops(inner.path):
                continue
            yield Directory(into, inner, entry.modified, entry.mode)
            yield from self._below(inner, into, "*", depth + 1)


def entries(session: Session, options: Options, directory: Url) -> Iterator[Entry]:
    """What is in a directory of this machine or of a GridFTP server. Raises `errors.Error`."""
    if directory.is_local:
        return list_local(directory.path)
    if directory.is_ftp:
        return list_remote(Remote(session, directory, options.source, options, "source"))
    raise errors.Unsupported(
        "cannot list", where=str(directory), why="HTTP servers and standard input have no directories"
    )


def _loops(path: str) -> bool:
    """Whether a local directory is one of those that it lies in, by way of a symbolic link."""
    path = path.rstrip("/")
    if not os.path.islink(path):
        return False
    above = os.path.realpath(os.path.dirname(path))
    real = os.path.realpath(path)
    return above == real or above.startswith(real.rstrip("/") + "/")

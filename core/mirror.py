# SPDX-License-Identifier: Apache-2.0
"""What of a mirror its source has not, and its deletion.

While the plan is made, each directory of the destination is compared with the listing of its source: names alone count,
those that are not copied too. Nothing is deleted before all is copied, and nothing at all if anything failed, be it a
listing or a file. What is to be deleted is listed as a whole first, and counted. Symbolic links are deleted, never
followed: nothing is compared in a directory of the destination that is reached through one, and so nothing outside of
the destination can be deleted.

Files arrive while others are still being compared. Their temporary names are seen then, and looked at again in the end:
what is left of a copy that was killed goes, and what has got its name does not count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set

from pyglobus.core import errors
from pyglobus.core.localfile import is_temporary_name
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import list_remote
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import NamedTuple, TypeVar

T = TypeVar("T")

# Deeper trees are not to be believed.
_MAX_DEPTH = 200


class Doomed(NamedTuple):
    """What is to be deleted: a directory, by then empty, or anything else. ``size`` is that of a file, if known."""

    url: Url
    directory: bool
    size: int | None


class Mirror:
    """The deletions of one job. Used by one thread at a time."""

    def __init__(self, most: int | None = None) -> None:
        """``most`` is how many names may go; None is any number, unless the source is empty."""
        self._most = most
        self._extras: list[Doomed] = []
        self._linked: list[str] = []
        self._seen = False

    def compare(
        self, session: Session, options: Options, destination: Url, names: Set[str], *, top: bool, recursive: bool
    ) -> None:
        """Find what a directory has beside these names; without ``recursive``, directories stay. Raises
        `errors.Error`.
        """
        self._seen = self._seen or bool(names)
        path = destination.path.rstrip("/")
        if any(path.startswith(f"{linked}/") for linked in self._linked):
            return
        if not top and _is_link(session, options, destination):
            self._linked.append(path)
            return
        try:
            found = list(_entries(session, options, destination))
        except (errors.NotFound, errors.CannotCreate):  # it is not there
            return
        self._extras += [
            extra for extra in found if extra.url.name not in names and (recursive or not extra.directory)
        ]  # fmt: skip

    def doomed(self, session: Session, options: Options) -> list[Doomed]:
        """All that is to be deleted, what is in a directory before the directory.

        Raises `errors.Error` if it is more than may be, or all there is.
        """
        self._extras = [extra for extra in self._extras if not _has_become_a_file(session, options, extra)]
        found = [each for extra in self._extras for each in below(session, options, extra, 0)]
        where = str(self._extras[0].url.parent()) if self._extras else ""
        if self._most is not None and len(found) > self._most:
            why = f"{len(found)} names would go; --max-delete allows {self._most}"
            raise errors.Error("nothing was deleted", where=where, why=why, fault="too-many-to-delete")
        if found and not self._seen and self._most is None:
            raise errors.Error(
                "nothing was deleted", where=where, why="the source is empty", fault="empty-source",
                hint="is it the right one? --max-delete N says that N names may go",
            )  # fmt: skip
        return found


def delete(session: Session, options: Options, doomed: Doomed) -> None:
    """Delete it; what is gone by itself is as good. Raises `errors.Error`."""
    try:
        _delete(session, options, doomed)
    except (errors.NotFound, errors.CannotCreate):
        if _is_there(session, options, doomed.url):
            raise


def _delete(session: Session, options: Options, doomed: Doomed) -> None:
    url = doomed.url
    if url.is_local:
        _local(os.rmdir if doomed.directory else os.unlink, url.path.rstrip("/"), "cannot delete")
        return
    place = Remote(session, url, options.destination, options, "destination")
    if doomed.directory:
        place.remove_directory()
    else:
        place.delete()


def _is_there(session: Session, options: Options, url: Url) -> bool:
    if url.is_local:
        return os.path.lexists(url.path.rstrip("/"))
    return Remote(session, url, options.destination, options, "destination").stat() is not None


def _has_become_a_file(session: Session, options: Options, extra: Doomed) -> bool:
    """Whether this was the temporary name of what has arrived since."""
    temporary = not extra.directory and is_temporary_name(extra.url.name)
    return temporary and not _is_there(session, options, extra.url)


def below(session: Session, options: Options, extra: Doomed, depth: int = 0) -> Iterator[Doomed]:
    """This, and before it all that is in it, links not followed. Raises `errors.Error`."""
    if extra.directory:
        if depth >= _MAX_DEPTH:
            raise errors.DataError("directory too deep", where=str(extra.url))
        for inner in list(_entries(session, options, extra.url)):
            yield from below(session, options, inner, depth + 1)
    yield extra


def _entries(session: Session, options: Options, directory: Url) -> Iterator[Doomed]:
    """What is in a directory of the destination, links not followed."""
    if not directory.is_local:
        for entry in list_remote(Remote(session, directory, options.destination, options, "destination")):
            inner = entry.directory and not entry.link
            yield Doomed(directory.join(f"{entry.name}/" if inner else entry.name), inner, entry.size)
        return
    with _local(os.scandir, directory.path, "cannot list") as entries:
        for item in entries:
            inner = item.is_dir(follow_symlinks=False)
            size = None if inner else item.stat(follow_symlinks=False).st_size
            yield Doomed(directory.join(f"{item.name}/" if inner else item.name), inner, size)


def _is_link(session: Session, options: Options, directory: Url) -> bool:
    if directory.is_local:
        return os.path.islink(directory.path.rstrip("/"))
    plain = directory._replace(path=directory.path.rstrip("/"))
    facts = Remote(session, plain, options.destination, options, "destination").stat()
    return facts is not None and facts.link


def _local(call: Callable[[str], T], path: str, what: str) -> T:
    from pyglobus.core.faults import explain

    try:
        return call(path)
    except OSError as error:
        raise explain(error, what=what, where=path, role="destination") from error

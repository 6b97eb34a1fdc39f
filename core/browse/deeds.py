# SPDX-License-Identifier: Apache-2.0
"""The small things done to entries of one place: delete, rename, make a directory, change the mode.

Each works here and at servers. Of several entries those that can be done are done; what failed is told in the end. A
symbolic link is deleted, never followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from pyglobus.core import errors
from pyglobus.core.mirror import Doomed, below
from pyglobus.core.mirror import delete as delete_one
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url

Told = Callable[[str], None]


def delete(session: Session, options: Options, place: Url, entries: Iterable[Entry], told: Told) -> None:
    """Delete these entries of ``place``, directories with all that is in them; ``told`` of each that is gone.

    Raises `errors.Error`; `errors.PartlyDone` if others are gone.
    """

    def one(entry: Entry) -> None:
        for doomed in below(session, options, _doomed(place, entry)):
            session.check()
            delete_one(session, options, doomed)
            told(str(doomed.url))

    _each(entries, one, "deleted")


def change_mode(session: Session, options: Options, place: Url, entries: Iterable[Entry], mode: int) -> None:
    """Give these entries the mode bits. Raises as `delete` does."""

    def one(entry: Entry) -> None:
        url = place.join(entry.name)
        if url.is_local:
            _local(lambda: os.chmod(url.path, mode), "cannot set the mode", url)
        else:
            _remote(session, options, url).set_mode(mode)

    _each(entries, one, "changed")


def rename(session: Session, options: Options, source: Url, destination: Url) -> None:
    """Give an entry another name, or another directory of the same server or file system.

    Nothing is replaced: raises `errors.CannotCreate` if the name is taken, and `errors.Error`.
    """
    if is_there(session, options, destination):
        raise errors.CannotCreate("cannot rename", where=str(destination), why="that name is taken", fault="name-taken")
    if source.is_local:
        _local(lambda: os.rename(source.path, destination.path), "cannot rename", source)
    else:
        _remote(session, options, source).move(_remote(session, options, destination))


def make_directory(session: Session, options: Options, url: Url) -> None:
    """Make a directory. Raises `errors.CannotCreate` if the name is taken, and `errors.Error`."""
    if is_there(session, options, url):
        raise errors.CannotCreate("cannot make directory", where=str(url), why="that name is taken", fault="name-taken")
    if url.is_local:
        _local(lambda: os.mkdir(url.path), "cannot make directory", url)
    else:
        _remote(session, options, url).make_if_missing()


def is_there(session: Session, options: Options, url: Url) -> bool:
    """Whether there is anything of that name; a link that leads nowhere is something, here."""
    if url.is_local:
        return os.path.lexists(url.path.rstrip("/"))
    return _remote(session, options, url._replace(path=url.path.rstrip("/"))).stat() is not None


def _doomed(place: Url, entry: Entry) -> Doomed:
    directory = entry.directory and not entry.link
    return Doomed(place.join(f"{entry.name}/" if directory else entry.name), directory, entry.size)


def _each(entries: Iterable[Entry], one: Callable[[Entry], None], done: str) -> None:
    failures: list[errors.Error] = []
    number = 0
    for entry in entries:
        number += 1
        try:
            one(entry)
        except errors.Cancelled:
            raise
        except errors.Error as error:
            failures.append(error)
    if failures and (number == 1 or isinstance(failures[0], errors.CredentialError)):
        raise failures[0]
    if failures:
        raise errors.PartlyDone(
            f"{len(failures)} of {number} could not be {done}", why=str(failures[0]), failures=failures,
            hint=failures[0].hint,
        )  # fmt: skip


def _remote(session: Session, options: Options, url: Url) -> Remote:
    return Remote(session, url, options.destination, options, "destination")


def _local(call: Callable[[], None], what: str, url: Url) -> None:
    from pyglobus.core.faults import explain

    try:
        call()
    except OSError as error:
        raise explain(error, what=what, where=url.path, role="destination") from error

# SPDX-License-Identifier: Apache-2.0
"""Permissions and times of directories that were copied: given when all that goes into them is there.

A directory is changed by what is put into it, and one that forbids writing takes nothing; so they come last, the
deepest ones first. The directory that the user has named is not the copy's own, and stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.plan import Directory
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session


def preserve(session: Session, options: Options, directories: Iterable[Directory]) -> Iterator[errors.Error]:
    """Give them what their sources have; yields what did not succeed."""
    for directory in sorted(directories, key=lambda each: each.url.path.count("/"), reverse=True):
        for change in _changes(session, options, directory):
            try:
                change()
            except (errors.AccessDenied, errors.CannotCreate, errors.NotFound, errors.Unsupported) as error:
                yield error


def _changes(session: Session, options: Options, directory: Directory) -> Iterator[Callable[[], None]]:
    """What is to be done for one: the time first, which some servers set only where the owner may write."""
    url, mode, modified = directory.url, directory.mode, directory.modified
    if url.is_local:
        if modified is not None:
            yield partial(_local, "cannot set the time", partial(os.utime, url.path, (modified, modified)), url.path)
        if mode is not None:
            yield partial(_local, "cannot set the mode", partial(os.chmod, url.path, mode & 0o777), url.path)
    elif url.is_ftp:
        place = Remote(session, url, options.destination, options, "destination")
        if modified is not None:
            yield partial(place.set_time, modified)
        if mode is not None:
            yield partial(place.set_mode, mode & 0o777)


def _local(what: str, change: Callable[[], None], path: str) -> None:
    try:
        change()
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what=what, where=path, role="destination") from error

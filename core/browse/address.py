# SPDX-License-Identifier: Apache-2.0
"""Which directory is meant: what somebody types, the one above, and the one inside.

An address is what every command takes: a path of this machine, or a ``file:``, ``gsiftp:`` or ``ftp:`` URL. What has
neither a scheme nor a slash or ``~`` at its beginning is relative to the place where one is.
"""

from __future__ import annotations

import os

from pyglobus.core import errors
from pyglobus.core.place import plain
from pyglobus.core.url import Url, parse


def directory(text: str, base: Url | None = None) -> Url:
    """The directory that ``text`` names, seen from ``base`` (by default the working directory).

    The name of a local file stands for the directory that it is in. Raises `errors.UsageError` for what is no address,
    and `errors.Unsupported` for what has no directories.
    """
    text = text.strip(" ")
    base = base or Url("file", f"{os.getcwd()}/")
    if not text:
        return base
    found = parse(text)
    if found.is_local and "://" not in text and not text.startswith(("/", "~", "file:")):
        found = base._replace(path=f"{base.path.rstrip('/')}/{text}", pattern=None)
    if not (found.is_local or found.is_ftp):
        raise errors.Unsupported(
            "cannot browse", where=str(found), why="HTTP servers and standard input have no directories",
            hint="give a path, or a gsiftp:// or ftp:// URL",
        )  # fmt: skip
    path = os.path.join(os.getcwd(), found.path) if found.is_local else found.path
    if found.is_local and os.path.isfile(path):
        path = os.path.dirname(path)
    return found._replace(path=_plain(path), pattern=None)


def above(place: Url) -> Url | None:
    """The directory that this one is in; None at the top. Above a home at a server is the server's root."""
    if place.path == "/":
        return None
    return place._replace(path=_plain(f"{place.path}../"), pattern=None)


def inside(place: Url, name: str) -> Url:
    """The directory ``name`` in this one. Raises `errors.UsageError` for what is no name."""
    return place.join(f"{name}/")


def label(place: Url) -> str:
    """The place in few words: its last name, and the server if it is at one."""
    name = place.name or "/"
    return name if place.is_local else f"{name} at {place.authority}"


def _plain(path: str) -> str:
    """A path with a slash at its end, without ``.``, ``..`` and empty parts."""
    return plain(path).rstrip("/") + "/"

# SPDX-License-Identifier: Apache-2.0
"""Bookmarks and recent places, in a file of the user's state directory. No password is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyglobus.core import errors, files
from pyglobus.core.url import Url, parse
from pyglobus.core.urllist import full

_MOST = 20
_MAX_SIZE = 1 << 20


def path() -> Path:
    """The file; it need not be there."""
    return Path(files.state_home(), "pyglobus", "browse", "places.json")


class Memory:
    """``bookmarks`` are in the order in which they were made, ``recent`` places have the latest first."""

    def __init__(self) -> None:
        self.bookmarks: list[Url] = []
        self.recent: list[Url] = []
        self._load()

    def visit(self, place: Url) -> None:
        """This place was shown. Raises `errors.CannotCreate`."""
        self._change(lambda: self._visited(place))

    def toggle(self, place: Url) -> bool:
        """Bookmark this place, or forget the bookmark; whether it is one now. Raises `errors.CannotCreate`."""
        place = parse(full(place))
        self._change(lambda: self.bookmarks.remove(place) if place in self.bookmarks else self.bookmarks.append(place))
        return place in self.bookmarks

    def _visited(self, place: Url) -> None:
        place = parse(full(place))
        self.recent = [place, *(each for each in self.recent if each != place)][:_MOST]

    def _change(self, change: Callable[[], object]) -> None:
        """Another browser may have written meanwhile: what it knows stays."""
        self._load()
        change()
        file = path()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise errors.CannotCreate("cannot make directory", where=str(file.parent), why=error.strerror) from error
        told = {"bookmarks": [full(each) for each in self.bookmarks], "recent": [full(each) for each in self.recent]}
        files.write(file, json.dumps(told, indent=1))

    def _load(self) -> None:
        try:
            with path().open("rb") as stream:
                told: Any = json.loads(stream.read(_MAX_SIZE))
            bookmarks, recent = ([parse(str(each)) for each in told[name]] for name in ("bookmarks", "recent"))
        except (OSError, ValueError, KeyError, TypeError, errors.UsageError):
            return
        self.bookmarks, self.recent = bookmarks, recent

# SPDX-License-Identifier: Apache-2.0
"""`Cache`: files kept beside a job under the URLs they came from, shared with globus-gass-cache and GRAM.

    cache = Cache()
    kept = cache.add("https://host:2811/run7.h5", tag="job 7")
    ...                                            # open(kept.path)
    cache.delete("https://host:2811/run7.h5", tag="job 7")

An entry has references, each under a tag that says whose it is, and is gone with the last of them. While a file is
fetched its entry is locked: others who add the same URL wait for it, in whatever process, and then share the file.
Everything is done by libglobus_gass_cache, but the list, which only reads. Methods raise `errors.Error`, and may be
called from several threads.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.gass import cachelist
from pyglobus.core.gass.cachelist import Entry
from pyglobus.ffi import gass_cache
from pyglobus.ffi.gass_cache import CacheError, Use

#: The tag of who names none.
NULL_TAG = "null"

# What makes an empty entry without a transfer, as globus-gass-cache has it.
_EMPTY = ("file:/dev/null", "file:///dev/null")
# The library's numbers that mean that the cache cannot be written: its directory, a file in it, the disk, the quota.
_CANNOT_CREATE = (-2, -3, -9, -11, -14, -16, -21, -22)


class Kept(NamedTuple):
    """The file of an entry. ``new``: it was fetched just now."""

    path: str
    new: bool


class Directories(NamedTuple):
    """Where a cache keeps what. The last two are those of one URL, empty if none was given."""

    cache: str
    global_root: str
    local_root: str
    tmp_root: str
    log_root: str
    global_dir: str
    local_dir: str


class Cache:
    """The cache in ``directory``; None is the one that GLOBUS_GASS_CACHE_DEFAULT names, else that in ~/.globus. It is
    made when it is first used.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._environ = dict(os.environ)
        if directory is not None:
            self._environ["GLOBUS_GASS_CACHE_DEFAULT"] = os.fspath(directory)

    def add(
        self, url: str, *, tag: str = "", name: str = "", fetch: Callable[[str, str], object] | None = None
    ) -> Kept:
        """Add a reference to a URL, and fetch its file if it is not there. ``name`` is what to keep it as.

        ``fetch`` is called with the URL and the path to write to, in place, and may raise: then nothing is added. By
        default `core.transfer` copies.
        """
        what = "cannot add to the cache"
        with self._use("add", name or url, tag, what=what) as use:
            code, (path,) = _answer(use, what, url)
            new = code == gass_cache.ADD_NEW
            if new and url not in _EMPTY:
                (fetch or _copy)(url, path)
            try:
                use.finish()
            except CacheError as error:
                raise _explained(error, what, url) from error
        return Kept(path, new)

    def delete(self, url: str, *, tag: str = "") -> None:
        """Take one reference away. Raises `errors.NotFound` where there is none."""
        self._call("delete", url, tag, what="cannot delete from the cache")

    def cleanup_tag(self, tag: str = "", *, url: str | None = None) -> int:
        """Take away all references under a tag, from all entries or one; how many entries had any."""
        found = [entry for entry in self.entries(url=url, tag=tag or NULL_TAG) if entry.url]
        if url is not None and not found:
            raise errors.NotFound("cannot clean up the tag", where=url, why="the cache has no such URL under this tag")
        for entry in found:
            self._remove(entry.url, tag)
        return len(found)

    def cleanup_url(self, url: str) -> None:
        """Take away all references to a URL, and the file. Raises `errors.NotFound` where there is none."""
        found = self.entries(url=url)
        if not found:
            raise errors.NotFound("cannot clean up the URL", where=url, why="it is not in the cache")
        for entry in found:
            for tag in entry.tags:
                self._remove(url, tag)
        if self.entries(url=url):  # nobody's: it goes with the reference of whoever looks after it
            with self._use("add", url, f"cleanup {os.getpid()}", what="cannot clean up the URL") as use:
                _answer(use, "cannot clean up the URL", url)

    def query(self, url: str, *, tag: str = "") -> str | None:
        """The path of the file that has this URL and tag, if there is one."""
        code, (path,) = self._call("query", url, tag, what="cannot query the cache")
        return None if code == gass_cache.NOT_THERE else path

    def entries(self, *, url: str | None = None, tag: str | None = None) -> list[Entry]:
        """All entries, or those of this URL and this tag, sorted by URL. It locks nothing: what comes and goes
        meanwhile may be in it or not.
        """
        found = cachelist.read(self.directories(), flat=self.type() == "flat")
        return [entry for entry in found if (url is None or entry.url == url) and (tag is None or tag in entry.tags)]

    def directories(self, url: str = "", *, tag: str = "") -> Directories:
        """Where it keeps what."""
        return Directories(*self._call("directories", url, tag, what="cannot look into the cache")[1])

    def mangle(self, url: str = "", *, tag: str = "") -> tuple[str, str]:
        """The names that a URL and a tag have in the file system; empty for what is not given."""
        mangled = self._call("mangle", url, tag, what="cannot mangle")[1]
        return mangled[0], mangled[1]

    def type(self) -> str:
        """``normal``: a tree of directories; ``flat``: all in one, where the file system lacks links between them."""
        return self._call("type", "", "", what="cannot look into the cache")[1][0]

    def _remove(self, url: str, tag: str) -> None:
        with contextlib.suppress(errors.NotFound):  # somebody else was faster
            self._call("delete-all", url, tag, what="cannot clean up the cache")

    def _call(self, operation: str, url: str, tag: str, *, what: str) -> tuple[int, list[str]]:
        with self._use(operation, url, tag, what=what) as use:
            return _answer(use, what, url)

    def _use(self, operation: str, url: str, tag: str, *, what: str) -> Use:
        try:
            return Use(operation, url, tag, self._environ)
        except CacheError as error:
            raise _explained(error, what, url) from error


def _answer(use: Use, what: str, url: str) -> tuple[int, list[str]]:
    try:
        return use.answer()
    except CacheError as error:
        raise _explained(error, what, url) from error


def _copy(url: str, path: str) -> None:
    from pyglobus.core.transfer import copy

    copy(url, path)


def _explained(error: CacheError, what: str, url: str) -> errors.Error:
    where = url or None
    if error.code == gass_cache.URL_NOT_FOUND:
        return errors.NotFound(what, where=where, why="the cache has no such URL under this tag")
    if error.code == gass_cache.NO_HOME:
        return errors.ConfigurationError(what, where=where, why=error.text)
    if error.code in _CANNOT_CREATE:
        return errors.CannotCreate(what, where=where, why=error.text)
    if error.code == 0:
        return errors.UsageError(what, where=where, why=error.text)
    return errors.DataError(what, where=where, why=f"{error.text} ({error.code})")


__all__ = ["NULL_TAG", "Cache", "Directories", "Entry", "Kept"]

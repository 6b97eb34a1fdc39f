# SPDX-License-Identifier: Apache-2.0
"""Directories read in the background, one at a time for each reader: whoever asks for another one gives up the first.

A reading is a thread that waits for its server and hands over what has come a few times a second, however much that is.
It may hang as long as it likes: nobody waits for it, and once given up it says no more. The name of the server is
looked up in that thread before the engine, which is everybody's, is asked to connect.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.pool import Pool
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry, list_remote
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import NamedTuple

#: Seconds that a server has to answer before a browser gives up; one who waits can leave sooner.
PATIENCE = 20.0
# Seconds between two batches, and until the first: enough for a screen.
_EVERY = 0.1
_FIRST = 0.03
# A lost connection is tried again at once, for it may have been idle for too long; these are no such thing.
_LASTING = ("silent-server", "stalled")


class Batch(NamedTuple):
    """What has come of a directory since the last time. The last one is ``complete``, with the error if there was one
    (``seconds``: since the beginning).
    """

    place: Url
    entries: list[Entry]
    complete: bool = False
    error: errors.Error | None = None
    seconds: float = 0.0


class Reader:
    """Reads for one pane. `read` and `stop` belong to one thread; ``told`` is called in that of the reading."""

    def __init__(self, pool: Pool, options: Options | None = None) -> None:
        self._pool = pool
        self._options = options or Options(connect_timeout=PATIENCE, stall_timeout=PATIENCE * 3)
        self._reading: _Reading | None = None

    def read(self, place: Url, told: Callable[[Batch], None]) -> None:
        """Begin with this directory, and give up what is being read."""
        self.stop()
        self._reading = _Reading(self._pool, self._options, place, told)
        self._reading.start()

    def stop(self) -> None:
        """Give up what is being read; nothing more is told of it."""
        if self._reading is not None:
            self._reading.give_up()
            self._reading = None


class _Reading(threading.Thread):
    def __init__(self, pool: Pool, options: Options, place: Url, told: Callable[[Batch], None]) -> None:
        super().__init__(name="browse-listing", daemon=True)
        self._pool = pool
        self._options = options
        self._place = place
        self._told = told
        self._given_up = threading.Event()
        self._session: Session | None = None

    def give_up(self) -> None:
        self._given_up.set()
        if (session := self._session) is not None:
            session.cancel()

    def run(self) -> None:
        started = time.monotonic()
        error: errors.Error | None = None
        rest: list[Entry] = []
        try:
            rest = self._follow(started)
        except errors.Error as caught:
            error = caught
        except Exception as caught:
            error = errors.Error("internal error", why=f"{type(caught).__name__}: {caught}", fault="internal")
        self._tell(Batch(self._place, rest, True, error, time.monotonic() - started))

    def _follow(self, started: float) -> list[Entry]:
        """Tell what comes; the rest, which has not been told, in the end."""
        waiting: list[Entry] = []
        due = started + _FIRST
        for entry in self._entries():
            waiting.append(entry)
            if len(waiting) % 64 == 0 and (now := time.monotonic()) >= due:
                self._tell(Batch(self._place, waiting))
                waiting, due = [], now + _EVERY
        return waiting

    def _entries(self) -> Iterator[Entry]:
        if self._place.is_local:
            for entry in list_here(self._place.path):
                if self._given_up.is_set():
                    return
                yield entry
            return
        look_up(self._place)
        seen = False
        try:
            for entry in self._remote():
                seen = True
                yield entry
            return
        except errors.TransientError as error:
            if seen or error.fault in _LASTING or self._given_up.is_set():
                raise
        self._pool.close()
        yield from self._remote()

    def _remote(self) -> Iterator[Entry]:
        with self._pool.session() as session:
            self._session = session
            try:
                if self._given_up.is_set():
                    return
                yield from list_remote(Remote(session, self._place, self._options.source, self._options, "source"))
            finally:
                self._session = None

    def _tell(self, batch: Batch) -> None:
        if not self._given_up.is_set():
            self._told(batch)


def look_up(place: Url) -> None:
    """Wait here for the name of the server; what is wrong with it, the library says better."""
    import socket

    try:
        socket.getaddrinfo(place.host, place.port)
    except OSError:
        return


def list_here(path: str) -> Iterator[Entry]:
    """Entries of a local directory, with links that lead nowhere. Raises `errors.Error`."""
    from pyglobus.core.faults import explain

    try:
        with os.scandir(path) as entries:
            for entry in entries:
                link = entry.is_symlink()
                try:
                    status = entry.stat()
                except OSError:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # it has just gone
                size = status.st_size if stat.S_ISREG(status.st_mode) else None
                mode = stat.S_IMODE(status.st_mode)
                yield Entry(entry.name, stat.S_ISDIR(status.st_mode), size, status.st_mtime, mode, None, link)
    except OSError as error:
        raise explain(error, what="cannot list", where=path, role="source") from error

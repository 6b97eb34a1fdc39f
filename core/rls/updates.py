# SPDX-License-Identifier: Apache-2.0
"""How a catalogue keeps indexes informed: all its names from time to time and, where that is chosen, what has changed
in between.

The wire form of updates by the original was never published; this one is our own, and its methods begin with
``pyglobus1_``: ``update_begin(url, interval, count)``, ``update_names(url, name*)`` as often as needed,
``update_end(url)``, and ``update_changes(url, (+|-, name)*)``. The URL is the catalogue's. An index that cannot be
reached is tried again after ``lrc_update_retry`` seconds, with all names.
"""

from __future__ import annotations

import threading
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls.requests import DONE
from pyglobus.core.rls.service import Store

if TYPE_CHECKING:
    from pyglobus.core.rls.server import Server
    from pyglobus.core.rls.shelf import Shelf

#: Names of one message.
_PAGE = 2000
#: So many changes are sent at once, whatever lrc_buffer_time says; beyond the other, all names are sent instead.
_ENOUGH, _MOST = 200, 100_000


class Updater:
    """The thread that sends."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._shelf: Shelf
        self._changes: list[tuple[bool, str]] = []
        self._first = 0.0  # when the first of these came
        self._due: dict[str, float] = {}  # by index: when it gets all names
        self._condition = threading.Condition()
        self._ended = False
        self._woken = False
        self._thread = threading.Thread(target=self._run, name="rls-updates", daemon=True)

    def start(self, shelf: Shelf) -> None:
        """Begin, with the catalogue that there is now."""
        self._shelf = shelf
        self._thread.start()

    def committed(self, store: Store) -> None:
        """In the thread that writes: a transaction has been made durable."""
        changes, store.catalogue.changes = store.catalogue.changes, []
        with self._condition:
            if self._server.configuration.lrc_update_immediate and changes:
                self._first = self._first if self._changes else time.monotonic()
                self._changes += changes
                if len(self._changes) > _MOST:
                    self._changes, self._due = [], {}
            self._woken = self._woken or store.targets.changed or len(self._changes) >= _ENOUGH
            store.targets.changed = False
            if self._woken or len(self._changes) == len(changes) > 0:
                self._condition.notify()

    def wake(self) -> None:
        """The configuration is another."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def update_all(self) -> None:
        """Send all names to all indexes now."""
        with self._condition:
            self._due = {}
            self._woken = True
            self._condition.notify()

    def close(self) -> None:
        """End, after the message that is under way."""
        with self._condition:
            self._ended = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        targets = self._targets()
        now = time.time()
        for url, last in targets.items():  # what another life of this server has sent is as good as before
            left = last + self._server.configuration.lrc_update_ll - now
            if last <= now and left > 0 and not self._server.configuration.lrc_update_immediate:
                self._due[url] = time.monotonic() + left
        while True:
            with self._condition:
                if not self._ended and not self._woken:
                    self._condition.wait(self._patience())
                if self._ended:
                    return
                self._woken = False
                changes = self._take()
            targets = self._targets()
            for url in targets:
                if self._due.get(url, 0.0) > time.monotonic():
                    if changes:
                        self._attempt(url, changes)
                elif not self._ended:
                    self._attempt(url, None)
            self._due = {url: due for url, due in self._due.items() if url in targets}

    def _patience(self) -> float | None:
        """Seconds until there is something to do."""
        chosen = self._server.configuration
        times = list(self._due.values())
        if self._changes:
            times.append(self._first + (chosen.lrc_buffer_time if len(self._changes) < _ENOUGH else 0))
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _take(self) -> list[tuple[bool, str]]:
        patience = self._server.configuration.lrc_buffer_time
        if len(self._changes) < _ENOUGH and time.monotonic() < self._first + patience:
            return []
        changes, self._changes = self._changes, []
        return changes

    def _targets(self) -> dict[str, int]:
        return {url: int(last) for url, _, _, last in self._shelf.reader().targets.info()}

    def _attempt(self, url: str, changes: list[tuple[bool, str]] | None) -> None:
        chosen = self._server.configuration
        began = time.monotonic()
        try:
            count = self._send(url, changes)
        except errors.Error as error:
            self._due[url] = time.monotonic() + max(chosen.lrc_update_retry, 1)
            self._server.tell("update", {"rli": url, "error": str(error)})
            return
        if changes is None:
            self._due[url] = began + max(chosen.lrc_update_ll, 1)
        seconds = round(time.monotonic() - began, 3)
        kind = "full" if changes is None else "changes"
        self._server.tell("update", {"rli": url, "kind": kind, "names": count, "seconds": seconds})

    def _send(self, url: str, changes: list[tuple[bool, str]] | None) -> int:
        from pyglobus.core.rls.client import Client

        own, store = self._server.url, self._shelf.reader()
        patterns = [pattern for _, pattern in store.targets.parts(url, "") if pattern]

        def wanted(name: str) -> bool:
            return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)

        count = 0
        with Client(
            url, credential=self._server.credential, timeout=float(self._server.configuration.timeout)
        ) as index:
            if changes is not None:
                chosen = [("+" if there else "-", name) for there, name in changes if wanted(name)]
                for at in range(0, len(chosen), _PAGE):
                    index.call("pyglobus1_update_changes", own, groups=chosen[at : at + _PAGE])
                return len(chosen)
            interval = str(self._server.configuration.lrc_update_ll)
            index.call("pyglobus1_update_begin", own, interval, "0")
            for names in store.catalogue.all_names(_PAGE):
                if self._ended:
                    raise errors.Cancelled("the server ends")
                groups = [(name,) for name in names if wanted(name)]
                if groups:
                    index.call("pyglobus1_update_names", own, groups=groups)
                count += len(groups)
            index.call("pyglobus1_update_end", own)
        self._shelf.writer.submit(lambda store: _noted(store, url), lambda _: None)
        return count


def _noted(store: Store, url: str) -> bytes:
    store.targets.updated(url, int(time.time()))
    return DONE

# SPDX-License-Identifier: Apache-2.0
"""Lists the directories of one end, one after the other; the next one comes in while the present one is read.

A server needs milliseconds for a directory, and a round trip and a data channel with its handshake on top. `expect`
names the directory that is wanted next: its listing begins as soon as the connection is free, and moves on in the
engine while Python works at the entries of the one before. At most one is under way, and what waits of it is bounded.

After a transient fault a directory is listed once more, if the options say so, and what it has told is not told again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry, list_local, list_remote
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.faults import Role
    from pyglobus.core.transfer import Retrying
    from pyglobus.ffi.ftp import Listing


class Lister:
    """For the source or the destination (``role``). Nothing else may use the session's connections meanwhile."""

    def __init__(
        self, session: Session, options: Options, role: Role, retrying: Callable[[Retrying], None] | None = None
    ) -> None:
        """``retrying`` is told of each fault after which it is tried again."""
        self._session = session
        self._retrying = retrying
        self._options = options
        self._role: Role = role
        self._side = options.source if role == "source" else options.destination
        # What is wanted next; the listing of the first of it, once begun; whether another one has the connection.
        self._expected: deque[Url] = deque()
        self._begun: Listing | None = None
        self._taken = False

    def expect(self, directory: Url) -> None:
        """This directory is asked for next, after those that are expected already."""
        if directory.is_ftp and directory not in self._expected:
            self._expected.append(directory)
            self._begin()

    def entries(self, directory: Url) -> Iterator[Entry]:
        """What is in a directory of this machine or of a GridFTP server, as it comes. Raises `errors.Error`."""
        if directory.is_local:
            return list_local(directory.path)
        if directory.is_ftp:
            return self._remote(directory)
        raise errors.Unsupported(
            "cannot list", where=str(directory), why="HTTP servers and standard input have no directories"
        )

    def identity(self, directory: Url) -> str | None:
        """What the server calls this directory, whatever name leads there, if it tells."""
        self._stop()
        facts = self._at(directory).stat()
        self._begin()
        return None if facts is None else facts.unique

    def _remote(self, directory: Url) -> Iterator[Entry]:
        if self._expected and self._expected.popleft() != directory:  # something else is wanted after all
            self._expected.clear()
            self._stop()
        begun, self._begun = self._begun, None
        self._taken = True
        try:
            if self._options.retry is None:
                yield from list_remote(self._at(directory), begun, drained=self._go_on)
            else:
                yield from self._insisting(directory, begun)
        except errors.Error:
            self._go_on()
            raise
        self._go_on()

    def _insisting(self, directory: Url, begun: Listing | None) -> Iterator[Entry]:
        from pyglobus.core.recovery import Insistence

        place = self._at(directory)
        told: set[str] = set()
        insistence = Insistence(self._session, self._options.retry, self._retrying)
        while True:
            try:
                for entry in list_remote(place, begun):
                    if entry.name not in told:
                        told.add(entry.name)
                        yield entry
                return
            except errors.TransientError as error:
                insistence.pause(error)
                place.forget(self._session.handle())
                begun = None

    def _go_on(self) -> None:
        self._taken = False
        self._begin()

    def _stop(self) -> None:
        """Have the connection to ourselves, as is hardly ever needed."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.operation.cancel()
            begun.operation.wait()

    def _begin(self) -> None:
        if self._expected and self._begun is None and not self._taken:
            self._begun = self._at(self._expected[0]).start_listing("facts")

    def _at(self, directory: Url) -> Remote:
        return Remote(self._session, directory, self._side, self._options, self._role)

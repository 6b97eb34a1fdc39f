# SPDX-License-Identifier: Apache-2.0
"""Sessions that are kept logged in.

Whoever needs a connection takes a session, uses it alone, and gives it back; what has failed on the way is not kept. A
server is logged in to again only where two things are to be done at once, or after a pause that it might not outlive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyglobus.core import errors
from pyglobus.core.session import Session

# Seconds. Servers close idle control connections after some minutes, and tell nobody who does not listen.
_FRESH = 120.0
# After these the connection is as good as before: the server has answered, and nothing but that.
_HARMLESS = (errors.NotFound, errors.AccessDenied, errors.CannotCreate, errors.UsageError, FileExistsError)


class Pool:
    """Sessions for any thread; what one of them has learnt of servers, all know."""

    def __init__(self, most: int) -> None:
        """At most so many (``most``) idle sessions are kept."""
        self._most = most
        self._lock = threading.Lock()
        self._known = Session()
        self._idle: list[tuple[float, Session]] = []

    def take(self) -> Session:
        """A session for the caller alone, until `give_back`."""
        with self._lock:
            limit = time.monotonic() - _FRESH
            stale = [session for since, session in self._idle if since < limit]
            self._idle = [(since, session) for since, session in self._idle if since >= limit]
            taken = self._idle.pop()[1] if self._idle else self._known.akin()
        for session in stale:
            session.close()
        return taken

    def give_back(self, session: Session, *, sound: bool = True) -> None:
        """Keep its connections for the next one, if nothing has happened to them."""
        with self._lock:
            kept = sound and len(self._idle) < self._most
            if kept:
                self._idle.append((time.monotonic(), session))
        if not kept:
            session.close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for the length of the block."""
        session = self.take()
        try:
            yield session
        except BaseException as error:
            self.give_back(session, sound=isinstance(error, _HARMLESS))
            raise
        self.give_back(session)

    def close(self) -> None:
        """Close what is idle; whoever comes then, logs in again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

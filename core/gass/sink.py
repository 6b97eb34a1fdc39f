# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a put or append go that are no file's: to a function, or a stream, as they arrive.

Several writers may write to one sink; each call of its function has bytes of one writer. By default they come as they
arrive; by lines, what has no line end yet is held back until it has one, or its writer ends, so that the lines of
several writers do not run into one another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyglobus.core import files

# A line that is longer than this is handed on in parts, so that a writer without line ends does not fill the memory.
_LONGEST_LINE = 1 << 20


class Sink:
    """A function that gets all that writers send, one call at a time."""

    def __init__(
        self, deliver: Callable[[bytes], object], *, lines: bool = False, ended: Callable[[], object] | None = None
    ) -> None:
        """``deliver`` may block: that holds up its writer, and other writers of this sink, and nobody else. ``ended``
        is called after each writer's last bytes. What either raises ends the request, with status 500.
        """
        self._deliver = deliver
        self._lines = lines
        self._ended = ended
        self._lock = threading.Lock()

    @classmethod
    def of_descriptor(cls, fd: int, *, lines: bool = False) -> Sink:
        """Write to an open descriptor, which stays the caller's."""
        return cls(lambda data: files.write_all(fd, data), lines=lines)

    def writer(self) -> Writer:
        """For one request."""
        return Writer(self)

    def _hand_on(self, data: bytes) -> None:
        if data:
            with self._lock:
                self._deliver(data)

    def _end(self) -> None:
        if self._ended is not None:
            with self._lock:
                self._ended()


class Writer:
    """One request that writes to a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hand on what can be."""
        if self._sink._lines:
            whole, end, rest = (self._held + data).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                whole, rest = whole + end + rest, b""
                end = b""
            self._held = rest
            data = whole + end
        self._sink._hand_on(data)

    def close(self) -> None:
        """No more will come."""
        held, self._held = self._held, b""
        self._sink._hand_on(held)
        self._sink._end()

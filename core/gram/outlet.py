# SPDX-License-Identifier: Apache-2.0
"""Where the output of one job arrives, however often: live, at the end, and again after the job was picked up.

Each of these is a writer that brings the same bytes from the first one on. A byte is handed on once, from whichever
writer has it first; so what was shown live is not shown again when the whole comes, and what got lost on the live way
is made up for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyglobus.core.gass.sink import Sink, Writer
from pyglobus.core.rsl.tree import Simple, variable

#: The variable by which a request refers to the files of whoever has submitted it.
GASS_URL = "GLOBUSRUN_GASS_URL"

# More than this is no exit status.
_STATUS_BYTES = 16


class Stream(Sink):
    """One stream of a job; ``deliver`` gets each byte once."""

    def __init__(self, deliver: Callable[[bytes], object]) -> None:
        super().__init__(deliver)
        self._shown = 0
        #: Whether a copy has come to its end; also one of no bytes.
        self.came = False

    def writer(self) -> Writer:
        """For one more copy of it."""
        return _Copy(self)

    def arrived(self, position: int, data: bytes) -> None:
        """Hand on what of ``data``, which begins at ``position``, is new."""
        with self._lock:
            new = data[max(0, self._shown - position) :]
            if new:
                self._shown = position + len(data)
                self._deliver(new)


class _Copy(Writer):
    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._stream = stream
        self._position = 0

    def write(self, data: bytes) -> None:
        self._stream.arrived(self._position, data)
        self._position += len(data)

    def close(self) -> None:
        """Nothing is held back."""
        self._stream.came = True


class Lines:
    """For a `Stream`: hands on whole lines, each with ``prefix`` before it; `close` brings what has no line end."""

    def __init__(self, write: Callable[[bytes], object], prefix: bytes) -> None:
        self._write, self._prefix = write, prefix
        self._held = b""

    def __call__(self, data: bytes) -> None:
        whole, end, self._held = (self._held + data).rpartition(b"\n")
        if end:
            self._write(b"".join(self._prefix + line + b"\n" for line in whole.split(b"\n")))

    def close(self) -> None:
        """The stream has ended."""
        if self._held:
            held, self._held = self._held, b""
            self._write(self._prefix + held + b"\n")


class Paths(NamedTuple):
    """The paths of one job at the server that takes its output; they are the same at any other server. Nothing else is
    sent there: what a description itself sends to /dev/stdout is another thing.
    """

    stdout: str
    stderr: str
    status: str

    @classmethod
    def of(cls, number: int = 0) -> Paths:
        """Those of one job of several."""
        return cls(*(f"/dev/jobs/{number}/{name}" for name in cls._fields))

    def reference(self, path: str) -> Simple:
        """How the request names one of them."""
        return variable(GASS_URL) + path


class Outlet:
    """What takes the output of one job: two functions for its bytes, or None for what is not asked for; and its exit
    status, where a shell tells it.
    """

    def __init__(
        self,
        stdout: Callable[[bytes], object] | None,
        stderr: Callable[[bytes], object] | None,
        paths: Paths | None = None,
    ) -> None:
        self.paths = paths or Paths.of()
        self._told = bytearray()
        given = ((self.paths.stdout, stdout), (self.paths.stderr, stderr))
        self._streams = {path: Stream(deliver) for path, deliver in given if deliver is not None}
        self.sinks: dict[str, Sink] = {self.paths.status: Stream(self._told.extend), **self._streams}

    def misses(self, sent: str) -> bool:
        """Whether something has not come that a job of this description sends here at its end."""
        return any(f'"{path}"' in sent and not stream.came for path, stream in self._streams.items())

    @property
    def status(self) -> int | None:
        """The exit status of the job's program; None as long as it was not told."""
        told = bytes(self._told[:_STATUS_BYTES]).strip()
        return int(told) if told.isdigit() else None

# SPDX-License-Identifier: Apache-2.0
"""The route through this process and the library's own copy: http, https, pipes, and FTP to FTP without third party."""

from __future__ import annotations

import errno
import os
import select

from pyglobus.core import errors
from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.options import Options, Side
from pyglobus.core.remote import Remote
from pyglobus.core.route import Attempt, Route
from pyglobus.core.session import Session
from pyglobus.core.url import Url
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.relay import RelayEnd, relay


class Relay(Route):
    """Through this process: http, https, pipes, and FTP to FTP without third party."""

    name = "relay"

    def __init__(
        self,
        session: Session,
        options: Options,
        source: Url,
        destination: Url,
        *ends: RelayEnd | LocalSource | LocalDestination,
    ) -> None:
        """``ends`` are source and destination as the library takes them, or as open files."""
        super().__init__(session, options)
        self._files = [end for end in ends if not isinstance(end, RelayEnd)]
        self._ends = [end if isinstance(end, RelayEnd) else RelayEnd(fd=end.fd) for end in ends]
        self._where = str(source), str(destination)
        self._to_stream = destination.is_stream
        self._meter, self._length = Meter(), Meter()
        # FTP servers have been asked for facts before; an HTTP server answers with the data.
        self._limit = options.connect_timeout if source.is_http else None

    def bytes(self) -> int:
        return self._meter.bytes()

    def total(self) -> int | None:
        return self._length.bytes() or None

    def attempt(self) -> Attempt:
        source, destination = self._ends
        operation = relay(
            self.session.engine, source, destination, self.span,
            block=self.options.block_size, client=self.session.client, meter=self._meter, length=self._length,
        )  # fmt: skip
        try:
            yield from self.session.watch(
                operation, what="cannot copy", where=self._where, limit=self._limit, answered=self._answered
            )
        except errors.Error as error:
            if self._to_stream and _is_broken(destination.fd):
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            raise

    def _answered(self) -> bool:
        return self.bytes() > 0 or self._length.bytes() > 0

    def recover(self) -> None:
        for file in self._files:
            file.rewind()


def relay_end(url: Url, remote: Remote | None, side: Side) -> RelayEnd:
    """The end of a relay at an FTP server, or at an HTTP server."""
    if remote is not None:
        return RelayEnd(url=remote.wire, options=remote.attributes())
    return RelayEnd(url=url.wire(), scheme=url.scheme, subject=side.subject)


def _is_broken(fd: int) -> bool:
    """Whether nobody will ever read what is written to this pipe or socket."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))

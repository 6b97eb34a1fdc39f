# SPDX-License-Identifier: Apache-2.0
"""Copies by globus_gass_copy between URLs and open descriptors: http, https, pipes, FTP to FTP through this machine."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.engine import Engine, Operation
from pyglobus.ffi.errors import check
from pyglobus.ffi.ftp import CLIENT, Attribute, FtpOptions, Span
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.text import encode, optional


class RelayEnd(NamedTuple):
    """One end: a URL (with FTP options; or with its scheme, and for https the subject that the server must have), or a
    descriptor.
    """

    url: str | None = None
    fd: int = -1
    scheme: str = ""
    options: FtpOptions | None = None
    subject: str | None = None
    ascii: bool = False


class _Side:
    """What C needs of one end for the length of a copy."""

    def __init__(self, end: RelayEnd) -> None:
        self._attribute = Attribute(end.options) if end.options else None
        self._texts = optional(end.url), optional(end.scheme or None), optional(end.subject)
        self.end = ffi.new("pg_end *")
        self.end.url, self.end.scheme, self.end.subject = self._texts
        self.end.fd, self.end.ascii = end.fd, end.ascii
        self.end.ftp = self._attribute.pointer if self._attribute else ffi.NULL

    def close(self) -> None:
        if self._attribute:
            self._attribute.close()


def relay(
    engine: Engine, source: RelayEnd, dest: RelayEnd, span: Span, *, block: int, version: str, meter: Meter,
    length: Meter, debug_fd: int = -1,
) -> Operation:  # fmt: skip
    """Copy from one end to the other. Descriptors are duplicated.

    ``meter`` counts the bytes; ``length`` tells how many an HTTP source has announced, 0 while that is unknown. A source that
    sends fewer is no error here. Cancelled, the operation does not end before a silent HTTP server says something.
    """
    sides: list[_Side] = []
    pointer: Any = ffi.NULL

    def start(record: Any) -> None:
        nonlocal pointer
        sides.append(_Side(source))
        sides.append(_Side(dest))
        out = ffi.new("pg_relay **")
        check(
            lib.pg_relay_start(
                out, record, sides[0].end, sides[1].end, block, span.start if span.partial else -1, span.end, CLIENT,
                encode(version), debug_fd,
            )
        )  # fmt: skip
        pointer = out[0]
        meter.attach(read)
        length.attach(announced)

    def read() -> int:
        return int(lib.pg_relay_bytes(pointer))

    def announced() -> int:
        return int(lib.pg_relay_length(pointer))

    def abort() -> None:
        check(lib.pg_relay_cancel(pointer))

    def release() -> None:
        if pointer != ffi.NULL:
            meter.settle(read)
            length.settle(announced)
            lib.pg_relay_free(pointer)
        for side in sides:
            side.close()

    return Operation(engine, start, abort=abort, release=release)

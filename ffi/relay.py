# SPDX-License-Identifier: Apache-2.0
"""Copies between URLs and open descriptors through this process: http, https, pipes, FTP to FTP without third party."""

from __future__ import annotations

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.engine import Engine, Operation
from pyglobus.ffi.errors import check
from pyglobus.ffi.ftp import Attribute, ClientSettings, FtpOptions, Span
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.text import optional


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

    def __init__(self, end: RelayEnd, options: FtpOptions | None) -> None:
        self._texts = optional(end.url), optional(end.scheme or None), optional(end.subject)
        self.end = ffi.new("pg_end *")
        self.end.url, self.end.scheme, self.end.subject = self._texts
        self.end.fd, self.end.ascii = end.fd, end.ascii or (options is not None and options.ascii)
        self._attribute = Attribute(options) if options else None
        self.end.ftp = self._attribute.pointer if self._attribute else ffi.NULL

    def close(self) -> None:
        if self._attribute:
            self._attribute.close()


def relay(
    engine: Engine, source: RelayEnd, dest: RelayEnd, span: Span, *, block: int, client: ClientSettings, meter: Meter,
    length: Meter,
) -> Operation:  # fmt: skip
    """Copy from one end to the other.

    Descriptors are duplicated; files are used from their position on, or for a part from its start. A stream needs its
    bytes in order, so that an FTP source is read in stream mode. ``meter`` counts what has reached ``dest``;
    ``length`` tells how many bytes an HTTP source has announced, 0 while that is unknown: one that sends fewer is no
    error here.
    """
    sides: list[_Side] = []
    pointer: Any = ffi.NULL

    def start(record: Any) -> None:
        nonlocal pointer
        ordered = source.options._replace(extended=False, parallel=0) if source.options else None
        sides.append(_Side(source, ordered))
        sides.append(_Side(dest, dest.options))
        identity, _version = client.flat()
        out = ffi.new("pg_relay **")
        check(
            lib.pg_relay_start(
                out, record, sides[0].end, sides[1].end, block, span.start if span.partial else -1, span.end, identity
            )
        )
        pointer = out[0]
        meter.attach(read)
        length.attach(announced)

    def read() -> int:
        return int(lib.pg_relay_bytes(pointer))

    def announced() -> int:
        return int(lib.pg_relay_length(pointer))

    def abort() -> None:
        lib.pg_relay_cancel(pointer)

    def release() -> None:
        if pointer != ffi.NULL:
            meter.settle(read)
            length.settle(announced)
            lib.pg_relay_free(pointer)
        for side in sides:
            side.close()

    return Operation(engine, start, abort=abort, release=release)

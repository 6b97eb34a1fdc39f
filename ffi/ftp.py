# SPDX-License-Identifier: Apache-2.0
"""GridFTP and FTP: handles with cached connections, and their operations as futures.

A `FtpHandle` does one operation at a time; many handles work side by side in the engine. Its connections stay open
between operations on the same host. URLs are what globus_ftp_client takes; `FtpOptions` is a flat record that becomes
an operation attribute for the length of one operation.

The C handle belongs to the `FtpHandle`, but while an operation runs on it, to that operation: closing an `FtpHandle`
cancels what runs, and the C handle goes when C has ended. A cancelled operation that C does not end keeps its C handle
for good, and the `FtpHandle` goes on with a new one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

from pyglobus.ffi import _globus, ffi, lib
from pyglobus.ffi.annotation import TYPE_CHECKING, Any, NamedTuple
from pyglobus.ffi.engine import Engine, Operation
from pyglobus.ffi.errors import EngineError, check
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.text import decode, encode, optional

if TYPE_CHECKING:
    from pyglobus.ffi.gss import DataCredential, GssCredential

DONE = ffi.cast("globus_ftp_client_complete_callback_t", ffi.addressof(_globus.lib, "pg_operation_done"))
_NAME = ffi.new("char[]", b"pyglobus")
# Ranges kept of an interrupted download; more, and the rest is fetched again.
_MAX_RANGES = 1024
_LIST_KINDS = {"names": lib.PG_LIST_NAMES, "facts": lib.PG_LIST_FACTS, "tree": lib.PG_LIST_TREE}
_TEXTS = (
    "dcau_subject",
    "module",
    "module_arguments",
    "net_stack",
    "disk_stack",
    "assertion",
    "user",
    "password",
    "subject",
)
_DELEGATION = {"none": lib.PG_DELEGATE_NONE, "limited": ffi.NULL, "full": lib.PG_DELEGATE_FULL}


class FtpOptions(NamedTuple):
    """Attributes of one FTP operation; the defaults are those of the library."""

    extended: bool = False
    ascii: bool = False
    parallel: int = 0
    tcp_buffer: int = 0
    dcau: str = ""
    dcau_subject: str | None = None
    protection: str = ""
    ipv6: bool = False
    delayed_passive: bool = False
    stripe_block: int | None = None
    module: str | None = None
    module_arguments: str | None = None
    net_stack: str | None = None
    disk_stack: str | None = None
    assertion: str | None = None
    keep_assertion: bool = False
    allocate: int = -1
    credential: GssCredential | None = None
    delegation: str = "limited"
    data_credential: DataCredential | GssCredential | None = None
    user: str | None = None
    password: str | None = None
    subject: str | None = None

    def __repr__(self) -> str:
        shown = {**self._asdict(), "password": "***" if self.password else None}
        return f"FtpOptions({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class Attribute:
    """A ``globus_ftp_client_operationattr_t``; freed by `close`, in the engine's thread."""

    def __init__(self, options: FtpOptions) -> None:
        flat = ffi.new("pg_ftp_options *")
        texts = {name: optional(getattr(options, name)) for name in _TEXTS}
        for name, text in texts.items():
            setattr(flat, name, text)
        for name in ("extended", "ascii", "ipv6", "delayed_passive", "keep_assertion"):
            setattr(flat, name, getattr(options, name))
        flat.parallel, flat.tcp_buffer, flat.allocate = options.parallel, options.tcp_buffer, options.allocate
        flat.dcau, flat.protection = ord(options.dcau or "\0"), ord(options.protection or "\0")
        flat.striped = options.stripe_block is not None
        flat.stripe_block = -1 if options.stripe_block is None else options.stripe_block
        flat.credential = options.credential.pointer[0] if options.credential else ffi.NULL
        flat.delegation = _DELEGATION[options.delegation]
        flat.data_credential = options.data_credential.pointer[0] if options.data_credential else ffi.NULL
        out = ffi.new("globus_ftp_client_operationattr_t **")
        check(lib.pg_ftp_attr_new(flat, out))
        self.pointer = out[0]
        self._credentials = options.credential, options.data_credential

    def close(self) -> None:
        """Free it; idempotent."""
        pointer, self.pointer = self.pointer, ffi.NULL
        if pointer != ffi.NULL:
            lib.pg_ftp_attr_free(pointer)


class Marker:
    """Where to go on: a stream offset, or the byte ranges that are there already."""

    def __init__(self, offset: int = -1, ranges: Sequence[tuple[int, int]] = ()) -> None:
        self._offset = offset
        self.ranges = ranges
        self.pointer: Any = ffi.NULL

    def pairs(self) -> Any:
        """The ranges as C takes them: start, end, start, end."""
        return ffi.new("int64_t[]", [edge for pair in self.ranges for edge in pair])

    def open(self) -> Any:
        """The C marker, or NULL where there is nothing to skip."""
        if self._offset > 0 or self.ranges:
            offset = self._offset if self._offset > 0 else -1
            self.pointer = lib.pg_marker_new(offset, self.pairs(), len(self.ranges))
            if self.pointer == ffi.NULL:
                raise MemoryError
        return self.pointer

    def close(self) -> None:
        """Free it; idempotent."""
        pointer, self.pointer = self.pointer, ffi.NULL
        if pointer != ffi.NULL:
            lib.pg_marker_free(pointer)


class Span(NamedTuple):
    """The part of a file that is moved.

    ``end`` is exclusive, -1 means to its end; ``partial`` asks the server for a part.
    """

    start: int = 0
    end: int = -1
    partial: bool = False


class ClientSettings(NamedTuple):
    """How handles behave. ``relative``: paths of URLs are relative to the login's directory, as RFC 1738 has it.
    ``debug_fd``: where the control channel is logged; duplicated when the first operation starts.
    """

    version: str
    gridftp2: bool = False
    relative: bool = False
    debug_fd: int = -1

    def flat(self) -> tuple[Any, Any]:
        """The C record, and what must live as long."""
        version = ffi.new("char[]", encode(self.version))
        record = ffi.new("pg_client *", {"name": _NAME, "version": version, "debug_fd": self.debug_fd})
        record.gridftp2, record.relative = self.gridftp2, self.relative
        return record, version


class FtpHandle:
    """A ``globus_ftp_client_handle_t`` with its cached connections."""

    def __init__(
        self, engine: Engine, *, version: str, gridftp2: bool = False, relative: bool = False, debug_fd: int = -1
    ) -> None:
        """The settings are those of `ClientSettings`."""
        self._engine = engine
        self._settings = ClientSettings(version, gridftp2, relative, debug_fd)
        self._pointer: Any = ffi.NULL
        self._busy = False
        self._closed = False
        self._operation: Operation | None = None
        #: Bytes of the running transfer: counted here, or as the servers of a third-party transfer report them.
        self.meter = Meter()
        #: Ranges received by the last download, and the last restart marker of a third-party transfer or upload.
        self.ranges: list[tuple[int, int]] = []
        self.marker: str | None = None
        # Brings these two up to date; set while a transfer runs.
        self._look: Callable[[], None] | None = None
        #: Whether the last upload or third-party transfer may have changed its destination: the server has not refused.
        self.begun = False

    def close(self) -> None:
        """Cancel what runs and close the connections; idempotent, from any thread."""
        closed, self._closed = self._closed, True
        if not closed:
            if self._operation is not None:
                self._operation.cancel()
            with contextlib.suppress(EngineError):
                self._engine.post(self._drop)

    def _drop(self) -> None:
        pointer, self._pointer = self._pointer, ffi.NULL
        if pointer != ffi.NULL and not self._busy:
            lib.pg_ftp_close(pointer)

    def _take(self) -> Any:
        """The C handle, for an operation that is about to start."""
        self._engine.require()
        if self._closed:
            raise EngineError("this FTP handle is closed")
        if self._busy:
            raise EngineError("this FTP handle is busy: one operation at a time")
        if self._pointer == ffi.NULL:
            client, _version = self._settings.flat()
            out = ffi.new("pg_ftp **")
            check(lib.pg_ftp_open(out, client))
            self._pointer = out[0]
        self._busy = True
        return self._pointer

    def _give_back(self, ftp: Any) -> None:
        """The operation on this C handle has ended, perhaps long after it was abandoned or this object was closed."""
        if ftp == self._pointer:
            self._busy = False
            if lib.pg_ftp_spoilt(ftp):
                self._drop()
        else:
            lib.pg_ftp_close(ftp)

    def _operate(
        self,
        begin: Callable[[Any, list[Any], Any], int],
        options: Sequence[FtpOptions],
        *,
        marker: Marker | None = None,
        abort: Callable[[], int] | None = None,
        finish: Callable[[], Any] = lambda: None,
        release: Callable[[bool], None] = lambda _: None,
    ) -> Operation:
        """An operation whose attributes and marker live exactly as long as it does.

        ``release`` is told whether the C handle is still ours.
        """
        attributes: list[Attribute] = []
        ftp: Any = ffi.NULL

        def start(record: Any) -> None:
            nonlocal ftp
            ftp = self._take()
            lib.pg_ftp_reset(ftp)
            self.begun = False
            attributes.extend(Attribute(option) for option in options)
            check(begin(lib.pg_ftp_handle(ftp), [attribute.pointer for attribute in attributes], record))

        def stop() -> None:
            check(abort() if abort else lib.globus_ftp_client_abort(lib.pg_ftp_handle(ftp)))

        def abandon() -> None:
            if ftp == self._pointer:
                self._pointer, self._busy = ffi.NULL, False

        def clean() -> None:
            if ftp != ffi.NULL and ftp == self._pointer:
                self.begun = bool(lib.pg_ftp_begun(ftp))
            try:
                release(ftp == self._pointer)
            finally:
                for attribute in attributes:
                    attribute.close()
                if marker is not None:
                    marker.close()
                if ftp != ffi.NULL:
                    self._give_back(ftp)

        self._operation = Operation(self._engine, start, abort=stop, abandon=abandon, finish=finish, release=clean)
        return self._operation

    def forget(self, url: str) -> None:
        """Close the cached connection to the host of ``url``: after an error it may be in an unknown state."""

        def flush() -> None:
            if self._pointer != ffi.NULL:
                check(lib.globus_ftp_client_handle_flush_url_state(lib.pg_ftp_handle(self._pointer), encode(url)))

        self._engine.submit(flush)

    # Small operations ------------------------------------------------------------------------------------------------

    def size(self, url: str, options: FtpOptions) -> Operation:
        """Size of a file in bytes."""
        size = ffi.new("globus_off_t *")
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_size(handle, encode(url), attr[0], size, DONE, record),
            [options],
            finish=lambda: int(size[0]),
        )

    def mlst(self, url: str, options: FtpOptions) -> Operation:
        """The server's facts about a path (RFC 3659), as it words them: bytes such as ``b"Type=file;Size=5; /x"``."""
        buffer = ffi.new("globus_byte_t **")
        length = ffi.new("globus_size_t *")

        def release(_: bool) -> None:
            lib.free(buffer[0])

        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_mlst(
                handle, encode(url), attr[0], buffer, length, DONE, record
            ),
            [options],
            finish=lambda: bytes(ffi.buffer(buffer[0], length[0])),
            release=release,
        )

    def checksum(
        self, url: str, algorithm: str, options: FtpOptions, *, offset: int = 0, length: int = -1
    ) -> Operation:
        """Checksum of a file as the server computes it (CKSM), in hexadecimal."""
        text = ffi.new("char[]", lib.PG_CHECKSUM_ROOM)
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_cksm(
                handle, encode(url), attr[0], text, offset, length, encode(algorithm), DONE, record
            ),
            [options],
            finish=lambda: decode(text).strip().lower(),
        )

    def mkdir(self, url: str, options: FtpOptions) -> Operation:
        """Make a directory."""
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_mkdir(handle, encode(url), attr[0], DONE, record),
            [options],
        )

    def delete(self, url: str, options: FtpOptions) -> Operation:
        """Delete a file."""
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_delete(handle, encode(url), attr[0], DONE, record),
            [options],
        )

    def chmod(self, url: str, mode: int, options: FtpOptions) -> Operation:
        """Set the mode bits of a file (SITE CHMOD)."""
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_chmod(handle, encode(url), mode, attr[0], DONE, record),
            [options],
        )

    def utime(self, url: str, seconds: int, options: FtpOptions) -> Operation:
        """Set the time of a file's last change, in seconds since the epoch (SITE UTIME, which knows no fractions)."""
        import time

        when = time.gmtime(seconds)
        broken = ffi.new("struct tm *")
        broken.tm_year, broken.tm_mon, broken.tm_mday = when.tm_year - 1900, when.tm_mon - 1, when.tm_mday
        broken.tm_hour, broken.tm_min, broken.tm_sec = when.tm_hour, when.tm_min, when.tm_sec
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_utime(
                handle, encode(url), broken, attr[0], DONE, record
            ),
            [options],
        )

    def remove_directory(self, url: str, options: FtpOptions) -> Operation:
        """Remove a directory that is empty."""
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_rmdir(handle, encode(url), attr[0], DONE, record),
            [options],
        )

    def move(self, url: str, to: str, options: FtpOptions) -> Operation:
        """Give a file another name on the same server, in place of what may have that name."""
        return self._operate(
            lambda handle, attr, record: lib.globus_ftp_client_move(
                handle, encode(url), encode(to), attr[0], DONE, record
            ),
            [options],
        )

    def list(self, url: str, options: FtpOptions, kind: str) -> Listing:
        """List a directory: "names" alone, with "facts", or the whole "tree" below it with facts."""
        return Listing(self, url, options, _LIST_KINDS[kind])

    # Transfers -------------------------------------------------------------------------------------------------------

    def _pumped(
        self, fd: int, block: int, blocks: int, marker: Marker, options: FtpOptions, run: Callable[[Any, Any, Any], int]
    ) -> Operation:
        pump: Any = ffi.NULL

        def begin(_: Any, attributes: list[Any], record: Any) -> int:
            nonlocal pump
            self.ranges, self.marker = [], None
            pump = lib.pg_pump_new(record, self._pointer, fd, block, blocks)
            if pump == ffi.NULL:
                raise OSError(ffi.errno, os.strerror(ffi.errno))
            self.meter.attach(read)
            self._look = note
            result: int = run(pump, attributes[0], marker.open())
            return result

        def read() -> int:
            return int(lib.pg_pump_bytes(pump))

        def note() -> None:
            pairs = ffi.new("int64_t[]", 2 * _MAX_RANGES)
            count = min(lib.pg_pump_ranges(pump, pairs, _MAX_RANGES), _MAX_RANGES)
            self.ranges = [(pairs[2 * i], pairs[2 * i + 1]) for i in range(count)]
            self._note_marker()

        def release(ours: bool) -> None:
            if pump != ffi.NULL:
                self.meter.settle(read)
                if ours:
                    self._look = None
                    note()
                lib.pg_pump_free(pump)

        return self._operate(
            begin, [options], marker=marker, abort=lambda: int(lib.pg_pump_abort(pump)), release=release
        )

    def put(
        self, fd: int, url: str, options: FtpOptions, span: Span, *, block: int, blocks: int,
        marker: Marker | None = None,
    ) -> Operation:  # fmt: skip
        """Send an open file; its descriptor may be closed once the operation has started. Ranges of the marker are
        not sent.
        """
        name, marker = encode(url), marker or Marker()

        def run(pump: Any, attr: Any, restart: Any) -> int:
            if lib.pg_pump_skip(pump, marker.pairs(), len(marker.ranges)):
                raise MemoryError
            result: int = lib.pg_pump_put(pump, name, attr, restart, span.start, span.end, span.partial)
            return result

        return self._pumped(fd, block, blocks, marker, options, run)

    def get(
        self, url: str, fd: int, options: FtpOptions, span: Span, *, block: int, blocks: int, shift: int = 0,
        marker: Marker | None = None,
    ) -> Operation:  # fmt: skip
        """Receive into an open file: each byte lands at its remote offset less ``shift``."""
        name = encode(url)
        return self._pumped(
            fd, block, blocks, marker or Marker(), options,
            lambda pump, attr, restart: lib.pg_pump_get(
                pump, name, attr, restart, span.start, span.end, span.partial, shift
            ),
        )  # fmt: skip

    def third_party(
        self, source: str, source_options: FtpOptions, dest: str, dest_options: FtpOptions, span: Span,
        *, marker: Marker | None = None,
    ) -> Operation:  # fmt: skip
        """Let one server send to another."""
        marker = marker or Marker()
        names = encode(source), encode(dest)
        pointer: Any = ffi.NULL

        def read() -> int:
            return int(lib.pg_ftp_reported(pointer))

        def begin(handle: Any, attr: list[Any], record: Any) -> int:
            nonlocal pointer
            self.ranges, self.marker = [], None
            pointer = self._pointer
            self.meter.attach(read)
            self._look = self._note_marker
            result: int
            if span.partial:
                result = lib.globus_ftp_client_partial_third_party_transfer(
                    handle, names[0], attr[0], names[1], attr[1], marker.open(), span.start, span.end, DONE, record
                )
            else:
                result = lib.globus_ftp_client_third_party_transfer(
                    handle, names[0], attr[0], names[1], attr[1], marker.open(), DONE, record
                )
            return result

        def release(ours: bool) -> None:
            self.meter.settle(read)
            if ours:
                self._look = None
                self._note_marker()

        return self._operate(begin, [source_options, dest_options], marker=marker, release=release)

    def refresh(self) -> None:
        """Bring `ranges` and `marker` up to date while a transfer runs; from any thread but the engine's."""
        self._engine.submit(lambda: self._look and self._look()).result()

    def _note_marker(self) -> None:
        if self._pointer != ffi.NULL:
            self.marker = decode(lib.pg_ftp_marker(self._pointer)) or None


class Listing:
    """A listing under way: wait for ``operation``, and `take` what has come meanwhile, and once more at the end."""

    def __init__(self, handle: FtpHandle, url: str, options: FtpOptions, kind: int) -> None:
        self._handle = handle
        self._pointer: Any = ffi.NULL
        self._rest = b""

        def begin(pointer: Any, attributes: list[Any], record: Any) -> int:
            out = ffi.new("pg_listing **")
            result: int = lib.pg_listing_start(out, record, pointer, encode(url), attributes[0], kind)
            self._pointer = out[0]
            return result

        def release(_: bool) -> None:
            if self._pointer != ffi.NULL:
                self._rest = self._take()
                lib.pg_listing_free(self._pointer)
                self._pointer = ffi.NULL

        self.operation = handle._operate(begin, [options], release=release)

    def take(self) -> bytes:
        """The bytes that have come since the last call; from any thread but the engine's."""
        return self._handle._engine.submit(self._take).result()

    def _take(self) -> bytes:
        rest, self._rest = self._rest, b""
        if self._pointer != ffi.NULL:
            length = ffi.new("size_t *")
            data = lib.pg_listing_take(self._pointer, length)
            rest += bytes(ffi.buffer(data, length[0])) if length[0] else b""
        return rest

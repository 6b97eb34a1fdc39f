# SPDX-License-Identifier: Apache-2.0
"""Many files over one control connection and one MODE E data channel, without a round trip for each.

A `Pipeline` puts or gets. Its connection opens at once; files are added in batches while others move, and records of
what became of them are drained in batches; no Python runs per byte, and none per file in between.
`Pipeline.operation` is the future of the whole: it ends after `Pipeline.end` once all is done, after `Pipeline.stop`,
when something fails that ends the pipeline, or when it is cancelled. By then every file that was added has its record,
and a file is only called done if it is whole, the server has confirmed it, and it has its name: until then it has a
temporary one, at either end. With ``checksum`` it is only called done if both ends have the same, too.

A file that the server refuses, or whose local end fails, is `FileState.FAILED` and the others go on. Where that cannot
be (the server is not known to keep its data channel then; a transfer broke off; the connection is lost) the pipeline
ends: the future raises, files whose commands were out are `FileState.BEGUN`, the rest is `FileState.UNTOUCHED`. A
pipeline that is `Pipeline.spoiled` ends without an exception, and without having begun what is left. Whoever wants the
rest moved does so by another way.
"""

from __future__ import annotations

import contextlib
import enum
import errno
from collections.abc import Iterable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import NamedTuple
from pyglobus.ffi.engine import Engine, Operation
from pyglobus.ffi.errors import EngineError, GlobusError, Link
from pyglobus.ffi.gss import DataCredential, GssCredential
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.text import decode, encode, optional, take

_DELEGATION = {"none": lib.PG_DELEGATE_NONE, "limited": ffi.NULL, "full": lib.PG_DELEGATE_FULL}
_BATCH = 256


class FileState(enum.IntEnum):
    """What became of a file: see the module's docstring."""

    DONE = lib.PG_FILE_DONE
    FAILED = lib.PG_FILE_FAILED
    BEGUN = lib.PG_FILE_BEGUN
    UNTOUCHED = lib.PG_FILE_UNTOUCHED


class PipelineFile(NamedTuple):
    """A file to be moved: an identifier of one's own, the local path, and the path as the server takes it.

    One that is received must have ``size`` bytes, unless that is -1. With ``fresh`` there is known to be nothing under
    its name at the server: else that is looked at before.
    """

    id: int
    local: str
    remote: str
    size: int = -1
    fresh: bool = False


class FileRecord(NamedTuple):
    """The end of one file. ``code`` and ``text`` are the server's reply that refused it, ``errno`` tells of the local
    end; EOPNOTSUPP: it is nothing that a pipeline can read, replace by renaming, or verify; EBADMSG: it came in another
    size than was told; EILSEQ: its checksums differ, and ``text`` tells them. The checksum of a file that was verified
    and is done is its ``text``. ``bytes`` have moved. ``remains`` is a path at the server under which a part of it may
    be left, or "".
    """

    id: int
    state: FileState
    bytes: int
    code: int
    text: str
    errno: int
    remains: str


class PipelineOptions(NamedTuple):
    """Where to, and how. ``receive`` files instead of sending. ``protection`` is "S", "P" or "" for clear;
    ``tcp_buffer`` in bytes, 0 for the system's own. ``depth``: commands that are out ahead of their replies, and
    ``deepest``: as many as the round trip asks for, up to that, which is at most 512; ``block``: bytes that are read or
    written at once. ``ahead``: send data before the server has opened its file, if it is of a kind for which that does
    no harm; a file that it refuses all the same then spoils the pipeline. ``ipv6``: the host's name may stand for an
    IPv6 address. ``key``: a number that temporary names are made of, so that who is killed and begins anew takes the
    same ones; 0: random names. ``checksum``: the algorithm by which files are verified, as CKSM names it; "" for none.

    ``data_credential`` is what an authenticated data channel needs where nothing is delegated.
    """

    host: str
    port: int
    secure: bool = True
    receive: bool = False
    credential: GssCredential | None = None
    delegation: str = "none"
    data_credential: DataCredential | None = None
    user: str | None = None
    password: str | None = None
    subject: str | None = None
    ipv6: bool = False
    authenticate_data: bool = True
    protection: str = ""
    tcp_buffer: int = 0
    client: str | None = None
    debug_fd: int = -1
    depth: int = 16
    deepest: int = 0
    block: int = 1 << 20
    ahead: bool = False
    key: int = 0
    checksum: str = ""


class Pipeline:
    """One direction to or from one server. Any thread may use it; the credentials must outlive `operation`."""

    def __init__(self, engine: Engine, options: PipelineOptions) -> None:
        flat = ffi.new("pg_control_options *")
        names = ("host", "user", "password", "subject", "client")
        texts = [optional(getattr(options, name)) for name in names]  # kept until they have been copied
        for name, text in zip(names, texts, strict=True):
            setattr(flat, name, text)
        flat.port, flat.secure, flat.receive = options.port, options.secure, options.receive
        flat.ipv6 = options.ipv6
        flat.credential = options.credential.pointer[0] if options.credential else ffi.NULL
        flat.delegation = _DELEGATION[options.delegation]
        flat.data_credential = options.data_credential.pointer[0] if options.data_credential else ffi.NULL
        flat.authenticate_data, flat.tcp_buffer = options.authenticate_data, options.tcp_buffer
        flat.protection, flat.debug_fd = ord(options.protection or "\0"), options.debug_fd
        checksum = optional(options.checksum or None)
        depths = options.depth, options.deepest
        pointer = lib.pg_pipeline_new(flat, *depths, options.block, options.ahead, options.key, checksum)
        if pointer == ffi.NULL:
            raise MemoryError
        self._engine = engine
        self._options = options
        self._pointer = ffi.gc(pointer, lib.pg_pipeline_free)
        #: Bytes moved so far.
        self.meter = Meter()
        self.meter.attach(self._bytes)
        #: After the end: the server lacks what a pipeline needs (MODE E, DCSC, renaming, CKSM); other ways may work.
        self.unsupported = False
        #: After the end: without ``ahead`` what is left may still go down a pipeline.
        self.spoiled = False
        self.operation = Operation(
            engine,
            lambda record: lib.pg_pipeline_open(self._pointer, record),
            abort=lambda: lib.pg_pipeline_cancel(self._pointer),
            finish=self._finish,
            release=self._release,
        )

    @property
    def room(self) -> int:
        """How many files may be added now; 0 after `end`, and after the pipeline has ended."""
        return int(lib.pg_pipeline_room(self._pointer))

    def add(self, files: Iterable[PipelineFile]) -> None:
        """Queue files.

        Each will have its record, also where it comes too late. Raises `ValueError` for a NUL in a name, and
        `BufferError` for more than there is `room`: files up to there have been queued.
        """
        try:
            for number, local, remote, size, fresh in files:
                error = lib.pg_pipeline_add(self._pointer, number, encode(local), encode(remote), size, fresh)
                if error == errno.ENOBUFS:
                    raise BufferError("the pipeline is full")
                if error:
                    raise MemoryError
        finally:
            self._feed()

    def end(self) -> None:
        """Nothing will be added any more: the operation ends when all is done."""
        lib.pg_pipeline_end(self._pointer)
        self._feed()

    def wait(self, seconds: float, records: int = 1) -> None:
        """Wait until there are so many `records`, or the pipeline has ended, or so many seconds have passed."""
        lib.pg_pipeline_wait(self._pointer, seconds, records)

    def records(self) -> list[FileRecord]:
        """Files that have ended since the last call, in the order of their ends."""
        found: list[FileRecord] = []
        batch = ffi.new("pg_file_record[]", _BATCH)
        while count := lib.pg_pipeline_take(self._pointer, batch, _BATCH):
            for record in batch[0:count]:
                text, remains = (take(each) if each != ffi.NULL else "" for each in (record.text, record.remains))
                state = FileState(record.state)
                errno_ = record.local_errno
                found.append(FileRecord(record.id, state, record.bytes, record.code, text, errno_, remains))
        return found

    def stop(self) -> None:
        """Begin nothing more, and end soon: what is not whole is deleted at the server. For a pipeline that puts."""
        with contextlib.suppress(EngineError):
            self._engine.post(self._stop)

    def cancel(self) -> None:
        """End now, whatever is under way; the operation raises `OperationCancelled`."""
        self.operation.cancel()

    def _bytes(self) -> int:
        return int(lib.pg_pipeline_bytes(self._pointer))

    def _feed(self) -> None:
        with contextlib.suppress(EngineError):  # closed: the operation says so
            self._engine.post(self._look)

    def _look(self) -> None:
        if not self.operation.done():
            lib.pg_pipeline_feed(self._pointer)

    def _stop(self) -> None:
        if not self.operation.done():
            lib.pg_pipeline_stop(self._pointer)

    def _finish(self) -> None:
        code = int(lib.pg_pipeline_code(self._pointer))
        if code:
            text = decode(lib.pg_pipeline_text(self._pointer)).replace("\r", "")
            raise GlobusError((Link("globus_ftp_control", -1, text),), ftp_code=code)

    def _release(self) -> None:
        lib.pg_pipeline_abandon(self._pointer)
        self.unsupported = bool(lib.pg_pipeline_unsupported(self._pointer))
        self.spoiled = bool(lib.pg_pipeline_spoiled(self._pointer))
        self.meter.settle(self._bytes)

# SPDX-License-Identifier: Apache-2.0
"""Small files one after another down a pipeline, for a worker of a job.

A run of files that go the same way (between this machine and one server) shares a `pyglobus.ffi.pipeline.Pipeline`: its
commands are out ahead of their replies. What a pipeline cannot do, or leaves undone when it ends early, is handed back
to be copied one by one, where faults are retried and explained.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.plan import Item
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.transfer import Result
from pyglobus.ffi.annotation import NamedTuple
from pyglobus.ffi.errors import GlobusError, Link, OperationCancelled
from pyglobus.ffi.pipeline import FileRecord, FileState, Pipeline, PipelineOptions

#: Larger files have a transfer of their own: several buffers at a time, and progress within the file.
LARGEST = 4 << 20
# Commands ahead of their replies: on a far server each is a round trip that is not waited for.
_DEPTH = 64
_TICK = 0.1
# After a cancel, the files whose commands are out get so long to arrive.
_DRAIN_LIMIT = 0.4
# After that, the remains of the file that was under way are looked for so long.
_CLEAN_UP_LIMIT = 1.0


class Way(NamedTuple):
    """A direction, and the server at the far end."""

    receive: bool
    authority: str


def way_of(item: Item, options: Options) -> Way | None:
    """The way of an item that may go down a pipeline; None for one that may not."""
    far = item.source if item.source.is_ftp else item.destination
    near = item.destination if item.source.is_ftp else item.source
    if not (item.listed and near.is_local and far.is_ftp) or item.size is None or item.size > LARGEST:
        return None
    side = options.source if item.source.is_ftp else options.destination
    special = (
        side.module,
        side.net_stack,
        side.disk_stack,
        side.assertion,
        options.stripe_block,
        options.data_credential,
    )
    plain = not (options.parallel or options.partial or options.ascii or options.verify or options.in_place)
    if not plain or options.relative or options.ipv6 or ":" in far.host or any(part is not None for part in special):
        return None
    if item.offset is not None or item.length is not None:
        return None
    return Way(item.source.is_ftp, far.authority)


class Batch:
    """One pipeline and the files in it. ``take`` gives the next item of the job if there is one; ``stopped`` tells that
    the job ends; what becomes of a file is told to ``begun``, ``done`` and ``failed``.
    """

    def __init__(
        self,
        session: Session,
        options: Options,
        way: Way,
        first: Item,
        *,
        take: Callable[[], Item | None],
        begun: Callable[[Item], None],
        stopped: Callable[[], bool],
        done: Callable[[Result], None],
        failed: Callable[[Item, errors.Error], None],
    ) -> None:
        self._session = session
        self._options = options
        self._way = way
        self._take = take
        self._begun = begun
        self._stopped = stopped
        self._done = done
        self._failed = failed
        self._pending: dict[int, tuple[Item, float]] = {}
        self._added = 0
        # Files done with and bytes moved when they were last seen to change, and when that was.
        self._seen, self._since = (0, 0), time.monotonic()
        self._stalled = False
        #: Items to be copied one by one.
        self.left: list[Item] = []
        #: An item that does not go this way, taken from the job after the last that did.
        self.stray: Item | None = None
        #: Whether the server cannot serve pipelines at all.
        self.useless = False
        self._pipeline = self._open(first)
        self._add([first])

    def bytes(self) -> int:
        """Bytes moved so far."""
        return self._pipeline.meter.bytes()

    def run(self) -> None:
        """Until the job has no more for this way, or the pipeline ends."""
        pipeline, ended, idle = self._pipeline, False, False
        stopped, patience = False, 0.0
        while not pipeline.operation.done():
            if self._stands_still() or (stopped and time.monotonic() > patience):
                pipeline.cancel()
            elif self._stopped():
                # Commands that are out cannot be taken back: the server would still make their files, empty.
                if not stopped:
                    pipeline.end()
                    stopped, patience = True, time.monotonic() + _DRAIN_LIMIT
            elif not ended:
                taken = self._more(pipeline.room)
                if taken:
                    self._add(taken)
                idle = not taken and not self._pending
                if self.stray is not None or idle:
                    pipeline.end()
                    ended = True
            pipeline.wait(_TICK)
            self._settle(pipeline.records())
        self._settle(pipeline.records())
        error = pipeline.operation.exception()
        self.useless = self._stalled or pipeline.unsupported or isinstance(error, GlobusError)
        if isinstance(error, OperationCancelled):
            self._clean_up()
        self.left += [item for item, _ in self._pending.values()]

    def _stands_still(self) -> bool:
        """Whether the server has been silent for too long: what is not done is then tried one by one, and explained."""
        now, moved = time.monotonic(), (self._added - len(self._pending), self.bytes())
        limit = self._options.stall_timeout if any(moved) else self._options.connect_timeout
        if moved != self._seen or not self._pending:
            self._seen, self._since = moved, now
        self._stalled = self._stalled or bool(limit and now - self._since > limit)
        return self._stalled

    def _open(self, item: Item) -> Pipeline:
        url = item.source if self._way.receive else item.destination
        side = self._options.source if self._way.receive else self._options.destination
        role = "source" if self._way.receive else "destination"
        attributes = Remote(self._session, url, side, self._options, "source" if role == "source" else "destination")
        chosen = attributes.attributes(extended=True)
        return Pipeline(
            self._session.engine,
            PipelineOptions(
                host=url.host,
                port=url.port,
                secure=url.scheme == "gsiftp",
                receive=self._way.receive,
                credential=chosen.credential,
                delegation=chosen.delegation,
                data_credential=self._session.data_credential(
                    self._options.source.credential or self._options.destination.credential
                )
                if chosen.data_credential is not None
                else None,
                user=chosen.user,
                password=chosen.password,
                subject=chosen.subject,
                authenticate_data=self._options.authenticate_data,
                protection=chosen.protection,
                tcp_buffer=chosen.tcp_buffer,
                debug_fd=self._session.client.debug_fd,
                depth=_DEPTH,
            ),
        )

    def _more(self, room: int) -> list[Item]:
        taken: list[Item] = []
        while len(taken) < room and self.stray is None:
            item = self._take()
            if item is None:
                break
            if way_of(item, self._options) == self._way:
                taken.append(item)
            else:
                self.stray = item
        return taken

    def _add(self, items: list[Item]) -> None:
        now = time.monotonic()
        files: list[tuple[int, str, str]] = []
        for item in items:
            self._added += 1
            self._pending[self._added] = item, now
            self._begun(item)
            local, remote = (item.destination, item.source) if self._way.receive else (item.source, item.destination)
            files.append((self._added, local.path, remote.path))
        self._pipeline.add(files)

    def _settle(self, records: list[FileRecord]) -> None:
        for record in records:
            item, since = self._pending[record.id]
            if record.state is FileState.DONE and self._way.receive and record.bytes != item.size:
                self._take_back(item)
            elif record.state is FileState.DONE:
                seconds = time.monotonic() - since
                ends = str(item.source), str(item.destination)
                self._done(Result(*ends, "pipeline", record.bytes, seconds, 1))
            elif record.state is FileState.FAILED and (record.code or record.errno) and not _one_by_one(record):
                self._failed(item, self._explained(item, record))
            else:
                if record.state is not FileState.BEGUN:
                    self.left.append(item)
                    del self._pending[record.id]
                continue
            del self._pending[record.id]

    def _take_back(self, item: Item) -> None:
        """A file came shorter or longer than listed: it may not stay, and a transfer of its own finds out why."""
        with suppress(OSError):
            os.unlink(item.destination.path)
        self.left.append(item)

    def _explained(self, item: Item, record: FileRecord) -> errors.Error:
        from pyglobus.core.faults import explain

        links = (Link("globus_ftp_control", -1, record.text),) if record.code else ()
        error = GlobusError(links, ftp_code=record.code, local_errno=record.errno)
        receive = self._way.receive
        far, near = (item.source, item.destination) if receive else (item.destination, item.source)
        role = "destination" if receive != bool(record.code) else "source"
        return explain(
            error,
            what="cannot get" if receive else "cannot put",
            where=str(far if record.code else near),
            role="source" if role == "source" else "destination",
        )

    def _clean_up(self) -> None:
        """After a cancel: remove what lies under the name of the one file that was being written at the server."""
        if self._way.receive or not self._pending:
            return
        item = next(iter(self._pending.values()))[0]
        try:
            with self._session.again() as again:
                again.until(_CLEAN_UP_LIMIT)
                place = Remote(again, item.destination, self._options.destination, self._options, "destination")
                facts = place.stat()
                if facts is not None and facts.kind == "file" and (facts.size or 0) < (item.size or 0):
                    place.delete()
        except errors.Error:
            return


def _one_by_one(record: FileRecord) -> bool:
    """Whether another way may succeed: what a pipeline cannot read or replace, and replies that ask to try again."""
    import errno

    return record.errno == errno.EOPNOTSUPP or 400 <= record.code < 500

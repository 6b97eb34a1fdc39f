# SPDX-License-Identifier: Apache-2.0
"""Small files one after another down a pipeline, for a worker of a job.

A run of files that go the same way (between this machine and one server) shares a `pyglobus.ffi.pipeline.Pipeline`: its
commands are out ahead of their replies, and the data of files that are put goes ahead as well. Where a server has
refused a file whose data was there already, the rest goes down another pipeline, without that. What a pipeline cannot
do, or leaves undone when it ends early, is handed back to be copied one by one, where faults are retried and explained.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.checksum import differ
from pyglobus.core.options import Options
from pyglobus.core.plan import Item
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.transfer import Result
from pyglobus.core.url import Url
from pyglobus.core.way import Way, open_pipeline, way_of
from pyglobus.ffi.errors import GlobusError, Link
from pyglobus.ffi.pipeline import FileRecord, FileState, Pipeline, PipelineFile

# Files with the pipeline: enough to keep it busy while others are fetched, and the rest is for other workers as well.
_AHEAD = 1000
_TICK = 0.1
# Where files have just come from the plan there are more to come: they should not wait until the first ones have ended.
_SOON = 0.005
# Files whose ends are looked at together, if so many end within a tick.
_SETTLED = 64
# After a cancel, the server gets so long to delete what is not whole.
_DRAIN_LIMIT = 0.4
# After that, and where the connection was lost, another connection gets so long to do it.
_CLEAN_UP_LIMIT = 1.0


class Batch:
    """A run of files down a pipeline.

    ``take`` gives the next item of the job if there is one; ``stopped`` tells that the job ends. The bytes moved so far
    are told to ``moved``, and what becomes of a file to ``begun``, ``done`` and ``failed``. ``ahead``: data may go
    ahead of the server's word. ``key``: as `pyglobus.ffi.pipeline.PipelineOptions` has it. ``pipeline``: one that is
    open for this way already.
    """

    def __init__(
        self,
        session: Session,
        options: Options,
        way: Way,
        first: Item,
        *,
        pipeline: Pipeline | None = None,
        ahead: bool,
        key: int,
        take: Callable[[], Item | None],
        moved: Callable[[int], None],
        begun: Callable[[Item], None],
        stopped: Callable[[], bool],
        done: Callable[[Item, Result], None],
        failed: Callable[[Item, errors.Error], None],
    ) -> None:
        self._session = session
        self._options = options
        self._way = way
        self._key = key
        self._take = take
        self._moved = moved
        self._begun = begun
        self._stopped = stopped
        self._done = done
        self._failed = failed
        self._pending: dict[int, tuple[Item, float]] = {}
        self._added = self._earlier = 0
        # Files done with and bytes moved when they were last seen to change, and when that was.
        self._seen, self._since = (0, 0), time.monotonic()
        self._stalled = False
        #: Places at the server under which parts of files may be left.
        self.remains: list[Url] = []
        # Items that a pipeline has not touched, and another one may take.
        self._untouched: list[Item] = []
        #: Items to be copied one by one.
        self.left: list[Item] = []
        #: An item that does not go this way, taken from the job after the last that did.
        self.stray: Item | None = None
        #: Whether the server cannot serve pipelines at all.
        self.useless = False
        #: Whether the server has refused a file whose data had gone ahead.
        self.spoiled = False
        self._place = first.destination
        self._pipeline = pipeline or self._open(first, ahead)
        self._add([first])

    def bytes(self) -> int:
        """Bytes moved so far."""
        return self._earlier + self._pipeline.meter.bytes()

    def run(self) -> None:
        """Until the job has no more for this way, or the pipeline ends."""
        self._drive()
        while self._pipeline.spoiled and self._untouched and not self._stopped():
            self.spoiled = True
            self._earlier += self._pipeline.meter.bytes()
            untouched, self._untouched = self._untouched, []
            self._pipeline = self._open(untouched[0], False)
            self._add(untouched, again=True)
            self._drive()
        self.spoiled = self.spoiled or self._pipeline.spoiled
        error = self._pipeline.operation.exception()
        self.useless = self._stalled or self._pipeline.unsupported or isinstance(error, GlobusError)
        self.left += [*self._untouched, *(item for item, _ in self._pending.values())]
        self.remains = sweep(self._session, self._options, self.remains, ended=self._stopped())

    def _drive(self) -> None:
        """Feed the pipeline until it ends."""
        pipeline, ended, stopped, patience = self._pipeline, False, False, 0.0
        while not pipeline.operation.done():
            tick = _TICK
            if self._stands_still() or (stopped and time.monotonic() > patience):
                pipeline.cancel()
            elif self._stopped():
                if not stopped:
                    (pipeline.cancel if self._way.receive else pipeline.stop)()
                    stopped, patience = True, time.monotonic() + _DRAIN_LIMIT
            elif not ended:
                taken = self._more(min(pipeline.room, _AHEAD - len(self._pending)))
                if taken:
                    self._add(taken)
                    tick = _SOON
                if self.stray is not None or (not taken and not self._pending):
                    pipeline.end()
                    ended = True
            pipeline.wait(tick, min(_SETTLED, max(1, len(self._pending))))
            self._settle(pipeline.records())
            self._moved(self.bytes())
        self._settle(pipeline.records())

    def _stands_still(self) -> bool:
        """Whether the server has been silent for too long: what is not done is then tried one by one, and explained."""
        now, moved = time.monotonic(), (self._added - len(self._pending), self.bytes())
        limit = self._options.stall_timeout if any(moved) else self._options.connect_timeout
        if moved != self._seen or not self._pending:
            self._seen, self._since = moved, now
        self._stalled = self._stalled or bool(limit and now - self._since > limit)
        return self._stalled

    def _open(self, item: Item, ahead: bool) -> Pipeline:
        return open_pipeline(self._session, self._options, self._way, item, ahead=ahead, key=self._key)

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

    def _add(self, items: list[Item], *, again: bool = False) -> None:
        now = time.monotonic()
        files: list[PipelineFile] = []
        for item in items:
            self._added = number = self._added + 1
            self._pending[number] = item, now
            if not again:
                self._begun(item)
            if self._way.receive:
                size = -1 if item.size is None else item.size
                files.append(PipelineFile(number, item.destination.path, item.source.path, size))
            else:
                files.append(PipelineFile(number, item.source.path, item.destination.path, fresh=item.fresh))
        self._pipeline.add(files)

    def _settle(self, records: list[FileRecord]) -> None:
        for record in records:
            item, since = self._pending.pop(record.id)
            if record.remains:
                self.remains.append(self._place._replace(path=record.remains))
            if record.state is FileState.DONE:
                seconds = time.monotonic() - since
                ends = str(item.source), str(item.destination)
                algorithm = self._options.checksum_algorithm.lower() if record.text else None
                sums = record.text or None, algorithm
                self._done(item, Result(*ends, "pipeline", record.bytes, seconds, 1, *sums))
            elif record.state is FileState.UNTOUCHED:
                self._untouched.append(item)
            elif record.state is FileState.BEGUN or self._another_way(record):
                self.left.append(item)
            else:
                self._failed(item, self._explained(item, record))

    @staticmethod
    def _another_way(record: FileRecord) -> bool:
        """Whether another way may succeed, or can at least say what is wrong.

        That is so for what a pipeline cannot read or replace, a file that has changed since it was listed, and replies
        that ask to try again.
        """
        if record.errno in (errno.EOPNOTSUPP, errno.EBADMSG):
            return True
        return record.code < 500 and not record.errno

    def _explained(self, item: Item, record: FileRecord) -> errors.Error:
        from pyglobus.core.faults import explain

        if record.errno == errno.EILSEQ:
            return differ(str(item.destination), self._options.checksum_algorithm, record.text)
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


def sweep(session: Session, options: Options, remains: list[Url], *, ended: bool) -> list[Url]:
    """Delete at the server what has no name of its own yet; what that does not reach, which has a name that tells.

    ``ended``: the job, which does not wait for long.
    """
    if not remains:
        return []
    left = list(remains)
    try:
        with session.again() if ended else session.aside() as aside:
            aside.until(_CLEAN_UP_LIMIT if ended else options.connect_timeout)
            for url in remains:
                with suppress(errors.NotFound, errors.CannotCreate):  # it never came into being
                    Remote(aside, url, options.destination, options, "destination").delete()
                left.remove(url)
    except errors.Error:
        pass
    return left

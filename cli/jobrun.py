# SPDX-License-Identifier: Apache-2.0
"""One run of pyglobusrun with one job: submitted or picked up, and followed as far as is asked.

The job is put on the list before it can begin (`pyglobus.core.gram.records`), and taken off the job manager's only
when its output is here: who dies in between leaves a job that can be picked up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pyglobus.cli import jobs, signals
from pyglobus.cli.watch import Watch, writer
from pyglobus.core import errors, gram
from pyglobus.core.gram import Event, GramError, Job, State, care, description
from pyglobus.core.gram.errors import CODES
from pyglobus.core.gram.outlet import Outlet, Paths

if TYPE_CHECKING:
    from pyglobus.cli.manner import Manner
    from pyglobus.cli.output import Output
    from pyglobus.core.gram import Delegation
    from pyglobus.core.gram.depot import Depot
    from pyglobus.core.gram.records import Record, Records
    from pyglobus.core.rsl.tree import Boolean

# A submission that a signal has come into gets this long to be answered, so that the job can be cancelled.
_PATIENCE = 5.0
#: Where a job that is left alone sends its output: to nobody, so that it keeps it until it is picked up.
NOWHERE = "https://localhost:1"
# One that was cancelled gets this long to end: what its job manager is about, such as a transfer, it does not give up.
_ENDING = 15.0
# So often the job manager of a job that is followed is replaced, before that is an error.
_LOSSES = 3
# How often is looked whether a signal has come, in seconds.
_TICK = 0.5
# In these a job may still need files of ours.
_BEGINNING = (State.UNSUBMITTED, State.STAGE_IN)


class Run:
    """One job and what is shown of it."""

    def __init__(self, output: Output, manner: Manner, records: Records | None = None) -> None:
        self._output = output
        self._manner = manner
        self._records = records
        self._record: Record | None = None
        self._deadline = None if manner.timeout is None else time.monotonic() + manner.timeout
        self._silent = manner.serves or output.quiet
        self._watch = Watch(output) if manner.watched else None
        self._outlet: Outlet | None = None
        self._complete: Callable[[], object] | None = None
        self._interrupted = False
        self._job: Job | None = None
        # Where the job's output is taken; and how often its job manager has been lost.
        self._server: str | None = None
        self._losses = 0

    def submit(self, contact: str, request: Boolean, delegation: Delegation, title: str) -> int | None:
        """Submit a job and follow it."""
        manner = self._manner
        with contextlib.ExitStack() as stack:
            if self._watch is not None:
                stack.enter_context(self._watch)
            self._server = NOWHERE if manner.detached else None
            if manner.reads != () or (manner.serves and not manner.detached):
                self._server = self._served(stack).url
            request = description.prepared(request, manner.wishes, Paths.of(), self._server)
            if not manner.leaves:
                stack.enter_context(signals.cancelling(self._interrupt))
            submission = gram.Submission(contact, request, delegation)
            self._say("globus_gram_client_callback_allow successful")
            try:
                job = self._submitted(submission, contact)
            except GramError as error:
                return self._ended(error)
            self._job = job
            if self._records is not None and not manner.dry:
                self._record = jobs.listed(
                    self._output, self._records, title=title, gatekeeper=contact, description=str(request),
                    contact=job.contact, full=delegation.full, **manner.recorded(),
                )  # fmt: skip
            if self._interrupted:
                job.cancel_soon()
            if job.two_phase:
                job.commit()
            self._say("GRAM Job submission successful")
            if manner.batch or manner.detached:
                number = None if self._record is None else self._record.number
                self._output.result("submitted", {"contact": job.contact, "number": number}, job.contact)
                self._output.flush()
            return self._follow()

    def pick_up(self, contact: str) -> int | None:
        """Follow a job of which nothing is known but its contact."""
        from pyglobus.core.gram import listener, request

        self._job = Job(contact)
        with contextlib.suppress(GramError):  # then it is asked now and then
            request.register(contact, listener.address())
        event = jobs.state(contact)
        if event is None:
            self._output.note("its job manager does not know it any more, nor how it has ended")
        event = event or Event(State.DONE, time.time(), asked=True)
        self._heard(event)
        return self._ended(event.failure) if event.state.final else self._follow()

    def take_over(self, record: Record, outlet: Outlet, complete: Callable[[], object]) -> int | None:
        """Follow a job that was kept; its output comes whole, to ``outlet``. When all is there, ``complete`` is called,
        and then its job manager is told so.
        """
        self._record, self._outlet, self._complete = record, outlet, complete
        assert self._records is not None
        assert record.contact is not None
        with contextlib.ExitStack() as stack:
            if self._watch is not None:
                stack.enter_context(self._watch)
            self._server = self._served(stack).url
            if not self._manner.leaves:
                stack.enter_context(signals.cancelling(self._interrupt))
            for last in (False, False, True):
                self._pick_up()
                try:
                    return self._follow()
                except GramError as error:
                    # It had begun to deliver to where nobody was before it heard of us.
                    if last or error.code not in care.DELIVERY:
                        raise
                    record.restarted = True
        return None

    def writer(self, fd: int) -> Callable[[bytes], object]:
        """What writes the output of the job to a descriptor of ours."""
        return writer(self._watch, fd)

    def _pick_up(self) -> None:
        assert self._records is not None
        assert self._record is not None
        assert self._server is not None
        assert self._outlet is not None
        limit = self._manner.timeout
        self._job = care.pick_up(self._records, self._record, self._server, self._outlet.paths, timeout=limit)
        if self._interrupted:
            self._job.cancel_soon()

    def _served(self, stack: contextlib.ExitStack) -> Depot:
        """The server for what the job sends and reads, in ``stack``."""
        manner = self._manner
        depot = jobs.depot(manner)
        if self._outlet is None:
            self._outlet = Outlet(self.writer(1), self.writer(2)) if manner.wishes.shows else Outlet(None, None)
        depot.admit(self._outlet)
        stack.enter_context(depot)
        stack.callback(depot.drain)
        return depot

    def _interrupt(self) -> None:
        """In the signal handler: what follows is the job's end."""
        self._interrupted = True
        if self._job is not None:
            self._job.cancel_soon()

    def _submitted(self, submission: gram.Submission, contact: str) -> Job:
        limit = self._deadline
        while True:
            try:
                return submission.result(0.2)
            except TimeoutError as over:
                now = time.monotonic()
                if self._interrupted and limit == self._deadline:
                    limit = now + _PATIENCE
                if limit is not None and now > limit:
                    submission.cancel()
                    why = "the gatekeeper does not answer; the job may have been submitted all the same"
                    raise errors.DeadlineExceeded("cannot submit the job", where=contact, why=why) from over

    def _follow(self) -> int | None:
        manner = self._manner
        if manner.fast:
            return None
        for event in self._events():
            if self._interrupted and event.state.final:
                self._say("Cancelling job...")
            if event.state is State.DONE and not self._interrupted:
                self._fetch()
            if self._outlet is not None and self._outlet.status is not None:
                event = event._replace(exit_code=self._outlet.status)
            if self._record is not None and care.undelivered(self._record, event):
                return None if manner.detached else self._undelivered(self._record, event)
            self._heard(event)
            if event.state.final:
                return self._final(event)
            if manner.detached and event.state not in _BEGINNING:
                return None
            if manner.batch and event.state not in _BEGINNING:
                assert self._job is not None
                with contextlib.suppress(GramError):
                    self._job.leave()
                return None
        return None

    def _final(self, event: Event) -> int | None:
        assert self._job is not None
        self._output.flush()
        if self._complete is not None:
            self._complete()
        if self._job.two_phase:
            with contextlib.suppress(GramError):  # it forgets the job later by itself
                self._job.commit_end()
        self._close()
        return self._ended(event.failure) or self._propagated(event)

    def _fetch(self) -> None:
        """The job has ended. If it was picked up, and has not sent all, another one does."""
        record, outlet = self._record, self._outlet
        picked_up = self._complete is not None or self._losses
        if not picked_up or record is None or outlet is None or not care.lost(record, outlet):
            return
        assert self._server is not None
        self._output.detail("the job manager has lost the output of the job; another job fetches it")
        over = self._deadline
        try:
            care.fetch(record, self._server, outlet.paths,
                       lambda: self._interrupted or (over is not None and time.monotonic() > over))  # fmt: skip
        except errors.DataError as error:
            error.hint = f"to try again: pyglobus job output {record.number}"
            self._heard(Event(State.STAGE_OUT, time.time()))
            raise

    def _undelivered(self, record: Record, event: Event) -> int | None:
        """The job has ended, and its output has not come; it keeps it."""
        assert event.failure is not None
        event.failure.hint = f"the job keeps its output for a while: pyglobus job output {record.number}"
        self._heard(event._replace(state=State.STAGE_OUT, failure=None))
        return self._ended(event.failure)

    def _events(self) -> Iterator[Event]:
        limit = None
        while True:
            assert self._job is not None
            try:
                yield from self._job.events(_TICK)
                return
            except TimeoutError as over:
                now = time.monotonic()
                if self._interrupted:
                    limit = limit or now + _ENDING
                if limit is not None and now > limit:
                    where = self._job.contact
                    self._output.note(f"{where}: {_ENDING:g} s after the cancellation, its job manager is busy with it")
                    raise errors.Cancelled("the job has not ended", where=where) from over
                if self._deadline is not None and now > self._deadline:
                    raise jobs.late(self._job, self._manner) from over
            except GramError as error:
                record, takes = self._record, self._outlet is not None and not self._manner.detached
                kept = record is not None and record.kept and takes
                if error.code not in care.GONE or not kept or self._losses == _LOSSES:
                    raise
                self._losses += 1
                self._pick_up()

    def _ended(self, error: GramError | None) -> int | None:
        """The end: an exit status, or the error to show."""
        if error is None:
            return None
        if error.code == CODES["DRYRUN"] and self._manner.dry:
            if not self._silent:
                self._output.progress_line("Dryrun successful")
            return None
        raise error

    def _propagated(self, event: Event) -> int | None:
        if not self._manner.wishes.propagates or event.failure is not None:
            return None
        if event.exit_code is None:
            where = self._job.contact if self._job is not None else None
            raise errors.DataError("the exit status of the job has not arrived", where=where)
        return event.exit_code

    def _heard(self, event: Event) -> None:
        if self._record is not None:
            self._record.heard(event)
            jobs.save(self._output, self._records, self._record)
        contact = self._job.contact if self._job is not None else ""
        self._output.event("state", jobs.record(contact, event), "" if self._silent else jobs.lines(event))
        self._output.flush()
        if self._watch is not None:
            self._watch.show(event)

    def _close(self) -> None:
        if self._record is not None:
            self._record.closed = True
            jobs.save(self._output, self._records, self._record)

    def _say(self, text: str) -> None:
        if not self._silent and self._output.is_text:
            self._output.line(text)

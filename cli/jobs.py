# SPDX-License-Identifier: Apache-2.0
"""What pyglobusrun does with a job, and shows of it: on stdout the lines of globusrun, or one JSON record for each
state.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.output import Output
from pyglobus.core import errors, gram
from pyglobus.core.gram import Event, GramError, Job, State
from pyglobus.core.gram.errors import CODES

if TYPE_CHECKING:
    from pyglobus.core.gass import Server
    from pyglobus.core.gram import Delegation
    from pyglobus.core.rsl.tree import Boolean

# A submission that a signal has come into gets this long to be answered, so that the job can be cancelled.
_PATIENCE = 5.0
# At the end, output that is still on its way gets this long.
_DRAIN = 5.0


def ping(output: Output, contact: str) -> int:
    """See whether a gatekeeper lets us in. As with globusrun, the answer is on stdout and the status 0 or 1."""
    try:
        gram.ping(contact)
    except GramError as error:
        output.event("ping", {"contact": contact, "accepted": False, "code": error.code},
                     f"\nGRAM Authentication test failure: {error.text}")  # fmt: skip
        output.error(error, 1)
        return 1
    output.result("ping", {"contact": contact, "accepted": True}, "\nGRAM Authentication test successful")
    return 0


def version(output: Output, contact: str) -> int:
    """Print the versions of a job manager."""
    try:
        found = gram.version(contact)
    except GramError as error:
        output.event("version", {"contact": contact, "code": error.code}, f"\nGRAM version check failed : {error.text}")
        output.error(error, 1)
        return 1
    names = {"Toolkit version": "toolkit-version", "Job Manager version": "version"}
    lines = [f"{title}: {found[name]}" for title, name in names.items() if name in found]
    output.result("version", {"contact": contact, **found}, "\n".join(lines))
    return 0


def status(output: Output, contact: str) -> None:
    """Print the state of a job; one that its job manager has forgotten is DONE."""
    try:
        event = _state(contact) or Event(State.DONE, time.time(), asked=True)
    except GramError as error:
        output.event("status", {"contact": contact, "code": error.code}, "ERROR")
        raise
    more = f"\nexit code: {event.exit_code}" if event.state is State.DONE and event.exit_code is not None else ""
    output.result("status", _record(contact, event), f"{event.state}{more}")


def _state(contact: str) -> Event | None:
    """What a job manager says of a job; None if it does not know it, or no longer."""
    try:
        return gram.status(contact)
    except GramError as error:
        if error.code != CODES["JOB_CONTACT_NOT_FOUND"]:
            raise
        return None


class Run:
    """One run of the command: a job is submitted or picked up, and followed as far as is asked."""

    def __init__(
        self, output: Output, *, shows: bool = False, reads: bool = False, writes: bool = False,
        propagates: bool = False, batch: bool = False, fast: bool = False, dry: bool = False, leaves: bool = False,
        timeout: float | None = None,
    ) -> None:  # fmt: skip
        """``shows`` the job's output, and lets it read and write our files; a ``batch`` job is left when it is with
        the scheduler, a ``fast`` one when it is with the job manager; Ctrl-C ``leaves`` the job alone. With
        ``propagates`` the exit status is that of the job's program.
        """
        self._output = output
        self._shows, self._reads, self._writes = shows, reads, writes
        self._batch, self._fast, self._dry, self._leaves = batch, fast, dry, leaves
        self._status = bytearray() if propagates else None
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout
        self._silent = shows or reads or writes or output.quiet
        self._interrupted = False
        self._job: Job | None = None

    def submit(self, contact: str, request: Boolean, delegation: Delegation) -> int | None:
        """Submit a job and follow it."""
        from pyglobus.core.gram import description

        with contextlib.ExitStack() as stack:
            if self._shows or self._reads or self._status is not None:
                server = stack.enter_context(self._server())
                if self._status is not None:
                    told = server.capture(self._status.extend)
                    request = description.with_status(request, told.removeprefix(server.url))
                if self._shows:
                    request = description.with_output(request)
                request = description.with_gass(request, server.url)
                stack.callback(server.drain, _DRAIN)
            if not self._leaves:
                stack.enter_context(signals.cancelling(self._interrupt))
            submission = gram.Submission(contact, request, delegation)
            self._say("globus_gram_client_callback_allow successful")
            try:
                job = self._submitted(submission, contact)
            except GramError as error:
                return self._ended(error)
            self._job = job
            if self._interrupted:
                job.cancel_soon()
            if job.two_phase:
                job.commit()
            self._say("GRAM Job submission successful")
            if self._batch:
                self._output.result("submitted", {"contact": job.contact}, job.contact)
                self._output.flush()
            return self._follow(job)

    def pick_up(self, contact: str) -> int | None:
        """Follow a job that was submitted before."""
        from pyglobus.core.gram import listener, request

        job = self._job = Job(contact)
        with contextlib.suppress(GramError):  # then it is asked now and then
            request.register(contact, listener.address())
        event = _state(contact)
        if event is None:
            self._output.note("its job manager does not know it any more, nor how it has ended")
        event = event or Event(State.DONE, time.time(), asked=True)
        self._show(event)
        return self._ended(event.failure) if event.state.final else self._follow(job)

    def _server(self) -> Server:
        from pyglobus.core.gass import Server, Sink

        sinks = {f"/dev/{name}": Sink.of_descriptor(fd, lines=True) for fd, name in ((1, "stdout"), (2, "stderr"))}
        return Server(sinks=sinks if self._shows else {}, read=self._reads, write=self._writes)

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

    def _follow(self, job: Job) -> int | None:
        if self._fast:
            return None
        for event in self._events(job):
            if self._interrupted and event.state.final:
                self._say("Cancelling job...")
            if self._status and event.exit_code is None:
                event = event._replace(exit_code=int(self._status))
            self._show(event)
            if event.state.final:
                if job.two_phase:
                    job.commit_end()
                return self._ended(event.failure) or self._propagated(event)
            if self._batch and event.state not in (State.UNSUBMITTED, State.STAGE_IN):
                with contextlib.suppress(GramError):
                    job.leave()
                return None
        return None

    def _events(self, job: Job) -> Iterator[Event]:
        rest = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            yield from job.events(rest)
        except TimeoutError as over:
            why = f"it has not ended within {self._timeout:g} s"
            if not self._leaves:
                job.cancel()
                why += ", and was cancelled"
            raise errors.DeadlineExceeded(
                "cannot wait for the job", where=job.contact, why=why, fault="deadline"
            ) from over

    def _ended(self, error: GramError | None) -> int | None:
        """The end: an exit status, or the error to show."""
        if error is None:
            return None
        if error.code == CODES["DRYRUN"] and self._dry:
            if not self._silent:
                self._output.progress_line("Dryrun successful")
            return None
        raise error

    def _propagated(self, event: Event) -> int | None:
        if self._status is None or event.failure is not None:
            return None
        if event.exit_code is None:
            where = self._job.contact if self._job is not None else None
            raise errors.DataError("the exit status of the job has not arrived", where=where)
        return event.exit_code

    def _show(self, event: Event) -> None:
        text = "" if self._silent or event.state is State.SUSPENDED else f"GLOBUS_GRAM_PROTOCOL_JOB_STATE_{event.state}"
        if text and event.state is State.DONE and event.exit_code is not None:
            text += f"\nexit code: {event.exit_code}"
        contact = self._job.contact if self._job is not None else ""
        self._output.event("state", _record(contact, event), text)
        self._output.flush()

    def _say(self, text: str) -> None:
        if not self._silent and self._output.is_text:
            self._output.line(text)


def _record(contact: str, event: Event) -> dict[str, Any]:
    failure = event.failure
    return {
        "contact": contact,
        "state": str(event.state),
        "time": event.time,
        "exit_code": event.exit_code,
        "failure": None
        if failure is None
        else {"code": failure.code, "name": type(failure).__name__, "why": failure.why},
    }

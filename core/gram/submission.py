# SPDX-License-Identifier: Apache-2.0
"""Submitting jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.gram import listener, request
from pyglobus.core.gram.errors import CODES
from pyglobus.core.gram.job import Event, Job
from pyglobus.core.gram.request import USUAL, Delegation
from pyglobus.ffi import gram
from pyglobus.ffi.future import Future

if TYPE_CHECKING:
    from pyglobus.core.rsl.tree import Boolean

# A request with a description beyond this may be too long for a gatekeeper, which then just closes the connection.
_LONG = 60_000


class Submission:
    """A job on its way to a gatekeeper: begun with construction; `result` is the `Job`, once it was accepted.

    ``told`` has the job's states told to this process. A description that asks for two-phase commit makes a job that
    waits: `Job.commit` lets it begin.
    """

    def __init__(
        self, contact: str, description: Boolean | str, using: Delegation = USUAL, *, told: bool = True
    ) -> None:
        self.contact = contact
        self._description = description
        self._using = using
        self._told = told
        if not isinstance(description, str) and description.multiple:
            raise errors.UsageError("cannot submit several requests as one job", hint="submit each operand")
        address = listener.address() if told else None
        self._future: Future[gram.Reply] = gram.submit(contact, str(description), address, using)

    def then(self, call: Callable[[Submission], object]) -> None:
        """Have ``call(self)`` called once there is a `result`, in the engine's thread."""
        self._future.add_done_callback(lambda _: call(self))

    def result(self, timeout: float | None = None, *, heard: Callable[[Event], object] | None = None) -> Job:
        """The job, once the job manager has it; ``heard`` is told its states. Raises
        `pyglobus.core.gram.errors.GramError`; and TimeoutError, after which it can be asked again.
        """
        two_phase = False
        try:
            contact = self._future.result(timeout).contact
        except gram.GramFailure as failure:
            two_phase = failure.code == CODES["WAITING_FOR_COMMIT"]
            contact = failure.reply.contact if failure.reply is not None else None
            if not two_phase or contact is None:
                raise self._refused(failure) from failure
        if contact is None:
            raise errors.ProtocolError("cannot submit the job", where=self.contact, why="its contact was not told")
        return Job(contact, told=self._told, two_phase=two_phase, delegation=self._using, heard=heard)

    def _refused(self, failure: gram.GramFailure) -> errors.Error:
        error = request.translated(failure, what="cannot submit the job", where=self.contact)
        if failure.code == CODES["PARAMETER_NOT_SUPPORTED"] and not isinstance(self._description, str):
            from pyglobus.core.gram import attributes

            error.hint = attributes.hint(self._description, self.contact)
        elif failure.code == CODES["PROTOCOL_FAILED"] and len(str(self._description)) > _LONG:
            error.hint = "gatekeepers take 64 KiB at most: put what is long into a file, and stage it in"
        return error

    def cancel(self) -> bool:
        """Wait for it no longer. The job may be submitted all the same."""
        return self._future.cancel()


def submit(
    contact: str,
    description: Boolean | str,
    using: Delegation = USUAL,
    *,
    told: bool = True,
    timeout: float | None = None,
) -> Job:
    """Submit a job and wait until it is accepted. Raises `errors.DeadlineExceeded` after ``timeout`` seconds."""
    submission = Submission(contact, description, using, told=told)
    try:
        return submission.result(timeout)
    except TimeoutError as over:
        submission.cancel()
        why = f"no answer within {timeout:g} s"
        raise errors.DeadlineExceeded("cannot submit the job", where=contact, why=why, fault="deadline") from over
    except BaseException:
        submission.cancel()
        raise

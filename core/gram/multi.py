# SPDX-License-Identifier: Apache-2.0
"""Several requests in one description, ``+(&...)(&...)``: split, submitted side by side, followed as one.

Gatekeepers take one job at a time, so the requests go to them one by one, a limited number at once. Their states come
to one place, in one thread. All or nothing is done by two-phase commit: no job begins before each of them was
accepted, and if one is not, or does not begin, the others are cancelled.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.gram import description
from pyglobus.core.gram.errors import GramError
from pyglobus.core.gram.job import SILENCE, Event, Job
from pyglobus.core.gram.request import USUAL, Answer, Delegation
from pyglobus.core.gram.submission import Submission
from pyglobus.core.rsl.tree import Boolean, Literal, Relation

#: Submissions at once: a gatekeeper starts a process for each.
LIMIT = 16

#: Seconds that a job of all-or-nothing waits for the others.
COMMIT_SECONDS = 600

# What a request of several says to us, not to its job manager (DUROC's names).
_CONTACT, _LABEL = "resourceManagerContact", "label"


class Part(NamedTuple):
    """One of the requests. ``label`` is its own, or its number from 1 on."""

    label: str
    contact: str
    request: Boolean


class Told(NamedTuple):
    """What has become of the part at this position, from 0 on: a job (``event`` and ``error`` are None), a state, or an
    error.
    """

    position: int
    job: Job | None = None
    event: Event | None = None
    error: errors.Error | None = None


def parts(request: Boolean, contact: str | None) -> list[Part]:
    """The requests in one; ``contact`` is where those go that do not name a gatekeeper (``resourceManagerContact``).

    Raises `errors.UsageError` for what is no request, and for one that goes nowhere.
    """
    made = []
    for number, operand in enumerate(request.operands, 1):
        if not isinstance(operand, Boolean) or operand.multiple:
            raise errors.UsageError("not a request", where=f"number {number}", why="it must begin with &")
        where = _said(operand, _CONTACT) or contact
        if where is None:
            raise errors.UsageError("missing the contact of a gatekeeper", where=f"request {number}",
                                    hint=f"give -r CONTACT, or ({_CONTACT} = ...) in the request")  # fmt: skip
        kept = (each for each in operand.operands if not _is(each, _CONTACT) and not _is(each, _LABEL))
        made.append(Part(_said(operand, _LABEL) or str(number), where, Boolean(operand.operator, tuple(kept))))
    return made


class Several:
    """Jobs of several requests: submitted and followed by `events`.

    ``keep(index, job)`` is called before a job may begin: for a record of it. With ``atomic`` it is all or nothing.
    """

    def __init__(
        self,
        wanted: Sequence[Part],
        using: Delegation = USUAL,
        *,
        limit: int = LIMIT,
        atomic: bool = False,
        keep: Callable[[int, Job], object] = lambda _index, _job: None,
    ) -> None:
        if atomic:
            wanted = [each._replace(request=description.with_recovery(each.request, COMMIT_SECONDS)) for each in wanted]
        self.parts = list(wanted)
        self._using, self._limit, self._atomic, self._keep = using, limit, atomic, keep
        self._waiting = deque(range(len(self.parts)))
        self._submitting = 0
        self._open = set(self._waiting)
        self._jobs: dict[int, Job] = {}
        self._heard: dict[int, float] = {}
        self._cancelled = False
        self._broken = False
        self._ends: list[Answer] = []
        # Filled in the engine's thread, and by signal handlers; emptied by who iterates.
        self._news: queue.SimpleQueue[Callable[[], list[Told]]] = queue.SimpleQueue()

    def events(self, timeout: float | None = None) -> Iterator[Told]:
        """Submit all, and tell what becomes of them until each has ended. Raises TimeoutError after ``timeout``
        seconds; the jobs then go on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._submit_next()
        while self._open:
            rest = SILENCE if deadline is None else max(0.0, min(SILENCE, deadline - time.monotonic()))
            try:
                told = self._news.get(timeout=rest)()
            except queue.Empty:
                told = self._asked()
            yield from told
            if deadline is not None and time.monotonic() >= deadline and self._open:
                raise TimeoutError
        for answer in self._ends:
            try:
                answer.result(SILENCE)
            except errors.Error:
                continue  # it forgets the job later by itself

    def cancel_soon(self) -> None:
        """Begin to cancel all that have not ended, and submit no more; also from a signal handler. `events` goes on
        to their ends.
        """
        self._news.put(self._cancel)

    def cancel(self) -> None:
        """The same from the thread that iterates `events`, or has."""
        self._cancel()

    # In the thread of who iterates -----------------------------------------------------------------------------------

    def _submit_next(self) -> None:
        while self._waiting and self._submitting < self._limit:
            index = self._waiting.popleft()
            part = self.parts[index]
            self._submitting += 1
            submission = Submission(part.contact, part.request, self._using)
            submission.then(lambda made, index=index: self._news.put(lambda: self._submitted(index, made)))  # type: ignore[misc]

    def _submitted(self, index: int, submission: Submission) -> list[Told]:
        self._submitting -= 1
        try:
            job = submission.result(heard=lambda event: self._news.put(lambda: self._changed(index, event)))
        except errors.Error as error:
            told = [*self._failed(index, error), *self._break()]
        else:
            self._jobs[index] = job
            self._heard[index] = time.monotonic()
            self._keep(index, job)
            told = [Told(index, job)]
            if self._cancelled:
                job.cancel_soon()
            elif job.two_phase and not self._atomic:
                self._begin(index, job)
        self._submit_next()
        if self._atomic and not self._cancelled and not self._waiting and not self._submitting:
            for each, job in self._jobs.items():
                if job.two_phase:
                    self._begin(each, job)
        return told

    def _begin(self, index: int, job: Job) -> None:
        job.begin_commit().then(lambda answer: self._news.put(lambda: self._began(index, answer)))

    def _began(self, index: int, answer: Answer) -> list[Told]:
        try:
            answer.result()
        except errors.Error as error:
            return [*self._failed(index, error), *self._break()] if index in self._open else []
        return []

    def _break(self) -> list[Told]:
        """One could not be had: of all or nothing, nothing is left."""
        if not self._atomic or self._broken:
            return []
        self._broken = True
        return self._cancel()

    def _cancel(self) -> list[Told]:
        """Nothing more is submitted; what was accepted is cancelled, and tells its end."""
        self._cancelled = True
        told: list[Told] = []
        while self._waiting:
            why = errors.Cancelled("the job was not submitted", why="the others were cancelled")
            told += self._failed(self._waiting.popleft(), why)
        for index, job in self._jobs.items():
            if index in self._open:
                job.cancel_soon()
        return told

    def _failed(self, index: int, error: errors.Error) -> list[Told]:
        self._open.discard(index)
        return [Told(index, self._jobs.get(index), error=error)]

    def _changed(self, index: int, event: Event) -> list[Told]:
        if index not in self._open:
            return []
        job = self._jobs[index]
        self._heard[index] = time.monotonic()
        if event.state.final:
            self._open.discard(index)
            if job.two_phase:
                self._ends.append(job.begin_commit_end())
            job.close()
        return [Told(index, job, event)]

    def _asked(self) -> list[Told]:
        """Ask for those of which nothing was heard for a while."""
        told: list[Told] = []
        for index in [each for each in self._jobs if each in self._open]:
            if time.monotonic() - self._heard[index] < SILENCE:
                continue
            self._heard[index] = time.monotonic()
            try:
                event = self._jobs[index].ask()
            except GramError as error:
                told += self._failed(index, error)
                continue
            if event is not None:
                told += self._changed(index, event)
        return told


def _is(operand: object, name: str) -> bool:
    return isinstance(operand, Relation) and operand.name == name.lower()


def _said(request: Boolean, name: str) -> str | None:
    """The text that a request gives for a name."""
    for each in request.relations(name):
        value = each.values[0]
        if len(each.values) == 1 and isinstance(value, Literal):
            return value.text
        raise errors.UsageError("not a text", where=str(each))
    return None

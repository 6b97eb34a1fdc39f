# SPDX-License-Identifier: Apache-2.0
"""A job: its contact, what is known of its state, and what can be done to it.

Job managers tell the states of a job to a listener in this process (`pyglobus.core.gram.listener`). Where they cannot
reach it, the job manager is asked now and then instead, so that `wait` ends all the same.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from threading import Condition
from typing import NamedTuple

from pyglobus.core.gram import listener, request
from pyglobus.core.gram.errors import CODES, GramError
from pyglobus.core.gram.request import USUAL, Answer, Delegation


class State(StrEnum):
    """What a job is at, by the names of the protocol."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    DONE = "DONE"
    SUSPENDED = "SUSPENDED"
    UNSUBMITTED = "UNSUBMITTED"
    STAGE_IN = "STAGE_IN"
    STAGE_OUT = "STAGE_OUT"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (State.DONE, State.FAILED)


class Event(NamedTuple):
    """A state of a job as it was told, or found by asking (``asked``). ``time`` is in seconds since the epoch."""

    state: State
    time: float
    failure: GramError | None = None
    exit_code: int | None = None
    asked: bool = False


#: Seconds after which a job manager that has told nothing is asked, and between two questions.
SILENCE = 10.0


class Job:
    """A job that was submitted, or is picked up again by its contact.

    ``told`` says whether its job manager was asked to tell its states to this process. ``heard`` is called with each
    that is told, in the engine's thread: then nobody needs to wait in `events`.
    """

    def __init__(
        self,
        contact: str,
        *,
        told: bool = True,
        two_phase: bool = False,
        delegation: Delegation = USUAL,
        heard: Callable[[Event], object] | None = None,
    ) -> None:
        #: The address of its job manager, which names it.
        self.contact = contact
        #: Whether the job manager keeps it after its end until `commit_end`.
        self.two_phase = two_phase
        self._delegation = delegation
        self._tell = heard
        self._changed = Condition()
        self._events: deque[Event] = deque()
        #: The last event.
        self.last: Event | None = None
        # When something was last heard of it, or asked.
        self._news = time.monotonic()
        if told:
            listener.claim(self.contact, self._heard)

    @property
    def state(self) -> State | None:
        """The last state that is known; None if nothing was told yet."""
        return None if self.last is None else self.last.state

    def events(self, timeout: float | None = None, *, silence: float = SILENCE) -> Iterator[Event]:
        """Each state as it comes, up to the final one. Raises TimeoutError after ``timeout`` seconds; it can be called
        again then.

        After ``silence`` seconds without news the job manager is asked. One that knows nothing of the job has seen its
        end and forgotten how it was (only with two-phase commit it remembers): then the job counts as done. Raises
        `pyglobus.core.gram.errors.GramError` if the job manager cannot be asked.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            quiet = max(0.0, self._news + silence - time.monotonic())
            event = self._next(min(quiet, _rest(deadline)))
            if event is None and time.monotonic() >= self._news + silence:
                event = self.ask()
            if event is None:
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError
            else:
                yield event
                if event.state.final:
                    return

    def wait(self, timeout: float | None = None) -> Event:
        """Wait for the final state. Raises TimeoutError after ``timeout`` seconds."""
        if self.last is not None and self.last.state.final:
            return self.last
        *_, last = self.events(timeout)
        return last

    def cancel(self) -> None:
        """Have it ended; it becomes `State.FAILED`. It is no error if it has ended before."""
        request.cancel(self.contact, self._delegation)

    def cancel_soon(self) -> None:
        """Begin to `cancel` it, and do not wait for the answer; also from a signal handler."""
        request.begin_cancel(self.contact, self._delegation)

    def signal(self, name: str, argument: str | None = None) -> None:
        """Send its job manager a signal: see `pyglobus.core.gram.request.signal`."""
        request.signal(self.contact, name, argument, self._delegation)

    def commit(self) -> None:
        """Let a job of two-phase commit begin."""
        self.signal("commit-request", "commit")

    def begin_commit(self) -> Answer:
        """The same without waiting."""
        return request.begin_signal(self.contact, "commit-request", "commit", self._delegation)

    def commit_end(self) -> None:
        """Let the job manager forget a job of two-phase commit that has ended."""
        self.signal("commit-end", "commit")

    def begin_commit_end(self) -> Answer:
        """The same without waiting."""
        return request.begin_signal(self.contact, "commit-end", "commit", self._delegation)

    def refresh(self) -> None:
        """Delegate a new proxy to it."""
        request.refresh(self.contact, self._delegation)

    def leave(self) -> None:
        """Have its states no longer told to this process; it goes on."""
        request.unregister(self.contact, listener.address(), self._delegation)
        self.close()

    def close(self) -> None:
        """Take no more notice of it; the job goes on."""
        listener.forget(self.contact)

    def _heard(self, reply: request.Reply) -> None:
        """In the engine's thread."""
        if reply.state is not None:
            self._put(_event(reply, self.contact, asked=False))

    def _put(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self.last = event
            self._changed.notify_all()
        if self._tell is not None:
            self._tell(event)

    def _next(self, seconds: float) -> Event | None:
        with self._changed:
            if self._changed.wait_for(lambda: bool(self._events), seconds):
                self._news = time.monotonic()
                return self._events.popleft()
        return None

    def ask(self) -> Event | None:
        """What the job manager says when it is asked; None if it is nothing new. One that does not know the job counts
        as its end, as in `events`.
        """
        self._news = time.monotonic()
        try:
            found = status(self.contact, self._delegation)
        except GramError as error:
            if error.code != CODES["JOB_CONTACT_NOT_FOUND"]:
                raise
            found = Event(State.DONE, time.time(), asked=True)
        with self._changed:
            if self._events or (self.last is not None and self.last.state == found.state):
                return None
            self.last = found
        return found


def status(contact: str, delegation: Delegation = USUAL) -> Event:
    """Ask for the state of a job."""
    return _event(request.status(contact, delegation), contact, asked=True)


def _event(reply: request.Reply, contact: str, *, asked: bool) -> Event:
    from pyglobus.core.gram.errors import of_code

    failure = None
    code = reply.failure or int(reply.extensions.get("job-failure-code", "0"))
    if code and reply.state == State.FAILED:
        from pyglobus.ffi.gram import text_of

        message = reply.extensions.get("gt3-failure-message") or text_of(code)
        failure = of_code(code, message, what="the job has failed", where=contact)
    exit_code = reply.extensions.get("exit-code")
    return Event(
        State(reply.state or State.UNSUBMITTED),
        time.time(),
        failure,
        int(exit_code) if exit_code is not None and exit_code.lstrip("-").isdecimal() else None,
        asked,
    )


def _rest(deadline: float | None) -> float:
    return float("inf") if deadline is None else max(0.0, deadline - time.monotonic())

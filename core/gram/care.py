# SPDX-License-Identifier: Apache-2.0
"""What can be done to a job on the list, also when its job manager has ended: then a kept job is looked after by a new
one first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyglobus.core import errors
from pyglobus.core.gram import request, restart, salvage
from pyglobus.core.gram.errors import CODES, GramError
from pyglobus.core.gram.job import Event, Job, State, status
from pyglobus.core.gram.outlet import Outlet, Paths
from pyglobus.core.gram.records import Record, Records

T = TypeVar("T")

#: What keeps a job's output from its submitter; a job that is kept can deliver it later.
DELIVERY = tuple(CODES[name] for name in ("OPENING_STDOUT", "OPENING_STDERR", "STAGE_OUT_FAILED"))

#: What is heard where a job manager has ended, or its machine is away.
GONE = tuple(CODES[name] for name in ("CONTACTING_JOB_MANAGER", "CONNECTION_FAILED"))
_FORGOTTEN = tuple(CODES[name] for name in ("JOB_CONTACT_NOT_FOUND", "NO_STATE_FILE"))
# How long a cancelled job may take to end, in seconds, and how often it is asked.
_ENDING, _ASKED = 30.0, 0.5


def undelivered(record: Record, event: Event) -> bool:
    """Whether a job has ended but for its output, which it keeps."""
    return record.kept and event.failure is not None and event.failure.code in DELIVERY


def pick_up(records: Records, record: Record, server: str, paths: Paths, *, timeout: float | None = None) -> Job:
    """Have a kept job send its output to these paths of a server from now on; it goes on, or sends it at once. Raises
    `errors.NotFound` if its job manager has forgotten it.
    """
    wanted = restart.description(_contact(record), record.description, server, paths)
    try:
        job = restart.pick_up(record.gatekeeper, wanted, request.delegation(full=record.full), timeout=timeout)
    except GramError as error:
        if error.code != CODES["NO_STATE_FILE"]:
            raise
        record.closed = True
        records.save(record)
        why = "its job manager has forgotten it"
        raise errors.NotFound("cannot pick up the job", where=record.contact, why=why) from error
    job.two_phase = True
    _found(records, record, job.contact)
    return job


def lost(record: Record, outlet: Outlet) -> bool:
    """Whether a job that was picked up has ended without all that it was to send."""
    sent = record.description
    return (
        outlet.misses(sent)
        or (record.propagates and outlet.status is None)
        or (record.restarted and salvage.stages(sent))
    )


def fetch(record: Record, server: str, paths: Paths, stopped: Callable[[], bool]) -> None:
    """Have what a job was to send sent by another one: see `pyglobus.core.gram.salvage`. Raises `errors.DataError`."""
    contact = _contact(record)
    wanted = salvage.description(contact, record.description, server, paths)
    try:
        salvage.fetch(record.gatekeeper, wanted, request.delegation(full=record.full), stopped)
    except errors.Error as error:
        why = f"its job manager has lost it, and the job that was to fetch it has failed: {error.why or error}"
        raise errors.DataError("the output of the job has not arrived", where=contact, why=why) from error


def look(records: Records, record: Record) -> Record:
    """Ask for the state of a job, and take it down. One that is forgotten is closed, with the state that was known; one
    that keeps its output until it is picked up is at `State.STAGE_OUT`. Raises `GramError`.
    """
    if not record.closed:
        try:
            event = _reach(records, record, status)
        except GramError as error:
            if error.code not in _FORGOTTEN:
                raise
            record.closed = True
        else:
            if undelivered(record, event):
                event = event._replace(state=State.STAGE_OUT, failure=None)
            record.heard(event)
        records.save(record)
    return record


def cancel(records: Records, record: Record) -> None:
    """Have a job ended, and forgotten by its job manager. It is no error if it has ended before. Raises `GramError`."""
    if record.closed:
        return
    try:
        event = _reach(records, record, _cancelled)
    except GramError as error:
        if error.code not in _FORGOTTEN:
            raise
    else:
        record.heard(event)
        if record.kept:
            request.signal(_contact(record), "commit-end", "commit")
    record.closed = True
    records.save(record)


def signal(records: Records, record: Record, name: str, argument: str | None = None) -> None:
    """Send its job manager a signal: see `pyglobus.core.gram.request.signal`."""
    _reach(records, record, lambda contact: request.signal(contact, name, argument))


def renew(records: Records, record: Record) -> None:
    """Delegate a new proxy to a job."""
    using = request.delegation(full=record.full)
    _reach(records, record, lambda contact: request.refresh(contact, using))


def _cancelled(contact: str) -> Event:
    """Cancel a job, and wait for its end."""
    event = status(contact)
    if event.state.final:
        return event
    request.cancel(contact)
    *_, last = Job(contact, told=False).events(_ENDING, silence=_ASKED)
    return last


def _reach(records: Records, record: Record, call: Callable[[str], T]) -> T:
    try:
        return call(_contact(record))
    except GramError as error:
        if error.code not in GONE or not record.kept:
            raise
    job = restart.pick_up(record.gatekeeper, restart.plain(_contact(record)))
    _found(records, record, job.contact)
    return call(job.contact)


def _found(records: Records, record: Record, contact: str) -> None:
    """Take down where a job is now."""
    record.restarted = record.restarted or contact != record.contact
    record.contact = contact
    records.save(record, flushed=True)


def _contact(record: Record) -> str:
    if record.contact is None:
        raise errors.NotFound("no job manager has it", where=f"job {record.number}")
    return record.contact

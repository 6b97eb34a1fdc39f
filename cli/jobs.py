# SPDX-License-Identifier: Apache-2.0
"""What pyglobusrun and pyglobus job show of jobs: on stdout the lines of globusrun, or one JSON record for each
state.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyglobus.core import errors, gram
from pyglobus.core.gram import Event, GramError, State
from pyglobus.core.gram.errors import CODES

if TYPE_CHECKING:
    from pyglobus.cli.manner import Manner
    from pyglobus.cli.output import Output
    from pyglobus.core.gram import Job
    from pyglobus.core.gram.depot import Depot
    from pyglobus.core.gram.records import Record, Records


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
        event = state(contact) or Event(State.DONE, time.time(), asked=True)
    except GramError as error:
        output.event("status", {"contact": contact, "code": error.code}, "ERROR")
        raise
    more = f"\nexit code: {event.exit_code}" if event.state is State.DONE and event.exit_code is not None else ""
    output.result("status", record(contact, event), f"{event.state}{more}")


def state(contact: str) -> Event | None:
    """What a job manager says of a job; None if it does not know it, or no longer."""
    try:
        return gram.status(contact)
    except GramError as error:
        if error.code != CODES["JOB_CONTACT_NOT_FOUND"]:
            raise
        return None


def record(contact: str, event: Event) -> dict[str, Any]:
    """A state for programs."""
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


def lines(event: Event) -> str:
    """A state in the words of globusrun, which keeps quiet of one."""
    if event.state is State.SUSPENDED:
        return ""
    more = f"\nexit code: {event.exit_code}" if event.state is State.DONE and event.exit_code is not None else ""
    return f"GLOBUS_GRAM_PROTOCOL_JOB_STATE_{event.state}{more}"


def depot(manner: Manner) -> Depot:
    """The server for what jobs send and read that are run in this manner."""
    from pyglobus.core.gass.sink import Sink
    from pyglobus.core.gram.depot import Depot

    plain = [Sink.of_descriptor(fd, lines=True) if manner.wishes.shows else None for fd in (1, 2)]
    return Depot(reads=manner.reads, writes=manner.writes, stdout=plain[0], stderr=plain[1])


def late(job: Job, manner: Manner) -> errors.Error:
    """What is told of a job that has not ended in time; it is cancelled, if it is not to be left."""
    why = f"it has not ended within {manner.timeout:g} s"
    if not manner.leaves:
        job.cancel()
        why += ", and was cancelled"
    return errors.DeadlineExceeded("cannot wait for the job", where=job.contact, why=why, fault="deadline")


def records(output: Output) -> Records | None:
    """The list of jobs. One that cannot be had is no reason not to run a job; it is told."""
    from pyglobus.core.gram.records import Records

    try:
        return Records()
    except errors.Error as error:
        output.note(f"the job will not be on the list: {error}")
        return None


def listed(output: Output, records: Records, **known: Any) -> Record | None:
    """Put a job on the list. Where that fails, the job goes on, and it is told."""
    try:
        return records.add(**known)
    except errors.Error as error:
        output.note(f"the job is not on the list: {error}")
        return None


def save(output: Output, records: Records | None, known: Record | None) -> None:
    """Write down what is known of a job that is on the list; the job does not depend on it."""
    if records is not None and known is not None:
        try:
            records.save(known)
        except errors.Error as error:
            output.note(f"the list of jobs is behind: {error}")

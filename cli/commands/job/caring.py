# SPDX-License-Identifier: Apache-2.0
"""pyglobus job cancel, signal, hold, release, renew and forget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pyglobus.cli.command import Output, argument, command, option
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gram.records import Record, Records

_JOBS_HELP = "Numbers on the list, or contacts."


def _each(output: Output, names: Sequence[str], done: str, do: Callable[[Records, Record], object]) -> None:
    """Do something to each job; what goes wrong with one does not keep it from the others."""
    from pyglobus.core.gram.records import Records

    records = Records()
    failures: list[errors.Error] = []
    chosen = []
    for name in names:
        try:
            record = records.find(name)
            do(records, record)
            chosen.append(record)
        except errors.Error as error:
            if len(names) == 1:
                raise
            output.warning(f"{name}: {error}")
            failures.append(error)
    output.result(done, {"jobs": [record.told() for record in chosen]})
    if failures:
        raise errors.PartlyDone("not done with all jobs", failures=failures, why=f"{len(failures)} of {len(names)}")


@command("cancel", summary="end jobs")
@argument("jobs", nargs=-1, required=True, metavar="JOB...", help=_JOBS_HELP)
def cancel(*, output: Output, jobs: Sequence[str]) -> None:
    """End jobs, and wait until they have ended. Their output is lost."""
    from pyglobus.core.gram import care

    _each(output, jobs, "cancelled", care.cancel)


@command("signal", summary="send a signal to a job manager")
@argument("job", metavar="JOB", help="Its number on the list, or its contact.")
@argument("name", metavar="NAME", help="suspend, resume, priority, stdio-update, stop-manager, ...")
@argument("value", required=False, metavar="[ARGUMENT]", help="What the signal says, such as the priority.")
def signal(*, output: Output, job: str, name: str, value: str | None) -> None:
    """Send a signal of GRAM to the job manager of a job. A wrong name is told with all there are."""
    from pyglobus.core.gram import care

    _each(output, (job,), "signalled", lambda records, record: care.signal(records, record, name, value))


@command("hold", summary="suspend jobs")
@argument("jobs", nargs=-1, required=True, metavar="JOB...", help=_JOBS_HELP)
def hold(*, output: Output, jobs: Sequence[str]) -> None:
    """Have the scheduler suspend jobs, where it can."""
    from pyglobus.core.gram import care

    _each(output, jobs, "held", lambda records, record: care.signal(records, record, "suspend", "-"))


@command("release", summary="let suspended jobs go on")
@argument("jobs", nargs=-1, required=True, metavar="JOB...", help=_JOBS_HELP)
def release(*, output: Output, jobs: Sequence[str]) -> None:
    """Have the scheduler let suspended jobs go on."""
    from pyglobus.core.gram import care

    _each(output, jobs, "released", lambda records, record: care.signal(records, record, "resume", "-"))


@command("renew", summary="delegate a new proxy to jobs")
@argument("jobs", nargs=-1, required=True, metavar="JOB...", help=_JOBS_HELP)
def renew(*, output: Output, jobs: Sequence[str]) -> None:
    """Delegate a new proxy to jobs, before theirs ends."""
    from pyglobus.core.gram import care

    _each(output, jobs, "renewed", care.renew)


@command("forget", summary="take jobs off the list")
@argument("jobs", nargs=-1, required=True, metavar="JOB...", help=_JOBS_HELP)
@option("-f", "--force", is_flag=True, help="Also jobs of which something is still to be had; they go on.")
def forget(*, output: Output, jobs: Sequence[str], force: bool) -> None:
    """Take jobs off the list, with the output that was kept of them here."""

    def do(records: Records, record: Record) -> None:
        if not (force or record.closed):
            hint = "pick up its output, cancel it, or use --force"
            raise errors.UsageError("cannot forget the job", where=f"job {record.number}", why="it is not over",
                                    hint=hint)  # fmt: skip
        records.forget(record)

    _each(output, jobs, "forgotten", do)


COMMANDS = (cancel, signal, hold, release, renew, forget)

# SPDX-License-Identifier: Apache-2.0
"""pyglobus job list, status, watch and output."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pyglobus.cli import output as shown
from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.values import DURATION
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gram.records import Record

_JOB_HELP = "Its number on the list, or its contact."


@command("list", summary="the jobs on the list")
@option("--open", "only_open", is_flag=True, help="Only those of which something is still to be had.")
def list_(*, output: Output, only_open: bool) -> None:
    """List the jobs that were submitted from here, with the states that were last heard of. Nobody is asked."""
    from pyglobus.core.gram.records import Records

    found = [record for record in Records() if not (only_open and record.closed)]
    output.result("jobs", {"jobs": [record.told() for record in found]}, lambda: _table(found))


@command("status", summary="what jobs are at")
@argument("jobs", nargs=-1, metavar="[JOB]...", help=f"{_JOB_HELP} [default: all of which something is to be had]")
def status(*, output: Output, jobs: Sequence[str]) -> None:
    """Ask the job managers for the states of jobs. STAGE_OUT is also said of one that keeps its output until it is
    picked up.
    """
    from pyglobus.core.gram import care
    from pyglobus.core.gram.records import Records

    records = Records()
    chosen = [records.find(name) for name in jobs] or [record for record in records if not record.closed]
    failures: list[errors.Error] = []
    for record in chosen:
        try:
            care.look(records, record)
        except errors.Error as error:
            failures.append(error)
    output.result("jobs", {"jobs": [record.told() for record in chosen]}, lambda: _table(chosen))
    if len(failures) == 1 == len(chosen):
        raise failures[0]
    if failures:
        why = "; ".join(dict.fromkeys(str(failure) for failure in failures))
        raise errors.PartlyDone("cannot ask for all jobs", failures=failures, why=why)


@command("watch", summary="follow a job to its end", formats=("text", "json", "jsonl"))
@argument("job", metavar="JOB", help=_JOB_HELP)
@option("--timeout", type=DURATION, metavar="TIME", help="Leave it again after this time, and end with status 124.")
def watch(*, output: Output, job: str, timeout: float | None) -> int | None:
    """Show the states of a job on stderr up to its end, and its output. Ctrl-C ends the watching, not the job."""
    return _follow(output, job, timeout, watched=True)


@command("output", summary="the output of a job")
@argument("job", metavar="JOB", help=_JOB_HELP)
@option("--timeout", type=DURATION, metavar="TIME", help="Wait for it so long at most; then end with status 124.")
def output_(*, output: Output, job: str, timeout: float | None) -> int | None:
    """Show what a job has written, once it has ended. It stays on the list, and can be shown again."""
    return _follow(output, job, timeout, watched=False)


def _follow(output: Output, name: str, timeout: float | None, *, watched: bool) -> int | None:
    from pyglobus.cli.jobrun import Run
    from pyglobus.cli.manner import Manner
    from pyglobus.core.files import write_all
    from pyglobus.core.gram.description import Wishes
    from pyglobus.core.gram.outlet import Outlet, Paths
    from pyglobus.core.gram.records import Records, Spool

    records = Records()
    record = records.find(name)
    paths = records.outputs(record)
    manner = Manner(leaves=True, watched=watched, timeout=timeout)
    if record.kept and not record.closed:
        wishes = Wishes(shows=True, propagates=record.propagates)
        manner = manner._replace(wishes=wishes, reads=_named(record.reads), writes=_named(record.writes))
        run = Run(output, manner, records)
        writers = [run.writer(fd) for fd in (1, 2)]
        with Spool(paths) as spool:

            def deliver(index: int, data: bytes) -> None:
                spool.write(index, data)
                writers[index](data)

            outlet = Outlet(lambda data: deliver(0, data), lambda data: deliver(1, data), Paths.of(record.part))
            return run.take_over(record, outlet, spool.complete)
    if all(path.exists() for path in paths):
        for fd, path in enumerate(paths, 1):
            write_all(fd, path.read_bytes())
        return record.exit_code if record.propagates else None
    if not watched:
        why = "it was shown when the job ran" if record.closed else "the job was not kept"
        raise errors.NotFound("cannot show the output", where=f"job {record.number}", why=why)
    if record.closed or record.contact is None:
        output.result("job", record.told(), _table([record]))
        return None
    return Run(output, manner, records).pick_up(record.contact)


def _named(paths: list[str] | None) -> tuple[str, ...] | None:
    return None if paths is None else tuple(paths)


def _table(records: Iterable[Record]) -> str:
    rows = [("JOB", "STATE", "SUBMITTED", "GATEKEEPER", "WHAT")]
    for record in records:
        state = str(record.state)
        if record.failure is not None:
            state += f" ({record.failure['code']})"
        elif record.exit_code is not None:
            state += f" (exit {record.exit_code})"
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.submitted))
        rows.append((str(record.number), state, at, record.gatekeeper, shown.printable(record.title)))
    return shown.columns(rows) if len(rows) > 1 else ""

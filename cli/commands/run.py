# SPDX-License-Identifier: Apache-2.0
"""pyglobus run, or pyglobusrun: in place of globusrun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.exits import code_of
from pyglobus.cli.option import USED
from pyglobus.cli.values import DURATION, POSITIVE
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gram import Delegation

_JOB = "What is run"
_OUTPUT = "Its output"
_WAIT = "How long we stay"
_MANAGE = "Jobs that are there already"
_ASK = "Asking only"

# What globusrun ends with, beside the numbers of GRAM.
_FAILED, _NO_CREDENTIAL, _MISUSE = 1, 254, 255
_REQUEST = ("bad-rsl", "bad-request")


def status_of(error: BaseException) -> int:
    """GRAM's number for an error of GRAM, and globusrun's own otherwise."""
    code = getattr(error, "code", 0)
    if isinstance(error, errors.Error) and isinstance(code, int) and code:
        return code
    if isinstance(error, errors.CredentialError) or getattr(error, "fault", None) == "credential-missing":
        return _NO_CREDENTIAL
    if isinstance(error, errors.UsageError):
        return _MISUSE if error.fault in _REQUEST else _FAILED
    return code_of(error)


@command(
    "run",
    summary="submit a job, and follow it to its end",
    drop_in="globusrun",
    c_common=("-q", "-quiet", "-versions"),
    formats=("text", "json", "jsonl"),
    status_of=status_of,
)
@argument(
    "request",
    nargs=-1,
    metavar="[RSL | -- COMMAND [ARGUMENT]...]",
    help="A job description, of one job or several, or a command to run there, which -- stands before.",
)
@option("-r", "-resource", "--resource", metavar="CONTACT", section=_JOB, parity=SAME,
        help="The gatekeeper: host[:port][/service][:subject]. [default: port 2119, service jobmanager]")  # fmt: skip
@option("-f", "-file", "--file", metavar="FILE", completion="file", section=_JOB, parity=SAME,
        help="Read the description from this file.")  # fmt: skip
@option("--env", "environment", multiple=True, metavar="NAME=VALUE", section=_JOB,
        help="Set a variable in the job's environment. Can be given several times.")  # fmt: skip
@option("--directory", metavar="DIR", section=_JOB, help="Run it in this directory.")
@option("--stdin", metavar="FILE", section=_JOB, help="Its standard input: a file there.")
@option("--count", type=POSITIVE, metavar="N", section=_JOB, help="Run it so many times at once.")
@option("--queue", metavar="NAME", section=_JOB, help="Submit it to this queue.")
@option("--project", metavar="NAME", section=_JOB, help="Account for it with this project.")
@option("--walltime", type=POSITIVE, metavar="MINUTES", section=_JOB, help="Let it run so long at most.")
@option("--stage-in", "staged_in", multiple=True, metavar="SRC=DST", section=_JOB,
        help="Bring a file of ours, or a URL, there before. Can be given several times.")  # fmt: skip
@option("--stage-out", "staged_out", multiple=True, metavar="SRC=DST", section=_JOB,
        help="Bring a file from there to us, or to a URL, at the end. Can be given several times.")  # fmt: skip
@option("-D", "-full-proxy", "--full-proxy", is_flag=True, section=_JOB, parity=SAME,
        help="Delegate a full proxy to the job, not a limited one.")  # fmt: skip
@option("-d", "-dryrun", "--dry-run", is_flag=True, section=_JOB, parity=SAME,
        help="Have all done but the last step.")  # fmt: skip
@option("-o", "-output-enable", "--output", "show_output", is_flag=True, section=_OUTPUT, parity=SAME,
        help="Show what the job writes, at its end. What a COMMAND writes is shown anyway.")  # fmt: skip
@option("--live", is_flag=True, section=_OUTPUT,
        help="Show what the job writes as it is written. It needs openssl there.")  # fmt: skip
@option("--watch", "watched", is_flag=True, section=_OUTPUT, help="Show each state, and when it came, on stderr.")
@option("-s", "-server", "--serve", is_flag=True, section=_OUTPUT, parity=SAME,
        help="As -o, and let the job read our files at $(GLOBUSRUN_GASS_URL).")  # fmt: skip
@option("-w", "-write-allow", "--serve-writable", is_flag=True, section=_OUTPUT, parity=SAME,
        help="As -s, and let the job write them.")  # fmt: skip
@option("--propagate-exit", "propagates", is_flag=True, section=_WAIT,
        help="End with the exit status of the job's program; after a signal, 128 and its number.")  # fmt: skip
@option("-b", "-batch", "--batch", is_flag=True, section=_WAIT, parity=SAME,
        help="End once the job is with the scheduler, and print its contact.")  # fmt: skip
@option("-F", "-fast-batch", "--fast-batch", is_flag=True, section=_WAIT, parity=SAME,
        help="End once the job manager has it, and print its contact.")  # fmt: skip
@option("--detach", "detached", is_flag=True, section=_WAIT,
        help="End once the job has begun, and print its contact; it keeps its output for pyglobus job.")  # fmt: skip
@option("--keep", "kept", is_flag=True, section=_WAIT,
        help="Have pyglobus job pick the job up again if we are killed. A COMMAND is kept anyway.")  # fmt: skip
@option("--all-or-nothing", "atomic", is_flag=True, section=_WAIT,
        help="Of several requests, let none begin before all are accepted; else cancel them.")  # fmt: skip
@option("--limit", type=POSITIVE, default=None, metavar="N", section=_WAIT,
        help="Of several requests, submit so many at once. [default: 16]")  # fmt: skip
@option("-n", "-no-interrupt", "--no-interrupt", is_flag=True, section=_WAIT, parity=SAME,
        help="Ctrl-C ends us, and leaves the job alone.")  # fmt: skip
@option("--timeout", type=DURATION, metavar="TIME", section=_WAIT,
        help="Cancel the job if it has not ended after this time, and end with status 124.")  # fmt: skip
@option("-k", "-kill", "--kill", "killed", metavar="JOB", section=_MANAGE, parity=SAME, help="Cancel a job.")
@option("-status", "--status", "asked", metavar="JOB", section=_MANAGE, parity=BETTER,
        remark="a job manager that cannot be reached is an error, not the state DONE",
        help="Print the state of a job.")  # fmt: skip
@option("--wait", "awaited", metavar="JOB", section=_MANAGE, help="Follow a job to its end.")
@option("-y", "-refresh-proxy", "--refresh-proxy", "refreshed", metavar="JOB", section=_MANAGE, parity=SAME,
        help="Delegate a new proxy to a job.")  # fmt: skip
@option("-stop-manager", "--stop-manager", "stopped", metavar="JOB", section=_MANAGE, parity=SAME,
        help="End the job manager of a job, and leave the job alone.")  # fmt: skip
@option("-a", "-authenticate-only", "--ping", "pinged", is_flag=True, section=_ASK, parity=SAME,
        help="Only see whether the gatekeeper lets us in.")  # fmt: skip
@option("-j", "-job-manager-version", "--job-manager-version", "manager_versions", is_flag=True, section=_ASK,
        parity=SAME, help="Print the versions of the job manager.")  # fmt: skip
@option("-p", "-parse", "--parse", "parsed", is_flag=True, section=_ASK, parity=BETTER,
        remark="needs no credential", help="Only read the description.")  # fmt: skip
@option("--rsl", "printed", is_flag=True, section=_ASK, help="Only print the description that would be sent.")
def run(
    *,
    output: Output,
    request: Sequence[str],
    resource: str | None,
    file: str | None,
    environment: Sequence[str],
    directory: str | None,
    stdin: str | None,
    count: int | None,
    queue: str | None,
    project: str | None,
    walltime: int | None,
    staged_in: Sequence[str],
    staged_out: Sequence[str],
    full_proxy: bool,
    dry_run: bool,
    show_output: bool,
    live: bool,
    watched: bool,
    serve: bool,
    serve_writable: bool,
    propagates: bool,
    batch: bool,
    fast_batch: bool,
    detached: bool,
    kept: bool,
    atomic: bool,
    limit: int | None,
    no_interrupt: bool,
    timeout: float | None,
    killed: str | None,
    asked: str | None,
    awaited: str | None,
    refreshed: str | None,
    stopped: str | None,
    pinged: bool,
    manager_versions: bool,
    parsed: bool,
    printed: bool,
) -> int | None:
    """Submit a job to a GRAM gatekeeper and follow it to its end, or do something to a job that is there already.

    What is run is a description in RSL or a command with its arguments. The exit status is 0, or the number that GRAM
    has for what went wrong.
    """
    is_command = "--" in click.get_current_context().meta[USED]
    if len(request) > 1 and not is_command:
        hint = "quote a description as one word; write -- before a command"
        raise errors.UsageError("more than one description is given", hint=hint, fault=_REQUEST[1])
    from pyglobus.cli import jobs

    if killed or asked or awaited or refreshed or stopped:
        return _manage(output, full_proxy, timeout, killed, asked, awaited, refreshed, stopped)
    if pinged or manager_versions:
        if resource is None:
            raise _missing("the contact of a gatekeeper", "-r CONTACT")
        return jobs.ping(output, resource) if pinged else jobs.version(output, resource)
    from pyglobus.cli import jobrequest

    wanted = jobrequest.Request(
        environment=jobrequest.pairs(environment, "a variable", "NAME=VALUE"),
        attributes={"directory": directory, "stdin": stdin, "count": count, "queue": queue, "project": project,
                    "max_wall_time": walltime},
        staged_in=jobrequest.sources(staged_in),
        staged_out=jobrequest.destinations(staged_out),
        dry=dry_run,
    )  # fmt: skip
    found = jobrequest.read(request, is_command, file)
    if parsed:
        output.line("RSL Parsed Successfully...")
        return None
    several = found.multiple
    if printed:
        output.line(str(wanted.of_each(found)))
        return None
    if resource is None and not several:
        raise _missing("the contact of a gatekeeper", "-r CONTACT")
    batch = batch or fast_batch
    if sum((batch, detached, propagates or live or kept)) > 1 and (batch or (detached and live)):
        raise errors.UsageError("-b, --detach and what follows a job exclude each other", fault=_REQUEST[1])
    if several and (batch or detached):
        raise errors.UsageError("several requests are followed to their ends", fault=_REQUEST[1])
    from pyglobus.cli.jobrun import Run
    from pyglobus.cli.manner import Manner
    from pyglobus.core.gram.description import Wishes, recoverable

    follows = not batch
    records = jobs.records(output)
    keeps = records is not None and follows and not dry_run and (kept or detached or live or propagates or is_command)
    manner = Manner(
        Wishes(
            shows=follows and (show_output or serve or serve_writable or is_command or live or detached),
            live=live, propagates=propagates, kept=keeps and recoverable(found),
        ),
        reads=None if serve or serve_writable else wanted.read_here,
        writes=None if serve_writable else wanted.written_here,
        batch=batch, fast=fast_batch and not (serve or serve_writable), detached=detached, dry=dry_run,
        leaves=no_interrupt, watched=watched, timeout=timeout,
    )  # fmt: skip
    if several:
        from pyglobus.cli.multirun import MultiRun
        from pyglobus.core.gram import multi

        parts = multi.parts(wanted.of_each(found), resource)
        return MultiRun(output, manner, records, limit=limit or multi.LIMIT, atomic=atomic).run(
            parts, _delegation(full_proxy)
        )
    assert resource is not None
    title = jobrequest.title(request, is_command, found)
    return Run(output, manner, records).submit(resource, wanted.of_each(found), _delegation(full_proxy), title)


def _manage(
    output: Output,
    full_proxy: bool,
    timeout: float | None,
    killed: str | None,
    asked: str | None,
    awaited: str | None,
    refreshed: str | None,
    stopped: str | None,
) -> int | None:
    from pyglobus.cli import jobs
    from pyglobus.core import gram

    for job in (killed, asked, awaited, refreshed, stopped):
        if job is not None and not job.startswith("https://"):
            why = "that of a job begins with https://"
            raise errors.UsageError("not the contact of a job", where=job, why=why)
    if asked:
        jobs.status(output, asked)
    if awaited:
        from pyglobus.cli.jobrun import Run
        from pyglobus.cli.manner import Manner

        return Run(output, Manner(timeout=timeout, leaves=True)).pick_up(awaited)
    if killed:
        gram.cancel(killed)
    if refreshed:
        gram.refresh(refreshed, _delegation(full_proxy))
    if stopped:
        gram.signal(stopped, "stop-manager")
    return None


def _delegation(full: bool) -> Delegation:
    from pyglobus.core import gram

    return gram.delegation(full=full)


def _missing(what: str, how: str) -> errors.UsageError:
    return errors.UsageError(f"missing {what}", hint=f"give {how}", fault=_REQUEST[1])

# SPDX-License-Identifier: Apache-2.0
"""pyglobus-url-copy: files and trees between files, streams, GridFTP, FTP and HTTP servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyglobus.cli import copying as display
from pyglobus.cli import signals
from pyglobus.cli.command import Output, argument, command
from pyglobus.cli.copyoptions import copy_options
from pyglobus.cli.copyoptions.chosen import options_of
from pyglobus.cli.lifetime import Lifetime
from pyglobus.cli.progress import Progress
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.journal import Journal
    from pyglobus.core.mirror import Mirror
    from pyglobus.core.options import Options
    from pyglobus.core.plan import Pair
    from pyglobus.core.sync import Sync
    from pyglobus.core.url import Url

# What one file has no use for.
_OF_JOBS = ("from_file", "dump_only", "dump_file", "alias_file", "sync", "dry_run", "delete", "fail_report")


@command(
    "url-copy",
    summary="copy a file between URLs",
    drop_in="globus-url-copy",
    c_common=("-q", "-quiet", "-v", "-verbose", "-versions"),
    formats=("text", "json", "jsonl"),
)
@argument(
    "source",
    required=False,
    metavar="SOURCE",
    completion="url",
    help="What to copy: a path, a URL (file, gsiftp, ftp, http, https), or - for standard input.",
)
@argument(
    "destination",
    required=False,
    metavar="DEST",
    completion="url",
    help="Where to: the same forms; - is standard output. With a slash at its end it is a directory.",
)
@copy_options
def url_copy(*, output: Output, source: str | None, destination: str | None, **given: Any) -> int | None:
    """Copy files between this machine, GridFTP servers, FTP servers and web servers.

    A source that ends in a slash stands for the files in that directory, and * ? [ ] in its last component for the
    names that match; the destination then ends in a slash, too. Between two GridFTP servers the data goes straight from
    one to the other. A local destination appears under its name only when it is whole. The exit status tells what went
    wrong; the message tells why, and what to do.
    """
    _check_plugins(output, given)
    options = options_of(given)
    if given["listing"] is not None:
        from pyglobus.cli import listing

        listing.show(output, given["listing"], options, recursive=given["recurse"], debug_fd=_debug_fd(given))
        return None
    if given["multicast"] is not None:
        destination, options = _multicast(given, destination, options)
    lifetime = Lifetime(output, options, secure=_is_secure(source, destination, given))
    if given["require_lifetime"] is not None:
        lifetime.require(given["require_lifetime"].total_seconds())
    with _stopping(output, options, given["transfer_time"]) as options:
        if not (any(given[name] for name in _OF_JOBS) or _resumes(given)):
            from pyglobus.core.url import parse

            one = parse(_given(source, "SOURCE"))
            if one.is_plain:
                _copy_one(output, one, parse(_given(destination, "DEST")), options, given, lifetime)
                return None
        return _copy_many(output, source, destination, options, given, lifetime)


def _is_secure(source: str | None, destination: str | None, given: dict[str, Any]) -> bool:
    """Whether the job needs a credential, as far as can be told before it begins."""
    listed = given["from_file"] or given["dump_file"]
    return bool(listed) or any(text and text.startswith(("gsiftp:", "https:")) for text in (source, destination))


def _copy_one(
    output: Output, source: Url, destination: Url, options: Options, given: dict[str, Any], lifetime: Lifetime
) -> None:
    from pyglobus.core.session import Session

    if destination.is_stream and not output.is_text:
        raise errors.UsageError(
            "standard output cannot take both", why=f"the data goes there, and so do records ({output.format})"
        )
    with Session(debug_fd=_debug_fd(given), gridftp2=options.gridftp2, relative=options.relative) as session:
        from pyglobus.core.transfer import Transfer  # while the libraries start

        transfer = Transfer(source, destination, options, session=session)
        with signals.cancelling(transfer.cancel), Progress(output, stats=given["stats"]) as progress:
            result = transfer.run(display.TransferDisplay(output, transfer, progress, given["rates"], lifetime))
    output.result("summary", display.record(result), "")
    if output.is_text and (output.verbosity or sys.stderr.isatty()) and not given["rates"]:
        output.note(display.summary(result))


def _copy_many(
    output: Output,
    source: str | None,
    destination: str | None,
    options: Options,
    given: dict[str, Any],
    lifetime: Lifetime,
) -> int | None:
    """What needs a plan. Returns the exit status."""
    from contextlib import ExitStack

    from pyglobus.cli.failreport import FailReport
    from pyglobus.core.dumpfile import DumpFile
    from pyglobus.core.job import Job, JobResult
    from pyglobus.core.sync import Sync

    dump = DumpFile(given["dump_file"], options) if given["dump_file"] is not None else None
    pairs: Iterable[Pair] | None = dump.read() if dump is not None else None
    if pairs is None:
        pairs = _pairs(source, destination, given["from_file"])
    elif not pairs:
        if output.is_text:
            output.part("Dumpfile exists and is empty.  Nothing to do.")  # as the C tool has it, with its status
        else:
            output.result("summary", display.job_record(JobResult(0, 0, 0, 0, 0.0)))
        return 2
    elif given["rates"]:
        output.line("Reading URLs from dumpfile")
    sync = Sync(given["sync_level"]) if given["sync"] else None
    if given["dump_only"] is not None:
        _dump(output, pairs, options, sync, given)
        return None
    aliases = None
    if given["alias_file"] is not None:
        from pyglobus.core.aliases import read

        aliases = read(given["alias_file"])
    job = Job(
        pairs,
        options._replace(reuse_data=given["multicast"] is None),
        recursive=given["recurse"],
        continue_on_error=given["keep_going"],
        concurrency=given["concurrency"],
        sync=sync,
        aliases=aliases,
        journal=_journal(source, destination, options, given),
        mirror=_mirror(given),
        rehearsal=given["dry_run"],
        accounted=dump is not None,
        debug_fd=_debug_fd(given),
    )
    with ExitStack() as stack:
        stack.enter_context(signals.cancelling(job.cancel))
        progress = stack.enter_context(Progress(output, stats=given["stats"]))
        report = stack.enter_context(FailReport(given["fail_report"])) if given["fail_report"] is not None else None
        lifetime.begin()
        ends = (source or f"the list {given['from_file'] or given['dump_file']}", destination or "")
        named = given["rates"] or output.verbosity == 1
        shown = display.JobDisplay(
            output,
            progress,
            *ends,
            named=named,
            keep_going=given["keep_going"],
            lifetime=lifetime,
            report=report,
            rehearsal=given["dry_run"],
        )
        result = dump.run(job, shown) if dump is not None else job.run(shown)
    output.result("summary", display.job_record(result, rehearsal=given["dry_run"]), "")
    if output.is_text and (output.verbosity or sys.stderr.isatty() or given["dry_run"]) and not given["rates"]:
        output.note(display.job_summary(result, rehearsal=given["dry_run"]))
    return None


def _mirror(given: dict[str, Any]) -> Mirror | None:
    if not given["delete"]:
        if given["max_delete"] is not None:
            raise errors.UsageError("--max-delete makes sense with --delete only")
        return None
    if not given["sync"]:
        raise errors.UsageError("--delete makes sense with -sync only")
    from pyglobus.core.mirror import Mirror

    return Mirror(given["max_delete"])


def _pairs(source: str | None, destination: str | None, from_file: str | None) -> Iterable[Pair]:
    """What is to be copied: what the two arguments name, or what a file lists."""
    if from_file is not None:
        if source is not None:
            raise errors.UsageError("both a list of URLs and URLs are given", hint="-f replaces SOURCE and DEST")
        from pyglobus.core import urllist

        return urllist.read(from_file)
    from pyglobus.core.plan import Pair
    from pyglobus.core.url import parse

    return [Pair(parse(_given(source, "SOURCE")), parse(_given(destination, "DEST")))]


def _resumes(given: dict[str, Any]) -> bool:
    return given["resume"] or given["keep_journal"] or given["journal"] is not None


def _journal(source: str | None, destination: str | None, options: Options, given: dict[str, Any]) -> Journal | None:
    """The journal of the job, if it has one, under the names of its ends that hold in every directory."""
    if not _resumes(given):
        return None
    from pyglobus.core.journal import Journal, identity
    from pyglobus.core.url import parse
    from pyglobus.core.urllist import full

    given_ends = ("source", source), ("destination", destination)
    ends = {name: full(parse(text)) for name, text in given_ends if text is not None}
    for name in ("from_file", "dump_file", "alias_file"):
        if (path := given[name]) is not None:
            ends[name] = os.path.abspath(path) if path != "-" else path
    sync = given["sync_level"] if given["sync"] else None
    job = identity(ends, options, recursive=given["recurse"], sync=sync)
    return Journal(job, given["journal"], keep=given["keep_journal"])


def _given(text: str | None, name: str) -> str:
    if text is None:
        raise errors.UsageError(f"missing {name}", hint="usage: pyglobus-url-copy SOURCE DEST")
    return text


def _debug_fd(given: dict[str, Any]) -> int:
    return 2 if given["debug_ftp"] else -1


def _dump(output: Output, pairs: Iterable[Pair], options: Options, sync: Sync | None, given: dict[str, Any]) -> None:
    """Write what would be copied."""
    import os
    from pathlib import Path

    from pyglobus.core import files, urllist
    from pyglobus.core.lister import Lister
    from pyglobus.core.plan import Item, Plan
    from pyglobus.core.session import Session
    from pyglobus.core.sync import Comparison

    session = Session(debug_fd=_debug_fd(given), gridftp2=options.gridftp2, relative=options.relative)
    with session, signals.cancelling(session.cancel), session.aside() as at_source, session.aside() as at_destination:
        plan = Plan(Lister(at_source, options, "source"), recursive=given["recurse"])
        steps = (step for pair in pairs for step in plan.steps(pair))
        if sync is not None:
            comparison = Comparison(sync, session, options, Lister(at_destination, options, "destination"))
            steps = (step for step in steps if not isinstance(step, Item) or comparison.differs(step))
        lines = urllist.lines(steps, options)
        if given["dump_only"] == "-":
            for line in lines:
                output.line(line)
        else:
            files.write(Path(given["dump_only"]), b"".join(os.fsencode(line) + b"\n" for line in lines))


def _multicast(given: dict[str, Any], destination: str | None, options: Options) -> tuple[str, Options]:
    """The destination that gets the data from here, which is told to pass it on."""
    from pyglobus.core import multicast
    from pyglobus.core.url import parse

    if given["from_file"] is not None:
        raise errors.UsageError("both -MC and -f are given", why="a multicast has one source")
    side = options.destination
    first = parse(destination) if destination is not None else None
    found = multicast.read(given["multicast"], first, side.subject)
    stack = f"{found.driver},{side.disk_stack}" if side.disk_stack else f"file,{found.driver}"
    # The driver passes bytes on as they come: of several streams, or blocks of MODE E, it makes another file.
    options = options._replace(parallel=0, reuse_data=False)
    return str(found.first), options._replace(destination=side._replace(disk_stack=stack))


def _check_plugins(output: Output, given: dict[str, Any]) -> None:
    """Tell what cannot be done here: the C tool loads libraries that register in the tool itself."""
    if given["extension"] is not None:
        raise errors.Unsupported(
            "cannot load the extension", where=given["extension"], why="it would register in globus-url-copy itself"
        )
    for plugin in filter(None, (given["plugins"] or "").split(",")):
        output.warning(f"{output.command}: plugin {plugin} is not used: it would register in globus-url-copy itself")


@contextmanager
def _stopping(output: Output, options: Options, after: float | None) -> Generator[Options]:
    """Within the block the options have a deadline which, when it comes, ends the block well (-t)."""
    if not after or (options.timeout is not None and options.timeout <= after):
        yield options
        return
    try:
        yield options._replace(timeout=after)
    except errors.DeadlineExceeded:
        from pyglobus.cli.units import format_duration

        output.note(f"stopped after {format_duration(after)}, as -t asks")

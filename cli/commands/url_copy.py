# SPDX-License-Identifier: Apache-2.0
"""pyglobus-url-copy: files and trees between files, streams, GridFTP, FTP and HTTP servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyglobus.cli import copying as display
from pyglobus.cli import signals
from pyglobus.cli.command import Output, argument, command
from pyglobus.cli.copyoptions import copy_options
from pyglobus.cli.copyoptions.chosen import options_of
from pyglobus.cli.progress import Progress
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.options import Options
    from pyglobus.core.plan import Pair
    from pyglobus.core.url import Url


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
def url_copy(
    *,
    output: Output,
    source: str | None,
    destination: str | None,
    from_file: str | None,
    dump_only: str | None,
    listing: str | None,
    recurse: bool,
    keep_going: bool,
    concurrency: int,
    sync: bool,
    sync_level: int,
    rates: bool,
    debug_ftp: bool,
    stats: float | None,
    **choices: Any,
) -> None:
    """Copy files between this machine, GridFTP servers, FTP servers and web servers.

    A source that ends in a slash stands for the files in that directory, and * ? [ ] in its last component for the
    names that match; the destination then ends in a slash, too. Between two GridFTP servers the data goes straight from
    one to the other. A local destination appears under its name only when it is whole. The exit status tells what went
    wrong; the message tells why, and what to do.
    """
    options = options_of(choices)
    if listing is not None:
        _list(output, listing, options, debug_ftp)
        return
    if from_file is None and dump_only is None and not sync:
        from pyglobus.core.url import parse

        one = parse(_given(source, "SOURCE"))
        if one.is_plain:
            _copy_one(output, one, parse(_given(destination, "DEST")), options, rates, debug_ftp, stats)
            return
    pairs = _pairs(source, destination, from_file)
    if dump_only is not None:
        _dump(pairs, options, recurse, dump_only)
        return
    from pyglobus.core.job import Job
    from pyglobus.core.sync import Sync

    job = Job(
        pairs,
        options._replace(reuse_data=True),
        recursive=recurse,
        continue_on_error=keep_going,
        concurrency=concurrency,
        sync=Sync(sync_level) if sync else None,
        debug_fd=2 if debug_ftp else -1,
    )
    with signals.cancelling(job.cancel), Progress(output, stats=stats) as progress:
        ends = (source or f"the list {from_file}", destination or "")
        result = job.run(
            display.JobDisplay(output, progress, *ends, named=rates or output.verbosity == 1, keep_going=keep_going)
        )
    output.result("summary", display.job_record(result), "")
    if output.is_text and (output.verbosity or sys.stderr.isatty()) and not rates:
        output.note(display.job_summary(result))


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


def _given(text: str | None, name: str) -> str:
    if text is None:
        raise errors.UsageError(f"missing {name}", hint="usage: pyglobus-url-copy SOURCE DEST")
    return text


def _copy_one(
    output: Output, source: Url, destination: Url, options: Options, rates: bool, debug_ftp: bool, stats: float | None
) -> None:
    from pyglobus.core.session import Session
    from pyglobus.core.transfer import Transfer

    if destination.is_stream and not output.is_text:
        raise errors.UsageError(
            "standard output cannot take both", why=f"the data goes there, and so do records ({output.format})"
        )
    with Session(debug_fd=2 if debug_ftp else -1) as session:
        transfer = Transfer(source, destination, options, session=session)
        with signals.cancelling(transfer.cancel), Progress(output, stats=stats) as progress:
            result = transfer.run(display.TransferDisplay(output, transfer, progress, rates))
    output.result("summary", display.record(result), "")
    if output.is_text and (output.verbosity or sys.stderr.isatty()) and not rates:
        output.note(display.summary(result))


def _dump(pairs: Iterable[Pair], options: Options, recurse: bool, path: str) -> None:
    """Write what would be copied."""
    from pathlib import Path

    from pyglobus.core import files, urllist
    from pyglobus.core.plan import Plan
    from pyglobus.core.session import Session

    with Session() as session, signals.cancelling(session.cancel):
        plan = Plan(session, options, recursive=recurse)
        steps = (step for pair in pairs for step in plan.steps(pair))
        files.write(Path(path), b"".join(os.fsencode(line) + b"\n" for line in urllist.lines(steps)))


def _list(output: Output, text: str, options: Options, debug_ftp: bool) -> None:
    """List a directory in the form of the C tool, or as records."""
    from pyglobus.core.plan import entries
    from pyglobus.core.session import Session
    from pyglobus.core.url import parse

    url = parse(text)
    session = Session(debug_fd=2 if debug_ftp else -1, gridftp2=options.gridftp2, relative=options.relative)
    with session, signals.cancelling(session.cancel):
        output.event("listing", {"url": str(url)}, text)
        found = []
        for entry in entries(session, options, url):
            record = {"name": entry.name, "directory": entry.directory, "size": entry.size, "modified": entry.modified}
            found.append(record)
            output.event("entry", record, f"    {entry.name}/" if entry.directory else f"    {entry.name} ")
        if output.is_text:
            sys.stdout.write("\n")
        elif output.format == "json":
            output.result("listing", {"url": str(url), "entries": found})

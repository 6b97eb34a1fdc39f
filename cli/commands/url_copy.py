# SPDX-License-Identifier: Apache-2.0
"""pyglobus-url-copy: files and trees between files, streams, GridFTP, FTP and HTTP servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pyglobus.cli import copying as display
from pyglobus.cli import signals
from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.progress import Progress
from pyglobus.cli.values import COUNT, DURATION, SIZE
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.options import Options
    from pyglobus.core.plan import Pair
    from pyglobus.core.url import Url

_DATA = "Data channels"
_SECURITY = "Security"
_FAULTS = "Faults and time limits"
_PART = "What is copied"
_SHOWN = "What is shown"


@command(
    "url-copy",
    summary="copy a file between URLs",
    drop_in="globus-url-copy",
    c_common=("-q", "-quiet", "-v", "-verbose"),
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
@option(
    "-vb",
    "-verbose-perf",
    "--classic-rates",
    "rates",
    is_flag=True,
    section=_SHOWN,
    parity=SAME,
    help="Print names, bytes and rates to standard output as the C tool does.",
)
@option(
    "-dbg",
    "-debugftp",
    "--debug-ftp",
    "debug_ftp",
    is_flag=True,
    section=_SHOWN,
    parity=SAME,
    help="Log the control channel to standard error.",
)
@option(
    "--stats",
    type=DURATION,
    metavar="TIME",
    section=_SHOWN,
    help="Print a line of progress to standard error every TIME (30s, 5m) where that is no terminal.",
)
@option(
    "-r",
    "-recurse",
    "--recurse",
    is_flag=True,
    section=_PART,
    parity=SAME,
    help="Copy what is below the source's directory, too.",
)
@option(
    "-f",
    "--from-file",
    "from_file",
    metavar="FILE",
    section=_PART,
    parity=SAME,
    remark="lines and URLs of any length; the C tool cuts them at 1,023 and 511 bytes",
    help='Copy the pairs that FILE lists, one to a line: "SOURCE" "DEST" [OFFSET[,LENGTH]]; - is standard input.',
)
@option(
    "-do",
    "-dump-only",
    "--dump-only",
    "dump_only",
    metavar="FILE",
    section=_PART,
    parity=SAME,
    help="Copy nothing; write what would be copied to FILE, in the form that -f reads.",
)
@option(
    "-sync",
    "--sync",
    is_flag=True,
    section=_PART,
    parity=SAME,
    help="Copy only what is missing at the destination or differs.",
)
@option(
    "-sync-level",
    "--sync-level",
    type=click.IntRange(0, 3),
    default=2,
    metavar="N",
    section=_PART,
    parity=SAME,
    help="What differs: 0 what is missing; 1 also another size; 2 also what is older; 3 size or checksum.",
)
@option(
    "-c",
    "-continue-on-error",
    "--keep-going",
    "keep_going",
    is_flag=True,
    section=_FAULTS,
    parity=BETTER,
    remark="tells what failed, and ends with status 3",
    help="Go on after errors; the exit status is 3 if some files failed.",
)
@option(
    "-cc",
    "-concurrency",
    "--concurrency",
    type=COUNT,
    default=0,
    metavar="N",
    section=_DATA,
    parity=BETTER,
    remark="the default suits the job",
    help="Copy N files at a time, over N connections.",
)
@option(
    "-fast",
    "-fast-data-channels",
    "--reuse-data-channels",
    "fast",
    is_flag=True,
    section=_DATA,
    parity=BETTER,
    remark="on by itself where several files are copied and the server can",
    help="Use MODE E, which keeps data channels open from file to file.",
)
@option(
    "-off",
    "-partial-offset",
    "--offset",
    type=SIZE,
    default=0,
    metavar="BYTES",
    section=_PART,
    parity=SAME,
    help="Begin at this offset, at both ends.",
)
@option(
    "-len",
    "-partial-length",
    "--length",
    type=SIZE,
    metavar="BYTES",
    section=_PART,
    parity=SAME,
    help="Copy so many bytes only.",
)
@option(
    "-cd",
    "-create-dest",
    "--create-dest",
    "create_dest",
    is_flag=True,
    section=_PART,
    parity=SAME,
    help="Make the destination's directory, and those above it, if they are missing.",
)
@option(
    "--inplace",
    is_flag=True,
    section=_PART,
    help="Write a local destination under its own name from the first byte, without a temporary file.",
)
@option(
    "-p",
    "-parallel",
    "--parallel",
    type=COUNT,
    default=0,
    metavar="N",
    section=_DATA,
    parity=SAME,
    help="Use N data streams at a time (MODE E).",
)
@option(
    "-tcp-bs",
    "-tcp-buffer-size",
    "--tcp-buffer-size",
    "tcp_buffer",
    type=SIZE,
    default=0,
    metavar="SIZE",
    section=_DATA,
    parity=SAME,
    help="TCP buffer of the data channels, such as 4M.",
)
@option(
    "-bs",
    "-block-size",
    "--block-size",
    "block_size",
    type=SIZE,
    metavar="SIZE",
    section=_DATA,
    parity=SAME,
    help="Size of the buffers between file and network.",
)
@option(
    "-notpt",
    "-no-third-party-transfers",
    "--no-third-party",
    "no_third_party",
    is_flag=True,
    section=_DATA,
    parity=SAME,
    help="Pass data between two servers through this machine.",
)
@option(
    "-nodcau",
    "-no-data-channel-authentication",
    "--no-data-auth",
    "no_data_auth",
    is_flag=True,
    section=_SECURITY,
    parity=SAME,
    help="Do not authenticate data channels.",
)
@option(
    "-dcsafe",
    "-data-channel-safe",
    "--data-safe",
    "data_safe",
    is_flag=True,
    section=_SECURITY,
    parity=SAME,
    help="Protect data channels against change.",
)
@option(
    "-dcpriv",
    "-data-channel-private",
    "--data-private",
    "data_private",
    is_flag=True,
    section=_SECURITY,
    parity=SAME,
    help="Encrypt data channels.",
)
@option(
    "-s",
    "-subject",
    "--subject",
    metavar="DN",
    section=_SECURITY,
    parity=SAME,
    help="The name that both servers must have, instead of their hosts' names.",
)
@option(
    "-ss",
    "-source-subject",
    "--source-subject",
    metavar="DN",
    section=_SECURITY,
    parity=SAME,
    help="The name that the source's server must have.",
)
@option(
    "-ds",
    "-dest-subject",
    "--dest-subject",
    metavar="DN",
    section=_SECURITY,
    parity=SAME,
    help="The name that the destination's server must have.",
)
@option(
    "--delegate",
    type=click.Choice(["auto", "none", "limited", "full"]),
    default="auto",
    section=_SECURITY,
    help="What servers get of your credential: auto is nothing, or a limited proxy where a server cannot do without; "
    "globus-url-copy always hands out a limited one.",
)
@option(
    "-cred",
    "--credential",
    "credential",
    metavar="FILE",
    completion="file",
    section=_SECURITY,
    parity=SAME,
    help="The proxy or credential file to use at both ends.",
)
@option(
    "-sc",
    "-src-cred",
    "--source-credential",
    "source_credential",
    metavar="FILE",
    completion="file",
    section=_SECURITY,
    parity=SAME,
    help="The credential file to use at the source.",
)
@option(
    "-dc",
    "-dst-cred",
    "--dest-credential",
    "dest_credential",
    metavar="FILE",
    completion="file",
    section=_SECURITY,
    parity=SAME,
    help="The credential file to use at the destination.",
)
@option(
    "-verify-checksum",
    "--verify-checksum",
    "verify",
    is_flag=True,
    section=_FAULTS,
    parity=SAME,
    help="Compare the checksums of both ends afterwards.",
)
@option(
    "-checksum-alg",
    "--checksum-algorithm",
    "algorithm",
    default="md5",
    metavar="NAME",
    section=_FAULTS,
    parity=BETTER,
    remark="also for local files: adler32, sha1, sha256, sha512",
    help="Which checksum: md5, adler32, sha1, sha256 or sha512.",
)
@option(
    "-rst",
    "-restart",
    "--restart",
    is_flag=True,
    section=_FAULTS,
    parity=BETTER,
    remark="only faults that may pass are retried; local files go on where they stopped",
    help="Try again after a fault that may pass, and go on where it came.",
)
@option(
    "-rst-retries",
    "--restart-retries",
    "retries",
    type=COUNT,
    default=5,
    metavar="N",
    section=_FAULTS,
    parity=SAME,
    help="How often; 0 is for ever.",
)
@option(
    "-rst-interval",
    "--restart-interval",
    "interval",
    type=DURATION,
    default=0.0,
    metavar="TIME",
    section=_FAULTS,
    parity=SAME,
    help="Pause before each retry; 0 is exponential.",
)
@option(
    "-rst-timeout",
    "--restart-timeout",
    "window",
    type=DURATION,
    default=0.0,
    metavar="TIME",
    section=_FAULTS,
    parity=SAME,
    help="How long to keep trying; 0 is without limit.",
)
@option(
    "-st",
    "-stall-timeout",
    "--stall-timeout",
    "stall_timeout",
    type=DURATION,
    default=600.0,
    metavar="TIME",
    section=_FAULTS,
    parity=SAME,
    help="End a transfer in which nothing moves for so long; 0 never does.",
)
@option(
    "--connect-timeout",
    type=DURATION,
    default=60.0,
    metavar="TIME",
    section=_FAULTS,
    help="How long a server may take to answer a command.",
)
@option(
    "--timeout",
    type=DURATION,
    metavar="TIME",
    section=_FAULTS,
    help="End the whole after so long, with exit status 124.",
)
def url_copy(
    *,
    output: Output,
    source: str | None,
    destination: str | None,
    from_file: str | None,
    dump_only: str | None,
    recurse: bool,
    keep_going: bool,
    concurrency: int,
    sync: bool,
    sync_level: int,
    rates: bool,
    debug_ftp: bool,
    stats: float | None,
    **choices: object,
) -> None:
    """Copy files between this machine, GridFTP servers, FTP servers and web servers.

    A source that ends in a slash stands for the files in that directory, and * ? [ ] in its last component for the
    names that match; the destination then ends in a slash, too. Between two GridFTP servers the data goes straight from
    one to the other. A local destination appears under its name only when it is whole. The exit status tells what went
    wrong; the message tells why, and what to do.
    """
    options = _options(**choices)  # type: ignore[arg-type]
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


def _options(
    *,
    create_dest: bool,
    inplace: bool,
    parallel: int,
    tcp_buffer: int,
    block_size: int | None,
    no_third_party: bool,
    fast: bool,
    no_data_auth: bool,
    data_safe: bool,
    data_private: bool,
    subject: str | None,
    source_subject: str | None,
    dest_subject: str | None,
    credential: str | None,
    source_credential: str | None,
    dest_credential: str | None,
    verify: bool,
    algorithm: str,
    restart: bool,
    retries: int,
    interval: float,
    window: float,
    stall_timeout: float,
    connect_timeout: float,
    timeout: float | None,
    delegate: str,
    offset: int,
    length: int | None,
) -> Options:
    from pyglobus.core.options import BLOCK_SIZE, Options, Retry, Side

    return Options(
        parallel=parallel,
        block_size=block_size or BLOCK_SIZE,
        tcp_buffer=tcp_buffer,
        protection="private" if data_private else "safe" if data_safe else "clear",
        authenticate_data=not no_data_auth,
        third_party=not no_third_party,
        reuse_data=fast,
        offset=offset,
        length=length,
        delegate=delegate,
        create_directories=create_dest,
        in_place=inplace,
        source=Side(subject=source_subject or subject, credential=source_credential or credential),
        destination=Side(subject=dest_subject or subject, credential=dest_credential or credential),
        retry=Retry(times=retries, interval=interval, window=window) if restart else None,
        connect_timeout=connect_timeout,
        stall_timeout=stall_timeout,
        timeout=timeout,
        verify=verify,
        checksum_algorithm=algorithm,
    )

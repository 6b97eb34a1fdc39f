# SPDX-License-Identifier: Apache-2.0
"""pyglobus-url-copy: one file between any two of files, streams, GridFTP, FTP and HTTP servers."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from pyglobus.cli import signals
from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.progress import Progress
from pyglobus.cli.units import format_duration, format_rate, format_size
from pyglobus.cli.values import COUNT, DURATION, SIZE

if TYPE_CHECKING:
    from pyglobus.core.options import Options
    from pyglobus.core.transfer import Event, Result, Started, Transfer
    from pyglobus.core.url import Url

_DATA = "Data channels"
_SECURITY = "Security"
_FAULTS = "Faults and time limits"
_PART = "What is copied"
_SHOWN = "What is shown"

# The C tool counts a megabyte as 2**20 bytes, and shows its rates once a second.
_MEGABYTE = 1 << 20
_CLASSIC_EVERY = 1.0


@command(
    "url-copy",
    summary="copy a file between URLs",
    drop_in="globus-url-copy",
    c_common=("-q", "-quiet", "-v", "-verbose"),
    formats=("text", "json", "jsonl"),
)
@argument(
    "source",
    metavar="SOURCE",
    completion="url",
    help="What to copy: a path, a URL (file, gsiftp, ftp, http, https), or - for standard input.",
)
@argument(
    "destination",
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
    source: str,
    destination: str,
    rates: bool,
    debug_ftp: bool,
    stats: float | None,
    **choices: object,
) -> None:
    """Copy a file between this machine, GridFTP servers, FTP servers and web servers.

    Between two GridFTP servers the data goes straight from one to the other. A local destination appears under its name
    only when it is whole. The exit status tells what went wrong; the message tells why, and what to do.
    """
    from pyglobus.core.session import Session
    from pyglobus.core.transfer import Transfer

    options = _options(**choices)  # type: ignore[arg-type]
    with Session(debug_fd=2 if debug_ftp else -1) as session:
        transfer = Transfer(source, destination, options, session=session)
        with signals.cancelling(transfer.cancel), Progress(output, stats=stats) as progress:
            result = transfer.run(_Display(output, transfer, progress, rates))
    output.result("summary", _record(result), "")
    if output.is_text and (output.verbosity or sys.stderr.isatty()) and not rates:
        output.note(_summary(result))


def _options(
    *,
    create_dest: bool,
    inplace: bool,
    parallel: int,
    tcp_buffer: int,
    block_size: int | None,
    no_third_party: bool,
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


class _Display:
    """Shows the events of a transfer in the way that was asked for."""

    def __init__(self, output: Output, transfer: Transfer, progress: Progress, rates: bool) -> None:
        self._output = output
        self._transfer = transfer
        self._progress = progress
        self._rates = _ClassicRates(output) if rates and output.is_text else None
        self._named = rates or output.verbosity == 1

    def __call__(self, event: Event) -> None:
        from pyglobus.core import transfer

        if isinstance(event, transfer.Started):
            self._start(event)
        elif isinstance(event, transfer.Progress):
            if self._rates is not None:
                self._rates.show(event.bytes, event.seconds)
            else:
                self._progress.update(event.bytes, event.total)
        elif isinstance(event, transfer.Retrying):
            record = {"attempt": event.attempt, "delay": round(event.delay, 3), "why": str(event.error)}
            self._output.event("retry", record, "")
            self._output.note(f"{event.error}; trying again in {format_duration(event.delay)}")
        elif self._rates is not None:
            self._rates.end(event.result.bytes, event.result.seconds)

    def _start(self, event: Started) -> None:
        record = {"source": event.source, "destination": event.destination, "route": event.route, "total": event.total}
        self._output.event("started", record, "")
        self._output.detail(f"{event.route}: {event.source} -> {event.destination}")
        if self._named and self._output.is_text and not self._output.quiet:
            source, destination = self._transfer.source, self._transfer.destination
            self._output.line(
                f"Source: {_classic(source.parent())}\nDest:   {_classic(destination.parent())}\n"
                f"  {source.name}  ->  {destination.name}"
            )
        if self._rates is None:
            self._progress.start(event.total, event.source, event.destination)


class _ClassicRates:
    """The lines that globus-url-copy -vb writes: one that is overwritten each second, ended by a line break."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._due = time.monotonic() + _CLASSIC_EVERY
        self._last = 0, 0.0

    def show(self, moved: int, seconds: float) -> None:
        """A new line a second."""
        if time.monotonic() >= self._due:
            self._due += _CLASSIC_EVERY
            self._write(moved, seconds, "\r")

    def end(self, moved: int, seconds: float) -> None:
        """The last line."""
        if self._last == (0, 0.0):
            sys.stdout.write("\n")
        self._write(moved, seconds, "\r\n")

    def _write(self, moved: int, seconds: float, end: str) -> None:
        before, then = self._last
        if then == 0.0 and end == "\r":
            sys.stdout.write("\n")
        average = moved / seconds / _MEGABYTE if seconds else 0.0
        lately = (moved - before) / (seconds - then) / _MEGABYTE if seconds > then else average
        self._last = moved, seconds
        sys.stdout.write(f" {moved:12d} bytes {average:12.2f} MB/sec avg {lately:12.2f} MB/sec inst{end}")
        self._output.flush()


def _classic(directory: Url) -> str:
    """A directory as the C tool shows it."""
    if directory.is_stream:
        return "-"
    return f"file://{directory.path}" if directory.is_local else str(directory)


def _record(result: Result) -> dict[str, object]:
    return {
        "source": result.source,
        "destination": result.destination,
        "route": result.route,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 6),
        "rate": round(result.rate, 1),
        "attempts": result.attempts,
        "checksum": result.checksum,
        "checksum_algorithm": result.checksum_algorithm,
    }


def _summary(result: Result) -> str:
    text = f"{result.source} -> {result.destination}: {format_size(result.bytes)} in {format_duration(result.seconds)}"
    if result.bytes:
        text += f" ({format_rate(result.rate)})"
    if result.checksum:
        text += f", {result.checksum_algorithm} {result.checksum}"
    return text

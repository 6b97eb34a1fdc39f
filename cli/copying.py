# SPDX-License-Identifier: Apache-2.0
"""How pyglobus-url-copy shows what happens: as the C tool does (-v, -vb), live, or as records."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pyglobus.cli.output import Output
from pyglobus.cli.progress import Files, Progress
from pyglobus.cli.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from pyglobus.cli.failreport import FailReport
    from pyglobus.cli.lifetime import Lifetime
    from pyglobus.core.job import JobEvent, JobResult
    from pyglobus.core.journal import Resumed
    from pyglobus.core.transfer import Event, Result, Retrying, Started, Transfer, Warned
    from pyglobus.core.url import Url

# The C tool counts a megabyte as 2**20 bytes, and shows its rates once a second.
_MEGABYTE = 1 << 20
_CLASSIC_EVERY = 1.0


class TransferDisplay:
    """Shows the events of a transfer in the way that was asked for."""

    def __init__(self, output: Output, transfer: Transfer, progress: Progress, rates: bool, lifetime: Lifetime) -> None:
        self._lifetime = lifetime
        self._output = output
        self._transfer = transfer
        self._progress = progress
        # What the C tool prints goes to standard output, which is not ours if the data goes there; it names no streams.
        to_stream, from_stream = transfer.destination.is_stream, transfer.source.is_stream
        self._rates = _ClassicRates(output) if rates and output.is_text and not to_stream else None
        named = rates or (output.verbosity == 1 and not output.quiet)
        self._named = named and output.is_text and not (to_stream or from_stream)

    def __call__(self, event: Event) -> None:
        from pyglobus.core import transfer

        if isinstance(event, transfer.Started):
            self._start(event)
        elif isinstance(event, transfer.Progress):
            self._lifetime.update(event.bytes, event.total, event.seconds)
            if self._rates is not None:
                self._rates.show(event.bytes, event.seconds)
            else:
                self._progress.update(event.bytes, event.total)
        elif isinstance(event, transfer.Retrying):
            retry(self._output, event)
        elif isinstance(event, transfer.Warned):
            warn(self._output, event)
        elif self._rates is not None:
            self._rates.end(event.result.bytes, event.result.seconds)

    def _start(self, event: Started) -> None:
        self._lifetime.update(0, event.total, 0.0)
        record = {"source": event.source, "destination": event.destination, "route": event.route, "total": event.total}
        self._output.event("started", record, "")
        self._output.detail(f"{event.route}: {event.source} -> {event.destination}")
        if self._named:
            source, destination = self._transfer.source, self._transfer.destination
            renamed = "" if source.name == destination.name else f"  ->  {destination.name}"
            above, into = _classic(source.parent()), _classic(destination.parent())
            self._output.line(f"Source: {above}\nDest:   {into}\n  {source.name}{renamed}")
        if self._rates is None:
            self._progress.start(event.total, event.source, event.destination)


class JobDisplay:
    """Shows the events of a job of many files."""

    def __init__(
        self,
        output: Output,
        progress: Progress,
        source: str,
        destination: str,
        *,
        named: bool,
        keep_going: bool,
        rehearsal: bool = False,
        lifetime: Lifetime,
        report: FailReport | None = None,
    ) -> None:
        self._lifetime = lifetime
        self._report = report
        self._rehearsal = rehearsal
        self._output = output
        self._progress = progress
        self._keep_going = keep_going
        self._named = named and output.is_text and not output.quiet
        progress.start(None, source, destination)

    def __call__(self, event: JobEvent) -> None:
        from pyglobus.core import job
        from pyglobus.core.transfer import Retrying, Warned

        if isinstance(event, job.JobProgress):
            total = event.total if event.planned else None
            self._lifetime.update(event.bytes, event.total, event.seconds)
            moving = [(moving.source, moving.bytes, moving.size) for moving in event.moving]
            gone = event.done + event.failed + event.skipped
            files = Files(gone, event.files, event.planned, event.failed, moving)
            self._progress.update(event.bytes, total, files)
        elif isinstance(event, job.FileDone):
            self._output.event("file", record(event.result), "")
        elif isinstance(event, job.FileStarted):
            ends = {"source": event.source, "destination": event.destination}
            self._output.event("started", {**ends, "route": None, "total": event.size}, "")
            self._start(event.source, event.destination)
        elif isinstance(event, job.PlanComplete):
            self._output.event("plan", event._asdict(), "")
            self._lifetime.update(0, event.bytes, 0.0)
        elif isinstance(event, job.FilePlanned):
            size = "" if event.size is None else f" ({format_size(event.size)})"
            self._output.event("copy", event._asdict(), f"copy {event.source} -> {event.destination}{size}")
        elif isinstance(event, job.FileDeleted):
            self._output.event("deleted", event._asdict(), f"delete {event.destination}" if self._rehearsal else "")
            self._output.detail(f"deleted: {event.destination}")
        elif isinstance(event, job.FileSkipped):
            where = {"source": event.source, "destination": event.destination, "resumed": event.resumed}
            self._output.event("skipped", where, "")
            self._output.detail(f"{'done before' if event.resumed else 'up to date'}: {event.destination}")
        elif isinstance(event, job.JobResumed):
            self._output.event("resumed", {"journal": event.journal, **event.resumed._asdict()}, "")
            self._output.note(resumed(event.resumed))
        elif isinstance(event, Retrying):
            retry(self._output, event)
        elif isinstance(event, Warned):
            warn(self._output, event)
        elif isinstance(event, job.FileFailed):
            why = str(event.error)
            where = {"source": event.source, "destination": event.destination}
            self._output.event("failed", {**where, "why": why, "fault": event.error.fault}, "")
            if self._report is not None:
                self._report.add(event)
            if self._keep_going:  # else the first one ends the job, as its error
                self._output.note(why)

    def _start(self, source: str, destination: str) -> None:
        self._output.detail(f"{source} -> {destination}")
        if self._named:
            from pyglobus.core.url import parse

            above, into = parse(source).parent(), parse(destination).parent()
            self._output.line(f"Source: {_classic(above)}\nDest:   {_classic(into)}\n  {parse(source).name}")


def retry(output: Output, event: Retrying) -> None:
    """Tell that a fault has passed by, and when it is tried again."""
    output.event("retry", {"attempt": event.attempt, "delay": round(event.delay, 3), "why": str(event.error)}, "")
    output.note(f"{event.error}; trying again in {format_duration(event.delay)}")


def warn(output: Output, event: Warned) -> None:
    """Tell what did not succeed beside the bytes."""
    why = str(event.error)
    output.event("warning", {"why": why, "where": event.error.where, "fault": event.error.fault}, "")
    output.note(why)


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
    return f"file://{directory.path}" if directory.is_local else str(directory)


def record(result: Result) -> dict[str, object]:
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
        "resumed": result.resumed,
    }


def summary(result: Result) -> str:
    text = f"{result.source} -> {result.destination}: {format_size(result.bytes)} in {format_duration(result.seconds)}"
    if result.bytes:
        text += f" ({format_rate(result.rate)})"
    if result.checksum:
        text += f", {result.checksum_algorithm} {result.checksum}"
    return text


def job_record(result: JobResult, *, rehearsal: bool = False) -> dict[str, object]:
    """The summary of a job."""
    return {
        "files": result.done,
        "failed": result.failed,
        "skipped": result.skipped,
        "resumed": result.resumed,
        "deleted": result.deleted,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 6),
        "rate": round(result.bytes / result.seconds, 1) if result.seconds else 0.0,
        "dry_run": rehearsal,
    }


def job_summary(result: JobResult, *, rehearsal: bool = False) -> str:
    """The same in a line."""
    if rehearsal:
        text = f"{result.done} files, {format_size(result.bytes)} would be copied"
        text += f", {result.skipped} are up to date" if result.skipped else ""
        text += f", {result.resumed} were done before" if result.resumed else ""
        return text + (f", {result.deleted} would be deleted" if result.deleted else "")
    text = f"{result.done} files, {format_size(result.bytes)} in {format_duration(result.seconds)}"
    if result.bytes and result.seconds:
        text += f" ({format_rate(result.bytes / result.seconds)})"
    text += f", {result.skipped} up to date" if result.skipped else ""
    text += f", {result.resumed} done before" if result.resumed else ""
    return text + (f", {result.deleted} deleted" if result.deleted else "")


def resumed(before: Resumed) -> str:
    """What an earlier run has left, in a line."""
    parts = []
    if before.files:
        parts.append(f"{before.files} files ({format_size(before.bytes)}) are done")
    if before.partial:
        parts.append(f"{format_size(before.partial_bytes)} of {before.partial} more are there")
    return "going on where it was broken off: " + ", ".join(parts)

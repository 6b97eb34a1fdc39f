# SPDX-License-Identifier: Apache-2.0
"""The progress of a transfer, for whoever watches: a live display, plain lines, JSON lines, or nothing.

`Progress` is fed with byte counts and shows them where the rules of the house allow: live (by rich) if stderr is a
terminal; as a plain line for each ``stats`` interval if it is none and an interval was asked for; as ``progress``
records with ``--format jsonl``; never with -q or ``--format json``. Each kind has its own pace, so `update` may be
called as often as one likes.

The live display waits a moment before it appears: a transfer that is over by then neither flickers nor pays for
importing rich. It never hides the cursor and never writes below its own two lines, so that nothing needs repair,
however the process ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pyglobus.cli.output import Output, printable
from pyglobus.cli.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_APPEARS_AFTER = 0.3
_LIVE_EVERY = 0.1
_RECORD_EVERY = 1.0
# Files under way that are named: more lines than these nobody follows.
_MOST_FILES = 8
#: The rate shown is the mean of this many seconds: steady enough to read, quick enough to show a stall.
_RATE_WINDOW = 5.0


class Meter:
    """Bytes done by the time they were done: the arithmetic of a progress display. Times are seconds of any one
    clock.
    """

    def __init__(self, total: int | None, now: float) -> None:
        self.total = total
        self.done = 0
        self.started = now
        self.now = now
        self._samples = deque([(now, 0)])

    def update(self, done: int, now: float) -> None:
        """Note that ``done`` bytes are done. Fewer than before mean a restart: the rate begins anew."""
        if done < self.done:
            self._samples.clear()
        self.done = done
        self.now = now
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _RATE_WINDOW:
            self._samples.popleft()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - self.started

    @property
    def rate(self) -> float:
        """Bytes per second, lately."""
        (then, before), (now, done) = self._samples[0], self._samples[-1]
        return (done - before) / (now - then) if now > then else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds to go at this rate; None if nobody can know."""
        if self.total is None or self.rate <= 0:
            return None
        return max(self.total - self.done, 0) / self.rate

    @property
    def fraction(self) -> float | None:
        """The part that is done, 0 to 1; None without a total."""
        if self.total is None:
            return None
        return min(self.done / self.total, 1.0) if self.total else 1.0

    def record(self) -> dict[str, Any]:
        """The ``progress`` record: bytes, seconds, bytes per second."""
        return {
            "bytes": self.done,
            "total": self.total,
            "seconds": round(self.elapsed, 3),
            "rate": round(self.rate, 1),
            "remaining": None if self.remaining is None else round(self.remaining, 1),
        }

    def text(self) -> str:
        """Bytes, part, rate and time to go in a few words."""
        parts = [
            format_size(self.done) if self.total is None else f"{format_size(self.done)} of {format_size(self.total)}"
        ]
        if self.fraction is not None:
            parts.append(f"{self.fraction:.0%}")
        parts.append(format_rate(self.rate))
        if self.remaining is not None:
            parts.append(f"{format_duration(self.remaining)} left")
        return ", ".join(parts)


class Files(NamedTuple):
    """Of a job of many files: how many are done with, and how many there are as far as is known; the ones under way by
    name, each with its bytes and its size where they are known.
    """

    done: int
    known: int
    planned: bool
    failed: int = 0
    moving: Sequence[tuple[str, int | None, int | None]] = ()

    def text(self) -> str:
        """The numbers in a few words."""
        more = "" if self.planned else "+"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.known}{more} files{failed}"


class _Display(Protocol):
    every: float
    first: float

    def show(self, meter: Meter, files: Files | None) -> None: ...

    def clear(self) -> None: ...


class Progress:
    """One transfer's progress, as a context manager or from `start` to `finish`.

    ``stats`` is the interval of plain lines in seconds; None for none of them. Not thread-safe: feed it from one
    thread.
    """

    def __init__(
        self, output: Output, *, stats: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._output = output
        self._stats = stats
        self._clock = clock
        self._display: _Display | None = None
        self._meter = Meter(None, 0.0)
        self._due = 0.0

    def start(self, total: int | None, source: str, destination: str) -> None:
        """Begin with a transfer of ``total`` bytes, if that is known, between the two named ends."""
        self.finish()
        now = self._clock()
        self._meter = Meter(total, now)
        self._display = _display_for(self._output, self._stats, printable(source), printable(destination))
        if self._display is not None:
            self._due = now + self._display.first
            self._output.clear_display = self._display.clear

    def update(self, done: int, total: int | None = None, files: Files | None = None) -> None:
        """``done`` bytes have arrived so far; ``total`` is given when it became known or has changed, ``files`` by a
        job of many.
        """
        display = self._display
        if display is None:
            return
        now = self._clock()
        if total is not None:
            self._meter.total = total
        self._meter.update(done, now)
        if now >= self._due:
            self._due = now + display.every
            display.show(self._meter, files)

    def finish(self) -> None:
        """End the display, and leave nothing of it on a terminal. May be called at any time, and again."""
        display, self._display = self._display, None
        if display is not None:
            display.clear()
            self._output.clear_display = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()


def _display_for(output: Output, stats: float | None, source: str, destination: str) -> _Display | None:
    if output.quiet or output.format == "json":
        return None
    if output.format == "jsonl":
        return _Records(output, stats or _RECORD_EVERY, source, destination)
    if sys.stderr.isatty():
        return _Terminal(source, destination)
    return _Lines(output, stats, source, destination) if stats else None


class _Lines:
    """Plain lines on stderr."""

    def __init__(self, output: Output, every: float, source: str, destination: str) -> None:
        self.every = self.first = every
        self._output = output
        self._ends = f"{source} -> {destination}"

    def show(self, meter: Meter, files: Files | None) -> None:
        counted = f", {files.text()}" if files is not None else ""
        self._output.progress_line(f"{format_duration(meter.elapsed)}: {meter.text()}{counted}: {self._ends}")

    def clear(self) -> None:
        """Lines stay."""


class _Records:
    """JSON lines on stdout."""

    def __init__(self, output: Output, every: float, source: str, destination: str) -> None:
        self.every = self.first = every
        self._output = output
        self._ends = {"source": source, "destination": destination}

    def show(self, meter: Meter, files: Files | None) -> None:
        counted = {"done": files.done, "files": files.known, "failed": files.failed} if files is not None else {}
        self._output.event("progress", {**self._ends, **meter.record(), **counted})

    def clear(self) -> None:
        """Lines stay."""


class _Terminal:
    """Two lines at the bottom of the terminal: the two ends, and a bar with numbers; with many files, a line for each
    that is under way, as far as there is room.
    """

    every = _LIVE_EVERY
    first = _APPEARS_AFTER

    def __init__(self, source: str, destination: str) -> None:
        self._source = source
        self._destination = destination
        self._console: Console | None = None
        self._live: Live | None = None

    def show(self, meter: Meter, files: Files | None) -> None:
        from rich.live import Live

        made = self._console = self._console or console()
        drawn = self._drawn(meter, files, made.width, made.height)
        if self._live is None:
            self._live = Live(
                console=made, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
            made.show_cursor(True)
        self._live.update(drawn, refresh=True)

    def clear(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _drawn(self, meter: Meter, files: Files | None, width: int, height: int) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width -= 1  # a terminal that has just filled its last column may wrap
        done, total = format_size(meter.done), meter.total
        # Each number has the room of its longest form, so that nothing moves but the bar.
        numbers = [] if meter.fraction is None else [f"{meter.fraction:4.0%}"]
        numbers.append(done if total is None else f"{done:>8} of {format_size(total)}")
        numbers.append(f"{format_rate(meter.rate):>10}")
        if meter.remaining is not None:
            numbers.append(f"{format_duration(meter.remaining):>6} left")
        if files is not None:
            numbers.append(files.text())
        while len(numbers) > 1 and len("  ".join(numbers)) > width:
            numbers.pop()
        text = Text("  ".join(numbers), no_wrap=True, overflow="crop")
        room = min(width - len(text) - 2, 60)
        row = Table.grid(padding=(0, 2, 0, 0))
        if room >= 8 and total is not None:
            bar = ProgressBar(
                total=max(total, 1),
                completed=meter.done if total else 1,
                width=room,
                complete_style="cyan",
                finished_style="green",
            )
            row.add_row(bar, text)
        else:
            row.add_row(text)
        lines = [
            Text(f"  {_file_line(*moving, width - 2)}", no_wrap=True, overflow="crop", style="dim")
            for moving in (files.moving if files is not None else ())[: max(0, min(_MOST_FILES, height - 4))]
        ]
        return Group(Text(ends(self._source, self._destination, width), no_wrap=True, overflow="crop"), row, *lines)


def _file_line(name: str, done: int | None, size: int | None, width: int) -> str:
    """One file under way: its name, and how far it is."""
    if done is None or size is None:
        return _shortened(printable(name), width)
    far = f"{done / size if size else 1:4.0%} of {format_size(size)}"
    return f"{_shortened(printable(name), max(width - len(far) - 2, 1))}  {far}"


def ends(source: str, destination: str, width: int) -> str:
    """Both ends of a transfer in ``width`` columns; what is too long loses its middle, for hosts and file names tell
    most.
    """
    arrow = " -> "
    room = max(width - len(arrow), 2)
    half = room // 2
    source_room = max(half, room - len(destination))
    source = _shortened(source, source_room)
    return f"{source}{arrow}{_shortened(destination, max(room - len(source), 1))}"


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    if width < 5:
        return text[-width:]
    kept = width - 3
    return f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"


def console() -> Console:
    """That of live displays, on stderr."""
    from rich.console import Console

    return Console(stderr=True, no_color=True if os.environ.get("NO_COLOR") else None, highlight=False, soft_wrap=False)

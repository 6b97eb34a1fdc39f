# SPDX-License-Identifier: Apache-2.0
"""What --watch shows: the states of jobs, with the time since their submission.

On a terminal that is a live view on stderr: a line for each job with all its states, whose last time runs. It is taken
away before anything else is written there, and comes back below it; at its end it stays. Elsewhere each state is a
line of its own.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyglobus.core import files

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from pyglobus.cli.output import Output
    from pyglobus.core.gram import Event

# Seconds between two drawings while nothing happens.
_EVERY = 0.5


class Watch:
    """The states of one job, or of several by their labels; the view is there from the beginning of a ``with`` block
    to its end.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = time.time()
        self._jobs: dict[str, list[tuple[str, float]]] = {}
        self._ended: set[str] = set()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._live: Live | None = None
        self._console: Console | None = None
        self._in_line = False

    def show(self, event: Event, label: str = "") -> None:
        """One more state."""
        failure = f"  {event.failure.why or ''}" if event.failure is not None else ""
        seconds = max(0.0, event.time - self._begun)
        if self._ticker is None:
            name = f"{label}  " if label else ""
            self._output.progress_line(f"{seconds:8.1f} s  {name}{event.state}{failure}".rstrip())
            return
        with self._lock:
            states = self._jobs.setdefault(label, [])
            if not states or states[-1][0] != event.state:
                states.append((str(event.state), seconds))
            if event.state.final:
                self._ended.add(label)
            self._draw()

    def written(self, fd: int, data: bytes) -> None:
        """Write what a job has written to a descriptor, which may be the terminal of the view."""
        with self._lock:
            self._clear()
            files.write_all(fd, data)
            self._in_line = os.isatty(fd) and not data.endswith(b"\n")

    def __enter__(self) -> Watch:
        output = self._output
        if output.is_text and not output.quiet and sys.stderr.isatty():
            output.clear_display = self._clear
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticker is None:
            return
        self._over.set()
        self._ticker.join()
        with self._lock:
            self._draw()
            if self._live is not None:
                self._live.transient = False
            self._clear()
        self._output.clear_display = None
        self._ticker = None

    def _tick(self) -> None:
        while not self._over.wait(_EVERY):
            with self._lock:
                self._draw()

    def _clear(self) -> None:
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def _draw(self) -> None:
        """Not below a line that has no end yet: it would be drawn over."""
        if not self._jobs or self._in_line:
            return
        from rich.live import Live

        from pyglobus.cli.progress import console

        made = self._console = self._console or console()
        drawn = self._drawn(made.height - 1)
        if self._live is None:
            options: dict[str, Any] = {"auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}
            self._live = Live(console=made, transient=True, **options)
            self._live.start()
            made.show_cursor(True)
        self._live.update(drawn, refresh=True)

    def _drawn(self, height: int) -> RenderableType:
        """Those that go on come first, for there may not be room for all."""
        from rich.table import Table
        from rich.text import Text

        from pyglobus.cli.output import printable

        table = Table.grid(padding=(0, 2, 0, 0))
        now = time.time() - self._begun
        for label in sorted(self._jobs, key=lambda each: each in self._ended)[:height]:
            states = self._jobs[label]
            way = " > ".join(f"{state} {at:.1f}" for state, at in states[:-1])
            last, at = states[-1]
            style = "bold" if label not in self._ended else "green" if last == "DONE" else "red"
            seconds = at if label in self._ended else max(now, at)
            row = (printable(label), ""), (last, style), (f"{seconds:.1f} s", ""), (way, "dim")
            table.add_row(*(Text(text, style=kind) for text, kind in row))
        return table


def writer(watch: Watch | None, fd: int) -> Callable[[bytes], object]:
    """A function that writes what a job has written to a descriptor, beside the view."""
    return functools.partial(files.write_all if watch is None else watch.written, fd)

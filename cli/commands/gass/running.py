# SPDX-License-Identifier: Apache-2.0
"""A GASS server from its start to its end: who is told that it is ready, the live view, and how it drains."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.notify import notify
from pyglobus.cli.output import Output, printable
from pyglobus.cli.units import format_duration, format_rate, format_size
from pyglobus.core import errors

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyglobus.core.gass import Server

#: Seconds between two pictures of the live view, and lines of clients in it.
_EVERY = 0.5
_LINES = 12


def run(server: Server, output: Output, given: dict[str, Any]) -> None:
    """Serve until a client or a signal ends it; then let those who are there finish."""
    drain = 30.0 if given["drain"] is None else given["drain"]
    with server:
        with signals.cancelling(server.end):  # before anybody is told that it is there, and can end it
            _announce(server, output, given)
            with _view(server, output):
                server.wait()
        notify("STOPPING=1")
        busy = sum(client.operation not in (None, "shutdown") for client in server.clients())
        if busy:
            most = format_duration(drain)
            output.note(f"waiting at most {most} for {_counted(busy)} to finish; a second signal ends it at once")
        if not server.drain(drain):
            left = len(server.clients())
            output.note(f"ended {_counted(left)} that had not finished after {format_duration(drain)}")


def _announce(server: Server, output: Output, given: dict[str, Any]) -> None:
    if not output.is_text:
        output.event("listening", {"url": server.url})
    elif not given["silent"] or "s" in (given["disable"] or ""):
        output.line(server.url)
    output.flush()
    if given["ready_fd"] is not None:
        try:
            with os.fdopen(given["ready_fd"], "w") as ready:
                ready.write(server.url + "\n")
        except OSError as error:
            raise errors.UsageError("invalid --ready-fd", where=str(given["ready_fd"]), why=error.strerror) from error
    notify(f"READY=1\nSTATUS=listening at {server.url}")


@contextlib.contextmanager
def _view(server: Server, output: Output) -> Iterator[None]:
    """Show who is there, on a terminal."""
    if output.quiet or output.verbosity or not output.is_text or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    rates = _Rates(server)
    with Live(
        get_renderable=rates.picture, console=Console(stderr=True), refresh_per_second=1 / _EVERY, transient=True
    ) as live:
        output.clear_display = lambda: None
        del live
        yield


class _Rates:
    """What the clients do, and how fast: the difference between two pictures."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._then = time.monotonic()
        self._bytes = 0

    def picture(self) -> RenderableType:
        """The view as it is now."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now, moved = time.monotonic(), self._server.bytes
        rate = (moved - self._bytes) / max(now - self._then, 0.05)
        if now - self._then > _EVERY / 2:
            self._then, self._bytes = now, moved
        clients = self._server.clients()
        table = Table.grid(padding=(0, 2))
        for _ in range(5):
            table.add_column(no_wrap=True)
        for client in clients[:_LINES]:
            done = format_size(client.bytes) + (f" of {format_size(client.size)}" if client.size is not None else "")
            table.add_row(
                client.operation or "-", done, format_rate(client.bytes / max(client.seconds, 0.05)),
                Text(printable(client.path or "")), Text(printable(client.identity or client.host)),
            )  # fmt: skip
        if len(clients) > _LINES:
            table.add_row("...", f"and {len(clients) - _LINES} more")
        head = f"{_counted(len(clients))}, {format_size(moved)} served, {format_rate(rate)}"
        return Group(Text(head, no_wrap=True), table)


def _counted(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"

# SPDX-License-Identifier: Apache-2.0
"""A GridFTP server from its start to its end: who is told that it is ready, the live view, and how it drains."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.notify import notify
from pyglobus.cli.output import Output, printable
from pyglobus.cli.units import format_duration
from pyglobus.core import errors

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyglobus.core.gridftp import Server

#: Seconds between two pictures of the live view, and lines of clients in it.
_EVERY = 0.5
_LINES = 12


def run(server: Server, output: Output, given: dict[str, Any]) -> None:
    """Serve until a signal ends it; then let those who are there finish."""
    drain = 30.0 if given["drain"] is None else given["drain"]
    if given["ready_fd"] is not None:
        with _usable(given["ready_fd"]):
            os.set_inheritable(given["ready_fd"], False)  # the server would keep it open
    with signals.cancelling(server.end):
        server.start()
        left = 0
        try:
            _announce(server.url, output, given)
            with _view(server, output):
                server.wait()
            notify("STOPPING=1")
            if busy := server.sessions:
                most = format_duration(drain)
                output.note(f"waiting at most {most} for {_counted(busy)} to finish; a second signal ends it at once")
        finally:
            left = server.close(drain)
    if left:
        output.note(f"ended {_counted(left)} that had not finished after {format_duration(drain)}")


def _announce(url: str, output: Output, given: dict[str, Any]) -> None:
    if output.is_text:
        output.line(url)
    else:
        output.event("listening", {"url": url})
    output.flush()
    if given["ready_fd"] is not None:
        with _usable(given["ready_fd"]), os.fdopen(given["ready_fd"], "w") as ready:
            ready.write(url + "\n")
    notify(f"READY=1\nSTATUS=listening at {url}")


@contextlib.contextmanager
def _usable(descriptor: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.UsageError("invalid --ready-fd", where=str(descriptor), why=error.strerror) from error


@contextlib.contextmanager
def _view(server: Server, output: Output) -> Iterator[None]:
    """Show who is there, on a terminal."""
    if output.quiet or output.verbosity or not output.is_text or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    with Live(
        get_renderable=lambda: _picture(server),
        console=Console(stderr=True),
        refresh_per_second=1 / _EVERY,
        transient=True,
    ):
        output.clear_display = lambda: None
        yield


def _picture(server: Server) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    clients = server.clients()
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True)
    for client in clients[:_LINES]:
        table.add_row(
            client["operation"] or "-", format_duration(client["seconds"]), Text(printable(client["path"] or "")),
            Text(printable(client["identity"] or client["host"])),
        )  # fmt: skip
    if len(clients) > _LINES:
        table.add_row("...", f"and {len(clients) - _LINES} more")
    return Group(Text(_counted(len(clients)), no_wrap=True), table)


def _counted(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"

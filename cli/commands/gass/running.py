# SPDX-License-Identifier: Apache-2.0
"""A GASS server from its start to its end: who is told that it is ready, the live view, and how it drains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.liveview import EVERY, LINES, counted, live_view
from pyglobus.cli.notify import announce, notify
from pyglobus.cli.output import Output, printable
from pyglobus.cli.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyglobus.core.gass import Server


def run(server: Server, output: Output, given: dict[str, Any]) -> None:
    """Serve until a client or a signal ends it; then let those who are there finish."""
    drain = 30.0 if given["drain"] is None else given["drain"]
    with server:
        with signals.cancelling(server.end):  # before anybody is told that it is there, and can end it
            silent = given["silent"] and "s" not in (given["disable"] or "")
            if server.room.served < server.settings.connections:
                most = f"{counted(server.room.served)} at once"
                output.note(f"serves {most}: {server.room.limit} open files are all that it may have")
            announce(server.url, output, ready_fd=given["ready_fd"], silent=silent)
            with live_view(output, _Rates(server).picture):
                server.wait()
        notify("STOPPING=1")
        busy = sum(client.operation not in (None, "shutdown") for client in server.clients())
        if busy:
            most = format_duration(drain)
            output.note(f"waiting at most {most} for {counted(busy)} to finish; a second signal ends it at once")
        if not server.drain(drain):
            left = len(server.clients())
            output.note(f"ended {counted(left)} that had not finished after {format_duration(drain)}")


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
        if now - self._then > EVERY / 2:
            self._then, self._bytes = now, moved
        clients = self._server.clients()
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        for _ in range(2):  # these are cut off first where the terminal is narrow
            table.add_column(overflow="ellipsis")
        for client in clients[:LINES]:
            done = format_size(client.bytes) + (f" of {format_size(client.size)}" if client.size is not None else "")
            table.add_row(
                client.operation or "-", done, format_rate(client.bytes / max(client.seconds, 0.05)),
                *(Text(printable(text or ""), no_wrap=True, overflow="ellipsis")
                  for text in (client.path, client.identity or client.host)),
            )  # fmt: skip
        if len(clients) > LINES:
            table.add_row("...", f"and {len(clients) - LINES} more")
        head = f"{counted(len(clients))}, {format_size(moved)} served, {format_rate(rate)}"
        return Group(Text(head, no_wrap=True), table)

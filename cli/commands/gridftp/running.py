# SPDX-License-Identifier: Apache-2.0
"""A GridFTP server from its start to its end: who is told that it is ready, the live view, and how it drains."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyglobus.cli import signals
from pyglobus.cli.liveview import LINES, counted, live_view
from pyglobus.cli.notify import announce, notify, usable
from pyglobus.cli.output import Output, printable
from pyglobus.cli.units import format_duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pyglobus.core.gridftp import Server


def run(server: Server, output: Output, given: dict[str, Any]) -> None:
    """Serve until a signal ends it; then let those who are there finish."""
    drain = 30.0 if given["drain"] is None else given["drain"]
    if given["ready_fd"] is not None:
        with usable(given["ready_fd"]):
            os.set_inheritable(given["ready_fd"], False)  # the server would keep it open
    with signals.cancelling(server.end):
        server.start()
        left = 0
        try:
            announce(server.url, output, ready_fd=given["ready_fd"])
            with live_view(output, lambda: _picture(server)):
                server.wait()
            notify("STOPPING=1")
            if busy := server.sessions:
                most = format_duration(drain)
                output.note(f"waiting at most {most} for {counted(busy)} to finish; a second signal ends it at once")
        finally:
            left = server.close(drain)
    if left:
        output.note(f"ended {counted(left)} that had not finished after {format_duration(drain)}")


def _picture(server: Server) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    clients = server.clients()
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True)
    for client in clients[:LINES]:
        table.add_row(
            client["operation"] or "-", format_duration(client["seconds"]), Text(printable(client["path"] or "")),
            Text(printable(client["identity"] or client["host"])),
        )  # fmt: skip
    if len(clients) > LINES:
        table.add_row("...", f"and {len(clients) - LINES} more")
    return Group(Text(counted(len(clients)), no_wrap=True), table)

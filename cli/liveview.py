# SPDX-License-Identifier: Apache-2.0
"""The live view of a server on a terminal: who is there, and what they do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pyglobus.cli.output import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Seconds between two pictures, and lines of clients in one.
EVERY = 0.5
LINES = 12


@contextlib.contextmanager
def live_view(output: Output, picture: Callable[[], RenderableType]) -> Iterator[None]:
    """Within the block, show on a terminal what ``picture`` makes, which another thread calls."""
    if output.quiet or output.verbosity or not output.is_text or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    with Live(get_renderable=picture, console=Console(stderr=True), refresh_per_second=1 / EVERY, transient=True):
        output.clear_display = lambda: None
        yield


def counted(clients: int) -> str:
    """How many there are, in words."""
    return "1 client" if clients == 1 else f"{clients} clients"

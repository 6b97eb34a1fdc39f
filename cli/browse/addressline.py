# SPDX-License-Identifier: Apache-2.0
"""The line in which an address is typed. Tab completes it with what the shell would offer: the names in a directory of
this machine, or on a server, from the same cache and with the same patience (`pyglobus.cli.remotenames`).
"""

from __future__ import annotations

import os
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from pyglobus.cli.output import printable
from pyglobus.core import errors
from pyglobus.core.browse import address
from pyglobus.core.url import Url

# What could follow, as far as it is shown.
_MOST = 12


class AddressLine(ModalScreen[Url]):
    """Comes out with the place, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, base: Url) -> None:
        super().__init__()
        self._base = base

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide") as box:
            box.border_title = "Go to"
            box.border_subtitle = "a path, or a file:, gsiftp: or ftp: URL; Tab completes"
            yield Input(str(self._base), select_on_focus=True, compact=True)
            yield Static(classes="wrong")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            self.dismiss(address.directory(event.value, self._base))
        except errors.Error as error:
            self._say(printable(str(error)))

    def action_complete(self) -> None:
        line = self.query_one(Input)
        line.cursor_position = len(line.value)
        self._say("…")
        self.run_worker(partial(candidates, line.value, self._base), thread=True, exclusive=True, name=line.value)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        line = self.query_one(Input)
        if event.state is not WorkerState.SUCCESS or event.worker.name != line.value:
            return
        found: list[str] = event.worker.result or []
        common = os.path.commonprefix(found)  # noqa: RUF071  of characters, as a shell does it
        if len(common) > len(line.value):
            line.value = common
            line.cursor_position = len(common)
        names = [each.rstrip("/").rpartition("/")[2] + "/" for each in found]
        more = f"  and {len(names) - _MOST} more" if len(names) > _MOST else ""
        self._say("nothing begins like this" if not found else "  ".join(names[:_MOST]) + more if names[1:] else "")

    def _say(self, text: str) -> None:
        self.query_one(".wrong", Static).update(Content(text))


def candidates(beginning: str, base: Url) -> list[str]:
    """The addresses of directories that begin so, in the form in which it is typed."""
    from pyglobus.cli import remotenames

    head, slash, prefix = beginning.rpartition("/")
    try:
        place = address.directory(head + slash, base)
        if "://" in beginning:
            names = [name for name in remotenames.names(head + slash) if name.endswith("/")]
            return [f"{head}/{escaped}" for name in names if (escaped := remotenames.escaped(name)).startswith(prefix)]
        if not place.is_local:
            names = [name for name in remotenames.names(str(place)) if name.endswith("/")]
        else:
            with os.scandir(place.path) as entries:
                names = sorted(f"{entry.name}/" for entry in entries if entry.is_dir())
    except (errors.Error, OSError):
        return []
    names = [name for name in names if prefix.startswith(".") or not name.startswith(".")]
    return [f"{head}{slash}{name}" for name in names if name.startswith(prefix)]

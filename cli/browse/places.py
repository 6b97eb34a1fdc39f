# SPDX-License-Identifier: Apache-2.0
"""Bookmarks and recent places, to go to; b bookmarks the place at the cursor, or takes its bookmark away."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text as Line
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList

from pyglobus.cli.output import printable
from pyglobus.core.browse.memory import Memory
from pyglobus.core.url import Url


class Places(ModalScreen[Url]):
    """Comes out with the place, or None. The first one is where the pane is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("b", "bookmark", show=False),
    ]

    def __init__(self, here: Url, memory: Memory) -> None:
        super().__init__()
        self._here = here
        self._memory = memory
        self._places: list[Url] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="box large") as box:
            box.border_title = "Places"
            box.border_subtitle = "Enter goes there · b bookmarks, or forgets · Esc leaves"
            yield OptionList()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self._list()

    def _list(self) -> None:
        memory, listed = self._memory, self.query_one(OptionList)
        at = listed.highlighted or 0
        self._places = list(dict.fromkeys([self._here, *memory.bookmarks, *memory.recent]))
        listed.clear_options()
        for place in self._places:
            listed.add_option(Line(f"{'*' if place in memory.bookmarks else ' '} {printable(str(place))}"))
        listed.highlighted = min(at, len(self._places) - 1)

    def action_bookmark(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self._memory.toggle(self._places[at])
            self._list()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._places[event.option_index])

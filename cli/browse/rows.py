# SPDX-License-Identifier: Apache-2.0
"""The rows of a pane. Only those that are seen are ever drawn, so that a directory of any size costs a screen."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pyglobus.cli.browse import text
from pyglobus.core.browse.view import View
from pyglobus.core.tree import Entry

#: What of the characters that can be typed belongs to a filter; others are keys.
_TYPED = frozenset("._~@=#%,()[]{}&!$^;'")


class Rows(ScrollView, can_focus=True):
    """A view with a cursor. What is typed narrows the view; all else that happens here is told in messages."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--marked", "rows--directory", "rows--idle"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "end(-1)", show=False),
        Binding("end", "end(1)", show=False),
    ]
    cursor: reactive[int] = reactive(0)

    class Opened(Message):
        """A row was clicked twice."""

    class Marked(Message):
        """Marks have changed, or rows are to be marked by the mouse."""

    class Filtered(Message):
        """Something was typed; ``text`` is what the filter is to be."""

        def __init__(self, typed: str) -> None:
            super().__init__()
            self.typed = typed

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self._marking = 0

    @property
    def current(self) -> Entry | None:
        """The entry at the cursor."""
        return self.view[self.cursor] if 0 <= self.cursor < len(self.view) else None

    def show(self, view: View, cursor: int | None = None) -> None:
        """Show this view, or the same anew, with the cursor there."""
        self.view = view
        self.virtual_size = Size(self.size.width, len(view))
        self.cursor = max(0, min(self.cursor if cursor is None else cursor, len(view) - 1))
        self._reveal()
        self.refresh()

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.view) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        self._reveal()
        self.refresh()

    def _reveal(self) -> None:
        height, top = max(self.size.height, 1), self.scroll_offset.y
        wanted = min(max(top, self.cursor - height + 1), self.cursor)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)
        if self.has_focus:  # readers of the screen follow the terminal's own cursor
            self.app.cursor_position = self.content_region.offset + Offset(0, self.cursor - wanted)

    # Drawing ---------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        at = self.scroll_offset.y + y
        base = self.rich_style
        if at >= len(self.view):
            return Strip([Segment(" " * width, base)], width)
        entry = self.view[at]
        marked = entry.name in self.view.marked
        line = text.row(entry, text.Columns.of(width), marked=marked, now=time.time())
        style = base
        if entry.directory:
            style += self.get_component_rich_style("rows--directory", partial=True)
        if marked:
            style += self.get_component_rich_style("rows--marked", partial=True)
        if at == self.cursor:
            name = "rows--cursor" if self.has_focus else "rows--idle"
            style += self.get_component_rich_style(name, partial=True)
        return Strip([Segment(line, style)]).adjust_cell_length(width, style)

    def on_focus(self) -> None:
        self._reveal()
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.view))
        self._reveal()

    # Keys and mouse --------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_page(self, by: int) -> None:
        self.cursor += by * max(self.size.height - 1, 1)

    def action_end(self, which: int) -> None:
        self.cursor = 0 if which < 0 else len(self.view) - 1

    def on_key(self, event: events.Key) -> None:
        typed = event.character
        if typed is not None and (typed.isalnum() or typed in _TYPED or (not typed.isascii() and event.is_printable)):
            self.post_message(self.Filtered(self.view.wish.filter + typed))
            event.stop()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = self.scroll_offset.y + offset.y if offset is not None else -1
        if not 0 <= at < len(self.view):
            return
        self.cursor = at
        if event.button == 3 or event.ctrl:
            self.view.mark([self.view[at].name])
            self.post_message(self.Marked())
            self.refresh()
        elif event.chain == 2:
            self.post_message(self.Opened())

# SPDX-License-Identifier: Apache-2.0
"""One of the two panes: a place, its rows, and what is being read.

A directory is read in the background (`pyglobus.core.browse.listing`). Of a new place what has come is shown as it
comes; of one that is read anew, the old rows stay until the new ones are complete. Many rows are sorted and filtered in
a thread, one arrangement at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from pyglobus.cli.browse import text
from pyglobus.cli.browse.rows import Rows
from pyglobus.cli.output import printable
from pyglobus.cli.units import format_size
from pyglobus.core import errors
from pyglobus.core.browse import address
from pyglobus.core.browse.listing import Batch, Reader
from pyglobus.core.browse.view import FEW, UP, Arrangement, Order, View, Wish
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url

if TYPE_CHECKING:
    from pyglobus.core.pool import Pool

# Places that `Pane.back` knows.
_MAX_PAST = 50


class Headings(Static):
    """The headings of the columns; a click on one sorts by it."""

    class Clicked(Message):
        """Sort by this column."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def on_click(self, event: Click) -> None:
        start = 0
        for name, cell in text.heading(text.Columns.of(self.size.width), Order()):
            start += len(cell)
            if event.x < start:
                if name:
                    self.post_message(self.Clicked(name))
                return


class Pane(Vertical):
    """``error`` is why the place cannot be shown, if it cannot; ``reading``, whether more is to come."""

    class Came(Message):
        """A reading has told something."""

        def __init__(self, number: int, batch: Batch) -> None:
            super().__init__()
            self.number = number
            self.batch = batch

    class Arranged(Message):
        """A thread has made an arrangement."""

        def __init__(self, view: View, arrangement: Arrangement, name: str | None) -> None:
            super().__init__()
            self.view = view
            self.arrangement = arrangement
            self.name = name

    class Changed(Message):
        """The pane shows something else: another place, all of it, or an error."""

    def __init__(self, place: Url, pool: Pool, wish: Wish, name: str) -> None:
        super().__init__(id=name)
        self.place = place
        self.error: errors.Error | None = None
        self.reading = False
        self.past: list[Url] = []
        self._reader = Reader(pool)
        self._view = View(wish, up=address.above(place) is not None)
        self._number = 0
        # The view that will take the place of the one that is shown, and the name that its cursor is wanted at.
        self._coming: View | None = None
        self._wanted: str | None = None
        self._arranging = False

    def compose(self) -> ComposeResult:
        yield Headings()
        yield Rows(self._view)
        yield Static(classes="fault")

    def on_mount(self) -> None:
        self.go(self.place)

    def on_unmount(self) -> None:
        self._reader.stop()

    @property
    def rows(self) -> Rows:
        """The list."""
        return self.query_one(Rows)

    @property
    def view(self) -> View:
        """What is shown."""
        return self.rows.view

    @property
    def current(self) -> Entry | None:
        """The entry at the cursor, if it is one."""
        entry = self.rows.current
        return None if entry is UP else entry

    def chosen(self) -> list[Entry]:
        """What an action is for: all that is marked, else the entry at the cursor."""
        return self.view.chosen(self.rows.cursor)

    # Places ----------------------------------------------------------------------------------------------------------

    def go(self, place: Url, *, at: str | None = None, back: bool = False) -> None:
        """Show another place, with the cursor at this name if it is there."""
        if place != self.place:
            if not back:
                self.past = [*self.past[1 - _MAX_PAST :], self.place]
            self.place = place
            wish = self.view.wish._replace(filter="")
            self._wanted = at
            self.rows.show(View(wish, up=address.above(place) is not None), 0)
        self.error = None
        self._read()
        self.post_message(self.Changed())

    def reload(self, *, at: str | None = None) -> None:
        """Read the same place anew."""
        self._wanted = at or (self.current.name if self.current is not None else None)
        self.error = None
        self._read()

    def up(self) -> None:
        """To the directory above, with the cursor at the one that was left."""
        above = address.above(self.place)
        if above is not None:
            self.go(above, at=self.place.name)

    def stop(self) -> None:
        """Give up what is being read."""
        self._reader.stop()
        self._number += 1
        self.reading = False
        self._coming = None
        self.describe()

    def _read(self) -> None:
        self._number += 1
        number = self._number
        self.reading = True
        self._coming = View(self.view.wish, up=address.above(self.place) is not None)

        def told(batch: Batch) -> None:
            self.post_message(self.Came(number, batch))

        self._reader.read(self.place, told)
        self.describe()

    def on_pane_came(self, message: Came) -> None:
        batch, coming = message.batch, self._coming
        if message.number != self._number:
            return
        if coming is not None:
            coming.add(batch.entries)
            if batch.complete or not self.view.total:
                coming.keep_marks(self.view.marked)
                coming.ask(self.view.wish)
                self._coming = None
                name = self._wanted or (self.rows.current.name if self.rows.current is not None else None)
                self._wanted = None if batch.complete else self._wanted
                self._take(coming, name)
        else:
            name = self._wanted or (self.rows.current.name if self.rows.current is not None else None)
            self.view.add(batch.entries)
            self._take(self.view, name)
        if batch.complete:
            self.reading = False
            self.error = batch.error
            self._wanted = None
            self.post_message(self.Changed())
        self._arrange()
        self.describe()

    def _take(self, view: View, name: str | None) -> None:
        """Show this view, with the cursor at that name."""
        at = view.row(name) if name is not None and len(view) <= FEW else None
        self.rows.show(view, at)

    # Arrangements ----------------------------------------------------------------------------------------------------

    def ask(self, wish: Wish) -> None:
        """Show the rows as this wants them."""
        current = self.rows.current
        self.view.ask(wish)
        if not self.view.stale:
            self._take(self.view, current.name if current is not None else None)
        self._arrange()
        self.describe()

    def _arrange(self) -> None:
        """Have a thread arrange what is not, unless one does; while more comes, not for every bit of it."""
        view = self.view
        if self._arranging or not view.stale:
            return
        same = view.wish == view.arrangement.wish
        if self.reading and same and view.total < 2 * max(view.arrangement.number, 1):
            return
        name = self._wanted or (self.rows.current.name if self.rows.current is not None else None)
        make = view.prepare(name)
        self._arranging = True

        def work() -> None:
            self.post_message(self.Arranged(view, make(), name))

        threading.Thread(target=work, name="browse-sorting", daemon=True).start()

    def on_pane_arranged(self, message: Arranged) -> None:
        self._arranging = False
        if message.view is self.view:
            self.view.adopt(message.arrangement)
            up = len(self.view) - len(message.arrangement.shown)
            at = message.arrangement.at
            self.rows.show(self.view, at + up if at is not None else None)
        self._arrange()
        self.describe()

    def on_rows_filtered(self, message: Rows.Filtered) -> None:
        message.stop()
        self.ask(self.view.wish._replace(filter=message.typed))

    def on_headings_clicked(self, message: Headings.Clicked) -> None:
        message.stop()
        self.ask(self.view.wish._replace(order=self.view.wish.order.by(message.column)))

    def on_rows_marked(self, message: Rows.Marked) -> None:
        message.stop()
        self.describe()

    # What is said of it ----------------------------------------------------------------------------------------------

    def describe(self) -> None:
        """Bring title, headings, the line below and the fault up to date."""
        width = max(self.size.width - 4, 10)
        self.border_title = Content(text.fitting(printable(str(self.place)), width).rstrip())
        self.border_subtitle = Content(" · ".join(self._facts()))
        columns = text.Columns.of(self.rows.size.width)
        headings = "".join(cell for _, cell in text.heading(columns, self.view.wish.order))
        self.query_one(Headings).update(Content(headings))
        fault = self.query_one(".fault", Static)
        fault.display = self.error is not None
        if self.error is not None:
            fault.update(Content("\n".join(fault_lines(self.error))))

    def _facts(self) -> list[str]:
        view = self.view
        facts = []
        if view.wish.filter:
            facts.append(f"filter: {view.wish.filter}")
        if view.marked:
            number, size = view.marked_size()
            facts.append(f"{number:,} marked, {format_size(size)}")
        shown = len(view.arrangement.shown)
        of = f"{shown:,} of {view.total:,} shown" if shown != view.total else text.count(view.total, "entry")
        if self.reading:
            of = f"reading… {(self._coming or view).total:,}" if view.total or self._coming else "reading…"
        if not self.error:
            facts.append(of)
        return facts

    def on_resize(self, _: Any) -> None:
        self.describe()


def fault_lines(error: errors.Error) -> list[str]:
    """A fault in the words that the commands have for it."""
    lines = [printable(str(error))]
    if error.hint:
        lines.append(f"hint: {printable(error.hint)}")
    return lines

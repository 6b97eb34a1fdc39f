# SPDX-License-Identifier: Apache-2.0
"""One directory as it is looked at: what has come of it, in an order, through a filter, and what is marked.

Directories come before files, whatever the order. The filter is a part of the name, in which case counts if it has
capitals. What is shown is an `Arrangement`: of a few entries it is made at once whenever something changes, of many
(`View.stale`) a thread of its own makes it, in pieces short enough that nobody waits, and it is then taken over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from heapq import merge
from itertools import islice

from pyglobus.core.tree import Entry
from pyglobus.ffi.annotation import Any, NamedTuple

#: What can be sorted by.
COLUMNS = ("name", "size", "time", "kind")
#: The row that leads to the directory above.
UP = Entry("..", True, None, None)
#: As many entries as are arranged in no time (10 ms).
FEW = 3000

#: A value to sort by, the name without case, the entry. No two are alike, so that they are compared as they are.
Row = tuple[Any, str, Entry]


class Order(NamedTuple):
    """``column`` is one of `COLUMNS`; size and time begin with the largest and the latest, unless ``reverse``."""

    column: str = "name"
    reverse: bool = False

    def by(self, column: str) -> Order:
        """The order after somebody has asked for this column: reversed if it is the one already."""
        return Order(column, not self.reverse) if column == self.column else Order(column)

    @property
    def descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.reverse != (self.column in ("size", "time"))


class Wish(NamedTuple):
    """How a directory is to be shown; ``hidden``: with names that begin with a dot."""

    order: Order = Order()
    hidden: bool = False
    filter: str = ""


class Arrangement(NamedTuple):
    """``number`` entries as a wish wants them: all of them sorted, and those that are shown. ``at`` is the place of the
    name that was looked for among these.
    """

    wish: Wish
    number: int
    rows: list[Row]
    shown: list[Row]
    at: int | None = None


class View:
    """The entries of one directory. It belongs to one thread."""

    def __init__(self, wish: Wish = Wish(), *, up: bool = False) -> None:  # noqa: B008  a constant
        """``up``: the first row leads to the directory above."""
        #: What is wanted; `arrangement` is what there is.
        self.wish = wish
        self.arrangement = Arrangement(wish, 0, [], [])
        #: The names that are marked.
        self.marked: set[str] = set()
        self._up = [UP] if up else []
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._up) + len(self.arrangement.shown)

    def __getitem__(self, row: int) -> Entry:
        return self._up[row] if row < len(self._up) else self.arrangement.shown[row - len(self._up)][2]

    @property
    def total(self) -> int:
        """How many entries there are, shown or not."""
        return len(self._entries)

    def get(self, name: str) -> Entry | None:
        """The entry of that name."""
        return self._entries.get(name)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take in what has come; of a name that comes twice the first one counts."""
        for entry in entries:
            self._entries.setdefault(entry.name, entry)
        self._settle()

    # What is shown ---------------------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """Whether what is shown is not what is wanted, so that somebody has to `prepare` and `adopt`."""
        return self.arrangement.wish != self.wish or self.arrangement.number != len(self._entries)

    def ask(self, wish: Wish) -> None:
        """Want this; it is there at once, unless the view is `stale` then."""
        self.wish = wish
        self._settle()

    def prepare(self, name: str | None = None) -> Callable[[], Arrangement]:
        """What makes the arrangement that is wanted now, in any thread; it tells where ``name`` has come to."""
        wish, entries, known = self.wish, list(self._entries.values()), self.arrangement

        def make() -> Arrangement:
            same = known.wish.order == wish.order and known.number == len(entries)
            rows = known.rows if same else _sorted(entries, wish.order)
            shown = _shown(rows, wish)
            return Arrangement(wish, len(entries), rows, shown, _place(shown, name))

        return make

    def adopt(self, arrangement: Arrangement) -> None:
        """Show this."""
        self.arrangement = arrangement

    def row(self, name: str) -> int | None:
        """The row that shows this name."""
        if self._up and name == UP.name:
            return 0
        at = _place(self.arrangement.shown, name)
        return None if at is None else at + len(self._up)

    def _settle(self) -> None:
        if len(self._entries) <= FEW and self.stale:
            self.adopt(self.prepare()())

    # Marks -----------------------------------------------------------------------------------------------------------

    def mark(self, names: Iterable[str], *, on: bool | None = None) -> None:
        """Mark these names, or not (``on``), or the other way round (None); the way up cannot be marked."""
        for name in names:
            if name not in self._entries:
                continue
            if on or (on is None and name not in self.marked):
                self.marked.add(name)
            else:
                self.marked.discard(name)

    def mark_pattern(self, pattern: str, *, on: bool = True) -> int:
        """Mark what is shown and matches (``*.h5``); how many names that are. Case counts if it has capitals."""
        matches = re.compile(translate(pattern), re.IGNORECASE if pattern == pattern.lower() else 0).match
        found = [row[2].name for row in self.arrangement.shown if matches(row[2].name)]
        self.mark(found, on=on)
        return len(found)

    def invert(self) -> None:
        """Mark what is shown and not marked, and take the marks off the rest of what is shown."""
        self.mark([row[2].name for row in self.arrangement.shown])

    def chosen(self, at: int) -> list[Entry]:
        """What an action is for: all that is marked, in the order shown; else the entry of this row, if it is one."""
        if self.marked:
            return [row[2] for row in self.arrangement.rows if row[2].name in self.marked]
        return [self[at]] if 0 <= at < len(self) and self[at] is not UP else []

    def marked_size(self) -> tuple[int, int]:
        """How many are marked, and the bytes of the files among them, as far as known."""
        sizes = [entry.size or 0 for name in self.marked if not (entry := self._entries[name]).directory]
        return len(self.marked), sum(sizes)

    def keep_marks(self, names: Iterable[str]) -> None:
        """Mark what is still there of names that were marked before."""
        self.marked = {name for name in names if name in self._entries}


def kind(entry: Entry) -> str:
    """What sort of file it is: the ending of its name, without case."""
    stem, _, ending = entry.name.rpartition(".")
    return ending.casefold() if stem and not entry.directory else ""


def _row(entry: Entry, order: Order) -> Row:
    name = entry.name
    folded = name.casefold()
    if folded == name:
        folded = name  # and not a copy of it
    match order.column:
        case "size":
            return -1 if entry.size is None else entry.size, folded, entry
        case "time":
            return -1.0 if entry.modified is None else entry.modified, folded, entry
        case "kind":
            return kind(entry), folded, entry
    return folded, folded, entry


def _sorted(entries: list[Entry], order: Order) -> list[Row]:
    """Sorted in pieces, which are then merged: other threads cannot run during a sort."""
    rows: list[Row] = []
    for directory in (True, False):
        chosen: Iterator[Entry] = (entry for entry in entries if entry.directory is directory)
        pieces: list[list[Row]] = []
        while piece := [_row(entry, order) for entry in islice(chosen, FEW)]:
            piece.sort(reverse=order.descending)
            pieces.append(piece)
        rows += pieces[0] if len(pieces) == 1 else merge(*pieces, reverse=order.descending)
    return rows


def _shown(rows: list[Row], wish: Wish) -> list[Row]:
    text, dots = wish.filter, wish.hidden
    if not text:
        return rows if dots else [row for row in rows if row[1][:1] != "."]
    if text != text.lower():
        return [row for row in rows if text in row[2].name and (dots or row[1][:1] != ".")]
    return [row for row in rows if text in row[1] and (dots or row[1][:1] != ".")]


def _place(shown: list[Row], name: str | None) -> int | None:
    if name is None:
        return None
    return next((at for at, row in enumerate(shown) if row[2].name == name), None)

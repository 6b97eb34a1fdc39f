# SPDX-License-Identifier: Apache-2.0
"""Entries as text: columns of a fixed width, for terminals wide and narrow."""

from __future__ import annotations

import stat
import time
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from pyglobus.cli.output import printable
from pyglobus.cli.units import format_duration, format_size
from pyglobus.core.browse.view import UP, Order
from pyglobus.core.tree import Entry

# A pane at least so wide has times in full, and one that is wider the modes.
_WIDE = 52
_WIDEST = 70
_SIZE = 9
_ARROWS = {False: "↑", True: "↓"}
_TITLES = {"name": "Name", "size": "Size", "time": "Modified", "kind": "Kind"}


class Columns(NamedTuple):
    """Cells of each column in a pane of some width; 0 for one that is not shown."""

    name: int
    size: int
    time: int
    mode: int

    @classmethod
    def of(cls, width: int) -> Columns:
        """For a row of so many cells, the mark at its beginning among them."""
        time_, mode = (6, 0) if width < _WIDE else (16, 0) if width < _WIDEST else (16, 10)
        taken = 1 + _SIZE + 1 + time_ + (mode + 1 if mode else 0)
        return cls(max(width - taken - 1, 8), _SIZE, time_, mode)


def row(entry: Entry, columns: Columns, *, marked: bool, now: float) -> str:
    """The text of a row, exactly as wide as the columns are."""
    name = printable(entry.name) + ("/" if entry.directory else "@" if entry.link else "")
    cells = ["*" if marked else " ", fitting(name, columns.name), size(entry).rjust(columns.size), " "]
    cells.append(when(entry.modified, columns.time, now).rjust(columns.time))
    if columns.mode:
        cells += [" ", mode(entry).rjust(columns.mode)]
    return "".join(cells)


def heading(columns: Columns, order: Order) -> list[tuple[str, str]]:
    """The headings, in cells as wide as their columns: each with what a click on it sorts by."""
    said = {
        name: title + (_ARROWS[order.descending] if name == order.column else "") for name, title in _TITLES.items()
    }
    if order.column == "kind":
        said["name"] = f"Name by {said['kind'].lower()}"
    time_ = said["time"] if columns.time > 8 else "Time" + said["time"].removeprefix(_TITLES["time"])
    cells = [("name", (" " + said["name"]).ljust(columns.name + 1)), ("size", said["size"].rjust(columns.size))]
    cells.append(("time", " " + time_.rjust(columns.time)))
    if columns.mode:
        cells.append(("", " " + "Mode".rjust(columns.mode)))
    return cells


def fitting(text: str, width: int) -> str:
    """Text in so many cells: what is too long is cut in its middle, for names end in what they are."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    tail = text[-(width // 3) :]
    return set_cell_size(set_cell_size(text, width - cell_len(tail) - 1) + "…" + tail, width)


def size(entry: Entry) -> str:
    """How large it is, in at most nine characters."""
    if entry is UP:
        return "up"
    if entry.directory:
        return "dir"
    return "?" if entry.size is None else format_size(entry.size)


def when(modified: float | None, width: int, now: float) -> str:
    """When it was changed last: in full, or in six characters as much as matters most."""
    if modified is None:
        return ""
    try:
        local = time.localtime(modified)
    except (ValueError, OverflowError, OSError):
        return "?"
    if width >= 16:
        return time.strftime("%Y-%m-%d %H:%M", local)
    if abs(now - modified) < 12 * 3600:
        return time.strftime("%H:%M", local)
    return time.strftime("%d %b" if abs(now - modified) < 180 * 86400 else "%Y", local)


def mode(entry: Entry) -> str:
    """Permissions as ls writes them; nothing if they are not known."""
    if entry.mode is None:
        return ""
    return stat.filemode(entry.mode | (stat.S_IFDIR if entry.directory else stat.S_IFREG))


def life(seconds: float) -> str:
    """How long a credential lives."""
    return format_duration(seconds) if seconds > 0 else "has ended"


def count(number: int, what: str) -> str:
    """``3 files``, ``1 file``, ``2 directories``."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"

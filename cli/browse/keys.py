# SPDX-License-Identifier: Apache-2.0
"""What can be done in the browser, and by which keys: one table, for the bindings, the help, the manual and ``--keys``.

It needs no textual, so that the command can tell of it without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Action(NamedTuple):
    """``keys`` are its own, in textual's names, with commas between; ``short`` is for the line of keys, if it is
    there.
    """

    name: str
    keys: str
    says: str
    section: str
    short: str = ""


_MOVE, _MARK, _LOOK, _DO, _REST = "Going about", "Marking", "Looking", "Doing", "The browser"

ACTIONS: tuple[Action, ...] = (
    Action("other", "tab,shift+tab", "go to the other pane", _MOVE),
    Action("open", "enter", "open the directory, or view the file", _MOVE),
    Action("up", "backspace,alt+up", "the directory above, or a letter less of the filter", _MOVE),
    Action("address", "ctrl+l", "type an address; Tab completes", _MOVE),
    Action("places", "ctrl+b", "bookmarks and recent places", _MOVE),
    Action("back", "alt+left", "where this pane was before", _MOVE),
    Action("same", "ctrl+o", "show this place in the other pane, too", _MOVE),
    Action("swap", "ctrl+u", "exchange the two panes", _MOVE),
    Action("reload", "ctrl+r", "read the directory anew", _MOVE),
    Action("mark", "insert,space", "mark the row, and go on to the next", _MARK),
    Action("mark_all", "ctrl+a", "mark all that is shown, or nothing", _MARK),
    Action("mark_pattern", "plus", "mark by a pattern such as *.h5", _MARK),
    Action("unmark_pattern", "minus", "take marks off by a pattern", _MARK),
    Action("invert", "asterisk", "mark what is not marked", _MARK),
    Action("clear", "escape", "clear the filter or the marks, or stop reading", _MARK),
    Action("sort", "ctrl+s", "sort by the next column", _LOOK),
    Action("reverse", "ctrl+e", "reverse the order", _LOOK),
    Action("hidden", "ctrl+h,f11", "names that begin with a dot, or not", _LOOK),
    Action("view", "f3", "the beginning of the file", _LOOK, "View"),
    Action("details", "f4", "all that is known of the row", _LOOK),
    Action("size", "ctrl+w", "count what is in the directory", _LOOK),
    Action("rename", "f2", "rename the entry at the cursor", _DO, "Rename"),
    Action("copy", "f5", "copy to the other pane", _DO, "Copy"),
    Action("move", "f6", "move to the other pane", _DO, "Move"),
    Action("make", "f7", "make a directory", _DO, "Mkdir"),
    Action("delete", "f8,delete", "delete", _DO, "Delete"),
    Action("mode", "ctrl+p", "change permissions", _DO),
    Action("queue", "f9", "transfers: pause, go on, cancel, order", _DO, "Queue"),
    Action("quit", "f10,ctrl+q", "leave the browser", _REST, "Quit"),
    Action("help", "f1", "show the keys", _REST, "Keys"),
    Action("login", "ctrl+k", "make or fetch a credential", _REST),
    Action("doctor", "ctrl+d", "find out why a place cannot be reached", _REST),
    Action("theme", "ctrl+t", "change between dark and light", _REST),
)

#: What the list of rows does by itself, for the help.
FIXED = (
    ("arrows, page, home, end", "move the cursor", _MOVE),
    ("letters, digits, . _ ~", "only names with this in them", _LOOK),
    ("click", "move the cursor; the right button marks", _MOVE),
    ("double click", "open", _MOVE),
    ("click on a heading", "sort by that column", _LOOK),
)


def bound(own: Mapping[str, str]) -> list[Action]:
    """The actions with the keys that they have here: their own, unless the user has given others."""
    return [action._replace(keys=own.get(action.name, action.keys)) for action in ACTIONS]


def shown(keys: str) -> str:
    """Keys as people write them."""
    names = {"plus": "+", "minus": "-", "asterisk": "*", "escape": "Esc", "space": "Space", "enter": "Enter"}
    names |= {"tab": "Tab", "backspace": "Backspace", "insert": "Insert", "delete": "Delete"}
    words = []
    for key in keys.split(","):
        parts = [names.get(part, part.upper() if len(part) == 1 or part[1:].isdigit() else part.capitalize())
                 for part in key.split("+")]  # fmt: skip
        words.append("+".join(parts))
    return ", ".join(words)


def sections(actions: list[Action]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each section with its keys and what they do."""
    found = []
    for section in dict.fromkeys(action.section for action in actions):
        lines = [(shown(action.keys), action.says) for action in actions if action.section == section]
        lines += [(keys, says) for keys, says, where in FIXED if where == section]
        found.append((section, lines))
    return found

# SPDX-License-Identifier: Apache-2.0
"""A table of options: one section of the help, each row with its spellings, its help, and its parity with the C tool.

A row's first word holds all spellings, the C tool's and ours, and at the end the name of the parameter where the
longest spelling does not give it. ``value`` names the value in the help, and by that its type; a row with neither value
nor type is a flag. Rows follow each other in the help as they do in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyglobus.cli.option import BETTER, IMPOSSIBLE, SAME, Callback, Parity, option
from pyglobus.cli.values import COUNT, DURATION, LIFETIME, SIZE

_VALUES: dict[str, dict[str, Any]] = {
    "BYTES": {"type": SIZE},
    "H:M": {"type": LIFETIME},
    "FILE": {"completion": "file"},
    "N": {"type": COUNT},
    "SIZE": {"type": SIZE},
    "TIME": {"type": DURATION},
    "URL": {"completion": "url"},
}


class Section:
    """The options under one title of the help."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._rows: list[Callable[[Callback], Callback]] = []

    def same(self, spellings: str, help: str, **attributes: Any) -> None:
        """An option that does what it does in the C tool."""
        self._add(spellings, help, SAME, attributes)

    def better(self, spellings: str, help: str, *, remark: str, **attributes: Any) -> None:
        """An option of the C tool that does more here, or does it by itself: ``remark`` tells."""
        self._add(spellings, help, BETTER, attributes | {"remark": remark})

    def impossible(self, spellings: str, help: str, *, remark: str, **attributes: Any) -> None:
        """An option of the C tool that cannot do here what it does there: ``remark`` tells why."""
        self._add(spellings, help, IMPOSSIBLE, attributes | {"remark": remark})

    def own(self, spellings: str, help: str, **attributes: Any) -> None:
        """An option that the C tool lacks."""
        self._add(spellings, help, None, attributes)

    def __call__(self, callback: Callback) -> Callback:
        """Add the rows to a command, as a decorator."""
        for row in reversed(self._rows):
            callback = row(callback)
        return callback

    def _add(self, spellings: str, help: str, parity: Parity | None, attributes: dict[str, Any]) -> None:
        value = attributes.pop("value", None)
        kind = _VALUES.get(value, {}) if value or "type" in attributes else {"is_flag": True}
        attributes = kind | {"metavar": value, "help": help, "section": self.title, "parity": parity} | attributes
        self._rows.append(option(*spellings.split(), **attributes))

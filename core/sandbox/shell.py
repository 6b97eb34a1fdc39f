# SPDX-License-Identifier: Apache-2.0
"""An environment as text that a shell can read: the families sh, csh and fish."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple


class Shell(NamedTuple):
    """How one family of shells sets and unsets variables, and how it reads what a command prints."""

    set: Callable[[str, str], str]
    unset: Callable[[str], str]
    reads: str


def _csh_quoted(text: str) -> str:
    # In csh even single quotes leave history substitution on, and a newline must be escaped.
    return "'" + text.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: The lines for csh end in a semicolon, since its eval makes one line of all; the double quotes keep runs of blanks.
SHELLS: Mapping[str, Shell] = {
    "sh": Shell(
        lambda name, value: f"export {name}={shlex.quote(value)}",
        lambda name: f"unset {name}",
        'eval "$({command})"',
    ),
    "csh": Shell(
        lambda name, value: f"setenv {name} {_csh_quoted(value)};",
        lambda name: f"unsetenv {name};",
        'eval "`{command}`"',
    ),
    "fish": Shell(
        lambda name, value: f"set -gx {name} {_fish_quoted(value)};",
        lambda name: f"set -e {name};",
        "{command} | source",
    ),
}


def family(path: str) -> str:
    """The family of the shell at this path; sh for one that is not known."""
    name = path.rpartition("/")[2]
    return {"csh": "csh", "tcsh": "csh", "fish": "fish"}.get(name, "sh")


def script(shell: str, variables: Mapping[str, str], unset: Iterable[str]) -> str:
    """The commands that give a shell of this family the variables, and take the others from it."""
    speech = SHELLS[shell]
    return "\n".join([*map(speech.unset, unset), *(speech.set(name, value) for name, value in variables.items())])

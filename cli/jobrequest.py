# SPDX-License-Identifier: Apache-2.0
"""What pyglobusrun is to run: the description or command that was given, and what its options add to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.rsl.tree import Boolean

_MISSING = "bad-request"
_TITLE = 60


class Request(NamedTuple):
    """What options add to each request: ``attributes`` are by name, None for one that was not given."""

    environment: Mapping[str, str]
    attributes: Mapping[str, object]
    staged_in: Sequence[tuple[str, str]]
    staged_out: Sequence[tuple[str, str]]
    dry: bool

    def of_each(self, found: Boolean) -> Boolean:
        """The request, or each of several, with all of it."""
        from pyglobus.core.rsl.tree import Boolean

        if not found.multiple:
            return self._of(found)
        parts = (self._of(each) if isinstance(each, Boolean) else each for each in found.operands)
        return Boolean(found.operator, tuple(parts))

    @property
    def read_here(self) -> tuple[str, ...]:
        """The files of ours that the job reads."""
        return tuple(source for source, _ in self.staged_in if "://" not in source)

    @property
    def written_here(self) -> tuple[str, ...]:
        """The files of ours that the job writes."""
        return tuple(destination for _, destination in self.staged_out if "://" not in destination)

    def _of(self, request: Boolean) -> Boolean:
        from pyglobus.core.gram import description

        request = description.with_attributes(request, self.environment, **self.attributes)
        directory = self.attributes["directory"]
        base = directory if isinstance(directory, str) else None
        request = description.with_stages(request, "file_stage_in", self.staged_in, base)
        request = description.with_stages(request, "file_stage_out", self.staged_out, base)
        return description.with_dryrun(request) if self.dry else request


def read(words: Sequence[str], is_command: bool, file: str | None) -> Boolean:
    """The request in these words, or in a file."""
    from pyglobus.core import rsl
    from pyglobus.core.gram import description

    if words and file is not None:
        raise errors.UsageError("a description and a file with one are given", fault=_MISSING)
    if is_command and words:
        return description.of_command(words)
    if not words and file is None:
        hint = "give an RSL, -f FILE or -- COMMAND"
        raise errors.UsageError("missing what is to be run", hint=hint, fault=_MISSING)
    found = rsl.parse(words[0] if file is None else _content(file))
    if not isinstance(found, rsl.Boolean):
        from pyglobus.core.gram.errors import CODES, of_code

        raise of_code(CODES["BAD_RSL"], "a request begins with & or |", what="not a request", where=str(found))
    return found


def title(words: Sequence[str], is_command: bool, request: Boolean) -> str:
    """A short name for the list of jobs."""
    if is_command:
        import shlex

        text = shlex.join(words)
    else:
        values = [value for name in ("executable", "arguments") for each in request.relations(name)
                  for value in each.values]  # fmt: skip
        text = " ".join(getattr(value, "text", str(value)) for value in values) or str(request)
    return text if len(text) <= _TITLE else text[: _TITLE - 3] + "..."


def pairs(words: Sequence[str], what: str, form: str) -> dict[str, str]:
    """Words of the form NAME=VALUE."""
    made = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise errors.UsageError(f"not {what}", where=word, why=f"{form} is one")
        made[name] = value
    return made


def sources(words: Sequence[str]) -> list[tuple[str, str]]:
    """SRC=DST of what is staged in: the last = counts, for a URL may have others. A path of ours is made absolute."""
    return [(_absolute(source), _named(destination, word)) for source, destination, word in _parted(words, last=True)]


def destinations(words: Sequence[str]) -> list[tuple[str, str]]:
    """SRC=DST of what is staged out: the first = counts. A path of ours is made absolute."""
    return [(_named(source, word), _absolute(destination)) for source, destination, word in _parted(words, last=False)]


def _parted(words: Sequence[str], *, last: bool) -> list[tuple[str, str, str]]:
    made = []
    for word in words:
        source, equals, destination = word.rpartition("=") if last else word.partition("=")
        if not source or not equals or not destination:
            raise errors.UsageError("not a file to stage", where=word, why="SRC=DST is one")
        made.append((source, destination, word))
    return made


def _absolute(name: str) -> str:
    return name if "://" in name else os.path.abspath(name)


def _named(name: str, word: str) -> str:
    if "://" in name:
        raise errors.UsageError("not a file to stage", where=word, why="on the job's side it must be a path")
    return name


def _content(path: str) -> str:
    from pathlib import Path

    try:
        return Path(path).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise errors.UsageError("cannot read the description", where=path, why=error.strerror) from error

# SPDX-License-Identifier: Apache-2.0
"""What is to be copied or moved from one place to another, as it waits in a queue and is written to a file.

An errand names entries of a directory and the directory they go to. No password is written: who logs in with one is
asked for it again after a restart, by the server's refusal.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyglobus.core import errors
from pyglobus.core.plan import Pair
from pyglobus.core.sync import CHECKSUM, MISSING, TIME, Sync
from pyglobus.core.url import Url, parse
from pyglobus.core.urllist import full


class Rule(enum.StrEnum):
    """What becomes of files that are at the destination already: all are replaced, or those that are older or of
    another size, or those whose size or checksum differs, or none.
    """

    REPLACE = "replace"
    NEWER = "newer"
    DIFFERENT = "different"
    SKIP = "skip"

    @property
    def sync(self) -> Sync | None:
        """The comparison that a job makes."""
        level = {Rule.NEWER: TIME, Rule.DIFFERENT: CHECKSUM, Rule.SKIP: MISSING}.get(self)
        return None if level is None else Sync(level)


class State(enum.StrEnum):
    """How it stands with an errand."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it by itself or by going on."""
        return self in (State.DONE, State.CANCELLED)


@dataclass
class Errand:
    """``names`` are entries of ``source``, each with whether it is a directory. With ``only``, these pairs of URLs are
    copied instead. ``checked``: checksums are compared. What follows ``state`` is how far it is.
    """

    source: Url
    destination: Url
    names: list[tuple[str, bool]]
    move: bool = False
    rule: Rule = Rule.REPLACE
    checked: bool = False
    only: list[tuple[str, str]] | None = None
    key: str = field(default_factory=lambda: os.urandom(8).hex())
    state: State = State.WAITING
    files: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0
    total: int | None = None
    planned: bool = False
    seconds: float = 0.0
    #: The names of files under way.
    moving: tuple[str, ...] = ()
    error: errors.Error | None = None
    #: Sources and destinations that were under way when it ended, with something of them at the destination.
    begun: set[tuple[str, str]] = field(default_factory=set)

    def pairs(self) -> list[Pair]:
        """What a job copies."""
        if self.only is not None:
            return [Pair(parse(source), parse(destination)) for source, destination in self.only]
        return [self.pair(name, directory) for name, directory in self.names]

    def pair(self, name: str, directory: bool) -> Pair:
        """What is copied of one entry."""
        ending = f"{name}/" if directory else name
        return Pair(self.source.join(ending), self.destination.join(ending))

    @property
    def fraction(self) -> float | None:
        """How much of it is done; None if nobody can know."""
        if self.state is State.DONE:
            return 1.0
        if self.total:
            return min(self.bytes / self.total, 1.0)
        return (self.done + self.skipped) / self.files if self.files and self.planned else None

    def record(self) -> dict[str, Any]:
        """For a file."""
        told = None
        if self.error is not None:
            told = {"message": str(self.error), "hint": self.error.hint, "fault": self.error.fault}
        return {
            "key": self.key, "source": full(self.source), "destination": full(self.destination),
            "names": self.names, "move": self.move, "rule": self.rule, "checked": self.checked, "only": self.only,
            "state": self.state, "files": self.files, "done": self.done, "bytes": self.bytes, "total": self.total,
            "error": told, "begun": sorted(self.begun),
        }  # fmt: skip

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Errand:
        """From a file; what was under way there is paused. Raises ValueError, KeyError or TypeError for nonsense."""
        state = State(record["state"])
        error = record["error"]
        only = record["only"]
        names = [(str(name), bool(directory)) for name, directory in record["names"]]
        made = cls(
            parse(record["source"]), parse(record["destination"]), names,
            bool(record["move"]), Rule(record["rule"]), bool(record["checked"]),
            None if only is None else [(str(source), str(destination)) for source, destination in only],
            f"{int(record['key'], 16):016x}",
            state if state.is_over or state is State.FAILED else State.PAUSED,
            int(record["files"]), int(record["done"]), bytes=int(record["bytes"]),
        )  # fmt: skip
        made.total = None if record["total"] is None else int(record["total"])
        if error is not None:
            made.error = errors.Error(str(error["message"]), hint=error["hint"], fault=error["fault"])
        made.begun = {(str(source), str(destination)) for source, destination in record["begun"]}
        for name, _ in names:
            made.source.join(name)
        return made

# SPDX-License-Identifier: Apache-2.0
"""The indexes that a catalogue sends its names to, each with the patterns of names that it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.rls.address import Address
from pyglobus.core.rls.catalogue import Row
from pyglobus.core.rls.database import Database
from pyglobus.core.rls.results import Refusal, Result

#: The wire's flag of an index that gets Bloom filters.
BLOOM = 0x1


class Target(NamedTuple):
    """An index that is informed: with Bloom filters, or with the names that ``patterns`` fit, all if there are none;
    ``last`` is when it has got all of them.
    """

    url: str
    bloom: bool
    last: int
    patterns: tuple[str, ...]


class Targets:
    """The list in a catalogue's database."""

    def __init__(self, database: Database, interval: Callable[[int], int]) -> None:
        """``interval``: seconds between updates of indexes with these flags."""
        self._database = database
        self._interval = interval
        #: Whether the list has changed since somebody looked; it may be said too often.
        self.changed = False

    def add(self, url: str, flags: int, pattern: str) -> None:
        """Send an index all names, or those that a pattern of the shell fits, or with flag `BLOOM` a filter of all."""
        try:
            Address.parse(url)
        except errors.UsageError as error:
            raise Refusal(Result.BADURL, f"{url}: {error.why or error.what}") from None
        if flags not in (0, BLOOM):
            raise Refusal(Result.BADARG, f"there is no flag {flags}")
        if flags and pattern:
            raise Refusal(Result.BADARG, "a Bloom filter is of all names")
        if len(pattern) > 250:
            raise Refusal(Result.BADARG, "the pattern is longer than 250 characters")
        identity, there = self._id(url)
        if identity is not None:
            if there and pattern:
                raise Refusal(Result.BADARG, "it gets a Bloom filter of all names")
            query = "SELECT 1 FROM t_rlipartition WHERE rli_id = ? AND pattern = ?"
            if not pattern or self._database.execute(query, (identity, pattern)).fetchone():
                raise Refusal(Result.RLI_EXIST, url)
        else:
            statement = "INSERT INTO t_rli (flags, name) VALUES (?, ?) RETURNING id"
            identity = int(self._database.execute(statement, (flags, url)).fetchone()[0])
        self.changed = True
        if pattern:
            self._database.execute("INSERT INTO t_rlipartition VALUES (?, ?)", (identity, pattern))

    def delete(self, url: str, pattern: str) -> None:
        """Send it no more, or no more what this pattern fits. Without its last pattern an index gets all names."""
        identity = self._require(url)
        self.changed = True
        if not pattern:
            self._database.execute("DELETE FROM t_rlipartition WHERE rli_id = ?", (identity,))
            self._database.execute("DELETE FROM t_rli WHERE id = ?", (identity,))
            return
        query = "DELETE FROM t_rlipartition WHERE rli_id = ? AND pattern = ?"
        if not self._database.execute(query, (identity, pattern)).rowcount:
            raise Refusal(Result.RLI_NEXIST, f"{url}: {pattern}")

    def parts(self, url: str, pattern: str) -> list[Row]:
        """URL and pattern, for one or all of each (empty). An index without a pattern has one empty one."""
        rows = self._database.execute(
            "SELECT r.name, coalesce(p.pattern, '') FROM t_rli r LEFT JOIN t_rlipartition p ON p.rli_id = r.id"
            " WHERE (? = '' OR r.name = ?) AND (? = '' OR p.pattern = ?) ORDER BY r.id, p.pattern",
            (url, url, pattern, pattern),
        ).fetchall()
        if not rows and url:
            raise Refusal(Result.RLI_NEXIST, f"{url}: {pattern}" if pattern else url)
        return rows

    def info(self, url: str = "") -> list[Row]:
        """URL, interval of updates in seconds, flags and time of the last update, of one or of all."""
        rows = self._database.execute(
            "SELECT name, flags, lastupdate FROM t_rli WHERE ? = '' OR name = ? ORDER BY id", (url, url)
        ).fetchall()
        if not rows and url:
            raise Refusal(Result.RLI_NEXIST, url)
        return [(name, str(self._interval(flags)), str(flags), str(last)) for name, flags, last in rows]

    def all(self) -> list[Target]:
        """All of them."""
        patterns: dict[str, tuple[str, ...]] = {}
        for url, pattern in self.parts("", ""):
            patterns[url] = (*patterns.get(url, ()), *([pattern] if pattern else []))
        return [
            Target(url, bool(int(flags) & BLOOM), int(last), patterns.get(url, ()))
            for url, _, flags, last in self.info()
        ]

    def updated(self, url: str, when: int) -> None:
        """Note that it has got all names."""
        self._database.execute("UPDATE t_rli SET lastupdate = ? WHERE name = ?", (when, url))

    def _id(self, url: str) -> tuple[int | None, int]:
        """Its number, if there is one, and its flags."""
        row = self._database.execute("SELECT id, flags FROM t_rli WHERE name = ?", (url,)).fetchone()
        return (None, 0) if row is None else (int(row[0]), int(row[1]))

    def _require(self, url: str) -> int:
        identity, _ = self._id(url)
        if identity is None:
            raise Refusal(Result.RLI_NEXIST, url)
        return identity

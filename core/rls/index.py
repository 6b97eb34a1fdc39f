# SPDX-License-Identifier: Apache-2.0
"""A replica location index in its database: which catalogues know a logical name.

It is soft state. A catalogue sends all its names from time to time; those that were not among them are forgotten when
it has finished, and all of them when it has been silent for longer than it said it would be. Each such update has a
number, its generation, so that no clock decides what is old; only the time of the last update is a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyglobus.core.rls import patterns
from pyglobus.core.rls.catalogue import Row, check_name
from pyglobus.core.rls.database import ALL_ROWS, Database
from pyglobus.core.rls.results import Refusal, Result

#: A catalogue may be so much later than it said.
LATE = 1.2

_JOIN = "FROM t_lfn l JOIN t_map m ON m.lfn_id = l.id JOIN t_lrc c ON c.id = m.lrc_id"


class Index:
    """Who knows what, on one connection."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # Queries ---------------------------------------------------------------------------------------------------------

    def lookup(self, lfn: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """The name with each catalogue that knows it, in the order in which these have come."""
        query = f"SELECT l.name, c.name {_JOIN} WHERE l.name = ? ORDER BY m.lrc_id LIMIT ? OFFSET ?"
        return self.database.execute(query, (lfn, limit, offset)).fetchall()

    def match(self, pattern: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """`lookup` for all names that a pattern fits, by name."""
        like, first, last = patterns.read(pattern)
        query = (
            f"SELECT l.name, c.name {_JOIN} WHERE l.name >= ? AND l.name < ? AND l.name LIKE ? ESCAPE '\\'"
            " ORDER BY l.name, m.lrc_id LIMIT ? OFFSET ?"
        )
        return self.database.execute(query, (first, last, like, limit, offset)).fetchall()

    def knows(self, kind: str, name: str) -> bool:
        """Whether there is such an ``lfn``, or ``lrc``."""
        return self.database.execute(f"SELECT 1 FROM t_{kind} WHERE name = ?", (name,)).fetchone() is not None

    def mapping_exists(self, lfn: str, lrc: str) -> bool:
        """Whether this catalogue knows this name."""
        query = f"SELECT 1 {_JOIN} WHERE l.name = ? AND c.name = ?"
        return self.database.execute(query, (lfn, lrc)).fetchone() is not None

    def senders(self) -> list[Row]:
        """The catalogues, and when each has updated last (seconds since the epoch)."""
        return self.database.execute("SELECT name, CAST(lastupdate AS TEXT) FROM t_lrc ORDER BY id").fetchall()

    def counts(self) -> tuple[int, int, int]:
        """How many names, catalogues and mappings there are."""
        lfns, lrcs, maps = (
            int(self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("t_lfn", "t_lrc", "t_map")
        )
        return lfns, lrcs, maps

    # Updates ---------------------------------------------------------------------------------------------------------

    def begin(self, lrc: str, interval: int, now: int) -> None:
        """A catalogue is going to send all its names, and will again within ``interval`` seconds."""
        check_name(lrc)
        self.database.execute(
            "INSERT INTO t_lrc (name, lastupdate, updateinterval, generation) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (name) DO UPDATE SET updateinterval = excluded.updateinterval,"
            " generation = t_lrc.generation + 1, lastupdate = excluded.lastupdate",
            (lrc, now, interval),
        )

    def put(self, lrc: str, names: Sequence[str], now: int) -> None:
        """Names that it knows."""
        for name in names:
            check_name(name)
        identity, generation = self._require(lrc)
        self.database.execute("UPDATE t_lrc SET lastupdate = ? WHERE id = ?", (now, identity))
        self.database.executemany(
            "INSERT INTO t_lfn (name) VALUES (?) ON CONFLICT DO NOTHING", ((name,) for name in names)
        )
        self.database.executemany(
            "INSERT INTO t_map (lfn_id, lrc_id, generation) SELECT id, ?, ? FROM t_lfn WHERE name = ?"
            " ON CONFLICT (lfn_id, lrc_id) DO UPDATE SET generation = excluded.generation",
            ((identity, generation, name) for name in names),
        )

    def end(self, lrc: str, now: int) -> None:
        """It has sent all: forget what it has not sent again."""
        identity, generation = self._require(lrc)
        self._forget("lrc_id = ? AND generation < ?", (identity, generation))
        self.database.execute("UPDATE t_lrc SET lastupdate = ? WHERE id = ?", (now, identity))

    def change(self, lrc: str, changes: Iterable[tuple[bool, str]], now: int) -> None:
        """Names that have come (True) or gone since."""
        identity, _ = self._require(lrc)
        for there, name in changes:
            if there:
                self.put(lrc, [name], now)
            else:
                self._forget("lrc_id = ? AND lfn_id = (SELECT id FROM t_lfn WHERE name = ?)", (identity, name))
        self.database.execute("UPDATE t_lrc SET lastupdate = ? WHERE id = ?", (now, identity))

    def expire(self, now: int, stale: int) -> list[str]:
        """Forget the catalogues that have been silent for longer than they said and, where they said nothing, than
        ``stale`` seconds: their names are returned.
        """
        late = self.database.execute(
            "SELECT id, name FROM t_lrc WHERE lastupdate"
            " + CASE WHEN updateinterval > 0 THEN updateinterval * CAST(? AS DOUBLE PRECISION) ELSE ? END < ?",
            (LATE, stale, now),
        ).fetchall()
        for identity, _ in late:
            self._forget("lrc_id = ?", (identity,))
            self.database.execute("DELETE FROM t_lrc WHERE id = ?", (identity,))
        return [name for _, name in late]

    def _forget(self, which: str, parameters: Sequence[object]) -> None:
        gone = self.database.execute(f"DELETE FROM t_map WHERE {which} RETURNING lfn_id", parameters).fetchall()
        self.database.executemany(
            "DELETE FROM t_lfn WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM t_map WHERE lfn_id = ?1)", gone
        )

    def _require(self, lrc: str) -> tuple[int, int]:
        row = self.database.execute("SELECT id, generation FROM t_lrc WHERE name = ?", (lrc,)).fetchone()
        if row is None:
            raise Refusal(Result.LRC_NEXIST, lrc)
        return int(row[0]), int(row[1])

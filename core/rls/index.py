# SPDX-License-Identifier: Apache-2.0
"""A replica location index in its database: which catalogues know a logical name.

It is soft state. A catalogue sends all its names from time to time; those that were not among them are forgotten when
it has finished, and all of them when it has been silent for longer than it said it would be. Each such update has a
number, its generation, so that no clock decides what is old, and `silence` tells how long a catalogue has been silent;
the time of the last update is for people alone. In place of names a catalogue may send a Bloom filter (`filters`). All
names of a request go to the database at once, in one statement for each table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from pyglobus.core.rls import patterns
from pyglobus.core.rls.bloom import Shape
from pyglobus.core.rls.catalogue import Row, check_name
from pyglobus.core.rls.database import ALL_ROWS, Database
from pyglobus.core.rls.filters import Filters, Known
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.silence import Silence

#: A catalogue may be so much later than it said.
LATE = 1.2
#: Indexes that may pass on what is known of a catalogue, one to the next.
MOST_HOPS = 8

#: What has become of a catalogue: a name has come (True) or gone, or all that was known has been replaced (None).
Event = tuple[str, bool | None, str]

_JOIN = "FROM t_lfn l JOIN t_map m ON m.lfn_id = l.id JOIN t_lrc c ON c.id = m.lrc_id"


class Index:
    """Who knows what, on one connection."""

    def __init__(
        self, database: Database, known: Known | None = None, *, lists: Callable[[], bool] = lambda: True, own: str = ""
    ) -> None:
        """``known``: the filters that are in memory. ``lists``: whether a catalogue may send its names, and not only a
        filter. ``own``: the URL of this index.
        """
        self.database = database
        self.filters = Filters(database, known or Known())
        #: What has come and is to be passed on, in order.
        self.changes: list[Event] = []
        self._lists = lists
        self._own = own
        self._silence = Silence()

    # Queries ---------------------------------------------------------------------------------------------------------

    def lookup(self, lfn: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """The name with each catalogue that knows it, in the order in which these have come, and then with those that
        may, by their filters.
        """
        query = f"SELECT l.name, c.name {_JOIN} WHERE l.name = ? ORDER BY m.lrc_id LIMIT ? OFFSET ?"
        found: list[Row] = self.database.execute(query, (lfn, limit, offset)).fetchall()
        if len(found) < limit and (holding := self.filters.holding(lfn)):
            start = 0
            if offset and not found:
                count = f"SELECT count(*) {_JOIN} WHERE l.name = ?"
                start = offset - int(self.database.execute(count, (lfn,)).fetchone()[0])
            found += [(lfn, lrc) for lrc in holding[start : start + limit - len(found)]]
        return found

    def match(self, pattern: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """`lookup` for all names that a pattern fits, by name; filters say nothing of patterns."""
        like, first, last = patterns.read(pattern)
        query = (
            f"SELECT l.name, c.name {_JOIN} WHERE l.name >= ? AND l.name < ? AND l.name LIKE ? ESCAPE '\\'"
            " ORDER BY l.name, m.lrc_id LIMIT ? OFFSET ?"
        )
        return self.database.execute(query, (first, last, like, limit, offset)).fetchall()

    def knows(self, kind: str, name: str) -> bool:
        """Whether there is such an ``lfn``, or ``lrc``."""
        found = self.database.execute(f"SELECT 1 FROM t_{kind} WHERE name = ?", (name,)).fetchone()
        return found is not None or (kind == "lfn" and bool(self.filters.holding(name)))

    def mapping_exists(self, lfn: str, lrc: str) -> bool:
        """Whether this catalogue knows this name."""
        query = f"SELECT 1 {_JOIN} WHERE l.name = ? AND c.name = ?"
        return self.database.execute(query, (lfn, lrc)).fetchone() is not None or lrc in self.filters.holding(lfn)

    def catalogues(self) -> list[Row]:
        """The catalogues, and when of each an update has come last (seconds since the epoch)."""
        return self.database.execute("SELECT name, CAST(lastupdate AS TEXT) FROM t_lrc ORDER BY id").fetchall()

    def senders(self) -> list[Row]:
        """The servers, catalogues and indexes, from which updates come, and when one has come last."""
        last: dict[str, int] = {}
        for name, path, when in self.database.execute("SELECT name, path, lastupdate FROM t_lrc ORDER BY id"):
            sender = path.rpartition(" ")[2] or name
            last[sender] = max(int(when), last.get(sender, 0))
        return [(sender, str(when)) for sender, when in last.items()]

    def routes(self) -> list[tuple[str, int, tuple[str, ...], bool]]:
        """Of each catalogue: how often it is heard, through which indexes, and whether it has sent a filter."""
        rows = self.database.execute(
            "SELECT c.name, c.updateinterval, c.path, f.epoch FROM t_lrc c"
            " LEFT JOIN t_filter f ON f.lrc_id = c.id AND f.epoch > 0 ORDER BY c.id"
        )
        return [(lrc, int(interval), tuple(path.split()), epoch is not None) for lrc, interval, path, epoch in rows]

    def count(self, lrc: str) -> int:
        """How many names a catalogue has sent."""
        query = "SELECT count(*) FROM t_map WHERE lrc_id = (SELECT id FROM t_lrc WHERE name = ?)"
        return int(self.database.execute(query, (lrc,)).fetchone()[0])

    def blocks(self, lrc: str, most: int) -> Iterator[bytes]:
        """The names that a catalogue has sent, so many at a time, each followed by NUL."""
        row = self.database.execute("SELECT id FROM t_lrc WHERE name = ?", (lrc,)).fetchone()
        if row is None:
            return
        some = "SELECT lfn_id FROM t_map WHERE lrc_id = ? AND lfn_id > ? ORDER BY lfn_id LIMIT ?"
        names = (
            "SELECT l.name FROM t_map m CROSS JOIN t_lfn l"
            " WHERE m.lrc_id = ? AND m.lfn_id > ? AND m.lfn_id <= ? AND l.id = m.lfn_id"
        )
        after = -1
        while True:
            last = self.database.execute(f"SELECT max(s.lfn_id) FROM ({some}) s", (row[0], after, most)).fetchone()[0]
            if last is None:
                return
            yield self.database.joined(names, (row[0], after, last))
            after = last

    def counts(self) -> tuple[int, int, int]:
        """How many names, catalogues and mappings there are; among the last are the names of filters."""
        lfns, lrcs, maps = (
            int(self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            for table in ("t_lfn", "t_lrc", "t_map")
        )
        return lfns, lrcs, maps + self.filters.count()

    # Updates ---------------------------------------------------------------------------------------------------------

    def begin(self, lrc: str, interval: int, now: int, path: str = "") -> int:
        """A catalogue is going to send all its names, and will again within ``interval`` seconds; ``path`` are the
        indexes that pass them on. The number of this update: what comes with another is refused.
        """
        if not self._lists():
            raise Refusal(Result.UNSUPPORTED, "this index takes Bloom filters, not lists of names")
        return self._begin(lrc, interval, now, path)[1]

    def begin_filter(self, lrc: str, interval: int, shape: Shape, now: int, path: str = "") -> int:
        """A catalogue is going to send a filter in place of its names."""
        identity, generation = self._begin(lrc, interval, now, path)
        self.filters.begin(identity, generation, shape)
        return generation

    def put(self, lrc: str, generation: int, names: Sequence[str], now: int) -> None:
        """Names that it knows."""
        for name in names:
            check_name(name)
        identity = self._require(lrc, generation)
        self._heard(identity, now)
        self._put(identity, generation, names)

    def put_pieces(self, lrc: str, generation: int, first: int, pieces: Sequence[str], now: int) -> None:
        """Pieces of its filter, from number ``first`` on."""
        identity = self._require(lrc, generation)
        self._heard(identity, now)
        self.filters.put(identity, generation, first, pieces)

    def end(self, lrc: str, generation: int, now: int) -> None:
        """It has sent all: forget what it has not sent again."""
        identity = self._require(lrc, generation)
        self._heard(identity, now)
        self._forget(identity, generation)
        self.filters.drop(identity)
        self.changes.append((lrc, None, ""))

    def end_filter(self, lrc: str, generation: int, now: int) -> None:
        """It has sent all of its filter, which now takes the place of what was known of it."""
        identity = self._require(lrc, generation)
        self._heard(identity, now)
        self.filters.end(identity, generation)
        self._forget(identity)
        self.changes.append((lrc, None, ""))

    def change(self, lrc: str, changes: Iterable[tuple[bool, str]], now: int, path: str = "") -> None:
        """Names that have come (True) or gone since."""
        last = {name: there for there, name in changes}
        come = [name for name, there in last.items() if there]
        for name in come:
            check_name(name)
        identity, generation, by = self._known(lrc)
        if by != path:
            raise Refusal(Result.LRC_NEXIST, f"{lrc}: all of it must come this way first")
        if self.filters.there(identity):
            raise Refusal(Result.LRC_NEXIST, f"{lrc}: it has sent a filter")
        self._heard(identity, now)
        self._put(identity, generation, come)
        if gone := self.database.packed([name for name, there in last.items() if not there]):
            known = self.database.within.format(f"SELECT id FROM t_lfn WHERE name {self.database.among}")
            self.database.execute(f"DELETE FROM t_map WHERE lrc_id = ? AND lfn_id {known}", (identity, gone))
            self.database.execute(
                f"DELETE FROM t_lfn WHERE name {self.database.among}"
                " AND NOT EXISTS (SELECT 1 FROM t_map WHERE lfn_id = t_lfn.id)",
                (gone,),
            )
        self.changes += [(lrc, there, name) for name, there in last.items()]

    def expire(self, stale: int, now: float) -> list[str]:
        """Forget the catalogues that have been silent for longer than they said and, where they said nothing, than
        ``stale`` seconds: their names are returned. ``now`` is of `time.monotonic`.
        """
        rows = self.database.execute("SELECT id, name, updateinterval, heard, silent FROM t_lrc").fetchall()
        late = []
        for identity, name, interval, count, kept in rows:
            silent = self._silence.length(identity, count, kept, now)
            if silent > (interval * LATE if interval else stale):
                self._forget(identity)
                self.filters.drop(identity)
                self.database.execute("DELETE FROM t_lrc WHERE id = ?", (identity,))
                late.append(name)
            elif silent > kept:
                statement = "UPDATE t_lrc SET silent = ? WHERE id = ? AND heard = ?"
                self.database.execute(statement, (silent, identity, count))
        self._silence.keep({identity for identity, *_ in rows})
        return late

    # Rows ------------------------------------------------------------------------------------------------------------

    def _begin(self, lrc: str, interval: int, now: int, path: str) -> tuple[int, int]:
        check_name(lrc)
        self._check_path(lrc, path)
        row = self.database.execute(
            "INSERT INTO t_lrc (name, lastupdate, updateinterval, generation, heard, path) VALUES (?, ?, ?, 1, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET updateinterval = excluded.updateinterval, path = excluded.path,"
            " generation = t_lrc.generation + 1 RETURNING id, generation",
            (lrc, now, interval, now, path),  # a number that no catalogue has had which had this row before
        ).fetchone()
        self._heard(int(row[0]), now)
        return int(row[0]), int(row[1])

    def _check_path(self, lrc: str, path: str) -> None:
        """Refuse what has gone in a circle, and what is heard by a way that is not longer."""
        hops = path.split(" ") if path else []
        for url in hops:
            check_name(url)
        if len(hops) > MOST_HOPS:
            raise Refusal(Result.LRC_EXIST, f"{lrc}: it has come through more than {MOST_HOPS} indexes")
        if hops and self._own in (lrc, *hops):
            raise Refusal(Result.LRC_EXIST, f"{lrc}: it has come from here")
        row = self.database.execute("SELECT path FROM t_lrc WHERE name = ?", (lrc,)).fetchone()
        if row is not None and row[0] != path and len(row[0].split()) <= len(hops):
            raise Refusal(Result.LRC_EXIST, f"{lrc}: it is heard by another way")

    def _put(self, identity: int, generation: int, names: Iterable[str]) -> None:
        packed = self.database.packed(list(dict.fromkeys(names)))
        if not packed:
            return
        table = self.database.names
        self.database.execute(
            f"INSERT INTO t_lfn (name) SELECT n.name FROM {table} WHERE true ON CONFLICT DO NOTHING", (packed,)
        )
        self.database.execute(
            f"INSERT INTO t_map (lfn_id, lrc_id, generation) SELECT l.id, ?, ? FROM {table} CROSS JOIN t_lfn l"
            " WHERE l.name = n.name ON CONFLICT (lfn_id, lrc_id) DO UPDATE SET generation = excluded.generation",
            (identity, generation, packed),
        )

    def _forget(self, identity: int, before: int = ALL_ROWS) -> None:
        """A catalogue's names from the updates before one."""
        alone = self.database.within.format(
            "SELECT m.lfn_id FROM t_map m WHERE m.lrc_id = ? AND m.generation < ?"
            " AND NOT EXISTS (SELECT 1 FROM t_map o WHERE o.lfn_id = m.lfn_id AND o.lrc_id <> m.lrc_id)"
        )
        self.database.execute(f"DELETE FROM t_lfn WHERE id {alone}", (identity, before))
        self.database.execute("DELETE FROM t_map WHERE lrc_id = ? AND generation < ?", (identity, before))

    def _heard(self, identity: int, now: int) -> None:
        row = self.database.execute(
            "UPDATE t_lrc SET lastupdate = ?, heard = heard + 1, silent = 0 WHERE id = ? RETURNING heard",
            (now, identity),
        ).fetchone()
        self._silence.heard(identity, int(row[0]), time.monotonic())

    def _known(self, lrc: str) -> tuple[int, int, str]:
        row = self.database.execute("SELECT id, generation, path FROM t_lrc WHERE name = ?", (lrc,)).fetchone()
        if row is None:
            raise Refusal(Result.LRC_NEXIST, lrc)
        return int(row[0]), int(row[1]), str(row[2])

    def _require(self, lrc: str, generation: int) -> int:
        identity, found, _ = self._known(lrc)
        if found != generation:
            raise Refusal(Result.LRC_NEXIST, f"{lrc}: another update has begun")
        return identity

# SPDX-License-Identifier: Apache-2.0
"""The Bloom filters of an index: of each catalogue that sends one, in place of its names.

They are in the database in the pieces in which they come; one counts when all of it is there and has been looked at. To
be asked they are in memory, once for all connections of a server to the database. A number in the database, the epoch,
becomes another whenever a filter has come or gone: so each server notices what has been sent to others.
"""

from __future__ import annotations

import binascii
import threading
from collections.abc import Sequence

from pyglobus.core.rls.bloom import PIECE, Filter, Shape, key
from pyglobus.core.rls.database import Database
from pyglobus.core.rls.results import Refusal, Result

#: Bits of all filters of an index: 1 GiB of memory.
MOST_BITS = 1 << 33
#: How often filters are read that others replace meanwhile.
_TRIES = 3


class Known:
    """The filters in memory, by catalogue; what is here is replaced as a whole."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.epoch = -1
        self.filters: dict[str, tuple[int, Filter]] = {}  # by URL: the epoch in which it came, and the filter


class Filters:
    """The filters, on one connection. Catalogues are known by their number in the database."""

    def __init__(self, database: Database, known: Known) -> None:
        self._database = database
        self._known = known

    # Queries ---------------------------------------------------------------------------------------------------------

    def holding(self, name: str) -> list[str]:
        """The catalogues that may know a name, in the order in which they have come."""
        self.refresh()
        return self.asked(name)

    def asked(self, name: str) -> list[str]:
        """`holding`, of what is in memory now: for many names behind one `refresh`."""
        if not self._known.filters:
            return []
        sought = key(name)
        return [lrc for lrc, (_, each) in self._known.filters.items() if each.holds(sought)]

    def of(self, lrc: str) -> Filter | None:
        """The filter of a catalogue, if it has sent one."""
        self.refresh()
        _, found = self._known.filters.get(lrc, (0, None))
        return found

    def count(self) -> int:
        """The names of all filters."""
        self.refresh()
        return sum(each.shape.names for _, each in self._known.filters.values())

    def refresh(self) -> None:
        """Have in memory what is in the database."""
        known = self._known
        if self._epoch() == known.epoch:
            return
        with known.lock:
            for _ in range(_TRIES):
                epoch = self._epoch()
                if epoch == known.epoch:
                    return
                known.filters, whole = self._read(known.filters)
                if whole:
                    known.epoch = epoch
                    return

    def _epoch(self) -> int:
        return int(self._database.execute("SELECT filters FROM t_epoch").fetchone()[0])

    def _read(self, there: dict[str, tuple[int, Filter]]) -> tuple[dict[str, tuple[int, Filter]], bool]:
        """All filters, and whether none of them went away meanwhile."""
        found, whole = {}, True
        rows = self._database.execute(
            "SELECT c.name, f.lrc_id, f.generation, f.hashes, f.size, f.count, f.epoch FROM t_filter f"
            " JOIN t_lrc c ON c.id = f.lrc_id WHERE f.epoch > 0 ORDER BY f.lrc_id"
        ).fetchall()
        for lrc, identity, generation, hashes, size, count, epoch in rows:
            since, made = there.get(lrc, (0, None))
            if made is None or since != epoch:
                made = Filter(Shape(hashes, size, count), self._bits(identity, generation))
            if len(made.bits) * 8 == size:
                found[lrc] = epoch, made
            else:
                whole = False
        return found, whole

    def _bits(self, identity: int, generation: int) -> bytes:
        query = "SELECT data FROM t_piece WHERE lrc_id = ? AND generation = ? ORDER BY number"
        return b"".join([data for (data,) in self._database.execute(query, (identity, generation))])

    # Changes ---------------------------------------------------------------------------------------------------------

    def begin(self, identity: int, generation: int, shape: Shape) -> None:
        """A catalogue is going to send a filter. Raises `Refusal`."""
        if why := shape.unfit():
            raise Refusal(Result.BADARG, why)
        others = self._database.execute("SELECT size FROM t_filter WHERE lrc_id <> ?", (identity,)).fetchall()
        if sum(int(size) for (size,) in others) + shape.size > MOST_BITS:
            raise Refusal(Result.NOMEMORY, f"the filters of an index have at most {MOST_BITS} bits in all")
        self._forget(identity, "= 0")
        self._database.execute(
            "INSERT INTO t_filter (lrc_id, generation, hashes, size, count, epoch) VALUES (?, ?, ?, ?, ?, 0)",
            (identity, generation, *shape),
        )

    def put(self, identity: int, generation: int, first: int, pieces: Sequence[str]) -> None:
        """Pieces of it in base64, from the one with number ``first`` on. Raises `Refusal`."""
        shape = self._sent(identity, generation)
        rows = []
        for number, text in enumerate(pieces, first):
            try:
                data = binascii.a2b_base64(text, strict_mode=True)
            except ValueError:
                raise Refusal(Result.BADARG, f"piece {number} is not base64") from None
            length = min(PIECE, shape.size // 8 - number * PIECE)
            if len(data) != length:
                why = f"piece {number} has {len(data)} bytes, not {max(length, 0)}"
                raise Refusal(Result.BADARG, why)
            rows.append((identity, generation, number, data))
        self._database.executemany(
            "INSERT INTO t_piece (lrc_id, generation, number, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (lrc_id, generation, number) DO UPDATE SET data = excluded.data",
            rows,
        )

    def end(self, identity: int, generation: int) -> None:
        """It has sent all: from now on this filter counts, and no other of this catalogue. Raises `Refusal`."""
        shape = self._sent(identity, generation)
        sent = Filter(shape, self._bits(identity, generation))
        if len(sent.bits) * 8 != shape.size:
            raise Refusal(Result.BADARG, f"{len(sent.bits)} bytes of {shape.size // 8} have come")
        if why := sent.unfit():
            raise Refusal(Result.BADARG, why)
        self._forget(identity, "> 0")
        self._turn()
        self._database.execute(
            "UPDATE t_filter SET epoch = (SELECT filters FROM t_epoch) WHERE lrc_id = ?", (identity,)
        )

    def there(self, identity: int) -> bool:
        """Whether a catalogue is known by a filter."""
        query = "SELECT 1 FROM t_filter WHERE lrc_id = ? AND epoch > 0"
        return self._database.execute(query, (identity,)).fetchone() is not None

    def drop(self, identity: int) -> None:
        """Forget what there is of a catalogue."""
        if self._forget(identity, ">= 0"):
            self._turn()

    def _sent(self, identity: int, generation: int) -> Shape:
        query = "SELECT hashes, size, count FROM t_filter WHERE lrc_id = ? AND generation = ? AND epoch = 0"
        row = self._database.execute(query, (identity, generation)).fetchone()
        if row is None:
            raise Refusal(Result.BADARG, "no filter is being sent")
        return Shape(*map(int, row))

    def _forget(self, identity: int, epoch: str) -> int:
        which = f"SELECT generation FROM t_filter WHERE lrc_id = ? AND epoch {epoch}"
        self._database.execute(
            f"DELETE FROM t_piece WHERE lrc_id = ? AND generation IN ({which})", (identity, identity)
        )
        return self._database.execute(f"DELETE FROM t_filter WHERE lrc_id = ? AND epoch {epoch}", (identity,)).rowcount

    def _turn(self) -> None:
        self._database.execute("UPDATE t_epoch SET filters = filters + 1")

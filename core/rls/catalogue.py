# SPDX-License-Identifier: Apache-2.0
"""A local replica catalogue in its database: which logical file names (LFN) are at which physical ones (PFN).

A name counts the mappings that it is in, and vanishes with the last of them, with its attributes. What changes which
logical names there are is noted in `changes`, for the indexes. Every method that changes something looks first and
writes then, so that one that raises `Refusal` has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyglobus.core.rls import patterns
from pyglobus.core.rls.database import ALL_ROWS, Database
from pyglobus.core.rls.results import ObjectType, Refusal, Result

#: Bytes of a name. Everything else that this project may keep it in can index so much.
MOST_NAME = 2048

Row = tuple[str, ...]
Pairs = Iterable[tuple[str, str]]

_MISSING = {"lfn": Result.LFN_NEXIST, "pfn": Result.PFN_NEXIST}
_TAKEN = {"lfn": Result.LFN_EXIST, "pfn": Result.PFN_EXIST}
_JOIN = "FROM t_lfn l JOIN t_map m ON m.lfn_id = l.id JOIN t_pfn p ON p.id = m.pfn_id"
_BY_NAME = {
    "lfn": f"SELECT l.name, p.name {_JOIN} WHERE l.name = ? ORDER BY m.pfn_id LIMIT ? OFFSET ?",
    "pfn": f"SELECT l.name, p.name {_JOIN} WHERE p.name = ? ORDER BY m.lfn_id LIMIT ? OFFSET ?",
}
_LIKE = "{0}.name >= ? AND {0}.name < ? AND {0}.name LIKE ? ESCAPE '\\'"
_BY_PATTERN = {
    "lfn": f"SELECT l.name, p.name {_JOIN} WHERE {_LIKE.format('l')} ORDER BY l.name, m.pfn_id LIMIT ? OFFSET ?",
    "pfn": f"SELECT l.name, p.name {_JOIN} WHERE {_LIKE.format('p')} ORDER BY p.name, m.lfn_id LIMIT ? OFFSET ?",
}


def kind_of(objtype: int) -> str:
    """``lfn`` or ``pfn``. Raises `Refusal`."""
    if objtype not in (ObjectType.LFN, ObjectType.PFN):
        raise Refusal(Result.INV_OBJ_TYPE, str(objtype))
    return "lfn" if objtype == ObjectType.LFN else "pfn"


def check_name(name: str) -> None:
    """Refuse what cannot be a name."""
    if name in ("", "\x01"):  # the ends of lists
        raise Refusal(Result.BADARG, "a name is empty" if not name else "this is no name")
    if len(name) > MOST_NAME or len(name.encode()) > MOST_NAME:
        raise Refusal(Result.BADARG, f"a name is longer than {MOST_NAME} bytes")


class Catalogue:
    """Mappings, on one connection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        #: Logical names that have come (True) or gone, in order.
        self.changes: list[tuple[bool, str]] = []

    # Changes ---------------------------------------------------------------------------------------------------------

    def create(self, lfn: str, pfn: str) -> None:
        """A logical name that is new, with its first replica."""
        check_name(lfn)
        check_name(pfn)
        if self._id("lfn", lfn) is not None:
            raise Refusal(Result.LFN_EXIST, lfn)
        self._map(self._new("lfn", lfn), self._counted("pfn", pfn))
        self.changes.append((True, lfn))

    def add(self, lfn: str, pfn: str) -> None:
        """One more replica of a logical name that is there."""
        check_name(pfn)
        lfn_id = self.require("lfn", lfn)
        pfn_id = self._id("pfn", pfn)
        if pfn_id is not None and self._mapped(lfn_id, pfn_id):
            raise Refusal(Result.MAPPING_EXIST, f"{lfn},{pfn}")
        self.database.execute("UPDATE t_lfn SET ref = ref + 1 WHERE id = ?", (lfn_id,))
        self._map(lfn_id, self._counted("pfn", pfn))

    def delete(self, lfn: str, pfn: str) -> None:
        """Take a mapping away."""
        lfn_id, pfn_id = self.require("lfn", lfn), self.require("pfn", pfn)
        gone = self.database.execute("DELETE FROM t_map WHERE lfn_id = ? AND pfn_id = ?", (lfn_id, pfn_id)).rowcount
        if not gone:
            raise Refusal(Result.MAPPING_NEXIST, f"{lfn},{pfn}")
        if self._released("lfn", lfn_id):
            self.changes.append((False, lfn))
        self._released("pfn", pfn_id)

    def rename(self, kind: str, old: str, new: str) -> None:
        """Give a name another, with all that it has."""
        check_name(new)
        identity = self.require(kind, old)
        if self._id(kind, new) is not None:
            raise Refusal(_TAKEN[kind], new)
        self.database.execute(f"UPDATE t_{kind} SET name = ? WHERE id = ?", (new, identity))
        if kind == "lfn":
            self.changes += [(False, old), (True, new)]

    def clear(self) -> None:
        """Forget all mappings and the values of attributes; which attributes there can be stays."""
        self.changes += [(False, name) for (name,) in self.database.execute("SELECT name FROM t_lfn")]
        for table in ("map", "lfn", "pfn", "str_attr", "int_attr", "flt_attr", "date_attr"):
            self.database.execute(f"DELETE FROM t_{table}")

    # Queries ---------------------------------------------------------------------------------------------------------

    def exists(self, kind: str, name: str) -> bool:
        """Whether there is such a name."""
        return self._id(kind, name) is not None

    def mapping_exists(self, lfn: str, pfn: str) -> bool:
        """Whether this replica of this name is known."""
        lfn_id, pfn_id = self._id("lfn", lfn), self._id("pfn", pfn)
        return lfn_id is not None and pfn_id is not None and self._mapped(lfn_id, pfn_id)

    def lookup(self, kind: str, name: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """The mappings of a logical (``lfn``) or physical name, in the order in which they have come to be."""
        return self.database.execute(_BY_NAME[kind], (name, limit, offset)).fetchall()

    def match(self, kind: str, pattern: str, limit: int = ALL_ROWS, offset: int = 0) -> list[Row]:
        """The mappings of all names that a pattern fits, by name."""
        like, first, last = patterns.read(pattern)
        return self.database.execute(_BY_PATTERN[kind], (first, last, like, limit, offset)).fetchall()

    def counts(self) -> tuple[int, int, int]:
        """How many logical names, physical names and mappings there are."""
        tables = ("t_lfn", "t_pfn", "t_map")
        lfns, pfns, maps = (
            int(self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in tables
        )
        return lfns, pfns, maps

    def names(self, after: str, most: int) -> list[str]:
        """Logical names behind ``after``, in their order: to go through all of them in pages."""
        found = self.database.execute("SELECT name FROM t_lfn WHERE name > ? ORDER BY name LIMIT ?", (after, most))
        return [name for (name,) in found]

    def all_names(self, page: int = 1000) -> Iterator[list[str]]:
        """All logical names in pages."""
        after = ""
        while found := self.names(after, page):
            yield found
            after = found[-1]

    def require(self, kind: str, name: str) -> int:
        """The number of a name that must be there. Raises `Refusal`."""
        identity = self._id(kind, name)
        if identity is None:
            raise Refusal(_MISSING[kind], name)
        return identity

    # Rows ------------------------------------------------------------------------------------------------------------

    def _id(self, kind: str, name: str) -> int | None:
        row = self.database.execute(f"SELECT id FROM t_{kind} WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _new(self, kind: str, name: str) -> int:
        statement = f"INSERT INTO t_{kind} (name, ref) VALUES (?, 1) RETURNING id"
        return int(self.database.execute(statement, (name,)).fetchone()[0])

    def _counted(self, kind: str, name: str) -> int:
        identity = self._id(kind, name)
        if identity is None:
            return self._new(kind, name)
        self.database.execute(f"UPDATE t_{kind} SET ref = ref + 1 WHERE id = ?", (identity,))
        return identity

    def _released(self, kind: str, identity: int) -> bool:
        """Count a mapping less; whether the name has vanished by that."""
        self.database.execute(f"UPDATE t_{kind} SET ref = ref - 1 WHERE id = ?", (identity,))
        if not self.database.execute(f"DELETE FROM t_{kind} WHERE id = ? AND ref <= 0", (identity,)).rowcount:
            return False
        objtype = ObjectType.LFN if kind == "lfn" else ObjectType.PFN
        for table in ("str", "int", "flt", "date"):
            self.database.execute(
                f"DELETE FROM t_{table}_attr WHERE obj_id = ?"
                " AND attr_id IN (SELECT id FROM t_attribute WHERE objtype = ?)",
                (identity, objtype),
            )
        return True

    def _map(self, lfn_id: int, pfn_id: int) -> None:
        self.database.execute("INSERT INTO t_map (lfn_id, pfn_id) VALUES (?, ?)", (lfn_id, pfn_id))

    def _mapped(self, lfn_id: int, pfn_id: int) -> bool:
        query = "SELECT 1 FROM t_map WHERE lfn_id = ? AND pfn_id = ?"
        return self.database.execute(query, (lfn_id, pfn_id)).fetchone() is not None

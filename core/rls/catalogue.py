# SPDX-License-Identifier: Apache-2.0
"""A local replica catalogue in its database: which logical file names (LFN) are at which physical ones (PFN).

A name counts the mappings that it is in, and vanishes with the last of them, with its attributes. What changes which
logical names there are is noted in `changes`, for the indexes. Every method that changes something looks first and
writes then, so that one that raises `Refusal` has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
#: Names that one statement is about.
_MANY = 100
_HOLES = ", ".join("?" * _MANY)
_BY_NAMES = {
    "lfn": f"SELECT l.name, p.name {_JOIN} WHERE l.name IN ({_HOLES}) ORDER BY l.name, m.pfn_id",
    "pfn": f"SELECT l.name, p.name {_JOIN} WHERE p.name IN ({_HOLES}) ORDER BY p.name, m.lfn_id",
}
_NEW = "INSERT INTO t_lfn (name, ref) VALUES {} ON CONFLICT (name) DO NOTHING RETURNING name, id"
_COUNTED = (
    "INSERT INTO t_{0} (name, ref) VALUES {1}"
    " ON CONFLICT (name) DO UPDATE SET ref = t_{0}.ref + excluded.ref RETURNING name, id"
)
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
    if 1 < len(name) <= MOST_NAME // 4:  # as nearly all are
        return
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
        made = self.database.execute(_NEW.format("(?, 1)"), (lfn,)).fetchone()
        if made is None:
            raise Refusal(Result.LFN_EXIST, lfn)
        self._map(made[1], self._counted("pfn", pfn))
        self.changes.append((True, lfn))

    def create_all(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Result, str, str]]:
        """Many of them, in few statements; those that are refused, with the code."""
        failures = []
        for at in range(0, len(pairs), _MANY):
            failures += self._create_some(pairs[at : at + _MANY])
        return failures

    def _create_some(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Result, str, str]]:
        refused: dict[int, Result] = {}
        wanted: dict[str, int] = {}  # by logical name: which of the pairs
        for number, (lfn, pfn) in enumerate(pairs):
            try:
                check_name(lfn)
                check_name(pfn)
                if wanted.setdefault(lfn, number) != number:
                    refused[number] = Result.LFN_EXIST
            except Refusal as refusal:
                refused[number] = refusal.result
        made: dict[str, int] = {}
        if wanted:
            statement = _NEW.format(", ".join(["(?, 1)"] * len(wanted)))
            made = dict(self.database.execute(statement, list(wanted)).fetchall())
        counts: dict[str, int] = {}
        for lfn, number in wanted.items():
            if lfn in made:
                counts[pairs[number][1]] = counts.get(pairs[number][1], 0) + 1
            else:
                refused[number] = Result.LFN_EXIST
        if made:
            rows = [value for row in counts.items() for value in row]
            statement = _COUNTED.format("pfn", ", ".join(["(?, ?)"] * len(counts)))
            identities = dict(self.database.execute(statement, rows).fetchall())
            mapped = [value for lfn, each in made.items() for value in (each, identities[pairs[wanted[lfn]][1]])]
            self.database.execute(f"INSERT INTO t_map VALUES {', '.join(['(?, ?)'] * len(made))}", mapped)
            self.changes += [(True, lfn) for lfn in wanted if lfn in made]
        return [(refused[number], *pairs[number]) for number in sorted(refused)]

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

    def lookup_all(self, kind: str, names: Sequence[str]) -> dict[str, list[Row]]:
        """`lookup` for many names, in few statements; those that are not there are missing."""
        found: dict[str, list[Row]] = {}
        column = 0 if kind == "lfn" else 1
        names = list(dict.fromkeys(names))
        for at in range(0, len(names), _MANY):
            some = names[at : at + _MANY]
            some += some[-1:] * (_MANY - len(some))  # so that the statement is always the same
            for row in self.database.execute(_BY_NAMES[kind], some).fetchall():
                found.setdefault(row[column], []).append(row)
        return found

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

    def blocks(self, most: int) -> Iterator[bytes]:
        """All logical names in their order, so many at a time, each followed by NUL."""
        query, after = "SELECT name FROM t_lfn WHERE name > ? ORDER BY name LIMIT ?", ""
        while block := self.database.joined(query, (after, most)):
            yield block
            after = block[block.rfind(b"\0", 0, -1) + 1 : -1].decode()

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

    def _counted(self, kind: str, name: str) -> int:
        return int(self.database.execute(_COUNTED.format(kind, "(?, 1)"), (name,)).fetchone()[1])

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

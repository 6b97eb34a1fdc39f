# SPDX-License-Identifier: Apache-2.0
"""Attributes of logical and physical names in a catalogue: what there can be, what a name has, and who has what.

An attribute is defined for one kind of name and one type of value. Values are text on the wire: dates as
``YYYY-MM-DD HH:MM:SS`` (``YYYYMMDDHHMMSS`` is read as well), numbers in decimal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from pyglobus.core.rls import patterns
from pyglobus.core.rls.catalogue import MOST_NAME, Catalogue, Row, check_name, kind_of
from pyglobus.core.rls.database import ALL_ROWS
from pyglobus.core.rls.results import Operator, Refusal, Result, ValueType

Value = str | int | float

_TABLES = {
    ValueType.DATE: "t_date_attr",
    ValueType.FLOAT: "t_flt_attr",
    ValueType.INT: "t_int_attr",
    ValueType.STRING: "t_str_attr",
}
_CONDITIONS = {
    Operator.ALL: "",
    Operator.EQ: "AND v.value = ?",
    Operator.NE: "AND v.value <> ?",
    Operator.GT: "AND v.value > ?",
    Operator.GE: "AND v.value >= ?",
    Operator.LT: "AND v.value < ?",
    Operator.LE: "AND v.value <= ?",
    Operator.BETWEEN: "AND v.value BETWEEN ? AND ?",
    Operator.LIKE: "AND v.value LIKE ? ESCAPE '\\'",
}
#: Integers of the databases have 64 bits.
_INTEGERS = range(-(1 << 63), 1 << 63)
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[ T]?(\d\d):?(\d\d):?(\d\d)", re.ASCII)


def value_of(text: str, kind: ValueType) -> Value:
    """The value that is written so. Raises `Refusal`."""
    try:
        if kind is ValueType.STRING:
            if len(text.encode()) > MOST_NAME:
                raise Refusal(Result.BADARG, f"a value is longer than {MOST_NAME} bytes")
            return text
        if kind is ValueType.DATE:
            return _date(text)
        if len(text) > 64 or not text.isascii() or "_" in text:
            raise ValueError
        if kind is ValueType.INT:
            number = int(text)
            if number not in _INTEGERS:
                raise ValueError
            return number
        real = float(text)
        if not math.isfinite(real):
            raise ValueError
        return real
    except ValueError:
        name = kind.name.lower()
        raise Refusal(Result.BADARG, f"{text[:80]!r} is no {name}") from None


def type_of(valtype: int) -> ValueType:
    """The type with that number. Raises `Refusal`."""
    try:
        return ValueType(valtype)
    except ValueError:
        raise Refusal(Result.INV_ATTR_TYPE, str(valtype)) from None


class Attributes:
    """The attributes in a catalogue's database."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._database = catalogue.database

    # What there can be -----------------------------------------------------------------------------------------------

    def create(self, name: str, objtype: int, valtype: int) -> None:
        """Define one."""
        check_name(name)
        kind_of(objtype)
        type_of(valtype)
        if self._find(name, objtype) is not None:
            raise Refusal(Result.ATTR_EXIST, name)
        self._database.execute(
            "INSERT INTO t_attribute (name, objtype, type) VALUES (?, ?, ?)", (name, objtype, valtype)
        )

    def delete(self, name: str, objtype: int, clear: bool) -> None:
        """Undefine one; ``clear``: also where names have values of it."""
        identity, valtype = self._require(name, objtype)
        table = _TABLES[valtype]
        used = self._database.execute(f"SELECT 1 FROM {table} WHERE attr_id = ? LIMIT 1", (identity,)).fetchone()
        if used and not clear:
            raise Refusal(Result.ATTR_INUSE, name)
        self._database.execute(f"DELETE FROM {table} WHERE attr_id = ?", (identity,))
        self._database.execute("DELETE FROM t_attribute WHERE id = ?", (identity,))

    def defined(self, name: str, objtype: int) -> list[Row]:
        """Name and type of one, or of all where ``name`` is empty."""
        kind_of(objtype)
        if name:
            return [(name, str(int(self._require(name, objtype)[1])))]
        query = "SELECT name, CAST(type AS TEXT) FROM t_attribute WHERE objtype = ? ORDER BY name"
        return self._database.execute(query, (objtype,)).fetchall()

    # What a name has -------------------------------------------------------------------------------------------------

    def add(self, key: str, objtype: int, valtype: int, name: str, text: str) -> None:
        """Give a name a value."""
        owner, identity, table, value = self._prepare(key, objtype, valtype, name, text)
        if self._value(table, owner, identity) is not None:
            raise Refusal(Result.ATTR_EXIST, name)
        self._database.execute(
            f"INSERT INTO {table} (obj_id, attr_id, value) VALUES (?, ?, ?)", (owner, identity, value)
        )

    def modify(self, key: str, name: str, objtype: int, valtype: int, text: str) -> None:
        """Replace the value that a name has."""
        owner, identity, table, value = self._prepare(key, objtype, valtype, name, text)
        changed = self._database.execute(
            f"UPDATE {table} SET value = ? WHERE obj_id = ? AND attr_id = ?", (value, owner, identity)
        ).rowcount
        if not changed:
            raise Refusal(Result.ATTR_NEXIST, name)

    def remove(self, key: str, name: str, objtype: int) -> None:
        """Take the value from a name."""
        owner = self._catalogue.require(kind_of(objtype), key)
        identity, valtype = self._require(name, objtype)
        gone = self._database.execute(
            f"DELETE FROM {_TABLES[valtype]} WHERE obj_id = ? AND attr_id = ?", (owner, identity)
        ).rowcount
        if not gone:
            raise Refusal(Result.ATTR_NEXIST, name)

    def values(self, key: str, name: str, objtype: int) -> list[Row]:
        """Name, type and value of one that a name has, or of all where ``name`` is empty."""
        owner = self._catalogue.require(kind_of(objtype), key)
        wanted = [(name, *self._require(name, objtype))] if name else self._all(objtype)
        found: list[Row] = []
        for each, identity, valtype in wanted:
            value = self._value(_TABLES[valtype], owner, identity)
            if value is not None:
                found.append((each, str(int(valtype)), str(value)))
        if name and not found:
            raise Refusal(Result.ATTR_NEXIST, name)
        return found

    def search(
        self, name: str, objtype: int, operator: int, operands: tuple[str, str], limit: int = ALL_ROWS, offset: int = 0
    ) -> list[Row]:
        """Key, type and value of all names whose value compares so, by key."""
        kind = kind_of(objtype)
        identity, valtype = self._require(name, objtype)
        try:
            condition = _CONDITIONS[Operator(operator)]
        except ValueError:
            raise Refusal(Result.INV_ATTR_OP, str(operator)) from None
        given: Iterable[Value]
        if operator == Operator.LIKE:
            if valtype is not ValueType.STRING:
                raise Refusal(Result.INV_ATTR_OP, "like is for strings")
            given = (patterns.read(operands[0]).like,)
        else:
            given = [value_of(text, valtype) for text in operands[: condition.count("?")]]
        query = (
            f"SELECT n.name, v.value FROM {_TABLES[valtype]} v JOIN t_{kind} n ON n.id = v.obj_id"
            f" WHERE v.attr_id = ? {condition} ORDER BY n.name LIMIT ? OFFSET ?"
        )
        rows = self._database.execute(query, (identity, *given, limit, offset))
        return [(key, str(int(valtype)), str(value)) for key, value in rows]

    # Rows ------------------------------------------------------------------------------------------------------------

    def _prepare(self, key: str, objtype: int, valtype: int, name: str, text: str) -> tuple[int, int, str, Value]:
        owner = self._catalogue.require(kind_of(objtype), key)
        identity, defined = self._require(name, objtype)
        if type_of(valtype) is not defined:
            raise Refusal(Result.INV_ATTR_TYPE, name)
        return owner, identity, _TABLES[defined], value_of(text, defined)

    def _find(self, name: str, objtype: int) -> tuple[int, ValueType] | None:
        query = "SELECT id, type FROM t_attribute WHERE name = ? AND objtype = ?"
        row = self._database.execute(query, (name, objtype)).fetchone()
        return None if row is None else (int(row[0]), ValueType(row[1]))

    def _require(self, name: str, objtype: int) -> tuple[int, ValueType]:
        kind_of(objtype)
        found = self._find(name, objtype)
        if found is None:
            raise Refusal(Result.ATTR_NEXIST, name)
        return found

    def _all(self, objtype: int) -> list[tuple[str, int, ValueType]]:
        query = "SELECT name, id, type FROM t_attribute WHERE objtype = ? ORDER BY name"
        return [
            (name, int(identity), ValueType(kind)) for name, identity, kind in self._database.execute(query, (objtype,))
        ]

    def _value(self, table: str, owner: int, identity: int) -> Value | None:
        query = f"SELECT value FROM {table} WHERE obj_id = ? AND attr_id = ?"
        row = self._database.execute(query, (owner, identity)).fetchone()
        value: Value | None = None if row is None else row[0]
        return value


def _date(text: str) -> str:
    import datetime as dt

    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError
    return dt.datetime(*map(int, found.groups())).isoformat(sep=" ")  # type: ignore[arg-type]

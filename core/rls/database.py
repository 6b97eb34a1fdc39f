# SPDX-License-Identifier: Apache-2.0
"""What a database is to catalogue and index, whichever it is.

Statements are written once, in the SQL that SQLite and PostgreSQL share: ``?`` for a value, ``RETURNING`` for the
number of a new row, ``ON CONFLICT``, `ALL_ROWS` for no limit. `sqlite` and `postgres` are the two that there are;
`opened` tells which one a name means.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pyglobus.core.rls.databasename import is_url

if TYPE_CHECKING:
    from pyglobus.core.rls.schema import Schema

#: A LIMIT that is none.
ALL_ROWS = 1 << 62


class Fault(Exception):
    """A database could not do what it was asked. ``passing``: nothing of the transaction has been kept, and it may be
    tried again; ``gone``: the database itself is not there, and whatever else is asked of it now will fail as well.
    """

    def __init__(self, why: str, *, passing: bool = False, gone: bool = False) -> None:
        super().__init__(why)
        self.passing = passing
        self.gone = gone


#: What statements raise.
FAULTS = (sqlite3.Error, Fault, MemoryError)


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """How many rows it has changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def __iter__(self) -> Any: ...


class Database(Protocol):
    """One connection, for one thread at a time. Outside of `begin` each statement is a transaction of its own.

    ``names`` is a table ``n`` of a column ``name``, and ``among`` follows a column that is to be one of these: both
    with a parameter that `packed` makes. ``within`` does so for a query in its braces.
    """

    names: str
    among: str
    within: str

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Do a statement."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Do a statement that gives nothing with each of the parameters."""

    def packed(self, names: Sequence[str]) -> Any:
        """Names as one parameter; None for none."""

    def joined(self, statement: str, parameters: Sequence[Any], /) -> bytes:
        """All rows of a query for ``name``, each followed by NUL: fast, for no row becomes an object."""

    def begin(self) -> None:
        """Begin a transaction that writes: one at a time in the whole database, whoever the others are."""

    def commit(self) -> None:
        """Make it durable."""

    def rollback(self) -> None:
        """Forget it, where there is one; does not raise."""

    def close(self) -> None:
        """End the connection."""


class Storage(Protocol):
    """A database that is known by its name, with the tables of a `Schema`. ``name`` is for people. ``swift``: a row is
    there in microseconds, so that waiting for it costs less than handing the request to a thread.
    """

    name: str
    swift: bool

    def prepare(self) -> None:
        """Make the tables, or bring them up to date. Raises `errors.ConfigurationError` where that cannot be, and for
        tables of a later version than this program knows.
        """

    def connect(self, *, reading: bool) -> Database:
        """A connection; ``reading``: one that cannot change anything."""


def opened(name: str, schema: Schema, user: str = "", password: str = "") -> Storage:
    """The storage with a name: a URL of PostgreSQL, or the path of an SQLite file. ``user`` and ``password`` are for
    a URL that has none. Raises `errors.ConfigurationError`.
    """
    if is_url(name):
        from pyglobus.core.rls.postgres import Postgres

        return Postgres(name, schema, user, password)
    from pyglobus.core.rls.sqlite import File

    return File(name, schema)

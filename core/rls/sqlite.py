# SPDX-License-Identifier: Apache-2.0
"""Storage in an SQLite file, in WAL mode, so that readers see the last committed state and wait for nobody.

A commit returns when the log is on the disk (``synchronous=full``): what has been acknowledged is durable. The version
of the tables is the file's ``user_version``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from pyglobus.core import errors
from pyglobus.core.rls.schema import Dialect, Schema

DIALECT = Dialect(
    identity="INTEGER PRIMARY KEY",
    text="TEXT",
    integer="INTEGER",
    real="REAL",
    binary="BLOB",
    clustered="WITHOUT ROWID",
)
#: Seconds that a connection waits for another process that writes.
_BUSY = 10.0
#: KiB of pages that a connection keeps, one that writes and one that reads: for a million names the inner pages of
#: all trees, of which each reader has its own copy.
_CACHES = 16384, 6144
#: Pages of the log from which on they are moved into the file (32 MiB): the longer it is, the more often a page that
#: has changed again is moved only once.
_LOG = 8192


class Connection(sqlite3.Connection):
    """A connection in which every statement is its own transaction unless one is begun."""

    names = "(SELECT value AS name FROM json_each(?)) n"
    among = "IN (SELECT value FROM json_each(?))"
    within = "IN ({})"

    def packed(self, names: Sequence[str]) -> str | None:
        """Names as one parameter; None for none."""
        return json.dumps(names, ensure_ascii=False) if names else None

    def joined(self, statement: str, parameters: Sequence[Any], /) -> bytes:
        """All rows of a query for ``name``, each followed by NUL."""
        query = f"SELECT CAST(group_concat(name, char(0)) AS BLOB) FROM ({statement})"
        found: bytes | None = self.execute(query, parameters).fetchone()[0]
        return b"" if found is None else found + b"\0"

    def begin(self) -> None:
        """Begin a transaction that writes."""
        self.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        """Forget what was done since."""
        if self.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                super().rollback()


class File:
    """A file, known by its path."""

    swift = True

    def __init__(self, path: str, schema: Schema) -> None:
        self.name = path
        self._schema = schema

    def connect(self, *, reading: bool) -> Connection:
        """A connection."""
        connection = sqlite3.connect(
            self.name, timeout=_BUSY, isolation_level=None, check_same_thread=False, factory=Connection
        )
        for setting in (
            "synchronous=full",
            f"cache_size=-{_CACHES[reading]}",
            f"wal_autocheckpoint={_LOG}",
            "case_sensitive_like=on",
            f"query_only={int(reading)}",
        ):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def prepare(self) -> None:
        """Make the file, or bring its tables up to date."""
        versions = self._schema.scripts(DIALECT)
        try:
            os.close(os.open(self.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = self.connect(reading=False)
            try:
                connection.execute("PRAGMA journal_mode=wal")
                found = int(connection.execute("PRAGMA user_version").fetchone()[0])
                self._schema.check(found, self.name)
                for number in range(found, len(versions)):
                    connection.executescript(
                        f"BEGIN IMMEDIATE;{versions[number]}PRAGMA user_version={number + 1};COMMIT;"
                    )
            finally:
                connection.close()
        except OSError as error:
            raise errors.ConfigurationError("cannot open database", where=self.name, why=error.strerror) from error
        except sqlite3.Error as error:
            raise errors.ConfigurationError("cannot open database", where=self.name, why=str(error)) from error

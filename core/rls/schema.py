# SPDX-License-Identifier: Apache-2.0
"""The databases of a server: their tables, how these are brought up to date, and how a connection is opened.

They are SQLite files in WAL mode, so that readers see the last committed state and wait for nobody. A commit returns
when the log is on the disk (``synchronous=full``): what has been acknowledged is durable. Each step of `LRC` or `RLI`
brings the tables one version further; the version is the file's ``user_version``.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from pyglobus.core import errors

_NAMES = """
CREATE TABLE t_lfn (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, ref INTEGER NOT NULL);
CREATE TABLE t_pfn (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, ref INTEGER NOT NULL);
CREATE TABLE t_map (lfn_id INTEGER NOT NULL, pfn_id INTEGER NOT NULL, PRIMARY KEY (lfn_id, pfn_id)) WITHOUT ROWID;
CREATE INDEX t_map_pfn ON t_map (pfn_id, lfn_id);
"""
_ATTRIBUTES = """
CREATE TABLE t_attribute (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, objtype INTEGER NOT NULL, type INTEGER NOT NULL, UNIQUE (name, objtype)
);
""" + "".join(
    f"CREATE TABLE t_{kind}_attr (obj_id INTEGER NOT NULL, attr_id INTEGER NOT NULL, value {type_} NOT NULL,"
    f" PRIMARY KEY (obj_id, attr_id)) WITHOUT ROWID;\n"
    f"CREATE INDEX t_{kind}_attr_value ON t_{kind}_attr (attr_id, value, obj_id);\n"
    for kind, type_ in (("str", "TEXT"), ("int", "INTEGER"), ("flt", "REAL"), ("date", "TEXT"))
)
_TARGETS = """
CREATE TABLE t_rli (
    id INTEGER PRIMARY KEY, flags INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, lastupdate INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE t_rlipartition (
    rli_id INTEGER NOT NULL, pattern TEXT NOT NULL, PRIMARY KEY (rli_id, pattern)
) WITHOUT ROWID;
"""
_INDEX = """
CREATE TABLE t_lfn (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE t_lrc (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, lastupdate INTEGER NOT NULL, updateinterval INTEGER NOT NULL,
    generation INTEGER NOT NULL
);
CREATE TABLE t_map (
    lfn_id INTEGER NOT NULL, lrc_id INTEGER NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (lfn_id, lrc_id)
) WITHOUT ROWID;
CREATE INDEX t_map_lrc ON t_map (lrc_id, generation);
"""

#: The versions of a catalogue's and of an index's tables, one script each.
LRC = (_NAMES + _ATTRIBUTES + _TARGETS,)
RLI = (_INDEX,)

#: Seconds that a connection waits for another process that writes.
_BUSY = 10.0


def connect(path: str, *, reading: bool = False) -> sqlite3.Connection:
    """A connection in which every statement is its own transaction unless one is begun."""
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    for setting in ("synchronous=full", "cache_size=-16384", "case_sensitive_like=on", f"query_only={int(reading)}"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def prepare(path: str, versions: Sequence[str]) -> None:
    """Make the file, or bring its tables up to date. Raises `errors.ConfigurationError` for a file that is no such
    database, or of a later version than this program knows.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = connect(path)
        try:
            connection.execute("PRAGMA journal_mode=wal")
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found > len(versions):
                why = f"its tables have version {found}, and this program knows {len(versions)}"
                raise errors.ConfigurationError("cannot open database", where=path, why=why)
            for number in range(found, len(versions)):
                connection.executescript(f"BEGIN IMMEDIATE;{versions[number]}PRAGMA user_version={number + 1};COMMIT;")
        finally:
            connection.close()
    except OSError as error:
        raise errors.ConfigurationError("cannot open database", where=path, why=error.strerror) from error
    except sqlite3.Error as error:
        raise errors.ConfigurationError("cannot open database", where=path, why=str(error)) from error

# SPDX-License-Identifier: Apache-2.0
"""The tables of a server's databases, step by step: each script of `LRC` or `RLI` brings them one version further.

A script is written once for all databases. What these call differently stands in it in braces: ``{identity}`` a row's
own number, ``{text}`` names that are compared by their bytes, ``{integer}`` of 64 bits, ``{real}``, ``{binary}``, and
``{clustered}`` behind a table whose rows lie in the order of its key. A script that has been in a release is never
changed: what comes later is a further script.
"""

from __future__ import annotations

from typing import NamedTuple

from pyglobus.core import errors

_NAMES = """
CREATE TABLE t_lfn (id {identity}, name {text} NOT NULL UNIQUE, ref {integer} NOT NULL);
CREATE TABLE t_pfn (id {identity}, name {text} NOT NULL UNIQUE, ref {integer} NOT NULL);
CREATE TABLE t_map (lfn_id {integer} NOT NULL, pfn_id {integer} NOT NULL, PRIMARY KEY (lfn_id, pfn_id)) {clustered};
CREATE INDEX t_map_pfn ON t_map (pfn_id, lfn_id);
"""
_ATTRIBUTES = """
CREATE TABLE t_attribute (
    id {identity}, name {text} NOT NULL, objtype {integer} NOT NULL, type {integer} NOT NULL, UNIQUE (name, objtype)
);
""" + "".join(
    f"CREATE TABLE t_{kind}_attr (obj_id {{integer}} NOT NULL, attr_id {{integer}} NOT NULL, value {type_} NOT NULL,"
    f" PRIMARY KEY (obj_id, attr_id)) {{clustered}};\n"
    f"CREATE INDEX t_{kind}_attr_value ON t_{kind}_attr (attr_id, value, obj_id);\n"
    for kind, type_ in (("str", "{text}"), ("int", "{integer}"), ("flt", "{real}"), ("date", "{text}"))
)
_TARGETS = """
CREATE TABLE t_rli (
    id {identity}, flags {integer} NOT NULL, name {text} NOT NULL UNIQUE, lastupdate {integer} NOT NULL DEFAULT 0
);
CREATE TABLE t_rlipartition (
    rli_id {integer} NOT NULL, pattern {text} NOT NULL, PRIMARY KEY (rli_id, pattern)
) {clustered};
"""
_INDEX = """
CREATE TABLE t_lfn (id {identity}, name {text} NOT NULL UNIQUE);
CREATE TABLE t_lrc (
    id {identity}, name {text} NOT NULL UNIQUE, lastupdate {integer} NOT NULL, updateinterval {integer} NOT NULL,
    generation {integer} NOT NULL
);
CREATE TABLE t_map (
    lfn_id {integer} NOT NULL, lrc_id {integer} NOT NULL, generation {integer} NOT NULL, PRIMARY KEY (lfn_id, lrc_id)
) {clustered};
CREATE INDEX t_map_lrc ON t_map (lrc_id, generation);
"""
_SILENCE = """
ALTER TABLE t_lrc ADD COLUMN heard {integer} NOT NULL DEFAULT 0;
ALTER TABLE t_lrc ADD COLUMN silent {integer} NOT NULL DEFAULT 0;
DROP INDEX t_map_lrc;
CREATE INDEX t_map_lrc ON t_map (lrc_id, lfn_id);
"""
_FILTERS = """
CREATE TABLE t_filter (
    lrc_id {integer} NOT NULL, generation {integer} NOT NULL, hashes {integer} NOT NULL, size {integer} NOT NULL,
    count {integer} NOT NULL, epoch {integer} NOT NULL, PRIMARY KEY (lrc_id, generation)
);
CREATE TABLE t_piece (
    lrc_id {integer} NOT NULL, generation {integer} NOT NULL, number {integer} NOT NULL, data {binary} NOT NULL,
    PRIMARY KEY (lrc_id, generation, number)
);
CREATE TABLE t_epoch (filters {integer} NOT NULL);
INSERT INTO t_epoch VALUES (1);
"""
_PASSING = "ALTER TABLE t_lrc ADD COLUMN path {text} NOT NULL DEFAULT '';\n" + _TARGETS


class Dialect(NamedTuple):
    """What a database calls the things in braces."""

    identity: str
    text: str
    integer: str
    real: str
    binary: str
    clustered: str


class Schema(NamedTuple):
    """The tables of a catalogue (``lrc``) or an index (``rli``), one script for each version."""

    name: str
    versions: tuple[str, ...]

    def scripts(self, dialect: Dialect) -> list[str]:
        """The scripts for a database."""
        return [script.format(**dialect._asdict()) for script in self.versions]

    def check(self, version: int, where: str) -> None:
        """Raise `errors.ConfigurationError` for tables of a version that this program does not know."""
        if version > len(self.versions):
            why = f"its tables have version {version}, and this program knows {len(self.versions)}"
            raise errors.ConfigurationError("cannot open database", where=where, why=why)


LRC = Schema("lrc", (_NAMES + _ATTRIBUTES + _TARGETS,))
RLI = Schema("rli", (_INDEX, _SILENCE, _FILTERS, _PASSING))

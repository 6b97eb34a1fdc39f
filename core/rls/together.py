# SPDX-License-Identifier: Apache-2.0
"""Requests of many clients that go to PostgreSQL together: what takes a way there and back for each name elsewhere is
here one statement for all names of all requests of a kind.

Queries for names join a list of them with the tables; `mappings` does the changes. Names stay bytes on their way
through. Everything else is answered as it is with any database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

from pyglobus.core.rls import mappings
from pyglobus.core.rls.catalogue import kind_of
from pyglobus.core.rls.libpq import array, connection_of
from pyglobus.core.rls.requests import COMPLETE, CUT, DONE
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.service import perform
from pyglobus.core.rls.store import MOST_ROWS, Store, Work, number

Request = tuple[str, Sequence[bytes]]
Replies = list[bytes | BaseException]
Rows = dict[bytes, list[bytes]]

_KEYS = "FROM unnest(CAST(? AS text[])) WITH ORDINALITY k(name, n)"


class _Query(NamedTuple):
    """A kind of query for names: its statement, which gives the place of a name in the list and what is sought, and the
    code for a name that is not there. ``turned``: in a reply the name comes behind what was sought.
    """

    statement: str
    missing: Result
    turned: bool = False

    def pairs(self, key: bytes, values: Iterable[bytes], before: bytes = b"") -> bytes:
        """The records of a reply that answer for a key."""
        if self.turned:
            return b"".join([before + value + b"\0" + key + b"\0" for value in values])
        return b"".join([before + key + b"\0" + value + b"\0" for value in values])

    def found(self, store: Store, names: Iterable[bytes]) -> Rows:
        """What there is for each of the names."""
        rows: Rows = {name: [] for name in names}
        result = connection_of(store.catalogue.database).query(self.statement, [array(rows)])
        lists, value = list(rows.values()), result.get_value
        for row in range(result.ntuples):
            lists[int(value(row, 0) or 0) - 1].append(value(row, 1) or b"")
        return rows


def _lookup(given: str, sought: str, missing: Result, turned: bool = False) -> _Query:
    return _Query(
        f"SELECT k.n, f.name {_KEYS} CROSS JOIN LATERAL (SELECT s.name FROM t_{given} g"
        f" JOIN t_map m ON m.{given}_id = g.id JOIN t_{sought} s ON s.id = m.{sought}_id"
        f" WHERE g.name = k.name ORDER BY m.{sought}_id LIMIT {MOST_ROWS + 1}) f",
        missing,
        turned,
    )


def _presence(kind: str, missing: Result) -> _Query:
    return _Query(f"SELECT k.n, '' {_KEYS} JOIN t_{kind} t ON t.name = k.name", missing)


_PFNS = _lookup("lfn", "pfn", Result.LFN_NEXIST)
_LFNS = _lookup("pfn", "lfn", Result.PFN_NEXIST, turned=True)
_LRCS = _lookup("lfn", "lrc", Result.LFN_NEXIST)
_GETS = {
    "lrc_get_pfn": _PFNS, "lrc_get_pfn_bulk": _PFNS, "lrc_get_lfn": _LFNS, "lrc_get_lfn_bulk": _LFNS,
    "rli_get_lrc": _LRCS, "rli_get_lrc_bulk": _LRCS,
}  # fmt: skip
_THERE = {"lfn": _presence("lfn", Result.LFN_NEXIST), "pfn": _presence("pfn", Result.PFN_NEXIST)}
_EXISTS = ("lrc_exists", "lrc_exists_bulk")


def together(store: Store, works: Sequence[Work]) -> Replies:
    """What `service.perform` gives, with as few statements as can be. Raises `Fault`."""
    replies: Replies = [b""] * len(works)
    groups: dict[Callable[[Store, list[Request]], Replies] | None, list[int]] = {}
    for at, work in enumerate(works):
        try:
            groups.setdefault(_group(store, work), []).append(at)
        except UnicodeDecodeError:
            replies[at] = Refusal(Result.BADARG, "not UTF-8")
    for group, places in groups.items():
        some = [works[at] for at in places]
        given = perform(store, some) if group is None else group(store, cast("list[Request]", some))
        for at, reply in zip(places, given, strict=True):
            replies[at] = reply
    return replies


def _group(store: Store, work: Work) -> Callable[[Store, list[Request]], Replies] | None:
    """What answers such requests together, or None."""
    if not isinstance(work, tuple):
        return None
    name, strings = work
    b"\0".join(strings).decode()
    if name in mappings.METHODS:
        return mappings.change
    if name in _GETS and (name.endswith("_bulk") or (strings[1] == strings[2] == b"0" and not store.limit)):
        return _get
    return _exist if name in _EXISTS else None


def _get(store: Store, requests: list[Request]) -> Replies:
    read = [(_GETS[name], strings if name.endswith("_bulk") else strings[:1]) for name, strings in requests]
    found = _all(store, read)
    replies: Replies = []
    for (name, _), (query, keys) in zip(requests, read, strict=True):
        rows = found[query]
        if name.endswith("_bulk"):
            replies.append(DONE + b"".join([_record(query, key, rows[key]) for key in keys]) + COMPLETE)
            continue
        key, values = keys[0], rows[keys[0]]
        if values:
            replies.append(DONE + query.pairs(key, values[:MOST_ROWS]) + (CUT if len(values) > MOST_ROWS else COMPLETE))
        else:
            replies.append(Refusal(query.missing, key.decode()))
    return replies


def _exist(store: Store, requests: list[Request]) -> Replies:
    read: list[tuple[_Query, Sequence[bytes]] | Refusal] = []
    for name, strings in requests:
        objtype, keys = (strings[0], strings[1:]) if name.endswith("_bulk") else (strings[1], strings[:1])
        try:
            read.append((_THERE[kind_of(number(objtype.decode()))], keys))
        except Refusal as refusal:
            read.append(refusal)
    found = _all(store, [each for each in read if not isinstance(each, Refusal)])
    replies: Replies = []
    for (name, _), each in zip(requests, read, strict=True):
        if isinstance(each, Refusal):
            replies.append(each)
            continue
        query, keys = each
        if name.endswith("_bulk"):
            replies.append(DONE + b"".join([_record(query, key, found[query][key]) for key in keys]) + COMPLETE)
        else:
            replies.append(DONE if found[query][keys[0]] else Refusal(query.missing, keys[0].decode()))
    return replies


def _all(store: Store, read: Iterable[tuple[_Query, Sequence[bytes]]]) -> dict[_Query, Rows]:
    wanted: dict[_Query, list[bytes]] = {}
    for query, keys in read:
        wanted.setdefault(query, []).extend(keys)
    found = {query: query.found(store, names) for query, names in wanted.items()}
    if _LRCS in found:
        store.index.filters.refresh()
        for name, catalogues in found[_LRCS].items():
            catalogues += [lrc.encode() for lrc in store.index.filters.asked(name.decode())]
    return found


def _record(query: _Query, key: bytes, values: list[bytes]) -> bytes:
    """What a bulk's reply says of a key."""
    if not values:
        return b"%d\0%b\0" % (query.missing, key)
    return query.pairs(key, values, b"0\0")

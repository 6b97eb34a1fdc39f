# SPDX-License-Identifier: Apache-2.0
"""What each method does: from the strings of a request to the bytes of its reply, on one connection to a database.

The functions here know nothing of clients, threads and transactions. They raise `Refusal`; in bulk methods, which
answer with a list of what has failed, each part is refused by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from pyglobus.core.rls.attributes import Attributes
from pyglobus.core.rls.bloom import Shape
from pyglobus.core.rls.catalogue import Catalogue, Row, kind_of
from pyglobus.core.rls.database import Database
from pyglobus.core.rls.filters import Known
from pyglobus.core.rls.index import Index
from pyglobus.core.rls.requests import COMPLETE, CUT, DONE, listed, record
from pyglobus.core.rls.results import ObjectType, Refusal, Result
from pyglobus.core.rls.targets import Targets

#: Rows of one reply; a client that gets an end mark "cut" asks on from there.
MOST_ROWS = 100_000
_MISSING = {"lfn": Result.LFN_NEXIST, "pfn": Result.PFN_NEXIST, "lrc": Result.LRC_NEXIST}


class Store:
    """A catalogue or an index on a connection of its own; ``limit`` is the server's result_limit, and ``most`` how many
    rows a reply has where neither it nor the client wants fewer.
    """

    def __init__(
        self,
        database: Database,
        *,
        interval: Callable[[int], int] = lambda _: 0,
        known: Known | None = None,
        lists: Callable[[], bool] = lambda: True,
    ) -> None:
        """``interval``: seconds between updates of an index with these flags. ``known``, ``lists``: as for `Index`."""
        self.limit, self.most = 0, MOST_ROWS
        self.catalogue = Catalogue(database)
        self.attributes = Attributes(self.catalogue)
        self.targets = Targets(database, interval)
        self.index = Index(database, known, lists=lists)

    def restrict(self, limit: int) -> None:
        """Give no more rows at a time; 0: as many as there are."""
        self.limit, self.most = limit, limit or MOST_ROWS


Strings = list[str]
Handler = Callable[[Store, Strings], bytes]
#: A method that is answered at once: into how many pieces its request is cut at NULs, what answers it, and from what.
Point = tuple[int, Handler, Store]
#: What is to be done with a store: a request, by its method and strings, or something of the server's own.
Work = tuple[str, Sequence[bytes]] | Callable[[Store], bytes]
Perform = Callable[[Store, Sequence[Work]], list[bytes | BaseException]]


def answer(store: Store, name: str, strings: Sequence[bytes]) -> bytes:
    """The reply to a request. Raises `Refusal`, and `database.FAULTS`."""
    try:
        decoded = [value.decode() for value in strings]
    except UnicodeDecodeError:
        raise Refusal(Result.BADARG, "not UTF-8") from None
    return HANDLERS[name](store, decoded)


def perform(store: Store, works: Sequence[Work]) -> list[bytes | BaseException]:
    """The replies to several requests, each of which is refused by itself. Raises `database.FAULTS`."""
    replies: list[bytes | BaseException] = []
    for work in works:
        try:
            replies.append(answer(store, *work) if isinstance(work, tuple) else work(store))
        except Refusal as refusal:
            replies.append(refusal)
    return replies


def number(text: str) -> int:
    """A whole number of a request. Raises `Refusal`."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise Refusal(Result.BADARG, f"{text[:40]!r} is not a whole number")


def page(store: Store, offset: str, limit: str, rows: Callable[[int, int], list[Row]], nothing: Refusal) -> bytes:
    """The rows from ``offset`` on, with the end mark that tells whether there are more."""
    start, asked = number(offset), number(limit)
    if store.limit and asked > store.limit:
        raise Refusal(Result.BADARG, f"at most {store.limit} results at a time")
    most = asked or store.most
    found = rows(most + 1, start)
    if not found and not start:
        raise nothing
    return listed(found[:most], CUT if len(found) > most else COMPLETE)


def _each(strings: Strings, size: int, work: Callable[..., object], echo: Sequence[int]) -> bytes:
    """Do something with each group; the reply lists which have failed, with the strings at ``echo``."""
    failures = []
    for at in range(0, len(strings), size):
        group = strings[at : at + size]
        try:
            work(*group)
        except Refusal as refusal:
            failures.append((str(int(refusal.result)), *(group[i] for i in echo)))
    return listed(failures)


def _change(work: Callable[[Store, Strings], None]) -> Handler:
    def change(store: Store, given: Strings) -> bytes:
        work(store, given)
        return DONE

    return change


def _by_name(kind: str, name: str) -> Refusal:
    return Refusal(_MISSING[kind], name)


def _get(kind: str) -> Handler:
    def get(store: Store, given: Strings) -> bytes:
        key, offset, limit = given
        if offset == limit == "0":  # by far the most frequent request there is
            rows = store.catalogue.lookup(kind, key, store.most + 1)
            if len(rows) == 1:
                return f"0\0{rows[0][0]}\0{rows[0][1]}\0\0".encode()
            if rows:
                return listed(rows[: store.most], CUT if len(rows) > store.most else COMPLETE)
            raise _by_name(kind, key)
        return page(
            store,
            offset,
            limit,
            lambda most, start: store.catalogue.lookup(kind, key, most, start),
            _by_name(kind, key),
        )

    return get


def _match(kind: str) -> Handler:
    def match(store: Store, given: Strings) -> bytes:
        pattern, offset, limit = given
        nothing = _by_name(kind, pattern)
        return page(
            store, offset, limit, lambda most, start: store.catalogue.match(kind, pattern, most, start), nothing
        )

    return match


def _get_bulk(kind: str) -> Handler:
    def get(store: Store, keys: Strings) -> bytes:
        known, missing = store.catalogue.lookup_all(kind, keys), int(_MISSING[kind])
        parts = []
        for key in keys:
            if rows := known.get(key):
                parts += [f"0\0{lfn}\0{pfn}\0" for lfn, pfn in rows]
            else:
                parts.append(f"{missing}\0{key}\0")
        return b"0\0" + "".join(parts).encode() + COMPLETE

    return get


def _create_bulk(store: Store, given: Strings) -> bytes:
    pairs = list(zip(given[::2], given[1::2], strict=True))
    return listed((str(int(code)), lfn, pfn) for code, lfn, pfn in store.catalogue.create_all(pairs))


def _exists(store: Store, given: Strings) -> bytes:
    key, kind = given[0], kind_of(number(given[1]))
    if not store.catalogue.exists(kind, key):
        raise _by_name(kind, key)
    return DONE


def _exists_bulk(store: Store, given: Strings) -> bytes:
    kind = kind_of(number(given[0]))
    missing = str(int(_MISSING[kind]))
    return listed(("0", key, "") if store.catalogue.exists(kind, key) else (missing, key) for key in given[1:])


def _mapping_exists(store: Store, given: Strings) -> bytes:
    if not store.catalogue.mapping_exists(*given):
        raise Refusal(Result.MAPPING_NEXIST, ",".join(given))
    return record("")


def _rename(kind: str) -> Handler:
    return _change(lambda store, given: store.catalogue.rename(kind, *given))


def _rename_bulk(kind: str) -> Handler:
    return lambda store, given: _each(given, 2, lambda old, new: store.catalogue.rename(kind, old, new), (0, 1))


def _attr_add(store: Store, given: Sequence[str]) -> None:
    key, objtype, valtype, name, value = given
    store.attributes.add(key, number(objtype), number(valtype), name, value)


def _attr_modify(store: Store, given: Strings) -> bytes:
    key, name, objtype, valtype, value = given
    store.attributes.modify(key, name, number(objtype), number(valtype), value)
    return DONE


def _attr_delete(store: Store, given: Strings) -> bytes:
    name, objtype, clear = given
    store.attributes.delete(name, number(objtype), bool(number(clear)))
    return DONE


def _attr_values_bulk(store: Store, given: Strings) -> bytes:
    name, objtype, *keys = given
    kind = number(objtype)

    def rows() -> Iterator[Row]:
        for key in keys:
            try:
                for row in store.attributes.values(key, name, kind):
                    yield ("0", key, *row)
            except Refusal as refusal:
                yield (str(int(refusal.result)), key, name)

    return listed(rows())


def _attr_search(store: Store, given: Strings) -> bytes:
    name, objtype, operator, first, second, offset, limit = given
    kind, how = number(objtype), number(operator)
    return page(
        store,
        offset,
        limit,
        lambda most, start: store.attributes.search(name, kind, how, (first, second), most, start),
        Refusal(Result.ATTR_VALUE_NEXIST, name),
    )


def _rli_info(store: Store, given: Strings) -> bytes:
    if not given[0]:
        raise Refusal(Result.BADARG, "url is NULL")
    return record(*store.targets.info(given[0])[0])


# The index -----------------------------------------------------------------------------------------------------------


def _known(objtype: str) -> str:
    kinds = {ObjectType.RLI_LFN: "lfn", ObjectType.RLI_LRC: "lrc", ObjectType.LFN: "lfn"}
    try:
        return kinds[ObjectType(number(objtype))]
    except (KeyError, ValueError):
        raise Refusal(Result.INV_OBJ_TYPE, objtype) from None


def _known_exists(store: Store, given: Strings) -> bytes:
    key, kind = given[0], _known(given[1])
    if not store.index.knows(kind, key):
        raise _by_name(kind, key)
    return DONE


def _known_exists_bulk(store: Store, given: Strings) -> bytes:
    kind = _known(given[0])
    missing = str(int(_MISSING[kind]))
    return listed(("0" if store.index.knows(kind, key) else missing, key) for key in given[1:])


def _known_mapping(store: Store, given: Strings) -> bytes:
    if not store.index.mapping_exists(*given):
        raise Refusal(Result.MAPPING_NEXIST, ",".join(given))
    return record("")


def _known_get(store: Store, given: Strings) -> bytes:
    key, offset, limit = given
    nothing = _by_name("lfn", key)
    return page(store, offset, limit, lambda most, start: store.index.lookup(key, most, start), nothing)


def _known_match(store: Store, given: Strings) -> bytes:
    key, offset, limit = given
    nothing = _by_name("lfn", key)
    if store.index.filters.count():
        nothing = Refusal(Result.UNSUPPORTED, "Bloom filters do not know patterns")
    return page(store, offset, limit, lambda most, start: store.index.match(key, most, start), nothing)


def _known_bulk(store: Store, keys: Strings) -> bytes:
    rows: list[Row] = []
    for key in keys:
        rows += [("0", *row) for row in store.index.lookup(key)] or [(str(int(Result.LFN_NEXIST)), key)]
    return listed(rows)


def _now() -> int:
    return int(time.time())


def _update_begin(store: Store, given: Strings) -> bytes:
    url, interval, count = given
    number(count)
    return record(store.index.begin(url, number(interval), _now()))


def _update_names(store: Store, given: Strings) -> bytes:
    store.index.put(given[0], number(given[1]), given[2:], _now())
    return DONE


def _update_end(store: Store, given: Strings) -> bytes:
    store.index.end(given[0], number(given[1]), _now())
    return DONE


def _update_changes(store: Store, given: Strings) -> bytes:
    url, *rest = given
    signs = rest[::2]
    if any(sign not in "+-" for sign in signs):
        raise Refusal(Result.BADARG, "a change begins with + or -")
    store.index.change(url, zip((sign == "+" for sign in signs), rest[1::2], strict=True), _now())
    return DONE


def _filter_begin(store: Store, given: Strings) -> bytes:
    url, interval, *shape = given
    return record(store.index.begin_filter(url, number(interval), Shape(*map(number, shape)), _now()))


def _filter_pieces(store: Store, given: Strings) -> bytes:
    url, generation, first, *pieces = given
    store.index.put_pieces(url, number(generation), number(first), pieces, _now())
    return DONE


def _filter_end(store: Store, given: Strings) -> bytes:
    store.index.end_filter(given[0], number(given[1]), _now())
    return DONE


HANDLERS: dict[str, Handler] = {
    "lrc_create": _change(lambda store, given: store.catalogue.create(*given)),
    "lrc_add": _change(lambda store, given: store.catalogue.add(*given)),
    "lrc_delete": _change(lambda store, given: store.catalogue.delete(*given)),
    "lrc_create_bulk": _create_bulk,
    "lrc_add_bulk": lambda store, given: _each(given, 2, store.catalogue.add, (0, 1)),
    "lrc_delete_bulk": lambda store, given: _each(given, 2, store.catalogue.delete, (0, 1)),
    "lrc_clear": _change(lambda store, _: store.catalogue.clear()),
    "lrc_exists": _exists,
    "lrc_exists_bulk": _exists_bulk,
    "lrc_mapping_exists": _mapping_exists,
    "lrc_get_pfn": _get("lfn"),
    "lrc_get_lfn": _get("pfn"),
    "lrc_get_pfn_wc": _match("lfn"),
    "lrc_get_lfn_wc": _match("pfn"),
    "lrc_get_pfn_bulk": _get_bulk("lfn"),
    "lrc_get_lfn_bulk": _get_bulk("pfn"),
    "lrc_renamelfn": _rename("lfn"),
    "lrc_renamepfn": _rename("pfn"),
    "lrc_renamelfn_bulk": _rename_bulk("lfn"),
    "lrc_renamepfn_bulk": _rename_bulk("pfn"),
    "lrc_attr_create": _change(lambda store, g: store.attributes.create(g[0], number(g[1]), number(g[2]))),
    "lrc_attr_delete": _attr_delete,
    "lrc_attr_get": lambda store, given: listed(store.attributes.defined(given[0], number(given[1]))),
    "lrc_attr_add": _change(lambda store, given: _attr_add(store, given)),
    "lrc_attr_add_bulk": lambda store, given: _each(given, 5, lambda *group: _attr_add(store, group), (0, 3)),
    "lrc_attr_modify": _attr_modify,
    "lrc_attr_remove": _change(lambda store, g: store.attributes.remove(g[0], g[1], number(g[2]))),
    "lrc_attr_remove_bulk": lambda store, given: _each(
        given, 3, lambda key, objtype, name: store.attributes.remove(key, name, number(objtype)), (0, 2)
    ),
    "lrc_attr_value_get": lambda store, g: listed(store.attributes.values(g[0], g[1], number(g[2]))),
    "lrc_attr_value_get_bulk": _attr_values_bulk,
    "lrc_attr_search": _attr_search,
    "lrc_rli_add": _change(lambda store, g: store.targets.add(g[0], number(g[1]), g[2])),
    "lrc_rli_delete": _change(lambda store, given: store.targets.delete(*given)),
    "lrc_rli_get_part": lambda store, given: listed(store.targets.parts(*given)),
    "lrc_rli_info": _rli_info,
    "lrc_rli_list": lambda store, _: listed(store.targets.info()),
    "rli_exists": _known_exists,
    "rli_exists_bulk": _known_exists_bulk,
    "rli_mapping_exists": _known_mapping,
    "rli_get_lrc": _known_get,
    "rli_get_lrc_wc": _known_match,
    "rli_get_lrc_bulk": _known_bulk,
    "rli_lrc_list": lambda store, _: listed(store.index.senders()),
    "rli_sender_list": lambda store, _: listed(store.index.senders()),
    "pyglobus1_update_begin": _update_begin,
    "pyglobus1_update_names": _update_names,
    "pyglobus1_update_end": _update_end,
    "pyglobus1_update_changes": _update_changes,
    "pyglobus1_filter_begin": _filter_begin,
    "pyglobus1_filter_pieces": _filter_pieces,
    "pyglobus1_filter_end": _filter_end,
}

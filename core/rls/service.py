# SPDX-License-Identifier: Apache-2.0
"""What each method does: from the strings of a request to the bytes of its reply, on one connection to a database.

The functions here know nothing of clients, threads and transactions. They raise `Refusal`; in bulk methods, which
answer with a list of what has failed, each part is refused by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pyglobus.core.rls import indexing
from pyglobus.core.rls.catalogue import Row, kind_of
from pyglobus.core.rls.requests import COMPLETE, CUT, DONE, listed, record
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.store import Handler, Store, Strings, Work, changing, missing, number, page


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


def _get(kind: str) -> Handler:
    def get(store: Store, given: Strings) -> bytes:
        key, offset, limit = given
        if offset == limit == "0":  # by far the most frequent request there is
            rows = store.catalogue.lookup(kind, key, store.most + 1)
            if len(rows) == 1:
                return f"0\0{rows[0][0]}\0{rows[0][1]}\0\0".encode()
            if rows:
                return listed(rows[: store.most], CUT if len(rows) > store.most else COMPLETE)
            raise missing(kind, key)
        return page(
            store,
            offset,
            limit,
            lambda most, start: store.catalogue.lookup(kind, key, most, start),
            missing(kind, key),
        )

    return get


def _match(kind: str) -> Handler:
    def match(store: Store, given: Strings) -> bytes:
        pattern, offset, limit = given
        nothing = missing(kind, pattern)
        return page(
            store, offset, limit, lambda most, start: store.catalogue.match(kind, pattern, most, start), nothing
        )

    return match


def _get_bulk(kind: str) -> Handler:
    def get(store: Store, keys: Strings) -> bytes:
        known, absent = store.catalogue.lookup_all(kind, keys), int(missing(kind, "").result)
        parts = []
        for key in keys:
            if rows := known.get(key):
                parts += [f"0\0{lfn}\0{pfn}\0" for lfn, pfn in rows]
            else:
                parts.append(f"{absent}\0{key}\0")
        return b"0\0" + "".join(parts).encode() + COMPLETE

    return get


def _create_bulk(store: Store, given: Strings) -> bytes:
    pairs = list(zip(given[::2], given[1::2], strict=True))
    return listed((str(int(code)), lfn, pfn) for code, lfn, pfn in store.catalogue.create_all(pairs))


def _exists(store: Store, given: Strings) -> bytes:
    key, kind = given[0], kind_of(number(given[1]))
    if not store.catalogue.exists(kind, key):
        raise missing(kind, key)
    return DONE


def _exists_bulk(store: Store, given: Strings) -> bytes:
    kind = kind_of(number(given[0]))
    absent = str(int(missing(kind, "").result))
    return listed(("0", key, "") if store.catalogue.exists(kind, key) else (absent, key) for key in given[1:])


def _mapping_exists(store: Store, given: Strings) -> bytes:
    if not store.catalogue.mapping_exists(*given):
        raise Refusal(Result.MAPPING_NEXIST, ",".join(given))
    return record("")


def _rename(kind: str) -> Handler:
    return changing(lambda store, given: store.catalogue.rename(kind, *given))


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


HANDLERS: dict[str, Handler] = {
    "lrc_create": changing(lambda store, given: store.catalogue.create(*given)),
    "lrc_add": changing(lambda store, given: store.catalogue.add(*given)),
    "lrc_delete": changing(lambda store, given: store.catalogue.delete(*given)),
    "lrc_create_bulk": _create_bulk,
    "lrc_add_bulk": lambda store, given: _each(given, 2, store.catalogue.add, (0, 1)),
    "lrc_delete_bulk": lambda store, given: _each(given, 2, store.catalogue.delete, (0, 1)),
    "lrc_clear": changing(lambda store, _: store.catalogue.clear()),
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
    "lrc_attr_create": changing(lambda store, g: store.attributes.create(g[0], number(g[1]), number(g[2]))),
    "lrc_attr_delete": _attr_delete,
    "lrc_attr_get": lambda store, given: listed(store.attributes.defined(given[0], number(given[1]))),
    "lrc_attr_add": changing(lambda store, given: _attr_add(store, given)),
    "lrc_attr_add_bulk": lambda store, given: _each(given, 5, lambda *group: _attr_add(store, group), (0, 3)),
    "lrc_attr_modify": _attr_modify,
    "lrc_attr_remove": changing(lambda store, g: store.attributes.remove(g[0], g[1], number(g[2]))),
    "lrc_attr_remove_bulk": lambda store, given: _each(
        given, 3, lambda key, objtype, name: store.attributes.remove(key, name, number(objtype)), (0, 2)
    ),
    "lrc_attr_value_get": lambda store, g: listed(store.attributes.values(g[0], g[1], number(g[2]))),
    "lrc_attr_value_get_bulk": _attr_values_bulk,
    "lrc_attr_search": _attr_search,
    "lrc_rli_add": changing(lambda store, g: store.targets.add(g[0], number(g[1]), g[2])),
    "lrc_rli_delete": changing(lambda store, given: store.targets.delete(*given)),
    "lrc_rli_get_part": lambda store, given: listed(store.targets.parts(*given)),
    "lrc_rli_info": _rli_info,
    "lrc_rli_list": lambda store, _: listed(store.targets.info()),
    **indexing.HANDLERS,
}

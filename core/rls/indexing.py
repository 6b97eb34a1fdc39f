# SPDX-License-Identifier: Apache-2.0
"""What each method of an index does, from the strings of a request to the bytes of its reply: queries, and updates in
the form that the manual describes (UPDATES ON THE WIRE).
"""

from __future__ import annotations

import time

from pyglobus.core.rls.bloom import Shape
from pyglobus.core.rls.catalogue import Row
from pyglobus.core.rls.requests import DONE, listed, record
from pyglobus.core.rls.results import ObjectType, Refusal, Result
from pyglobus.core.rls.store import Handler, Store, Strings, changing, missing, number, page


def _kind(objtype: str) -> str:
    kinds = {ObjectType.RLI_LFN: "lfn", ObjectType.RLI_LRC: "lrc", ObjectType.LFN: "lfn"}
    try:
        return kinds[ObjectType(number(objtype))]
    except (KeyError, ValueError):
        raise Refusal(Result.INV_OBJ_TYPE, objtype) from None


def _exists(store: Store, given: Strings) -> bytes:
    key, kind = given[0], _kind(given[1])
    if not store.index.knows(kind, key):
        raise missing(kind, key)
    return DONE


def _exists_bulk(store: Store, given: Strings) -> bytes:
    kind = _kind(given[0])
    absent = str(int(missing(kind, "").result))
    return listed(("0" if store.index.knows(kind, key) else absent, key) for key in given[1:])


def _mapping_exists(store: Store, given: Strings) -> bytes:
    if not store.index.mapping_exists(*given):
        raise Refusal(Result.MAPPING_NEXIST, ",".join(given))
    return record("")


def _get(store: Store, given: Strings) -> bytes:
    key, offset, limit = given
    nothing = missing("lfn", key)
    return page(store, offset, limit, lambda most, start: store.index.lookup(key, most, start), nothing)


def _match(store: Store, given: Strings) -> bytes:
    key, offset, limit = given
    nothing = missing("lfn", key)
    if store.index.filters.count():
        nothing = Refusal(Result.UNSUPPORTED, "Bloom filters do not know patterns")
    return page(store, offset, limit, lambda most, start: store.index.match(key, most, start), nothing)


def _get_bulk(store: Store, keys: Strings) -> bytes:
    rows: list[Row] = []
    for key in keys:
        rows += [("0", *row) for row in store.index.lookup(key)] or [(str(int(Result.LFN_NEXIST)), key)]
    return listed(rows)


# Updates -------------------------------------------------------------------------------------------------------------


def _now() -> int:
    return int(time.time())


def _update_begin(store: Store, given: Strings) -> bytes:
    url, interval, count, path = given
    number(count)
    return record(store.index.begin(url, number(interval), _now(), path))


def _update_names(store: Store, given: Strings) -> bytes:
    store.index.put(given[0], number(given[1]), given[2:], _now())
    return DONE


def _update_end(store: Store, given: Strings) -> bytes:
    store.index.end(given[0], number(given[1]), _now())
    return DONE


def _update_changes(store: Store, given: Strings) -> bytes:
    url, path, *rest = given
    signs = rest[::2]
    if any(sign not in "+-" for sign in signs):
        raise Refusal(Result.BADARG, "a change begins with + or -")
    store.index.change(url, zip((sign == "+" for sign in signs), rest[1::2], strict=True), _now(), path)
    return DONE


def _filter_begin(store: Store, given: Strings) -> bytes:
    url, interval, *shape, path = given
    return record(store.index.begin_filter(url, number(interval), Shape(*map(number, shape)), _now(), path))


def _filter_pieces(store: Store, given: Strings) -> bytes:
    url, generation, first, *pieces = given
    store.index.put_pieces(url, number(generation), number(first), pieces, _now())
    return DONE


def _filter_end(store: Store, given: Strings) -> bytes:
    store.index.end_filter(given[0], number(given[1]), _now())
    return DONE


HANDLERS: dict[str, Handler] = {
    "rli_exists": _exists,
    "rli_exists_bulk": _exists_bulk,
    "rli_mapping_exists": _mapping_exists,
    "rli_get_lrc": _get,
    "rli_get_lrc_wc": _match,
    "rli_get_lrc_bulk": _get_bulk,
    "rli_lrc_list": lambda store, _: listed(store.index.catalogues()),
    "rli_sender_list": lambda store, _: listed(store.index.senders()),
    "rli_rli_add": changing(lambda store, given: store.targets.add(given[0], 0, given[1])),
    "rli_rli_delete": changing(lambda store, given: store.targets.delete(*given)),
    "rli_rli_get_part": lambda store, given: listed(store.targets.parts(*given)),
    "rli_rli_list": lambda store, _: listed(store.targets.info()),
    "pyglobus1_update_begin": _update_begin,
    "pyglobus1_update_names": _update_names,
    "pyglobus1_update_end": _update_end,
    "pyglobus1_update_changes": _update_changes,
    "pyglobus1_filter_begin": _filter_begin,
    "pyglobus1_filter_pieces": _filter_pieces,
    "pyglobus1_filter_end": _filter_end,
}

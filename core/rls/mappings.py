# SPDX-License-Identifier: Apache-2.0
"""Changes of mappings in PostgreSQL: those of all requests of a transaction go as lists to one function.

It does them one after the other, and looks and writes in the same order as `Catalogue` does; a code answers for each.
It lives in each connection that writes, so that servers of different versions can share a database. Mappings that names
get more are counted at the end, or before something is deleted: a row that is written a thousand times in a transaction
is slow to find.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyglobus.core.rls.catalogue import check_name
from pyglobus.core.rls.libpq import array, connection_of
from pyglobus.core.rls.requests import COMPLETE, DONE
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.store import Store

Request = tuple[str, Sequence[bytes]]

_CREATE, _ADD, _DELETE = 1, 2, 3
#: The methods, and what the function calls what they do.
METHODS = {
    f"lrc_{name}{bulk}": code
    for name, code in (("create", _CREATE), ("add", _ADD), ("delete", _DELETE))
    for bulk in ("", "_bulk")
}
#: A code that is none of the protocol's: it is done, and the logical name is gone with it.
_GONE = -1
_RESULTS = {int(result): result for result in Result}

#: What is done when a connection begins.
FUNCTION = """
CREATE FUNCTION pg_temp.rls_change(kinds int[], lfns text[], pfns text[]) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    codes int[] := '{}'; code int; l bigint; p bigint; described bool := EXISTS (SELECT 1 FROM t_attribute);
    more_l bigint[] := '{}'; more_p bigint[] := '{}';
BEGIN
    FOR i IN 1 .. cardinality(kinds) LOOP
        code := 0;
        SELECT id INTO l FROM t_lfn WHERE name = lfns[i];
        SELECT id INTO p FROM t_pfn WHERE name = pfns[i];
        IF kinds[i] = 3 THEN
            IF cardinality(more_l) > 0 OR cardinality(more_p) > 0 THEN
                CALL pg_temp.rls_count(more_l, more_p);
                more_l := '{}'; more_p := '{}';
            END IF;
            IF l IS NULL THEN code := 12;
            ELSIF p IS NULL THEN code := 14;
            ELSE
                DELETE FROM t_map WHERE lfn_id = l AND pfn_id = p;
                IF NOT FOUND THEN code := 10;
                ELSE
                    DELETE FROM t_lfn WHERE id = l AND ref <= 1;
                    IF FOUND THEN
                        code := -1;
                        IF described THEN CALL pg_temp.rls_forget(l, 0); END IF;
                    ELSE UPDATE t_lfn SET ref = ref - 1 WHERE id = l;
                    END IF;
                    DELETE FROM t_pfn WHERE id = p AND ref <= 1;
                    IF NOT FOUND THEN UPDATE t_pfn SET ref = ref - 1 WHERE id = p;
                    ELSIF described THEN CALL pg_temp.rls_forget(p, 1);
                    END IF;
                END IF;
            END IF;
        ELSIF kinds[i] = 1 AND l IS NOT NULL THEN code := 11;
        ELSIF kinds[i] = 2 AND l IS NULL THEN code := 12;
        ELSIF l IS NOT NULL AND p IS NOT NULL AND EXISTS (SELECT 1 FROM t_map WHERE lfn_id = l AND pfn_id = p) THEN
            code := 20;
        ELSE
            IF l IS NULL THEN INSERT INTO t_lfn (name, ref) VALUES (lfns[i], 1) RETURNING id INTO l;
            ELSE more_l := more_l || l;
            END IF;
            IF p IS NULL THEN INSERT INTO t_pfn (name, ref) VALUES (pfns[i], 1) RETURNING id INTO p;
            ELSE more_p := more_p || p;
            END IF;
            INSERT INTO t_map (lfn_id, pfn_id) VALUES (l, p);
        END IF;
        codes := codes || code;
    END LOOP;
    CALL pg_temp.rls_count(more_l, more_p);
    RETURN codes;
END $$;
CREATE PROCEDURE pg_temp.rls_count(more_l bigint[], more_p bigint[]) LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(more_l) > 0 THEN
        UPDATE t_lfn SET ref = ref + m.n FROM (SELECT u.id, count(*) n FROM unnest(more_l) u(id) GROUP BY u.id) m
            WHERE t_lfn.id = m.id;
    END IF;
    IF cardinality(more_p) > 0 THEN
        UPDATE t_pfn SET ref = ref + m.n FROM (SELECT u.id, count(*) n FROM unnest(more_p) u(id) GROUP BY u.id) m
            WHERE t_pfn.id = m.id;
    END IF;
END $$;
CREATE PROCEDURE pg_temp.rls_forget(object bigint, kind bigint) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM t_str_attr WHERE obj_id = object AND attr_id IN (SELECT id FROM t_attribute WHERE objtype = kind);
    DELETE FROM t_int_attr WHERE obj_id = object AND attr_id IN (SELECT id FROM t_attribute WHERE objtype = kind);
    DELETE FROM t_flt_attr WHERE obj_id = object AND attr_id IN (SELECT id FROM t_attribute WHERE objtype = kind);
    DELETE FROM t_date_attr WHERE obj_id = object AND attr_id IN (SELECT id FROM t_attribute WHERE objtype = kind);
END $$;
"""
_CHANGE = "SELECT pg_temp.rls_change(CAST(? AS int[]), CAST(? AS text[]), CAST(? AS text[]))"


def change(store: Store, requests: Sequence[Request]) -> list[bytes | BaseException]:
    """The replies to requests with one of the `METHODS`, whose strings are UTF-8. Raises `Fault`."""
    pairs: list[tuple[int, bytes, bytes]] = []
    refusals: list[Refusal | None] = []
    for name, strings in requests:
        kind = METHODS[name]
        for lfn, pfn in zip(strings[::2], strings[1::2], strict=True):
            pairs.append((kind, lfn, pfn))
            refusals.append(_unfit(kind, lfn, pfn))
    asked = [at for at, refusal in enumerate(refusals) if refusal is None]
    for at, code in zip(asked, _codes(store, [pairs[at] for at in asked]), strict=True):
        refusals[at] = _outcome(store, code, *pairs[at])
    outcomes = iter(zip(pairs, refusals, strict=True))
    return [_reply(name, [next(outcomes) for _ in strings[::2]]) for name, strings in requests]


def _reply(name: str, outcomes: list[tuple[tuple[int, bytes, bytes], Refusal | None]]) -> bytes | Refusal:
    if name.endswith("_bulk"):
        failed = [
            b"%d\0%b\0%b\0" % (refusal.result, lfn, pfn) for (_, lfn, pfn), refusal in outcomes if refusal is not None
        ]
        return DONE + b"".join(failed) + COMPLETE
    return outcomes[0][1] or DONE


def _codes(store: Store, pairs: list[tuple[int, bytes, bytes]]) -> list[int]:
    if not pairs:
        return []
    kinds, lfns, pfns = zip(*pairs, strict=True)
    numbers = b"{" + b",".join([b"%d" % kind for kind in kinds]) + b"}"
    result = connection_of(store.catalogue.database).query(_CHANGE, [numbers, array(lfns), array(pfns)])
    return list(map(int, (result.get_value(0, 0) or b"")[1:-1].split(b",")))


def _unfit(kind: int, lfn: bytes, pfn: bytes) -> Refusal | None:
    try:
        if kind == _CREATE:
            check_name(lfn.decode())
        if kind != _DELETE:
            check_name(pfn.decode())
    except Refusal as refusal:
        return refusal
    return None


def _outcome(store: Store, code: int, kind: int, lfn: bytes, pfn: bytes) -> Refusal | None:
    if code > 0:
        both = code in (Result.MAPPING_NEXIST, Result.MAPPING_EXIST)
        detail = lfn + b"," + pfn if both else pfn if code == Result.PFN_NEXIST else lfn
        return Refusal(_RESULTS[code], detail.decode())
    if kind == _CREATE:
        store.catalogue.changes.append((True, lfn.decode()))
    elif code == _GONE:
        store.catalogue.changes.append((False, lfn.decode()))
    return None

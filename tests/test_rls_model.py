# SPDX-License-Identifier: Apache-2.0
"""The two sides of the Replica Location Service's protocol, without any input or output, against a model: whatever is
asked in whatever order, and however the bytes are cut, the answers are those of a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pyglobus.core import errors
from pyglobus.core.rls import postgres, schema, sqlite
from pyglobus.core.rls.methods import METHODS
from pyglobus.core.rls.replies import Replies, Reply, request
from pyglobus.core.rls.requests import Request, Requests, failed
from pyglobus.core.rls.results import Refusal
from pyglobus.core.rls.service import answer
from pyglobus.core.rls.store import Store
from pyglobus.core.rls.together import together
from tests.cluster import Cluster

LFNS = st.sampled_from(["a", "b", "ä/1", "c d"])
PFNS = st.sampled_from(["p", "q", "gsiftp://h/☃"])
CUTS = st.lists(st.integers(1, 12), max_size=4)


def cut(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    for length in cuts:
        if len(data) > length:
            yield data[:length]
            data = data[length:]
    yield data


class Catalogue(RuleBasedStateMachine):
    """Mappings as a list of pairs, in the order in which they have come."""

    @initialize()
    def begin(self) -> None:
        self.database = sqlite.File(":memory:", schema.LRC).connect(reading=False)
        self.database.executescript("".join(schema.LRC.scripts(sqlite.DIALECT)))
        self.store = Store(self.database)
        self.requests, self.replies = Requests(), Replies()
        self.pairs: list[tuple[str, str]] = []
        self.cuts: list[int] = []

    def teardown(self) -> None:
        self.database.close()

    def ask(self, name: str, *fixed: str, groups: list[tuple[str, ...]] | None = None) -> Reply:
        method = METHODS[name.encode()]
        found = None
        for piece in cut(request(method, fixed, groups or ()), self.cuts):
            assert found is None
            self.requests.feed(piece)
            found = self.requests.next()
        assert found is not None
        try:
            said = self.said(found)
        except Refusal as refusal:
            said = failed(refusal)
        reply = None
        for piece in cut(said, self.cuts):
            self.replies.feed(piece)
            assert reply is None
            reply = self.replies.next(method)
        assert reply is not None
        assert not self.replies.pending
        return reply

    def said(self, asked: Request) -> bytes:
        return answer(self.store, asked.method.name, asked.strings)

    @rule(cuts=CUTS)
    def pieces(self, cuts: list[int]) -> None:
        self.cuts = cuts

    def created(self, lfn: str, pfn: str) -> int:
        if any(lfn == each for each, _ in self.pairs):
            return 11
        self.pairs.append((lfn, pfn))
        return 0

    def added(self, lfn: str, pfn: str) -> int:
        if not any(lfn == each for each, _ in self.pairs):
            return 12
        if (lfn, pfn) in self.pairs:
            return 20
        self.pairs.append((lfn, pfn))
        return 0

    def deleted(self, lfn: str, pfn: str) -> int:
        if not any(lfn == each for each, _ in self.pairs):
            return 12
        if not any(pfn == each for _, each in self.pairs):
            return 14
        if (lfn, pfn) not in self.pairs:
            return 10
        self.pairs.remove((lfn, pfn))
        return 0

    @rule(what=st.sampled_from(["create", "add", "delete"]), lfn=LFNS, pfn=PFNS)
    def one(self, what: str, lfn: str, pfn: str) -> None:
        expected = getattr(self, f"{what}d" if what.endswith("e") else f"{what}ed")(lfn, pfn)
        assert self.ask(f"lrc_{what}", lfn, pfn).code == expected

    @rule(what=st.sampled_from(["create", "add", "delete"]), pairs=st.lists(st.tuples(LFNS, PFNS), max_size=5))
    def many(self, what: str, pairs: list[tuple[str, str]]) -> None:
        model = getattr(self, f"{what}d" if what.endswith("e") else f"{what}ed")
        expected = [(str(code), *pair) for pair in pairs if (code := model(*pair))]
        assert self.ask(f"lrc_{what}_bulk", groups=list(pairs)).records == expected

    @rule(old=LFNS, new=LFNS)
    def rename(self, old: str, new: str) -> None:
        names = {lfn for lfn, _ in self.pairs}
        expected = 12 if old not in names else 11 if new in names else 0
        assert self.ask("lrc_renamelfn", old, new).code == expected
        if not expected:
            self.pairs = [(new if lfn == old else lfn, pfn) for lfn, pfn in self.pairs]

    @rule()
    def clear(self) -> None:
        assert self.ask("lrc_clear").code == 0
        self.pairs = []

    @rule(lfn=LFNS, pfn=PFNS)
    def look(self, lfn: str, pfn: str) -> None:
        found = self.ask("lrc_get_pfn", lfn, "0", "0")
        expected = {pair for pair in self.pairs if pair[0] == lfn}
        assert (found.code, set(found.records)) == (0 if expected else 12, expected)
        assert self.ask("lrc_mapping_exists", lfn, pfn).code == (0 if (lfn, pfn) in self.pairs else 10)
        counts = self.store.catalogue.counts()
        assert counts == tuple(map(len, ({a for a, _ in self.pairs}, {b for _, b in self.pairs}, self.pairs)))

    @invariant()
    def all_are_there(self) -> None:
        if hasattr(self, "pairs"):
            found = self.ask("lrc_get_pfn_wc", "%", "0", "0").records
            assert sorted(found) == sorted(self.pairs)


TestCatalogue = Catalogue.TestCase
TestCatalogue.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)


def test_catalogue_in_postgresql(cluster: Cluster) -> None:
    storage = postgres.Postgres(cluster.database(), schema.LRC)
    storage.prepare()
    database = storage.connect(reading=False)

    class There(Catalogue):
        @initialize()
        def begin(self) -> None:
            super().begin()
            self.store = Store(database)
            self.ask("lrc_clear")

        def said(self, asked: Request) -> bytes:
            database.begin()
            (said,) = together(self.store, [(asked.method.name, asked.strings)])
            database.commit()
            if isinstance(said, BaseException):
                raise said
            return said

    run_state_machine_as_test(There, settings=settings(TestCatalogue.settings, max_examples=10))
    database.close()


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_requests_or_refused(pieces: list[bytes]) -> None:
    requests = Requests()
    try:
        for piece in pieces:
            requests.feed(piece)
            while requests.next() is not None:
                pass
    except Refusal as refusal:
        assert refusal.result in (5, 8)


@given(st.sampled_from(sorted(METHODS)), st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_replies_or_refused(method: bytes, pieces: list[bytes]) -> None:
    replies = Replies()
    try:
        for piece in pieces:
            replies.feed(piece)
            replies.next(METHODS[method])
    except errors.ProtocolError:
        pass


def test_what_cannot_be_sent_is_refused_here() -> None:
    create = METHODS[b"lrc_create"]
    for bad in (("a\0b", "p"), ("\udcff", "p"), ("a",)):
        with pytest.raises(errors.UsageError):
            request(create, bad)
    with pytest.raises(errors.UsageError):
        request(METHODS[b"lrc_get_pfn_bulk"], (), [("",)])

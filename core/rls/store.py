# SPDX-License-Identifier: Apache-2.0
"""What a request is answered from: a catalogue or an index on one connection to its database; and what the methods of
both have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyglobus.core.rls.attributes import Attributes
from pyglobus.core.rls.catalogue import Catalogue, Row
from pyglobus.core.rls.database import Database
from pyglobus.core.rls.filters import Known
from pyglobus.core.rls.index import Index
from pyglobus.core.rls.requests import COMPLETE, CUT, DONE, listed
from pyglobus.core.rls.results import Refusal, Result
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
        own: str = "",
    ) -> None:
        """``interval``: seconds between updates of an index with these flags. ``known``, ``lists`` and ``own``: as for
        `Index`.
        """
        self.limit, self.most = 0, MOST_ROWS
        self.catalogue = Catalogue(database)
        self.attributes = Attributes(self.catalogue)
        self.targets = Targets(database, interval)
        self.index = Index(database, known, lists=lists, own=own)

    def restrict(self, limit: int) -> None:
        """Give no more rows at a time; 0: as many as there are."""
        self.limit, self.most = limit, limit or MOST_ROWS

    def mark(self) -> tuple[int, int]:
        """Where `rewind` goes back to."""
        return len(self.catalogue.changes), len(self.index.changes)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget the changes that were noted since: they have not been kept."""
        del self.catalogue.changes[mark[0] :]
        del self.index.changes[mark[1] :]


Strings = list[str]
Handler = Callable[[Store, Strings], bytes]
#: A method that is answered at once: into how many pieces its request is cut at NULs, what answers it, and from what.
Point = tuple[int, Handler, Store]
#: What is to be done with a store: a request, by its method and strings, or something of the server's own.
Work = tuple[str, Sequence[bytes]] | Callable[[Store], bytes]
Perform = Callable[[Store, Sequence[Work]], list[bytes | BaseException]]


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


def changing(work: Callable[[Store, Strings], None]) -> Handler:
    """A method that does something and has no results."""

    def change(store: Store, given: Strings) -> bytes:
        work(store, given)
        return DONE

    return change


def missing(kind: str, name: str) -> Refusal:
    """There is no such ``lfn``, ``pfn`` or ``lrc``."""
    return Refusal(_MISSING[kind], name)

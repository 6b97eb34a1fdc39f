# SPDX-License-Identifier: Apache-2.0
"""How long it takes a catalogue to inform an index, from the request to the acknowledged end, both being servers of
their own on one machine: all names, to an index that knows none and to one that knows them already, and a Bloom filter,
which is made of the tables each time. And how many of names that are not there the filter says to be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.rlsfield import Catalogue, Generator
from pyglobus.core.rls import Client

BULK = 1000
#: Names that are not there, of which an index is asked.
_ASKED = 100_000
_PATIENCE = 300


class Figure(NamedTuple):
    """What was measured, the most that is a goal, and the unit."""

    title: str
    value: float
    goal: float
    unit: str


def updates(directory: Path, database: str, mappings: int) -> Iterator[Figure]:
    """Measure it; with ``database`` the goals, which are for files, are left out."""
    places = [directory / "catalogue", directory / "index"]
    for each in places:
        each.mkdir()
    slack = float("inf") if database else 1.0
    with Catalogue(places[0], database) as catalogue, Catalogue(places[1], database, index=True) as index:
        with catalogue.clients(1) as clients:
            Generator(directory, mappings).run("load", clients, count=-(-mappings // BULK), bulk=BULK)
        with Client(catalogue.url, timeout=_PATIENCE) as client, Client(index.url) as asked:
            client.call("lrc_rli_add", index.url, "0", "")
            yield Figure("all names, to an empty index", _next(places[0], 1), 8 * slack, "s")
            yield Figure("all names, again", _again(client, places[0], 2), 8 * slack, "s")
            client.call("lrc_rli_delete", index.url, "")
            client.call("lrc_rli_add", index.url, "1", "")
            _next(places[0], 3)
            times = [_again(client, places[0], count) for count in (4, 5, 6)]
            yield Figure("Bloom filter, median of 3", sorted(times)[1], 1.5 * slack, "s")
            wrong = sum(not code for code, _, _ in asked.query_index_bulk(f"no such name {i}" for i in range(_ASKED)))
            yield Figure("said to be there and are not", 100 * wrong / _ASKED, 1.0, "%")
        yield Figure("memory of the catalogue, the most", catalogue.resident(peak=True), 120, "MiB")
        yield Figure("memory of the index, the most", index.resident(peak=True), 120, "MiB")


def _again(client: Client, directory: Path, count: int) -> float:
    client.call("admin", "2")
    return _next(directory, count)


def _next(directory: Path, count: int) -> float:
    """Seconds until the catalogue's log tells of so many updates."""
    begun = time.perf_counter()
    while (directory / "log").read_text().count('"type": "update"') < count:
        if time.perf_counter() > begun + _PATIENCE:
            raise OSError("the index is not informed")
        time.sleep(0.005)
    return time.perf_counter() - begun

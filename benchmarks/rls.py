# SPDX-License-Identifier: Apache-2.0
"""Measure a replica catalogue: ``python -m benchmarks.rls``.

A server of its own process, with access list, limits and log, is given a million mappings in bulks, in ascending order
of names; then each case runs for some seconds, with a C program as the client, one request outstanding on each
connection, which looks for answers to queries without sleeping: on a virtual machine it would else measure how long
that takes to wake an idle processor. All of it takes a minute and a half. Queries are for names at random, and what is
added has random names between those that there are. The directory should be on the disk that a catalogue would be on:
how fast that makes data durable decides how fast changes are, and is measured first. With ``--updates`` a catalogue
informs an index instead. With ``--kills`` the server is killed under load instead, again and again, and what it has
acknowledged is looked for.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.rlsfield import MANY, Catalogue, Generator, Load
from benchmarks.rlskills import survive
from benchmarks.rlsupdates import updates
from pyglobus.core.rls import Client

BULK = 1000
#: MiB of the server, and connections meanwhile; seconds of a login.
MEMORY, CONNECTIONS, LOGIN = 120, 500, 0.060


class Case(NamedTuple):
    """What the load is, on how many connections, and the goal in ``unit`` a second; 0 where the disk sets it."""

    title: str
    load: str
    connections: int
    goal: float
    unit: str = "queries"
    bulk: int = 0
    seed: int = 0


CASES = (
    Case("query", "query", 1, 12_000),
    Case("query", "query", 10, 20_000),
    Case("query", "query", 100, 18_000),
    Case("bulk query", "bulkquery", 1, 50_000, "names", BULK),
    Case("bulk query", "bulkquery", 10, 50_000, "names", BULK),
    Case("durable create", "create", 1, 0, "names", seed=1),
    Case("durable create", "create", 10, 5_000, "names", seed=2),
    Case("durable delete", "delete", 10, 5_000, "names", seed=2),
    Case("bulk create, random", "bulkcreate", 1, 15_000, "names", BULK, 4),
    Case("durable add", "add", 10, 5_000, "names", seed=4),
)
_LOADING = Case("bulk create, ascending", "load", 1, 40_000, "names", BULK)
#: With PostgreSQL there are goals for these, by load and connections, and for nothing else.
_POSTGRES = {("query", 10): 6_000, ("create", 10): 3_000, ("add", 10): 3_000}


class Table:
    """Lines of results as they come."""

    def __init__(self, *, rates: bool = True) -> None:
        self.missed = 0
        if not rates:
            return
        print(f"{'':24}{'clients':>8}{'a second':>12}{'goal':>10}{'':>7}{'median':>11}{'99 %':>10}{'longest':>10}")

    def row(self, case: Case, found: Load, goal: float) -> None:
        """One case."""
        rate = found.names if case.bulk else found.requests
        times = "".join(f"{each:>7.2f} ms" for each in (found.median, found.late, found.longest))
        said = self._said(rate >= goal) if goal else "none"
        print(f"{case.title:24}{case.connections:>8}{rate:>12,.0f}{goal:>10,.0f}{said:>7} {times}", flush=True)

    def figure(self, title: str, value: float, goal: float, unit: str) -> None:
        """One figure that may be at most the goal."""
        said = self._said(value <= goal) if goal < math.inf else "none"
        print(f"{title:34}{value:>8.2f} {unit:3}{goal:>10.1f}{said:>7}", flush=True)

    def _said(self, met: bool) -> str:
        self.missed += not met
        return "met" if met else "missed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure it; 1 if a goal is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rls", description=__doc__)
    parser.add_argument("--mappings", type=int, default=1_000_000, metavar="N", help="to begin with [1000000]")
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="of each case [4]")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="for the database [that for temporary files]")
    parser.add_argument("--database", default="", metavar="URL", help="keep them in PostgreSQL, in an empty database")
    parser.add_argument("--gsi", action="store_true", help="measure with logins, and these")
    parser.add_argument("--updates", action="store_true", help="measure how an index is informed")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="kill the server under load, so often")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        if options.kills:
            creates, deletes = survive(Catalogue(directory, options.database), options.kills, options.seconds)
            print(f"{options.kills} kills: {creates:,} creates and {deletes:,} deletes were acknowledged, and are kept")
            return 0
        if options.updates:
            table = Table(rates=False)
            for figure in updates(directory, options.database, options.mappings):
                table.figure(*figure)
            return int(table.missed > 0)
        syncs = _syncs(directory)
        print(f"the disk makes {syncs:,.0f} writes a second durable (fdatasync)")
        table = Table()
        with _environments(options.gsi) as (host, login):
            generator = Generator(directory, options.mappings)
            with Catalogue(directory, options.database, host=host) as catalogue:
                if login:
                    table.figure("login, median of 20", _logins(catalogue) * 1000, LOGIN * 1000, "ms")
                _rates(
                    catalogue, generator, table, options.mappings, options.seconds, syncs, remote=bool(options.database)
                )
    return int(table.missed > 0)


def _rates(
    catalogue: Catalogue,
    generator: Generator,
    table: Table,
    mappings: int,
    seconds: float,
    syncs: float,
    *,
    remote: bool,
) -> None:
    with catalogue.clients(1) as clients:
        count = -(-mappings // BULK)
        table.row(_LOADING, generator.run("load", clients, count=count, bulk=BULK), 0 if remote else _LOADING.goal)
    created = MANY
    for case in CASES:
        goal = case.goal or min(0.5 * syncs, 4_000)
        if remote:
            goal = _POSTGRES.get((case.load, case.connections), 0)
        count = int(created * 0.9) if case.load in ("add", "delete") else MANY  # of what the run before has created
        with catalogue.clients(case.connections) as clients:
            found = generator.run(case.load, clients, seconds=seconds, count=count, seed=case.seed, bulk=case.bulk)
        created = int(found.names * seconds)
        table.row(case, found, goal)
    with catalogue.clients(CONNECTIONS) as clients:
        generator.run("query", clients, seconds=seconds / 2)
        table.figure(f"memory, {CONNECTIONS} clients", catalogue.resident(), MEMORY, "MiB")
        table.figure("memory, the most so far", catalogue.resident(peak=True), MEMORY, "MiB")


def _logins(catalogue: Catalogue) -> float:
    """Seconds that a client takes to connect, log in and be welcome."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        with Client(catalogue.url):
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _syncs(directory: Path, seconds: float = 1.0) -> float:
    """How often in a second two pages, at the end of a file or over what was there, reach the disk: the slower."""
    return min(_synced(directory / "appended", seconds, 0), _synced(directory / "written", seconds, 64 << 20))


def _synced(path: Path, seconds: float, length: int) -> float:
    page, count = os.urandom(8192), 0
    with path.open("wb") as stream:
        stream.write(bytes(length))
        stream.flush()
        os.fsync(stream.fileno())
        begun = time.perf_counter()
        while (spent := time.perf_counter() - begun) < seconds:
            at = count * len(page)
            os.pwrite(stream.fileno(), page, at % length if length else at)
            os.fdatasync(stream.fileno())
            count += 1
    path.unlink()
    return count / spent


@contextmanager
def _environments(secure: bool) -> Iterator[tuple[Mapping[str, str] | None, bool]]:
    """The environment of a server that authenticates; this process is the user meanwhile."""
    if not secure:
        yield None, False
        return
    from pyglobus.core.sandbox import Sandbox

    with Sandbox(run=()) as grid:
        os.environ.update(grid.variables)
        site = grid.directory / "host"
        host = {name: value for name, value in os.environ.items() if name != "X509_USER_PROXY"}
        host |= {"X509_USER_CERT": str(site / "hostcert.pem"), "X509_USER_KEY": str(site / "hostkey.pem")}
        yield host | {"GRIDMAP": str(site / "grid-mapfile"), "GLOBUS_HOSTNAME": "localhost"}, True


if __name__ == "__main__":
    sys.exit(main())

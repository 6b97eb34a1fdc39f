# SPDX-License-Identifier: Apache-2.0
"""All replicas of a name, wherever they are known: an index is asked for catalogues, and these, side by side, for
replicas. A catalogue that does not answer takes nothing from what the others say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.rls.client import Client
from pyglobus.core.rls.results import Result, RlsError

#: Catalogues that are asked at a time.
_SIDE_BY_SIDE = 16


class Replica(NamedTuple):
    """One replica, and the catalogue that knows it."""

    lfn: str
    pfn: str
    catalogue: str


class Located(NamedTuple):
    """What is known; ``silent`` are catalogues that could not say, each with the error."""

    replicas: list[Replica]
    silent: list[tuple[str, errors.Error]]


def locate(lfn: str, server: Client, connect: Callable[[str], Client]) -> Located:
    """Ask ``server``, an index, and with ``connect`` the catalogues that it names; or ``server`` alone, if it is a
    catalogue. Raises what the methods of `Client` do.
    """
    try:
        catalogues = [url for _, url in server.query_index(lfn)]
    except RlsError as error:
        if error.code not in (Result.INVSERVER, Result.BADMETHOD, Result.UNSUPPORTED):
            raise
        return Located([Replica(*pair, server.url) for pair in server.query(lfn)], [])
    from concurrent.futures import ThreadPoolExecutor

    def ask(url: str) -> list[Replica] | errors.Error:
        try:
            with connect(url) as catalogue:
                return [Replica(*pair, url) for pair in catalogue.query(lfn)]
        except RlsError as error:  # the index is older than what the catalogue knows now
            return [] if error.code == Result.LFN_NEXIST else error
        except errors.Error as error:
            return error

    found = Located([], [])
    with ThreadPoolExecutor(min(_SIDE_BY_SIDE, len(catalogues) or 1)) as threads:
        for url, said in zip(catalogues, threads.map(ask, catalogues), strict=True):
            if isinstance(said, errors.Error):
                found.silent.append((url, said))
            else:
                found.replicas.extend(each for each in said if each.pfn not in {known.pfn for known in found.replicas})
    return found

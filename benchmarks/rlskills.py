# SPDX-License-Identifier: Apache-2.0
"""A replica catalogue that is killed while clients create and delete: every name whose creation was acknowledged must
be there afterwards, and none whose deletion was. Only what was asked for and not yet answered may be either.
"""

from __future__ import annotations

import threading
import time

from benchmarks.rlsfield import Catalogue
from pyglobus.core import errors
from pyglobus.core.rls import Client

#: Clients that write at the same time.
_CLIENTS = 6


class Writer(threading.Thread):
    """A client that creates names, and deletes one in three of them again, until its server is gone."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name)
        self._url = url
        #: What has been acknowledged: names with their replicas, and names without.
        self.there: dict[str, str] = {}
        self.gone: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with Client(self._url) as client:
                number = 0
                while True:
                    lfn, pfn = f"{self.name}-{number}", f"gsiftp://h/{self.name}/{number % 100}"
                    client.create(lfn, pfn)
                    self.there[lfn] = pfn
                    if number % 3 == 2:
                        lfn, pfn = next(iter(self.there.items()))
                        del self.there[lfn]
                        client.delete(lfn, pfn)
                        self.gone.append(lfn)
                    number += 1
        except BaseException as failure:
            self.failure = failure


def survive(catalogue: Catalogue, kills: int, seconds: float) -> tuple[int, int]:
    """Kill it so often, each time after so many seconds of load; how many creations and deletions it has acknowledged.
    Raises ValueError where one of them is lost.
    """
    there: dict[str, str] = {}
    gone: list[str] = []
    deleted = 0
    for turn in range(kills):
        catalogue.start()
        writers = [Writer(catalogue.url, f"w{turn}-{number}") for number in range(_CLIENTS)]
        try:
            for each in writers:
                each.start()
            time.sleep(seconds)
        finally:
            catalogue.kill()
            for each in writers:
                each.join()
        for each in writers:
            if not isinstance(each.failure, errors.TransientError) or not each.there:
                raise ValueError(f"{each.name} has not been served until the end: {each.failure!r}")
            there |= each.there
            gone += each.gone
        catalogue.start()
        try:
            with Client(catalogue.url) as client:
                _check(client, there, gone)
        finally:
            catalogue.kill()
        deleted += len(gone)
        gone = []
    return len(there) + deleted, deleted


def _check(client: Client, there: dict[str, str], gone: list[str]) -> None:
    found = {lfn: pfn for code, lfn, pfn in client.query_bulk(there) if code == 0}
    if found != there:
        lost = len(there.items() - found.items())
        raise ValueError(f"{lost} of {len(there)} names that were acknowledged are lost")
    back = [name for code, name in client.exists_bulk(gone) if code == 0]
    if back:
        raise ValueError(f"{len(back)} of {len(gone)} names that had been deleted are back")

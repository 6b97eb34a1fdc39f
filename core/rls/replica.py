# SPDX-License-Identifier: Apache-2.0
"""Which replica of a file to take, and what a new one is registered as.

A replica on this machine comes first, be it a file or served from here; others follow in the order in which catalogues
have named them. A name that is no URL says nothing of where it is, and a ``file:`` URL of another machine, or of a file
that is not there, cannot be had from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.rls.client import Client
from pyglobus.core.rls.locate import Replica
from pyglobus.core.rls.results import Result, RlsError
from pyglobus.core.url import PORTS, Url, parse
from pyglobus.core.urllist import full


class Choice(NamedTuple):
    """The replicas that can be had, best first, each with its URL; and those that cannot, each with the reason."""

    within: list[tuple[Replica, Url]]
    without: list[tuple[Replica, str]]


def choose(replicas: Iterable[Replica], destination: Url) -> Choice:
    """Sort them for a copy to ``destination``, which is no source of itself."""
    found = Choice([], [])
    for replica in replicas:
        try:
            url = _source(replica.pfn)
        except errors.UsageError as error:
            found.without.append((replica, error.why or error.what))
            continue
        if url == destination._replace(pattern=None):
            found.without.append((replica, "it is the destination"))
        elif url.is_local and not os.path.exists(url.path):
            found.without.append((replica, "there is no such file on this machine"))
        else:
            found.within.append((replica, url))
    here = _names_of_this_machine()
    found.within.sort(key=lambda each: (not each[1].is_local, each[1].host not in here))
    return found


def registered(destination: Url) -> str:
    """The physical name of a copy: a URL that means the same everywhere, and has no password."""
    if not destination.is_local:
        return full(destination)
    path = full(destination._replace(path=os.path.abspath(destination.path))).removeprefix("file://")
    return f"file://{os.uname().nodename.lower()}{path}"


def register(catalogue: Client, lfn: str, pfn: str) -> None:
    """Let a catalogue know a replica, whether it knows the logical name already or not."""
    for work in (catalogue.add, catalogue.create, catalogue.add):  # another client may create it meanwhile
        try:
            work(lfn, pfn)
        except RlsError as error:
            if error.code == Result.MAPPING_EXIST:
                return
            if error.code not in (Result.LFN_NEXIST, Result.LFN_EXIST):
                raise
        else:
            return
    raise errors.TransientError("cannot register", where=catalogue.url, why=f"{lfn} comes and goes")


def _source(pfn: str) -> Url:
    if pfn.partition(":")[0].lower() not in ("file", *PORTS):
        raise errors.UsageError("not a URL", why="it is no URL that can be copied from")
    url = parse(pfn)._replace(pattern=None)  # a catalogue names files: an asterisk is one
    if url.is_directory:
        raise errors.UsageError("a directory", why="it is a directory")
    return url


def _names_of_this_machine() -> frozenset[str]:
    own = os.uname().nodename.lower()
    return frozenset(("localhost", "127.0.0.1", "::1", own, os.environ.get("GLOBUS_HOSTNAME", own).lower()))

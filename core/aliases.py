# SPDX-License-Identifier: Apache-2.0
"""Alias files: several hosts that stand for the one host of all sources, or of all destinations.

A line is ``@source`` or ``@destination``, or one of the hosts (``HOST[:PORT]``) that the name above it stands for;
blank lines and lines that begin with ``#`` are comments. Connection number n of a job goes to host n, modulo how many
there are; directories are listed at the first. This is the format of globus-url-copy (-af).
"""

from __future__ import annotations

from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.plan import Item, Pair
from pyglobus.core.url import PORTS, Url, parse

# More than any site has; the C tool overruns its table after 50.
_MAX_HOSTS = 10_000
_MAX_BYTES = 1 << 20


class Aliases(NamedTuple):
    """The hosts in turn, each as the authority part of a URL; none where a side keeps its own."""

    source: tuple[Url, ...] = ()
    destination: tuple[Url, ...] = ()

    def item(self, item: Item, number: int) -> Item:
        """The item as connection ``number`` copies it."""
        return item._replace(
            source=_at(item.source, self.source, number), destination=_at(item.destination, self.destination, number)
        )

    def pair(self, pair: Pair) -> Pair:
        """The pair as it is listed."""
        return pair._replace(
            source=_at(pair.source, self.source, 0), destination=_at(pair.destination, self.destination, 0)
        )


def read(path: str) -> Aliases:
    """The aliases in a file. Raises `errors.Error`."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot read the aliases", where=path, role="source") from error
    hosts: dict[str, list[Url]] = {}
    current: list[Url] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{path}, line {number}"
        if words[0].startswith("@"):
            if words[0] in hosts:
                raise errors.UsageError("cannot understand the aliases", where=where, why=f"{words[0]} comes twice")
            current = hosts.setdefault(words[0], [])
        elif current is None:
            why = "a host before the first @source or @destination"
            raise errors.UsageError("cannot understand the aliases", where=where, why=why)
        elif len(current) < _MAX_HOSTS:
            current.append(_host(words[0], where))
    return Aliases(tuple(hosts.get("@source", ())), tuple(hosts.get("@destination", ())))


def _host(text: str, where: str) -> Url:
    try:
        host = parse(f"gsiftp://{text}/")
    except errors.UsageError as error:
        raise errors.UsageError("cannot understand the aliases", where=where, why=error.why or error.what) from error
    # The port of a URL's own scheme stands where none is given: it differs from scheme to scheme.
    return host if ":" in text.rpartition("]")[2] else host._replace(port=0)


def _at(url: Url, hosts: tuple[Url, ...], number: int) -> Url:
    if not hosts or not url.is_ftp:
        return url
    host = hosts[number % len(hosts)]
    return url._replace(host=host.host, port=host.port or PORTS[url.scheme])

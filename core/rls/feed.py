# SPDX-License-Identifier: Apache-2.0
"""What a catalogue tells an index, on a connection to it: the sending side of the wire form of updates, which the
manual describes (UPDATES ON THE WIRE).

Names come and go as blocks, in which NUL follows each name, as it does on the wire: from a database to a socket without
becoming an object each. While an index stores one block it is sent the next.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from itertools import islice

from pyglobus.core.rls.bloom import Filter
from pyglobus.core.rls.client import Client

#: Names of one message: so many fit into a request if they are as long as names can be.
PAGE = 8000
#: Pieces of a filter in one message.
_PIECES = 32

Change = tuple[bool, str]


class Feed:
    """A connection to an index, used for the catalogue with the URL ``lrc``; ``patterns`` of the shell choose names, if
    there are any, and ``path`` are the indexes that pass them on, if it is not the catalogue itself. All methods raise
    what those of `Client` do.
    """

    def __init__(self, client: Client, lrc: str, patterns: Sequence[str] = (), path: Sequence[str] = ()) -> None:
        self._client = client
        self._lrc = lrc
        self._path = " ".join(path)
        self._wanted = re.compile("|".join(map(translate, patterns))).match if patterns else None

    def names(self, interval: int, count: int, blocks: Iterable[bytes]) -> int:
        """All names: about ``count``, and again within ``interval`` seconds. How many were sent."""
        begun = self._client.call("pyglobus1_update_begin", self._lrc, str(interval), str(count), self._path)
        number = begun.records[0][0]
        head, sent = f"pyglobus1_update_names\0{self._lrc}\0{number}\0".encode(), 0

        def requests() -> Iterator[bytes]:
            nonlocal sent
            for block in map(self._chosen, blocks):
                if block:
                    sent += block.count(b"\0")
                    yield head + block + b"\0"

        self._client.call_ahead("pyglobus1_update_names", requests())
        self._client.call("pyglobus1_update_end", self._lrc, number)
        return sent

    def changes(self, changes: Iterable[Change]) -> int:
        """Names that have come (True) or gone. How many were sent."""
        wanted, sent = self._wanted, 0
        chosen = (("+" if there else "-", name) for there, name in changes if wanted is None or wanted(name))
        while page := list(islice(chosen, PAGE)):
            self._client.call("pyglobus1_update_changes", self._lrc, self._path, groups=page)
            sent += len(page)
        return sent

    def filter(self, interval: int, filter_: Filter) -> None:
        """A Bloom filter of all names, and another within ``interval`` seconds."""
        begun = self._client.call(
            "pyglobus1_filter_begin", self._lrc, str(interval), *map(str, filter_.shape), self._path
        )
        number, pieces = begun.records[0][0], list(filter_.pieces())

        def requests() -> Iterator[bytes]:
            for at in range(0, len(pieces), _PIECES):
                texts = [b2a_base64(piece, newline=False) + b"\0" for piece in pieces[at : at + _PIECES]]
                yield f"pyglobus1_filter_pieces\0{self._lrc}\0{number}\0{at}\0".encode() + b"".join(texts) + b"\0"

        self._client.call_ahead("pyglobus1_filter_pieces", requests())
        self._client.call("pyglobus1_filter_end", self._lrc, number)

    def _chosen(self, block: bytes) -> bytes:
        wanted = self._wanted
        if wanted is None:
            return block
        return "".join([f"{name}\0" for name in block[:-1].decode().split("\0") if wanted(name)]).encode()

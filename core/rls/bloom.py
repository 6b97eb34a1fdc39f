# SPDX-License-Identifier: Apache-2.0
"""Bloom filters: which names a catalogue may have, in some bits for each. What a filter denies is not there; of what is
not there it denies all but a few, with 10 bits and 7 hashes for each name 99.2 of 100.

The first 16 bytes of a name's SHA-256 are two numbers of 64 bits, the second made odd; from the first on, in steps of
the second, lie the bits that the name sets: ffi/src/bloom.h has the definition. Filters are filled in C, and asked
here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: Bits of a filter: enough for 50 million names at 10 bits each. Beyond that more of them are said to be there.
MOST_SIZE, LEAST_SIZE = 1 << 29, 64
#: Bits that a name may set.
MOST_HASHES = 16
#: Bytes of each piece of a filter but the last: in base64 they are shorter than a string of the protocol may be.
PIECE = 72 << 10
#: The part of the bits that may be set: with more, a filter says little but yes. The best has half of them set.
_FULL = 0.75
_MASK = (1 << 64) - 1

Key = tuple[int, int]


class Shape(NamedTuple):
    """How a filter is made: bits for each name, bits in all, and names."""

    hashes: int
    size: int
    names: int

    @property
    def pieces(self) -> int:
        """How many pieces it has."""
        return -(-self.size // 8 // PIECE)

    def unfit(self) -> str | None:
        """Why there is no such filter, or None."""
        if not 1 <= self.hashes <= MOST_HASHES:
            return f"a name sets 1 to {MOST_HASHES} bits"
        if not LEAST_SIZE <= self.size <= MOST_SIZE or self.size % 8:
            return f"a filter has {LEAST_SIZE} to {MOST_SIZE} bits, in whole bytes"
        if self.names > self.size:
            return "there are more names than bits"
        return None


class Filter(NamedTuple):
    """A filter."""

    shape: Shape
    bits: bytes

    def holds(self, key: Key) -> bool:
        """Whether a name, of which this is the `key`, may be there."""
        at, step = key
        (hashes, size, _), bits = self.shape, self.bits
        for _ in range(hashes):
            bit = at % size
            if not bits[bit >> 3] >> (bit & 7) & 1:
                return False
            at = at + step & _MASK
        return True

    def pieces(self) -> Iterator[bytes]:
        """The bits in pieces."""
        return (self.bits[at : at + PIECE] for at in range(0, len(self.bits), PIECE))

    def unfit(self) -> str | None:
        """Why this cannot be the filter of so many names, or says little but yes; or None."""
        found = int.from_bytes(self.bits, "big").bit_count()
        if found > self.shape.names * self.shape.hashes:
            return "more bits are set than its names can have set"
        if found > self.shape.size * _FULL:
            return f"more than {_FULL:.0%} of its bits are set"
        return None


def key(name: str) -> Key:
    """What filters know a name by."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1


def build(count: int, ratio: int, hashes: int, blocks: Iterable[bytes]) -> Filter:
    """A filter of about ``count`` names, given as blocks in which NUL follows each, with ``ratio`` bits for each; with
    fewer ``hashes`` where more would make it worse.
    """
    from pyglobus.ffi import bloom

    size = min(max(-(-count * ratio // 8) * 8, LEAST_SIZE), MOST_SIZE)
    hashes = max(1, min(hashes, round(size / max(count, 1) * math.log(2))))
    bits = bytearray(size // 8)
    added = sum(bloom.add(bits, hashes, block) for block in blocks)
    return Filter(Shape(hashes, size, added), bytes(bits))

# SPDX-License-Identifier: Apache-2.0
"""DER (X.690), as much of it as names and proxy certificates need.

What is read is not trusted: `Reader` never looks outside the bytes it was given, takes no indefinite or padded
length, and raises `Malformed` for everything else that DER does not allow.
"""

from __future__ import annotations

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C

#: Longest object identifier that is read, in bytes; OpenSSL stops at a similar size.
_MAX_OID = 128
#: Longest integer that is read, in bytes: more than any number of a proxy has.
_MAX_INTEGER = 8


class Malformed(ValueError):
    """These bytes are not what they should be."""


def element(tag: int, *parts: bytes) -> bytes:
    """One element: the tag, the length, and the parts one after the other."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """A whole number that is not negative."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def oid(dotted: str) -> bytes:
    """An object identifier. Raises `Malformed` for text that is none."""
    words = dotted.split(".")
    if len(words) < 2 or not all(word.isascii() and word.isdigit() and len(word) <= 39 for word in words):
        raise Malformed(f"{dotted!r} is no object identifier")
    first, second, *rest = map(int, words)
    if first > 2 or (first < 2 and second > 39):
        raise Malformed(f"{dotted!r} is no object identifier")
    encoded = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | (arc & 0x7F))
        encoded += bytes(reversed(septets))
    if len(encoded) > _MAX_OID:
        raise Malformed("an object identifier is too long")
    return element(OBJECT_IDENTIFIER, bytes(encoded))


class Reader:
    """A place in a run of elements."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int | None:
        """The tag of the next element; None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self, tag: int) -> bytes:
        """The content of the next element, which must have this tag."""
        data, at = self._data, self._at
        if len(data) - at < 2 or data[at] != tag:
            raise Malformed(f"no element with tag {tag:#04x} where one must be")
        size, at = data[at + 1], at + 2
        if size >= 0x80:
            count = size & 0x7F
            length = data[at : at + count]
            at += count
            size = int.from_bytes(length)
            if not 1 <= count <= 4 or len(length) < count or length[0] == 0 or size < 0x80:
                raise Malformed("a length is not in DER")
        if size > len(data) - at:
            raise Malformed("an element is cut off")
        self._at = at + size
        return data[at : self._at]

    def inside(self, tag: int) -> Reader:
        """A reader of what the next element holds."""
        return Reader(self.take(tag))

    def take_integer(self) -> int:
        """The next element, a whole number."""
        content = self.take(INTEGER)
        if not 1 <= len(content) <= _MAX_INTEGER:
            raise Malformed("a number is empty or too long")
        if len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) < 0x80:
            raise Malformed("a number is not in DER")
        return int.from_bytes(content, signed=True)

    def take_oid(self) -> str:
        """The next element, an object identifier, in dotted form."""
        content = self.take(OBJECT_IDENTIFIER)
        if not content or len(content) > _MAX_OID or content[-1] & 0x80:
            raise Malformed("an object identifier is empty, too long, or cut off")
        arcs, arc, fresh = [], 0, True
        for byte in content:
            if fresh and byte == 0x80:
                raise Malformed("an object identifier is not in DER")
            arc = arc << 7 | byte & 0x7F
            fresh = byte < 0x80
            if fresh:
                arcs.append(arc)
                arc = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, (first, arcs[0] - first * 40, *arcs[1:])))

    def end(self) -> None:
        """Raise unless everything has been read."""
        if self.tag is not None:
            raise Malformed("more follows than there may be")

# SPDX-License-Identifier: Apache-2.0
"""Where TLS records begin and end in a stream (RFC 8446 section 5.1): type, major version 3, and the length of what
follows in bytes 3 and 4. Types are 20 to 25; 26 is GSI's own, a message with its signature, of which the length says
nothing.
"""

from __future__ import annotations

HEADER = 5
ALERT = 21
SIGNED = 26
_TYPES = range(20, 27)

Stream = bytes | bytearray


def begins(data: Stream, at: int = 0) -> bool:
    """Whether a record may begin there, by as much of its header as has come."""
    return data[at : at + 1] == b"" or (data[at] in _TYPES and data[at + 1 : at + 2] in (b"", b"\3"))


def length(data: Stream, at: int = 0) -> int:
    """Bytes of the record there, with its header; 0 if that has not come as a whole, or there is none."""
    whole = len(data) - at >= HEADER and begins(data, at)
    return HEADER + int.from_bytes(data[at + 3 : at + HEADER]) if whole else 0


def leading(data: Stream) -> list[bytes]:
    """The whole records at the beginning of ``data``."""
    found, at = [], 0
    while (size := length(data, at)) and at + size <= len(data) and data[at] != SIGNED:
        found.append(bytes(data[at : at + size]))
        at += size
    return found


def take(buffer: bytearray) -> list[bytes]:
    """Take the whole records at the beginning of ``buffer`` off it."""
    found = leading(buffer)
    del buffer[: sum(map(len, found))]
    return found

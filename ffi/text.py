# SPDX-License-Identifier: Apache-2.0
"""Text on its way to and from C, in one place: bytes that are no UTF-8 survive the round trip (surrogateescape)."""

from __future__ import annotations

import os

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any


def encode(text: str | os.PathLike[str]) -> bytes:
    """Bytes for a C string; a NUL inside would silently cut it, so it is refused."""
    data = os.fsencode(text)
    if b"\0" in data:
        raise ValueError("a NUL byte inside a name")
    return data


def optional(text: str | None) -> Any:
    """A C string that may be NULL. The caller keeps what is returned for as long as C uses it."""
    return ffi.NULL if text is None else ffi.new("char[]", encode(text))


def decode(pointer: Any) -> str:
    """Text of a C string that stays its owner's."""
    return "" if pointer == ffi.NULL else os.fsdecode(ffi.string(pointer))


def take(pointer: Any) -> str:
    """Text of a malloc'ed C string, which is freed."""
    try:
        return decode(pointer)
    finally:
        lib.free(pointer)

# SPDX-License-Identifier: Apache-2.0
"""Bloom filters of names, filled in C: src/bloom.h tells how."""

from __future__ import annotations

from pyglobus.ffi import ffi, lib


def add(bits: bytearray, hashes: int, names: bytes) -> int:
    """Add names, each followed by NUL, with so many bits each; ``bits`` is not empty. How many there were. Raises
    MemoryError.
    """
    count: int = lib.pg_bloom_add(ffi.from_buffer(bits), len(bits) * 8, hashes, ffi.from_buffer(names), len(names))
    if count < 0:
        raise MemoryError
    return count

# SPDX-License-Identifier: Apache-2.0
"""Checksums of local files, by the names that GridFTP servers use."""

from __future__ import annotations

from collections.abc import Callable, Generator

from pyglobus.core.errors import ChecksumMismatch, UsageError
from pyglobus.ffi.annotation import Protocol

#: Names as CKSM takes them (GFD.47); compared without regard to case.
ALGORITHMS = ("md5", "adler32", "sha1", "sha256", "sha512")
_CHUNK = 1 << 20
#: Yields while it goes on; its value is the checksum.
Computing = Generator[None, None, str]


class Digest(Protocol):
    """A running checksum."""

    def update(self, data: memoryview | bytes, /) -> None:
        """Take more data in."""

    def hexdigest(self) -> str:
        """The checksum so far, in lower-case hexadecimal."""


class _Adler32:
    def __init__(self) -> None:
        import zlib

        self._step: Callable[[memoryview | bytes, int], int] = zlib.adler32
        self._value = 1

    def update(self, data: memoryview | bytes, /) -> None:
        self._value = self._step(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def digest(algorithm: str) -> Digest:
    """A new running checksum. Raises `UsageError` for an algorithm that we do not know."""
    name = algorithm.lower()
    if name not in ALGORITHMS:
        raise UsageError("unknown checksum algorithm", where=algorithm, why=f"known are {', '.join(ALGORITHMS)}")
    if name == "adler32":
        return _Adler32()
    import hashlib

    return hashlib.new(name, usedforsecurity=False)


def differ(where: str, algorithm: str, sums: str) -> ChecksumMismatch:
    """The error for a destination whose checksum is not that of its source; ``sums`` tells both."""
    why = f"{algorithm.lower()} {sums}"
    return ChecksumMismatch("checksums differ", where=where, why=why, fault="checksum-mismatch")


def of_file(fd: int, algorithm: str, start: int = 0, length: int = -1) -> Computing:
    """Checksum of ``length`` bytes from ``start`` (-1: to the end) of an open file, whose position is left alone.

    Yields between chunks; the generator's value is the checksum. Raises OSError.
    """
    import os

    running = digest(algorithm)
    while length:
        data = os.pread(fd, _CHUNK if length < 0 else min(_CHUNK, length), start)
        if not data:
            break
        running.update(data)
        start += len(data)
        length -= len(data) if length > 0 else 0
        yield
    return running.hexdigest()


def beside(asked: Computing, own: Computing) -> Generator[None, None, tuple[str, str]]:
    """Both checksums, where the first is computed elsewhere: it is asked for before the second is begun with."""
    first = None
    try:
        next(asked)
    except StopIteration as ended:
        first = str(ended.value)
    second = yield from own
    if first is None:
        first = yield from asked
    return first, second

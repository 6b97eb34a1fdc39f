# SPDX-License-Identifier: Apache-2.0
"""Sizes, rates and durations, as people write and read them.

Sizes are binary: K, M, G and T are powers of 1024 when read, and what is written says so (KiB, MiB, GiB). Everything
that the sizes of the C tools accept is read alike (``512``, ``512K``, ``4m``, ``4MB``), except what those misread in
silence: ``0x10`` (as 0) and ``4Mfoo`` (as 4M) are errors here. Durations are seconds, or numbers with units: ``90``,
``30s``, ``5m``, ``1h30m``.
"""

from __future__ import annotations

import re

# Compiled at their first use: --help imports this module too, and has no sizes to read.
_FLAGS = re.ASCII | re.IGNORECASE
_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_SIZE = r"(\d+)(?:([kmgt])(?:i?b)?|b)?"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+"
_DURATION_PART = r"(\d+(?:\.\d+)?)(ms|[smhd])"
_PLAIN_NUMBER = r"\d+(?:\.\d+)?"
#: More digits than any size or time needs; beyond this Python's own conversion limits would answer instead of us.
_LONGEST = 32


def parse_size(text: str) -> int:
    """Bytes in ``text``; raises `ValueError` for anything that is not a whole number with an optional unit."""
    found = re.fullmatch(_SIZE, text, _FLAGS) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f"{text!r} is not a size such as 65536, 512K, 4M or 1G")
    return int(found[1]) << _SHIFTS[(found[2] or "").lower()]


def parse_duration(text: str) -> float:
    """Seconds in ``text``; raises `ValueError` for anything that is not a time."""
    if len(text) <= _LONGEST:
        if re.fullmatch(_PLAIN_NUMBER, text, _FLAGS):
            return float(text)
        if re.fullmatch(_DURATION, text, _FLAGS):
            return sum(
                float(number) * _SECONDS[unit.lower()] for number, unit in re.findall(_DURATION_PART, text, _FLAGS)
            )
    raise ValueError(f"{text!r} is not a time such as 30s, 5m, 2h or 1h30m")


def format_size(size: float) -> str:
    """``size`` bytes with three or four significant digits: ``512 B``, ``4.00 KiB``, ``1.21 GiB``, ``1023 MiB``."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        size /= 1024
        if size < 1023.5 or unit == "PiB":
            break
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{size:.{digits}f} {unit}"


def format_rate(rate: float) -> str:
    """``rate`` in bytes per second, as `format_size` writes it, per second."""
    return f"{format_size(rate)}/s"


def format_duration(seconds: float) -> str:
    """A time in its two largest units: ``0.25 s``, ``4.2 s``, ``42 s``, ``5m07s``, ``2h05m``, ``3d04h``."""
    if seconds < 0.9995:
        return f"{seconds:.3g} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"

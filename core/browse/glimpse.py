# SPDX-License-Identifier: Apache-2.0
"""The beginning of a file, to be looked at: text if it is text, else its bytes in hexadecimal; and what a directory
holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from pyglobus.core.options import Options
from pyglobus.core.session import Session
from pyglobus.core.transfer import Transfer
from pyglobus.core.url import Url, parse
from pyglobus.core.walk import walk

#: Bytes of a file that are looked at.
LENGTH = 64 << 10
_BYTES = 2048


def glimpse(session: Session, url: Url) -> str:
    """What is at the beginning of a file. Raises `errors.Error`."""
    with tempfile.TemporaryDirectory(prefix="pyglobus-") as name:
        path = Path(name, "part")
        Transfer(url, parse(str(path)), Options(length=LENGTH, stall_timeout=60.0), session=session).run()
        data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    if b"\0" not in data and text.count("\N{REPLACEMENT CHARACTER}") <= len(text) // 100:
        plain = text.expandtabs().replace("\r\n", "\n")
        shown = "".join(each if each == "\n" or each.isprintable() else "·" for each in plain)
        return shown + (f"\n… the first {LENGTH // 1024} KiB" if len(data) == LENGTH else "")
    lines = []
    for start in range(0, min(len(data), _BYTES), 16):
        piece = data[start : start + 16]
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        lines.append(f"{start:06x}  {piece.hex(' '):47}  {plain}")
    return "\n".join(lines)


def total(session: Session, url: Url, told: Callable[[int, int], None]) -> tuple[int, int]:
    """Files and bytes below a directory; ``told`` as they are counted. Raises `errors.Error`."""
    files = size = 0
    for _, entries in walk(session, Options(), url, recursive=True):
        for entry in entries:
            if not entry.directory:
                files += 1
                size += entry.size or 0
        told(files, size)
    return files, size

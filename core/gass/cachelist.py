# SPDX-License-Identifier: Apache-2.0
"""What is in a GASS cache, read from its directories; the library can only be asked about one URL.

An entry is a directory below the global root, with its ``url`` and its ``data``; below the local root each tag has a
directory in which each of its URLs has one, with the ``tag``, ``data``, and one more link to the file for each
reference. In a flat cache the names of directories are the beginnings of the names of files. Nothing is locked, so what
vanishes meanwhile is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyglobus.core.gass.cache import Directories

#: The names of files in the directory of an entry or of a tag's URL.
_FILES = re.compile(r"(.+)[/_](url|tag|data(?:\..*)?)")


class Entry(NamedTuple):
    """A URL in the cache. ``size``: bytes of its file; ``ready``: it is not being fetched; ``mangled``: its name in the
    file system; ``tags``: the references under each tag.
    """

    url: str
    size: int
    ready: bool
    mangled: str
    tags: Mapping[str, int]


def read(directories: Directories, *, flat: bool) -> list[Entry]:
    """All entries, sorted by URL."""
    local = _grouped(directories.local_root, flat=flat)
    tags: dict[str, dict[str, int]] = {}
    for key, files in local.items():
        # The tag's own mangled name comes first, and both are made the same way.
        half = _halves(key, "_" if flat else "/")
        references = sum(name.startswith("data.") for name in files)
        if half and references and (tag := _text(files.get("tag", ""))) is not None:
            tags.setdefault(half, {})[tag] = references
    found = []
    for key, files in _grouped(directories.global_root, flat=flat).items():
        data = next((path for name, path in files.items() if name.startswith("data")), None)
        try:
            size = os.stat(data).st_size if data is not None else None
        except FileNotFoundError:
            size = None
        if size is not None:
            held = dict(sorted(tags.get(key, {}).items()))
            found.append(Entry(_text(files.get("url", "")) or "", size, "data" in files, key, held))
    return sorted(found)


def _grouped(root: str, *, flat: bool) -> dict[str, dict[str, str]]:
    """The paths of files by mangled name and name."""
    found: dict[str, dict[str, str]] = {}
    for name, path in _flat(root) if flat else _below(root):
        if match := _FILES.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = path
    return found


def _below(root: str) -> Iterator[tuple[str, str]]:
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            yield os.path.relpath(path, root), path


def _flat(root: str) -> Iterator[tuple[str, str]]:
    directory, prefix = os.path.split(root)
    for name in os.listdir(directory):
        if name.startswith(f"{prefix}_"):
            yield name.removeprefix(f"{prefix}_"), os.path.join(directory, name)


def _halves(key: str, separator: str) -> str | None:
    """The URL's mangled name in that of a tag and a URL; both have as many parts."""
    parts = key.split(separator)
    return separator.join(parts[len(parts) // 2 :]) if len(parts) % 2 == 0 else None


def _text(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return os.fsdecode(stream.read(1 << 16).removesuffix(b"\n"))
    except OSError:
        return None

# SPDX-License-Identifier: Apache-2.0
"""Two directories for large files, one here and one that a grid serves, both in memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyglobus.core.sandbox import Sandbox


@contextmanager
def two_sides(grid: Sandbox, memory: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """Directories ``name`` below ``memory`` and in what ``grid`` serves, where its servers may write. They are gone
    after the block.
    """
    here, there = memory / name, grid.data_dir / name
    for directory in (here, there):
        directory.mkdir()
    if os.geteuid() == 0:
        there.chmod(0o777)
    yield here, there
    for directory in (here, there):
        shutil.rmtree(directory)


def hollow(path: Path, size: int) -> None:
    """A file of so many zero bytes that takes no room, and that all may read."""
    with path.open("wb") as file:
        file.truncate(size)
    path.chmod(0o644)

# SPDX-License-Identifier: Apache-2.0
"""Directories copied as a whole: many small files, near and far, and small ones among large ones.

Ours has no flags, unless both have them; the C tool has those with which it is best here, or none.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import C_TOOL, OURS, Case, Goal
from benchmarks.field import Field, digest

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

#: What a tree is made of: numbers of files, and their sizes in bytes.
SMALL = ((2000, 4 * KIB),)
MIXED = ((1, GIB), (200, MIB), (3000, 4 * KIB))
LARGE = ((4, 512 * MIB),)
#: Seconds, of a far server's control connection.
FAR = 0.05


@dataclass(frozen=True)
class Tree:
    """A tree from one end to another, where the directory to hold it is not there yet."""

    name: str
    title: str
    source: str
    destination: str
    files: tuple[tuple[int, int], ...]
    goal: Goal
    #: Of both tools, and of the C tool alone.
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    round_trip: float = 0.0
    rounds: int = 5

    def commands(self, field: Field) -> Mapping[str, list[str]]:
        tree = field.tree(self.files)
        ends = [
            f"{field.url(self.source, tree, round_trip=self.round_trip)}/",
            f"{field.url(self.destination, self._copy(field), round_trip=self.round_trip)}/",
        ]
        return {
            OURS: [OURS, "-r", "-cd", *self.options, *ends],
            C_TOOL: [C_TOOL, "-r", "-cd", *self.options, *self.flags, *ends],
        }

    def check(self, field: Field, runner: str, printed: str, *, thorough: bool) -> None:
        tree, copy = field.tree(self.files), self._copy(field)
        expected = {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}
        arrived = {str(path.relative_to(copy)): path for path in copy.rglob("*") if path.is_file()}
        if arrived.keys() != expected.keys():
            raise ValueError(f"{len(arrived)} files arrived, {len(arrived.keys() - expected.keys())} of them unknown")
        for name, path in arrived.items():
            if path.stat().st_size != expected[name].stat().st_size:
                raise ValueError(f"{name} has another size")
            if thorough and digest(path) != digest(expected[name]):
                raise ValueError(f"{name} has other contents")
        shutil.rmtree(copy)

    def _copy(self, field: Field) -> Path:
        return field.received if self.destination == "file" else field.stored


_FASTER = Goal(ratio=1 / 30)
_BEST = Goal(ratio=0.9)
_FAR = Goal(ratio=1 / 5)
_EQUAL = Goal(ratio=1.0)
_PRIVATE = ("-dcpriv", "-cc", "2")

TREES: tuple[Case, ...] = (
    Tree("tree-put-plain", "put 2,000 x 4 KiB, no flags", "file", "gsiftp", SMALL, _FASTER, rounds=1),
    Tree("tree-get-plain", "get 2,000 x 4 KiB, no flags", "gsiftp", "file", SMALL, _FASTER, rounds=1),
    Tree("tree-put", "put 2,000 x 4 KiB", "file", "gsiftp", SMALL, _BEST, flags=("-pp",), rounds=9),
    Tree("tree-get", "get 2,000 x 4 KiB", "gsiftp", "file", SMALL, _BEST, flags=("-fast", "-pp"), rounds=9),
    Tree(
        "far-put", "put 2,000 x 4 KiB, 50 ms", "file", "gsiftp", SMALL, _FAR,
        flags=("-pp", "-cc", "16"), round_trip=FAR, rounds=3,
    ),
    Tree(
        "far-get", "get 2,000 x 4 KiB, 50 ms", "gsiftp", "file", SMALL, _FAR,
        flags=("-pp", "-cc", "16"), round_trip=FAR, rounds=3,
    ),
    Tree("mixed-put", "put a mixed tree", "file", "gsiftp", MIXED, _EQUAL, flags=("-fast", "-pp"), rounds=3),
    Tree("mixed-get", "get a mixed tree", "gsiftp", "file", MIXED, _EQUAL, flags=("-fast", "-pp"), rounds=3),
    Tree("private-put", "put 4 x 512 MiB -dcpriv -cc 2", "file", "gsiftp", LARGE, _EQUAL, _PRIVATE, rounds=3),
    Tree("private-get", "get 4 x 512 MiB -dcpriv -cc 2", "gsiftp", "file", LARGE, _EQUAL, _PRIVATE, rounds=3),
)  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""The README tells the truth: its commands and examples run, in the order in which they stand there.

A block of ``sh`` or ``python`` runs in one scratch directory, as the user of the local grid. Blocks that set things up
(``./quickstart``, ``pip install``) cannot run inside the tests that they start; what they name must exist, and what
they do is tested by test_quickstart.py and test_packaging.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pyglobus.cli.exits import ExitCode
from pyglobus.core.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


class Block(NamedTuple):
    line: int
    language: str
    text: str

    @property
    def sets_up(self) -> bool:
        return self.text.startswith(("./quickstart", "pip install"))


def blocks() -> Iterator[Block]:
    """The fenced blocks of the README."""
    lines = enumerate(README.splitlines(), 1)
    for number, line in lines:
        if line.startswith("```"):
            body = []
            for _, inner in lines:
                if inner == "```":
                    break
                body.append(inner)
            else:
                raise AssertionError(f"the block that begins in line {number} does not end")
            yield Block(number, line.removeprefix("```"), "\n".join(body) + "\n")


def test_every_command_and_example_runs(grid: Sandbox, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = grid.env | {"PATH": path, "TMPDIR": str(tmp_path)}
    ran = []
    try:
        for block in blocks():
            assert block.language in ("sh", "python", "text"), f"line {block.line}: {block.language}"
            if block.language == "text" or block.sets_up:
                continue
            command = ["sh", "-eu", "-c"] if block.language == "sh" else [sys.executable, "-c"]
            done = subprocess.run(
                [*command, block.text], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"
            ran.append(block.language)
    finally:
        subprocess.run(["pyglobus", "sandbox", "down", "--name", "trial"], env=env, check=True)
    assert {"sh", "python"} <= set(ran)
    assert (tmp_path / "again.dat").read_bytes() == (tmp_path / "run7.dat").read_bytes()
    assert (grid.data_dir / "results" / "copy.dat").exists()
    (grid.data_dir / "run7.dat").unlink()
    shutil.rmtree(grid.data_dir / "results")


def test_what_sets_up_is_what_quickstart_and_pip_take() -> None:
    usage = subprocess.run([ROOT / "quickstart", "help"], capture_output=True, text=True, check=True).stdout
    known = {line.split("  ")[0].partition(" [")[0] for line in usage.splitlines()}
    named = [line for block in blocks() if block.sets_up for line in block.text.splitlines()]
    assert "./quickstart" in named
    assert set(named) <= known | {"pip install ."}


def test_the_table_of_exit_codes_is_that_of_the_commands() -> None:
    table = README.partition("| status | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    assert rows == [(str(code.value), code.meaning) for code in ExitCode]


def test_files_that_it_names_are_there() -> None:
    for name in ("LICENSE", "tests/test_readme.py", "cli", "core", "ffi", "tests", "benchmarks"):
        assert name in README
        assert (ROOT / name).exists()

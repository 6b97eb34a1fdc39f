# SPDX-License-Identifier: Apache-2.0
"""ruff and mypy have nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("cli", "core", "ffi")
LINTED = ("cli", "core", "ffi", "tests", "man", "completions", "benchmarks")
#: Python beside the package: what is imported from the root, and scripts that import what lies beside them.
PACKAGES = [name for name in ("tests", "benchmarks") if any((ROOT / name).glob("*.py"))]
SCRIPTS = ("man", "completions")


def run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory where the package lies as it is installed: mypy can follow this, but no editable install."""
    path = tmp_path_factory.mktemp("sources")
    (path / "pyglobus").mkdir()
    for layer in LAYERS:
        (path / "pyglobus" / layer).symlink_to(ROOT / layer)
    return str(path)


def test_ruff() -> None:
    run("ruff", "check", *LINTED)


def test_format() -> None:
    run("ruff", "format", "--check", *LINTED)


def test_types_of_the_package(sources: str) -> None:
    run(
        "mypy",
        "--strict",
        f"--cache-dir={sources}/cache",
        *(f"{sources}/pyglobus/{layer}" for layer in LAYERS),
        MYPYPATH=sources,
    )


def test_types_of_tests_and_benchmarks(sources: str) -> None:
    run("mypy", "--strict", f"--cache-dir={sources}/cache", *PACKAGES, MYPYPATH=sources)


@pytest.mark.parametrize("directory", SCRIPTS)
def test_types_of_scripts(sources: str, directory: str) -> None:
    run(
        *("mypy", "--strict", "--no-namespace-packages", "--no-explicit-package-bases"),
        f"--cache-dir={sources}/cache-{directory}",
        *sorted(str(path) for path in (ROOT / directory).glob("*.py")),
        MYPYPATH=os.pathsep.join([sources, str(ROOT / directory)]),
    )

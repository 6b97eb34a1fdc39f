# SPDX-License-Identifier: Apache-2.0
"""The sandbox's GASS server: the data directory, by the user's identity, for the user alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def grid(blank_user: Path) -> Iterator[Sandbox]:
    with Sandbox(run=("gass",)) as sandbox:
        yield sandbox


def copy(grid: Sandbox, source: str, dest: str, proxy: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = grid.env | ({"X509_USER_PROXY": str(proxy)} if proxy else {})
    return subprocess.run(
        ["globus-url-copy", source, dest], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_data_directory_is_served(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("by GASS")
    url = grid.variables["PYGLOBUS_SANDBOX_GASS"]
    assert copy(grid, f"file://{tmp_path}/file", f"{url}/file").returncode == 0
    assert (grid.data_dir / "file").read_text() == "by GASS"
    assert copy(grid, f"{url}/file", f"file://{tmp_path}/back").returncode == 0
    assert (tmp_path / "back").read_text() == "by GASS"
    assert copy(grid, f"{url}/../../etc/passwd", f"file://{tmp_path}/none").returncode == 1
    log = Path(grid.servers["gass"].logs[0])
    wait_until(lambda: log.read_text().count("\n") >= 3)  # a line is written when the client has its answer
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["operation"], entry["path"], entry["status"]) for entry in entries] == [
        ("put", "/file", 200),
        ("get", "/file", 200),
        ("get", "/etc/passwd", 404),
    ]
    assert entries[0]["identity"] == grid.user.subject


def test_strangers_get_nothing(grid: Sandbox, tmp_path: Path) -> None:
    (grid.data_dir / "secret").write_text("not for them")
    grid.authority.issue("Mallory").proxy().save_proxy(tmp_path / "proxy")
    url = grid.variables["PYGLOBUS_SANDBOX_GASS"]
    assert copy(grid, f"{url}/secret", f"file://{tmp_path}/got", proxy=tmp_path / "proxy").returncode == 1
    assert not (tmp_path / "got").exists()

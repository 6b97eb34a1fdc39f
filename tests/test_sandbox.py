# SPDX-License-Identifier: Apache-2.0
"""The local grid in core: files really move, nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox, Server


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
def test_a_file_moves_there_and_back(scheme, grid: Sandbox, served: Path, tmp_path: Path, url_copy) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "there").write_bytes(content)
    url = getattr(grid, f"{scheme}_url")(served / "file")
    url_copy(f"file://{tmp_path}/there", url)
    assert (served / "file").read_bytes() == content
    url_copy(url, f"file://{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_file_moves_between_two_servers(grid: Sandbox, second_server: Server, served: Path, url_copy) -> None:
    (served / "here").write_bytes(b"third party")
    url_copy(grid.gsiftp_url(served / "here"), grid.gsiftp_url(served / "there", second_server))
    assert (served / "there").read_bytes() == b"third party"

# SPDX-License-Identifier: Apache-2.0
"""fsspec's own tests of file systems, against GridFTP servers: with GSI, and anonymous.

The many cases about patterns differ in names alone: they are asked over the cheaper one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.tests import abstract

from pyglobus.core.fsspec import FTPFileSystem, GridFTPFileSystem
from pyglobus.core.sandbox import Sandbox


@pytest.fixture(scope="module", params=["gsiftp", "ftp"])
def file_system(grid: Sandbox, request: pytest.FixtureRequest) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in grid.variables.items():
            patch.setenv(name, value)
        kind = GridFTPFileSystem if request.param == "gsiftp" else FTPFileSystem
        fs = kind(auto_mkdir=True, skip_instance_cache=True)
        yield fs
        fs.connections.close()


class _Served(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, file_system: Any) -> Any:
        return file_system

    @pytest.fixture
    def fs_path(self, fs: Any, grid: Sandbox, served: Path) -> str:
        url = grid.gsiftp_url(served) if fs.protocol == "gsiftp" else grid.ftp_url(served)
        path: str = fs._strip_protocol(url)
        return path

    @pytest.fixture
    def fs_join(self) -> Any:
        return posixpath.join


_anonymous = pytest.mark.parametrize("file_system", ["ftp"], indirect=True)


class TestCopy(abstract.AbstractCopyTests, _Served):
    test_copy_glob_edge_cases = _anonymous(abstract.AbstractCopyTests.test_copy_glob_edge_cases)


class TestGet(abstract.AbstractGetTests, _Served):
    test_get_glob_edge_cases = _anonymous(abstract.AbstractGetTests.test_get_glob_edge_cases)


class TestPut(abstract.AbstractPutTests, _Served):
    test_put_glob_edge_cases = _anonymous(abstract.AbstractPutTests.test_put_glob_edge_cases)


class TestOpen(abstract.AbstractOpenTests, _Served):
    pass


class TestPipe(abstract.AbstractPipeTests, _Served):
    pass

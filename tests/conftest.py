# SPDX-License-Identifier: Apache-2.0
"""What every test stands on: a real grid on loopback, once per session, and a user who has configured nothing.

A test that needs files at the far end asks for ``served``, a directory of its own that the servers' account may write
to; in any other directory a test run by root has no luck, since root's servers act for an unprivileged account. A
test that spoils something (kills a server, takes a credential away) makes a sandbox of its own, which takes half a
second.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from pyglobus.core.sandbox import Sandbox, Server

#: Variables that tell of the user's own grid, or change how a client behaves or looks.
FOREIGN = (
    "X509_",
    "GLOBUS_",
    "MYPROXY_",
    "GRIDMAP",
    "GSI_",
    "PYGLOBUS_",
    "GUC_",
    "XDG_CONFIG",
    "XDG_CACHE",
    "XDG_DATA",
    "LC_",
)
COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")

# How long one example takes says more about the machine than about what is tested.
hypothesis.settings.register_profile("pyglobus", deadline=None)
hypothesis.settings.load_profile("pyglobus")

CommandRunner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def blank_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home, and an environment without anybody's Globus settings."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if (name.startswith(FOREIGN) and name != "GLOBUS_LOCATION") or name in COLOURS:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("LC_ALL", "C.UTF-8")
        yield home


@pytest.fixture(scope="session")
def grid(blank_user: Path) -> Iterator[Sandbox]:
    """The local grid: GSI and anonymous GridFTP, an authority, a user with a proxy."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def second_server(grid: Sandbox) -> Iterator[Server]:
    """Another GSI GridFTP server of the same grid, for third-party transfers."""
    with grid.start_gridftp() as server:
        yield server


@pytest.fixture
def served(grid: Sandbox, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A new directory that the servers' account owns. It is gone after the test."""
    directory = grid.data_dir / f"test-{abs(hash(request.node.nodeid)):x}"
    directory.mkdir(mode=0o755)
    if os.geteuid() == 0:
        account = pwd.getpwnam(grid.user.account)
        os.chown(directory, account.pw_uid, account.pw_gid)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def url_copy(grid: Sandbox) -> CommandRunner:
    """Run globus-url-copy, the C client, as the grid's user. It must succeed unless ``check=False``."""

    def run(
        *arguments: str | Path, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = ["globus-url-copy", *map(str, arguments)]
        done = subprocess.run(
            command, env=grid.env | (env or {}), capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run

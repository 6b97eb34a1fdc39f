# SPDX-License-Identifier: Apache-2.0
"""Completion of paths on servers, in the shells themselves: names arrive, and nothing else ever does."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pexpect
import pytest

from pyglobus.core.sandbox import Sandbox
from tests import shells
from tests.conftest import Lab
from tests.shells import SHELLS, Shell, after

PROGRAM = Path(sys.executable).with_name("pyglobus-url-copy")
NAMES = ("alpha.txt", "beta one.dat", "we!rd$(x)", "quote'\"", "2026-01-01T00:00:00", "ü", "deep/inner.dat", "dash/-x")


@pytest.fixture(scope="module")
def stored(grid: Sandbox) -> Iterator[Path]:
    """A directory with names that are hard to complete, at the servers."""
    top = grid.data_dir / "completed"
    for name in NAMES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    if os.geteuid() == 0:
        account = pwd.getpwnam(grid.user.account)
        for path in (top, *top.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
    yield top
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def environment(grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache")
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    return {**grid.variables, "PATH": path, "XDG_CACHE_HOME": str(cache)}


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shell]]:
    """The shells that are installed, each started when it is asked for."""
    with ExitStack() as stack:

        class Started(dict[str, Shell]):
            def __missing__(self, name: str) -> Shell:
                start = {"bash": shells.bash, "zsh": shells.zsh, "fish": shells.fish}[name]
                self[name] = stack.enter_context(start(tmp_path_factory.mktemp(name), environment))
                return self[name]

        yield Started()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, running: dict[str, Shell]) -> Shell:
    return running[request.param]


def asked(beginning: str, environment: Mapping[str, str]) -> list[str]:
    """What the shells' functions would get."""
    done = subprocess.run(
        [PROGRAM], env={**environment, "_PYGLOBUS_COMPLETE_URL": beginning}, capture_output=True, timeout=20, check=True
    )
    assert done.stderr == b""
    return os.fsdecode(done.stdout).splitlines()


# In the shells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("alp", "alpha.txt"), ("be", "beta%20one.dat"), ("de", "deep/"), ("deep/i", "deep/inner.dat"),
        ("we", "we%21rd%24%28x%29"), ("2026-01-01T00:", "2026-01-01T00:00:00"),
    ],
)  # fmt: skip
def test_a_name_is_completed(shell: Shell, scheme: str, typed: str, name: str, grid: Sandbox, stored: Path) -> None:
    url = grid.gsiftp_url(stored) if scheme == "gsiftp" else grid.ftp_url(stored)
    for line in (f"pyglobus-url-copy -vb {url}/", f"pyglobus url-copy alpha {url}/", f"pyglobus-url-copy -list {url}/"):
        # Fish guards the percent sign, which it once took for its own.
        assert after(shell, f"{line}{typed}").replace("\\%", "%") == f"{line}{name}"


def test_choices_are_offered(shell: Shell, grid: Sandbox, stored: Path) -> None:
    shown = shell(f"pyglobus-url-copy {grid.gsiftp_url(stored)}/d")
    assert "deep/" in shown and "dash/" in shown
    assert "alpha" not in shown


def test_faults_are_silent(shell: Shell, grid: Sandbox, stored: Path) -> None:
    for url in (
        f"{grid.gsiftp_url(stored)}/missing/x", f"{grid.gsiftp_url(stored)}/zzz", "gsiftp://localhost:1/tmp/x",
        "gsiftp://nobody.invalid/x", "gsiftp://local host/x", "http://localhost/x", "gsiftp://localhost:99999/x",
    ):  # fmt: skip
        line = f"pyglobus-url-copy {url}"
        assert set(shell(line).split()) == set(line.split())


def test_local_names_are_no_remote_ones(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "only.here").touch()
    assert after(shell, f"pyglobus-url-copy {tmp_path}/on") == f"pyglobus-url-copy {tmp_path}/only.here"
    assert after(shell, f"pyglobus-url-copy file://{tmp_path}/on") == f"pyglobus-url-copy file://{tmp_path}/only.here"


# What they ask --------------------------------------------------------------------------------------------------------


def test_every_name_fits_into_a_line(grid: Sandbox, stored: Path, environment: dict[str, str]) -> None:
    url = f"{grid.gsiftp_url(stored)}/"
    found = {line.removeprefix(url) for line in asked(url, environment)}
    assert found == {
        "alpha.txt", "beta%20one.dat", "we%21rd%24%28x%29", "quote%27%22", "2026-01-01T00:00:00", "ü", "deep/", "dash/",
    }  # fmt: skip
    assert asked(f"{url}beta%", environment) == [f"{url}beta%20one.dat"]
    home = f"{grid.gsiftp_url('/')}~/completed/al"
    assert asked(home, environment) == [f"{home}pha.txt"]


def test_listings_are_kept_for_a_moment_and_for_their_user(
    grid: Sandbox, stored: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {**environment, "XDG_CACHE_HOME": str(tmp_path)}
    url = f"{grid.gsiftp_url(stored)}/deep/"
    assert asked(url, environment) == [f"{url}inner.dat"]
    [listing] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert listing.stat().st_mode & 0o777 == 0o600
    assert listing.parent.stat().st_mode & 0o777 == 0o700
    listing.write_bytes(b"kept\0")
    assert asked(url, environment) == [f"{url}kept"]
    assert asked(url, {**environment, "X509_USER_PROXY": "/nonexistent"}) == []
    os.utime(listing, (time.time() - 60,) * 2)
    assert asked(url, environment) == [f"{url}inner.dat"]
    listing.write_bytes(b"kept\0")
    listing.parent.chmod(0o777)
    assert asked(url, environment) == [f"{url}inner.dat"], "others could have put it there"


def test_without_a_place_for_listings(grid: Sandbox, stored: Path, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = f"{grid.gsiftp_url(stored)}/deep/"
    assert asked(url, {**environment, "XDG_CACHE_HOME": str(tmp_path / "file")}) == [f"{url}inner.dat"]


def test_a_server_that_says_nothing_is_not_waited_for(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for scheme in ("gsiftp", "ftp"):
            began = time.monotonic()
            assert asked(f"{scheme}://localhost:{server.getsockname()[1]}/x", environment) == []
            # The limit is two seconds; a machine with much to do starts the process late.
            assert time.monotonic() - began < 6


def test_nobody_is_asked_for_a_pass_phrase(grid: Sandbox, stored: Path, environment: dict[str, str], lab: Lab) -> None:
    """A key with a pass phrase and no proxy: with a terminal at hand, nothing is written to it."""
    locked = {"X509_USER_CERT": str(lab.directory / "usercert.pem"), "X509_USER_KEY": str(lab.directory / "locked.pem")}
    without = {name: value for name, value in environment.items() if name != "X509_USER_PROXY"}
    url = f"{grid.gsiftp_url(stored)}/deep/"
    child: pexpect.spawn[bytes] = pexpect.spawn(
        str(PROGRAM), env={**without, **locked, "HOME": str(lab.directory), "_PYGLOBUS_COMPLETE_URL": url}, timeout=20
    )
    child.expect(pexpect.EOF)
    assert child.before == b""
    child.close()
    assert child.exitstatus == 0

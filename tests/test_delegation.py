# SPDX-License-Identifier: Apache-2.0
"""Logins that keep the user's credential at home, and servers that cannot do without it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.server import Server

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))


def run(grid: Sandbox, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COPY, *words], env=grid.env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def without_dcsc(grid: Sandbox) -> Iterator[Server]:
    """A server that needs a delegated credential for authenticated data channels."""
    with grid.start_gridftp("-disable-command-list", "DCSC") as server:
        yield server


def url_at(server: Server, path: Path) -> str:
    return f"gsiftp://localhost:{server.port}{path}"


def test_default_delegates_nothing(grid: Sandbox, served: Path) -> None:
    """The server has nothing to authenticate a data channel with but what DCSC brings, and DCSC is used."""
    done = run(grid, "-dbg", "/etc/passwd", grid.gsiftp_url(served / "copy"))
    assert done.returncode == 0, done.stderr
    assert (served / "copy").read_bytes() == Path("/etc/passwd").read_bytes()
    assert "DCSC P" in done.stderr


def test_log_hides_the_data_credential(grid: Sandbox, served: Path) -> None:
    """DCSC carries a private key; the log of the control channel ends the line before it."""
    done = run(grid, "-dbg", "/etc/passwd", grid.gsiftp_url(served / "copy"))
    lines = [line for line in done.stderr.splitlines() if line.startswith("DCSC")]
    assert lines == ["DCSC P "]


def test_server_without_dcsc_gets_a_limited_proxy(grid: Sandbox, without_dcsc: Server, served: Path) -> None:
    done = run(grid, "/etc/passwd", url_at(without_dcsc, served / "copy"))
    assert done.returncode == 0, done.stderr
    assert (served / "copy").read_bytes() == Path("/etc/passwd").read_bytes()


def test_third_party_with_one_server_without_dcsc(grid: Sandbox, without_dcsc: Server, served: Path) -> None:
    (served / "from").write_bytes(b"x" * 100_000)
    done = run(grid, url_at(without_dcsc, served / "from"), grid.gsiftp_url(served / "to"))
    assert done.returncode == 0, done.stderr
    assert (served / "to").read_bytes() == b"x" * 100_000


def test_delegation_can_be_forbidden(grid: Sandbox, without_dcsc: Server, served: Path) -> None:
    done = run(grid, "--delegate", "none", "/etc/passwd", url_at(without_dcsc, served / "copy"))
    assert done.returncode != 0
    assert not (served / "copy").exists() or (served / "copy").stat().st_size == 0


@pytest.mark.parametrize("choice", ["limited", "full"])
def test_delegation_can_be_asked_for(grid: Sandbox, without_dcsc: Server, served: Path, choice: str) -> None:
    done = run(grid, "--delegate", choice, "/etc/passwd", url_at(without_dcsc, served / "copy"))
    assert done.returncode == 0, done.stderr
    assert (served / "copy").read_bytes() == Path("/etc/passwd").read_bytes()

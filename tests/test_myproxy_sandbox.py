# SPDX-License-Identifier: Apache-2.0
"""The sandbox's MyProxy servers, by the C clients: one keeps credentials, one issues certificates, both on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Issued
from pyglobus.core.sandbox.myproxy import CA_USER
from pyglobus.core.x509.pem import blocks, certificates

PHRASE = "a phrase for tests"


@pytest.fixture(scope="module")
def grid(blank_user: Path) -> Iterator[Sandbox]:
    with Sandbox(run=("myproxy", "myproxy-ca")) as sandbox:
        yield sandbox


def run(grid: Sandbox, *command: str, phrase: str = PHRASE, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=grid.env | env, input=f"{phrase}\n", capture_output=True, text=True, timeout=60, check=False
    )


def ca_port(grid: Sandbox) -> str:
    return grid.variables["PYGLOBUS_SANDBOX_MYPROXY_CA"].rpartition(":")[2]


def test_what_is_stored_is_fetched_with_the_phrase_only(grid: Sandbox, tmp_path: Path) -> None:
    proxy, got = str(grid.user.proxy), tmp_path / "got"
    stored = run(grid, "myproxy-init", "-l", "somebody", "-C", proxy, "-y", proxy, "-c", "2", "-S")
    assert stored.returncode == 0, stored.stderr
    wrong = run(grid, "myproxy-logon", "-l", "somebody", "-S", "-o", str(got), phrase="another phrase")
    assert (wrong.returncode, "passphrase" in wrong.stderr, got.exists()) == (1, True, False)
    fetched = run(grid, "myproxy-logon", "-l", "somebody", "-S", "-o", str(got), "-t", "1")
    assert fetched.returncode == 0, fetched.stderr
    assert Issued.from_pem(got.read_bytes()).identity == grid.user.subject
    log = Path(grid.servers["myproxy"].logs[0]).read_text()
    assert "Received GET request for username somebody" in log
    assert PHRASE not in log


def test_the_authority_issues_certificates_to_those_it_knows(grid: Sandbox, tmp_path: Path) -> None:
    got = tmp_path / "got"
    issued = run(grid, "myproxy-logon", "-p", ca_port(grid), "-l", CA_USER, "-n", "-o", str(got))
    assert issued.returncode == 0, issued.stderr
    (certificate,) = certificates(blocks(got.read_bytes()))[:1]
    assert certificate.issuer == grid.authority.root.certificate.subject
    assert Issued.from_pem(got.read_bytes()).subject == grid.user.subject
    unknown = run(grid, "myproxy-logon", "-p", ca_port(grid), "-l", "mallory", "-n", "-o", str(tmp_path / "none"))
    assert (unknown.returncode, "unknown username" in unknown.stderr) == (1, True)


def test_without_a_certificate_the_authority_issues_none(grid: Sandbox, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    done = run(grid, "myproxy-logon", "-p", ca_port(grid), "-l", CA_USER, "-n", "-o", nowhere, X509_USER_PROXY=nowhere)
    assert (done.returncode, Path(nowhere).exists()) == (1, False)


def test_trust_roots_are_those_of_the_sandbox(grid: Sandbox, tmp_path: Path) -> None:
    trusted = tmp_path / "certificates"
    trusted.mkdir()
    grid.authority.trust_in(trusted)
    done = run(grid, "myproxy-get-trustroots", X509_CERT_DIR=str(trusted))
    assert done.returncode == 0, done.stderr
    assert f"{grid.authority.hash}.0" in {path.name for path in trusted.iterdir()}


def test_both_listen_on_loopback_only(grid: Sandbox) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = {address: line for line in lines if (address := line.split()[1]) and line.split()[3] == "0A"}
    for name in ("myproxy", "myproxy-ca"):
        port = f"{grid.servers[name].port:04X}"
        assert [address.partition(":")[0] for address in listening if address.endswith(f":{port}")] == ["0100007F"]

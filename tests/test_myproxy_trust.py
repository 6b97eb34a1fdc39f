# SPDX-License-Identifier: Apache-2.0
"""First contact with a MyProxy server, and its trust roots: nothing is trusted silently, nothing replaced unsaid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from pyglobus.core import errors
from pyglobus.core.myproxy import contact, firstcontact, trustroots
from pyglobus.core.myproxy.credentials import TrustFile
from pyglobus.core.sandbox.authority import Authority
from tests.myproxywire import OK, Server

if TYPE_CHECKING:
    from tests.conftest import Keeper

Done = subprocess.CompletedProcess[str]
GET = str(Path(sys.executable).with_name("myproxy-get"))


@pytest.fixture
def env(keeper: Keeper, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who trusts nobody yet; ``new`` is to become the directory of trusted authorities."""
    return keeper.grid.env | keeper.prepare(tmp_path) | {"X509_CERT_DIR": str(tmp_path / "new")}


@pytest.fixture
def get(keeper: Keeper, tmp_path: Path, env: dict[str, str]) -> Callable[..., Done]:
    def run(*words: str, **more: str) -> Done:
        command = (GET, "--passphrase-file", "phrase", "-o", "out", *words)
        return keeper.run(*command, cwd=tmp_path, env=env | more)

    return run


@pytest.fixture
def fingerprint(keeper: Keeper) -> str:
    """That of the grid's authority, as openssl tells it."""
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    pem = keeper.grid.authority.root.certificate_pem()
    told = subprocess.run(command, input=pem, capture_output=True, check=True).stdout.decode()
    return told.partition("=")[2].strip()


@pytest.mark.parametrize("words", [(), ("-T",)], ids=["plain", "-T"])
def test_without_b_nobody_is_trusted(words: tuple[str, ...], get: Callable[..., Done], tmp_path: Path) -> None:
    done = get(*words)
    assert (done.returncode, (tmp_path / "new").exists(), (tmp_path / "out").exists()) == (1, False, False)
    assert "get to know the server with -b" in done.stderr


def test_with_b_nobody_is_trusted_unasked(get: Callable[..., Done], tmp_path: Path) -> None:
    done = get("-b")
    assert (done.returncode, (tmp_path / "new").exists(), (tmp_path / "out").exists()) == (77, False, False)
    assert "--expect-fingerprint" in done.stderr


@pytest.mark.parametrize("answer", ["yes", "y", "no", ""])
def test_only_a_yes_in_full_is_one(
    answer: str, env: dict[str, str], keeper: Keeper, fingerprint: str, tmp_path: Path
) -> None:
    words = ["-b", "--passphrase-file", "phrase", "-o", "out"]
    with pexpect.spawn(GET, words, env=env, cwd=str(tmp_path), timeout=30, encoding="utf-8") as child:
        child.expect_exact(fingerprint)
        child.expect_exact("(yes or no): ")
        assert not (tmp_path / "new").exists()
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
    assert (child.exitstatus, (tmp_path / "out").exists()) == ((0, True) if answer == "yes" else (1, False))
    names = {f"{keeper.grid.authority.hash}.0", f"{keeper.grid.authority.hash}.signing_policy"}
    assert (set(os.listdir(tmp_path / "new")) if answer == "yes" else names) == names


def test_a_fingerprint_decides_and_the_trust_roots_follow(
    get: Callable[..., Done], keeper: Keeper, fingerprint: str, tmp_path: Path
) -> None:
    wrong = get("-b", "--expect-fingerprint", "00:" * 31 + "00")
    assert (wrong.returncode, (tmp_path / "new").exists()) == (1, False)
    assert fingerprint in wrong.stderr
    right = get("-b", "--expect-fingerprint", fingerprint.lower().replace(":", ""), "--format", "json")
    assert right.returncode == 0, right.stderr
    policy = f"{keeper.grid.authority.hash}.signing_policy"
    assert json.loads(right.stdout)["trust_roots"]["replaced"] == [policy]
    assert (tmp_path / "new" / policy).read_text() == keeper.grid.authority.signing_policy()
    again = get("-T", "--format", "json")
    assert json.loads(again.stdout)["trust_roots"]["replaced"] == []


def test_until_then_the_authority_is_trusted_for_the_server_only(keeper: Keeper, tmp_path: Path) -> None:
    met = firstcontact.meet(contact.servers(keeper.grid.variables["PYGLOBUS_SANDBOX_MYPROXY"]))
    done = met.install(tmp_path / "new")
    policy = (tmp_path / "new" / f"{keeper.grid.authority.hash}.signing_policy").read_text()
    assert policy.endswith(f"cond_subjects globus '\"{met.server_name}\"'\n")
    assert sorted(done.added) == sorted(os.listdir(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_first_contact_replaces_nothing(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    name = f"{keeper.grid.authority.hash}.0"
    (tmp_path / "old" / name).write_text("another authority of that hash")
    met = firstcontact.meet(contact.servers(keeper.grid.variables["PYGLOBUS_SANDBOX_MYPROXY"]))
    with pytest.raises(errors.ConfigurationError, match=name):
        met.install(tmp_path / "old")
    assert os.listdir(tmp_path / "old") == [name]


def test_a_server_that_hides_its_authority_is_not_met(tmp_path: Path) -> None:
    host = Authority.create().issue_host(hosts=["localhost"])
    with (
        Server(host, tmp_path, lambda stream, _: stream.sendall(OK)) as server,
        pytest.raises(errors.CredentialError, match="does not present its authority"),
    ):
        firstcontact.meet([contact.Contact("localhost", server.port)], timeout=10)


def test_what_is_replaced_is_told(get: Callable[..., Done], keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    keeper.grid.authority.trust_in(tmp_path / "new")
    policy = tmp_path / "new" / f"{keeper.grid.authority.hash}.signing_policy"
    policy.write_text(keeper.grid.authority.signing_policy(["/O=Grid/*", "/C=XY/*"]))
    (tmp_path / "new" / "mine.0").write_text("mine")
    done = get("-T")
    assert done.returncode == 0, done.stderr
    assert f"{policy} has been replaced" in done.stderr
    assert policy.read_text() == keeper.grid.authority.signing_policy()
    assert (tmp_path / "new" / "mine.0").read_text() == "mine"
    assert sorted(os.listdir(tmp_path / "new")) == sorted([f"{keeper.grid.authority.hash}.0", policy.name, "mine.0"])


@pytest.mark.parametrize("name", ["../evil.0", "/etc/passwd", ".hidden", "", "a b.0", "x\n.0", "é.0", "a" * 300])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    sent = [TrustFile("good.0", b"x"), TrustFile(name, b"x")]
    with pytest.raises(errors.ProtocolError):
        trustroots.install(sent, tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.CannotCreate):
        trustroots.install([TrustFile("a.0", b"x")], tmp_path / "file" / "new")
    assert os.listdir(tmp_path) == ["file"]

# SPDX-License-Identifier: Apache-2.0
"""Detached signatures and envelopes, against openssl cms, and the commands around them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority
from pyglobus.core.x509 import envelope, signature
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import ec_key, rsa_key

CONTENT = b"what was said\r\n\x00" * 1000


@pytest.fixture(scope="module")
def trusted(grid: Sandbox) -> Path:
    return grid.directory / "certificates"


@pytest.fixture(scope="module")
def signer(grid: Sandbox) -> Credential:
    return grid.authority.issue("Signer", key=rsa_key())


def makers(grid: Sandbox, signer: Credential) -> dict[str, Credential]:
    on_curve = grid.authority.issue("Curve", key=ec_key())
    return {
        "rsa": signer,
        "ec": on_curve,
        "proxy": Credential.from_pem(grid.user.proxy.read_bytes()),
        "proxy of a proxy": on_curve.proxy(key=ec_key()).proxy(key=ec_key()),
    }


@pytest.mark.parametrize("maker", ["rsa", "ec", "proxy", "proxy of a proxy"])
def test_ours_is_verified_by_ours_and_by_openssl(
    maker: str, grid: Sandbox, signer: Credential, trusted: Path, tmp_path: Path
) -> None:
    credential = makers(grid, signer)[maker]
    made = signature.sign(BytesIO(CONTENT), credential)
    found = signature.verify(BytesIO(CONTENT), made, trusted)
    assert (found.subject, found.identity) == (credential.subject, credential.identity)
    assert found.claimed is not None and abs(found.claimed - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=10)
    (tmp_path / "made").write_bytes(made)
    (tmp_path / "content").write_bytes(CONTENT)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "PEM", "-in", "made", "-content", "content"]
    done = subprocess.run(
        [*command, "-CApath", str(trusted), "-purpose", "any", "-allow_proxy_certs", "-out", "/dev/null"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_openssls_is_verified_by_ours(
    form: str, digest: str, signer: Credential, trusted: Path, tmp_path: Path
) -> None:
    signer.save(tmp_path / "cert", tmp_path / "key")
    (tmp_path / "content").write_bytes(CONTENT)
    command = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-md",
        digest,
        "-in",
        "content",
        "-signer",
        "cert",
        "-inkey",
        "key",
    ]
    subprocess.run([*command, "-outform", form, "-out", "made"], cwd=tmp_path, check=True)
    found = signature.verify_file(tmp_path / "content", tmp_path / "made", trusted)
    assert found.identity == signer.subject


def test_a_weak_digest_is_refused(signer: Credential, trusted: Path, tmp_path: Path) -> None:
    signer.save(tmp_path / "cert", tmp_path / "key")
    (tmp_path / "content").write_bytes(CONTENT)
    command = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-md",
        "sha1",
        "-in",
        "content",
        "-signer",
        "cert",
        "-inkey",
        "key",
    ]
    subprocess.run([*command, "-outform", "PEM", "-out", "made"], cwd=tmp_path, check=True)
    with pytest.raises(errors.ProtocolError, match="weak"):
        signature.verify_file(tmp_path / "content", tmp_path / "made", trusted)


def test_a_changed_file_is_found_out(signer: Credential, trusted: Path) -> None:
    made = signature.sign(BytesIO(CONTENT), signer)
    for other in (CONTENT[:-1], CONTENT + b"x", b"", CONTENT.replace(b"said", b"SAID", 1)):
        with pytest.raises(errors.DataError) as caught:
            signature.verify(BytesIO(other), made, trusted)
        assert caught.value.fault == "content-changed"


def test_a_signer_of_no_trusted_authority_is_refused(trusted: Path, grid: Sandbox) -> None:
    stranger = Authority.create("/O=Elsewhere").issue("Stranger", key=ec_key())
    made = signature.sign(BytesIO(CONTENT), stranger)
    with pytest.raises(errors.CredentialError):
        signature.verify(BytesIO(CONTENT), made, trusted)
    # Nor one that a user has issued, as if the user were an authority.
    key = ec_key()
    user = grid.authority.issue(
        "User", key=key, extensions=[(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)]
    )
    forged = Authority(user, "/O=Grid").issue("/O=Grid/OU=Sandbox/CN=Forged", key=ec_key())
    made = signature.sign(BytesIO(CONTENT), Credential(forged.certificate, forged.key, (user.certificate,)))
    with pytest.raises(errors.CredentialError):
        signature.verify(BytesIO(CONTENT), made, trusted)


def test_an_expired_credential_neither_signs_nor_counts(
    grid: Sandbox, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(minutes=1)
    expired = grid.authority.issue("Late", key=ec_key(), not_after=past)
    with pytest.raises(errors.CredentialError) as caught:
        signature.sign(BytesIO(CONTENT), expired)
    assert caught.value.fault == "credential-expired"
    monkeypatch.setattr(Credential, "expires", dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    made = signature.sign(BytesIO(CONTENT), expired)
    with pytest.raises(errors.CredentialError):
        signature.verify(BytesIO(CONTENT), made, trusted)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30))
def test_bent_signatures_raise_ours_or_hold(seed: int, signer: Credential, trusted: Path) -> None:
    draw = random.Random(seed)
    data = bytearray(signature._der(signature.sign(BytesIO(CONTENT), signer)))
    for _ in range(draw.randrange(1, 4)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    with contextlib.suppress(errors.Error):
        assert signature.verify(BytesIO(CONTENT), bytes(data), trusted).identity == signer.subject


def test_envelopes_are_for_who_they_are_for(grid: Sandbox, signer: Credential, tmp_path: Path) -> None:
    sealed = envelope.encrypt(CONTENT, [signer.certificate])
    assert envelope.decrypt(sealed, signer) == CONTENT
    signer.save(tmp_path / "cert", tmp_path / "key")
    (tmp_path / "sealed").write_bytes(sealed)
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "PEM", "-in", "sealed", "-recip", "cert", "-inkey"]
    done = subprocess.run([*command, "key"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == CONTENT
    with pytest.raises(errors.CredentialError):
        envelope.decrypt(sealed, grid.authority.issue("Other", key=rsa_key()))
    with pytest.raises(errors.Error):
        envelope.decrypt(b"no envelope", signer)
    with pytest.raises(errors.UsageError):
        envelope.encrypt(CONTENT, [grid.authority.issue("Curve", key=ec_key()).certificate])


# The commands -----------------------------------------------------------------------------------------------------


def test_the_commands(grid: Sandbox, tmp_path: Path) -> None:
    def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["pyglobus", "cert", *arguments], cwd=tmp_path, env=grid.env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    (tmp_path / "file").write_bytes(CONTENT)
    assert "signed as" in run("sign", "file").stdout
    found = json.loads(run("verify", "--format", "json", "file").stdout)
    assert found["identity"] == grid.user.subject
    run("verify", "file", "--identity", grid.user.subject)
    assert "it is /O=" in run("verify", "file", "--identity", "/O=Grid/CN=Other", status=77).stderr
    run("verify", "absent", status=66)
    run("sign", "absent", status=66)
    (tmp_path / "file").write_bytes(CONTENT + b"!")
    assert "not what was signed" in run("verify", "file", status=74).stderr
    (tmp_path / "file.sig").write_bytes(b"nothing")
    run("verify", "file", status=69)


Cat = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def cat(grid: Sandbox) -> Cat:
    def start(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        command = ["pyglobus", "xio", "cat", *arguments]
        return subprocess.Popen(command, env=grid.env | (env or {}), stdin=pipe, stdout=pipe, stderr=pipe)

    return start


@pytest.mark.parametrize("stack", ["tcp", "tcp,gsi"])
def test_cat_talks_to_cat(stack: str, cat: Cat, grid: Sandbox) -> None:
    with cat("-v", "-l", "-s", stack, "127.0.0.1:0") as server:
        assert server.stderr is not None
        port = server.stderr.readline().split(b":")[-1].strip().decode()
        with cat("-v", "-s", stack, "--authorization", "self", f"127.0.0.1:{port}") as client:
            _, err = client.communicate(b"to the server\n" * 1000, timeout=30)
            said, noted = server.communicate(b"to the client\n", timeout=30)
    assert (client.returncode, server.returncode) == (0, 0), err + noted
    assert said == b"to the server\n" * 1000
    if stack == "tcp,gsi":
        assert f"the peer is {grid.user.subject}".encode() in noted


def test_cat_tells_what_is_wrong(cat: Cat, tmp_path: Path) -> None:
    for arguments, status in (
        (["127.0.0.1:1"], 75),
        (["nonsense"], 2),
        (["-s", "file", str(tmp_path / "absent")], 66),
        (["-s", "../x", "localhost:1"], 2),
    ):
        with cat(*arguments) as process:
            _, err = process.communicate(b"", timeout=30)
        assert process.returncode == status, err
        assert err.startswith(b"pyglobus xio cat: ") and b"Traceback" not in err


def test_cat_prints_a_file(cat: Cat, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    with cat("-s", "file", str(tmp_path / "f")) as process:
        assert process.communicate(b"", timeout=30)[0] == CONTENT

# SPDX-License-Identifier: Apache-2.0
"""Certificates and proxies of the throwaway authority, as OpenSSL and the C tools read them."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.sandbox.authority import Authority, Issued, loopback_names
from pyglobus.core.x509 import names
from pyglobus.core.x509.keys import ec_key, rsa_key
from pyglobus.core.x509.proxytype import INDEPENDENT, INHERIT_ALL, LIMITED


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


@pytest.fixture(scope="module")
def user(authority: Authority) -> Issued:
    return authority.issue("Grace Hopper")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def openssl(*words: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def verified(credential: Issued, authority: Authority, directory: Path, *options: str) -> str:
    """What openssl verify says of a credential with its chain."""
    (directory / "ca.pem").write_bytes(authority.root.certificate_pem())
    (directory / "chain.pem").write_bytes(credential.proxy_pem())
    (directory / "leaf.pem").write_bytes(credential.certificate_pem())
    chain = ("-untrusted", str(directory / "chain.pem"))
    return openssl("verify", *options, "-CAfile", directory / "ca.pem", *chain, directory / "leaf.pem")


TEXT = st.text(st.characters(categories=("L", "N", "Zs", "P"), exclude_characters="/="), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None)
@given(values=st.lists(TEXT.filter(lambda text: bool(text.strip())), min_size=1, max_size=4))
def test_subject_hash_is_that_of_openssl(values: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    key = ec_key()
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, value) for value in values])
    ca = Authority.create(key=key)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    dates = (ca.root.certificate.not_valid_before_utc, ca.root.certificate.not_valid_after_utc)
    certificate = builder.not_valid_before(dates[0]).not_valid_after(dates[1]).public_key(key.public_key())
    path = tmp_path_factory.mktemp("hash") / "certificate.pem"
    path.write_bytes(Issued(certificate.sign(key, hashes.SHA256()), key).certificate_pem())
    assert names.subject_hash(name) == openssl("x509", "-noout", "-subject_hash", "-in", path).strip()


@pytest.mark.parametrize(
    "text",
    [
        "/O=Grid/OU=Sandbox/CN=Ada Lovelace",
        "/C=DE/DC=org/DC=Example/O=Éole  Grid/CN=host/node 1.example.org",
        "/O=Grid/CN=A/emailAddress=a.b@Example.ORG",
        "/O=" + "x" * 64 + "/CN=" + "y" * 64,
    ],
)
def test_a_name_survives_and_hashes_as_openssl_does(text: str, authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue(text, key=ec_key())
    assert issued.subject == text
    (tmp_path / "c.pem").write_bytes(issued.certificate_pem())
    assert (
        names.subject_hash(issued.certificate.subject)
        == openssl("x509", "-noout", "-subject_hash", "-in", tmp_path / "c.pem").strip()
    )


@pytest.mark.parametrize("text", ["", "CN=Ada", "/", "/CN=", "/XYZ=Ada", "Ada/CN=x"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(errors.UsageError):
        names.parse(text)


def test_the_chain_verifies(authority: Authority, user: Issued, tmp_path: Path) -> None:
    proxy = user.proxy()
    assert verified(proxy, authority, tmp_path, "-allow_proxy_certs").endswith("OK\n")
    assert verified(proxy.proxy(language=LIMITED), authority, tmp_path, "-allow_proxy_certs").endswith("OK\n")
    host = authority.issue_host(hosts=loopback_names())
    for host_check in (("-verify_hostname", "localhost"), ("-verify_ip", "127.0.0.1"), ("-verify_ip", "::1")):
        strict = ("-x509_strict", "-purpose", "sslserver", *host_check)
        assert verified(host, authority, tmp_path, *strict).endswith("OK\n")


@pytest.mark.parametrize(
    ("language", "kind", "acts_for_user"),
    [
        (INHERIT_ALL, "RFC 3820 compliant impersonation proxy", True),
        (LIMITED, "RFC 3820 compliant limited proxy", True),
        (INDEPENDENT, "RFC 3820 compliant independent proxy", False),
    ],
)
def test_the_c_tool_reads_a_proxy(language: str, kind: str, acts_for_user: bool, user: Issued, tmp_path: Path) -> None:
    proxy = user.proxy(language=language)
    proxy.save_proxy(tmp_path / "proxy")

    def says(option: str) -> str:
        command = ["grid-proxy-info", "-file", str(tmp_path / "proxy"), option]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    assert says("-type") == kind
    assert says("-identity") == (user.subject if acts_for_user else proxy.subject)
    assert says("-subject") == proxy.subject
    assert 11 * 3600 < int(says("-timeleft")) <= 12 * 3600


@pytest.mark.parametrize("length", [0, 1, 127, 128, 1000])
def test_path_length_and_policy_are_encoded(length: int, user: Issued, tmp_path: Path) -> None:
    proxy = user.proxy(key=user.key, language="1.2.3.4", policy=b"only on sundays", path_length=length)
    (tmp_path / "p.pem").write_bytes(proxy.certificate_pem())
    text = openssl("x509", "-noout", "-text", "-in", tmp_path / "p.pem")
    assert f"Path Length Constraint: {length.to_bytes(2 if length > 255 else 1).hex().upper()}\n" in text
    assert "Policy Language: 1.2.3.4" in text
    assert "only on sundays" in text


def test_a_proxy_ends_with_its_issuer(authority: Authority) -> None:
    end = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(hours=1)
    user = authority.issue("Short Lived", key=rsa_key(), not_after=end)
    assert user.proxy(key=user.key).certificate.not_valid_after_utc == end
    beyond = end + dt.timedelta(hours=1)
    assert user.proxy(key=user.key, not_after=beyond).certificate.not_valid_after_utc == beyond


@pytest.mark.usefixtures("no_umask")
def test_keys_are_for_their_owner_alone(user: Issued, tmp_path: Path) -> None:
    user.save(tmp_path / "cert", tmp_path / "key")
    user.save_proxy(tmp_path / "proxy")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"cert": 0o644, "key": 0o600, "proxy": 0o600}


def test_a_key_can_have_a_pass_phrase(user: Issued, tmp_path: Path) -> None:
    user.save(tmp_path / "cert", tmp_path / "key", pass_phrase=b"open sesame")
    assert "ENCRYPTED" in (tmp_path / "key").read_text()
    assert openssl("pkey", "-in", tmp_path / "key", "-passin", "pass:open sesame", "-noout") == ""


def test_the_key_is_in_no_repr(user: Issued) -> None:
    assert "key" not in repr(user).lower()


def test_a_trusted_directory_has_what_gsi_needs(authority: Authority, tmp_path: Path) -> None:
    authority.trust_in(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{authority.hash}.0",
        f"{authority.hash}.signing_policy",
    ]
    openssl("verify", "-CApath", tmp_path, tmp_path / f"{authority.hash}.0")
    assert (tmp_path / f"{authority.hash}.signing_policy").read_text().splitlines() == [
        f"access_id_CA X509 '{authority.subject}'",
        "pos_rights globus CA:sign",
        "cond_subjects globus '\"/O=Grid/OU=Sandbox/*\"'",
    ]

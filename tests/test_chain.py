# SPDX-License-Identifier: Apache-2.0
"""Chains judged rule by rule: each fault made for real, found by its own check, and refused by the Globus libraries
where they know the rule; and readers that meet anything with one of our errors.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.sandbox.authority import Authority
from pyglobus.core.x509 import chain, kind, names, pem, request, signingpolicy, toolkit
from pyglobus.core.x509.check import Outcome
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import rsa_key
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import LIMITED, Form
from pyglobus.ffi.errors import GlobusError
from tests.faults.chains import DAY, FAULTS, KEY, NOW, SPOILED, Ground, below

if TYPE_CHECKING:
    from tests.conftest import Lab


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def outcome(credential: Credential, directory: Path) -> dict[str, tuple[Outcome, str | None]]:
    report = chain.inspect(credential.certificates, directory)
    return {check.name: (check.outcome, check.fault) for check in report.checks}


def good(credential: Credential, directory: Path) -> None:
    report = chain.inspect(credential.certificates, directory)
    assert report.is_valid, [check for check in report.checks if check.outcome is Outcome.FAILED]


def test_good_chains_are_valid(ground: Ground) -> None:
    user = ground.user
    good(user, ground.directory)
    good(user.proxy(key=KEY), ground.directory)
    good(user.proxy(key=KEY).proxy(key=KEY, language=LIMITED).proxy(key=KEY, language=LIMITED), ground.directory)
    good(user.proxy(key=KEY, path_length=1).proxy(key=KEY), ground.directory)
    good(user.proxy(key=KEY, form=Form.DRAFT, path_length=0), ground.directory)
    good(ground.authority.issue_host(), ground.directory)
    ground.revoke(12345)
    good(user.proxy(key=KEY), ground.directory)


@pytest.mark.parametrize("wrong", FAULTS)
def test_each_fault_of_a_chain_is_found(wrong: str, ground: Ground) -> None:
    make, check, fault, libraries_too = FAULTS[wrong]
    credential = make(ground)
    found = outcome(credential, ground.directory)
    assert found[check] == (Outcome.FAILED, fault)
    assert (found["globus"][0] is Outcome.FAILED) == libraries_too


@pytest.mark.parametrize(("spoil", "check", "fault"), SPOILED)
def test_each_fault_of_a_directory_is_found(
    spoil: Callable[[Ground], None], check: str, fault: str, ground: Ground
) -> None:
    credential = ground.user.proxy(key=KEY)
    good(credential, ground.directory)
    spoil(ground)
    assert outcome(credential, ground.directory)[check] == (Outcome.FAILED, fault)


def test_what_is_revoked_is_refused(ground: Ground) -> None:
    user = ground.user
    ground.revoke(user.certificate.serial_number)
    found = outcome(user.proxy(key=KEY), ground.directory)
    assert found["revocation"] == (Outcome.FAILED, "revoked")
    assert found["globus"][0] is Outcome.FAILED


def test_an_authority_that_has_ended_is_told(tmp_path: Path) -> None:
    old = Authority.create("/O=Grid/OU=Old", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    ground = Ground(tmp_path, old)
    user = old.issue("User", key=KEY, not_after=NOW + DAY)
    assert outcome(user, ground.directory)["dates"] == (Outcome.FAILED, "authority-expired")


def test_what_outlives_its_issuer_or_is_restricted_is_a_warning(ground: Ground) -> None:
    user = below(ground, not_after=NOW + DAY)
    found = outcome(user.proxy(key=KEY, not_after=NOW + 2 * DAY), ground.directory)
    assert found["proxy-lifetime"] == (Outcome.WARNING, "outlives-issuer")
    restricted = user.proxy(key=KEY, language="1.2.3", policy=b"x")
    assert outcome(restricted, ground.directory)["proxy-policy"] == (Outcome.WARNING, "restricted")
    good(restricted, ground.directory)


def test_no_directory_makes_nothing_valid(ground: Ground, tmp_path: Path) -> None:
    """The libraries take any chain for good when OpenSSL cannot use the directory."""
    for path in (tmp_path / "nosuch", tmp_path / "a:b", ground.file("0")):
        if ":" in path.name:
            path.mkdir()
        with pytest.raises(errors.ConfigurationError):
            chain.inspect(ground.user.certificates, path)
        with pytest.raises(errors.ConfigurationError):
            toolkit.verify(ground.user.proxy_pem(), path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GlobusError):
        toolkit.verify(ground.user.proxy_pem(), tmp_path / "empty")


def test_the_command_shows_each_check(ground: Ground, tmp_path: Path) -> None:
    path = tmp_path / "proxy"
    bad = ground.user.proxy(key=KEY, path_length=0).proxy(key=KEY)
    command = [sys.executable, "-c", "import sys; from pyglobus.cli.main import pyglobus; sys.exit(pyglobus())"]
    command += ["proxy", "verify", "--cert-dir", str(ground.directory), str(path)]
    for credential, status in ((ground.user.proxy(key=KEY), 0), (bad, 77)):
        credential.save_proxy(path)
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
        record = json.loads(subprocess.run([*command, "--format", "json"], capture_output=True, timeout=60).stdout)
        assert shown.returncode == status
        assert ("FAILED" in shown.stdout) == (not record["valid"]) == (status != 0)
        assert {check["name"] for check in record["checks"]} >= {"authority", "proxy-path-length", "globus"}
        for check in record["checks"]:
            assert check["name"] in shown.stdout
            assert check["explanation"]


@pytest.mark.parametrize(
    ("text", "subject", "allowed"),
    [
        ("'\"/O=Grid/*\"'", "/O=Grid/CN=a", True),
        ('\'"/O=Grid/*" "/O=Other/CN=?"\'', "/O=Other/CN=b", True),
        ("'\"/O=Other/CN=?\"'", "/O=Other/CN=bb", False),
        ("'/O=Grid/*'", "/O=Grid/CN=a", True),
        ("'\"/O=Grid/CN=a.c\"'", "/O=Grid/CN=abc", False),
    ],
)
def test_signing_policies_are_read_as_sites_write_them(text: str, subject: str, allowed: bool) -> None:
    policy = (
        f"# of a site\n access_id_CA X509 '/CN=CA'\n\tpos_rights  globus CA:sign # may\n cond_subjects globus {text}\n"
    )
    assert signingpolicy.parse(policy).allows("/CN=CA", subject) == allowed
    assert not signingpolicy.parse(policy).allows("/CN=Other", subject)
    assert not signingpolicy.parse(policy.replace("pos_rights", "neg_rights")).allows("/CN=CA", subject)


# --- anything at all --------------------------------------------------------------------------------------------------

ANY = st.binary(max_size=400)


@given(data=ANY, draft=st.booleans())
def test_an_extension_is_read_or_refused(data: bytes, draft: bool) -> None:
    try:
        info = ProxyCertInfo.decode(data, draft=draft)
    except errors.CredentialError:
        return
    assert info.encode(draft=draft) == data


OIDS = st.lists(st.integers(0, 2**64), min_size=1, max_size=8).map(lambda rest: ".".join(map(str, [1, 3, *rest])))


@given(
    info=st.builds(ProxyCertInfo, OIDS, st.none() | st.binary(max_size=300), st.none() | st.integers(0, 2**31 - 1)),
    draft=st.booleans(),
)
def test_an_extension_survives(info: ProxyCertInfo, draft: bool) -> None:
    assert ProxyCertInfo.decode(info.encode(draft=draft), draft=draft) == info


@given(info=st.builds(ProxyCertInfo, OIDS, ANY, st.integers(0, 9)), at=st.integers(0, 400), bit=st.integers(0, 7))
def test_a_flipped_bit_in_an_extension_is_read_or_refused(info: ProxyCertInfo, at: int, bit: int) -> None:
    data = bytearray(info.encode())
    data[at % len(data)] ^= 1 << bit
    test_an_extension_is_read_or_refused.hypothesis.inner_test(bytes(data), False)  # type: ignore[attr-defined]


def examined(data: bytes) -> None:
    """Put a file's content before everything that reads one."""
    try:
        found = Credential.from_pem(data)
    except errors.Error:
        found = None
    if found is not None:
        with contextlib.suppress(errors.CredentialError):
            _ = (found.kind, found.identity, found.expires)
        chain.inspect(found.certificates, None)
    with contextlib.suppress(errors.Error):
        toolkit.facts(data)
        toolkit.text(data)
    with contextlib.suppress(errors.Error):
        request.read(data)


@pytest.fixture(scope="module")
def proxy_pem(lab: Lab) -> bytes:
    return lab.user.proxy(key=rsa_key(), path_length=3).proxy_pem()


@settings(max_examples=150)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_proxy_file_is_read_or_refused(proxy_pem: bytes, at: int, byte: int, cut: bool) -> None:
    data = bytearray(proxy_pem)
    data[at % len(data)] = byte
    examined(bytes(data[: at % len(data)] if cut else data))


@settings(max_examples=150)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_damaged_certificate_is_read_or_refused(proxy_pem: bytes, at: int, bit: int) -> None:
    """The bits below the PEM: names, dates, extensions, keys, signature."""
    first, *rest = pem.certificates(pem.blocks(proxy_pem))
    der = bytearray(first.public_bytes(serialization.Encoding.DER))
    der[at % len(der)] ^= 1 << bit
    try:
        damaged = pem.certificate(bytes(der))
    except errors.CredentialError:
        return
    for look in (kind.kind_of, kind.extensions):
        with contextlib.suppress(errors.CredentialError):
            look(damaged)
    names.oneline(damaged.subject)
    chain.inspect([damaged, *rest], None)


@given(data=ANY)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    examined(data)
    examined(b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n")


@given(text=st.text(max_size=200))
def test_any_text_is_a_signing_policy_or_refused(text: str) -> None:
    for policy in (text, f"access_id_CA X509 '/CN=x'\npos_rights globus CA:sign\ncond_subjects globus {text}"):
        with contextlib.suppress(errors.ConfigurationError):
            signingpolicy.parse(policy).allows("/CN=x", "/CN=y")

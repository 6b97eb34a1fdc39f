# SPDX-License-Identifier: Apache-2.0
"""Chains judged rule by rule: each fault made for real, found by its own check, and refused by the Globus libraries
where they know the rule; and readers that meet anything with one of our errors.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509 import chain, kind, names, pem, request, signingpolicy, toolkit
from pyglobus.core.x509.check import Outcome
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import Key, ec_key, rsa_key
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import LIMITED, Form
from pyglobus.ffi.errors import GlobusError

if TYPE_CHECKING:
    from tests.conftest import Lab

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
KEY = ec_key()


class Ground:
    """An authority of its own and its trusted directory, to spoil."""

    def __init__(self, directory: Path, authority: Authority | None = None) -> None:
        self.directory = directory
        self.authority = authority or Authority.create("/O=Grid/OU=Ground")
        self.authority.trust_in(directory)

    @property
    def user(self) -> Issued:
        return self.authority.issue("User", key=KEY)

    def file(self, suffix: str) -> Path:
        return self.directory / f"{self.authority.hash}.{suffix}"

    def revoke(self, *serials: int, key: Key | None = None, begin: dt.datetime = NOW - DAY, days: int = 7) -> None:
        root = self.authority.root
        builder = x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
        builder = builder.last_update(begin).next_update(begin + days * DAY)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begin).build()
            builder = builder.add_revoked_certificate(revoked)
        signed = builder.sign(key or root.key, hashes.SHA256())
        self.file("r0").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


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


def _below(ground: Ground, **more: dt.datetime) -> Issued:
    return ground.authority.issue("User", key=KEY, **more)  # type: ignore[arg-type]


def _weak(ground: Ground) -> Credential:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return ground.authority.issue("Weak", key=weak).proxy(key=KEY)


def _sha1(ground: Ground) -> Credential:
    text = ground.directory / "sha1.pem"
    root, user = ground.directory / "root.key", ground.directory / "request.pem"
    key_pem = ground.authority.root.key_pem()
    root.write_bytes(key_pem)
    user.write_bytes(request.create(KEY))
    command = ["openssl", "x509", "-req", "-sha1", "-in", str(user), "-CA", str(ground.file("0")), "-CAkey", str(root)]
    command += ["-set_serial", "7", "-days", "5", "-out", str(text)]
    subprocess.run(command, check=True, capture_output=True)
    return Credential.of(KEY, [pem.certificate(text.read_bytes())])


def _forged(ground: Ground) -> Credential:
    impostor = Authority.create("/O=Grid/OU=Ground", ground.authority.subject.rpartition("/CN=")[2])
    return impostor.issue("User", key=KEY).proxy(key=KEY)


def _usage(ground: Ground) -> Credential:
    usage = x509.KeyUsage(False, True, False, False, False, False, False, False, False)
    user = ground.user
    builder = x509.CertificateBuilder().subject_name(user.certificate.subject).serial_number(5)
    builder = builder.issuer_name(ground.authority.root.certificate.subject).public_key(KEY.public_key())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).add_extension(usage, critical=True)
    return Issued(builder.sign(ground.authority.root.key, hashes.SHA256()), KEY).proxy(key=KEY)


def _extension(ground: Ground) -> Credential:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return ground.authority.issue("User", key=KEY, extensions=[(odd, True)])


def _not_an_authority(ground: Ground) -> Credential:
    identifier = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    user = ground.authority.issue("User", key=KEY, extensions=[(identifier, False)])
    made = Authority(user, ground.authority.namespace).issue(f"{user.subject}/OU=x", key=KEY)
    return Credential(made.certificate, KEY, (user.certificate,))


def _orphan(ground: Ground) -> Credential:
    made = ground.user.proxy(key=KEY)
    return Credential(made.certificate, made.key)


def _alternative(ground: Ground) -> Credential:
    made = ground.user.proxy(key=KEY)
    builder = x509.CertificateBuilder().subject_name(made.certificate.subject).issuer_name(made.certificate.issuer)
    builder = builder.serial_number(6).public_key(KEY.public_key())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(made.certificate.not_valid_after_utc)
    for each in made.certificate.extensions:
        builder = builder.add_extension(each.value, critical=each.critical)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
    return Credential(builder.sign(KEY, hashes.SHA256()), KEY, made.chain)


#: What is wrong, the check that finds it and the name of the fault, and whether the Globus libraries find it too.
FAULTS: dict[str, tuple[Callable[[Ground], Credential], str, str, bool]] = {
    "expired": (lambda g: _below(g, not_before=NOW - 9 * DAY, not_after=NOW - DAY), "dates", "expired", True),
    "not yet valid": (lambda g: _below(g, not_before=NOW + DAY), "dates", "not-yet-valid", True),
    "expired proxy": (
        lambda g: g.user.proxy(key=KEY, not_before=NOW - DAY, not_after=NOW - DAY / 2),
        "dates",
        "expired",
        True,
    ),
    "signature of another": (_forged, "signatures", "bad-signature", True),
    "weak key": (_weak, "strength", "weak-key", False),
    "SHA-1": (_sha1, "strength", "weak-signature", True),
    "not an authority": (_not_an_authority, "authorities", "not-an-authority", True),
    "no owner": (_orphan, "proxy-form", "no-owner", True),
    "alternative name": (_alternative, "proxy-form", "bad-proxy", True),
    "policy where none may be": (lambda g: g.user.proxy(key=KEY, policy=b"x"), "proxy-form", "bad-proxy", False),
    "mixed forms": (
        lambda g: g.user.proxy(key=KEY).proxy(key=KEY, form=Form.DRAFT),
        "proxy-form",
        "mixed-proxies",
        True,
    ),
    "full after limited": (
        lambda g: g.user.proxy(key=KEY, language=LIMITED).proxy(key=KEY),
        "proxy-rights",
        "limited-exceeded",
        True,
    ),
    "path length 0": (
        lambda g: g.user.proxy(key=KEY, path_length=0).proxy(key=KEY),
        "proxy-path-length",
        "path-length-exceeded",
        True,
    ),
    "path length 1": (
        lambda g: g.user.proxy(key=KEY, path_length=1).proxy(key=KEY).proxy(key=KEY),
        "proxy-path-length",
        "path-length-exceeded",
        True,
    ),
    "key usage": (_usage, "proxy-key-usage", "key-usage", True),
    "critical extension": (_extension, "extensions", "unknown-extension", True),
    "name": (lambda g: g.authority.issue(f"{g.user.subject}/CN=proxy", key=KEY), "proxy-form", "bad-proxy-name", True),
}


@pytest.mark.parametrize("wrong", FAULTS)
def test_each_fault_of_a_chain_is_found(wrong: str, ground: Ground) -> None:
    make, check, fault, libraries_too = FAULTS[wrong]
    credential = make(ground)
    found = outcome(credential, ground.directory)
    assert found[check] == (Outcome.FAILED, fault)
    assert (found["globus"][0] is Outcome.FAILED) == libraries_too


def spoil_unknown(ground: Ground) -> None:
    ground.file("0").unlink()


def spoil_hash(ground: Ground) -> None:
    ground.file("0").rename(ground.directory / "0badcafe.0")


def spoil_no_policy(ground: Ground) -> None:
    ground.file("signing_policy").unlink()


def spoil_policy(ground: Ground) -> None:
    ground.file("signing_policy").write_text(ground.authority.signing_policy(["/O=Elsewhere/*"]))


def spoil_policy_text(ground: Ground) -> None:
    ground.file("signing_policy").write_text("access_id_CA X509 'unfinished\n")


def spoil_crl_expired(ground: Ground) -> None:
    ground.revoke(begin=NOW - 9 * DAY)


def spoil_crl_forged(ground: Ground) -> None:
    ground.revoke(key=ec_key())


def spoil_crl_damaged(ground: Ground) -> None:
    ground.file("r0").write_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")


SPOILED = [
    (spoil_unknown, "authority", "ca-unknown"),
    (spoil_hash, "authority", "wrong-hash-link"),
    (spoil_no_policy, "signing-policy", "signing-policy-missing"),
    (spoil_policy, "signing-policy", "signing-policy-forbids"),
    (spoil_policy_text, "signing-policy", "signing-policy-invalid"),
    (spoil_crl_expired, "revocation", "crl-expired"),
    (spoil_crl_forged, "revocation", "crl-invalid"),
    (spoil_crl_damaged, "revocation", "crl-invalid"),
]


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
    user = _below(ground, not_after=NOW + DAY)
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

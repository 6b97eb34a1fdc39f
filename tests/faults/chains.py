# SPDX-License-Identifier: Apache-2.0
"""Chains of certificates that are wrong, each in one way, and directories that spoil a good one."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pyglobus.cli.exits import code_of
from pyglobus.core.faults.verdict import FAULTS as table
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509 import chain, names, pem, proxycertinfo, request
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import Key, ec_key
from pyglobus.core.x509.proxytype import LIMITED, Form
from tests.faults.case import CONFIGURATION, CREDENTIAL, case
from tests.faults.lab import Lab, Record

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


def below(ground: Ground, **more: dt.datetime) -> Issued:
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
    "expired": (
        lambda g: below(g, not_before=NOW - 9 * DAY, not_after=NOW - DAY),
        "dates",
        "certificate-expired",
        True,
    ),
    "not yet valid": (lambda g: below(g, not_before=NOW + DAY), "dates", "not-yet-valid", True),
    "expired proxy": (
        lambda g: g.user.proxy(key=KEY, not_before=NOW - DAY, not_after=NOW - DAY / 2),
        "dates",
        "proxy-expired",
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


def _unknown_kind_of_key(ground: Ground) -> Credential:
    """A curve that nobody knows: a byte of its identifier is changed, and the authority signs what comes of it."""
    der = bytearray(ground.user.certificate.public_bytes(serialization.Encoding.DER))
    curve = bytes.fromhex("06082a8648ce3d030107")  # P-256
    at = der.index(curve)
    der[at + len(curve) - 1] = 0x7F
    return Credential(pem.certificate(bytes(der)), KEY)


def _unreadable_extension(ground: Ground) -> Credential:
    odd = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x80")
    return ground.authority.issue("User", key=KEY, extensions=[(odd, False)])


def _malformed_proxy(ground: Ground) -> Credential:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(proxycertinfo.RFC_OID), b"\x30\x00")
    user = ground.user
    builder = x509.CertificateBuilder().issuer_name(user.certificate.subject).serial_number(5)
    builder = builder.subject_name(names.parse(f"{user.subject}/CN=5")).public_key(KEY.public_key())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).add_extension(odd, critical=True)
    return Credential(builder.sign(KEY, hashes.SHA256()), KEY, user.certificates)


def _revoked(ground: Ground) -> Credential:
    user = ground.user
    ground.revoke(user.certificate.serial_number)
    return user


#: Those that the tests of chains look at more closely, or that only cause a warning.
OTHERS: dict[str, tuple[Callable[[Ground], Credential], str]] = {
    "kind of key": (_unknown_kind_of_key, "bad-key"),
    "extensions that cannot be read": (_unreadable_extension, "bad-extension"),
    "malformed proxy": (_malformed_proxy, "bad-proxy-extension"),
    "revoked": (_revoked, "revoked"),
    "outlives": (
        lambda g: below(g, not_after=NOW + DAY).proxy(key=KEY, not_after=NOW + 2 * DAY),
        "outlives-issuer",
    ),
    "restricted": (lambda g: g.user.proxy(key=KEY, language="1.2.3", policy=b"x"), "restricted"),
    "soon": (lambda g: below(g, not_after=NOW + 3 * DAY), "ends-soon"),
    "refused by the libraries": (lambda g: below(g, not_after=NOW - DAY / 2, not_before=NOW - DAY), "globus-refuses"),
}


def _judged(lab: Lab, make: Callable[[Ground], Credential], fault: str, spoil: Callable[[Ground], None]) -> Record:
    ground = Ground(lab.trust())
    credential = make(ground)
    spoil(ground)
    checks = chain.inspect(credential.certificates, ground.directory).checks
    found = next(check for check in checks if check.fault == fault)
    known = next(each for each in table if each.name == fault)
    kind = known.class_for(None)
    told = {"fault": found.fault, "why": found.explanation, "hint": found.hint}
    return {"class": kind.__name__, "exit_code": code_of(kind("")), **told}


def _register(name: str, make: Callable[[Ground], Credential], fault: str, spoil: Callable[[Ground], None]) -> None:
    def run(lab: Lab) -> Record:
        return _judged(lab, make, fault, spoil)

    run.__name__ = "chain_with_" + name.replace(" ", "_").replace("-", "_")
    in_directory = fault in ("wrong-hash-link", "crl-expired", "crl-invalid") or fault.startswith("signing-policy-m")
    kind = CONFIGURATION if in_directory or fault == "signing-policy-invalid" else CREDENTIAL
    case(fault, *kind)(run)


for _name, (_make, _, _fault, _found_too) in FAULTS.items():
    _register(_name, _make, _fault, lambda _: None)
for _name, (_make, _fault) in OTHERS.items():
    _register(_name, _make, _fault, lambda _: None)
for _spoil, _, _fault in SPOILED:
    _register(_spoil.__name__, lambda g: g.user.proxy(key=KEY), _fault, _spoil)

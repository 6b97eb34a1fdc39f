# SPDX-License-Identifier: Apache-2.0
"""What a file is: certificates, proxies, keys, requests, revocation lists, signing policies, in PEM, DER or PKCS #12.

It is told by its content, not by its name. Private keys and pass phrases are in no text.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from pyglobus.core import errors, faults
from pyglobus.core.doctor import about
from pyglobus.core.x509 import chain, filerules, names, pem, request, signingpolicy, trust
from pyglobus.core.x509.check import Check, Outcome, failed, of_error, passed, skipped
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.trust import TrustedDirectory

#: Revocation lists of large authorities have megabytes; whatever is larger is none of these.
_MOST = 64 << 20
_WHAT = "cannot explain"


@dataclass(frozen=True)
class Document:
    """What something is (``kind``), what is to be said of it in pairs of a label and a text, and what is right and
    wrong with it.
    """

    kind: str
    facts: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """True if nothing is wrong, and nothing needs a second look."""
        return all(check.outcome in (Outcome.PASSED, Outcome.SKIPPED) for check in self.checks)


def explain(path: Path, pass_phrases: Iterable[bytes] = ()) -> Document:
    """What is in a file. ``pass_phrases`` are tried in turn where something is encrypted.

    Raises `errors.NotFound`, `errors.AccessDenied`, and `errors.CredentialError` for what is none of all this.
    """
    data = _read(path)
    where = str(path)
    if b"access_id_CA" in data and b"-----BEGIN" not in data:
        return _policy(data, path)
    if b"-----BEGIN X509 CRL-----" in data:
        return _list(x509.load_pem_x509_crl, data, path)
    if b"-----BEGIN" in data:
        return _pem(pem.blocks(data, where=where), path, tuple(pass_phrases))
    return _der(data, path, tuple(pass_phrases))


def is_file(target: str) -> bool:
    """Whether this names a file, not a server."""
    if "://" in target:
        return target.startswith("file:")
    return os.path.exists(target) or re.fullmatch(r".+:\d{1,5}", target) is None


def of_server(target: str, timeout: float) -> Document:
    """What a server shows: see `pyglobus.core.doctor.server`. Raises one of `errors`."""
    from pyglobus.core.doctor import server

    try:
        certificates, checks = server.shown(server.Target.parse(target), timeout)
    except errors.Error as error:
        error.where = error.where or target
        raise
    facts = [*about.facts(certificates[0])]
    facts += [("chain", names.oneline(one.subject)) for one in certificates[1:]]
    return Document(f"a server with a {about.kind(certificates[0])}", tuple(facts), tuple(checks))


def of_certificates(
    certificates: Sequence[x509.Certificate], *, kind: str | None = None, more: Sequence[Check] = ()
) -> Document:
    """A chain, its first certificate in detail."""
    first = certificates[0]
    checks: list[Check] = []
    try:
        directory: Path | None = trust.default_directory()
    except errors.ConfigurationError as error:
        checks.append(of_error("trusted-directory", error))
        directory = None
    try:
        checks += chain.inspect(certificates, directory).checks
    except errors.Error as error:
        checks.append(of_error("trusted-directory", error))
    facts = [*about.facts(first)]
    facts += [("chain", names.oneline(one.subject)) for one in certificates[1:]]
    return Document(kind or f"a {about.kind(first)}", tuple(facts), (*checks, *more))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise faults.explain(error, what=_WHAT, where=str(path), role="source") from error
    if not data:
        raise faults.known("credential-empty", what=_WHAT, path=str(path))
    if len(data) > _MOST:
        raise faults.known("not-pem", what=_WHAT, where=str(path), problem="it is too large for anything known here")
    return data


def _pem(blocks: list[pem.Block], path: Path, pass_phrases: tuple[bytes, ...]) -> Document:
    where = str(path)
    labels = [block.label for block in blocks]
    keys = [block for block in blocks if block.is_key]
    found = pem.certificates(blocks, where=where)
    if keys:
        return _with_key(blocks, found, path, pass_phrases)
    if found:
        plural = f"{len(found)} certificates, the first of which is a" if len(found) > 1 else "a"
        return of_certificates(found, kind=f"{plural} {about.kind(found[0])}")
    if any(label in pem.REQUESTS for label in labels):
        return _request(b"".join(block.text for block in blocks), where)
    if any(label in ("CMS", "PKCS7") for label in labels):
        return Document("a signature or an encrypted message (CMS)", (("see", "pyglobus cert verify"),), ())
    raise faults.known("no-certificate", what=_WHAT, where=where)


def _der(data: bytes, path: Path, pass_phrases: tuple[bytes, ...]) -> Document:
    where = str(path)
    with contextlib.suppress(errors.Error):
        return of_certificates([pem.certificate(data)])  # what is wrong with it is in its checks
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        x509.load_der_x509_crl(data)
        return _list(x509.load_der_x509_crl, data, path)
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        x509.load_der_x509_csr(data)
        return _request(data, where)
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        serialization.load_der_private_key(data, None)
        text = b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(data) + b"-----END PRIVATE KEY-----\n"
        return _with_key(pem.blocks(text), [], path, ())
    if data[:1] == b"0" and re.search(rb"\x2a\x86\x48\x86\xf7\x0d\x01\x07", data[:64]):
        return _pkcs12(data, path, pass_phrases)
    problem = "it is no certificate, key, request, revocation list or signing policy in any form that is known"
    raise faults.known("not-pem", what=_WHAT, where=where, problem=problem)


def _with_key(
    blocks: list[pem.Block], found: list[x509.Certificate], path: Path, pass_phrases: tuple[bytes, ...]
) -> Document:
    """A proxy file, a certificate with its key, or a key alone."""
    where = str(path)
    more = [_guarded(path)]
    size = ""
    locked = False
    try:
        key = pem.private_key(blocks, pass_phrases, where=where)
        size = about.strength(key.public_key())
        if found:
            found = list(Credential.of(key, found, where=where).certificates)
            more.append(passed("key", "the private key belongs to the certificate"))
    except errors.Error as error:
        locked = error.fault == "no-pass-phrase"
        text = "the private key is protected by a pass phrase, and was not opened"
        more.append(passed("key", text) if locked else of_error("key", error))
    if found:
        what = about.kind(found[0])
        return of_certificates(found, kind=f"a {what} with its private key", more=more)
    kind = "a private key that is protected by a pass phrase" if locked else "a private key"
    return Document(kind, (("key", size or "not opened"),), tuple(more))


def _pkcs12(data: bytes, path: Path, pass_phrases: tuple[bytes, ...]) -> Document:
    where, kind = str(path), "a PKCS #12 file"
    more = [_guarded(path)]
    try:
        try:
            key, own, others = pkcs12.load_key_and_certificates(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key, own, others = pem.unlocked(
                lambda phrase: pkcs12.load_key_and_certificates(data, phrase), pass_phrases, where=where
            )
    except errors.Error as error:
        if error.fault == "no-pass-phrase":
            return Document(kind, (("content", "protected by a pass phrase, and not opened"),), tuple(more))
        return Document(kind, (), (*more, of_error("key", error)))
    certificates = [one for one in (own, *others) if one is not None]
    if not certificates:
        raise faults.known("no-certificate", what=_WHAT, where=where)
    kind += " with a private key and its certificate" if key is not None and own is not None else " of certificates"
    return of_certificates(certificates, kind=kind, more=more)


def _guarded(path: Path) -> Check:
    """Whether the file of a key is closed to all others."""
    fault = filerules.fault(path.stat())
    if fault is not None:
        return failed("permissions", fault, path=str(path))
    return passed("permissions", "nobody else can read it")


def _request(data: bytes, where: str) -> Document:
    found = request.read(data, where=where)
    asked = "a certificate, or a proxy" if found.form is None else f"a {found.form} proxy"
    facts = [("key", about.strength(found.public_key)), ("asks for", asked)]
    with contextlib.suppress(ValueError):
        loaded = x509.load_pem_x509_csr(data) if b"-----BEGIN" in data else x509.load_der_x509_csr(data)
        facts.insert(0, ("subject", names.oneline(loaded.subject)))
    good = passed("signature", "it is signed with its own key")
    return Document("a certificate request, which is no certificate yet", tuple(facts), (good,))


def _list(load: object, data: bytes, path: Path) -> Document:
    try:
        found = load(data)  # type: ignore[operator]
        issuer, end = found.issuer, found.next_update_utc
        facts = [("authority", names.oneline(issuer)), ("made", f"{found.last_update_utc:%F %T} UTC")]
        facts += [("valid until", f"{end:%F %T} UTC" if end else "not told"), ("revoked", f"{len(found)} certificates")]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise faults.known("crl-invalid", what=_WHAT, path=str(path), problem="it is damaged") from error
    now = dt.datetime.now(dt.UTC)
    checks = []
    if end is not None and end < now:
        checks.append(failed("dates", "crl-expired", revocations=str(path)))
    elif found.last_update_utc > now:
        ahead = f"{found.last_update_utc:%F %H:%M} UTC"
        checks.append(failed("dates", "clock-skew", skew="more than allowed", evidence=f"{path} begins at {ahead}"))
    else:
        checks.append(passed("dates", "it is in date"))
    checks.append(_signed(found, path))
    return Document("a revocation list", tuple(facts), tuple(checks))


def _signed(found: x509.CertificateRevocationList, path: Path) -> Check:
    name, whose = "signature", names.oneline(found.issuer)
    try:
        candidates = [one for _, one in TrustedDirectory(trust.default_directory()).authorities(found.issuer)]
    except errors.Error as error:
        return dataclasses.replace(of_error(name, error), outcome=Outcome.SKIPPED)
    if not candidates:
        return skipped(name, f"the authority {whose} is not trusted here, so it cannot be checked")
    for one in candidates:
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            if found.is_signature_valid(one.public_key()):  # type: ignore[arg-type]
                return passed(name, f"it is signed by {whose}")
    return failed(name, "crl-invalid", path=str(path), problem=f"it is not signed by {whose}")


def _policy(data: bytes, path: Path) -> Document:
    policy = signingpolicy.parse(data.decode("utf-8", "replace"), where=str(path))
    facts = [(f"{authority} may sign", " ".join(patterns)) for authority, patterns in policy.entries]
    if not facts:
        silent = failed("policy", "signing-policy-silent", path=str(path), subject="of any name")
        return Document("a signing policy that allows nothing", (), (silent,))
    checks = [_named(authority, path) for authority, _ in policy.entries[:1]]
    return Document("a signing policy", tuple(facts), tuple(checks))


def _named(authority: str, path: Path) -> Check:
    """Whether the policy has the name by which it is found."""
    try:
        right = names.subject_hash(names.parse(authority))
    except errors.Error:
        return skipped("name", "the hash of this authority's name cannot be told")
    if re.fullmatch(r"[0-9a-f]{8}", path.stem) and path.stem != right:
        return failed("name", "wrong-hash-link", path=str(path), hash=right)
    return passed("name", f"it is found as {right}.signing_policy")

# SPDX-License-Identifier: Apache-2.0
"""What a certificate says of itself, in words: whose it is, until when, and what it may be used for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pyglobus.core import errors
from pyglobus.core.x509 import names
from pyglobus.core.x509.credential import public_key, serial_number
from pyglobus.core.x509.kind import Kind, extension, extensions, kind_of
from pyglobus.core.x509.proxytype import Rights

#: Purposes of RFC 5280 section 4.2.1.12.
_PURPOSES = {"1.3.6.1.5.5.7.3.1": "server", "1.3.6.1.5.5.7.3.2": "client", "1.3.6.1.5.5.7.3.4": "e-mail"}
_RIGHTS = {
    Rights.IMPERSONATION: "acting in its owner's name",
    Rights.LIMITED: "moving files in its owner's name, but not starting jobs",
    Rights.INDEPENDENT: "acting in a name of its own",
    Rights.RESTRICTED: "what its policy grants",
}


def facts(one: x509.Certificate) -> Iterator[tuple[str, str]]:
    """What is to be said, in pairs of a label and a text."""
    yield "subject", names.oneline(one.subject)
    yield "issuer", names.oneline(one.issuer)
    yield "valid from", f"{one.not_valid_before_utc:%F %T} UTC"
    yield "valid until", f"{one.not_valid_after_utc:%F %T} UTC"
    yield "serial number", f"{serial_number(one):x}"
    yield "key", strength(public_key(one))
    yield "signature", _signature(one)
    with contextlib.suppress(errors.Error):
        for found in extensions(one):
            if isinstance(found.value, x509.SubjectAlternativeName):
                yield "names", ", ".join(str(name.value) for name in found.value)
    yield "may be used for", _uses(one)
    found_kind = _kind(one)
    if found_kind is not None and found_kind.is_authority:
        yield "hash", names.subject_hash(one.subject)
    if found_kind is not None and found_kind.info is not None and found_kind.info.path_length is not None:
        yield "path length", f"{found_kind.info.path_length} more proxies may follow"
    yield "fingerprint", f"SHA-256 {one.fingerprint(hashes.SHA256()).hex(':')}"


def kind(one: x509.Certificate) -> str:
    """What kind of certificate it is."""
    found = _kind(one)
    if found is None:
        return "malformed proxy"
    if found.is_proxy:
        return found.text
    return "certificate of an authority" if found.is_authority else "certificate of a person, host or service"


def strength(key: object) -> str:
    """Kind and size of a public key."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"elliptic curve, {key.curve.name}"
    return "of another kind"


def _kind(one: x509.Certificate) -> Kind | None:
    try:
        return kind_of(one)
    except errors.CredentialError:
        return None


def _signature(one: x509.Certificate) -> str:
    try:
        found = one.signature_hash_algorithm
    except UnsupportedAlgorithm:
        found = None
    return found.name.upper().replace("SHA", "SHA-") if found is not None else one.signature_algorithm_oid.dotted_string


def _uses(one: x509.Certificate) -> str:
    found = _kind(one)
    if found is None:
        return "nothing: it is malformed"
    if found.is_authority:
        return "signing certificates and revocation lists"
    said = [_RIGHTS[found.rights]] if found.rights is not None else []
    extended = extension(one, x509.ExtendedKeyUsage.oid.dotted_string)
    usage = extension(one, x509.KeyUsage.oid.dotted_string)
    purposes = []
    if extended is not None and isinstance(extended.value, x509.ExtendedKeyUsage):
        purposes = [_PURPOSES.get(oid.dotted_string, oid.dotted_string) for oid in extended.value]
    said.append(f"being {' or '.join(purposes or ['client', 'server'])}")
    if usage is not None and isinstance(usage.value, x509.KeyUsage) and not usage.value.digital_signature:
        said.append("but not making proxies: its key usage lacks digitalSignature")
    return ", ".join(said)

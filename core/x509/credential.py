# SPDX-License-Identifier: Apache-2.0
"""A credential: a certificate, its private key, and the certificates between it and the authority.

The key is in no repr and in no error. Files are written in one step, with their final mode from the first byte.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pyglobus.core import faults, files
from pyglobus.core.x509 import names, pem
from pyglobus.core.x509.keys import Key
from pyglobus.core.x509.kind import Kind, kind_of


@dataclass(frozen=True)
class Credential:
    """A certificate with its private key, and the chain up to (without) the authority, nearest issuer first."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Self:
        """A certificate file and a key file without a pass phrase. Raises `errors.CredentialError`, OSError."""
        found = pem.certificates(pem.blocks(certificate.read_bytes(), where=str(certificate)), where=str(certificate))
        private = pem.private_key(pem.blocks(key.read_bytes(), where=str(key)), where=str(key))
        return cls.of(private, found, where=str(certificate))

    @classmethod
    def from_pem(
        cls, data: bytes, pass_phrases: Iterable[bytes] = (), *, where: str | None = None, own_key: bool = False
    ) -> Self:
        """What a proxy file holds: certificates and a key, in any order. Raises `errors.CredentialError`.

        ``own_key``: the key was made for this process a moment ago, so that its numbers need not be looked into.
        """
        found = pem.blocks(data, where=where)
        key = pem.private_key(found, pass_phrases, where=where, own=own_key)
        return cls.of(key, pem.certificates(found, where=where), where=where)

    @classmethod
    def of(cls, key: Key, certificates: Iterable[x509.Certificate], *, where: str | None = None) -> Self:
        """The credential of this key, whose certificate is among ``certificates``; those that it does not need are
        left out. Raises `errors.CredentialError` if the key belongs to none of them.
        """
        pool = list(certificates)
        if not pool:
            raise faults.known("no-certificate", what="cannot read credential", where=where)
        own = key.public_key()
        leaf = next((one for one in pool if public_key(one) == own), None)
        if leaf is None:
            subject = names.oneline(pool[0].subject)
            raise faults.known(
                "key-mismatch", what="cannot use credential", where=where, key=where or "", path=f"of {subject}"
            )
        return cls(leaf, key, tuple(path(leaf, pool)[1:]))

    @property
    def subject(self) -> str:
        """The subject in the grid's form, ``/O=Grid/CN=Ada``."""
        return names.render(self.certificate.subject)

    @cached_property
    def kind(self) -> Kind:
        """What kind of certificate it is. Raises `errors.CredentialError` for a malformed proxy."""
        return kind_of(self.certificate)

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificate and its chain."""
        return (self.certificate, *self.chain)

    @property
    def identity(self) -> str:
        """Whom the credential stands for, as Globus writes it: the subject of the first certificate that is no proxy,
        or an independent or restricted one.
        """
        return names.oneline(identity_of(self.certificates).subject)

    @property
    def expires(self) -> dt.datetime:
        """When the first of its certificates ends (UTC)."""
        return min(one.not_valid_after_utc for one in self.certificates)

    def certificate_pem(self) -> bytes:
        """The certificate alone, for a usercert.pem or hostcert.pem."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, pass_phrase: bytes | None = None) -> bytes:
        """The private key (PKCS #8), encrypted if a pass phrase is given."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if pass_phrase is not None:
            encryption = serialization.BestAvailableEncryption(pass_phrase)
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    def proxy_pem(self) -> bytes:
        """Certificate, clear key and chain in one: the order that a proxy file has."""
        return b"".join((self.certificate_pem(), self.key_pem(), chain_pem(self.chain)))

    def save(self, certificate: Path, key: Path, *, pass_phrase: bytes | None = None) -> None:
        """Write certificate (0644) and key (0600) to two files. Raises `errors.CannotCreate`."""
        files.write(key, self.key_pem(pass_phrase))
        files.write(certificate, self.certificate_pem(), mode=0o644)

    def save_proxy(self, path: Path) -> None:
        """Write a proxy file (0600). Raises `errors.CannotCreate`, also when another user's file is in the way."""
        files.write(path, self.proxy_pem(), replace_own=True)


def chain_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates one after the other."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def public_key(certificate: x509.Certificate) -> object:
    """The public key of a certificate, of any kind; None if it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def serial_number(certificate: x509.Certificate) -> int:
    """The serial number, also where it is 0 or negative, as old authorities have had it and cryptography warns of."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certificate.serial_number


def path(leaf: x509.Certificate, pool: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """``leaf``, its issuer, and so on, as far as they are in ``pool``; a self-signed one is left out."""
    by_subject: dict[bytes, list[x509.Certificate]] = {}
    for one in pool:
        by_subject.setdefault(names.canonical(one.subject), []).append(one)
    found = [leaf]
    while True:
        named = by_subject.get(names.canonical(found[-1].issuer), ())
        issuers = [one for one in named if one not in found and one.subject != one.issuer]
        if not issuers:
            return found
        found.append(next((one for one in issuers[:-1] if signed(found[-1], one)), issuers[-1]))


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """True if ``issuer``'s key made the signature of ``certificate``, whatever else may be wrong."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def identity_of(certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """The first certificate that is not merely acting for its issuer; the last one if all are."""
    last = None
    for last in certificates:
        if not kind_of(last).acts_for_issuer:
            return last
    assert last is not None, "a credential has a certificate"
    return last

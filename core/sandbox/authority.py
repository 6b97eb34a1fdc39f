# SPDX-License-Identifier: Apache-2.0
"""A throwaway certificate authority: end-entity certificates, proxies, and the trusted directory that makes others
believe them.

Every date, name, key and usage can be chosen, because what is wrong on purpose is what a test of security needs. The
defaults are what a site would accept. Times are UTC; a certificate begins five minutes ago, so that a clock which is
a little behind does not refuse it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pyglobus.core import files
from pyglobus.core.x509 import keys, names, proxy
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import Key
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import INHERIT_ALL, Form

YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class Issued(Credential):
    """A certificate with its private key, and the chain up to (without) the authority, nearest issuer first."""

    def proxy(
        self,
        *,
        key: Key | None = None,
        form: Form = Form.RFC,
        language: str = INHERIT_ALL,
        policy: bytes | None = None,
        path_length: int | None = None,
        lifetime: dt.timedelta = proxy.DEFAULT_LIFETIME,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Issued:
        """A proxy certificate signed with this credential, which may be a proxy itself, whatever the rules say.

        It ends after ``lifetime`` from now, or with its issuer if that is sooner; an explicit ``not_after`` is taken
        as it is.
        """
        now = _now()
        key = key or keys.rsa_key()
        certificate = proxy.certify(
            self,
            key.public_key(),
            form=form,
            info=ProxyCertInfo(language, policy, path_length),
            not_before=not_before or max(now - proxy.CLOCK_SKEW, self.certificate.not_valid_before_utc),
            not_after=not_after or min(now + lifetime, self.certificate.not_valid_after_utc),
        )
        return Issued(certificate, key, self.certificates)


@dataclass(frozen=True)
class Authority:
    """A certificate authority. ``namespace`` is the part of all names that its signing policy lets it sign."""

    root: Issued
    namespace: str

    @classmethod
    def create(
        cls,
        namespace: str = "/O=Grid/OU=Sandbox",
        common_name: str | None = None,
        *,
        key: Key | None = None,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Authority:
        """A new authority, self-signed; its name gets a random part, so that two of them are never taken for one
        another.
        """
        key = key or keys.ec_key()
        name = names.parse(f"{namespace}/CN={common_name or f'Sandbox CA {secrets.token_hex(4)}'}")
        now = _now()
        certificate = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(name)
            .subject_name(name)
            .not_valid_before(not_before or now - proxy.CLOCK_SKEW)
            .not_valid_after(not_after or now + YEAR)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(Issued(certificate, key), namespace)

    @property
    def subject(self) -> str:
        """The authority's own name."""
        return self.root.subject

    @property
    def hash(self) -> str:
        """The subject hash that names this authority's files in a trusted directory."""
        return names.subject_hash(self.root.certificate.subject)

    @property
    def _key_id(self) -> x509.SubjectKeyIdentifier:
        return self.root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value

    def issue(
        self,
        subject: str,
        *,
        key: Key | None = None,
        alternative_names: Iterable[str] = (),
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
        extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> Issued:
        """An end-entity certificate.

        ``subject`` is a whole name (``/O=Grid/...``) or a common name within the namespace. ``alternative_names`` are
        host names, IP addresses as text, or e-mail addresses. ``extensions`` are added as (extension, critical).
        """
        key = key or keys.rsa_key()
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(self.root.certificate.subject)
            .subject_name(names.parse(subject if subject.startswith("/") else f"{self.namespace}/CN={subject}"))
            .not_valid_before(not_before or now - proxy.CLOCK_SKEW)
            .not_valid_after(not_after or min(now + YEAR, self.root.certificate.not_valid_after_utc))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPrivateKey)), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id), critical=False)
        )
        if general_names := [_general_name(name) for name in alternative_names]:
            builder = builder.add_extension(x509.SubjectAlternativeName(general_names), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return Issued(builder.sign(self.root.key, hashes.SHA256()), key)

    def issue_host(
        self, common_name: str = "localhost", hosts: Iterable[str] = (), *, key: Key | None = None
    ) -> Issued:
        """A server's certificate. Under GSI's strict name check only ``hosts`` count, so they must hold every name
        in use.
        """
        return self.issue(
            common_name,
            key=key or keys.ec_key(),
            alternative_names=hosts or (common_name,),
            usages=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        )

    def trust_in(self, directory: Path) -> None:
        """Make ``directory`` trust this authority: ``HASH.0`` and ``HASH.signing_policy``, which lets it sign its
        namespace.
        """
        files.write(directory / f"{self.hash}.0", self.root.certificate_pem(), mode=0o644)
        files.write(directory / f"{self.hash}.signing_policy", self.signing_policy(), mode=0o644)

    def signing_policy(self, subjects: Sequence[str] = ()) -> str:
        """The text of a signing policy file that allows ``subjects``, which may hold ``*``."""
        allowed = " ".join(f'"{pattern}"' for pattern in subjects or (f"{self.namespace}/*",))
        return f"access_id_CA X509 '{self.subject}'\npos_rights globus CA:sign\ncond_subjects globus '{allowed}'\n"


def loopback_names() -> list[str]:
    """Every name that a client may use for this machine by way of loopback."""
    import socket

    host = socket.gethostname()
    return list(dict.fromkeys(("localhost", *((host,) if host.isascii() else ()), "127.0.0.1", "::1")))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )

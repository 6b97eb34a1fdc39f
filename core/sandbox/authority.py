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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pyglobus.core import files
from pyglobus.core.sandbox import names

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

YEAR = dt.timedelta(days=365)
CLOCK_SKEW = dt.timedelta(minutes=5)

#: Proxy policy languages: RFC 3820 section 3.8.2, and Globus's own for a limited proxy.
INHERIT_ALL = "1.3.6.1.5.5.7.21.1"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"
PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key. GSI refuses fewer than 2048 bits; 2048 take 50 to 350 ms, during which other Python threads
    run.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key, in less than a millisecond. Good for authorities and hosts; users and proxies need RSA in
    places.
    """
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key, and the chain up to (without) the authority, nearest issuer first."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Issued:
        """What `save` wrote without a pass phrase."""
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), private)

    @property
    def subject(self) -> str:
        """The subject in the grid's form, ``/O=Grid/CN=Ada``."""
        return names.render(self.certificate.subject)

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
        # GSI reads RSA keys in either form, others as PKCS #8 only; some tools expect the older form.
        form = serialization.PrivateFormat.PKCS8
        if isinstance(self.key, rsa.RSAPrivateKey):
            form = serialization.PrivateFormat.TraditionalOpenSSL
        key = self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        chain = b"".join(link.public_bytes(serialization.Encoding.PEM) for link in self.chain)
        return self.certificate_pem() + key + chain

    def save(self, certificate: Path, key: Path, *, pass_phrase: bytes | None = None) -> None:
        """Write certificate (0644) and key (0600) to two files."""
        files.write(key, self.key_pem(pass_phrase))
        files.write(certificate, self.certificate_pem(), mode=0o644)

    def save_proxy(self, path: Path) -> None:
        """Write a proxy file (0600)."""
        files.write(path, self.proxy_pem())

    def proxy(
        self,
        *,
        key: Key | None = None,
        language: str = INHERIT_ALL,
        policy: bytes | None = None,
        path_length: int | None = None,
        lifetime: dt.timedelta = dt.timedelta(hours=12),
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Issued:
        """A proxy certificate (RFC 3820) signed with this credential, which may be a proxy itself.

        It ends after ``lifetime`` from now, or with its issuer if that is sooner; an explicit ``not_after`` is taken
        as it is.
        """
        now = _now()
        serial = secrets.randbelow(2**31 - 1) + 1
        subject = x509.Name([*self.certificate.subject.rdns, _relative_name("CN", str(serial))])
        key = key or rsa_key()
        certificate = (
            x509.CertificateBuilder()
            .serial_number(serial)
            .issuer_name(self.certificate.subject)
            .subject_name(subject)
            .not_valid_before(not_before or max(now - CLOCK_SKEW, self.certificate.not_valid_before_utc))
            .not_valid_after(not_after or min(now + lifetime, self.certificate.not_valid_after_utc))
            .public_key(key.public_key())
            .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(
                x509.UnrecognizedExtension(PROXY_CERT_INFO, _proxy_cert_info(language, policy, path_length)),
                critical=True,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Issued(certificate, key, (self.certificate, *self.chain))


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
        key = key or ec_key()
        name = names.parse(f"{namespace}/CN={common_name or f'Sandbox CA {secrets.token_hex(4)}'}")
        now = _now()
        certificate = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(name)
            .subject_name(name)
            .not_valid_before(not_before or now - CLOCK_SKEW)
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
        key = key or rsa_key()
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(self.root.certificate.subject)
            .subject_name(names.parse(subject if subject.startswith("/") else f"{self.namespace}/CN={subject}"))
            .not_valid_before(not_before or now - CLOCK_SKEW)
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
            key=key or ec_key(),
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


def _relative_name(kind: str, value: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName(names.parse(f"/{kind}={value}"))


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


def _proxy_cert_info(language: str, policy: bytes | None, path_length: int | None) -> bytes:
    """RFC 3820 section 3.8: SEQUENCE { pCPathLenConstraint INTEGER OPTIONAL, SEQUENCE { language OID, policy
    OCTETS OPTIONAL } }.
    """
    length = b"" if path_length is None else names.der(0x02, path_length.to_bytes(path_length.bit_length() // 8 + 1))
    octets = b"" if policy is None else names.der(0x04, policy)
    return names.der(0x30, length, names.der(0x30, names.oid(language), octets))

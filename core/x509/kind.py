# SPDX-License-Identifier: Apache-2.0
"""What kind of certificate one is, by the rules of the Globus libraries, and the words of grid-proxy-info for it.

An authority has the basic constraint CA. A proxy is known by its last common name, ``proxy`` or ``limited proxy``
(the legacy form), or by a critical extension (RFC 3820, and the draft before it). All others are end entities.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from pyglobus.core import errors, faults
from pyglobus.core.x509 import names, proxycertinfo, proxytype
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import Form, Rights, rights_of

LEGACY_NAMES = {"proxy": False, "limited proxy": True}


@dataclass(frozen=True)
class Kind:
    """The kind of one certificate. ``form``, ``rights`` and ``info`` are those of a proxy; a legacy one has no
    ``info``.
    """

    is_authority: bool = False
    form: Form | None = None
    rights: Rights | None = None
    info: ProxyCertInfo | None = None

    @property
    def is_proxy(self) -> bool:
        """True for a proxy of any form."""
        return self.form is not None

    @property
    def acts_for_issuer(self) -> bool:
        """True if Globus takes its bearer for the issuer. An independent or restricted proxy is somebody of its own."""
        return self.rights in (Rights.IMPERSONATION, Rights.LIMITED)

    @property
    def text(self) -> str:
        """The type as grid-proxy-info prints it."""
        return proxytype.text(self.form, self.rights, is_authority=self.is_authority)


def kind_of(certificate: x509.Certificate) -> Kind:
    """The kind of a certificate. Raises `errors.CredentialError` for a proxy that breaks the rules of its name or
    extension, as the libraries refuse it.
    """
    if _is_authority(certificate):
        return Kind(is_authority=True)
    *rest, last = certificate.subject.rdns or (None,)
    attribute = list(last)[-1] if last is not None else None
    if last is None or attribute is None or attribute.oid != NameOID.COMMON_NAME:
        return Kind()
    found = _by_name(attribute.value) or _by_extension(certificate)
    if found is None:
        return Kind()
    if len(last) > 1 or names.canonical(x509.Name(rest)) != names.canonical(certificate.issuer):
        raise faults.known("bad-proxy-name", what="not a proxy", where=names.oneline(certificate.subject))
    return found


def is_self_signed(certificate: x509.Certificate) -> bool:
    """True if it names itself as its issuer, as an authority at the top does."""
    return names.canonical(certificate.subject) == names.canonical(certificate.issuer)


def is_proxy(certificate: x509.Certificate) -> bool:
    """True for a proxy, also a malformed one."""
    try:
        return kind_of(certificate).is_proxy
    except errors.CredentialError:
        return True


def extension(certificate: x509.Certificate, dotted: str) -> x509.Extension[x509.ExtensionType] | None:
    """The extension with this identifier, if there is one."""
    return next((one for one in extensions(certificate) if one.oid.dotted_string == dotted), None)


def extensions(certificate: x509.Certificate | x509.CertificateSigningRequest) -> x509.Extensions:
    """All extensions. Raises `errors.CredentialError` if they cannot be read, or one comes twice."""
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        what, where = "cannot read a certificate", names.oneline(certificate.subject)
        raise faults.known("bad-extension", what=what, where=where, problem=str(error)) from error


def _is_authority(certificate: x509.Certificate) -> bool:
    found = extension(certificate, x509.BasicConstraints.oid.dotted_string)
    return found is not None and isinstance(found.value, x509.BasicConstraints) and found.value.ca


def _by_name(name: str | bytes) -> Kind | None:
    limited = LEGACY_NAMES.get(name) if isinstance(name, str) else None
    if limited is None:
        return None
    return Kind(form=Form.LEGACY, rights=Rights.LIMITED if limited else Rights.IMPERSONATION)


def _by_extension(certificate: x509.Certificate) -> Kind | None:
    for form, dotted in ((Form.RFC, proxycertinfo.RFC_OID), (Form.DRAFT, proxycertinfo.DRAFT_OID)):
        found = extension(certificate, dotted)
        if found is not None and found.critical:
            assert isinstance(found.value, x509.UnrecognizedExtension)
            info = ProxyCertInfo.decode(found.value.value, draft=form is Form.DRAFT)
            return Kind(form=form, rights=rights_of(info.language), info=info)
    return None

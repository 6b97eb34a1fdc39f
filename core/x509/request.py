# SPDX-License-Identifier: Apache-2.0
"""Delegation in memory: one side makes a key and a request (PKCS #10), the other signs it into a proxy, and the first
puts key and chain together. The key never leaves the side that uses it.

A request may carry the proxy extension to ask for fewer rights. What it asks for is taken where the signer does not
say otherwise; a signer's own limits always hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from pyglobus.core import errors
from pyglobus.core.x509 import filerules, keys, pem, proxy, proxycertinfo
from pyglobus.core.x509.credential import Credential, chain_pem
from pyglobus.core.x509.keys import Key, PublicKey
from pyglobus.core.x509.kind import extensions
from pyglobus.core.x509.proxy import Wish
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import Form, Rights, rights_of

#: The subject does not matter: the issuer's name becomes the name of the proxy.
_SUBJECT = "proxy request"


@dataclass(frozen=True)
class Request:
    """A request whose signature is good. ``form`` and ``info`` are what it asks for, if it does."""

    public_key: PublicKey
    form: Form | None = None
    info: ProxyCertInfo | None = None


def create(key: Key, *, info: ProxyCertInfo | None = None, draft: bool = False) -> bytes:
    """A request for a proxy with this key, in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _SUBJECT)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if info is not None:
        dotted = x509.ObjectIdentifier(proxycertinfo.DRAFT_OID if draft else proxycertinfo.RFC_OID)
        builder = builder.add_extension(x509.UnrecognizedExtension(dotted, info.encode(draft=draft)), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read(data: bytes, *, where: str | None = None) -> Request:
    """A request in PEM or DER. Raises `errors.CredentialError`: damaged, not signed with its own key, a weak key."""
    if len(data) > filerules.MAX_SIZE:
        raise _refused("it is too large for a request", where)
    try:
        if b"-----BEGIN" in data:
            block = next((one for one in pem.blocks(data, where=where) if one.label in pem.REQUESTS), None)
            if block is None:
                raise _refused("it holds no certificate request", where)
            request = x509.load_pem_x509_csr(block.text.replace(b" NEW CERTIFICATE", b" CERTIFICATE"))
        else:
            request = x509.load_der_x509_csr(data)
        good = request.is_signature_valid
        public = keys.require_public(request.public_key(), where=where)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _refused("it is damaged, or no certificate request", where) from error
    if not good:
        raise _refused("it is not signed with its own key", where)
    for one in extensions(request):
        for form, dotted in ((Form.RFC, proxycertinfo.RFC_OID), (Form.DRAFT, proxycertinfo.DRAFT_OID)):
            if one.oid.dotted_string == dotted and isinstance(one.value, x509.UnrecognizedExtension):
                return Request(public, form, ProxyCertInfo.decode(one.value.value, draft=form is Form.DRAFT))
    return Request(public)


def sign(issuer: Credential, request: Request, wish: Wish | None = None) -> bytes:
    """The proxy certificate and the chain of ``issuer`` in PEM, for the other side. Raises as `proxy.make` does."""
    wish = _completed(wish or Wish(), request.info)
    return chain_pem((proxy.sign(issuer, request.public_key, wish), *issuer.certificates))


def assemble(key: Key, chain: bytes) -> Credential:
    """The credential of ``key`` from what `sign` returned. Raises `errors.CredentialError`, also if the chain is for
    another key.
    """
    return Credential.of(key, pem.certificates(pem.blocks(chain)))


def _completed(wish: Wish, asked: ProxyCertInfo | None) -> Wish:
    if asked is None:
        return wish
    lengths = [one for one in (wish.path_length, asked.path_length) if one is not None]
    wish = replace(wish, path_length=min(lengths, default=None))
    rights = rights_of(asked.language)
    if rights is Rights.IMPERSONATION or wish.rights is not None or wish.language is not None:
        return wish
    if rights is Rights.RESTRICTED:
        return replace(wish, language=asked.language, policy=asked.policy)
    return replace(wish, rights=rights)


def _refused(why: str, where: str | None) -> errors.CredentialError:
    return errors.CredentialError("cannot sign request", where=where, why=why, fault="bad-request")

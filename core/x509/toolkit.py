# SPDX-License-Identifier: Apache-2.0
"""Credentials by the Globus libraries: how they read one, make a proxy, and judge a chain.

That is what servers do, so it is the measure for what is made here; and it needs no ``cryptography``. Of making, the
libraries leave out a path length of 0 and what follows a comma in a policy, and cannot sign for a certificate whose
own signature is ECDSA. Errors are those of `pyglobus.core.faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from pyglobus.core import errors
from pyglobus.core.x509 import proxytype
from pyglobus.core.x509.proxytype import Form, Rights
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError
from pyglobus.ffi.gsi import IDENTITY, ISSUER, SUBJECT, GsiCredential, GsiRequest, ProxyWish

T = TypeVar("T")

__all__ = ["Facts", "GsiRequest", "ProxyWish", "facts", "make", "sign", "text", "verify"]


class Facts(NamedTuple):
    """What the libraries find in a proxy file. ``strength`` is in bits, ``expires`` in seconds since the epoch: when
    the first certificate of the chain ends.
    """

    subject: str
    issuer: str
    identity: str
    form: Form | None
    rights: Rights | None
    is_authority: bool
    strength: int
    expires: int

    @property
    def type(self) -> str:
        """The type as grid-proxy-info prints it."""
        return proxytype.text(self.form, self.rights, is_authority=self.is_authority)


def facts(pem: bytes, *, rfc2253: bool = False, where: str = "") -> Facts:
    """Read the content of a proxy file, with names in the grid's form or that of RFC 2253. Raises
    `errors.CredentialError`.
    """

    def look(credential: GsiCredential) -> Facts:
        form, rights = credential.kind()
        return Facts(
            subject=credential.name(SUBJECT, rfc2253=rfc2253),
            issuer=credential.name(ISSUER, rfc2253=rfc2253),
            identity=credential.name(IDENTITY, rfc2253=rfc2253),
            form=Form(form) if form in set(Form) else None,
            rights=Rights(rights) if rights else None,
            is_authority=form == "authority",
            strength=credential.bits(),
            expires=credential.expires(),
        )

    return _with(pem, look, where)


def text(pem: bytes, *, where: str = "") -> str:
    """The certificate of a proxy file in OpenSSL's long form."""
    return _with(pem, GsiCredential.text, where)


def make(issuer: bytes, wish: ProxyWish) -> bytes:
    """A proxy file's content, made from another's with a new key."""

    def act(credential: GsiCredential) -> bytes:
        proxy = credential.make_proxy(wish)
        try:
            return proxy.pem()
        finally:
            proxy.close()

    return _with(issuer, act, "", what="cannot make a proxy")


def sign(issuer: bytes, request: bytes, wish: ProxyWish) -> bytes:
    """Proxy certificate and chain (DER, one after the other) for a request in DER."""
    return _with(issuer, lambda credential: credential.sign_request(request, wish), "", what="cannot sign request")


def verify(certificates: bytes, directory: Path) -> None:
    """Let the libraries judge a chain (PEM) against a trusted directory: signatures, dates, signing policies,
    revocation lists, and the kinds and path lengths of proxies. Raises `GlobusError` with their reasons.

    Raises `errors.ConfigurationError` if the directory cannot be used: the libraries would take any chain for good.
    """
    from pyglobus.core.x509.trust import usable_directory

    usable_directory(directory)

    def act() -> None:
        credential = GsiCredential.read_certificates(certificates)
        try:
            credential.verify(str(directory))
        finally:
            credential.close()

    engine().submit(act).result()


def _with(pem: bytes, act: Callable[[GsiCredential], T], where: str, *, what: str = "cannot read credential") -> T:
    def whole() -> T:
        credential = GsiCredential.read(pem)
        try:
            return act(credential)
        finally:
            credential.close()

    try:
        return engine().submit(whole).result()
    except GlobusError as error:
        from pyglobus.core import faults

        found = faults.explain(error, what=what, where=where)
        if isinstance(found, errors.CredentialError):
            raise found from error
        raise errors.CredentialError(
            what, where=where or None, why=found.why, chain=found.chain, fault="bad-credential"
        ) from error

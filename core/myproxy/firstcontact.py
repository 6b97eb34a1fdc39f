# SPDX-License-Identifier: Apache-2.0
"""First contact with a server whose authority is not trusted yet.

The server presents its certificate with those of its authorities. Nobody vouches for them, so `meet` only tells whose
they are and what their fingerprint is; a person, or a fingerprint that came some other way, decides. What
`Introduction.install` then puts into the directory of trusted authorities lets each of them sign for what it has signed
here and for nothing else: the server itself sends the real signing policies with its trust roots.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.myproxy import refusal, trustroots
from pyglobus.core.myproxy.contact import Contact
from pyglobus.core.myproxy.credentials import TrustFile
from pyglobus.core.myproxy.session import TIMEOUT
from pyglobus.ffi.myproxy import Exchange, MyProxyError

if TYPE_CHECKING:
    from cryptography import x509

_WHAT = "cannot get to know MyProxy server"
#: What means something in a signing policy.
_MEANINGFUL = "'\"*?"


@dataclass(frozen=True)
class Introduction:
    """What a server presents: ``path`` begins with its own certificate and ends with its topmost authority."""

    contact: Contact
    path: tuple[x509.Certificate, ...]

    @property
    def server_name(self) -> str:
        """The subject of the server's certificate."""
        from pyglobus.core.x509 import names

        return names.oneline(self.path[0].subject)

    @property
    def authority_name(self) -> str:
        """The subject of the authority's."""
        from pyglobus.core.x509 import names

        return names.oneline(self.path[-1].subject)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, as openssl x509 -fingerprint writes it."""
        from cryptography.hazmat.primitives import hashes

        return self.path[-1].fingerprint(hashes.SHA256()).hex(":").upper()

    def require(self, fingerprint: str) -> None:
        """Raise `errors.CredentialError` unless the authority's certificate has this fingerprint."""
        if normal(fingerprint) != self.fingerprint:
            raise errors.CredentialError(
                _WHAT,
                where=str(self.contact),
                why=f"the fingerprint of its authority is {self.fingerprint}, not the one that was expected",
                hint="do not go on before you know why: it may be another server that answers",
                fault="fingerprint-mismatch",
            )

    def install(self, directory: Path) -> trustroots.Installed:
        """Trust the authorities, for what they have signed here. Files that are there are not replaced with others."""
        return trustroots.install(list(self._files()), directory, replace=False)

    def _files(self) -> Sequence[TrustFile]:
        from cryptography.hazmat.primitives import serialization

        from pyglobus.core.x509 import names

        found = []
        for authority, issued in zip(self.path[1:], self.path, strict=False):
            stem = names.subject_hash(authority.subject)
            policy = (
                f"access_id_CA X509 '{names.oneline(authority.subject)}'\npos_rights globus CA:sign\n"
                f"cond_subjects globus '\"{names.oneline(issued.subject)}\"'\n"
            )
            found += [
                TrustFile(f"{stem}.0", authority.public_bytes(serialization.Encoding.PEM)),
                TrustFile(f"{stem}.signing_policy", policy.encode()),
            ]
        return found


def meet(
    servers: Sequence[Contact], *, timeout: float = TIMEOUT, environ: Mapping[str, str] | None = None
) -> Introduction:
    """What the first server that answers presents. Raises `errors.CredentialError` if that is no whole chain."""
    for contact in servers:
        try:
            return _meet(contact, timeout, dict(os.environ if environ is None else environ))
        except (errors.TransientError, errors.NotFound):
            if contact is servers[-1]:
                raise
    raise AssertionError("there is at least one server")


def normal(fingerprint: str) -> str:
    """A SHA-256 fingerprint in capital letters with colons. Raises `errors.UsageError` for what is none."""
    digits = fingerprint.upper().removeprefix("SHA256").lstrip(":= ").replace(":", "").replace(" ", "")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if len(data) != 32:
        why = "it has not 64 hexadecimal digits"
        raise errors.UsageError("not a SHA-256 fingerprint", where=fingerprint[:120], why=why)
    return data.hex(":").upper()


def _meet(contact: Contact, timeout: float, environ: Mapping[str, str]) -> Introduction:
    from pyglobus.core.x509 import names, pem
    from pyglobus.core.x509.credential import path, signed
    from pyglobus.core.x509.kind import is_self_signed

    where = str(contact)
    try:
        with Exchange(environ) as exchange:
            presented = [pem.certificate(der, where=where) for der in exchange.present(*contact, timeout=timeout)]
    except MyProxyError as error:
        raise refusal.explain(error, what=_WHAT, where=where) from error
    except TimeoutError as error:
        raise refusal.timed_out(_WHAT, where, timeout) from error
    if not presented:
        raise errors.CredentialError(_WHAT, where=where, why="it presents no certificate", fault="no-authority")
    found = path(presented[0], presented)
    root = next((one for one in presented if is_self_signed(one) and signed(found[-1], one)), None)
    if root is None or root is found[-1]:
        raise errors.CredentialError(
            _WHAT,
            where=where,
            why="it does not present its authority",
            hint="ask its operator for the certificate of the authority",
            fault="no-authority",
        )
    whole = (*found, root)
    now = dt.datetime.now(dt.UTC)
    for one, issuer in itertools.pairwise(whole):
        if not signed(one, issuer) or not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            why = "what it presents is no valid chain of certificates"
            raise errors.CredentialError(_WHAT, where=where, why=why, fault="bad-chain")
    if any(character in names.oneline(one.subject) for one in whole for character in _MEANINGFUL):
        raise errors.CredentialError(_WHAT, where=where, why="a name in it cannot be told apart", fault="bad-chain")
    return Introduction(contact, whole)

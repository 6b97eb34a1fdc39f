# SPDX-License-Identifier: Apache-2.0
"""The user's certificate and private key on disk: where grid-proxy-init looks for them, and reading them.

Certificate: what X509_USER_CERT names, or else ~/.globus/usercert.pem. Key: what X509_USER_KEY names, or else
~/.globus/userkey.pem. If both are missing there: ~/.globus/usercred.p12. What a variable names must be there and be
good. ``~`` is the home directory of the account, whatever HOME says.

What owner and modes must be, `filerules` says. Both may be one PEM file, or a PKCS #12 file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.x509 import filerules
from pyglobus.core.x509.filerules import home

if TYPE_CHECKING:
    from cryptography import x509

    from pyglobus.core.x509.credential import Credential


@dataclass(frozen=True)
class UserFiles:
    """The files of a user's credential; for PKCS #12, and where one PEM file has all, both are the same."""

    certificate: Path
    key: Path

    @property
    def is_pkcs12(self) -> bool:
        """True if one file in PKCS #12 holds all: judged by its name, as grid-proxy-init does, or by its content."""
        if ".p12" in self.certificate.name or self.certificate.suffix == ".pfx":
            return True
        return self.certificate == self.key and b"-----BEGIN" not in self._content and self._content[:1] == b"0"

    @cached_property
    def _content(self) -> bytes:
        return filerules.read(self.certificate, private=self.certificate == self.key)

    def certificates(self) -> list[x509.Certificate]:
        """The certificate and its chain, which need no pass phrase unless they are in PKCS #12."""
        from pyglobus.core.x509 import pem

        where = str(self.certificate)
        found = pem.certificates(pem.blocks(self._content, where=where), where=where)
        if not found:
            raise _known("no-certificate", where)
        return found

    def credential(self, pass_phrases: Iterable[bytes] = ()) -> Credential:
        """The whole credential. ``pass_phrases`` are tried in turn, and asked for only if the key is encrypted.

        Raises `errors.CredentialError`: a wrong pass phrase, a key of another certificate, or no credential at all.
        """
        from pyglobus.core.x509 import pem
        from pyglobus.core.x509.credential import Credential

        if self.is_pkcs12:
            return self._from_pkcs12(pass_phrases)
        where = str(self.key)
        certificates = self.certificates()
        key = pem.private_key(pem.blocks(filerules.read(self.key), where=where), pass_phrases, where=where)
        return Credential.of(key, certificates, where=where)

    def pem(self) -> bytes:
        """Certificate, key and chain in PEM, each as it is in its file: an encrypted key stays so.

        Raises `errors.CredentialError`, also for PKCS #12.
        """
        from pyglobus.core.x509 import pem

        if self.is_pkcs12:
            where, why = str(self.certificate), "it is not in PEM"
            raise errors.CredentialError("cannot use credential", where=where, why=why, fault="not-pem")
        first, *chain = self.certificates()
        where = str(self.key)
        key = next((one for one in pem.blocks(filerules.read(self.key), where=where) if one.is_key), None)
        if key is None:
            why = "it holds no private key"
            raise errors.CredentialError("cannot use credential", where=where, why=why, fault="no-key")
        from pyglobus.core.x509.credential import chain_pem

        return b"".join((chain_pem([first]), key.text, chain_pem(chain)))

    def _from_pkcs12(self, pass_phrases: Iterable[bytes]) -> Credential:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import pkcs12

        from pyglobus.core.x509 import keys, pem
        from pyglobus.core.x509.credential import Credential

        where = str(self.certificate)
        data = filerules.read(self.certificate)
        load = pkcs12.load_key_and_certificates
        if b"-----BEGIN" in data or data[:1] != b"0":
            raise _known("not-pkcs12", where)
        try:
            key, own, others = load(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key, own, others = pem.unlocked(lambda phrase: load(data, phrase), pass_phrases, where=where)
        if key is None or own is None:
            raise _known("no-key", where)
        return Credential.of(keys.require(key, where=where), [own, *others], where=where)


def find(
    certificate: Path | None = None, key: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> UserFiles:
    """Where the user's credential is; what is given is taken. Raises `errors.CredentialError` if there is none."""
    environ = os.environ if environ is None else environ
    globus = Path(home(), ".globus")
    certificate = certificate or _named(environ, "X509_USER_CERT", globus / "usercert.pem", False)
    key = key or _named(environ, "X509_USER_KEY", globus / "userkey.pem", True)
    if certificate is None and key is None:
        both = globus / "usercred.p12"
        if os.path.exists(both):
            _require(both, True)
            return UserFiles(both, both)
    if certificate is not None and key is not None:
        return UserFiles(certificate, key)
    if certificate is not None and UserFiles(certificate, certificate).is_pkcs12:
        return UserFiles(certificate, certificate)
    what = "certificate" if certificate is None else "private key"
    variable, name = ("X509_USER_CERT", "usercert.pem") if certificate is None else ("X509_USER_KEY", "userkey.pem")
    raise errors.NotFound(
        f"cannot find the user's {what}",
        where=str(globus / name),
        why="it does not exist, and no other file was named",
        hint=f"name it with --{'cert' if certificate is None else 'key'} or with {variable}",
        fault="credential-missing",
    )


def _named(environ: Mapping[str, str], variable: str, default: Path, private: bool) -> Path | None:
    named = environ.get(variable)
    path = Path(named) if named is not None else default
    if named is None and not os.path.exists(path):
        return None
    _require(path, private)
    return path


def _require(path: Path, private: bool) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise filerules.unreadable(path, error) from error
    filerules.require(path, status, private=private)


def _known(fault: str, where: str) -> errors.Error:
    from pyglobus.core import faults

    return faults.known(fault, what="cannot use credential", where=where)

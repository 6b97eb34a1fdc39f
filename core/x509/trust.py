# SPDX-License-Identifier: Apache-2.0
"""The directory of trusted authorities: their certificates, signing policies and revocation lists, found by hash.

    HASH.0               an authority's certificate (.1, .2 ... for others whose names have the same hash)
    HASH.signing_policy  what it may sign
    HASH.r0              what it has revoked (.r1 ...)

HASH is that of OpenSSL since 1.0 (`names.subject_hash`). Before, it was made of MD5, and a directory that was only
ever linked that way is a frequent fault: `misplaced` finds certificates that are there under another name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from pyglobus.core import errors
from pyglobus.core.x509 import filerules, names, pem, signingpolicy
from pyglobus.core.x509.filerules import home
from pyglobus.core.x509.signingpolicy import SigningPolicy

#: More authorities or lists with one hash than this are not looked for.
_MAX_NUMBER = 20
#: Lists of large authorities have megabytes.
_MAX_CRL = 64 << 20
#: More files than this are not searched for a misplaced authority.
_MAX_FILES = 5000


@dataclass(frozen=True)
class TrustedDirectory:
    """A directory of trusted authorities. Raises `errors.ConfigurationError` when made, if it cannot be read."""

    path: Path

    def __post_init__(self) -> None:
        usable_directory(self.path)

    def authorities(self, name: x509.Name) -> Iterator[tuple[Path, x509.Certificate]]:
        """The trusted certificates of this name, with their files."""
        wanted = names.canonical(name)
        for path in self._numbered(names.subject_hash(name), ""):
            found = pem.certificate(_read(path, filerules.MAX_SIZE), where=str(path))
            if names.canonical(found.subject) == wanted:
                yield path, found

    def policy_path(self, name: x509.Name) -> Path:
        """Where the signing policy of an authority must be."""
        return self.path / f"{names.subject_hash(name)}.signing_policy"

    def policy(self, name: x509.Name) -> SigningPolicy | None:
        """The signing policy of an authority; None if there is no file."""
        path = self.policy_path(name)
        if not path.exists():
            return None
        text = _read(path, signingpolicy.MAX_BYTES).decode("utf-8", "replace")
        return signingpolicy.parse(text, where=str(path))

    def revocations(self, name: x509.Name) -> Iterator[tuple[Path, x509.CertificateRevocationList]]:
        """The revocation lists of an authority, with their files."""
        for path in self._numbered(names.subject_hash(name), "r"):
            yield path, revocation_list(path)

    def misplaced(self, name: x509.Name) -> Path | None:
        """A file that holds this authority under a name by which it is not found."""
        wanted, right = names.canonical(name), names.subject_hash(name)
        for number, path in enumerate(sorted(self.path.iterdir())):
            if number >= _MAX_FILES:
                break
            if path.suffix not in (".pem", ".crt", *(f".{i}" for i in range(_MAX_NUMBER))) or path.stem == right:
                continue
            try:
                found = pem.certificate(_read(path, filerules.MAX_SIZE))
            except errors.Error:
                continue
            if names.canonical(found.subject) == wanted:
                return path
        return None

    def _numbered(self, stem: str, kind: str) -> Iterator[Path]:
        for number in range(_MAX_NUMBER):
            path = self.path / f"{stem}.{kind}{number}"
            if not path.exists():
                return
            yield path


def default_directory(environ: Mapping[str, str] | None = None) -> Path:
    """The directory that the Globus libraries take: X509_CERT_DIR, or the first that is there of
    ~/.globus/certificates, /etc/grid-security/certificates and $GLOBUS_LOCATION/share/certificates.

    Raises `errors.ConfigurationError` if there is none.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get("X509_CERT_DIR"):
        return Path(named)
    candidates = [Path(home(), ".globus/certificates"), Path("/etc/grid-security/certificates")]
    if location := environ.get("GLOBUS_LOCATION"):
        candidates.append(Path(location) / "share" / "certificates")
    for candidate in candidates:
        if os.path.isdir(candidate):
            return candidate
    raise _known("no-ca-directory")


def revocation_list(path: Path) -> x509.CertificateRevocationList:
    """A revocation list in PEM or DER. Raises `errors.ConfigurationError`."""
    data = _read(path, _MAX_CRL)
    load = x509.load_pem_x509_crl if b"-----BEGIN" in data else x509.load_der_x509_crl
    try:
        found = load(data)
        _ = (found.issuer.rdns, found.next_update_utc)  # decoded late, and damaged perhaps
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _known("crl-invalid", path=str(path), problem="it is damaged") from error
    return found


def usable_directory(directory: Path) -> None:
    """Raise `errors.ConfigurationError` unless OpenSSL can look for authorities in this directory."""
    why = None
    if ":" in str(directory):
        why = "OpenSSL takes a colon in its name for the end of a path"
    else:
        try:
            next(directory.iterdir(), None)
        except OSError as error:
            why = error.strerror
    if why is not None:
        raise _known("ca-directory-missing", path=str(directory), problem=f"cannot be used ({why})")


def _known(fault: str, **fields: Any) -> errors.Error:
    from pyglobus.core import faults

    return faults.known(fault, what="cannot use the trusted directory", **fields)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise errors.ConfigurationError(
            "cannot read a file of the trusted directory", where=str(path), why=error.strerror, errno=error.errno
        ) from error
    if len(data) > limit:
        raise errors.ConfigurationError("cannot use a file of the trusted directory", where=str(path), why="too large")
    return data

# SPDX-License-Identifier: Apache-2.0
"""Judging a chain of certificates, one rule at a time, each with its explanation.

`inspect` builds the path from a certificate to an authority of the trusted directory and puts every rule that a
server would enforce to it: those of RFC 5280 that matter to the grid and of the trusted directory here, those of RFC
3820 from `pyglobus.core.x509.proxyrules`. At last the Globus libraries judge the whole chain themselves: they are what
runs at the other end, and a chain is valid only if both agree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from pyglobus.core import errors
from pyglobus.core.faults.credentials import span
from pyglobus.core.x509 import names, proxyrules, toolkit, trustrules
from pyglobus.core.x509.check import Check, Outcome, failed, of_error, passed, skipped, warning
from pyglobus.core.x509.credential import chain_pem, path, public_key, signed
from pyglobus.core.x509.keys import MIN_RSA_BITS
from pyglobus.core.x509.kind import extension, is_proxy, is_self_signed
from pyglobus.core.x509.trust import TrustedDirectory
from pyglobus.ffi.errors import GlobusError

#: A path longer than this is refused; the libraries stop at 100.
_MAX_DEPTH = 100
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
#: Certificates that end within this time are worth a word.
SOON = dt.timedelta(days=14)


@dataclass(frozen=True)
class Report:
    """What `inspect` found. ``path`` begins with the certificate itself and ends, if it was found, with a trusted
    authority; ``checks`` are in the order in which they depend on each other.
    """

    path: tuple[x509.Certificate, ...]
    checks: tuple[Check, ...]

    @property
    def is_valid(self) -> bool:
        """True if nothing failed."""
        return all(check.outcome is not Outcome.FAILED for check in self.checks)


def inspect(
    certificates: Sequence[x509.Certificate], directory: Path | None, *, now: dt.datetime | None = None
) -> Report:
    """Judge the first of ``certificates`` by the others and a trusted directory; None leaves out what needs one.

    ``now`` is the time (UTC) that certificates must be valid at; the libraries know only the present one. Nothing is
    raised for a chain, however bad. Raises `errors.ConfigurationError` if the directory itself cannot be used.
    """
    moment = now or dt.datetime.now(dt.UTC)
    trusted = TrustedDirectory(directory) if directory is not None else None
    found, anchored = _complete(path(certificates[0], certificates), trusted)
    checks = [
        _anchor(found, anchored, trusted),
        _signatures(found),
        _strength(found),
        _dates(found, moment),
        _authorities(found),
        *proxyrules.checks(found),
    ]
    if trusted is not None:
        checks += trustrules.checks(found, trusted, moment, anchored=anchored is not None)
    if directory is not None and now is None:
        checks.append(_toolkit(certificates, directory))
    return Report(tuple(found), tuple(checks))


def _complete(
    start: list[x509.Certificate], trusted: TrustedDirectory | None
) -> tuple[list[x509.Certificate], str | None]:
    """The path with the authorities of the directory, and the file of the last of them if it is self-signed.

    An authority that comes with the chain is replaced by the one in the directory: only that one is trusted.
    """
    found = start[:_MAX_DEPTH]
    if trusted is None:
        return found, None
    for at, one in enumerate(found):
        trust = _trusted(one, trusted)
        if trust is None:
            continue
        found = [*found[: at + (one != trust[1])], trust[1]]
        while not is_self_signed(trust[1]):
            above = _trusted(trust[1], trusted)
            if above is None or len(found) >= _MAX_DEPTH:
                return found, None
            trust = above
            found.append(trust[1])
        return found, str(trust[0])
    return found, None


def _trusted(one: x509.Certificate, trusted: TrustedDirectory) -> tuple[Path, x509.Certificate] | None:
    try:
        candidates = list(trusted.authorities(one.issuer))
    except (errors.CredentialError, errors.NotFound):
        return None
    return next((each for each in candidates if signed(one, each[1])), candidates[0] if candidates else None)


def _anchor(found: list[x509.Certificate], anchored: str | None, trusted: TrustedDirectory | None) -> Check:
    name = "authority"
    last = found[-1]
    if trusted is None:
        return skipped(name, f"no trusted directory was given, so nobody vouches for {names.oneline(last.issuer)}")
    if anchored is not None:
        return passed(name, f"{names.oneline(last.subject)} is trusted, by {anchored}")
    right = names.subject_hash(last.issuer)
    stray = trusted.misplaced(last.issuer)
    if stray is not None:
        return failed(name, "wrong-hash-link", path=str(stray), hash=right)
    return failed(name, "ca-unknown", authority=names.oneline(last.issuer), hash=right)


def _signatures(found: list[x509.Certificate]) -> Check:
    name = "signatures"
    pairs = list(zip(found, [*found[1:], found[-1]], strict=True))
    if not is_self_signed(found[-1]):
        pairs.pop()
    for one, issuer in pairs:
        if not signed(one, issuer):
            return failed(name, "bad-signature", names.oneline(one.subject), issuer=names.oneline(issuer.subject))
    return passed(
        name, f"each of {len(pairs)} is signed by the next certificate" if pairs else "there is none to check"
    )


def _strength(found: list[x509.Certificate]) -> Check:
    name = "strength"
    for one in found:
        whose = names.oneline(one.subject)
        key = public_key(one)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
            return failed(name, "weak-key", whose, key=f"its RSA key of {key.key_size} bits")
        if key is None:
            return failed(name, "bad-key", whose, problem="its key is of a kind that is not known")
        if not is_self_signed(one) and isinstance(_hash(one), _WEAK_HASHES):
            return failed(name, "weak-signature", whose)
    return passed(name, "all keys and signatures are strong enough for TLS")


def _hash(one: x509.Certificate) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return one.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None


def _dates(found: list[x509.Certificate], now: dt.datetime) -> Check:
    name = "dates"
    for one in found:
        whose = names.oneline(one.subject)
        if one.not_valid_after_utc < now:
            return _expired(name, one, now)
        if one.not_valid_before_utc > now:
            begin, ahead = f"{one.not_valid_before_utc:%F %H:%M} UTC", span(_minutes(one.not_valid_before_utc - now))
            return failed(name, "not-yet-valid", whose, begin=begin, ahead=ahead)
    first = min(found, key=lambda one: one.not_valid_after_utc)
    until = f"all are valid until {first.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    soon = [one for one in found if not is_proxy(one) and one.not_valid_after_utc - now < SOON]
    if soon:
        left = span(_minutes(soon[0].not_valid_after_utc - now))
        return warning(name, "ends-soon", names.oneline(soon[0].subject), left=left)
    return passed(name, until)


def _expired(name: str, one: x509.Certificate, now: dt.datetime) -> Check:
    whose = names.oneline(one.subject)
    if is_self_signed(one):
        return failed(name, "authority-expired", whose, subject=whose)
    minutes = str(_minutes(now - one.not_valid_after_utc))
    if is_proxy(one):
        return failed(name, "proxy-expired", whose, ended="the proxy", minutes=minutes)
    return failed(name, "certificate-expired", whose, ended="the certificate", minutes=minutes)


def _minutes(span: dt.timedelta) -> int:
    return int(span.total_seconds() // 60)


def _authorities(found: list[x509.Certificate]) -> Check:
    """RFC 5280: who signs certificates that are no proxies must be an authority, and may limit how many follow."""
    name = "authorities"
    below = 0
    for one, issued in zip(found[1:], found, strict=False):
        if is_proxy(issued):
            continue
        whose = names.oneline(one.subject)
        try:
            basic = extension(one, x509.BasicConstraints.oid.dotted_string)
            usage = extension(one, x509.KeyUsage.oid.dotted_string)
        except errors.CredentialError as error:
            return of_error(name, error, whose)
        value = basic.value if basic is not None else None
        if not isinstance(value, x509.BasicConstraints) or not value.ca:
            return failed(name, "not-an-authority", whose)
        if usage is not None and isinstance(usage.value, x509.KeyUsage) and not usage.value.key_cert_sign:
            return failed(name, "key-usage", whose, problem="its key usage does not allow it to sign certificates")
        if value.path_length is not None and below > value.path_length:
            limit = f"it allows {value.path_length} authorities below it, but there are {below}"
            return failed(name, "path-length-exceeded", whose, limit=limit)
        below += not is_self_signed(one)
    return passed(name, "all that sign certificates are authorities")


def _toolkit(certificates: Sequence[x509.Certificate], directory: Path) -> Check:
    name = "globus"
    try:
        toolkit.verify(chain_pem(certificates), directory)
    except GlobusError as error:
        said = error.links[-1].text.split() if error.links else ["no reason given"]
        reason = " ".join(said[1:] if said[0].startswith("globus_") else said)
        return failed(name, "globus-refuses", reason=reason)
    return passed(name, "the Globus libraries accept the chain")

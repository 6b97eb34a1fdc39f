# SPDX-License-Identifier: Apache-2.0
"""What the trusted directory has to say about a chain: which names its authorities may sign, and what is revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from pyglobus.core import errors
from pyglobus.core.x509 import names
from pyglobus.core.x509.check import Check, failed, of_error, passed, skipped
from pyglobus.core.x509.credential import public_key, serial_number
from pyglobus.core.x509.kind import is_proxy, is_self_signed
from pyglobus.core.x509.trust import TrustedDirectory


def checks(
    path: Sequence[x509.Certificate], trusted: TrustedDirectory, now: dt.datetime, *, anchored: bool
) -> list[Check]:
    """The checks of a path that ends with a trusted authority if it is ``anchored``. A list that is out of date makes
    the chain invalid: the libraries read it anew only from the directory that X509_CERT_DIR names.
    """
    return [_signing_policies(path, trusted, anchored), _revocations(path, trusted, now)]


def _signing_policies(found: Sequence[x509.Certificate], trusted: TrustedDirectory, anchored: bool) -> Check:
    name = "signing-policy"
    if not anchored:
        return skipped(name, "without a trusted authority there is no signing policy")
    for one in found:
        if is_proxy(one):
            continue
        authority, subject = names.oneline(one.issuer), names.oneline(one.subject)
        file = trusted.policy_path(one.issuer)
        try:
            policy = trusted.policy(one.issuer)
        except errors.ConfigurationError as error:
            return of_error(name, error)
        if policy is None:
            return failed(name, "signing-policy-missing", path=str(file))
        if not is_self_signed(one) and not policy.allows(authority, subject):
            return failed(name, "signing-policy-forbids", subject=subject, path=str(file))
    return passed(name, "each authority may sign the names that it signed")


def _revocations(found: Sequence[x509.Certificate], trusted: TrustedDirectory, now: dt.datetime) -> Check:
    name = "revocation"
    looked: list[str] = []
    for one, issuer in zip(found, [*found[1:], found[-1]], strict=True):
        if is_proxy(one) or issuer.subject != one.issuer:
            continue
        try:
            for file, listed in trusted.revocations(one.issuer):
                problem = _revoked(one, issuer, file, listed, now)
                if problem is not None:
                    return problem
                looked.append(str(file))
        except (errors.ConfigurationError, ValueError) as error:
            if isinstance(error, errors.Error):
                return of_error(name, error)
            return failed(name, "crl-invalid", path=str(trusted.path), problem="it is damaged")
    if not looked:
        return skipped(name, f"there is no revocation list in {trusted.path}")
    return passed(name, f"nothing is revoked by {', '.join(dict.fromkeys(looked))}")


def _revoked(
    one: x509.Certificate,
    issuer: x509.Certificate,
    file: Path,
    listed: x509.CertificateRevocationList,
    now: dt.datetime,
) -> Check | None:
    name = "revocation"
    key = public_key(issuer)
    if listed.issuer != issuer.subject or not _verifies(listed, key):
        problem = f"it is not signed by {names.oneline(issuer.subject)}"
        return failed(name, "crl-invalid", path=str(file), problem=problem)
    end = listed.next_update_utc
    if listed.last_update_utc > now or (end is not None and end < now):
        return failed(name, "crl-expired", revocations=str(file))
    if listed.get_revoked_certificate_by_serial_number(serial_number(one)) is not None:
        return failed(name, "revoked", names.oneline(one.subject), path=str(file))
    return None


def _verifies(listed: x509.CertificateRevocationList, key: object) -> bool:
    try:
        return listed.is_signature_valid(key)  # type: ignore[arg-type]
    except (TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False

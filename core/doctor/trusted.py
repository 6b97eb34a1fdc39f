# SPDX-License-Identifier: Apache-2.0
"""The trusted directory as a whole: every authority in it, under which name, with which policy and which lists.

What is wrong with an authority that nobody needs today is a warning; the chain of a credential or of a server is judged
by itself, and there it is a fault.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from pyglobus.core import errors
from pyglobus.core.x509 import names, pem, trust
from pyglobus.core.x509.check import Check, Outcome, of_error, passed, skipped, warning
from pyglobus.core.x509.trust import TrustedDirectory

_CERTIFICATE = re.compile(r"[0-9a-f]{8}\.\d{1,2}")
_LIST = re.compile(r"[0-9a-f]{8}\.r\d{1,2}")
#: More files than this are not looked at: the largest distribution of authorities has some hundred.
_MAX_FILES = 5000


def checks() -> Iterator[Check]:
    """The directory, the names of its files, policies, authorities and lists."""
    try:
        path = trust.default_directory()
        trusted = TrustedDirectory(path)
    except errors.Error as error:
        yield of_error("trusted-directory", error)
        return
    found = list(_authorities(path))
    right = {_name(one) for file, one in found if file.stem == names.subject_hash(one.subject)}
    yield passed("trusted-directory", f"{path}, authorities: {len(right)}")
    strays = [(file, one) for file, one in found if _name(one) not in right]
    yield _summary("hashes", [_stray(file, one) for file, one in strays], "each is found by the hash of its name")
    known = [one for file, one in found if file.stem == names.subject_hash(one.subject)]
    yield _summary("policies", [_policy(trusted, one) for one in known], "each has a signing policy that speaks of it")
    yield _summary("authorities", [_dates(one) for one in known], "all certificates of authorities are in date")
    found_lists = list(lists())
    if found_lists:
        well = f"all are in date, {len(found_lists)} of them"
        yield _summary("revocation-lists", [_list(path, listed) for path, listed in found_lists], well)
    else:
        yield skipped("revocation-lists", f"there is none in {path}, so nothing is known to be revoked")


def lists() -> Iterator[tuple[Path, x509.CertificateRevocationList | errors.Error]]:
    """The revocation lists of the trusted directory, or what is wrong with each."""
    try:
        path = trust.default_directory()
        files = sorted(path.iterdir())[:_MAX_FILES]
    except (OSError, errors.Error):
        return
    for file in files:
        if _LIST.fullmatch(file.name):
            try:
                yield file, trust.revocation_list(file)
            except errors.Error as error:
                yield file, error


def _authorities(path: Path) -> Iterator[tuple[Path, x509.Certificate]]:
    for file in sorted(path.iterdir())[:_MAX_FILES]:
        if _CERTIFICATE.fullmatch(file.name) or file.suffix in (".pem", ".crt"):
            try:
                yield file, pem.certificate(file.read_bytes())
            except (OSError, errors.Error):
                continue


def _name(one: x509.Certificate) -> bytes:
    return names.canonical(one.subject)


def _stray(file: Path, one: x509.Certificate) -> Check:
    return warning("hashes", "wrong-hash-link", path=str(file), hash=names.subject_hash(one.subject))


def _policy(trusted: TrustedDirectory, one: x509.Certificate) -> Check | None:
    file = trusted.policy_path(one.subject)
    try:
        policy = trusted.policy(one.subject)
    except errors.Error as error:
        return dataclasses.replace(of_error("policies", error), outcome=Outcome.WARNING)
    if policy is None:
        return warning("policies", "signing-policy-missing", path=str(file))
    if not policy.patterns(names.oneline(one.subject)):
        return warning("policies", "signing-policy-silent", path=str(file), subject=names.oneline(one.subject))
    return None


def _dates(one: x509.Certificate) -> Check | None:
    if one.not_valid_after_utc < dt.datetime.now(dt.UTC):
        return warning("authorities", "authority-expired", subject=names.oneline(one.subject))
    return None


def _list(path: Path, listed: x509.CertificateRevocationList | errors.Error) -> Check | None:
    if isinstance(listed, errors.Error):
        return dataclasses.replace(of_error("revocation-lists", listed), outcome=Outcome.WARNING)
    end = listed.next_update_utc
    if end is not None and end < dt.datetime.now(dt.UTC):
        return warning("revocation-lists", "crl-expired", revocations=str(path))
    return None


def _summary(name: str, found: list[Check | None] | list[Check], well: str) -> Check:
    """The first of what was found, and how many more there are."""
    problems = [check for check in found if check is not None]
    if not problems:
        return passed(name, well)
    first = problems[0]
    more = f"; and {len(problems) - 1} more like this" if len(problems) > 1 else ""
    return dataclasses.replace(first, explanation=first.explanation + more)

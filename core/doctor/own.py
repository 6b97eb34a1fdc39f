# SPDX-License-Identifier: Apache-2.0
"""The user's own credential: which one is taken and why, the files, whether they belong together, and the chain.

No pass phrase is asked for: a key that is protected by one is not opened, and then not compared with its certificate.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509

from pyglobus.core import credential, errors, proxy
from pyglobus.core.credential import Choice
from pyglobus.core.faults.credentials import span
from pyglobus.core.x509 import chain, filerules, names, pem, trust, userfiles
from pyglobus.core.x509.check import Check, Outcome, failed, of_error, passed, skipped
from pyglobus.core.x509.credential import identity_of
from pyglobus.core.x509.kind import kind_of
from pyglobus.core.x509.proxytype import Rights


def checks() -> Iterator[Check]:
    """The choice, what was passed over for it, the user's files, and the chain of what is used."""
    yield from _files()
    try:
        choice = credential.find()
    except errors.Error as error:
        yield of_error("credential", error)
        return
    for path, fault in choice.skipped:
        if fault != "no-credential":
            yield failed("credential", fault, path=path)
    yield passed("credential", f"{choice.path} is used: {choice.reason}")
    yield from _chain(choice)


def certificates() -> list[x509.Certificate]:
    """Those of the credential in use; none if there is none that can be read."""
    try:
        return _certificates(credential.find())
    except errors.Error:
        return []


def shadowed(environ: Mapping[str, str]) -> str | None:
    """The proxy that is there but not used, because a certificate and a key are named."""
    if not {"X509_USER_CERT", "X509_USER_KEY"} <= environ.keys():
        return None
    path = str(proxy.location(environ))
    return path if "X509_USER_PROXY" in environ or os.path.exists(path) else None


def _certificates(choice: Choice) -> list[x509.Certificate]:
    data = filerules.read(Path(choice.path), private=choice.kind == "proxy")
    found = pem.certificates(pem.blocks(data, where=choice.path), where=choice.path)
    if not found:
        from pyglobus.core import faults

        raise faults.known("no-certificate", what="cannot use credential", where=choice.path)
    return found


def _files() -> Iterator[Check]:
    """Certificate and key as proxy-init would take them."""
    name = "user-certificate"
    try:
        files = userfiles.find()
    except errors.Error as error:
        if error.fault == "credential-missing" and not {"X509_USER_CERT", "X509_USER_KEY"} & os.environ.keys():
            yield skipped(name, "there is none in the usual places, so no proxy can be made here")
        else:
            yield of_error(name, error)
        return
    where = f"{files.certificate} and {files.key}" if files.certificate != files.key else str(files.key)
    try:
        if not files.is_pkcs12:
            _ = files.certificates()
        found = files.credential()
    except errors.Error as error:
        if error.fault == "no-pass-phrase":
            yield passed(name, f"{where}: the key is protected by a pass phrase, so they were not compared")
        else:
            yield of_error(name, error)
        return
    yield passed(name, f"{where} belong together: {names.oneline(found.certificate.subject)}")


def _chain(choice: Choice) -> Iterator[Check]:
    try:
        found = _certificates(choice)
        kind = kind_of(found[0])
        whose = names.oneline(identity_of(found).subject)
        report = chain.inspect(found, trust.default_directory())
    except errors.Error as error:
        yield of_error("chain", error)
        return
    now = dt.datetime.now(dt.UTC)
    end = min(one.not_valid_after_utc for one in found)
    if end > now:
        left = span(int((end - now).total_seconds() // 60))
        limits = (
            "; it is good for transfers, and refused where jobs are started" if kind.rights is Rights.LIMITED else ""
        )
        yield passed("life", f"{kind.text} of {whose}, {left} left{limits}")
    yield from problems(report.checks, f"all {len(report.path)} certificates up to the authority are good")
    if choice.kind == "proxy":
        yield from _key(choice)


def _key(choice: Choice) -> Iterator[Check]:
    try:
        proxy.read(Path(choice.path))
    except errors.Error as error:
        yield of_error("key", error)
    else:
        yield passed("key", "the private key belongs to the certificate, and nobody else can read it")


def problems(found: tuple[Check, ...], well: str) -> Iterator[Check]:
    """What was found wrong in a chain, or one line that all is well. That the libraries refuse what our own look has
    explained already is left out.
    """
    bad = [check for check in found if check.outcome in (Outcome.FAILED, Outcome.WARNING)]
    explained = [check for check in bad if check.fault != "globus-refuses"]
    yield from explained if any(check.outcome is Outcome.FAILED for check in explained) else bad
    if not bad:
        yield passed("chain", well)

# SPDX-License-Identifier: Apache-2.0
"""Faults of the user's own credential: what is wrong with the files, as the credential library tells it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pyglobus.core.errors import ConfigurationError, CredentialError, NotFound
from pyglobus.core.faults.evidence import Evidence
from pyglobus.core.faults.fault import Fault, Fields, otherwise, own, unspoken

_RENEW = "make a new one with proxy-init or grid-proxy-init"
_UNSET = "unset X509_USER_CERT and X509_USER_KEY, which win over the proxy that X509_USER_PROXY names"
_AGAIN = "copy the file anew from where it came"
_EXPOSED = r"Permissions on (?P<path>.*) are too permissive"


def _no_file(evidence: Evidence) -> Fields | None:
    """A directory or device, of which the library says only that others may read it: nobody shall chmod that."""
    fields = own(_EXPOSED)(evidence)
    return fields if fields and not Path(fields["path"]).is_file() else None


def span(minutes: int) -> str:
    """So many minutes in words, cut to the largest unit."""
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _certificate(fields: Fields) -> Fields:
    age = {"age": span(int(fields["minutes"]))}
    return age if "ended" in fields else {"ended": f"the {fields['owner']} certificate {fields['path']}", **age}


def _ended(fields: Fields) -> Fields:
    """Whether it is the proxy that has ended, or a certificate behind it, which no new proxy can help."""
    from cryptography import x509

    if "ended" in fields:
        return {"renew": _RENEW, "age": span(int(fields["minutes"]))}
    try:
        data = Path(fields["path"]).read_bytes()
        proxy, *others = x509.load_pem_x509_certificates(data)
        first = min(others, key=lambda certificate: certificate.not_valid_after_utc)
        behind = first.not_valid_after_utc < proxy.not_valid_after_utc
    except (OSError, ValueError):
        behind = False
    if behind:
        ended, renew = f"the certificate behind the proxy {fields['path']}", "renew the certificate at its authority"
    else:
        ended, renew = f"the proxy {fields['path']}", _RENEW
    return {"ended": ended, "renew": renew, "age": span(int(fields["minutes"]))}


def _mode(fields: Fields) -> Fields:
    try:
        return {"mode": f"mode {stat.S_IMODE(Path(fields['path']).stat().st_mode):04o}"}
    except OSError:
        return {"mode": "mode unknown"}


def _chosen(fields: Fields) -> Fields:
    """The file that the library must have read: its words do not name it."""
    from pyglobus.core import credential

    if "path" in fields:
        return {}
    if fields["where"].startswith("/"):
        return {"path": fields["where"]}
    try:
        return {"path": credential.find().path}
    except CredentialError:
        return {"path": "in use"}


def _pair(fields: Fields) -> Fields:
    """Which private key and certificate: those of two files, or of one."""
    if "key" in fields:
        pair = f"the private key {fields['key']} and the certificate {fields['path']}"
        return {"pair": pair, "repair": "use the key that the certificate was requested with"}
    fields = {**fields, **_chosen(fields)}
    return {"pair": f"private key and certificate of the credential file {fields['path']}", "repair": _RENEW}


def _encrypted(fields: Fields) -> Fields:
    from pyglobus.core import credential

    shadowed = "X509_USER_PROXY" in os.environ and "X509_USER_CERT" in os.environ
    return {
        "path": fields.get("path") or credential.user_key(os.environ),
        "instead": _UNSET if shadowed else "make a proxy with proxy-init or grid-proxy-init",
    }


def _proxy_variable(_: Fields) -> Fields:
    return {"named": ", which X509_USER_PROXY names" if "X509_USER_PROXY" in os.environ else ""}


FAULTS = (
    Fault(
        "proxy-expired",
        CredentialError,
        own(r"The proxy credential: (?P<path>.*)\n\s*with subject: .*\n\s*expired (?P<minutes>\d+) minutes"),
        "{ended} expired {age} ago",
        "{renew}",
        _ended,
    ),
    Fault(
        "certificate-expired",
        CredentialError,
        own(
            r"The (?P<owner>user|host|service) credential: (?P<path>.*)\n\s*with subject:\s*.*\n"
            r"\s*has expired (?P<minutes>\d+) minutes"
        ),
        "{ended} expired {age} ago",
        "renew the certificate at its authority",
        _certificate,
    ),
    Fault(
        "credential-not-a-file",
        CredentialError,
        _no_file,
        "the credential file {path} is no regular file",
        "name the file that holds the proxy",
    ),
    Fault(
        "credential-exposed",
        CredentialError,
        own(_EXPOSED),
        "the credential file {path} is not used, because others have access to it ({mode})",
        "chmod 600 {path}",
        _mode,
    ),
    Fault(
        "credential-not-owned",
        CredentialError,
        own(r"not owned by current user: (?P<path>.*) is not owned by current user"),
        "the credential file {path} is not used, because it belongs to somebody else",
        _RENEW,
    ),
    Fault(
        "credential-empty",
        CredentialError,
        own(r"File has zero length: File: (?P<path>.*)"),
        "the credential file {path} is empty",
        _RENEW,
    ),
    Fault(
        "credential-unreadable",
        CredentialError,
        own(r"bad permissions: Could not read (?P<path>.*)"),
        "the credential file {path} cannot be reached",
        "check the permissions of the directories above it",
    ),
    Fault(
        "no-credential",
        CredentialError,
        own(
            r"Valid credentials could not be found(?s:.*)Error reading proxy credential"
            r"(?s:.*?)File does not exist: (?P<path>.*) is not a valid file"
        ),
        "there is no credential: {path} does not exist{named}",
        "make a proxy with proxy-init or grid-proxy-init, or let X509_USER_PROXY name the one you have",
        _proxy_variable,
    ),
    Fault(
        "no-credential",
        CredentialError,
        own(r"Valid credentials could not be found"),
        "there is no credential that can be used",
        "make a proxy with proxy-init or grid-proxy-init, or let X509_USER_PROXY name the one you have",
    ),
    Fault(
        "credential-missing",
        NotFound,
        lambda _: None,
        "the credential file {path} does not exist",
        "check the path of the credential",
    ),
    Fault(
        "key-encrypted",
        CredentialError,
        own(r"bad password read|[Uu]nable to get passphrase"),
        "the private key {path} is protected by a pass phrase, which is not asked for",
        "{instead}",
        _encrypted,
    ),
    Fault(
        "key-mismatch",
        CredentialError,
        own(r"key values mismatch"),
        "{pair} do not belong together",
        "{repair}",
        _pair,
    ),
    Fault(
        "not-a-credential",
        CredentialError,
        own(r"Error reading (proxy|host|user) credential"),
        "the credential file {path} is no certificate with private key in PEM form",
        _RENEW,
        _chosen,
    ),
    Fault(
        "proxy-shadowed",
        ConfigurationError,
        unspoken,
        "X509_USER_CERT and X509_USER_KEY are set, so the proxy {path} is not used",
        _UNSET,
    ),
    Fault(
        "not-pem",
        CredentialError,
        unspoken,
        "{problem}",
        "name a file that has a line -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----",
    ),
    Fault(
        "no-certificate",
        CredentialError,
        unspoken,
        "it holds no certificate",
        "name the file that has the certificate, such as usercert.pem, or a proxy",
    ),
    Fault(
        "no-key",
        CredentialError,
        unspoken,
        "it holds no private key",
        "name the file that has the key, such as userkey.pem, or a proxy",
    ),
    Fault("bad-certificate", CredentialError, unspoken, "a certificate in it is damaged", _AGAIN),
    Fault("damaged-key", CredentialError, unspoken, "the private key in it is damaged", _AGAIN),
    Fault("not-pkcs12", CredentialError, unspoken, "it is no PKCS #12 file", _AGAIN),
    Fault(
        "wrong-pass-phrase",
        CredentialError,
        unspoken,
        "the pass phrase is wrong",
        "type it again; if it is forgotten, nobody can open the key: ask your authority for a new certificate",
    ),
    Fault(
        "no-pass-phrase",
        CredentialError,
        unspoken,
        "{problem}",
        "give it on standard input (-pwstdin), in a file (--pass-phrase-file) or by systemd (--pass-phrase-credential)",
        otherwise(problem="the private key is protected by a pass phrase, and none is given"),
    ),
)

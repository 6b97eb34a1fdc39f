# SPDX-License-Identifier: Apache-2.0
"""Faults in certificates, chains and the trusted directory: what a look at the files finds before any server does.

Some are also told by our own libraries or by a server: then the rule is here too, so that a transfer, a check of the
chain and the doctor say the same. Those without a rule are found by looking alone (`pyglobus.core.faults.known`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyglobus.core.errors import ConfigurationError, CredentialError
from pyglobus.core.faults.evidence import Evidence
from pyglobus.core.faults.fault import CLOCKS, Fault, Fields, either, otherwise, own, unspoken

_ANEW = "make a new proxy with proxy-init or grid-proxy-init, from your certificate itself"
_REQUEST = "ask the authority for a new certificate, made for a new RSA key of 2048 bits or more"
_REPORT = "ask the authority, or whoever made the certificate, for one that keeps to the rules"
#: How the libraries ask for an authority.
CA_MISSING = (
    r"Untrusted self-signed certificate in chain with hash (?P<hash>\w+)"
    r"|Cannot find trusted CA certificate with hash (?P<other>\w+)"
)
#: More files of a trusted directory than this are not looked at.
_MAX_FILES = 5000


def _trusted() -> Iterator[tuple[Path, str, str]]:
    """The certificates of the trusted directory: file, subject, and the hash of the subject."""
    from pyglobus.core import errors
    from pyglobus.core.x509 import names, pem, trust

    try:
        directory = trust.default_directory()
        for path in sorted(directory.iterdir())[:_MAX_FILES]:
            if path.suffix in (".0", ".1", ".2", ".pem", ".crt"):
                try:
                    found = pem.certificate(path.read_bytes())
                except (OSError, errors.Error):
                    continue
                yield path, names.oneline(found.subject), names.subject_hash(found.subject)
    except (OSError, errors.Error):
        return


def _misplaced(evidence: Evidence) -> Fields | None:
    """The authority that is looked for is there, under a name by which it is not found."""
    fields = own(CA_MISSING)(evidence)
    if fields is None:
        return None
    wanted = (fields["hash"] or fields["other"]).zfill(8)
    for path, _, right in _trusted():
        if right == wanted and path.stem != wanted:
            return {"path": str(path), "hash": wanted}
    return None


def _authority_expired(evidence: Evidence) -> Fields | None:
    """What has expired is the certificate of an authority, ours or one that we trust."""
    fields = either(r"Credential with subject: (?P<subject>.*) has expired")(evidence)
    if fields is None or all(subject != fields["subject"] for _, subject, _ in _trusted()):
        return None
    return fields


#: Before what is said of the two sides' certificates in general.
FAULTS = (
    Fault(
        "wrong-hash-link",
        ConfigurationError,
        _misplaced,
        "the authority is trusted in {path}, but is looked for as {hash}.0",
        "openssl rehash {directory}: names of older files were made with MD5",
        lambda fields: {"directory": str(Path(fields["path"]).parent)},
    ),
    Fault(
        "authority-expired",
        CredentialError,
        _authority_expired,
        "the certificate of the authority {subject} has expired",
        "install the authority's new certificate, usually with a newer package; check this machine's clock",
    ),
    Fault(
        "weak-key",
        CredentialError,
        either(r"(ee|ca) key too small"),
        "{key} is shorter than TLS allows",
        _REQUEST,
        otherwise(key="a key in the chain of certificates"),
    ),
    Fault(
        "weak-signature",
        CredentialError,
        either(r"(ee|ca) md too weak"),
        "a signature in the chain of certificates is made with MD5 or SHA-1, which TLS refuses",
        "ask the authority for a new certificate, signed with SHA-256 or better",
    ),
    Fault(
        "limited-exceeded",
        CredentialError,
        either(r"Can't sign a non-limited"),
        "a limited proxy has made a proxy that is not limited",
        _ANEW,
    ),
    Fault(
        "limited-refused",
        CredentialError,
        either(r"set to not accept limited|Attempt to use limited proxy"),
        "a limited proxy is not accepted here",
        "use a full proxy: proxy-init without -limited, and delegation of full rights",
    ),
    Fault(
        "path-length-exceeded",
        CredentialError,
        either(r"[Pp]ath length exceeded"),
        "{limit}",
        _ANEW,
        otherwise(limit="more proxies or authorities follow each other than one of them allows (path length)"),
    ),
    Fault(
        "not-yet-valid",
        CredentialError,
        unspoken,
        "it is valid only from {begin} on, which is in {ahead}",
        CLOCKS,
    ),
    Fault(
        "revoked",
        CredentialError,
        unspoken,
        "it has been revoked, says {path}",
        "ask your authority for a new certificate",
    ),
    Fault(
        "bad-signature",
        CredentialError,
        unspoken,
        "its signature was not made with the key of {issuer}",
        "ask its owner for the right one: it was changed, or comes from another authority of the same name",
    ),
    Fault("bad-key", CredentialError, unspoken, "{problem}", _REQUEST),
    Fault("not-an-authority", CredentialError, unspoken, "it signs certificates, but is no authority", _REPORT),
    Fault("key-usage", CredentialError, unspoken, "{problem}", _REPORT),
    Fault(
        "unknown-extension",
        CredentialError,
        unspoken,
        "it has a critical extension that Globus does not know: {oid}",
        _REPORT,
    ),
    Fault("bad-extension", CredentialError, unspoken, "its extensions cannot be read ({problem})", _REPORT),
    Fault("bad-proxy", CredentialError, unspoken, "{problem}", _ANEW),
    Fault("bad-proxy-name", CredentialError, unspoken, "its name is not its issuer's with one more common name", _ANEW),
    Fault("bad-proxy-extension", CredentialError, unspoken, "its proxy extension is malformed ({problem})", _ANEW),
    Fault("mixed-proxies", CredentialError, unspoken, "a {form} proxy follows a {other} one", _ANEW),
    Fault(
        "no-owner",
        CredentialError,
        unspoken,
        "the chain ends with a proxy: the certificate that it stands for is missing",
        "copy the whole proxy file, with every certificate in it",
    ),
    Fault(
        "outlives-issuer",
        CredentialError,
        unspoken,
        "it would outlive its issuer, and is good only until {end}",
        _ANEW,
    ),
    Fault(
        "restricted",
        CredentialError,
        unspoken,
        "its rights depend on a policy in the language {language}; who does not know that grants none",
        "use it only where that policy is understood",
    ),
    Fault(
        "ends-soon",
        CredentialError,
        unspoken,
        "it ends in {left}",
        "renew it in time: authorities take days",
    ),
    Fault(
        "crl-invalid",
        ConfigurationError,
        unspoken,
        "the revocation list {path} is no good ({problem})",
        "fetch it anew (fetch-crl)",
    ),
    Fault(
        "globus-refuses",
        CredentialError,
        unspoken,
        "the Globus libraries refuse the chain ({reason})",
        "look at the checks above this one",
    ),
)

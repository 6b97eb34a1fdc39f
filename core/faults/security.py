# SPDX-License-Identifier: Apache-2.0
"""Faults of certificates and trust, as the two sides see each other's (GSI).

What our own libraries say about a certificate is about the server's; what a server says in its reply is about ours.
"""

from __future__ import annotations

from pyglobus.core.errors import ConfigurationError, CredentialError, ProtocolError, Unsupported
from pyglobus.core.faults.certificates import CA_MISSING
from pyglobus.core.faults.fault import CLOCKS, Fault, Fields, any_of, otherwise, own, reply, unspoken


def _names(fields: Fields) -> Fields:
    expected = fields["expected"]
    host = expected.removeprefix("/CN=").removeprefix("host/").removeprefix("host\\/")
    return {"expected": host if "/" not in host else expected, "advice": _advice(host, fields)}


def _advice(host: str, fields: Fields) -> str:
    """What to do about a name: two of the reasons are plain to see."""
    found = fields["found"].lower()
    if host.endswith(".") and host[:-1].lower() in found:
        return "leave out the dot at the end of the host name"
    canonical = (fields.get("canonical") or _canonical(host)).rstrip(".")
    if canonical and canonical.lower() != host.lower() and canonical.lower() in found:
        return f"use {canonical} in the URL: {host} is an alias of it"
    right = "if this is the right server, say whom you expect: -ss or -ds of url-copy, --identity of xio cat"
    return f"check the host name in the URL; {right}"


def _canonical(host: str) -> str:
    """What an alias stands for; "" for what is no host. The name has been looked up just before."""
    import socket

    if "/" in host or not host:
        return ""
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)[0][3]
    except (OSError, UnicodeError):
        return ""


def _hash(fields: Fields) -> Fields:
    """The hash as file names have it: the library leaves leading zeros out."""
    return {"hash": (fields["hash"] or fields.get("other", "")).zfill(8)}


def _unknown(fields: Fields) -> Fields:
    signer = {} if "authority" in fields else {"authority": "that signed the server's certificate"}
    return {**signer, **_hash(fields)}


OWN = (
    Fault(
        "name-mismatch",
        CredentialError,
        own(
            r"The name of the remote entity \((?P<found>.*)\), "
            r"and the expected name for the remote entity \((?P<expected>.*)\) do not match"
        ),
        "the server's certificate is for {found}, but {expected} was expected",
        "{advice}",
        _names,
    ),
    Fault(
        "ca-directory-missing",
        ConfigurationError,
        own(r"trusted CA certificates directory(?s:.*)File does not exist: (?P<path>.*) is not a valid"),
        "the directory of trusted certificates {path} {problem}",
        "set X509_CERT_DIR to the directory that holds the certificates of the authorities you trust",
        otherwise(problem="does not exist"),
    ),
    Fault(
        "no-ca-directory",
        ConfigurationError,
        own(r"Could not find a valid trusted CA certificates directory"),
        "there is no directory of trusted certificates",
        "set X509_CERT_DIR, or install the certificates of your authorities in /etc/grid-security/certificates",
    ),
    Fault(
        "ca-unknown",
        CredentialError,
        own(CA_MISSING),
        "the authority {authority} is not trusted here (hash {hash})",
        "install {hash}.0 and {hash}.signing_policy in the directory of trusted certificates (X509_CERT_DIR)",
        _unknown,
    ),
    Fault(
        "signing-policy-missing",
        ConfigurationError,
        own(r"Error getting signing policy file(?s:.*)File does not exist: (?P<path>.*) is not a valid"),
        "the signing policy {path} of a trusted authority is missing",
        "install it with the certificate of the authority, usually by the same package",
    ),
    Fault(
        "signing-policy-silent",
        ConfigurationError,
        unspoken,
        "the signing policy {path} does not speak of its authority {subject}, which may sign nothing therefore",
        "install the policy that comes with the certificate of the authority",
    ),
    Fault(
        "signing-policy-forbids",
        CredentialError,
        own(r'certificate "(?P<subject>.*)" does not match the signing policies defined in (?P<path>.*)'),
        "the authority is not allowed to sign {subject}",
        "compare the name with the cond_subjects line of {path}",
    ),
    Fault(
        "signing-policy-invalid",
        ConfigurationError,
        own(r"Error with signing policy"),
        "the signing policy {policy} cannot be understood",
        "look into the .signing_policy files of the trusted directory (X509_CERT_DIR)",
        otherwise(policy="of the server's authority"),
    ),
    Fault(
        "server-certificate-revoked",
        CredentialError,
        own(r"The certificate has been revoked"),
        "the server's certificate has been revoked by its authority",
        "tell the server's operator; do not connect until it is replaced",
    ),
    Fault(
        "crl-expired",
        ConfigurationError,
        own(r"The available CRL has expired"),
        "the revocation list {revocations} is out of date",
        "fetch it anew (fetch-crl)",
        otherwise(revocations="of the server's authority"),
    ),
    Fault(
        "server-certificate-expired",
        CredentialError,
        own(r"Credential with subject: (?P<subject>.*) has expired"),
        "the certificate {subject} of the server or of its authority has expired",
        "check this machine's clock; if it is right, tell the server's operator",
    ),
    Fault(
        "server-certificate-not-yet-valid",
        CredentialError,
        own(r"Cert with subject: (?P<subject>.*) is not yet valid"),
        "the server's certificate {subject} is not yet valid",
        CLOCKS,
    ),
    Fault(
        "cannot-delegate",
        CredentialError,
        own(r"Error with GSI proxy"),
        "this credential cannot sign the proxy that the server asks for",
        "use a proxy made with proxy-init or grid-proxy-init instead of the certificate itself",
    ),
    Fault(
        "no-such-driver",
        Unsupported,
        own(r"Couldn't dlopen libglobus_xio_(?P<driver>\w+?)_driver"),
        "there is no XIO driver {driver} on this machine",
        "check its spelling; tcp, udp, file, http and gsi are everywhere, others are packages of their own",
    ),
    Fault(
        "not-gsi",
        ProtocolError,
        own(
            r"GSS Major Status: GSS COMPLETE|: (wrong version number|http request|packet length too long)$"
            r"|Token size exceeds limit"
        ),
        "what answers does not speak GSI",
        "check host and port",
    ),
    Fault(
        "gsi-failed",
        CredentialError,
        own(r"gss_\w+_sec_context failed|^GSS failure|^globus_gsi_gssapi: "),
        "the secure connection could not be established ({cause})",
        "look at all causes with -vv",
    ),
)

REPLIED = (
    Fault(
        "data-channel-authentication",
        CredentialError,
        reply(r"GSI XIO driver failed to establish a secure connection"),
        "the two ends of the data channel did not authenticate each other",
        "make sure that both ends trust each other's authority, or do without this check with -nodcau",
    ),
    Fault(
        "server-credential",
        CredentialError,
        reply(r"Server side credential failure|Server does not have credentials"),
        "the server has no valid certificate of its own",
        "tell the server's operator: its host certificate is missing, unreadable or expired",
    ),
    Fault(
        "credential-untrusted",
        CredentialError,
        reply(CA_MISSING),
        "the server does not trust the authority that signed your certificate (hash {hash})",
        "use a credential of an authority that the server trusts, or ask its operator to trust yours",
        _hash,
    ),
    Fault(
        "credential-not-yet-valid",
        CredentialError,
        reply(r"Cert with subject: (?P<subject>.*) is not yet valid"),
        "for the server your certificate {subject} is not yet valid",
        CLOCKS,
    ),
    Fault(
        "credential-expired",
        CredentialError,
        reply(r"Credential with subject: (?P<subject>.*) has expired"),
        "for the server your certificate {subject} has expired",
        "make a new one with proxy-init or grid-proxy-init",
    ),
    Fault(
        "credential-revoked",
        CredentialError,
        reply(r"The certificate has been revoked"),
        "your certificate has been revoked by its authority",
        "ask your authority for a new certificate",
    ),
    Fault(
        "not-mapped",
        CredentialError,
        reply(r"Could not map (?P<subject>/.*)"),
        "the server knows no account for {subject}",
        "ask the server's operator to map this name to an account (grid-mapfile)",
    ),
    Fault(
        "gsi-required",
        CredentialError,
        reply(r"Must perform GSSAPI authentication", 530),
        "the server lets nobody in without a grid credential",
        "use a gsiftp:// URL",
    ),
    Fault(
        "no-gsi",
        Unsupported,
        any_of(reply(r"Please login with USER and PASS", 530), reply(r"\bAUTH\b", 500, 502, 504, 534)),
        "the server does not accept grid credentials",
        "use an ftp:// URL if the data may travel unprotected",
    ),
    Fault(
        "handshake-refused",
        CredentialError,
        reply(r"Authentication Error|Authentication failed|Could not verify credential", 530, 535),
        "the server broke off the secure connection ({cause})",
        "look at all causes with -vv",
    ),
    Fault(
        "login-refused",
        CredentialError,
        reply(r"", 332, 430, 530, 532),
        "the server refused the login ({words})",
        "check user name, password and credential, and whether the server serves you at all",
    ),
)

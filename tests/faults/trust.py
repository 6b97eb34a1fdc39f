# SPDX-License-Identifier: Apache-2.0
"""Faults of the server's certificate, and of the trusted directory that it is judged by."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509 import pem, request
from pyglobus.core.x509.keys import ec_key
from pyglobus.core.x509.proxytype import LIMITED
from tests.faults.case import (
    CONFIGURATION,
    CREDENTIAL,
    PROTOCOL,
    case,
)
from tests.faults.lab import HOUR, Lab, Record, revoke


@case("name-mismatch", *CREDENTIAL, "certificate is for /O=Grid/OU=Sandbox/CN=other.example.org, but localhost was")
def server_with_another_name(lab: Lab) -> Record:
    server = lab.host(lab.grid.authority.issue_host("other.example.org"))
    return lab.fail(lab.gsi("file", server), lab.copy)


@case("name-mismatch", *CREDENTIAL, "is for /O=Grid/OU=Sandbox/CN=localhost, but /O=Grid/CN=Other was expected")
def server_that_is_not_the_one_asked_for(lab: Lab) -> Record:
    return lab.fail(lab.gsi(), lab.copy, source={"subject": "/O=Grid/CN=Other"})


@case("server-credential", *CREDENTIAL, "no valid certificate of its own", "operator")
def server_with_an_expired_certificate(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ended = lab.grid.authority.issue(
        "localhost", key=ec_key(), alternative_names=["localhost"], not_before=now - 4 * HOUR, not_after=now - HOUR
    )
    return lab.fail(lab.gsi("file", lab.host(ended)), lab.copy)


@case("ca-directory-missing", *CONFIGURATION, r"/absent does not exist", "X509_CERT_DIR")
def no_trusted_directory(lab: Lab) -> Record:
    return lab.get(X509_CERT_DIR=lab.tmp / "absent")


@case("no-ca-directory", *CONFIGURATION, "there is no directory of trusted certificates", "X509_CERT_DIR")
def no_trusted_directory_at_all(lab: Lab) -> Record:
    return lab.get(X509_CERT_DIR=None)


@case("ca-unknown", *CREDENTIAL, r"not trusted here .hash \w{8}", r"install \w{8}\.0 and \w{8}\.signing_policy")
def unknown_authority(lab: Lab) -> Record:
    return lab.get(X509_CERT_DIR=lab.trust())


@case("signing-policy-missing", *CONFIGURATION, r"signing policy \S+\.signing_policy of a trusted authority is missing")
def no_signing_policy(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    (directory / f"{lab.grid.authority.hash}.signing_policy").unlink()
    return lab.get(X509_CERT_DIR=directory)


@case("signing-policy-forbids", *CREDENTIAL, "not allowed to sign .*CN=localhost$", r"cond_subjects line of \S+policy$")
def signing_policy_for_others(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    policy = directory / f"{lab.grid.authority.hash}.signing_policy"
    policy.write_text(lab.grid.authority.signing_policy(["/O=Other/*"]))
    return lab.get(X509_CERT_DIR=directory)


@case("signing-policy-invalid", *CONFIGURATION, "cannot be understood")
def signing_policy_of_nonsense(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    (directory / f"{lab.grid.authority.hash}.signing_policy").write_text("nonsense {\n")
    return lab.get(X509_CERT_DIR=directory)


@case("server-certificate-revoked", *CREDENTIAL, "server's certificate has been revoked")
def revoked_server(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    host = lab.grid.authority.issue_host("localhost")
    revoke(lab.grid.authority, directory, host)
    return lab.fail(lab.gsi("file", lab.host(host)), lab.copy, env={"X509_CERT_DIR": directory})


@case("crl-expired", *CONFIGURATION, "revocation list .* out of date", "fetch-crl")
def revocation_list_that_has_ended(lab: Lab) -> Record:
    # The C library looks for the list of an authority whose hash begins with 0 under a wrong name once it has ended,
    # takes it for removed, and goes on.
    while (other := Authority.create()).hash.startswith("0"):
        pass
    directory = lab.trust(other)
    revoke(other, directory, next_update=-HOUR)
    server = lab.host(other.issue_host("localhost"))
    return lab.fail(lab.gsi("file", server), lab.copy, env={"X509_CERT_DIR": directory})


@case("server-certificate-expired", *CREDENTIAL, "CN=localhost of the server or .* has expired", "clock")
def server_that_has_expired(lab: Lab) -> Record:
    """A Globus server with such a certificate does not even answer; others do."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    begin, end = now - 4 * HOUR, now - HOUR
    host = lab.grid.authority.issue(
        "localhost", key=ec_key(), alternative_names=["localhost"], not_before=begin, not_after=end
    )
    return lab.greet(lab.tls(host), tls_only=True)


@case("authority-expired", *CREDENTIAL, "authority .* has expired", "new certificate")
def server_of_an_authority_that_has_ended(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    other = Authority.create(not_before=now - 3 * HOUR, not_after=now - HOUR)
    host = other.issue("localhost", key=ec_key(), alternative_names=["localhost"], not_after=now + HOUR)
    env = {"X509_CERT_DIR": lab.trust(lab.grid.authority, other)}
    return lab.fail(lab.gsi("file", lab.host(host)), lab.copy, env=env)


@case("server-certificate-not-yet-valid", *CREDENTIAL, "CN=localhost is not yet valid", "clock")
def server_of_the_future(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    host = lab.grid.authority.issue("localhost", key=ec_key(), alternative_names=["localhost"], not_before=now + HOUR)
    return lab.fail(lab.gsi("file", lab.host(host)), lab.copy)


@case("not-gsi", *PROTOCOL, "does not speak GSI")
def server_that_only_says_it_has_gsi(lab: Lab) -> Record:
    answers = {"AUTH": "334 Using authentication type; ADAT must follow", "ADAT": "235 ADAT=abcd"}
    return lab.fail(lab.spoken(answers, "gsiftp"), lab.copy)


@case("gsi-failed", *CREDENTIAL, "secure connection could not be established .*CRL")
def revocation_list_of_somebody_else(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    revoke(lab.grid.authority, directory, signer=ec_key())
    return lab.get(X509_CERT_DIR=directory)


@case("data-channel-authentication", *CREDENTIAL, "did not authenticate each other", "-nodcau")
def data_channel_of_somebody_else(lab: Lab) -> Record:
    more = {"to": lab.copy}
    return lab.call("get", lab.gsi(), more=more, dcau="S", dcau_subject="/CN=Other", delegation="full")


@case("wrong-hash-link", *CONFIGURATION, r"trusted in \S+/0badcafe\.0, but is looked for as \w{8}\.0", "openssl rehash")
def authority_under_an_old_name(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    (directory / f"{lab.grid.authority.hash}.0").rename(directory / "0badcafe.0")
    return lab.get(X509_CERT_DIR=directory)


@case("weak-key", *CREDENTIAL, "key .* is shorter than TLS allows", "2048")
def proxy_with_a_short_key(lab: Lab) -> Record:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    Issued(lab.ada.proxy(key=weak).certificate, weak, lab.ada.certificates).save_proxy(lab.tmp / "proxy.pem")
    return lab.get(lab.tmp / "proxy.pem")


@case("weak-signature", *CREDENTIAL, "SHA-1, which TLS refuses", "SHA-256")
def user_whose_certificate_is_signed_with_sha1(lab: Lab) -> Record:
    authority = lab.grid.authority
    files = {"request": request.create(lab.spare), "ca": authority.root.certificate_pem()}
    for name, content in (files | {"ca-key": authority.root.key_pem()}).items():
        (lab.tmp / name).write_bytes(content)
    command: list[str | Path] = ["openssl", "x509", "-req", "-sha1", "-set_serial", "7", "-days", "5"]
    command += ["-in", lab.tmp / "request", "-CA", lab.tmp / "ca", "-CAkey", lab.tmp / "ca-key"]
    command += ["-out", lab.tmp / "old.pem"]
    subprocess.run(command, check=True, capture_output=True)
    user = Issued(pem.certificate((lab.tmp / "old.pem").read_bytes()), lab.spare)
    return lab.get(lab.proxy(user))


@case("limited-exceeded", *CREDENTIAL, "limited proxy has made a proxy that is not limited", "new proxy")
def full_proxy_of_a_limited_one(lab: Lab) -> Record:
    limited = lab.ada.proxy(key=lab.spare, language=LIMITED)
    return lab.get(lab.proxy(limited))


@case("path-length-exceeded", *CREDENTIAL, "path length", "new proxy")
def proxy_that_may_not_be(lab: Lab) -> Record:
    return lab.get(lab.proxy(lab.ada.proxy(key=lab.spare, path_length=0)))


@case("limited-refused", *CREDENTIAL, "limited proxy is not accepted", "full proxy")
def limited_proxy_where_none_may_be(lab: Lab) -> Record:
    return lab.greet(lab.tls(lab.ada.proxy(key=lab.spare, language=LIMITED)), tls_only=True, limited_peer=False)

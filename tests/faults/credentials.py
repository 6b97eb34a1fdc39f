# SPDX-License-Identifier: Apache-2.0
"""Faults of one's own credential."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509.keys import rsa_key
from tests.faults.case import (
    CREDENTIAL,
    MISSING,
    UNSUPPORTED,
    case,
    not_root,
)
from tests.faults.lab import HOUR, Lab, Record, revoke


@case("no-credential", *CREDENTIAL, "does not exist, which X509_USER_PROXY names", "proxy-init")
def no_proxy(lab: Lab) -> Record:
    return lab.get(lab.tmp / "absent")


@case("proxy-expired", *CREDENTIAL, r"the proxy \S+ expired 2 hours ago", "make a new one")
def expired_proxy(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return lab.get(lab.proxy(not_before=now - 3 * HOUR, not_after=now - 2 * HOUR))


@case("proxy-expired", *CREDENTIAL, r"the certificate behind the proxy \S+ expired 1 day ago", "renew the certificate")
def expired_certificate_behind_the_proxy(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ended = lab.grid.authority.issue("Ended", key=lab.spare, not_before=now - 50 * HOUR, not_after=now - 25 * HOUR)
    return lab.get(lab.proxy(ended, not_before=now - 40 * HOUR, not_after=now + HOUR))


@case("certificate-expired", *CREDENTIAL, r"the host certificate \S+cert.pem expired 1 hour ago")
def expired_certificate(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ended = lab.grid.authority.issue("Ended", key=lab.spare, not_before=now - 4 * HOUR, not_after=now - HOUR)
    ended.save(lab.tmp / "cert.pem", lab.tmp / "key.pem")
    return lab.get(X509_USER_CERT=lab.tmp / "cert.pem", X509_USER_KEY=lab.tmp / "key.pem")


@case("credential-exposed", *CREDENTIAL, r"proxy\.pem is not used.*mode 0644", r"^chmod 600 \S+proxy\.pem$")
def proxy_that_others_may_read(lab: Lab) -> Record:
    path = lab.proxy()
    path.chmod(0o644)
    return lab.get(path)


@case("credential-not-owned", *CREDENTIAL, "belongs to somebody else")
def proxy_of_somebody_else(lab: Lab) -> Record:
    if os.geteuid() != 0:
        return lab.get("/etc/passwd")
    path = lab.proxy()
    os.chown(path, 65534, 65534)
    return lab.get(path)


@case("credential-unreadable", *CREDENTIAL, "cannot be reached", marks=[not_root])
def proxy_out_of_reach(lab: Lab) -> Record:
    path = lab.proxy()
    closed = lab.tmp / "closed"
    closed.mkdir()
    path.rename(closed / "proxy.pem")
    closed.chmod(0)
    try:
        return lab.get(closed / "proxy.pem")
    finally:
        closed.chmod(0o700)


@case("credential-empty", *CREDENTIAL, "is empty")
def empty_proxy(lab: Lab) -> Record:
    path = lab.tmp / "proxy.pem"
    path.touch(0o600)
    return lab.get(path)


@case("credential-not-a-file", *CREDENTIAL, "no regular file")
def proxy_that_is_a_directory(lab: Lab) -> Record:
    return lab.get(lab.tmp)


@case("credential-missing", *MISSING, r"absent\.pem does not exist")
def missing_credential_of_one_side(lab: Lab) -> Record:
    return lab.fail(lab.gsi(), lab.copy, source={"credential": str(lab.tmp / "absent.pem")})


@case("not-a-credential", *CREDENTIAL, r"proxy\.pem is no certificate with private key")
def proxy_that_is_none(lab: Lab) -> Record:
    path = lab.tmp / "proxy.pem"
    path.write_text("no credential\n")
    path.chmod(0o600)
    return lab.get(path)


@case("key-encrypted", *CREDENTIAL, r"key\.pem is protected by a pass phrase", "unset X509_USER_CERT")
def key_with_a_pass_phrase(lab: Lab) -> Record:
    lab.ada.save(lab.tmp / "cert.pem", lab.tmp / "key.pem", pass_phrase=b"open sesame")
    return lab.get(X509_USER_CERT=lab.tmp / "cert.pem", X509_USER_KEY=lab.tmp / "key.pem")


@case("key-mismatch", *CREDENTIAL, r"proxy\.pem do not belong together")
def proxy_with_another_key(lab: Lab) -> Record:
    proxy = lab.ada.proxy(key=lab.spare)
    Issued(proxy.certificate, rsa_key(), proxy.chain).save_proxy(lab.tmp / "proxy.pem")
    return lab.get(lab.tmp / "proxy.pem")


@case("cannot-delegate", *CREDENTIAL, "cannot sign the proxy")
def credential_that_cannot_be_delegated(lab: Lab) -> Record:
    lab.ada.save(lab.tmp / "cert.pem", lab.tmp / "key.pem")
    env = {"X509_USER_CERT": lab.tmp / "cert.pem", "X509_USER_KEY": lab.tmp / "key.pem"}
    return lab.fail(lab.gsi(), lab.copy, env=env, delegate="full")


@case("credential-untrusted", *CREDENTIAL, r"does not trust the authority.*hash \w{8}")
def proxy_of_another_authority(lab: Lab) -> Record:
    other = Authority.create()
    path = lab.proxy(other.issue("Eve", key=lab.spare))
    return lab.get(path, X509_CERT_DIR=lab.trust(lab.grid.authority, other))


@case("credential-not-yet-valid", *CREDENTIAL, "for the server your certificate .*Ada.* is not yet valid", "clocks")
def proxy_of_the_future(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return lab.get(lab.proxy(not_before=now + 3 * HOUR, not_after=now + 5 * HOUR))


@case("credential-expired", *CREDENTIAL, "for the server your certificate .* has expired")
def authority_that_has_ended(lab: Lab) -> Record:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    other = Authority.create(not_before=now - 3 * HOUR, not_after=now - HOUR)
    path = lab.proxy(other.issue("Eve", key=lab.spare, not_after=now + HOUR))
    server = lab.server(env={"X509_CERT_DIR": lab.trust(lab.grid.authority, other)})
    return lab.fail(lab.gsi("file", server), lab.copy, env={"X509_USER_PROXY": path})


@case("credential-revoked", *CREDENTIAL, "your certificate has been revoked")
def revoked_user(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    revoke(lab.grid.authority, directory, lab.ada)
    return lab.fail(lab.gsi("file", lab.server(env={"X509_CERT_DIR": directory})), lab.copy)


@case("not-mapped", *CREDENTIAL, "knows no account for /O=Grid/OU=Sandbox/CN=Eve Unknown$", "grid-mapfile")
def user_without_account(lab: Lab) -> Record:
    return lab.get(lab.proxy(lab.grid.authority.issue("Eve Unknown", key=lab.spare)))


@case("gsi-required", *CREDENTIAL, "without a grid credential", "gsiftp://")
def anonymous_login_at_a_gsi_server(lab: Lab) -> Record:
    return lab.fail(lab.ftp("file", lab.grid.servers["gridftp"]), lab.copy)


@case("no-gsi", *UNSUPPORTED, "does not accept grid credentials", "ftp://")
def gsi_login_at_a_simple_server(lab: Lab) -> Record:
    url = lab.spoken({"AUTH": "530 Please login with USER and PASS."}, "gsiftp")
    return lab.fail(url, lab.copy)


@case("no-gsi", *UNSUPPORTED, "does not accept grid credentials", "ftp://")
def gsi_login_at_a_server_without_security(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"AUTH": "500 AUTH not understood"}, "gsiftp"), lab.copy)


@case("login-refused", *CREDENTIAL, "refused the login .Anonymous access is not allowed")
def anonymous_login_refused(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"USER": "530 Anonymous access is not allowed."}), lab.copy)


@case("login-refused", *CREDENTIAL, "refused the login .Login incorrect")
def wrong_password(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASS": "530 Login incorrect."}), lab.copy)


@case("handshake-refused", *CREDENTIAL, "broke off .*unsupported protocol")
def handshake_that_the_server_breaks_off(lab: Lab) -> Record:
    server = lab.server(env={"GLOBUS_GSSAPI_MIN_TLS_PROTOCOL": "TLS1_3_VERSION"})
    env = {"GLOBUS_GSSAPI_MAX_TLS_PROTOCOL": "TLS1_2_VERSION"}
    return lab.fail(lab.gsi("file", server), lab.copy, env=env)


# A user's files, as proxy-init reads them.


def _files(lab: Lab, certificate: bytes | None = None, key: bytes | None = None) -> tuple[Path, Path]:
    paths = lab.tmp / "usercert.pem", lab.tmp / "userkey.pem"
    for path, content in zip(paths, (certificate or lab.ada.certificate_pem(), key or lab.ada.key_pem()), strict=True):
        path.write_bytes(content)
        path.chmod(0o600)
    return paths


@case("key-mismatch", *CREDENTIAL, "the private key .*userkey.pem .* do not belong together", "requested with")
def key_of_another(lab: Lab) -> Record:
    return lab.open(*_files(lab, key=Issued(lab.ada.certificate, lab.spare).key_pem()))


@case("wrong-pass-phrase", *CREDENTIAL, "the pass phrase is wrong", "again")
def wrong_pass_phrase(lab: Lab) -> Record:
    return lab.open(*_files(lab, key=lab.ada.key_pem(b"open sesame")), "open barley")


@case("no-pass-phrase", *CREDENTIAL, "protected by a pass phrase, and none is given", "-pwstdin")
def no_pass_phrase(lab: Lab) -> Record:
    return lab.open(*_files(lab, key=lab.ada.key_pem(b"open sesame")))


@case("no-key", *CREDENTIAL, "holds no private key", "userkey.pem")
def certificate_where_the_key_should_be(lab: Lab) -> Record:
    return lab.open(*_files(lab, key=lab.ada.certificate_pem()))


@case("no-certificate", *CREDENTIAL, "holds no certificate", "usercert.pem")
def key_where_the_certificate_should_be(lab: Lab) -> Record:
    return lab.open(*_files(lab, certificate=lab.ada.key_pem()))


@case("not-pem", *CREDENTIAL, "not in PEM", "-----BEGIN CERTIFICATE-----")
def key_that_is_none(lab: Lab) -> Record:
    return lab.open(*_files(lab, key=b"no key at all"))


@case("bad-certificate", *CREDENTIAL, "certificate in it is damaged", "anew")
def certificate_that_was_cut(lab: Lab) -> Record:
    lines = lab.ada.certificate_pem().splitlines(keepends=True)
    return lab.open(*_files(lab, certificate=b"".join([*lines[:4], lines[-1]])))


@case("damaged-key", *CREDENTIAL, "private key in it is damaged", "anew")
def key_that_was_cut(lab: Lab) -> Record:
    lines = lab.ada.key_pem().splitlines(keepends=True)
    return lab.open(*_files(lab, key=b"".join([*lines[:4], lines[-1]])))


@case("not-pkcs12", *CREDENTIAL, "no PKCS #12 file", "anew")
def pkcs12_that_is_none(lab: Lab) -> Record:
    path = lab.tmp / "user.p12"
    path.write_bytes(lab.ada.certificate_pem())
    path.chmod(0o600)
    return lab.open(path, path)

# SPDX-License-Identifier: Apache-2.0
"""Faults as the doctor sees them: each is made for real, and met by the doctor and by another command."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509.keys import ec_key
from pyglobus.core.x509.proxytype import LIMITED
from tests.faults.lab import HOUR, Lab, Record, revoke
from tests.faults.played import saying

SESAME = "open sesame"


@dataclass
class Told:
    """What the doctor or ``cert explain`` said, and what another command says of the same."""

    doctor: Record
    other: Record | None
    check: str
    fault: str
    #: Another command may see the same from its side, and call it otherwise; the advice is the same.
    others: str | None = None


FAULTS: list[Callable[[Lab], Told]] = []


def fault(make: Callable[[Lab], Told]) -> Callable[[Lab], Told]:
    FAULTS.append(make)
    return make


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _pair(lab: Lab, key: bytes) -> dict[str, Path]:
    """The environment of a user with this key, whose files are named."""
    certificate, private = lab.tmp / "usercert.pem", lab.tmp / "userkey.pem"
    certificate.write_bytes(lab.ada.certificate_pem())
    private.write_bytes(key)
    private.chmod(0o600)
    return {"X509_USER_CERT": certificate, "X509_USER_KEY": private}


def _ended(lab: Lab) -> Issued:
    """A host whose certificate has expired."""
    begin, end = _now() - 4 * HOUR, _now() - HOUR
    return lab.grid.authority.issue(
        "localhost", key=ec_key(), alternative_names=["localhost"], not_before=begin, not_after=end
    )


def _own(lab: Lab, check: str, name: str, proxy: Path, others: str | None = None, **env: Any) -> Told:
    """A fault of the user's proxy: the doctor without a URL, and a transfer."""
    env |= {"X509_USER_PROXY": proxy}
    return Told(lab.pyglobus("doctor", env=env), lab.get(**env), check, name, others)


@fault
def expired(lab: Lab) -> Told:
    path = lab.proxy(not_before=_now() - 3 * HOUR, not_after=_now() - 2 * HOUR)
    return _own(lab, "dates", "proxy-expired", path)


@fault
def not_yet_valid(lab: Lab) -> Told:
    path = lab.proxy(not_before=_now() + 3 * HOUR, not_after=_now() + 5 * HOUR)
    return _own(lab, "dates", "not-yet-valid", path, "credential-not-yet-valid")


@fault
def unknown_authority(lab: Lab) -> Told:
    env = {"X509_CERT_DIR": lab.trust()}
    return Told(lab.pyglobus("doctor", lab.gsi(), env=env), lab.get(**env), "server-certificate", "ca-unknown")


@fault
def expired_authority(lab: Lab) -> Told:
    other = Authority.create(not_before=_now() - 3 * HOUR, not_after=_now() - HOUR)
    host = other.issue("localhost", key=ec_key(), alternative_names=["localhost"], not_after=_now() + HOUR)
    env = {"X509_CERT_DIR": lab.trust(lab.grid.authority, other)}
    url = lab.gsi("file", lab.host(host))
    found = lab.pyglobus("doctor", url, env=env)
    return Told(found, lab.fail(url, lab.copy, env=env), "server-certificate", "authority-expired")


@fault
def expired_revocation_list(lab: Lab) -> Told:
    while (other := Authority.create()).hash.startswith("0"):  # see test_faults
        pass
    directory = lab.trust(other)
    revoke(other, directory, next_update=-HOUR)
    env = {"X509_CERT_DIR": directory}
    url = lab.gsi("file", lab.host(other.issue_host("localhost")))
    found = lab.pyglobus("doctor", url, env=env)
    assert ("revocation-lists", "warning") in [(check["name"], check["outcome"]) for check in found["checks"]]
    return Told(found, lab.fail(url, lab.copy, env=env), "server-certificate", "crl-expired")


@fault
def revoked(lab: Lab) -> Told:
    directory = lab.trust(lab.grid.authority)
    revoke(lab.grid.authority, directory, lab.ada)
    server = lab.server(env={"X509_CERT_DIR": directory})
    env = {"X509_CERT_DIR": directory}
    found = lab.pyglobus("doctor", env=env)
    other = lab.fail(lab.gsi("file", server), lab.copy)
    return Told(found, other, "revocation", "revoked", "credential-revoked")


@fault
def revoked_server(lab: Lab) -> Told:
    directory = lab.trust(lab.grid.authority)
    host = lab.grid.authority.issue_host("localhost")
    revoke(lab.grid.authority, directory, host)
    url, env = lab.gsi("file", lab.host(host)), {"X509_CERT_DIR": directory}
    found = lab.pyglobus("doctor", url, env=env)
    return Told(found, lab.fail(url, lab.copy, env=env), "server-certificate", "server-certificate-revoked")


@fault
def missing_signing_policy(lab: Lab) -> Told:
    directory = lab.trust(lab.grid.authority)
    (directory / f"{lab.grid.authority.hash}.signing_policy").unlink()
    env = {"X509_CERT_DIR": directory}
    return Told(lab.pyglobus("doctor", env=env), lab.get(**env), "signing-policy", "signing-policy-missing")


@fault
def wrong_signing_policy(lab: Lab) -> Told:
    directory = lab.trust(lab.grid.authority)
    policy = directory / f"{lab.grid.authority.hash}.signing_policy"
    policy.write_text(lab.grid.authority.signing_policy(["/O=Other/*"]))
    env = {"X509_CERT_DIR": directory}
    found = lab.pyglobus("doctor", lab.gsi(), env=env)
    return Told(found, lab.get(**env), "server-certificate", "signing-policy-forbids")


@fault
def old_hash(lab: Lab) -> Told:
    directory = lab.trust(lab.grid.authority)
    right = directory / f"{lab.grid.authority.hash}.0"
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash_old", "-in", right], capture_output=True, text=True, check=True
    )
    right.rename(directory / f"{printed.stdout.strip()}.0")
    env = {"X509_CERT_DIR": directory}
    return Told(lab.pyglobus("doctor", env=env), lab.get(**env), "authority", "wrong-hash-link")


@fault
def key_of_another(lab: Lab) -> Told:
    env = _pair(lab, Issued(lab.ada.certificate, lab.spare).key_pem())
    other = lab.open(env["X509_USER_CERT"], env["X509_USER_KEY"])
    return Told(lab.pyglobus("doctor", env=env), other, "user-certificate", "key-mismatch")


@fault
def encrypted_key(lab: Lab) -> Told:
    env = _pair(lab, lab.ada.key_pem(SESAME.encode()))
    return Told(lab.pyglobus("doctor", env=env), lab.get(**env), "credential", "key-encrypted")


@fault
def wrong_pass_phrase(lab: Lab) -> Told:
    env = _pair(lab, lab.ada.key_pem(SESAME.encode()))
    said = lab.tmp / "said"
    said.write_text("open barley\n")
    said.chmod(0o600)
    phrase = ("--pass-phrase-file", said)
    found = lab.pyglobus("cert", "explain", env["X509_USER_KEY"], *phrase)
    return Told(found, lab.pyglobus("proxy", "init", *phrase, env=env), "key", "wrong-pass-phrase")


@fault
def readable_by_others(lab: Lab) -> Told:
    path = lab.proxy()
    path.chmod(0o640)
    return _own(lab, "credential", "credential-exposed", path)


@fault
def not_a_key(lab: Lab) -> Told:
    env = _pair(lab, b"no key at all\n")
    found = lab.pyglobus("doctor", env=env)
    return Told(found, lab.pyglobus("proxy", "init", "-pwstdin", env=env), "user-certificate", "not-pem")


@fault
def not_a_certificate(lab: Lab) -> Told:
    env = _pair(lab, lab.ada.key_pem())
    env["X509_USER_CERT"].write_bytes(lab.ada.key_pem())
    env["X509_USER_CERT"].chmod(0o600)
    found = lab.pyglobus("doctor", env=env)
    return Told(found, lab.pyglobus("proxy", "init", env=env), "user-certificate", "no-certificate")


@fault
def short_key(lab: Lab) -> Told:
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    path = lab.tmp / "proxy.pem"
    Issued(lab.ada.proxy(key=weak).certificate, weak, lab.ada.certificates).save_proxy(path)
    return _own(lab, "strength", "weak-key", path)


@fault
def sha1(lab: Lab) -> Told:
    from tests.faults import trust

    other = trust.user_whose_certificate_is_signed_with_sha1(lab)
    env = {"X509_USER_PROXY": lab.tmp / "proxy.pem"}
    return Told(lab.pyglobus("doctor", env=env), other, "strength", "weak-signature")


@fault
def full_proxy_of_a_limited_one(lab: Lab) -> Told:
    return _own(lab, "proxy-rights", "limited-exceeded", lab.proxy(lab.ada.proxy(key=lab.spare, language=LIMITED)))


@fault
def path_length(lab: Lab) -> Told:
    path = lab.proxy(lab.ada.proxy(key=lab.spare, path_length=0))
    return _own(lab, "proxy-path-length", "path-length-exceeded", path)


@fault
def outlives_its_issuer(lab: Lab) -> Told:
    path = lab.proxy(lab.ada.proxy(key=lab.spare, lifetime=HOUR), not_after=_now() + 5 * HOUR)
    verified = lab.pyglobus("proxy", "verify", path)
    other = next(check for check in verified["checks"] if check["fault"] == "outlives-issuer")
    return Told(lab.pyglobus("doctor", env={"X509_USER_PROXY": path}), other, "proxy-lifetime", "outlives-issuer")


@fault
def shadowed_proxy(lab: Lab) -> Told:
    env = _pair(lab, lab.ada.key_pem(SESAME.encode()))
    return Told(lab.pyglobus("doctor", env=env), lab.get(**env), "environment", "proxy-shadowed", "key-encrypted")


@fault
def other_name(lab: Lab) -> Told:
    url = lab.gsi("file", lab.host(lab.grid.authority.issue_host("other.example.org")))
    told = Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "server-name", "name-mismatch")
    why = next(check["explanation"] for check in told.doctor["checks"] if check["fault"] == "name-mismatch")
    assert "other.example.org" in why
    assert "localhost was expected" in why
    return told


@fault
def no_gsi_but_ssh(lab: Lab) -> Told:
    url = f"gsiftp://localhost:{lab.played(saying(b'SSH-2.0-OpenSSH_9.2p1 Debian-2' + bytes([13, 10])))}/file"
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "server-certificate", "not-an-ftp-server")


@fault
def no_gsi_but_ftp(lab: Lab) -> Told:
    url = lab.spoken({"AUTH": "500 AUTH not understood"}, "gsiftp")
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "server-certificate", "no-gsi")


@fault
def no_gsi_but_babble(lab: Lab) -> Told:
    answers = {"AUTH": "334 Using authentication type; ADAT must follow", "ADAT": "335 ADAT=YWJjZGVmZ2hpamts"}
    url = lab.spoken(answers, "gsiftp")
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "server-certificate", "not-gsi")


@fault
def server_without_a_good_certificate(lab: Lab) -> Told:
    host = _ended(lab)
    url = lab.gsi("file", lab.host(host))
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "server-certificate", "server-credential")


@fault
def server_that_has_expired(lab: Lab) -> Told:
    host = _ended(lab)
    port = lab.tls(host)
    found = lab.pyglobus("doctor", f"localhost:{port}")
    other = lab.greet(port, tls_only=True)
    return Told(found, other, "server-certificate", "server-certificate-expired")


@fault
def nobody_listens(lab: Lab) -> Told:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"gsiftp://localhost:{server.getsockname()[1]}/file"
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "connection", "connection-refused")


@fault
def unknown_host(lab: Lab) -> Told:
    url = f"gsiftp://{'long' * 16}.example/file"
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "name-resolution", "unknown-host")


@fault
def data_port_closed(lab: Lab) -> Told:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answers = {"PASV": f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})", "LIST": "150 opening"}
    url = lab.spoken({**answers, "NLST": "150 opening", "RETR": "150 opening"})
    return Told(lab.pyglobus("doctor", url), lab.fail(url, lab.copy), "data-channel", "data-channel-refused")

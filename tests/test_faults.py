# SPDX-License-Identifier: Apache-2.0
"""Each fault of the table, made for real: the right class, name, words, hint and exit code.

Servers are real where one can be brought to the fault; the others are sockets that answer what such a server answers.
What reads credentials or the environment runs in a process of its own, since the C libraries keep what they have read.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import http.server
import json
import os
import re
import resource
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.cli.output import error_record
from pyglobus.core import errors, faults
from pyglobus.core.faults.verdict import FAULTS
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.transfer import copy
from pyglobus.core.x509.keys import ec_key, rsa_key
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError, OperationCancelled
from pyglobus.ffi.ftp import FtpHandle, FtpOptions, Span

HOUR = dt.timedelta(hours=1)
Record: TypeAlias = dict[str, Any]

#: Runs one operation that must fail, and prints the error as the commands do.
CHILD = """
import json, resource, socket, sys
from pyglobus.cli.exits import code_of
from pyglobus.cli.output import error_record
from pyglobus.core import errors
from pyglobus.core.faults import explain
task = json.load(sys.stdin)
if task.get("crowded"):
    full = socket.create_server(("127.0.0.1", task["crowded"]), backlog=0)
    waiting = socket.create_connection(("127.0.0.1", task["crowded"]))
if "largest" in task:
    resource.setrlimit(resource.RLIMIT_FSIZE, (task["largest"], resource.RLIM_INFINITY))
try:
    if "call" in task:
        from pyglobus.ffi.engine import engine
        from pyglobus.ffi.ftp import FtpHandle, FtpOptions, Span
        handle = FtpHandle(engine(), version="0")
        options = FtpOptions(**task["options"])
        try:
            if task["call"] == "get":
                with open(task["to"], "wb") as file:
                    start = task.get("start", 0)
                    span = Span(start=start, end=start + 10, partial=True) if start else Span()
                    handle.get(task["url"], file.fileno(), options, span, block=65536, blocks=4, shift=start).result(30)
            else:
                getattr(handle, task["call"])(task["url"], *task["arguments"], options).result(30)
        except BaseException as error:
            raise explain(error, what="cannot " + task["call"], where=task["url"], role=task["role"])
    else:
        from pyglobus.core.options import Options, Side
        from pyglobus.core.transfer import copy
        sides = {end: Side(**task["options"].pop(end)) for end in ("source", "destination") if end in task["options"]}
        copy(task["source"], task["destination"], Options(connect_timeout=20, **sides, **task["options"]))
except errors.Error as error:
    print(json.dumps({"class": type(error).__name__, **error_record(error, code_of(error))}))
"""


class Lab:
    """What a case needs: the grid, places for files, users with and without rights, and a way to fail."""

    def __init__(self, grid: Sandbox, ada: Issued, spare: Any, served: Path, tmp_path: Path, close: Any) -> None:
        self.grid = grid
        self.ada = ada
        #: An RSA key for whatever is issued: making one takes long.
        self.spare = spare
        self.served = served
        self.tmp = tmp_path
        self.enter = close.enter_context
        (tmp_path / "local").write_bytes(b"x" * 100_000)
        (served / "file").write_bytes(b"y" * 100_000)

    @property
    def local(self) -> str:
        return str(self.tmp / "local")

    @property
    def copy(self) -> str:
        return str(self.tmp / "copy")

    def gsi(self, name: str = "file", server: Server | None = None) -> str:
        return self.grid.gsiftp_url(self.served / name, server)

    def ftp(self, name: str = "file", server: Server | None = None) -> str:
        return self.grid.ftp_url(self.served / name, server)

    def run(self, task: Record, env: Mapping[str, Any], prefix: Sequence[str]) -> Record:
        full = self.grid.env | {name: str(value) for name, value in env.items() if value is not None}
        for name in (name for name, value in env.items() if value is None):
            full.pop(name, None)
        done = subprocess.run(
            [*prefix, sys.executable, "-c", CHILD],
            input=json.dumps(task),
            env=full,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout, "it did not fail"
        record: Record = json.loads(done.stdout)
        return record

    def fail(
        self,
        source: str,
        destination: str,
        /,
        *,
        env: Mapping[str, Any] | None = None,
        prefix: Sequence[str] = (),
        crowded: int = 0,
        largest: int = resource.RLIM_INFINITY,
        **options: Any,
    ) -> Record:
        """Copy, which fails. An environment's value None takes the variable away; ``crowded`` is a port whose server
        takes no more connections, and ``largest`` the limit of a file's size.
        """
        task = {"source": source, "destination": destination, "options": options}
        return self.run(task | {"crowded": crowded, "largest": largest}, env or {}, prefix)

    def call(
        self, call: str, url: str, *arguments: Any, role: str | None = None, more: Record | None = None, **options: Any
    ) -> Record:
        """One operation of the FTP client, which fails."""
        task = {"call": call, "url": url, "arguments": arguments, "role": role, "options": options, **(more or {})}
        return self.run(task, {}, ())

    def get(self, proxy: Path | str | None = None, **env: Any) -> Record:
        """Get a file over GSI, with another proxy or environment, which fails."""
        return self.fail(self.gsi(), self.copy, env={**env, **({"X509_USER_PROXY": proxy} if proxy else {})})

    def proxy(self, issued: Issued | None = None, **details: Any) -> Path:
        path = self.tmp / "proxy.pem"
        (issued or self.ada).proxy(key=self.spare, **details).save_proxy(path)
        return path

    def trust(self, *authorities: Authority) -> Path:
        """A new directory of trusted certificates, open to sessions of any account."""
        directory = self.served / f"trusted-{len(list(self.served.iterdir()))}"
        directory.mkdir(mode=0o755)
        for authority in authorities:
            authority.trust_in(directory)
        return directory

    def server(self, *arguments: str, env: Mapping[str, Any] | None = None, anonymous: bool = False) -> Server:
        strings = {name: str(value) for name, value in (env or {}).items()}
        server: Server = self.enter(self.grid.start_gridftp(*arguments, env=strings, anonymous=anonymous))
        return server

    def host(self, issued: Issued) -> Server:
        """A server with another host certificate."""
        certificate, key = self.tmp / "hostcert.pem", self.tmp / "hostkey.pem"
        issued.save(certificate, key)
        return self.server(env={"X509_USER_CERT": certificate, "X509_USER_KEY": key})

    def played(self, script: Callable[[socket.socket], None]) -> int:
        """The port of a server that plays a script with each client."""
        return int(self.enter(play(script)))

    def spoken(self, answers: Mapping[str, Answer], scheme: str = "ftp") -> str:
        """The URL of a file at an FTP server that gives these answers."""
        return f"{scheme}://localhost:{self.played(Speaker(answers))}/file"


@contextlib.contextmanager
def play(script: Callable[[socket.socket], None]) -> Iterator[int]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                script(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


Answer: TypeAlias = str | Callable[[str], str] | None


class Speaker:
    """The script of an FTP server: the answers to some commands are given, the others are those of a simple server.

    None closes the connection; a function gets the command's line.
    """

    SIMPLE: Mapping[str, Answer] = {
        "USER": "331 password",
        "PASS": "230 in",
        "TYPE": "200 ok",
        "MODE": "200 ok",
        "PORT": "200 ok",
        "SITE": "250 ok",
        "OPTS": "200 ok",
        "FEAT": "211-Features\r\n SIZE\r\n PARALLEL\r\n211 End",
        "SIZE": "213 100000",
        "QUIT": "221 bye",
    }

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = {**self.SIMPLE, **answers}

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 ready\r\n")
            for line in stream:
                command = line.decode().strip()
                answer = self.answers.get(command.split()[0], "500 unknown command")
                if callable(answer):
                    answer = answer(command)
                if answer is None:
                    return
                stream.write(answer.encode() + b"\r\n")


def passive(port: int, host: str = "127,0,0,1") -> str:
    return f"227 Entering Passive Mode ({host},{port >> 8},{port & 255})"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def silence(connection: socket.socket) -> None:
    connection.recv(1)


def saying(text: bytes) -> Callable[[socket.socket], None]:
    """Say something as soon as a client comes, and go on until it has gone."""

    def script(connection: socket.socket) -> None:
        connection.sendall(text)
        while connection.recv(4096):
            pass

    return script


@dataclass
class Case:
    fault: str
    kind: type[errors.Error]
    code: ExitCode
    words: tuple[str, ...]
    make: Callable[[Lab], Record]
    marks: tuple[pytest.MarkDecorator, ...] = ()


CASES: list[Case] = []


def case(
    fault: str, kind: type[errors.Error], code: ExitCode, *words: str, marks: Sequence[pytest.MarkDecorator] = ()
) -> Callable[[Callable[[Lab], Record]], Callable[[Lab], Record]]:
    """This function brings about that fault; ``words`` are regular expressions for what is said about it."""

    def add(make: Callable[[Lab], Record]) -> Callable[[Lab], Record]:
        CASES.append(Case(fault, kind, code, words, make, tuple(marks)))
        return make

    return add


CREDENTIAL = errors.CredentialError, ExitCode.DENIED
TRANSIENT = errors.TransientError, ExitCode.TRY_LATER
CONFIGURATION = errors.ConfigurationError, ExitCode.CONFIGURATION
PROTOCOL = errors.ProtocolError, ExitCode.UNSUPPORTED
UNSUPPORTED = errors.Unsupported, ExitCode.UNSUPPORTED
MISSING = errors.NotFound, ExitCode.NOT_FOUND
DENIED = errors.AccessDenied, ExitCode.DENIED
CREATION = errors.CannotCreate, ExitCode.CANNOT_CREATE
DATA = errors.DataError, ExitCode.DATA

not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may do this")
#: A network and a file system of our own, where what is set up hurts nobody.
apart = pytest.mark.skipif(
    subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode != 0,
    reason="no namespaces here",
)


def namespace(setup: str) -> list[str]:
    """Run in namespaces of its own, after these commands of the shell."""
    return ["unshare", "-rnm", "sh", "-c", f'ip link set lo up && {setup} && exec "$0" "$@"']


# Credentials ---------------------------------------------------------------------------------------------------------


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


@case("credential-missing", *CREDENTIAL, r"absent\.pem does not exist")
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


# The server's certificate --------------------------------------------------------------------------------------------


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


@case("ca-directory-missing", *CONFIGURATION, "there is no directory of trusted certificates", "X509_CERT_DIR")
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


def revoke(
    authority: Authority, directory: Path, *revoked: Issued, next_update: dt.timedelta = 24 * HOUR, signer: Any = None
) -> None:
    """Put a revocation list of the authority into a trusted directory."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.root.certificate.subject)
        .last_update(now - 48 * HOUR)
        .next_update(now + next_update)
    )
    for issued in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - HOUR).build())
    signed = builder.sign(signer or authority.root.key, hashes.SHA256())
    (directory / f"{authority.hash}.r0").write_bytes(signed.public_bytes(Encoding.PEM))


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


@case("server-certificate-expired", *CREDENTIAL, "of the server or of its authority has expired", "clock")
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


# Names and connections -----------------------------------------------------------------------------------------------


@case("unknown-host", *MISSING, "host name .*example is not known", "spelling")
def name_that_cannot_exist(lab: Lab) -> Record:
    return lab.fail(f"ftp://{'long' * 16}.example/file", lab.copy)


@case("name-service", *TRANSIENT, "name service does not answer", marks=[apart])
def name_service_out_of_reach(lab: Lab) -> Record:
    (lab.tmp / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    prefix = namespace(f"mount --bind {lab.tmp}/resolv.conf /etc/resolv.conf")
    return lab.fail("ftp://host.example/file", lab.copy, prefix=prefix)


@case("connection-refused", *TRANSIENT, "connection was refused", "server is down")
def closed(lab: Lab) -> Record:
    return lab.fail(f"gsiftp://localhost:{closed_port()}/file", lab.copy)


@case("connection-timed-out", *TRANSIENT, "did not answer in time", marks=[apart])
def packets_that_are_dropped(lab: Lab) -> Record:
    prefix = namespace("echo 1 > /proc/sys/net/ipv4/tcp_syn_retries")
    return lab.fail("ftp://127.0.0.1:2811/file", lab.copy, prefix=prefix, crowded=2811)


@case("host-unreachable", *TRANSIENT, "no route")
def address_that_no_route_leads_to(lab: Lab) -> Record:
    return lab.fail("ftp://255.255.255.255/file", lab.copy)


@case("connection-forbidden", *DENIED, "does not allow the connection", marks=[apart])
def route_that_is_closed(lab: Lab) -> Record:
    return lab.fail("ftp://192.0.2.2/file", lab.copy, prefix=namespace("ip route add prohibit 192.0.2.0/24"))


@case("connection-lost", *TRANSIENT, "closed the connection")
def server_that_hangs_up(lab: Lab) -> Record:
    return lab.fail(f"gsiftp://localhost:{lab.played(lambda connection: None)}/file", lab.copy)


@case("connection-lost", *TRANSIENT, "closed the connection")
def server_killed_in_the_middle(lab: Lab) -> Record:
    server = lab.server(anonymous=True)
    huge = lab.tmp / "huge"
    huge.touch()
    os.truncate(huge, 1 << 40)
    arrived = lab.served / "arrived"

    def kill() -> None:
        limit = time.monotonic() + 30
        while not (arrived.exists() and arrived.stat().st_size > 1 << 20) and time.monotonic() < limit:
            time.sleep(0.01)
        assert server.process is not None
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for pid in map(int, children):
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return lab.fail(str(huge), lab.ftp("arrived", server))
    finally:
        killer.join()


@case("port-range-used-up", *TRANSIENT, "GLOBUS_TCP_SOURCE_RANGE", "widen")
def no_port_left(lab: Lab) -> Record:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        return lab.get(GLOBUS_TCP_SOURCE_RANGE=f"{port},{port}")


@case("data-channel-refused", *TRANSIENT, r"data channel to 127\.0\.0\.1:\d+ was refused", "GLOBUS_TCP_PORT_RANGE")
def data_port_closed(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(closed_port()), "RETR": "150 opening"}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-unreachable", *TRANSIENT, r"to 255\.255\.255\.255:\d+", "GLOBUS_TCP_PORT_RANGE")
def data_port_out_of_reach(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(closed_port(), "255,255,255,255"), "RETR": "150 opening"}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-unreachable", *TRANSIENT, "no data channel could be opened$", "GLOBUS_TCP_PORT_RANGE")
def data_port_that_the_server_cannot_reach(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(lab.played(silence)), "RETR": "425 Can't open data connection."}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-lost", *TRANSIENT, "data channel broke")
def data_channel_that_breaks(lab: Lab) -> Record:
    port = lab.played(lambda connection: None)
    answers: dict[str, Answer] = {"PASV": passive(port), "RETR": "150 opening\r\n426 Connection closed."}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-address", *PROTOCOL, "named an address for data that does not exist")
def data_port_of_nonsense(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": "227 nonsense", "RETR": "150 opening"}), lab.copy)


@case("server-busy", *TRANSIENT, "not available now .*Connection limit exceeded")
def server_with_enough_to_do(lab: Lab) -> Record:
    server = lab.server("-connections-max", "1", anonymous=True)
    with socket.create_connection(("localhost", server.port)) as first:
        first.recv(1000)
        return lab.fail(lab.ftp("file", server), lab.copy)


# Protocols -----------------------------------------------------------------------------------------------------------


@case("not-an-ftp-server", *PROTOCOL, "not a GridFTP or FTP server")
def ssh_server(lab: Lab) -> Record:
    port = lab.played(saying(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
    return lab.fail(f"gsiftp://localhost:{port}/file", lab.copy)


@case("not-an-ftp-server", *PROTOCOL, "not a GridFTP or FTP server")
def http_server(lab: Lab) -> Record:
    port = lab.played(saying(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"))
    return lab.fail(f"ftp://localhost:{port}/file", lab.copy)


@case("broken-protocol", *PROTOCOL, "answer that nobody asked for")
def reply_too_many(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": "500 no\r\n500 not at all"}), lab.copy)


@case("broken-protocol", *PROTOCOL, "done before it had begun")
def transfer_that_never_was(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": passive(closed_port()), "RETR": "226 done"}), lab.copy)


@case("unknown-reply", *PROTOCOL, "999 strange")
def reply_with_a_strange_code(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": passive(closed_port()), "RETR": "999 strange"}), lab.copy)


@case("unsupported", *UNSUPPORTED, "lacks what is needed .Command not supported")
def command_that_is_switched_off(lab: Lab) -> Record:
    server = lab.server("-disable-command-list", "STOR", anonymous=True)
    return lab.fail(lab.local, lab.ftp("new", server))


@case("server-error", *TRANSIENT, "cannot do it now .Requested action aborted")
def server_in_trouble(lab: Lab) -> Record:
    return lab.fail(
        lab.spoken({"PASV": passive(lab.played(silence)), "RETR": "451 Requested action aborted"}), lab.copy
    )


@case("server-refused", *UNSUPPORTED, "refused .Unknown checksum algorithm")
def algorithm_that_the_server_does_not_know(lab: Lab) -> Record:
    return lab.call("checksum", lab.ftp(), "nonsense")


@case("unknown", errors.Error, ExitCode.FAILED, "protocol|scheme|url")
def something_that_nobody_foresaw(lab: Lab) -> Record:
    return lab.call("size", "foo://localhost/file")


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def web(lab: Lab, status: int) -> str:
    server = lab.enter(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    lab.enter(contextlib.closing(Stopping(server)))
    return f"http://localhost:{server.server_port}/{status}"


class Stopping:
    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.close = server.shutdown


@case("not-an-http-server", *PROTOCOL, "not an HTTP server")
def http_url_of_an_ftp_server(lab: Lab) -> Record:
    return lab.fail(lab.ftp().replace("ftp:", "http:"), lab.copy)


@case("http-unauthorized", *CREDENTIAL, "wants a login .Unauthorized")
def http_login(lab: Lab) -> Record:
    return lab.fail(web(lab, 401), lab.copy)


@case("http-forbidden", *DENIED, "denies access .Forbidden")
def http_forbidden(lab: Lab) -> Record:
    return lab.fail(web(lab, 403), lab.copy)


@case("http-not-found", *MISSING, "does not know this path .Not Found")
def http_missing(lab: Lab) -> Record:
    return lab.fail(web(lab, 404), lab.copy)


@case("http-unavailable", *TRANSIENT, "cannot answer now .Service Unavailable")
def http_overloaded(lab: Lab) -> Record:
    return lab.fail(web(lab, 503), lab.copy)


@case("http-refused", *UNSUPPORTED, "refused the request .405, Method Not Allowed")
def http_method(lab: Lab) -> Record:
    return lab.fail(web(lab, 405), lab.copy)


@case("http-failed", *UNSUPPORTED, "broke off without giving a reason")
def http_server_that_hangs_up(lab: Lab) -> Record:
    return lab.fail(f"http://localhost:{lab.played(lambda connection: None)}/file", lab.copy)


@case("connection-refused", *TRANSIENT, "connection was refused")
def http_closed(lab: Lab) -> Record:
    return lab.fail(f"http://localhost:{closed_port()}/file", lab.copy)


@case("unknown-host", *MISSING, "host name .*example is not known")
def http_name_that_cannot_exist(lab: Lab) -> Record:
    return lab.fail(f"http://{'long' * 16}.example/file", lab.copy)


# Files ---------------------------------------------------------------------------------------------------------------


@case("path-not-allowed", *DENIED, "does not serve this path")
def path_outside(lab: Lab) -> Record:
    return lab.call("get", lab.grid.ftp_url("/etc/passwd"), more={"to": lab.copy}, role="source")


@case("permission-denied", *DENIED, "permission denied at the server")
def file_that_the_account_may_not_read(lab: Lab) -> Record:
    (lab.served / "file").chmod(0)
    return lab.fail(lab.ftp(), lab.copy)


@case("permission-denied", *DENIED, "permission denied at the server")
def directory_that_the_account_may_not_write(lab: Lab) -> Record:
    lab.served.chmod(0o555)
    try:
        return lab.fail(lab.local, lab.ftp("new"))
    finally:
        lab.served.chmod(0o755)


@case("read-only", *CREATION, "read-only", marks=[apart])
def read_only_file_system(lab: Lab) -> Record:
    (lab.tmp / "fixed").mkdir()
    prefix = namespace(f"mount -t tmpfs -o ro none {lab.tmp}/fixed")
    return lab.fail(lab.local, str(lab.tmp / "fixed" / "new"), prefix=prefix)


@case("no-such-file", *MISSING, "no such file or directory")
def missing_source(lab: Lab) -> Record:
    return lab.fail(lab.ftp("absent"), lab.copy)


@case("no-such-file", *MISSING, "no such file or directory at the server")
def source_that_vanishes(lab: Lab) -> Record:
    return lab.call("get", lab.ftp("absent"), more={"to": lab.copy}, role="source")


@case("no-such-file", *CREATION, "directory does not exist at the server", "-cd")
def missing_directory(lab: Lab) -> Record:
    return lab.fail(lab.local, lab.ftp("absent/new"))


@case("is-directory", *CREATION, "directory at the server")
def directory_in_the_way(lab: Lab) -> Record:
    (lab.served / "directory").mkdir(mode=0o777)
    return lab.call("checksum", lab.ftp("directory"), "md5", role="destination")


@case("exists", *CREATION, "exists already at the server")
def directory_that_is_there(lab: Lab) -> Record:
    (lab.served / "directory").mkdir()
    return lab.call("mkdir", lab.ftp("directory"), role="destination")


@case("name-too-long", *CREATION, "name is too long at the server")
def name_that_is_too_long(lab: Lab) -> Record:
    return lab.fail(lab.local, lab.ftp("n" * 300))


@case("quota-exceeded", *DATA, "quota is used up at the server")
def quota(lab: Lab) -> Record:
    url = lab.spoken({"PASV": passive(lab.played(silence)), "STOR": "552 Disk quota exceeded", "SIZE": "550 no"})
    return lab.fail(lab.local, url)


@case("no-space", *DATA, "no space is left at the server")
def full_disk_of_the_server(lab: Lab) -> Record:
    (lab.served / "full").symlink_to("/dev/full")
    return lab.fail(lab.local, lab.gsi("full"))


@case("no-space", *DATA, "no space is left$")
def full_disk(lab: Lab) -> Record:
    record = lab.fail(lab.ftp(), "/dev/full", in_place=True)
    assert record["where"] == "/dev/full"
    return record


@case("file-too-large", *DATA, "larger than", "ulimit")
def limit_of_file_size(lab: Lab) -> Record:
    return lab.fail(lab.ftp(), lab.copy, largest=50_000)


@case("unexpected-data", *DATA, "data that was not asked for")
def server_that_sends_the_wrong_part(lab: Lab) -> Record:
    where: list[tuple[str, int]] = []

    def port(line: str) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", line)]
        where.append((".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5]))
        return "200 ok"

    def send(_: str) -> str:
        with socket.create_connection(where[-1]) as data:
            data.sendall(struct.pack(">BQQ", 0, 10, 2**64 - 100) + b"0123456789" + struct.pack(">BQQ", 0x48, 0, 1))
            data.settimeout(1)
            with contextlib.suppress(OSError):
                data.recv(1)
        return "150 opening\r\n226 done"

    url = lab.spoken({"PORT": port, "ERET": send, "RETR": send})
    return lab.call("get", url, more={"to": lab.copy, "start": 50}, role="source", extended=True)


@case("resources", *TRANSIENT, "Text file busy at the server")
def program_that_runs(lab: Lab) -> Record:
    shutil.copy("/bin/sleep", lab.served / "program")
    (lab.served / "program").chmod(0o777)
    with subprocess.Popen([lab.served / "program", "60"]) as running:
        try:
            return lab.fail(lab.local, lab.ftp("program"))
        finally:
            running.kill()


@case("io-error", *DATA, "failed .Input/output error")
def file_that_cannot_be_read(lab: Lab) -> Record:
    return lab.fail("/proc/self/mem", lab.copy)


@case("file-unavailable", *MISSING, "cannot open this path .Failed to open file")
def server_that_does_not_say_why(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(lab.played(silence)), "RETR": "550 Failed to open file."}
    return lab.fail(lab.spoken(answers), lab.copy)


# The tests -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ada(grid: Sandbox) -> Issued:
    """The grid's user."""
    return Issued.load(grid.user.certificate, grid.user.key)


@pytest.fixture(scope="module")
def spare() -> Any:
    """An RSA key."""
    return rsa_key()


@pytest.fixture
def lab(grid: Sandbox, ada: Issued, spare: Any, served: Path, tmp_path: Path) -> Iterator[Lab]:
    with contextlib.ExitStack() as close:
        yield Lab(grid, ada, spare, served, tmp_path, close)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.make.__name__, marks=each.marks) for each in CASES])
def test_a_fault_is_recognised(case: Case, lab: Lab) -> None:
    record = case.make(lab)
    said = json.dumps(record, indent=1)
    assert (record["fault"], record["class"]) == (case.fault, case.kind.__name__), said
    assert record["exit_code"] == case.code, said
    why, hint = record["why"], record["hint"]
    assert hint, said
    for text in (why, hint):
        assert text.isprintable() and len(text) <= 300 and not re.search(r"globus_|GSS|OpenSSL|^\d{3}[ -]", text), said
    for words in case.words:
        assert re.search(words, why) or re.search(words, hint), said


@pytest.mark.parametrize(
    ("source", "destination", "end", "fault", "code"),
    [
        ("absent", "new", 0, "no-such-file", ExitCode.NOT_FOUND),
        ("file", "absent/new", 1, "no-such-file", ExitCode.CANNOT_CREATE),
        ("file", "closed", 1, "permission-denied", ExitCode.DENIED),
    ],
)
def test_the_end_that_failed_is_named(
    source: str, destination: str, end: int, fault: str, code: ExitCode, lab: Lab
) -> None:
    (lab.served / "closed").touch(0)
    urls = lab.ftp(source), lab.ftp(destination, lab.server(anonymous=True))
    with pytest.raises(GlobusError) as caught:
        handle = FtpHandle(engine(), version="0")
        handle.third_party(urls[0], FtpOptions(), urls[1], FtpOptions(), Span()).result(30)
    error = faults.explain(caught.value, what="cannot transfer", where=urls)
    assert (error.fault, error.where, code_of(error)) == (fault, urls[end], code)


@pytest.mark.parametrize("end", [0, 1])
def test_the_server_that_is_down_is_named(end: int, lab: Lab) -> None:
    urls = [lab.ftp(), lab.ftp("new")]
    urls[end] = f"ftp://localhost:{closed_port()}/file"
    with pytest.raises(errors.TransientError) as caught:
        copy(urls[0], urls[1])
    assert caught.value.where == urls[end]


def test_a_name_that_reads_like_an_error_is_no_error(lab: Lab) -> None:
    name = "System error in open: Permission denied"
    with pytest.raises(errors.NotFound) as caught:
        copy(lab.ftp(f"absent/{name}"), lab.copy)
    assert caught.value.fault == "no-such-file"


def test_a_password_is_not_told(lab: Lab) -> None:
    url = lab.spoken({"PASS": "530 Login incorrect."}).replace("ftp://", "ftp://ada:sesame@")
    with pytest.raises(errors.CredentialError) as caught:
        copy(url, lab.copy)
    record = json.dumps(error_record(caught.value, code_of(caught.value)))
    assert "ada@" in record
    assert "sesame" not in record


def test_the_chain_has_every_cause_on_a_line_of_its_own(lab: Lab) -> None:
    chain = lab.get(lab.tmp / "absent")["chain"]
    assert any(str(lab.tmp / "absent") in line for line in chain)
    assert all(line and "\n" not in line and "\r" not in line for line in chain)


def test_what_is_known_already_stays_as_it_is() -> None:
    error = errors.DataError("cannot", fault="short-file")
    assert faults.explain(error, what="cannot copy", where="here") is error


def test_a_cancelled_operation_and_a_deadline_are_told_apart() -> None:
    cancelled = faults.explain(OperationCancelled(), what="cannot copy", where="here")
    assert isinstance(cancelled, errors.Cancelled)
    late = faults.explain(TimeoutError(), what="cannot copy", where="here")
    assert (type(late), code_of(late)) == (errors.DeadlineExceeded, ExitCode.DEADLINE)


def test_a_pipe_without_reader_is_a_broken_pipe(lab: Lab) -> None:
    program = (
        "import os, sys; from pyglobus.core.transfer import copy\n"
        "try: copy(sys.argv[1], '-')\n"
        "except BrokenPipeError: os._exit(7)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([sys.executable, "-c", program, lab.ftp()], stdout=writing, timeout=60, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 7


def test_a_bug_is_no_fault() -> None:
    with pytest.raises(KeyError):
        faults.explain(KeyError("bug"), what="cannot copy", where="here")


def test_nothing_is_loaded_before_something_goes_wrong() -> None:
    program = "import sys, pyglobus.core.transfer; assert not any('faults.' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("role", ["source", "destination", None])
def test_every_number_of_the_system_is_explained(role: faults.Role | None) -> None:
    for number in errno.errorcode:
        error = faults.explain(OSError(number, os.strerror(number)), what="cannot read", where="/a/path", role=role)
        assert error.errno == number
        assert error.why and error.hint
        assert error.fault != "unknown"
        assert code_of(error) not in (ExitCode.INTERNAL, ExitCode.FAILED)


def test_the_whole_table_is_tried() -> None:
    assert {fault.name for fault in FAULTS} == {case.fault for case in CASES}

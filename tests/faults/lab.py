# SPDX-License-Identifier: Apache-2.0
"""A place to make faults for real in: the grid, what is issued and trusted there, servers, and a way to fail."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import resource
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.sandbox.authority import Authority, Issued
from tests.conftest import PYGLOBUS
from tests.faults.played import Answer, Speaker, play

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
    if "command" in task:
        from pyglobus.core.x509 import pem, userfiles
        from pathlib import Path
        files = userfiles.find(*(Path(each) for each in task["command"]))
        files.credential([phrase.encode() for phrase in task["pass_phrases"]])
    elif "handshake" in task:
        from pyglobus.core.gss import Channel, Context
        with socket.create_connection(("localhost", task["handshake"])) as connection:
            Channel.establish(Context.initiate("localhost", **task["options"]), connection)
    elif "call" in task:
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

    def open(self, certificate: Path, key: Path, *pass_phrases: str) -> Record:
        """Read a user's credential from its files as proxy-init does, which fails."""
        return self.run({"command": [str(certificate), str(key)], "pass_phrases": pass_phrases}, {}, ())

    def greet(self, port: int, proxy: Path | None = None, **options: Any) -> Record:
        """A handshake by GSI with what listens at a port, which fails."""
        env = {"X509_USER_PROXY": proxy} if proxy else {}
        return self.run({"handshake": port, "options": options}, env, ())

    def pyglobus(
        self, *arguments: str | Path, env: Mapping[str, Any] | None = None, prefix: Sequence[str] = ()
    ) -> Record:
        """Run a command that prints JSON, and what it prints, with its exit status as ``status``."""
        full = self.grid.env | {name: str(value) for name, value in (env or {}).items() if value is not None}
        for name in (name for name, value in (env or {}).items() if value is None):
            full.pop(name, None)
        command = [*prefix, sys.executable, "-c", PYGLOBUS, *map(str, arguments), "--format", "json"]
        done = subprocess.run(command, env=full, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        last = done.stderr.strip().rpartition("\n")[2]
        told = json.loads(done.stdout or last)
        return {**told, "status": done.returncode, "shown": done.stdout + done.stderr}

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

    def tls(self, credential: Issued) -> int:
        """The port of a server that speaks TLS 1.2 with this credential, but no GSI."""
        credential.save_proxy(self.tmp / "server.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.tmp / "server.pem")

        def script(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

        return self.played(script)

    def played(self, script: Callable[[socket.socket], None]) -> int:
        """The port of a server that plays a script with each client."""
        return int(self.enter(play(script)))

    def spoken(self, answers: Mapping[str, Answer], scheme: str = "ftp") -> str:
        """The URL of a file at an FTP server that gives these answers."""
        return f"{scheme}://localhost:{self.played(Speaker(answers))}/file"


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

# SPDX-License-Identifier: Apache-2.0
"""The two MyProxy servers: ``myproxy`` keeps credentials, ``myproxy-ca`` issues certificates.

Everybody with a certificate of the sandbox may store credentials, and whoever knows the pass phrase may fetch them.
Fetching without one, renewing and taking keys away are for those whom the owner of a credential has named. The
authority is the sandbox's own: it gives a user whom it knows a certificate of half a day for any certificate of the
sandbox, without a pass phrase, since checking one would need settings of the system (PAM).

myproxy-server is run by `superserver`, once for each connection.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping

from pyglobus.core import errors, files
from pyglobus.core.sandbox import superserver
from pyglobus.core.sandbox.server import Server, program_path
from pyglobus.core.sandbox.site import Site

PACKAGE = "myproxy-server"

#: The user whom the authority knows, besides whoever has started the sandbox.
CA_USER = "ada"
CERTIFICATE_HOURS = 12


def myproxy(site: Site, name: str = "myproxy") -> Server:
    """The server that keeps credentials."""
    store = site.directory / "myproxy"
    store.mkdir(mode=0o700, exist_ok=True)
    policies = {
        "accepted_credentials": "*",
        "authorized_retrievers": "*",
        "default_retrievers": "*",
        "authorized_renewers": "*",
        "default_renewers": "none",
        "authorized_key_retrievers": "*",
        "default_key_retrievers": "none",
        "trusted_retrievers": "*",
        "default_trusted_retrievers": "none",
        "allow_self_authorization": "true",
        "cert_dir": str(site.trusted),
    }
    exports = {
        "PYGLOBUS_SANDBOX_MYPROXY": "localhost:{port}",
        "MYPROXY_SERVER": "localhost",
        "MYPROXY_SERVER_PORT": "{port}",
    }
    return _server(site, name, "MyProxy server, credential store", policies, ["-s", str(store)], exports)


def myproxy_ca(site: Site, name: str = "myproxy-ca") -> Server:
    """The server that issues certificates."""
    host = site.directory / "host"
    users, serial = host / "ca-users", host / "ca-serial"
    subject = site.gridmap.read_text().split('"')[1]
    names = dict.fromkeys((CA_USER, pwd.getpwuid(os.geteuid()).pw_name, site.account))
    files.write(users, f'"{subject}" {",".join(names)}\n')
    policies = {
        "authorized_retrievers": "*",
        "trusted_retrievers": f"{subject.rpartition('/CN=')[0]}/*",
        "certificate_issuer_cert": str(site.authority_certificate),
        "certificate_issuer_key": str(site.authority_key),
        "certificate_serialfile": str(serial),
        "certificate_mapfile": str(users),
        "max_cert_lifetime": str(CERTIFICATE_HOURS),
        "allow_self_authorization": "true",
        "cert_dir": str(site.trusted),
    }
    exports = {"PYGLOBUS_SANDBOX_MYPROXY_CA": "localhost:{port}"}
    return _server(site, name, "MyProxy server, authority", policies, ["-s", str(host / "no-store")], exports)


def _server(
    site: Site, name: str, title: str, policies: Mapping[str, str], arguments: list[str], exports: dict[str, str]
) -> Server:
    log, output = site.log(f"{name}.log"), site.log(f"{name}.out")
    configuration = site.directory / "host" / f"{name}.conf"
    files.write(configuration, "".join(f"{key} {_quoted(value)}\n" for key, value in policies.items()))
    program = program_path("myproxy-server", name, PACKAGE)
    return Server(
        name=name,
        title=title,
        program=sys.executable,
        package="python3",
        arguments=["-I", "-S", superserver.__file__, log, program, "-d", "-c", str(configuration), *arguments],
        environment=site.server_environment(),
        exports=exports,
        logs=[log, output],
        announcement=r"listening at port (\d+)",
    )


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value:
        raise errors.UsageError("cannot configure the server", where=repr(value), why="it cannot read such a path")
    return f'"{value}"'

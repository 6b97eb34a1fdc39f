# SPDX-License-Identifier: Apache-2.0
"""The two GridFTP servers: ``gridftp`` asks for a GSI login, ``ftp`` lets anybody on this machine in.

Both are globus-gridftp-server on a port of their own choice, bound to loopback for control and data. A session's home
is the sandbox's data directory, so that ``gsiftp://localhost:PORT/~/file`` means a file in it. The GSI server reaches
whatever the account may reach; the anonymous one is held to the data directory, since every local user can connect to
it.

The settings go through a file and not through arguments: the stock server drops every argument that is spelled like
one of its modes (an account called daemon, for one) when it starts a session.
"""

from __future__ import annotations

import os

from pyglobus.core import errors, files
from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site


def gridftp(site: Site, name: str = "gridftp") -> Server:
    """The server with GSI."""
    return _server(site, name, "GridFTP server, GSI", {}, {"PYGLOBUS_SANDBOX_GSIFTP": "gsiftp://localhost:{port}"})


def ftp(site: Site, name: str = "ftp") -> Server:
    """The server without authentication."""
    if "," in str(site.data):
        why = "the server can restrict access only to a path without a comma"
        raise errors.UsageError("cannot serve directory", where=str(site.data), why=why)
    settings = {"allow_anonymous": "1", "restrict_paths": f"RW{site.data}"}
    if os.geteuid() == 0:
        settings["anonymous_user"] = site.account
    exports = {"PYGLOBUS_SANDBOX_FTP": "ftp://localhost:{port}"}
    return _server(site, name, "GridFTP server, anonymous", settings, exports)


def _server(site: Site, name: str, title: str, special: dict[str, str], exports: dict[str, str]) -> Server:
    log, transfers, output = (site.log(f"{name}.{kind}") for kind in ("log", "transfers", "out"))
    settings = {
        "port": "0",
        "control_interface": "127.0.0.1",
        "data_interface": "127.0.0.1",
        "home_dir": str(site.data),
        "log_single": log,
        "log_level": "error,warn,info",
        "log_module": "stdio:buffer=0",
        "log_transfer": transfers,
        **special,
    }
    configuration = site.directory / "host" / f"{name}.conf"
    files.write(configuration, "".join(f"{key} {_quoted(value)}\n" for key, value in settings.items()))
    return Server(
        name=name,
        title=title,
        program="globus-gridftp-server",
        package="globus-gridftp-server-progs",
        arguments=["-c", str(configuration)],
        environment=site.server_environment(),
        exports=exports,
        logs=[log, transfers, output],
        announcement=r"Server listening at \S+:(\d+)",
    )


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value:
        raise errors.UsageError("cannot configure the server", where=repr(value), why="it cannot read such a path")
    return f'"{value}"'

# SPDX-License-Identifier: Apache-2.0
"""The two GridFTP servers: ``gridftp`` asks for a GSI login, ``ftp`` lets anybody on this machine in.

Both are globus-gridftp-server on a port of their own choice, bound to loopback for control and data. A session's home
is the sandbox's data directory, so that ``gsiftp://localhost:PORT/~/file`` means a file in it. The GSI server reaches
whatever the account may reach; the anonymous one is held to the data directory, since every local user can connect to
it.

The stock server reads a configuration of the machine unless told ``-c none``, refuses to map anybody to root, and as
an ordinary user can serve its own account only.
"""

from __future__ import annotations

import os

from pyglobus.core import errors
from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site


def gridftp(site: Site, name: str = "gridftp") -> Server:
    """The server with GSI."""
    return _server(
        site,
        name,
        "GridFTP server, GSI",
        exports={"PYGLOBUS_SANDBOX_GSIFTP": "gsiftp://localhost:{port}"},
    )


def ftp(site: Site, name: str = "ftp") -> Server:
    """The server without authentication."""
    if "," in str(site.data):
        raise errors.UsageError(
            "cannot serve directory", where=str(site.data), why="the server cannot restrict paths with a comma"
        )
    user = ["-anonymous-user", site.account] if os.geteuid() == 0 else []
    return _server(
        site,
        name,
        "GridFTP server, anonymous",
        "-allow-anonymous",
        *user,
        "-restrict-paths",
        f"RW{site.data}",
        exports={"PYGLOBUS_SANDBOX_FTP": "ftp://localhost:{port}"},
    )


def _server(site: Site, name: str, title: str, *arguments: str, exports: dict[str, str]) -> Server:
    log, transfers, output = (site.log(f"{name}.{kind}") for kind in ("log", "transfers", "out"))
    common = {
        "-c": "none",
        "-port": "{port}",
        "-control-interface": "127.0.0.1",
        "-data-interface": "127.0.0.1",
        "-home-dir": str(site.data),
        "-logfile": log,
        "-log-level": "error,warn,info",
        "-log-module": "stdio:buffer=0",
        "-log-transfer": transfers,
    }
    return Server(
        name=name,
        title=title,
        program="globus-gridftp-server",
        package="globus-gridftp-server-progs",
        arguments=[word for pair in common.items() for word in pair] + list(arguments),
        environment=site.server_environment(),
        exports=exports,
        logs=[log, transfers, output],
        announcement=r"Server listening at \S+:(\d+)",
    )

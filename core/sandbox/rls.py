# SPDX-License-Identifier: Apache-2.0
"""The Replica Location Service of a sandbox: one server that is a catalogue and an index, which the catalogue informs
of each change at once.

It has the host's certificate, and the grid's user may do everything. Run as a program
(``python -m pyglobus.core.sandbox.rls DIRECTORY LOG SUBJECT``) it is that server; its log has a JSON object for each
event.
"""

from __future__ import annotations

import os
import sys

from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site


def rls(site: Site, name: str = "rls") -> Server:
    """The server. Clients find it without being told its URL."""
    subject = site.gridmap.read_text().split('"')[1]
    directory = site.directory / "rls"
    directory.mkdir(mode=0o700, exist_ok=True)
    log, output = site.log(f"{name}.log"), site.log(f"{name}.out")
    environment = site.server_environment()
    if path := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = path
    return Server(
        name=name,
        title="Replica Location Service, catalogue and index",
        program=sys.executable,
        package="python3",
        arguments=["-m", __name__, str(directory), log, subject],
        environment=environment,
        exports={
            "PYGLOBUS_SANDBOX_RLS": "rls://localhost:{port}",
            "PYGLOBUS_RLS_SERVER": "rls://localhost:{port}",
        },
        logs=[log, output],
        announcement=r"rls://localhost:(\d+)",
    )


def serve(directory: str, log: str, subject: str) -> None:
    """Serve until the end of this process."""
    import contextlib
    import json
    import re
    from pathlib import Path
    from typing import Any

    from pyglobus.core import rls as service
    from pyglobus.core.gss import Credential
    from pyglobus.core.rls import acl
    from pyglobus.core.rls.server import Server as Service

    names = subject, Credential.default(accept=True).identity
    index = Path(directory) / "rlidb"
    for left in index.parent.glob("rlidb*"):  # it tells of a server with another port
        left.unlink()
    configuration = service.Configuration(
        port=0,
        acl=tuple(acl.parse(f"{re.escape(name)}: all") for name in names),
        lrc_server=True,
        rli_server=True,
        lrc_dbname=str(Path(directory) / "lrcdb"),
        rli_dbname=str(index),
        lrc_update_immediate=True,
        lrc_buffer_time=0,
    )
    with open(log, "a", buffering=1, encoding="utf-8", errors="backslashreplace") as stream:

        def tell(kind: str, facts: dict[str, Any]) -> None:
            with contextlib.suppress(OSError):
                stream.write(json.dumps({"type": kind, **facts}) + "\n")

        with Service(configuration, bind="localhost", on_event=tell) as server:
            with service.Client(server.url, credential=server.credential) as client:
                for url, *_ in client.call("lrc_rli_list").records:
                    client.call("lrc_rli_delete", url, "")
                client.call("lrc_rli_add", server.url, "0", "")
            os.write(1, f"{server.url}\n".encode())  # the announcement
            server.wait()


if __name__ == "__main__":
    serve(*sys.argv[1:])

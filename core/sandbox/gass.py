# SPDX-License-Identifier: Apache-2.0
"""The GASS server of a sandbox: the data directory over https, to the user of the grid alone, on loopback.

It has the user's proxy and not the host's certificate, since clients of GASS expect a server that is their own. It acts
for whoever has started the sandbox, and reaches nothing but the data directory. Run as a program
(``python -m pyglobus.core.sandbox.gass DATA LOG SUBJECT``) it is that server; its log has a JSON object for each
request.
"""

from __future__ import annotations

import os
import sys

from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site


def gass(site: Site, name: str = "gass") -> Server:
    """The server. Its URL has no path; a file of the data directory is at ``URL/file``."""
    subject = site.gridmap.read_text().split('"')[1]  # the proxy itself is made while servers start
    log, output = site.log(f"{name}.log"), site.log(f"{name}.out")
    environment = site.server_environment() | {"X509_USER_PROXY": str(site.user_proxy)}
    for host in ("X509_USER_CERT", "X509_USER_KEY"):
        del environment[host]
    if path := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = path
    return Server(
        name=name,
        title="GASS server, https",
        program=sys.executable,
        package="python3",
        arguments=["-m", __name__, str(site.data), log, subject],
        environment=environment,
        exports={"PYGLOBUS_SANDBOX_GASS": "https://localhost:{port}"},
        logs=[log, output],
        announcement=r"https://localhost:(\d+)",
    )


def serve(data: str, log: str, subject: str) -> None:
    """Serve until the end of this process."""
    import json

    from pyglobus.core import gass

    with open(log, "a", buffering=1, encoding="utf-8", errors="backslashreplace") as stream:

        def add(access: gass.Access) -> None:
            stream.write(json.dumps(access._asdict()) + "\n")

        settings = gass.Settings(address=("127.0.0.1", 0), host="localhost", write=True)
        with gass.Server(gass.only(subject), root=data, settings=settings, on_access=add) as server:
            os.write(1, f"{server.url}\n".encode())  # the announcement
            server.wait()


if __name__ == "__main__":
    serve(*sys.argv[1:])

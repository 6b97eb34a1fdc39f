# SPDX-License-Identifier: Apache-2.0
"""A GridFTP server of a sandbox whose storage is in memory, and in Python: to see `pyglobus gridftp server` at work.

Run as a program (``python -m pyglobus.core.sandbox.pygridftp SUBJECT``) it is that server, as the host and for that
subject alone.
"""

from __future__ import annotations

import os
import sys

from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site


def pygridftp(site: Site, name: str = "pygridftp") -> Server:
    """The server."""
    subject = site.gridmap.read_text().split('"')[1]
    environment = site.server_environment()
    if path := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = path
    return Server(
        name=name,
        title="GridFTP server, memory",
        program=sys.executable,
        package="python3",
        arguments=["-m", __name__, subject],
        environment=environment,
        exports={"PYGLOBUS_SANDBOX_PYGRIDFTP": "gsiftp://localhost:{port}"},
        logs=[site.log(f"{name}.out")],
        announcement=r"gsiftp://localhost:(\d+)",
    )


def serve(subject: str) -> None:
    """Serve until the end of this process."""
    import signal

    from pyglobus.core.gridftp import Server as GridftpServer
    from pyglobus.core.gridftp import Settings
    from pyglobus.core.gss.credential import Credential
    from pyglobus.core.storage.memory import Memory

    credential = Credential.of_files(os.environ["X509_USER_CERT"], os.environ["X509_USER_KEY"])
    with GridftpServer(Settings(storage=Memory(), allow=(subject,)), credential) as server:
        signal.signal(signal.SIGTERM, lambda _number, _frame: server.end())
        os.write(1, f"{server.url}\n".encode())  # the announcement
        server.wait()


if __name__ == "__main__":
    serve(*sys.argv[1:])

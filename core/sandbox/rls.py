# SPDX-License-Identifier: Apache-2.0
"""The Replica Location Service of a sandbox: a catalogue (``rls``), and an index (``rli``) that it informs of each
change at once.

Both have the host's certificate, and the grid's user may do everything. Run as a program (``python -m
pyglobus.core.sandbox.rls lrc|rli DIRECTORY LOG SUBJECT``) it is one of them; its log has a JSON object for each event.
Each leaves its URL in the directory, takes the same port again when it is started anew, if that is free, and sees to it
that the catalogue knows the index, whichever of them comes last.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import Site

if TYPE_CHECKING:
    from pyglobus.core.rls.server import Server as Service

_LRC, _RLI = "lrc", "rli"
#: Seconds between updates of all names, and after one that has failed; seconds to reach the other server.
_FULL, _RETRY, _PATIENCE = 300, 1, 5.0


def rls(site: Site, name: str = "rls") -> Server:
    """The catalogue. Clients find it without being told its URL."""
    return _server(site, name, "Replica Location Service, catalogue", _LRC, "PYGLOBUS_SANDBOX_LRC", "SERVER")


def rli(site: Site, name: str = "rli") -> Server:
    """The index. Clients find it without being told its URL."""
    return _server(site, name, "Replica Location Service, index", _RLI, "PYGLOBUS_SANDBOX_RLI", "INDEX")


def _server(site: Site, name: str, title: str, kind: str, variable: str, used: str) -> Server:
    subject = site.gridmap.read_text().split('"')[1]
    directory = site.directory / "rls"
    directory.mkdir(mode=0o700, exist_ok=True)
    log, output = site.log(f"{name}.log"), site.log(f"{name}.out")
    environment = site.server_environment()
    if path := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = path
    return Server(
        name=name,
        title=title,
        program=sys.executable,
        package="python3",
        arguments=["-m", __name__, kind, str(directory), log, subject],
        environment=environment,
        exports={variable: "rls://localhost:{port}", f"PYGLOBUS_RLS_{used}": "rls://localhost:{port}"},
        logs=[log, output],
        announcement=r"rls://localhost:(\d+)",
    )


def serve(kind: str, directory: str, log: str, subject: str) -> None:
    """Serve until the end of this process."""
    import contextlib
    import json

    place = Path(directory)
    with open(log, "a", buffering=1, encoding="utf-8", errors="backslashreplace") as stream:

        def tell(event: str, facts: dict[str, Any]) -> None:
            with contextlib.suppress(OSError):
                stream.write(json.dumps({"type": event, **facts}) + "\n")

        server = _started(kind, place, subject, tell)
        try:
            (place / kind).write_text(server.url)
            _introduce(place, server)
            os.write(1, f"{server.url}\n".encode())  # the announcement
            server.wait()
        finally:
            server.close(drain=1.0)


def _started(kind: str, place: Path, subject: str, tell: Callable[[str, dict[str, Any]], object]) -> Service:
    import re

    from pyglobus.core import errors
    from pyglobus.core.gss import Credential
    from pyglobus.core.rls import Configuration, acl
    from pyglobus.core.rls.address import Address
    from pyglobus.core.rls.server import Server as Service

    names = subject, Credential.default(accept=True).identity
    before = place / kind
    ports = (Address.parse(before.read_text()).port, 0) if before.exists() else (0,)
    for port in ports:
        configuration = Configuration(
            port=port,
            acl=tuple(acl.parse(f"{re.escape(name)}: all") for name in names),
            lrc_server=kind == _LRC,
            rli_server=kind == _RLI,
            lrc_dbname=str(place / "lrcdb"),
            rli_dbname=str(place / "rlidb"),
            lrc_update_immediate=True,
            lrc_update_ll=_FULL,
            lrc_update_retry=_RETRY,
            lrc_buffer_time=0,
            rli_expire_int=_FULL,
        )
        server = Service(configuration, bind="localhost", on_event=tell)
        try:
            server.start()
        except errors.CannotCreate:  # somebody else has got that port meanwhile
            if not port:
                raise
        else:
            break
    return server


def _introduce(place: Path, server: Service) -> None:
    """Let the catalogue inform this index and no other, as far as both are there."""
    import contextlib

    from pyglobus.core import errors
    from pyglobus.core.rls import Client

    lrc, rli = place / _LRC, place / _RLI
    if not (lrc.exists() and rli.exists()):
        return
    with (
        contextlib.suppress(errors.Error),
        Client(lrc.read_text(), credential=server.credential, timeout=_PATIENCE) as catalogue,
    ):
        known = {url for url, *_ in catalogue.call("lrc_rli_list").records}
        for url in known - {rli.read_text()}:
            catalogue.call("lrc_rli_delete", url, "")
        if rli.read_text() not in known:
            catalogue.call("lrc_rli_add", rli.read_text(), "0", "")


if __name__ == "__main__":
    serve(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass shutdown: in place of globus-gass-server-shutdown, with an exit status that is true."""

from __future__ import annotations

from pyglobus.cli.command import Output, argument, command
from pyglobus.cli.option import option


@command("shutdown", summary="end a server that lets its clients", drop_in="globus-gass-server-shutdown")
@argument("url", metavar="URL", completion="url", help="The URL that the server has printed.")
@option("--subject", metavar="DN", help="Whose the server must be. [default: your own]")
def shutdown(*, output: Output, url: str, subject: str | None) -> None:
    """End a GASS server that was started with -c. It lets its other clients finish before."""
    from pyglobus.core.gass.client import Client

    Client(subject=subject).shutdown(url)
    output.result("shutdown", {"url": url})

# SPDX-License-Identifier: Apache-2.0
"""pyglobus xio: connections over stacks of XIO drivers, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyglobus.cli.command import Group, Output, argument, option
from pyglobus.cli.values import DURATION
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.xio import XioOptions, XioSocket

_SECURITY = "Security (stacks with gsi)"

xio = Group(
    "xio",
    summary="connections over any stack of drivers, GSI included",
    help="Talk by hand over the layers that all of Globus talks through.",
)


@xio.verb("cat", summary="netcat over any stack: what a site answers, and as whom")
@argument("address", metavar="ADDRESS", help="HOST:PORT, or a path or URL for other stacks; with -l where to listen.")
@option(
    *("-s", "--stack"),
    default="tcp,gsi",
    show_default=True,
    metavar="DRIVERS",
    help="Names of XIO drivers, the transport first; each may have options, as in tcp:nodelay=1,gsi.",
)
@option("-l", "--listen", is_flag=True, help="Wait for one connection. Port 0 is any; -v says which.")
@option("-d", "--no-input", is_flag=True, help="Do not read standard input.")
@option("--mode", type=click.Choice(["r", "w", "a"]), default="r", help="For files: read, write or append.")
@option("-t", "--timeout", type=DURATION, metavar="TIME", help="End if nothing comes for so long, with status 124.")
@option(
    "--credential",
    type=click.Path(path_type=Path),
    metavar="FILE",
    section=_SECURITY,
    help="Use this proxy, or PEM file of certificate and key. [default: the one that would be used]",
)
@option(
    "--authorization",
    type=click.Choice(["host", "self", "none"]),
    section=_SECURITY,
    help="Who the peer may be: who has the host's name, ourselves, or any whom a trusted authority vouches for."
    " [default: host; with -l self]",
)
@option("--identity", metavar="DN", section=_SECURITY, help="Who the peer must be.")
@option(
    "--delegate",
    type=click.Choice(["none", "limited", "full"]),
    default="none",
    section=_SECURITY,
    help="Hand a proxy to the peer.",
)
@option(
    "--protection",
    type=click.Choice(["private", "integrity", "none"]),
    default="private",
    section=_SECURITY,
    help="Of what is sent after the handshake.",
)
@option("--anonymous", is_flag=True, section=_SECURITY, help="Do not say who we are; with -l let such peers in.")
@option("--tls", is_flag=True, section=_SECURITY, help="The peer speaks TLS, but not GSI.")
def cat(
    *,
    output: Output,
    address: str,
    stack: str,
    listen: bool,
    no_input: bool,
    timeout: float | None,
    **choices: object,
) -> None:
    """Connect, send standard input, and write what comes to standard output, until the peer ends. With -v the name that
    the peer has authenticated as is shown before the first byte.
    """
    from pyglobus.core.faults import explain
    from pyglobus.core.xio import XioSocket

    options = _options(**choices)  # type: ignore[arg-type]
    where = f"{stack} {address}"
    try:
        with XioSocket(stack, options) as sock:
            sock.settimeout(timeout)
            connection = _accepted(sock, address, output) if listen else _connected(sock, address, stack)
            with connection:
                connection.settimeout(timeout)
                if "gsi" in stack and (output.verbosity or not output.is_text):
                    output.note(f"the peer is {connection.peer or 'nobody in particular'}")
                _exchange(connection, stack, options, no_input=no_input, output=output)
    except errors.Error:
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        if listen and isinstance(error, ConnectionError):
            raise errors.TransientError(
                "connection failed", where=where, why="the peer has closed it", fault="connection-lost",
                hint="if it has just connected, it may not accept who we are: what it says itself tells more",
            ) from error  # fmt: skip
        raise explain(error.__cause__ or error, what="connection failed", where=where) from error


def _options(
    *,
    mode: str,
    credential: Path | None,
    authorization: str | None,
    identity: str | None,
    delegate: str,
    protection: str,
    anonymous: bool,
    tls: bool,
) -> XioOptions:
    from pyglobus.core.gss import Credential
    from pyglobus.core.xio import XioOptions

    if identity is not None and authorization is not None:
        raise errors.UsageError("--identity and --authorization exclude each other")
    return XioOptions(
        credential=Credential.of_file(credential) if credential else None,
        authorization="identity" if identity else authorization,
        identity=identity,
        delegation=delegate,
        protection=protection,
        anonymous=anonymous,
        tls_only=tls,
        mode=mode,
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise errors.UsageError("invalid address", where=text, why="HOST:PORT is meant, with a port up to 65535")
    return host.strip("[]"), int(port)


def _connected(sock: XioSocket, address: str, stack: str) -> XioSocket:
    names = [layer.partition(":")[0] for layer in stack.split(",")]
    if names[0] in ("tcp", "udp") and "http" not in names:
        sock.connect(_address(address))
    else:
        sock.connect(None if names[0] == "pipe" else address)
    return sock


def _accepted(sock: XioSocket, address: str, output: Output) -> XioSocket:
    sock.bind(_address(address))
    sock.listen(1)
    name = sock.getsockname()
    if output.verbosity and isinstance(name, tuple):
        output.note(f"listening at {name[0]}:{name[1]}")
    return sock.accept()[0]


def _exchange(connection: XioSocket, stack: str, options: XioOptions, *, no_input: bool, output: Output) -> None:
    from pyglobus.core.xio.exchange import exchange

    reads_only = stack.startswith("file") and options.mode == "r"
    writes_only = stack.startswith("file") and not reads_only
    output.flush()
    sent, received = exchange(connection, None if no_input or reads_only else 0, None if writes_only else 1)
    output.detail(f"{sent} bytes sent, {received} bytes received")

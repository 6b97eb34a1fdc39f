# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy sign: delegation by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.commands.proxy.wishes import FILE, wish_of, wished
from pyglobus.core import errors


@command("sign", summary="make a proxy for somebody's request")
@wished(parity=False)
@option(
    "--proxy",
    "source",
    type=FILE,
    metavar="FILE",
    section="Files",
    help="The proxy to sign with. [default: X509_USER_PROXY, or /tmp/x509up_u and your user id]",
)
@option(
    *("-out", "--out"),
    type=FILE,
    metavar="FILE",
    section="Files",
    help="Where the certificates go. [default: standard output]",
)
@argument("request", type=FILE, metavar="REQUEST", help="A certificate request, in PEM or DER; - is standard input.")
def sign(*, output: Output, source: Path | None, out: Path | None, request: Path, **given: Any) -> None:
    """Sign a certificate request into a proxy of yours: its key has never left the machine where it is to be used.

    What is printed are the new proxy's certificate and its chain. Together with the key that the request was made with
    they are a proxy. A request may itself ask for a limited or restricted proxy; it gets no more than that.
    """
    from pyglobus.core import files, proxy
    from pyglobus.core.x509 import names, pem
    from pyglobus.core.x509 import request as requests

    wish = wish_of(given)
    asked = requests.read(_content(request), where=str(request))
    issuer = proxy.read(source or proxy.location())
    chain = requests.sign(issuer, asked, wish)
    if out is not None:
        files.write(out, chain, mode=0o644)
    made = pem.certificates(pem.blocks(chain))[0]
    record = {
        "subject": names.oneline(made.subject),
        "issuer": names.oneline(made.issuer),
        "expires": made.not_valid_after_utc.isoformat(),
        "path": None if out is None else str(out),
        "chain": chain.decode() if out is None else None,
    }
    output.result("signed", record, chain.decode().rstrip("\n") if out is None else "")


def _content(path: Path) -> bytes:
    from pyglobus.core.x509.filerules import MAX_SIZE

    try:
        with open(0, "rb", closefd=False) if str(path) == "-" else path.open("rb") as stream:
            return stream.read(MAX_SIZE + 1)
    except OSError as error:
        raise errors.NotFound("cannot read request", where=str(path), why=error.strerror, errno=error.errno) from error

# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy store and retrieve: in place of myproxy-store and myproxy-retrieve. A whole certificate goes to a
server with its key, and comes back.

An encrypted key is never unlocked on its way, but for root, whose host's key must be clear, as with the C tool.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import BETTER, SAME, Output, command, option
from pyglobus.cli.commands.myproxy import options, policies, trust
from pyglobus.cli.commands.myproxy.options import FILE, c_option
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.myproxy.session import Session

_HOST = Path("/etc/grid-security")


_filed = options.filed("-c", "The certificate", "Its private key")


@command(
    "store",
    summary="store a certificate with its key",
    drop_in="myproxy-store",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
@policies.described
@policies.policied
@c_option(
    *("-E", "--retrieve_key", "--retrieve-key", "key_retrievers"),
    metavar="DN",
    section=policies.SECTION,
    help="Who may take the key itself away.",
)
@_filed
def store(*, output: Output, **given: Any) -> None:
    """Send a certificate with its private key to a MyProxy server.

    The key stays as it is: if it is encrypted, its pass phrase is what fetching will need. Better than this is put,
    with which your key never leaves this machine.
    """
    from pyglobus.core.myproxy import credentials
    from pyglobus.core.x509 import names, userfiles

    wanted = policies.policies_of(given, key_retrievers=given["key_retrievers"])
    files = userfiles.find(given["cert"], given["key"])
    content = files.pem()
    lifetime = credentials.DEFAULT_LIFETIME if given["proxy_lifetime"] is None else given["proxy_lifetime"]

    def act() -> None:
        with options.session(output, given) as session:
            username = options.username(given, lambda: names.oneline(files.certificates()[0].subject))
            credentials.store(
                session,
                content,
                username=username,
                lifetime=lifetime or None,
                name=given["credname"],
                description=given["description"],
                policies=wanted,
            )
        record = {"server": str(session.server), "username": username, "name": given["credname"]}
        output.result("stored", record, "Credentials saved to myproxy server.")

    options.retrying(output, given["retries"], act)


def _status_of_retrieve(error: BaseException) -> int:
    """myproxy-retrieve ends with 255 once its words make sense."""
    status = options.status_of(error)
    return 255 if status == 1 and not isinstance(error, errors.UsageError) else status


@command(
    "retrieve",
    summary="take a stored certificate with its key away",
    drop_in="myproxy-retrieve",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=_status_of_retrieve,
)
@options.served
@options.named
@option(
    *("-a", "--authorization"),
    type=FILE,
    metavar="FILE",
    section=options.CREDENTIAL,
    parity=SAME,
    c_spellings=("-a",),
    help="A proxy of it, which takes the place of the pass phrase.",
)
@options.phrased
@_filed
@trust.rooted(parity=BETTER, remark="trusts no server without being asked to (-b of get)")
def retrieve(*, output: Output, **given: Any) -> None:
    """Take a certificate with its private key away from a MyProxy server, to two files that must not exist yet.

    Both are readable by you alone. The owner's policy (store -E) must name you, and the server must let you.
    """
    from pyglobus.core import files
    from pyglobus.core.myproxy import credentials
    from pyglobus.core.x509 import pem

    options.require_one_source(given)
    certificate, key = (given[name] or _default(name) for name in ("cert", "key"))
    for path in (certificate, key):
        if os.path.lexists(path):
            raise errors.CannotCreate("cannot retrieve credential", where=str(path), why="it exists", fault="exists")
    session: Session = options.session(output, given, anonymous=True)
    with session:
        username = options.username(given)
        wanted = not (given["no_pass_phrase"] or given["authorization"])
        output.flush()
        phrase = options.pass_phrase(given, "Enter MyProxy pass phrase:") if wanted else b""
        content, roots = credentials.retrieve(
            session,
            username=username,
            pass_phrase=phrase,
            name=given["credname"],
            renew=given["authorization"],
            trust_roots=given["trust_roots"],
        )
    found = pem.blocks(content, where=str(session.server))
    private = next(block.text for block in found if block.is_key)
    if os.geteuid() == 0 and phrase:
        private = credentials.unlocked(content, phrase, where=str(session.server))
    for path in (certificate, key):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write(key, private)
    files.write(certificate, b"".join(block.text for block in found if not block.is_key))
    record: dict[str, Any] = {
        "server": str(session.server),
        "username": username,
        "certificate": str(certificate),
        "key": str(key),
    }
    text = f"Credentials for {username} have been stored in\n{certificate} and\n{key}."
    if output.is_text:
        output.line(text)
    record["trust_roots"] = trust.install(output, roots, quiet=output.quiet) if roots else None
    output.result("retrieved", record)


def _default(name: str) -> Path:
    """Where the toolkit looks for it: the host's for root, the user's for others."""
    from pyglobus.core.x509.filerules import home

    if os.geteuid() == 0:
        return _HOST / f"host{name}.pem"
    return Path(os.environ.get(f"X509_USER_{name.upper()}") or Path(home(), ".globus", f"user{name}.pem"))

# SPDX-License-Identifier: Apache-2.0
"""First contact and trust roots, for the verbs that have -T and -b."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import BETTER, Output, option
from pyglobus.cli.commands.myproxy.options import Decorator, apply, c_option
from pyglobus.cli.option import Callback
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.myproxy.credentials import TrustFile
    from pyglobus.core.myproxy.session import Session

SECTION = "Trust"
_UNTRUSTED = ("ca-unknown", "ca-directory-missing")
_HINT = "compare the fingerprint with one that you have from the site, and give it with --expect-fingerprint"


def bootstrapped(callback: Callback) -> Callback:
    """Add what makes first contact."""
    return apply(
        callback,
        c_option(
            *("-b", "--bootstrap"),
            is_flag=True,
            section=SECTION,
            parity=BETTER,
            remark="never without a fingerprint that is confirmed or given",
            help="If the server's authority is not trusted yet: show its fingerprint, and trust it if you say so."
            " Then fetch the trust roots.",
        ),
        option(
            "--expect-fingerprint",
            metavar="SHA256",
            section=SECTION,
            help="With -b: trust it if this is its fingerprint, and do not ask.",
        ),
    )


def rooted(**parity: Any) -> Decorator:
    """Add what asks for trust roots; the keywords say how that differs from the C tool."""
    return c_option(
        *("-T", "--trustroots", "--trust-roots", "trust_roots"),
        is_flag=True,
        section=SECTION,
        help="Fetch the trust roots too, into the directory of trusted authorities.",
        **parity,
    )


def connected(output: Output, given: Mapping[str, Any], make: Callable[[Path | None], Session]) -> Session:
    """The connected session that ``make`` makes for a directory of trusted authorities (None: the usual one); with -b
    after first contact if need be.
    """
    first = make(None)
    try:
        first.connect()
        return first
    except (errors.CredentialError, errors.ConfigurationError) as error:
        if error.fault not in _UNTRUSTED:
            raise
        if not given["bootstrap"]:
            error.hint = f"{error.hint}; or get to know the server with -b"
            raise
    from pyglobus.core.myproxy import trustroots

    into = trustroots.directory()
    _make_first_contact(output, given, first, into)
    second = make(into)
    second.connect()
    return second


def install(output: Output, sent: Sequence[TrustFile], *, quiet: bool) -> dict[str, Any] | None:
    """Install what a server has sent and tell it; the record of it, None if nothing came."""
    from pyglobus.core.myproxy import trustroots

    if not sent:
        output.detail("the server has sent no trust roots")
        return None
    done = trustroots.install(sent, trustroots.directory())
    for name in done.replaced:
        output.note(f"{done.directory / name} has been replaced with what the server sent")
    if output.is_text and not quiet:
        output.line(f"Trust roots have been installed in {done.directory}/.")
    return {
        "directory": str(done.directory),
        "added": done.added,
        "replaced": done.replaced,
        "unchanged": done.unchanged,
    }


def _make_first_contact(output: Output, given: Mapping[str, Any], session: Session, into: Path) -> None:
    from pyglobus.cli import prompt
    from pyglobus.core.myproxy import firstcontact

    met = firstcontact.meet(session.servers, timeout=given["timeout"])
    if given["expect_fingerprint"]:
        met.require(given["expect_fingerprint"])
    else:
        text = (
            f"The server {met.contact} presents itself as\n  {met.server_name}\n"
            f"by an authority that is not trusted here:\n  {met.authority_name}\n"
            f"  SHA-256 {met.fingerprint}"
        )
        if not prompt.confirm(text, f"Trust it, in {into}?", hint=_HINT):
            raise errors.CredentialError(
                "the server is not trusted", where=str(met.contact), why="you said no", fault="not-confirmed"
            )
    for name in met.install(into).added:
        output.detail(f"{into / name} has been installed")
    output.note(f"{met.authority_name} is trusted now, for {met.server_name} only: {into}")

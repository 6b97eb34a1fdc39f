# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy info: in place of grid-proxy-info. What it tells is what the Globus libraries find in the file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import BETTER, SAME, Output, command, option
from pyglobus.cli.commands.proxy.wishes import FILE
from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.cli.option import USED
from pyglobus.cli.values import COUNT, LIFETIME, CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.x509.toolkit import Facts

_SHOWN = "What is shown"
_EXISTS = "Asking for life"

#: What can be asked for by itself, in the order of the help.
_PARTS = {
    "subject": (("-subject", "-s", "--subject"), "The subject of the proxy."),
    "issuer": (("-issuer", "-i", "--issuer"), "The subject of its issuer."),
    "identity": (("-identity", "--identity"), "Whom the proxy stands for."),
    "type": (("-type", "--type"), "Its form, and whether it is full or limited."),
    "timeleft": (("-timeleft", "--timeleft"), "Seconds until it ends."),
    "strength": (("-strength", "--strength"), "Bits of its key."),
    "path": (("-path", "--path"), "Its file."),
    "text": (("-text", "--text"), "The whole certificate."),
    "all": (("-all", "--all"), "All but the last, for people. [default]"),
}


def status_of(error: BaseException) -> int:
    """grid-proxy-info ends with 1, whatever it does not like."""
    return 1 if isinstance(error, errors.Error) else code_of(error)


def _parts(callback: Any) -> Any:
    for name, (spellings, text) in reversed(_PARTS.items()):
        remark = "bits of the curve for a key on one" if name == "strength" else ""
        callback = option(
            *spellings,
            f"part_{name}",
            is_flag=True,
            section=_SHOWN,
            parity=BETTER if remark else SAME,
            remark=remark,
            help=text,
        )(callback)
    return callback


@command("info", summary="tell what a proxy is", drop_in="grid-proxy-info", c_common=("-debug",), status_of=status_of)
@option(
    *("-file", "-f", "--file"),
    type=FILE,
    metavar="FILE",
    parity=SAME,
    help="The proxy's file. [default: X509_USER_PROXY, or /tmp/x509up_u and your user id]",
)
@_parts
@option("-rfc2253", "--rfc2253", is_flag=True, section=_SHOWN, parity=SAME, help="Write names as RFC 2253 does.")
@option(
    *("-exists", "-e", "--exists"),
    is_flag=True,
    section=_EXISTS,
    parity=SAME,
    help="Show nothing, and end with 0 if there is a proxy that meets the demands below, else with 1.",
)
@option(
    *("-valid", "-v", "--valid"),
    type=LIFETIME,
    metavar="H:M",
    section=_EXISTS,
    parity=SAME,
    help="It must be good for H hours and M minutes.",
)
@option(
    *("-hours", "-h", "--hours"),
    type=CountType(0, 10**9),
    metavar="H",
    section=_EXISTS,
    parity=SAME,
    help="It must be good for H hours.",
)
@option(
    *("-bits", "-b", "--bits"), type=COUNT, metavar="N", section=_EXISTS, parity=SAME, help="Its key must have N bits."
)
def info(*, output: Output, file: Path | None, exists: bool, **given: Any) -> int | None:
    """Tell whose proxy there is, of what sort, and for how long.

    Without anything asked for, all of it is shown. What is asked for is printed in the order of the command line, one
    line each.
    """
    from pyglobus.core import proxy
    from pyglobus.core.x509 import filerules, toolkit

    if not exists and any(given[name] is not None for name in ("valid", "hours", "bits")):
        raise errors.UsageError("-valid, -hours and -bits make sense with -exists only")
    asked = _asked(click.get_current_context())
    path = file or proxy.location()
    content = filerules.read(path)
    facts = toolkit.facts(content, rfc2253=given["rfc2253"], where=str(path))
    if facts.is_authority:
        raise errors.CredentialError("not a proxy", where=str(path), why="it is the certificate of an authority")
    left = facts.expires - int(time.time())
    good = left >= _demanded(given) and facts.strength >= (given["bits"] or 0)
    record = {
        "path": str(path),
        "subject": facts.subject,
        "issuer": facts.issuer,
        "identity": facts.identity,
        "type": facts.type,
        "form": facts.form,
        "rights": facts.rights,
        "strength": facts.strength,
        "timeleft": max(left, -1),
        "expires": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(facts.expires)),
        "exists": good,
    }

    def line(part: str) -> str:
        if part == "text":
            return toolkit.text(content).rstrip("\n")
        return _all(path, facts, left) if part == "all" else str(record[part])

    output.result("proxy", record, lambda: "\n".join(map(line, asked or ([] if exists else ["all"]))))
    return ExitCode.FAILED if exists and not good else None


def _asked(ctx: click.Context) -> list[str]:
    """The parts that were asked for, in the order of the command line."""
    return [name.removeprefix("part_") for name in ctx.meta[USED] if name.startswith("part_")]


def _demanded(given: dict[str, Any]) -> int:
    if given["valid"] is not None:
        return int(given["valid"].total_seconds())
    return (given["hours"] or 0) * 3600


def _all(path: Path, facts: Facts, left: int) -> str:
    left = max(left, 0)
    days = f"  ({left // 3600 / 24:.1f} days)" if left > 24 * 3600 else ""
    return "\n".join(
        (
            f"subject  : {facts.subject}",
            f"issuer   : {facts.issuer}",
            f"identity : {facts.identity}",
            f"type     : {facts.type}",
            f"strength : {facts.strength} bits",
            f"path     : {path}",
            f"timeleft : {left // 3600}:{left % 3600 // 60:02}:{left % 60:02}{days}",
        )
    )

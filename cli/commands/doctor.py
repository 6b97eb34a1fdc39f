# SPDX-License-Identifier: Apache-2.0
"""pyglobus doctor: what a connection needs, looked at one thing after the other."""

from __future__ import annotations

from typing import Any

from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.output import FORMATS
from pyglobus.cli.values import DURATION


@command("doctor", summary="find out why a connection does not work", formats=FORMATS)
@argument(
    "url",
    metavar="[URL]",
    required=False,
    completion="url",
    help="A gsiftp, ftp, https or http URL, or HOST:PORT; without one, only this machine is looked at.",
)
@option(
    "--timeout",
    type=DURATION,
    metavar="TIME",
    default="10",
    help="Give each step on the network so much time. [default: 10]",
)
def doctor(*, output: Output, url: str | None, timeout: float) -> int | None:
    """Look at all that a connection needs, and say of each whether it is ok, or what the problem is and what to do:
    versions, clock, environment, trusted authorities, revocation lists, your certificate, key and proxy; with a URL
    also the server's name, the connection, its certificate and names, the login, and a data channel.

    Nothing is changed. Exit status 0: all is well; 1: there are warnings; else that of the first problem.
    """
    from pyglobus.cli import checks
    from pyglobus.core.doctor import examine

    found = []
    for check in examine(url, timeout=timeout):
        found.append(check)
        record: dict[str, Any] = checks.records([check])[0]
        output.event("check", record, lambda check=check: checks.line(check))  # type: ignore[misc]
        output.flush()
    status = checks.status(found)
    record = {"url": url, "well": status is None, "checks": checks.records(found)}
    output.result("diagnosis", record, "" if output.quiet else _sum(len([c for c in found if c.outcome == "failed"])))
    return status


def _sum(problems: int) -> str:
    if not problems:
        return ""
    return f"\n{problems} problem{'s' if problems > 1 else ''}: begin with the first, the others may follow from it"

# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy info, destroy and passwd: in place of myproxy-info, myproxy-destroy and
myproxy-change-pass-phrase. What is kept at a server is looked at, removed, and given another pass phrase, by its owner.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import Output, command, option
from pyglobus.cli.commands.myproxy import options

if TYPE_CHECKING:
    from pyglobus.core.myproxy.credentials import Stored


@command(
    "info",
    summary="tell what is stored at a MyProxy server",
    drop_in="myproxy-info",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
def info(*, output: Output, **given: Any) -> None:
    """Tell what credentials of yours a MyProxy server keeps under a username, and for how long.

    You need a credential to log in with; the pass phrase is not needed.
    """
    from pyglobus.core.myproxy import credentials

    def act() -> None:
        with options.session(output, given) as session:
            username = options.username(given)
            found = credentials.info(session, username=username, name=given["credname"])
        record = {
            "server": str(session.server),
            "username": username,
            "credentials": [_record(one) for one in found],
        }
        output.result("credentials", record, lambda: "\n".join(_lines(username, found)))

    options.retrying(output, given["retries"], act)


@command(
    "destroy",
    summary="remove what is stored at a MyProxy server",
    drop_in="myproxy-destroy",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
def destroy(*, output: Output, **given: Any) -> None:
    """Have a MyProxy server remove a credential of yours: with -k the one of that name, else the one without a name."""
    from pyglobus.core.myproxy import credentials

    def act() -> None:
        with options.session(output, given) as session:
            username = options.username(given)
            credentials.destroy(session, username=username, name=given["credname"])
        name = given["credname"]
        what = "Default MyProxy credential" if name is None else f"MyProxy credential '{name}'"
        record = {"server": str(session.server), "username": username, "name": name}
        output.result("destroyed", record, f"{what} for user {username} was successfully removed.")

    options.retrying(output, given["retries"], act)


@command(
    "passwd",
    summary="change the pass phrase of what is stored",
    drop_in="myproxy-change-pass-phrase",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
@options.phrased_always
@option(
    *("--new-passphrase-file", "--new-pass-phrase-file", "new_pass_phrase_file"),
    type=options.FILE,
    metavar="FILE",
    section=options.PASS_PHRASE,
    help="Read the new one from a file that only you can read.",
)
def passwd(*, output: Output, **given: Any) -> None:
    """Change the pass phrase of a credential of yours at a MyProxy server.

    Both are asked for on the terminal, the new one twice. With -S they are the first two lines of standard input.
    """
    from pyglobus.core.myproxy import credentials

    with options.session(output, given) as session:
        username = options.username(given)
        old = options.pass_phrase(given, "Enter (current) MyProxy pass phrase:")
        sources = given | {"pass_phrase_file": given["new_pass_phrase_file"], "pass_phrase_credential": None}
        new = options.pass_phrase(sources, "Enter new MyProxy pass phrase:", twice=True)
        credentials.change_pass_phrase(session, username=username, old=old, new=new, name=given["credname"])
    record = {"server": str(session.server), "username": username, "name": given["credname"]}
    output.result("changed", record, "Pass phrase changed.")


def _record(one: Stored) -> dict[str, Any]:
    return {
        "owner": one.owner,
        "name": one.name,
        "description": one.description,
        "retrievers": one.policies.retrievers,
        "trusted_retrievers": one.policies.trusted_retrievers,
        "renewers": one.policies.renewers,
        "key_retrievers": one.policies.key_retrievers,
        "locked": one.locked,
        "start": one.start.isoformat(),
        "end": one.end.isoformat(),
    }


def _lines(username: str, found: Sequence[Stored]) -> Iterator[str]:
    yield f"username: {username}"
    for one in found:
        yield f"owner: {one.owner}"
        told = {
            "name": one.name,
            "description": one.description,
            "retrieval policy": one.policies.retrievers,
            "renewal policy": one.policies.renewers,
            "key retrieval policy": one.policies.key_retrievers,
            "trusted retrieval policy": one.policies.trusted_retrievers,
            "locked": one.locked,
        }
        yield from (f"  {what}: {text}" for what, text in told.items() if text is not None)
        left = max(int(one.end.timestamp()) - int(time.time()), 0)
        days = f"  ({left / 86400:.1f} days)" if left > 86400 else ""
        yield f"  timeleft: {left // 3600}:{left % 3600 // 60:02}:{left % 60:02}{days}"

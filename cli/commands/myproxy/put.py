# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy put: in place of myproxy-init.

The proxy that is delegated to the server is made in memory, and never lies on a disk of this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import BETTER, IMPOSSIBLE, Output, command
from pyglobus.cli.commands.myproxy import options, policies
from pyglobus.cli.commands.myproxy.options import HOURS, c_option
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.x509.credential import Credential

_QUESTION = "Enter MyProxy pass phrase:"
_HINT = "give it on standard input (-S)"


@command(
    "put",
    summary="store a proxy at a MyProxy server",
    drop_in="myproxy-init",
    c_common=options.C_COMMON,
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
@c_option(
    *("-c", "--cred_lifetime", "--stored-lifetime", "cred_lifetime"),
    type=HOURS,
    metavar="HOURS",
    section=options.CREDENTIAL,
    help="How long it is kept; 0, or max, is until your certificate ends. [default: 168]",
)
@policies.described
@policies.policied
@options.phrased
@options.filed("-C", "Your certificate", "Your private key")
@c_option(
    *("-L", "--local_proxy", "--local-proxy", "local_proxy"),
    is_flag=True,
    section=options.FILES,
    parity=BETTER,
    remark="replaces an older proxy in one step",
    help="Make a proxy on this machine as well, as proxy-init does.",
)
@c_option(
    *("-m", "--voms", "voms"),
    multiple=True,
    metavar="VO",
    section=options.CREDENTIAL,
    parity=IMPOSSIBLE,
    remark="put a proxy that voms-proxy-init has made, with -C and -y",
    help="Refused: attributes of virtual organisations come from voms-proxy-init.",
)
def put(*, output: Output, **given: Any) -> None:
    """Store a proxy of yours at a MyProxy server, so that others can be fetched from it.

    Your key is needed to make it, and stays here: the server gets a proxy with a key of its own. A pass phrase for
    fetching is asked for twice on the terminal, unless a policy makes it needless (-Z, -R, -A).
    """
    if given["voms"]:
        raise errors.Unsupported(
            "cannot add VOMS attributes",
            why="that is what voms-proxy-init is for",
            hint="make a proxy with it, and put that: -C PROXY -y PROXY",
            fault="no-voms",
        )
    run = _Run(output, given)
    options.retrying(output, given["retries"], run.put)


class _Run:
    def __init__(self, output: Output, given: dict[str, Any]) -> None:
        options.require_one_source(given)
        self.output = output
        self.given = given
        self.policies = policies.policies_of(given)
        self._made: Credential | None = None
        self._phrase: bytes | None = None

    def put(self) -> None:
        """Store it, once."""
        from pyglobus.core.myproxy import credentials

        given = self.given
        mine = self._proxy()
        stored = credentials.DEFAULT_STORED_LIFETIME if given["cred_lifetime"] is None else given["cred_lifetime"]
        lifetime = credentials.DEFAULT_LIFETIME if given["proxy_lifetime"] is None else given["proxy_lifetime"]
        with options.session(self.output, given, credential=mine) as session:
            username = options.username(given, lambda: mine.identity)
            credentials.put(
                session,
                username=username,
                pass_phrase=self._pass_phrase(),
                lifetime=lifetime or None,
                stored_lifetime=stored or None,
                name=given["credname"],
                description=given["description"],
                policies=self.policies,
            )
        if given["local_proxy"]:
            self._keep(mine)
        left = int(stored.total_seconds()) or int(mine.expires.timestamp() - time.time())
        record = {
            "server": str(session.server),
            "username": username,
            "name": given["credname"],
            "identity": mine.identity,
            "expires": mine.expires.isoformat(),
        }
        text = f"A proxy valid for {left // 3600} hours ({left // 3600 / 24:.1f} days) for user {username}"
        self.output.result("stored", record, f"{text} now exists on {session.server.host}.")

    def _proxy(self) -> Credential:
        if self._made is None:
            from pyglobus.core.myproxy import credentials
            from pyglobus.core.x509 import proxy, userfiles

            files = userfiles.find(self.given["cert"], self.given["key"])
            issuer = files.credential(self._key_phrases())
            stored = self.given["cred_lifetime"]
            lifetime = credentials.DEFAULT_STORED_LIFETIME if stored is None else stored or None
            self._say(f"Your identity: {issuer.identity}")
            self._made = proxy.make(issuer, proxy.Wish(lifetime=lifetime))
            self._say(f"Your proxy is valid until: {time.asctime(time.localtime(self._made.expires.timestamp()))}")
        return self._made

    def _key_phrases(self) -> Iterator[bytes]:
        """For an encrypted key; with -S it is the line before the other pass phrase."""
        from pyglobus.cli import prompt
        from pyglobus.core.x509 import passphrase

        if self.given["stdin_pass"]:
            yield passphrase.from_descriptor(0)
            return
        for _ in range(prompt.ATTEMPTS):
            yield prompt.pass_phrase("Enter GRID pass phrase for this identity:", hint=_HINT)

    def _pass_phrase(self) -> bytes:
        if self._phrase is None:
            given = self.given
            needless = given["no_pass_phrase"] or self.policies.renewers or self.policies.trusted_retrievers
            self.output.flush()
            self._phrase = b"" if needless else options.pass_phrase(given, _QUESTION, twice=True)
        return self._phrase

    def _keep(self, mine: Credential) -> None:
        from pyglobus.core import proxy as proxies
        from pyglobus.core.myproxy import credentials
        from pyglobus.core.x509 import proxy

        lifetime = self.given["proxy_lifetime"]
        wish = proxy.Wish(lifetime=credentials.DEFAULT_LIFETIME if lifetime is None else lifetime or None)
        path: Path = proxies.location()
        proxy.make(mine, wish).save_proxy(path)
        self.output.detail(f"a proxy of it is in {path}")

    def _say(self, text: str) -> None:
        if self.output.is_text and not self.output.quiet:
            self.output.line(text)
            self.output.flush()

# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy get, or myproxy-get: in place of myproxy-logon and myproxy-get-delegation.

The old file stays until the new credential has been judged. The pass phrase is asked for once the server has shown who
it is.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.cli import proxyuse
from pyglobus.cli.command import BETTER, Output, command, option
from pyglobus.cli.commands.myproxy import options, trust
from pyglobus.cli.commands.myproxy.options import FILE, HOURS, c_option
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.myproxy.credentials import TrustFile
    from pyglobus.core.myproxy.session import Session
    from pyglobus.core.x509.credential import Credential

_QUESTION = "Enter MyProxy pass phrase:"


@command(
    "get",
    summary="fetch a proxy from a MyProxy server",
    drop_in="myproxy-logon",
    c_common=(*options.C_COMMON, "-q", "--quiet"),
    getopt=True,
    status_of=options.status_of,
)
@options.served
@options.named
@c_option(
    *("-t", "--proxy_lifetime", "--lifetime", "lifetime"),
    type=HOURS,
    metavar="HOURS",
    section=options.CREDENTIAL,
    parity=BETTER,
    remark="also hours and minutes (12:30), and max",
    help="How long it shall be good; 0, or max, is as long as the server gives. [default: 12]",
)
@c_option(
    *("-a", "--authorization"),
    type=FILE,
    metavar="FILE",
    section=options.CREDENTIAL,
    help="Renew the proxy in FILE: it takes the place of the pass phrase.",
)
@c_option(
    *("-m", "--voms", "voms"),
    multiple=True,
    metavar="VO",
    section=options.CREDENTIAL,
    parity=BETTER,
    remark="if the server does not add the attributes this fails, and does not call voms-proxy-init",
    help="Have attributes of this virtual organisation added. Can be given several times.",
)
@option(
    "--expect-owner",
    metavar="DN",
    section=options.CREDENTIAL,
    help="Take only what belongs to this identity.",
)
@options.phrased
@c_option(
    *("-o", "--out", "out"),
    type=FILE,
    metavar="FILE",
    section=options.FILES,
    help="Where it goes; - is standard output. [default: X509_USER_PROXY, or /tmp/x509up_u and your user id]",
)
@c_option(
    *("-Q", "--certreq", "certreq"),
    type=FILE,
    metavar="FILE",
    section=options.FILES,
    help="Have the certificate request in FILE signed, and keep the key where it is.",
)
@trust.rooted()
@trust.bootstrapped
@c_option(
    *("-N", "--no_credentials", "--no-credentials", "no_credentials"),
    is_flag=True,
    section=proxyuse.SECTION,
    help="Find out whether the server would give it, and fetch nothing.",
)
@proxyuse.used("a proxy")
def get(*, output: Output, **given: Any) -> None:
    """Fetch a proxy that is kept at a MyProxy server, or a certificate that the server issues.

    The pass phrase is asked for on the terminal, and not shown. What the server sends is judged, and replaces an older
    proxy in one step; nobody else can read it at any time.
    """
    run = _Run(output, given)
    if not run.is_still_good():
        options.retrying(output, given["retries"], run.fetch)


class _Run:
    """One run of the command: what it was asked for."""

    def __init__(self, output: Output, given: dict[str, Any]) -> None:
        from pyglobus.core import proxy

        self.output = output
        self.given = given
        options.require_one_source(given)
        self.to_stdout = given["out"] == Path("-")
        if self.to_stdout and (not output.is_text or given["export"] or given["renew_below"] is not None):
            raise errors.UsageError("-o - goes with neither --format, --export nor --renew-below")
        self.path: Path = given["out"] or proxy.location()
        self.speaks = output.is_text and not output.quiet and not self.to_stdout and given["export"] is None
        self._phrase: bytes | None = None

    def is_still_good(self) -> bool:
        """True, and the result shown, if --renew-below finds nothing to do."""
        from pyglobus.core import proxy

        if self.given["renew_below"] is None:
            return False
        try:
            found = proxy.read(self.path)
        except errors.Error:
            return False
        owner = self.given["expect_owner"]
        if found.expires - dt.datetime.now(dt.UTC) < self.given["renew_below"]:
            return False
        if owner is not None and found.identity != owner:
            return False
        self._show(found, changed=False)
        return True

    def fetch(self) -> None:
        """Fetch it, once."""
        session = trust.connected(
            self.output,
            self.given,
            lambda trusted: options.session(self.output, self.given, anonymous=True, trusted=trusted),
        )
        try:
            self._fetch(session)
        finally:
            session.close()

    def _fetch(self, session: Session) -> None:
        from pyglobus.core.myproxy import credentials

        given = self.given
        what: dict[str, Any] = {
            "username": options.username(given, self._identity),
            "pass_phrase": self._pass_phrase(),
            "name": given["credname"],
            "trust_roots": given["trust_roots"] or given["bootstrap"],
        }
        lifetime = credentials.DEFAULT_LIFETIME if given["lifetime"] is None else given["lifetime"] or None
        if given["no_credentials"]:
            roots = credentials.authenticate(session, **what)
            self.output.result("authenticated", {"server": str(session.server), "trust_roots": self._install(roots)})
        elif given["certreq"]:
            self._fetch_certificate(session, what, lifetime)
        else:
            fetched = credentials.get(
                session,
                lifetime=lifetime,
                renew=given["authorization"],
                vos=given["voms"],
                vomses=_vomses() if given["voms"] else (),
                owner=given["expect_owner"] or (what["username"] if what["username"].startswith("/") else None),
                **what,
            )
            self._keep(fetched.credential)
            self._say(what["username"])
            if fetched.is_shorter:
                self.output.note(f"it ends sooner than was asked for, {fetched.credential.expires:%Y-%m-%d %H:%M} UTC")
            roots_installed = self._install(fetched.trust_files)
            self._show(fetched.credential, changed=True, server=str(session.server), trust_roots=roots_installed)

    def _fetch_certificate(self, session: Session, what: dict[str, Any], lifetime: dt.timedelta | None) -> None:
        from pyglobus.core import files
        from pyglobus.core.myproxy import credentials
        from pyglobus.core.x509 import names
        from pyglobus.core.x509.credential import chain_pem

        found, roots = credentials.get_certificate(session, request=self.given["certreq"], lifetime=lifetime, **what)
        if self.to_stdout:
            self.output.part(chain_pem(found).decode("ascii"))
        else:
            files.write(self.path, chain_pem(found), replace_own=True)
        self._say(what["username"])
        record = {
            "path": str(self.path if self.to_stdout else self.path.absolute()),
            "changed": True,
            "subject": names.oneline(found[0].subject),
            "expires": min(one.not_valid_after_utc for one in found).isoformat(),
            "server": str(session.server),
            "trust_roots": self._install(roots),
        }
        self.output.result("certificate", record)

    def _identity(self) -> str:
        from pyglobus.core import proxy

        renewed = self.given["authorization"]
        return proxy.read(renewed).identity if renewed else options.own_identity()

    def _pass_phrase(self) -> bytes:
        if self._phrase is None:
            wanted = not (self.given["no_pass_phrase"] or self.given["authorization"])
            self.output.flush()
            self._phrase = options.pass_phrase(self.given, _QUESTION) if wanted else b""
        return self._phrase

    def _keep(self, credential: Credential) -> None:
        if self.to_stdout:
            self.output.part(credential.proxy_pem().decode("ascii"))
        else:
            credential.save_proxy(self.path)

    def _install(self, sent: Sequence[TrustFile]) -> dict[str, Any] | None:
        return trust.install(self.output, sent, quiet=not self.speaks) if sent else None

    def _say(self, username: str) -> None:
        if self.speaks:
            self.output.line(f"A credential has been received for user {username} in {self.path}.")

    def _show(self, credential: Credential, *, changed: bool, **more: Any) -> None:
        from pyglobus.core.x509 import names

        if self.given["export"]:
            proxyuse.export(self.output, self.given["export"], self.path.absolute())
            return
        record = {
            "path": str(self.path if self.to_stdout else self.path.absolute()),
            "changed": changed,
            "subject": names.oneline(credential.certificate.subject),
            "identity": credential.identity,
            "type": credential.kind.text,
            "strength": credential.key.key_size,
            "expires": credential.expires.isoformat(),
            **more,
        }
        self.output.result("proxy", record)


def _vomses() -> list[str]:
    """The lines of the file that VOMS_USERCONF names, as the C tool sends them."""
    path = os.environ.get("VOMS_USERCONF")
    if not path:
        return []
    try:
        lines = Path(path).read_text(errors="surrogateescape").splitlines()
    except OSError as error:
        raise errors.ConfigurationError("cannot read VOMS_USERCONF", where=path, why=error.strerror) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

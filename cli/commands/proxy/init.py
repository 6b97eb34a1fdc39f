# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy init, or proxy-init: in place of grid-proxy-init.

What takes long goes on at the same time: the search for an RSA key begins first, and the rest of the program is
loaded, the certificate read and the pass phrase asked for meanwhile.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli import proxyuse
from pyglobus.cli.command import BETTER, SAME, Output, command, option
from pyglobus.cli.commands.proxy.wishes import FILE, SECTION, wish_of, wished
from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.x509.credential import Credential
    from pyglobus.core.x509.keys import Key, PendingKey
    from pyglobus.core.x509.proxy import Wish
    from pyglobus.core.x509.userfiles import UserFiles

_FILES = "Files"
_PASS_PHRASE = "Pass phrase"  # noqa: S105 - the heading of a section
_OLD_SIZES = ("512", "1024")
_SOURCES = ("pass_phrase_stdin", "pass_phrase_file", "pass_phrase_credential")
_DOT = 0.02


def status_of(error: BaseException) -> int:
    """grid-proxy-init ends with 1, and with 2 if the certificate has expired; without a terminal we end with 77."""
    if not isinstance(error, errors.Error):
        return code_of(error)
    return {"certificate-expired": 2, "proxy-expired": 2, "no-terminal": int(ExitCode.DENIED)}.get(error.fault or "", 1)


@command("init", summary="make a proxy", drop_in="grid-proxy-init", c_common=("-q", "-debug"), status_of=status_of)
@wished(parity=True)
@option(
    *("-bits", "--bits"),
    type=click.Choice([*_OLD_SIZES, "2048", "3072", "4096", "8192"]),
    section=SECTION,
    parity=BETTER,
    remark="512 and 1024 make 2048, since nobody accepts less",
    help="Bits of its RSA key. [default: 2048]",
)
@option(
    "--key-type",
    type=click.Choice(["rsa", "p256", "p384"]),
    default="rsa",
    section=SECTION,
    help="The kind of its key; GRAM, and servers that ask for delegation, need rsa. [default: rsa]",
)
@option(
    *("-cert", "--cert"),
    type=FILE,
    metavar="FILE",
    section=_FILES,
    parity=SAME,
    help="Your certificate, in PEM or PKCS #12. [default: X509_USER_CERT, or ~/.globus/usercert.pem or usercred.p12]",
)
@option(
    *("-key", "--key"),
    type=FILE,
    metavar="FILE",
    section=_FILES,
    parity=SAME,
    help="Your private key. [default: X509_USER_KEY, or ~/.globus/userkey.pem]",
)
@option(
    *("-certdir", "--cert-dir"),
    type=FILE,
    metavar="DIR",
    section=_FILES,
    parity=SAME,
    help="The directory of trusted authorities. [default: X509_CERT_DIR, or one of the usual ones]",
)
@option(
    *("-out", "--out"),
    type=FILE,
    metavar="FILE",
    section=_FILES,
    parity=SAME,
    help="Where the proxy goes. [default: X509_USER_PROXY, or /tmp/x509up_u and your user id]",
)
@option(
    *("-pwstdin", "--pass-phrase-stdin"),
    is_flag=True,
    section=_PASS_PHRASE,
    parity=SAME,
    help="Read the pass phrase of your key from standard input.",
)
@option(
    "--pass-phrase-file",
    type=FILE,
    metavar="FILE",
    section=_PASS_PHRASE,
    help="Read it from a file that only you can read.",
)
@option(
    "--pass-phrase-credential",
    metavar="NAME",
    section=_PASS_PHRASE,
    help="Read it from the credential NAME that systemd has given to this service.",
)
@option(
    *("-verify", "--verify"),
    is_flag=True,
    section=proxyuse.SECTION,
    parity=BETTER,
    remark="also by the rules of RFC 3820 that the C tool leaves out",
    help="Judge the chain of the new proxy before it is written.",
)
@proxyuse.used("such a proxy")
def init(*, output: Output, **given: Any) -> None:
    """Make a proxy: a credential that acts in your name for some hours, so that programs do not need your key and its
    pass phrase.

    A pass phrase is asked for on the terminal, up to three times, and not shown. The proxy replaces an older one in one
    step, and nobody else can read it at any time.
    """
    from pyglobus.core.x509 import keys

    kind, bits = given["key_type"], int(given["bits"] or keys.MIN_RSA_BITS)
    pending: PendingKey | None = None
    if given["renew_below"] is None and kind == "rsa":
        pending = keys.PendingKey(max(bits, keys.MIN_RSA_BITS))
    run = _Run(output, given)
    if run.is_still_good():
        return
    if kind == "rsa" and pending is None:
        pending = keys.PendingKey(max(bits, keys.MIN_RSA_BITS))
    if str(bits) in _OLD_SIZES:
        output.note(f"a key of {bits} bits is refused everywhere: this one has {keys.MIN_RSA_BITS}")
    run.make(pending or keys.ec_key(kind))


class _Run:
    """One run of the command: what it was asked for, and the files in question."""

    def __init__(self, output: Output, given: dict[str, Any]) -> None:
        from pyglobus.core import proxy
        from pyglobus.core.x509 import userfiles

        self.output = output
        self.given = given
        self.wish: Wish = wish_of(given)
        self.files: UserFiles = userfiles.find(given["cert"], given["key"])
        self.path: Path = (given["out"] or proxy.location()).absolute()
        self.speaks = output.is_text and not output.quiet and given["export"] is None
        output.detail(f"certificate {self.files.certificate}, key {self.files.key}, proxy {self.path}")

    def is_still_good(self) -> bool:
        """True, and the result shown, if --renew-below finds nothing to do."""
        from pyglobus.core import proxy

        if self.given["renew_below"] is None:
            return False
        identity = None if self.files.is_pkcs12 else _identity(self.files)
        found = proxy.still_good(self.path, identity=identity, wish=self.wish, life=self.given["renew_below"])
        if found is not None:
            self._show(found, changed=False)
        return found is not None

    def make(self, wanted: Key | PendingKey) -> None:
        """Make the proxy and show it."""
        from pyglobus.core.x509 import proxy

        if not self.files.is_pkcs12:
            self._say(f"Your identity: {_identity(self.files)}")
            _require_life(self.files)
        issuer = self.files.credential(self._pass_phrases())
        if self.files.is_pkcs12:
            self._say(f"Your identity: {issuer.identity}")
        made = proxy.make(issuer, self.wish, key=self._awaited(wanted))
        if self.given["verify"]:
            self._verify(made)
        made.save_proxy(self.path)
        self._warn(made, issuer)
        self._show(made, changed=True)

    def _pass_phrases(self) -> Iterable[bytes]:
        from pyglobus.core.x509 import passphrase

        chosen = [name for name in _SOURCES if self.given[name]]
        if len(chosen) > 1:
            raise errors.UsageError("-pwstdin, --pass-phrase-file and --pass-phrase-credential exclude each other")
        if self.given["pass_phrase_stdin"]:
            yield passphrase.from_descriptor(0)
        elif self.given["pass_phrase_file"]:
            yield passphrase.from_file(self.given["pass_phrase_file"])
        elif self.given["pass_phrase_credential"]:
            yield passphrase.from_systemd(self.given["pass_phrase_credential"])
        else:
            from pyglobus.cli import prompt

            self.output.flush()
            whose = "" if self.output.quiet else " for this identity"
            yield from prompt.pass_phrases(f"Enter GRID pass phrase{whose}:")

    def _awaited(self, wanted: Key | PendingKey) -> Key:
        """The key, with a dot every now and then while it is looked for."""
        from pyglobus.core.x509.keys import PendingKey

        if self.speaks:
            self.output.part("Creating proxy .")
            while isinstance(wanted, PendingKey) and not wanted.wait(_DOT):
                self.output.part(".")
            self.output.line(" Done")
        return wanted.result() if isinstance(wanted, PendingKey) else wanted

    def _verify(self, made: Credential) -> None:
        from pyglobus.core.x509 import chain, trust
        from pyglobus.core.x509.check import Outcome

        report = chain.inspect(made.certificates, self.given["cert_dir"] or trust.default_directory())
        for check in report.checks:
            if check.outcome is Outcome.FAILED:
                raise errors.CredentialError(
                    "the proxy would not be accepted",
                    where=check.certificate,
                    why=check.explanation,
                    hint=check.hint,
                    fault=check.fault,
                )
        self._say("Proxy Verify OK")

    def _warn(self, made: Credential, issuer: Credential) -> None:
        from pyglobus.core import proxy
        from pyglobus.core.x509 import names, trust

        if not self.output.is_text:
            return
        try:
            directory = self.given["cert_dir"] or trust.default_directory()
        except errors.ConfigurationError:
            directory = None
        for one, left in proxy.ending_soon(issuer.certificates, directory):
            what = "your certificate" if one is issuer.certificate else names.oneline(one.subject)
            self.output.note(f"warning: {what} ends in {max(left.days, 0)} days")
        if not self.given["export"] and {"X509_USER_CERT", "X509_USER_KEY"} <= os.environ.keys():
            self.output.note("warning: programs take X509_USER_CERT and X509_USER_KEY rather than a proxy: unset them")

    def _show(self, made: Credential, *, changed: bool) -> None:
        self.output.result("proxy", self._record(made, changed))
        if not self.output.is_text:
            return
        if self.given["export"]:
            proxyuse.export(self.output, self.given["export"], self.path)
            return
        until = time.asctime(time.localtime(made.expires.timestamp()))
        if changed and self._is_cut(made):
            self.output.warning(
                f"\nWarning: your certificate and proxy will expire {until}\n"
                " which is within the requested lifetime of the proxy"
            )
        else:
            self._say(f"Your proxy is valid until: {until}")

    def _is_cut(self, made: Credential) -> bool:
        """True if the certificates end before the lifetime that was asked for."""
        from pyglobus.core.x509.proxy import CLOCK_SKEW

        if self.wish.lifetime is None:
            return False
        begun = made.certificate.not_valid_before_utc + CLOCK_SKEW
        return made.expires - begun < self.wish.lifetime - dt.timedelta(seconds=5)

    def _record(self, made: Credential, changed: bool) -> dict[str, Any]:
        from pyglobus.core.x509 import names

        kind = made.kind
        return {
            "path": str(self.path),
            "changed": changed,
            "subject": names.oneline(made.certificate.subject),
            "identity": made.identity,
            "type": kind.text,
            "form": kind.form,
            "rights": kind.rights,
            "policy_language": kind.info.language if kind.info is not None else None,
            "path_length": kind.info.path_length if kind.info is not None else None,
            "strength": made.key.key_size,
            "expires": made.expires.isoformat(),
        }

    def _say(self, text: str) -> None:
        if self.speaks:
            self.output.line(text)


def _identity(files: UserFiles) -> str:
    from pyglobus.core.x509 import names
    from pyglobus.core.x509.credential import identity_of, path

    found = files.certificates()
    return names.oneline(identity_of(path(found[0], found)).subject)


def _require_life(files: UserFiles) -> None:
    """Raise if the certificate has expired, before anybody types a pass phrase for it."""
    end = min(one.not_valid_after_utc for one in files.certificates())
    if end <= dt.datetime.now(dt.UTC):
        from pyglobus.core import faults

        minutes = str(int((dt.datetime.now(dt.UTC) - end).total_seconds() // 60))
        where, ended = str(files.certificate), "the certificate"
        raise faults.known("certificate-expired", what="cannot make a proxy", where=where, ended=ended, minutes=minutes)

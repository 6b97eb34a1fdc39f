# SPDX-License-Identifier: Apache-2.0
"""The options that the verbs of myproxy have in common, and the session that they ask for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import BETTER, SAME, Output, option
from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.cli.option import Callback, Parity
from pyglobus.cli.values import DURATION, CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.myproxy.session import Session
    from pyglobus.core.x509.credential import Credential

    _DeltaType = click.ParamType[dt.timedelta]
else:
    _DeltaType = click.ParamType  # generic only from click 8.4 on

SERVER = "The server"
FILES = "Files"
CREDENTIAL = "The credential"
PASS_PHRASE = "Pass phrase"  # noqa: S105 - the heading of a section
FILE = click.Path(path_type=Path, dir_okay=True)

#: The common options as all C tools of MyProxy spell them.
C_COMMON = ("-h", "--help", "-u", "--usage", "-v", "--verbose", "-V", "--version")

_NO_TERMINAL = "give it on standard input (-S), in a file (--passphrase-file) or by systemd (--pass-phrase-credential)"
_SOURCES = ("stdin_pass", "pass_phrase_file", "pass_phrase_credential")
#: A lifetime of 0 is no limit, and the longest that the protocol can tell.
_MAX_HOURS = (2**31 - 1) // 3600


class HoursType(_DeltaType):
    """Hours, hours and minutes (``12:00``), or ``max``: zero, which in the protocol is as long as possible."""

    name = "hours"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.timedelta:
        if isinstance(value, dt.timedelta):
            return value
        if value == "max":
            return dt.timedelta()
        match = re.fullmatch(r"([0-9]{1,9})(?::([0-5]?[0-9]))?", str(value))
        if match is None:
            self.fail(f"{value!r} is not hours, such as 12, 12:30 or max", param, ctx)
        if int(match[1]) > _MAX_HOURS:
            self.fail(f"{match[1]} hours are more than {_MAX_HOURS}", param, ctx)
        return dt.timedelta(hours=int(match[1]), minutes=int(match[2] or 0))


HOURS = HoursType()
Decorator = Callable[[Callback], Callback]


def status_of(error: BaseException) -> int:
    """The C tools end with 1, whatever went wrong; where only a terminal is missing we end with 77."""
    if not isinstance(error, errors.Error):
        return code_of(error)
    return int(ExitCode.DENIED) if error.fault == "no-terminal" else 1


def apply(callback: Callback, *options: Decorator) -> Callback:
    """The callback with these options, in this order."""
    for each in reversed(options):
        callback = each(callback)
    return callback


def c_option(short: str, long: str, *others: str, parity: Parity = SAME, **attributes: Any) -> Decorator:
    """An option that the C tools have in these two spellings; the others are ours alone."""
    return option(short, long, *others, parity=parity, c_spellings=(short, long), **attributes)


def served(callback: Callback) -> Callback:
    """Add what says which server is meant."""
    return apply(
        callback,
        c_option(
            *("-s", "--pshost", "--server", "server"),
            metavar="HOST",
            section=SERVER,
            parity=BETTER,
            remark="after the first server that does not answer, also when it is a server that is silent",
            help="The server; of several, with commas between them, the first that answers. A port may follow after"
            " a colon. [default: MYPROXY_SERVER]",
        ),
        c_option(
            *("-p", "--psport", "--port", "port"),
            type=CountType(1, 65535),
            metavar="PORT",
            section=SERVER,
            help="Its port. [default: MYPROXY_SERVER_PORT, or 7512]",
        ),
        option(
            "--timeout",
            type=DURATION,
            default=60.0,
            metavar="TIME",
            section=SERVER,
            help="How long to wait for each answer of a server. [default: 60s]",
        ),
        option(
            "--retries",
            type=CountType(0, 100),
            default=0,
            metavar="N",
            section=SERVER,
            help="Try again so often after a fault that may pass, each time after twice the time. [default: 0]",
        ),
    )


def named(callback: Callback) -> Callback:
    """Add what says which credential at the server is meant."""
    return apply(
        callback,
        c_option(
            *("-l", "--username", "username"),
            metavar="NAME",
            section=CREDENTIAL,
            help="The name under which it is kept. [default: LOGNAME]",
        ),
        c_option(
            *("-d", "--dn_as_username", "--dn-as-username", "dn_as_username"),
            is_flag=True,
            section=CREDENTIAL,
            help="Take the subject of your certificate as the name.",
        ),
        c_option(
            *("-k", "--credname", "--credential-name", "credname"),
            metavar="NAME",
            section=CREDENTIAL,
            help="Which of several kept under one name. [default: the one without a name of its own]",
        ),
    )


def filed(short: str, certificate: str, key: str) -> Decorator:
    """Add the files of a certificate and its key, by these descriptions; ``short`` is how C spells the first."""
    return lambda callback: apply(
        callback,
        c_option(
            *(short, "--certfile", "--cert", "cert"),
            type=FILE,
            metavar="FILE",
            section=FILES,
            help=f"{certificate}. [default: X509_USER_CERT, or ~/.globus/usercert.pem]",
        ),
        c_option(
            *("-y", "--keyfile", "--key", "key"),
            type=FILE,
            metavar="FILE",
            section=FILES,
            help=f"{key}. [default: X509_USER_KEY, or ~/.globus/userkey.pem]",
        ),
    )


def phrased(callback: Callback) -> Callback:
    """Add where the pass phrase comes from, or that there is none."""
    none = c_option(
        *("-n", "--no_passphrase", "--no-pass-phrase", "no_pass_phrase"),
        is_flag=True,
        section=PASS_PHRASE,
        help="Use none, and do not ask for one.",
    )
    return none(phrased_always(callback))


def phrased_always(callback: Callback) -> Callback:
    """Add where the pass phrase comes from."""
    return apply(
        callback,
        c_option(
            *("-S", "--stdin_pass", "--pass-phrase-stdin", "stdin_pass"),
            is_flag=True,
            section=PASS_PHRASE,
            help="Read it from standard input.",
        ),
        option(
            *("--passphrase-file", "--pass-phrase-file", "pass_phrase_file"),
            type=FILE,
            metavar="FILE",
            section=PASS_PHRASE,
            help="Read it from a file that only you can read.",
        ),
        option(
            *("--pass-phrase-credential", "pass_phrase_credential"),
            metavar="NAME",
            section=PASS_PHRASE,
            help="Read it from the credential NAME that systemd has given to this service.",
        ),
    )


def pass_phrase(given: Mapping[str, Any], question: str, *, twice: bool = False) -> bytes:
    """The pass phrase, from where the options say, or from the terminal. Raises `errors.CredentialError`."""
    from pyglobus.core.myproxy.session import require_pass_phrase
    from pyglobus.core.x509 import passphrase

    require_one_source(given)
    if given["stdin_pass"]:
        return require_pass_phrase(passphrase.from_descriptor(0))
    if given["pass_phrase_file"]:
        return require_pass_phrase(passphrase.from_file(given["pass_phrase_file"]))
    if given["pass_phrase_credential"]:
        return require_pass_phrase(passphrase.from_systemd(given["pass_phrase_credential"]))
    from pyglobus.cli import prompt

    return require_pass_phrase(prompt.pass_phrase(question, hint=_NO_TERMINAL, twice=twice))


def require_one_source(given: Mapping[str, Any]) -> None:
    """Raise `errors.UsageError` if there are several sources of the pass phrase."""
    if sum(bool(given[name]) for name in _SOURCES) > 1:
        raise errors.UsageError("-S, --passphrase-file and --pass-phrase-credential exclude each other")


def username(given: Mapping[str, Any], of: Callable[[], str] | None = None) -> str:
    """The name at the server; with -d what ``of`` tells, by default whom the user's credential stands for."""
    from pyglobus.core.myproxy import contact

    if given["username"] is None and given["dn_as_username"]:
        return (of or own_identity)()
    return contact.username(given["username"])


def own_identity() -> str:
    """Whom the credential stands for that the toolkit finds."""
    from pyglobus.core import credential

    return credential.inspect().identity


def session(
    output: Output,
    given: Mapping[str, Any],
    *,
    anonymous: bool = False,
    credential: Credential | None = None,
    trusted: Path | None = None,
) -> Session:
    """The session that the options ask for, not yet connected."""
    from pyglobus.core.myproxy import contact
    from pyglobus.core.myproxy.session import Session

    talks = output.verbosity > 0 or output.debug
    return Session(
        contact.servers(given["server"], given["port"]),
        anonymous=anonymous,
        credential=credential,
        trusted=trusted,
        timeout=given["timeout"],
        heard=(lambda line: output.warning(f"{output.command}: {_printable(line)}")) if talks else None,
    )


def retrying(output: Output, retries: int, act: Callable[[], None]) -> None:
    """Do it, and again after faults that may pass."""
    import time

    for attempt in range(retries + 1):
        try:
            act()
            return
        except errors.TransientError as error:
            if attempt == retries:
                raise
            pause = 2 ** min(attempt, 6)
            output.note(f"{error}; trying again in {pause} s")
            time.sleep(pause)


def _printable(line: str) -> str:
    from pyglobus.cli.output import printable

    return printable(line)

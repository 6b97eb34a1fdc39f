# SPDX-License-Identifier: Apache-2.0
"""The options that say what a proxy shall be, which init and sign have in common, and their types."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import BETTER, SAME, option
from pyglobus.cli.option import Callback
from pyglobus.cli.values import LIFETIME, CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.x509.proxy import Wish

SECTION = "The proxy"
FORMS = {"rfc": "rfc", "draft": "draft", "old": "legacy"}

#: The largest path length that the Globus libraries can read.
_PATH_LENGTH = CountType(0, 2**31 - 1)


FILE = click.Path(path_type=Path, dir_okay=True)


def wished(*, parity: bool) -> Callable[[Callback], Callback]:
    """Add the options; with ``parity`` they are those of grid-proxy-init."""
    same = SAME if parity else None
    better = BETTER if parity else None

    def add(callback: Callback) -> Callback:
        options = (
            option(
                *("-limited", "--limited"),
                is_flag=True,
                section=SECTION,
                parity=same,
                help="Make a limited proxy, which starts no jobs.",
            ),
            option(
                *("-independent", "--independent"),
                is_flag=True,
                section=SECTION,
                parity=same,
                help="Make an independent proxy, which has none of your rights.",
            ),
            option(
                *("-policy", "--policy"),
                type=FILE,
                metavar="FILE",
                section=SECTION,
                parity=better,
                remark="kept byte by byte; grid-proxy-init ends it at a comma" if parity else "",
                help="Restrict the proxy by the policy in FILE.",
            ),
            option(
                *("-pl", "-policy-language", "--policy-language"),
                metavar="OID",
                section=SECTION,
                parity=better,
                remark="also without -policy, and for languages known to OpenSSL" if parity else "",
                help="The language of the policy, as an object identifier.",
            ),
            option(
                *("-path-length", "--path-length"),
                type=_PATH_LENGTH,
                metavar="N",
                section=SECTION,
                parity=better,
                remark="0 is kept, and allows no further proxy" if parity else "",
                help="Allow a chain of at most N proxies to be made from this one.",
            ),
            option(
                *("-valid", "--valid"),
                type=LIFETIME,
                metavar="H:M",
                section=SECTION,
                parity=same,
                help="Let it be good for H hours and M minutes; 0:0 is as long as possible. [default: 12:00]",
            ),
            option(
                *("-hours", "--hours"),
                type=CountType(0, 10**9),
                metavar="H",
                section=SECTION,
                parity=same,
                help="The same in whole hours.",
            ),
            *(
                option(
                    *(f"-{word}", f"--{word}"),
                    is_flag=True,
                    section=SECTION,
                    parity=same,
                    help=text,
                )
                for word, text in (
                    ("rfc", "Make a proxy of RFC 3820. [default, but for a proxy of another form]"),
                    ("draft", "Make one of the draft before the RFC."),
                    ("old", "Make a legacy one of Globus."),
                )
            ),
        )
        for each in reversed(options):
            callback = each(callback)
        return callback

    return add


def wish_of(given: Mapping[str, Any]) -> Wish:
    """What the options ask for. Raises `errors.UsageError` for what contradicts itself."""
    from pyglobus.core.x509.proxy import DEFAULT_LIFETIME, Wish
    from pyglobus.core.x509.proxytype import Form, Rights

    forms = [form for word, form in FORMS.items() if given[word]]
    if len(forms) > 1:
        raise errors.UsageError("-old, -rfc and -draft exclude each other")
    restricted = given["policy"] is not None or given["policy_language"] is not None
    if given["limited"] + given["independent"] + restricted > 1:
        raise errors.UsageError("-independent, -limited and -policy or -policy-language exclude each other")
    if given["policy"] is not None and given["policy_language"] is None:
        raise errors.UsageError("-policy needs -policy-language: who reads a policy must know its language")
    lifetime = given["valid"]
    if lifetime is None:
        lifetime = DEFAULT_LIFETIME if given["hours"] is None else dt.timedelta(hours=given["hours"])
    rights = Rights.LIMITED if given["limited"] else Rights.INDEPENDENT if given["independent"] else None
    return Wish(
        form=Form(forms[0]) if forms else None,
        rights=rights,
        language=given["policy_language"],
        policy=_content(given["policy"]) if given["policy"] is not None else None,
        path_length=given["path_length"],
        lifetime=lifetime or None,
    )


def _content(path: Path) -> bytes:
    from pyglobus.core.x509.proxycertinfo import MAX_POLICY

    try:
        with path.open("rb") as stream:
            return stream.read(MAX_POLICY + 1)
    except OSError as error:
        raise errors.NotFound("cannot read policy", where=str(path), why=error.strerror, errno=error.errno) from error

# SPDX-License-Identifier: Apache-2.0
"""Who may do what with a stored credential: the options that put and store have in common.

As in the C tools, -x and -X hold for the policies that follow them: a pattern of whole subjects, or a common name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.commands.myproxy.options import CREDENTIAL, HOURS, apply, c_option
from pyglobus.cli.option import USED, Callback
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.myproxy.credentials import Policies

SECTION = "Who may use it"

_RULES = {
    "retrievers": ("-r", "--retrievable_by", "Who may fetch proxies of it with the pass phrase."),
    "renewers": ("-R", "--renewable_by", "Who may renew proxies of it, without the pass phrase."),
    "trusted_retrievers": ("-Z", "--retrievable_by_cert", "Who may fetch proxies of it without the pass phrase."),
}


def policied(callback: Callback) -> Callback:
    """Add the options."""
    rules = [
        c_option(
            *(short, long, f"--{long[2:].replace('_', '-')}", name),
            metavar="DN",
            section=SECTION,
            help=text,
        )
        for name, (short, long, text) in _RULES.items()
    ]
    anybody = [
        c_option(
            *(short, f"--allow_anonymous_{who}", f"--allow-anonymous-{who}", f"any_{who}"),
            is_flag=True,
            section=SECTION,
            help=text,
        )
        for short, who, text in (
            ("-a", "retrievers", "Let everybody fetch proxies of it who knows the pass phrase."),
            ("-A", "renewers", "Let every client renew proxies of it: not a good idea."),
        )
    ]
    modes = [
        c_option(
            *(short, long, f"--{long[2:].replace('_', '-')}", name),
            is_flag=True,
            section=SECTION,
            help=text,
        )
        for short, long, name, text in (
            ("-x", "--regex_dn_match", "whole_subjects", "Policies that follow are patterns of whole subjects."),
            ("-X", "--match_cn_only", "common_names", "Policies that follow are common names. [default]"),
        )
    ]
    return apply(callback, *rules, *anybody, *modes)


def described(callback: Callback) -> Callback:
    """Add the lifetime of proxies, and the description."""
    return apply(
        callback,
        c_option(
            *("-t", "--proxy_lifetime", "--proxy-lifetime", "proxy_lifetime"),
            type=HOURS,
            metavar="HOURS",
            section=CREDENTIAL,
            help="The most that proxies which are fetched will have; 0, or max, is no limit. [default: 12]",
        ),
        c_option(
            *("-K", "--creddesc", "--description", "description"),
            metavar="TEXT",
            section=CREDENTIAL,
            help="What info shall tell of it.",
        ),
    )


def policies_of(given: Mapping[str, Any], *, key_retrievers: str | None = None) -> Policies:
    """What the options ask for. Raises `errors.UsageError` for what contradicts itself."""
    from pyglobus.core.myproxy.credentials import Policies

    if given["any_retrievers"] and given["retrievers"] is not None:
        raise errors.UsageError("-a and -r exclude each other")
    if given["any_renewers"] and given["renewers"] is not None:
        raise errors.UsageError("-A and -R exclude each other")
    found = {name: given[name] for name in _RULES} | {"key_retrievers": key_retrievers}
    whole = False
    for name in click.get_current_context().meta[USED]:
        if name in ("whole_subjects", "common_names"):
            whole = name == "whole_subjects"
        elif found.get(name) is not None and not whole:
            found[name] = f"*/CN={found[name]}"
    if given["any_retrievers"]:
        found["retrievers"] = "*"
    if given["any_renewers"]:
        found["renewers"] = "*"
    return Policies(**found)

# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy: credentials that are kept at a server. One module for each verb, or for two that are alike."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.myproxy.get import get

myproxy = Group(
    "myproxy",
    summary="credentials kept at a MyProxy server",
    help="Store a credential at a MyProxy server once, and fetch proxies of it wherever they are needed.",
)
for verb in (get,):
    myproxy.add_command(verb)

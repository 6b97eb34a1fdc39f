# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy: credentials that are kept at a server. One module for each verb, or for those that are alike."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.myproxy.get import get
from pyglobus.cli.commands.myproxy.kept import destroy, info, passwd
from pyglobus.cli.commands.myproxy.put import put
from pyglobus.cli.commands.myproxy.trustroots import trustroots
from pyglobus.cli.commands.myproxy.whole import retrieve, store

myproxy = Group(
    "myproxy",
    summary="credentials kept at a MyProxy server",
    help="Store a credential at a MyProxy server once, and fetch proxies of it wherever they are needed. The verbs"
    " stand in for myproxy-logon, myproxy-init, myproxy-info, myproxy-change-pass-phrase, myproxy-destroy,"
    " myproxy-store, myproxy-retrieve and myproxy-get-trustroots.",
)
for verb in (get, put, info, passwd, destroy, store, retrieve, trustroots):
    myproxy.add_command(verb)

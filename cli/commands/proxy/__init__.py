# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy: making, showing, judging and removing proxies. One module for each verb."""

from __future__ import annotations

from pyglobus.cli.command import Group
from pyglobus.cli.commands.proxy.destroy import destroy
from pyglobus.cli.commands.proxy.info import info
from pyglobus.cli.commands.proxy.init import init
from pyglobus.cli.commands.proxy.sign import sign
from pyglobus.cli.commands.proxy.verify import verify

proxy = Group(
    "proxy",
    summary="proxy credentials",
    help="Proxies are short-lived credentials that act in your name, so that your own key is needed once a day only."
    " init, info and destroy stand in for grid-proxy-init, grid-proxy-info and grid-proxy-destroy.",
)
for verb in (init, info, verify, sign, destroy):
    proxy.add_command(verb)

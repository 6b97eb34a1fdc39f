# SPDX-License-Identifier: Apache-2.0
"""Who talks to whom, and what of it others can read."""

from __future__ import annotations

import click

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("Security")
same, better, own = SECTION.same, SECTION.better, SECTION.own

same("-nodcau -no-data-channel-authentication --no-data-auth no_data_auth", "Do not authenticate data channels.")
same("-dcsafe -data-channel-safe --data-safe data_safe", "Protect data channels against change.")
same("-dcpriv -data-channel-private --data-private data_private", "Encrypt data channels.")
same("-s -subject --subject", "The name that both servers must have, instead of their hosts' names.", value="DN")
same("-ss -source-subject --source-subject", "The name that the source's server must have.", value="DN")
same("-ds -dest-subject --dest-subject", "The name that the destination's server must have.", value="DN")
own(
    "--delegate",
    "What servers get of your credential: auto is nothing, or a limited proxy where a server cannot do "
    "without; globus-url-copy always hands out a limited one.",
    type=click.Choice(["auto", "none", "limited", "full"]),
    default="auto",
)
same("-cred --credential credential", "The proxy or credential file to use at both ends.", value="FILE")
same("-sc -src-cred --source-credential source_credential", "The credential file to use at the source.", value="FILE")
same("-dc -dst-cred --dest-credential dest_credential", "The credential file to use at the destination.", value="FILE")
better(
    "-data-cred --data-credential data_credential",
    "The credential of the data channels; auto, the default, derives one from yours.",
    remark="auto derives a proxy that both ends know, not a self-signed certificate",
    value="FILE",
)

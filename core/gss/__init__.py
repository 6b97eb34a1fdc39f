# SPDX-License-Identifier: Apache-2.0
"""Security contexts in plain Python: who is at the other end, and messages that only the two can read or make.

    with Context.initiate("host@localhost") as context:
        with Channel.establish(context, sock) as channel:
            channel.send(b"hello")

The mechanism is GSI (RFC 2744 with X.509 and proxy certificates), by the toolkit's libglobus_gssapi_gsi.
"""

from pyglobus.core.gss.channel import Channel
from pyglobus.core.gss.context import Context
from pyglobus.core.gss.credential import Credential
from pyglobus.core.gss.flags import Delegation, Flag
from pyglobus.core.gss.name import Name

__all__ = ["Channel", "Context", "Credential", "Delegation", "Flag", "Name"]

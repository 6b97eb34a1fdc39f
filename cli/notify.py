# SPDX-License-Identifier: Apache-2.0
"""What a server tells the service manager that has started it (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os


def notify(state: str) -> None:
    """Tell it, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    import socket

    where = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), where)

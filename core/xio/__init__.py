# SPDX-License-Identifier: Apache-2.0
"""Sockets on stacks of XIO drivers: GSI-secured connections with the interface of Python's own socket.

with XioSocket("tcp,gsi") as sock:
    sock.connect(("grid.example.org", 2811))
    sock.sendall(b"hello")
"""

from pyglobus.core.xio.options import XioOptions
from pyglobus.core.xio.socket import StackError, XioSocket

__all__ = ["StackError", "XioOptions", "XioSocket"]

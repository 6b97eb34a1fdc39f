# SPDX-License-Identifier: Apache-2.0
"""Addresses of Python's sockets as XIO's contact strings, and back."""

from __future__ import annotations

import os

from pyglobus.core import errors

#: As sockets give them: two parts for IPv4, four for IPv6; text for what is no network address.
Address = tuple[str, int] | tuple[str, int, int, int] | str | None


def contact(address: object) -> str | None:
    """What to hand to XIO: ``host:port``, ``[host]:port`` for IPv6, or a path or URL as it is."""
    if address is None:
        return None
    if isinstance(address, str | os.PathLike):
        return os.fspath(address)
    host, port = pair(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pair(address: object) -> tuple[str, int]:
    """Host and port of a socket's address."""
    if (
        isinstance(address, tuple)
        and len(address) in (2, 4)
        and isinstance(address[0], str)
        and isinstance(address[1], int)
        and 0 <= address[1] < 65536
    ):
        return address[0], address[1]
    raise errors.UsageError("invalid address", why=f"{address!r} is not (host, port)")


def parse(text: str) -> Address:
    """A numeric contact string as sockets show it."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return text
    if host.startswith("["):
        host = host.strip("[]")
        if host.startswith("::ffff:"):
            return host.removeprefix("::ffff:"), int(port)
        return host, int(port), 0, 0
    return host, int(port)

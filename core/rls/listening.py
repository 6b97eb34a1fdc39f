# SPDX-License-Identifier: Apache-2.0
"""The sockets at which a server listens, one for each address of its host, all with the same port."""

from __future__ import annotations

import os
import socket

from pyglobus.core import errors

#: Connections that wait to be taken; as many clients may come at the same moment.
BACKLOG = 1024


def host(bind: str) -> str:
    """The name under which clients reach a server that listens at ``bind``."""
    if bind in ("", "0.0.0.0", "::"):  # noqa: S104 - compared
        return os.environ.get("GLOBUS_HOSTNAME") or socket.getfqdn()
    return bind


def listen(bind: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of ``bind``; port 0 is any, the same for all of them. Raises `errors.CannotCreate`."""
    made: list[socket.socket] = []
    try:
        flags = socket.AI_PASSIVE
        for family, kind, protocol, _, address in socket.getaddrinfo(
            bind or None, port, 0, socket.SOCK_STREAM, 0, flags
        ):
            each = socket.socket(family, kind, protocol)
            made.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                each.bind((address[0], made[0].getsockname()[1] if len(made) > 1 and not port else address[1]))
            except OSError:
                if len(made) == 1:
                    raise
                made.pop().close()  # another family's address is enough
                continue
            each.listen(BACKLOG)
    except OSError as error:
        for each in made:
            each.close()
        where = f"{bind or '*'}:{port}"
        raise errors.CannotCreate("cannot listen", where=where, why=error.strerror, errno=error.errno) from error
    return made

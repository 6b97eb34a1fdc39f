# SPDX-License-Identifier: Apache-2.0
"""From a name to a connection: the addresses of a host, and the first of them that answers, each within its time."""

from __future__ import annotations

import errno
import socket
import threading
from typing import Any

from pyglobus.core import errors, faults

_FAULTS = {
    errno.ECONNREFUSED: "connection-refused",
    errno.ETIMEDOUT: "connection-timed-out",
    errno.ENETUNREACH: "host-unreachable",
    errno.EHOSTUNREACH: "host-unreachable",
    errno.ENETDOWN: "host-unreachable",
    errno.EACCES: "connection-forbidden",
    errno.EPERM: "connection-forbidden",
}

#: What `socket.getaddrinfo` returns for a stream.
Place = tuple[int, Any]


def resolve(host: str, port: int, timeout: float) -> tuple[str, list[Place]]:
    """The canonical name of a host and its addresses. Raises `errors.NotFound`, `errors.TransientError`.

    A look-up that hangs is left behind in its thread, which ends with the process.
    """
    answer: list[Any] = []

    def look() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    thread = threading.Thread(target=look, name="doctor-resolver", daemon=True)
    thread.start()
    thread.join(timeout)
    found = answer[0] if answer else socket.gaierror(socket.EAI_AGAIN, "no answer in time")
    if isinstance(found, BaseException):
        again = isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN
        raise faults.known("name-service" if again else "unknown-host", what="cannot resolve", host=host)
    return found[0][3] or host, [(family, address) for family, _, _, _, address in found]


def connect(places: list[Place], timeout: float) -> socket.socket:
    """A connection to the first address that takes one; each gets ``timeout`` seconds. Raises one of `errors`."""
    failure: errors.Error | None = None
    for family, address in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            number = error.errno or (errno.ETIMEDOUT if isinstance(error, TimeoutError) else 0)
            if number in _FAULTS:
                failure = failure or faults.known(_FAULTS[number], what="cannot connect")
            else:
                failure = failure or faults.explain(error, what="cannot connect", where=f"{address[0]}:{address[1]}")
        else:
            return sock
    assert failure is not None, "a name that is found has an address"
    raise failure

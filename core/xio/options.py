# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a stack of drivers, and how a stack is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyglobus.core import errors
from pyglobus.core.gss.credential import Credential
from pyglobus.core.gss.flags import Delegation
from pyglobus.core.gss.name import Name, is_address
from pyglobus.ffi.xio import AUTHORIZATION, PROTECTION, Attributes, Gsi, Layer, Network

#: Judges who has authenticated (a subject; None: nobody); False ends the connection.
Authorizer = Callable[[str | None], bool]

_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "rw": os.O_RDWR | os.O_CREAT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class XioOptions:
    """Options of a stack; each driver takes those that are its own.

    gsi: ``credential`` (None: what the toolkit finds), ``authorization`` of the peer: "host" (it has the host's name),
    "self" (it has our own), "identity" (it is ``identity``), "none" (any that a trusted authority vouches for) or a
    function of the subject. None means "host" for who connects and "self" for who listens, which never widens by
    accident. ``anonymous`` connects without a name, or lets nameless peers in. ``tls_only`` is for peers that speak TLS
    but not GSI. ``protection``: "private", "integrity" or "none" (only the handshake is secured). ``handshake_timeout``
    bounds, in seconds, how long an accepted peer may take.

    tcp, udp: ``interface`` (an address to bind to), ``ports`` (first and last that may be used), buffers in bytes.

    file: ``mode``, "r", "w", "a" or "rw"; new files get ``permissions``. pipe: two descriptors, to read and to write.
    """

    credential: Credential | None = None
    authorization: str | Authorizer | None = None
    identity: Name | str | None = None
    delegation: Delegation | str = Delegation.NONE
    protection: str = "private"
    limited_peer: bool = True
    anonymous: bool = False
    tls_only: bool = False
    security_buffer: int = 0
    handshake_timeout: float = 30.0
    interface: str | None = None
    ports: tuple[int, int] | None = None
    send_buffer: int = 0
    receive_buffer: int = 0
    nodelay: bool = False
    keepalive: bool = False
    ipv4_only: bool = False
    mode: str = "rw"
    permissions: int = 0o600
    pipe: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything is tried."""
        authorization = self.authorization
        if isinstance(authorization, str) and authorization not in AUTHORIZATION:
            raise _wrong(f"authorization {authorization!r}", f"there are {', '.join(AUTHORIZATION)} and functions")
        if self.protection not in PROTECTION:
            raise _wrong(f"protection {self.protection!r}", f"there are {', '.join(PROTECTION)}")
        if self.delegation not in list(Delegation):
            raise _wrong(f"delegation {self.delegation!r}", f"there are {', '.join(Delegation)}")
        if (authorization == "identity") != (self.identity is not None):
            raise _wrong("identity", "authorization by identity and an identity need each other")
        if self.delegation != Delegation.NONE and (self.anonymous or self.tls_only or authorization == "none"):
            raise _wrong("delegation", "it needs a peer whose name is checked, an own name, and GSI at the other end")
        if self.mode not in _FLAGS:
            raise _wrong(f"mode {self.mode!r}", f"there are {', '.join(_FLAGS)}")
        if self.ports is not None and not 0 < self.ports[0] <= self.ports[1] < 65536:
            raise _wrong(f"ports {self.ports}", "two numbers from 1 to 65535 are meant, in this order")

    def attributes(
        self,
        *,
        listens: bool,
        address: tuple[str | None, int] | None = None,
        backlog: int = -1,
        peer_host: str | None = None,
    ) -> Attributes:
        """The drivers' attributes; ``address`` is what the socket is bound to."""
        host, port = address or (None, -1)
        authorization = self.rule(listens=listens)
        name = Name.of(self.identity) if self.identity is not None else None
        if callable(authorization):
            # The peer is judged before a byte is handed out. Who delegates must name the peer before, so the host's
            # name is checked as well then.
            authorization = "host" if self.delegation != Delegation.NONE and not listens else "none"
        if authorization == "host" and peer_host is not None and is_address(peer_host):
            # The driver compares names alone; with the address as such, one in the certificate counts too.
            authorization, name = "identity", Name.of(peer_host)
        return Attributes(
            network=Network(
                interface=host or self.interface, port=port, backlog=backlog, ports=self.ports,
                send_buffer=self.send_buffer, receive_buffer=self.receive_buffer, nodelay=self.nodelay,
                keepalive=self.keepalive, ipv4_only=self.ipv4_only,
            ),
            gsi=Gsi(
                protection=self.protection, delegation=str(self.delegation), authorization=authorization,
                limited_peer=self.limited_peer, anonymous=self.anonymous and not listens, tls_only=self.tls_only,
                buffer=self.security_buffer, credential=self.credential.native if self.credential else None,
                target=name.native if name is not None else None,
            ),
            file_flags=_FLAGS[self.mode], file_mode=self.permissions, pipe=self.pipe,
            kept=(name, self.credential),
        )  # fmt: skip

    def rule(self, *, listens: bool) -> str | Authorizer:
        """How the peer is authorized."""
        if self.authorization is None:
            return "none" if self.anonymous and listens else "self" if listens else "host"
        if listens and self.authorization == "host":
            raise _wrong("authorization 'host'", "who listens does not know which host will connect")
        return self.authorization


def layers(stack: str | Sequence[str]) -> tuple[Layer, ...]:
    """A stack as GridFTP's ``-dcstack`` writes it: ``tcp,gsi``, each with options of its own: ``tcp:nodelay=1``."""
    made = []
    for part in stack.split(",") if isinstance(stack, str) else stack:
        name, _, options = part.strip().partition(":")
        if not name.replace("_", "").isalnum():
            raise _wrong(f"stack {stack!r}", "names of drivers are meant, the transport first, as in tcp,gsi")
        made.append(Layer(driver=name, options=options))
    return tuple(made)


def _wrong(what: str, why: str) -> errors.UsageError:
    return errors.UsageError(f"invalid {what}", why=why)

# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a server, and what it tells of each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from pyglobus.core import errors
from pyglobus.core.gass.policy import Operation
from pyglobus.core.gass.sink import Sink

#: XIO cannot count descriptors beyond a thousand, and a request has up to three of them.
MOST_CONNECTIONS = 300

Outcome: TypeAlias = Literal["done", "denied", "redirected", "failed", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``secure``: https with GSI, else http without any identity. ``address``: host ("" is any) and port (0 is any) to
    listen at; ``ports``: first and last to choose from. ``host``: the name in the server's URL; None: this machine's.

    ``read`` and ``write`` open the files of the server's place; ``sinks`` are paths whose puts and appends go
    elsewhere; ``shutdown``: a client may end the server.

    ``most_bytes`` is the limit of one put or append, ``quota`` that of all files below the root. ``connections`` are
    served at once, or fewer if the limit of open files is too low (`Server.room`): then the one that has been silent
    longest since it was opened is told that there is no room (503), and makes it for the next; and if none is silent,
    the next is told to come later (503). ``head_seconds`` may pass until a request is there, ``idle_seconds`` without a
    byte moving.
    """

    secure: bool = True
    address: tuple[str, int] = ("", 0)
    ports: tuple[int, int] | None = None
    host: str | None = None
    read: bool = True
    write: bool = False
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    shutdown: bool = False
    most_bytes: int | None = None
    quota: int | None = None
    connections: int = 128
    head_seconds: float = 30.0
    idle_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not 0 < self.connections <= MOST_CONNECTIONS:
            why = f"a server can have from 1 to {MOST_CONNECTIONS}"
            raise errors.UsageError("invalid number of connections", where=str(self.connections), why=why)


class Access(NamedTuple):
    """One request, at its end.

    ``time``: when it was read, in seconds since the epoch; ``seconds``: how long it took from then. ``bytes``: of
    files, that have come or gone. ``status`` is what the client was answered (0: nothing), ``reason`` why it was not
    allowed or did not succeed. ``path`` is None where the request could not be read.
    """

    time: float
    identity: str | None
    host: str
    operation: Operation | None
    path: str | None
    bytes: int
    seconds: float
    status: int
    outcome: Outcome
    reason: str = ""


class Visitor(NamedTuple):
    """One connection that is open, for a live view. ``operation`` is None before its request is there."""

    host: str
    identity: str | None
    operation: Operation | None
    path: str | None
    bytes: int
    size: int | None
    seconds: float

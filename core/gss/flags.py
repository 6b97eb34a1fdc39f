# SPDX-License-Identifier: Apache-2.0
"""What a security context is asked for, and what it gives: RFC 2744's flags and those of the grid (GFD.24)."""

from __future__ import annotations

import enum

from pyglobus.ffi import lib


class Flag(enum.Flag):
    """What a context gives."""

    MUTUAL = enum.auto()
    """The acceptor has proved who it is."""
    CONFIDENTIALITY = enum.auto()
    INTEGRITY = enum.auto()
    REPLAY = enum.auto()
    """A message that comes twice is found out."""
    SEQUENCE = enum.auto()
    """So is one that is missing or out of order."""
    ANONYMOUS = enum.auto()
    """The initiator has not said who it is."""
    DELEGATION = enum.auto()
    """The acceptor has got a credential of the initiator."""
    LIMITED_DELEGATION = enum.auto()
    """The credential delegated is a limited proxy."""
    PEER_LIMITED = enum.auto()
    """The peer has authenticated with a limited proxy."""


class Delegation(enum.StrEnum):
    """What an initiator hands over: nothing, a limited proxy, or one that can do all."""

    NONE = "none"
    LIMITED = "limited"
    FULL = "full"


PROTECTED = Flag.MUTUAL | Flag.CONFIDENTIALITY | Flag.INTEGRITY

#: What is always asked for, in C.
BASE = (
    lib.GSS_C_MUTUAL_FLAG | lib.GSS_C_CONF_FLAG | lib.GSS_C_INTEG_FLAG | lib.GSS_C_REPLAY_FLAG | lib.GSS_C_SEQUENCE_FLAG
)
#: What C tells as it is.
GRANTED = (
    (Flag.MUTUAL, lib.GSS_C_MUTUAL_FLAG),
    (Flag.CONFIDENTIALITY, lib.GSS_C_CONF_FLAG),
    (Flag.INTEGRITY, lib.GSS_C_INTEG_FLAG),
    (Flag.REPLAY, lib.GSS_C_REPLAY_FLAG),
    (Flag.SEQUENCE, lib.GSS_C_SEQUENCE_FLAG),
    (Flag.PEER_LIMITED, lib.GSS_C_GLOBUS_RECEIVED_LIMITED_PROXY_FLAG),
)


def common(tls_only: bool, limited_peer: bool) -> int:
    """The C flags of both sides for what a peer may be and speak."""
    limits = (
        lib.GSS_C_GLOBUS_ACCEPT_PROXY_SIGNED_BY_LIMITED_PROXY_FLAG
        if limited_peer
        else lib.GSS_C_GLOBUS_DONT_ACCEPT_LIMITED_PROXY_FLAG
    )
    return int(limits | (lib.GSS_C_GLOBUS_SSL_COMPATIBLE if tls_only else 0))


def words(flags: Flag) -> str:
    """Flags for people."""
    return ", ".join((flag.name or "").lower().replace("_", " ") for flag in flags)

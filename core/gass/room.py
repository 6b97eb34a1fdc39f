# SPDX-License-Identifier: Apache-2.0
"""How many connections this process has room for, by its limit of open files.

XIO cannot count descriptors beyond a thousand, so the engine sets the limit to that, or to the hard limit where it is
lower. A connection has one descriptor for itself and up to two for files; one that is only told that there is no room
has two. Without such a count, clients would wait unheard before a server that cannot accept.
"""

from __future__ import annotations

import os
import resource
from typing import NamedTuple

from pyglobus.core import errors

# Descriptors for what is open only for a moment: a credential that is read, the log that is made anew.
_OWN = 16
_SERVED = 3
_TOLD = 2
#: Connections beyond those that are served, which are told to come later.
MOST_TOLD = 32


class Room(NamedTuple):
    """Connections that are served at once, and those beyond that are told so. ``limit``: of open files."""

    served: int
    told: int
    limit: int


def room(wanted: int) -> Room:
    """Room for so many connections at most, once all else is open. Raises `errors.CannotCreate` if there is none."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    free = limit - len(os.listdir("/proc/self/fd")) - _OWN
    told = max(1, min(MOST_TOLD, free // 16))
    served = min(wanted, (free - told * _TOLD) // _SERVED)
    if served < 1:
        why, hint = f"the limit of {limit} open files leaves no room for a connection", "raise it: ulimit -n 1000"
        raise errors.CannotCreate("cannot listen", why=why, hint=hint)
    return Room(served, told, limit)

# SPDX-License-Identifier: Apache-2.0
"""The methods that are about a server itself, not about what it holds: its statistics and configuration, and what an
administrator tells it to do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls.configuration import RUNNING
from pyglobus.core.rls.requests import DONE, listed, record
from pyglobus.core.rls.results import Refusal, Result
from pyglobus.core.rls.store import number
from pyglobus.core.version import __version__

if TYPE_CHECKING:
    from pyglobus.core.rls.server import Server

# Statistics: what a server is (the wire's flags).
_IS_LRC, _IS_RLI, _TAKES_NAMES, _TAKES_FILTERS, _SENDS_NAMES, _SENDS_FILTERS, _READY = (1 << bit for bit in range(7))
#: What ``admin`` tells it to do.
_PING, _QUIT, _UPDATE = range(3)


def control(server: Server, method: str, strings: Sequence[bytes]) -> bytes:
    """The reply to a method about the server. Raises `Refusal`."""
    given = [value.decode("utf-8", "replace") for value in strings]
    if method == "admin":
        return _administer(server, number(given[0]))
    try:
        if method == "get_configuration":
            return listed(server.configuration.listed(given[0]))
        name, value = given
        changed = server.configuration.changed(name, value)
        if name not in RUNNING and name not in changed.idle:
            raise Refusal(Result.UNSUPPORTED, f"{name} cannot be set while the server runs")
    except KeyError:
        raise Refusal(Result.BADARG, given[0]) from None
    except errors.ConfigurationError as error:
        raise Refusal(Result.BADARG, f"{error.what}: {error.why}") from None
    server.apply({each: getattr(changed, each) for each in RUNNING})
    return DONE


def _administer(server: Server, command: int) -> bytes:
    if command == _QUIT:
        server.end(after=0.05)
    elif command == _UPDATE:
        for each in server.updaters:
            each.update_all()
    elif command != _PING:
        raise Refusal(Result.BADARG, str(command))
    return DONE


def sizes(server: Server) -> dict[str, float]:
    """How much there is, by names for metrics; it counts, which takes a while. Raises `database.FAULTS`."""
    found: dict[str, float] = {}
    if server.lrc is not None:
        found |= zip(("lrc_lfns", "lrc_pfns", "lrc_mappings"), server.lrc.reader().catalogue.counts(), strict=True)
    if server.rli is not None:
        found |= zip(("rli_lfns", "rli_lrcs", "rli_mappings"), server.rli.reader().index.counts(), strict=True)
    return found


def statistics(server: Server) -> bytes:
    """The reply to ``stats``; it counts, which takes a while."""
    lrc, rli = server.lrc, server.rli
    names = lrc.reader().catalogue.counts() if lrc else (0, 0, 0)
    known = rli.reader().index.counts() if rli else (0, 0, 0)
    flags = _READY | (_IS_LRC | _SENDS_NAMES | _SENDS_FILTERS if lrc else 0)
    if rli:
        flags |= _IS_RLI | _TAKES_FILTERS | (0 if server.configuration.rli_bloomfilter else _TAKES_NAMES)
    uptime = int(time.monotonic() - server.began)
    intervals = map(server.configuration.interval, (True, False))
    return record(__version__, uptime, flags, *intervals, *names, known[0], known[1], known[1], known[2])

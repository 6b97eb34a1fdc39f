# SPDX-License-Identifier: Apache-2.0
"""After a fault of a transfer: whether to try again, when, what may stay of what was begun, and how to go on with that.

Only an attempt that moved nothing is repeated in another way at once; transient faults are waited out as `Retry` says.
A transfer that ends in failure takes away what it has put at the destination, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from pyglobus.core import errors
from pyglobus.core.ends import Ends
from pyglobus.core.options import Options, Retry
from pyglobus.core.partial import Partial
from pyglobus.core.remote import Remote
from pyglobus.core.route import Route
from pyglobus.core.session import TICK, Session
from pyglobus.core.transfer import Retrying
from pyglobus.core.url import Url

# Seconds that removing a cancelled upload may take: a far server needs its round trips, a dead one keeps us waiting.
_CLEAN_UP_LIMIT = 1.0
_LONGEST_PAUSE = 120.0
# Faults after which what has arrived is not worth keeping.
_SPOILT = ("short-file", "long-file", "checksum-mismatch", "source-changed")


def fall_back(route: Route, ends: Ends, options: Options, session: Session, error: errors.Error) -> bool:
    """Whether to try again at once with what a server may need: delegation for its data channels, or stream mode."""
    if route.bytes() or not ends.remotes:
        return False
    if not yields(options, session, error, *(remote.url for remote in ends.remotes)):
        return False
    for remote in ends.remotes:
        remote.forget(session.handle())
    return True


def yields(options: Options, session: Session, error: errors.Error, *urls: Url) -> bool:
    """Whether what failed before any byte may go in another way, which the session takes from now on."""
    if options.delegate == "auto" and session.fall_back(error, *urls):
        return True
    plain = options.reuse_data and not options.parallel and error.ftp_code in (500, 501, 502, 504)
    return plain and isinstance(error, errors.Unsupported) and session.stream(*urls)


def pause_after(error: errors.Error, retry: Retry | None, attempts: int, elapsed: float) -> float | None:
    """Seconds to wait for the next attempt after so many ``attempts`` in ``elapsed`` seconds; None to give up."""
    if (
        retry is None
        or not isinstance(error, errors.TransientError)
        or (retry.times and attempts > retry.times)
        or (retry.window and elapsed > retry.window)
    ):
        return None
    return retry.interval or pause(attempts)


class Insistence:
    """Tries again what is done beside the bytes of a file, as often as ``retry`` says; ``told`` hears of each time."""

    def __init__(self, session: Session, retry: Retry | None, told: Callable[[Retrying], None] | None) -> None:
        self._session = session
        self._retry = retry
        self._told = told
        self._attempts = 0
        self._started = time.monotonic()

    def pause(self, error: errors.Error) -> None:
        """Return when it is time for another attempt; raises ``error`` if there is to be none."""
        self._attempts += 1
        delay = pause_after(error, self._retry, self._attempts, time.monotonic() - self._started)
        if delay is None:
            raise error
        if self._told is not None:
            self._told(Retrying(error, self._attempts, delay))
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0:
            self._session.check()
            time.sleep(min(left, TICK))


def pause(attempt: int) -> float:
    """Exponential back-off with jitter, so that many clients of one server do not come back at once."""
    import random

    return min(_LONGEST_PAUSE, float(2 ** (attempt - 1))) * random.uniform(0.75, 1.25)  # noqa: S311  no secret


def stalled(source: Url, destination: Url, seconds: float) -> errors.TransientError:
    """The error for a transfer that stands still."""
    return errors.TransientError(
        "transfer stalled", where=f"{source} -> {destination}", why=f"no byte moved for {seconds:g} s", fault="stalled",
        hint="a firewall may block data channels (GLOBUS_TCP_PORT_RANGE); -rst tries again, -st sets the limit",
    )  # fmt: skip


def resume(route: Route, ends: Ends, partial: Partial) -> int:
    """Let the route go on with what an earlier run has left; how many bytes that are."""
    file, remote, ranges = ends.destination_file, ends.destination_remote, partial.ranges
    if ranges is not None and file is not None and ranges and not file.holds(ranges[-1][1]):
        ranges = None
    if ranges is not None and remote is not None:
        facts = remote.stat()
        if facts is None or (ranges and (facts.size or 0) < ranges[-1][1]):
            ranges = None
    if ranges is not None and route.resume(ranges):
        return route.base
    if file is not None and file.seekable:
        file.rewind()
    partial.note([])
    return 0


def clean(
    route: Route, ends: Ends, options: Options, session: Session, partial: Partial | None, error: BaseException
) -> None:
    """Remove what lies at the remote destination, if it is what we have put there; with a ``partial``, keep what is
    verified.
    """
    for remote in ends.remotes:  # its cached connection may be in the middle of something
        remote.forget(session.handle())
    spoilt = isinstance(error, errors.Error) and error.fault in _SPOILT
    if partial is not None and not spoilt:
        partial.note(route.verified())
    elif ends.destination_remote is not None:
        with suppress(errors.Error):
            _remove(ends.destination_remote, ends, options, session, route.begun(), error)
    if partial is not None and spoilt:
        partial.note([])
        if ends.destination_file is not None:
            ends.destination_file.discard()


def _remove(remote: Remote, ends: Ends, options: Options, session: Session, begun: bool, error: BaseException) -> None:
    hurry = not isinstance(error, errors.Error) or isinstance(error, errors.Cancelled | errors.DeadlineExceeded)
    with session.again() as remaining:
        remaining.until(_CLEAN_UP_LIMIT if hurry else options.connect_timeout)
        place = Remote(remaining, remote.url, options.destination, options, "destination")
        facts = place.stat()
        if facts is None or facts.kind != "file":
            return
        if ends.place is not None or (ends.looked and ends.before is None):
            place.delete()
        elif not options.partial and (facts != ends.before if ends.looked else begun):
            place.delete()  # the old file is gone anyway

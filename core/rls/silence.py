# SPDX-License-Identifier: Apache-2.0
"""How long each catalogue of an index has been silent.

No clock that people set decides that: moved ahead, it would make an index forget everybody at once. Silence is
measured with the machine's steady clock, while a server of the index runs, and what has been measured is kept in the
database, so that a restart does not begin anew. How often a catalogue has been heard tells whether it has spoken since,
whichever of several servers on a database it has spoken to.
"""

from __future__ import annotations


class Silence:
    """What one server has seen of each catalogue. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}  # by number: how often it had been heard, and when it fell silent

    def heard(self, identity: int, count: int, now: float) -> None:
        """A catalogue has been heard just now, for the ``count``-th time."""
        self._seen[identity] = count, now

    def length(self, identity: int, count: int, kept: int, now: float) -> int:
        """Seconds for which it has been silent, ``kept`` of which the database knows."""
        seen, since = self._seen.get(identity, (-1, 0.0))
        if seen != count:
            since = now - kept
            self._seen[identity] = count, since
        return int(now - since)

    def keep(self, identities: set[int]) -> None:
        """Forget all others."""
        self._seen = {identity: seen for identity, seen in self._seen.items() if identity in identities}

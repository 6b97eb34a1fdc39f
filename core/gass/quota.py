# SPDX-License-Identifier: Apache-2.0
"""The bytes that all files of a server may have together.

They are counted once, at the start, and then with each put and append. A put that would go beyond does not appear; of
appends that run side by side the last may go beyond, by what they had in flight.
"""

from __future__ import annotations

import errno
import os
import threading


class Quota:
    """A number of bytes that is used up, and given back."""

    def __init__(self, limit: int, used: int) -> None:
        self.limit = limit
        self._used = used
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Bytes that may still come."""
        return max(0, self.limit - self._used)

    def take(self, count: int) -> None:
        """Use so many, or with a negative count give them back. Raises OSError (EDQUOT) if there are not so many."""
        with self._lock:
            if count > 0 and self._used + count > self.limit:
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
            self._used += count

    def count(self, count: int) -> None:
        """Use so many that are there already."""
        with self._lock:
            self._used += count

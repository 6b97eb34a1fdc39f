# SPDX-License-Identifier: Apache-2.0
"""A byte counter that lives in C while an operation runs and keeps its last value afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Meter:
    """Read by any thread at any time; the engine's thread attaches the C counter and settles it before it is freed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: Callable[[], int] | None = None
        self._last = 0

    def attach(self, read: Callable[[], int]) -> None:
        """From now on ``read`` tells the bytes moved."""
        with self._lock:
            self._read = read

    def settle(self) -> None:
        """Keep the last value: the counter is about to go."""
        with self._lock:
            if self._read is not None:
                self._last, self._read = self._read(), None

    def bytes(self) -> int:
        """Bytes moved so far."""
        with self._lock:
            if self._read is not None:
                self._last = self._read()
            return self._last

# SPDX-License-Identifier: Apache-2.0
"""A byte counter that lives in C while an operation runs and keeps its last value afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Meter:
    """Read by any thread at any time; the engine's thread attaches the C counter and settles it before it is freed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may ask too
        self._read: Callable[[], int] | None = None
        self._last = 0

    def attach(self, read: Callable[[], int]) -> None:
        """From now on ``read`` tells the bytes moved."""
        with self._lock:
            self._read = read

    def settle(self, read: Callable[[], int]) -> None:
        """Keep the last value of this counter, which is about to go, unless another was attached since."""
        with self._lock:
            if self._read == read:
                self._last, self._read = read(), None

    def bytes(self) -> int:
        """Bytes moved so far."""
        with self._lock:
            if self._read is not None:
                self._last = self._read()
            return self._last

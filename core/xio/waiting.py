# SPDX-License-Identifier: Apache-2.0
"""Waiting for one's turn that obeys a socket's time-out."""

from __future__ import annotations

import errno
import os
import threading


class held:
    """Hold a lock; waiting for it obeys the time-out too."""

    def __init__(self, lock: threading.Lock, timeout: float | None) -> None:
        self._lock = lock
        self._timeout = timeout

    def __enter__(self) -> None:
        timeout = self._timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            if timeout == 0:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            raise TimeoutError("timed out")

    def __exit__(self, *_: object) -> None:
        self._lock.release()

# SPDX-License-Identifier: Apache-2.0
"""Waiting that obeys a socket's time-out: for an operation, and for one's turn."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from concurrent.futures import Future
from typing import Any


def wait_for(operation: Future[Any], seconds: float | None) -> None:
    """Wait for the end of an operation, whatever it is, or until the time is over."""
    with contextlib.suppress(TimeoutError):
        operation.exception(seconds)


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

# SPDX-License-Identifier: Apache-2.0
"""Waiting for what nobody announces, such as a file that grows, or a line in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from tests.pace import PACE

#: Seconds: what has not happened by then will not happen.
LIMIT = 30.0 * PACE


def wait_until(
    condition: Callable[[], bool], *, unless: Callable[[], bool] = lambda: False, limit: float = LIMIT
) -> bool:
    """Whether the condition has come true, or ``unless`` has before it; fails after ``limit`` seconds. A file that the
    condition looks at need not be there yet.
    """
    deadline = time.monotonic() + limit
    while True:
        with suppress(FileNotFoundError):
            if condition():
                return True
        if unless():
            return False
        assert time.monotonic() < deadline, f"nothing has come of it in {limit:g} s"
        time.sleep(0.002)

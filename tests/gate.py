# SPDX-License-Identifier: Apache-2.0
"""A relay before a server that lets nothing through while it is shut, and tells how many have come to it."""

from __future__ import annotations

import select
import socket
import threading
import time

from benchmarks.distance import Distance

# Seconds: who waits longer hangs.
_LIMIT = 60.0


class Gate(Distance):
    """Listens on ``port`` as long as the ``with`` block lasts; ``open`` is set unless it is shut."""

    def __init__(self, port: int) -> None:
        super().__init__(port, 0)
        self.open = threading.Event()
        self.open.set()
        self.connections = 0

    def _accept(self) -> None:
        super()._accept()
        self.connections += 1

    def _deliver(self, end: socket.socket, data: bytes) -> None:
        until = time.monotonic() + _LIMIT
        while not self.open.wait(0.01) and time.monotonic() < until:
            if select.select([self._listener], [], [], 0)[0]:
                self._accept()
        super()._deliver(end, data)

# SPDX-License-Identifier: Apache-2.0
"""What a connection needs, looked at one thing after the other, and what a file or a server's certificate is.

`examine` walks from this machine to the far end and yields a `Check` for each thing as soon as it is known. A fault is
one of the table in `pyglobus.core.faults`, with the words and the advice that every other command has for it. Each step
on the network has a deadline. Nothing is changed, nothing is written, and no secret is in any text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.x509.check import Check

#: Seconds that a step on the network may take.
TIMEOUT = 10.0


def examine(url: str | None = None, *, timeout: float = TIMEOUT) -> Iterator[Check]:
    """Look at this machine, the trusted directory and the user's credential; with ``url`` at the server too.

    ``url`` is a gsiftp, ftp, https or http URL, or ``host:port``. Raises `errors.UsageError` if it is none of these;
    all else is a check that failed.
    """
    from pyglobus.core.doctor import machine, own, trusted
    from pyglobus.core.doctor.server import Target

    target = Target.parse(url) if url is not None else None
    yield from machine.checks()
    yield from trusted.checks()
    yield from own.checks()
    if target is not None:
        from pyglobus.core.doctor import server

        yield from server.checks(target, timeout)

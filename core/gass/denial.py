# SPDX-License-Identifier: Apache-2.0
"""What a server says that does not serve: its code and reason, as the exception that fits them."""

from __future__ import annotations

from typing import Any

from pyglobus.core import errors


class Denial(errors.Error):
    """A server has answered with something else than success. ``code`` is its status (RFC 9110), ``reason`` its
    words. Each is also one of `errors`: 404 is a FileNotFoundError, 403 a PermissionError, and so on.
    """

    def __init__(self, code: int, reason: str, **more: Any) -> None:
        super().__init__("the server has refused", why=f"{code} {reason}", **more)
        self.code = code
        self.reason = reason


class Missing(Denial, errors.NotFound):
    """There is nothing under this URL."""


class Forbidden(Denial, errors.AccessDenied):
    """This identity may not do that, or nobody may."""


class NoRoom(Denial, errors.CannotCreate):
    """It is too large, or the disk or the quota is full."""


class Busy(Denial, errors.TransientError):
    """It may work later."""


class Refused(Denial, errors.Unsupported):
    """The server does not do that."""


_KINDS: dict[int, type[Denial]] = {
    401: Forbidden, 403: Forbidden, 404: Missing, 408: Busy, 410: Missing, 413: NoRoom, 429: Busy, 500: Busy,
    502: Busy, 503: Busy, 504: Busy, 507: NoRoom,
}  # fmt: skip


def of(code: int, reason: str, *, where: str) -> Denial:
    """The exception for an answer."""
    kind = _KINDS.get(code, Refused)
    made: Denial = kind(code, reason, where=where)
    return made

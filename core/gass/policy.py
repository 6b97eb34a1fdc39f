# SPDX-License-Identifier: Apache-2.0
"""Who may do what: a request as a policy sees it, and what a policy can answer.

A policy is a function of a `Request`. It runs in the thread of its own request, so it may take its time; several run
side by side. One that raises denies with 500, and the request is told nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Operation: TypeAlias = Literal["get", "put", "append", "shutdown"]


class Request(NamedTuple):
    """What is asked. ``identity``: the authenticated subject in slash notation; None for nobody, as on http always.

    ``path`` is what will be looked up, without ``.``, ``..`` and empty parts, and with ``~`` expanded: an absolute
    path, which begins at the server's root where it has one. ``size`` is what a put announces in bytes, None where it
    does not; ``host`` the address it comes from.
    """

    operation: Operation
    path: str
    identity: str | None
    size: int | None
    host: str


class Allow(NamedTuple):
    """Go on. ``limit``: bytes that a put or append may have; None for what the server allows."""

    limit: int | None = None


class Deny(NamedTuple):
    """Refuse, with a status from 400 to 599 and a reason, which the client shows."""

    code: int = 403
    reason: str = "not allowed"


class Redirect(NamedTuple):
    """Send the client to another URL. GASS clients follow that for get; few do for put."""

    url: str


Answer: TypeAlias = Allow | Deny | Redirect
Policy: TypeAlias = Callable[[Request], Answer]


def only(*identities: str | None) -> Policy:
    """Everything for these identities, nothing for others; None stands for clients without a name."""
    allowed = frozenset(identities)

    def judge(request: Request) -> Answer:
        if request.identity in allowed:
            return Allow()
        return Deny(403, f"{request.identity or 'a client without a name'} is not allowed")

    return judge

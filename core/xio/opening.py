# SPDX-License-Identifier: Apache-2.0
"""A connection on its way: the handshakes of its drivers, which go on by themselves, and then the peer is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.xio.calls import AT_ONCE, Calls
from pyglobus.core.xio.options import XioOptions
from pyglobus.core.xio.traffic import Direct, Through
from pyglobus.ffi.xio import Stack, XioHandle

# Drivers in which a write that is cut short leaves the stream as it was.
_WHOLE = frozenset(("tcp", "udp", "file", "pipe"))


class Opened(NamedTuple):
    """What has come of it: how bytes move, who the peer is, and the credential that it has delegated."""

    traffic: Through | Direct
    peer: str | None
    delegated: bytes | None


class Opening:
    """It begins with construction; ``names`` are those of the drivers, and the stack is closed at its end."""

    def __init__(
        self, calls: Calls, handle: XioHandle, target: str | None, stack: Stack, names: Sequence[str],
        options: XioOptions, *, listens: bool,
    ) -> None:  # fmt: skip
        self._calls = calls
        self._handle = handle
        self._names = tuple(names)
        self._options = options
        self._listens = listens
        self._operation = handle.open(target, stack)
        self._operation.add_done_callback(lambda _done: stack.close())

    def done(self) -> bool:
        """Whether its handshakes are over."""
        return self._operation.done()

    def almost(self) -> bool:
        """Whether they are, if "at once" is given them."""
        self._operation.wait(AT_ONCE)
        return self.done()

    def cancel(self) -> None:
        """End it."""
        self._operation.cancel()

    def finish(self, timeout: float | None) -> Opened:
        """Wait for its end, and judge the peer: no byte is handed out before. What it raises is its end as well."""
        self._calls.wait(self._operation, timeout, what="cannot connect")
        peer, delegated = self._judged() if "gsi" in self._names else (None, None)
        return Opened(self._traffic(), peer, delegated)

    def _traffic(self) -> Through | Direct:
        if self._names == ("tcp",):
            return Direct(self._calls.submit(self._handle.descriptor, what="cannot connect"), self._calls.late)
        whole = _WHOLE.issuperset(self._names)
        return Through(self._handle, self._calls.late, self._calls.where, whole=whole)

    def _judged(self) -> tuple[str | None, bytes | None]:
        peer, delegated = self._calls.submit(self._handle.peer, what="cannot tell who the peer is")
        rule = self._options.rule(listens=self._listens)
        if peer is None and not self._options.anonymous:
            why = "it does not say who it is"
        elif callable(rule) and not rule(peer):
            why = "its name is refused"
        else:
            return peer, delegated
        raise errors.CredentialError(
            "cannot accept the peer", where=peer or self._calls.where, why=why, fault="peer-refused"
        )

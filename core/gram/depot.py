# SPDX-License-Identifier: Apache-2.0
"""The server of whoever has submitted jobs: it takes their output, lets them read and write the files that were named,
and admits nobody but the user's own identity.

A job manager sends output at the end of a job; `pyglobus.core.gram.outlet` tells what becomes of copies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from pyglobus.core.gass.policy import Allow, Answer, Deny, Request, only
from pyglobus.core.gass.server import Server
from pyglobus.core.gass.sink import Sink
from pyglobus.core.gram.outlet import Outlet
from pyglobus.core.gss.credential import Credential

#: At the end, output that is still on its way gets this long, in seconds.
DRAIN = 5.0


class Depot:
    """The server, from the beginning of a ``with`` block to its end.

    ``reads`` and ``writes`` are paths that jobs may read and write; None stands for all that the user may. What is sent
    to ``/dev/stdout`` and ``/dev/stderr`` goes to ``stdout`` and ``stderr``.
    """

    def __init__(
        self,
        *,
        reads: Collection[str] | None = (),
        writes: Collection[str] | None = (),
        stdout: Sink | None = None,
        stderr: Sink | None = None,
    ) -> None:
        self._reads = None if reads is None else set(reads)
        self._writes = None if writes is None else set(writes)
        plain = {"/dev/stdout": stdout, "/dev/stderr": stderr}
        self._sinks = {path: sink for path, sink in plain.items() if sink is not None}
        self._server: Server | None = None
        self._judge: Callable[[Request], Answer] = only()

    def admit(self, outlet: Outlet) -> None:
        """Take the output of one more job. Before the block."""
        self._sinks |= outlet.sinks

    @property
    def url(self) -> str:
        """``https://host:port``, in the block."""
        assert self._server is not None
        return self._server.url

    def drain(self) -> None:
        """Let what is on its way arrive; from then on, nothing is taken any more."""
        if self._server is not None:
            self._server.drain(DRAIN)

    def __enter__(self) -> Depot:
        self._judge = only(Credential.default(accept=True).identity)
        self._server = Server(self._policy, sinks=self._sinks, read=True, write=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._server is not None:
            self._server.close()

    def _policy(self, request: Request) -> Answer:
        judged = self._judge(request)
        if not isinstance(judged, Allow) or request.path in self._sinks:
            return judged
        allowed = self._reads if request.operation == "get" else self._writes
        return judged if allowed is None or request.path in allowed else Deny(403, "the job was not given this file")

# SPDX-License-Identifier: Apache-2.0
"""Whether the credential lives as long as the job: asked before it begins, and estimated while it runs.

At first the size is measured against a fast network, later what is left against the rate.

A proxy that ends in the middle lets what is under way go on, but nobody can log in any more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyglobus.cli.units import format_duration
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.cli.output import Output
    from pyglobus.core.options import Options

# Seconds until the rate tells anything; and a life that is short for any job.
_SETTLED = 5.0
_SHORT = 300.0
# Bytes a second of a fast network (10 Gbit/s). What it does in a minute is worth no look at a credential.
_FASTEST = 1.25e9
_MINUTE = 60.0


class Lifetime:
    """The life of the credentials of one job, if it needs any: ``secure`` tells."""

    def __init__(self, output: Output, options: Options, *, secure: bool) -> None:
        self._output = output
        paths = {options.source.credential, options.destination.credential}
        self._paths = sorted(paths, key=str) if secure else []
        self._warned = False
        # When the first of them ends, on the clock of `time.monotonic`, as far as was looked.
        self._end = 0.0

    def require(self, seconds: float) -> None:
        """Raise `errors.CredentialError` unless there are so many seconds left."""
        from pyglobus.core.credential import inspect

        for path in self._paths:
            credential = inspect(path)
            if credential.remaining < seconds:
                raise errors.CredentialError(
                    "the credential ends too soon",
                    where=credential.path,
                    why=f"{format_duration(max(0, credential.remaining))} are left of {format_duration(seconds)} that "
                    "are asked for (--require-lifetime)",
                    hint="proxy-init makes a new one",
                    fault="credential-too-short",
                )

    def begin(self) -> None:
        """Warn of a life that is short for any job."""
        self._compare(_SHORT, "the credential ends in {left}")

    def update(self, done: int, total: int | None, seconds: float) -> None:
        """Warn once if the rest takes longer than the credential lives: at this rate, or, until that tells anything,
        on a fast network. ``total`` may still grow.
        """
        if self._warned or not self._paths or total is None:
            return
        if seconds >= _SETTLED and done > 0:
            rest, how = (total - done) * seconds / done, "at this rate"
        else:
            rest, how = (total - done) / _FASTEST, "or more, even at 10 Gbit/s"
        if rest > _MINUTE and time.monotonic() + rest > self._end:
            self._compare(rest, f"the credential ends in {{left}}, and the rest takes {format_duration(rest)} {how}")

    def _compare(self, needed: float, text: str) -> None:
        from pyglobus.core.credential import inspect

        self._end = float("inf")
        for path in self._paths:
            try:
                left = inspect(path).remaining
            except errors.Error:
                return  # the login says it better
            self._end = min(self._end, time.monotonic() + left)
            if left < needed and not self._warned:
                self._warned = True
                said = text.format(left=format_duration(max(0, left)))
                self._output.event("warning", {"why": said, "where": path, "fault": "credential-too-short"}, "")
                self._output.warning(f"{self._output.command}: warning: {said}\nhint: proxy-init makes a new one")

# SPDX-License-Identifier: Apache-2.0
"""rls-query locate --copy: the best replica that can be had is copied, as pyglobus-url-copy does it, and the copy is
registered if that is wished.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pyglobus.cli import copying, signals
from pyglobus.cli.commands.rls.language import Row
from pyglobus.cli.lifetime import Lifetime
from pyglobus.cli.progress import Progress
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.cli.output import Output
    from pyglobus.core.rls import Client
    from pyglobus.core.rls.locate import Replica
    from pyglobus.core.transfer import Result
    from pyglobus.core.url import Url

_SECURE = ("gsiftp", "https")


class Fetch(NamedTuple):
    """Where replicas are copied to; ``register``: whether the copies are registered, and ``at`` which catalogue (None:
    the one that named the first replica). ``stats`` is the interval of lines of progress.
    """

    destination: str
    register: bool
    at: str | None
    stats: float | None

    def target(self, names: Sequence[str]) -> Url:
        """The destination, if it makes sense for copies of these names. Raises `errors.UsageError`."""
        from pyglobus.core.url import parse

        found = parse(self.destination)
        if found.is_stream:
            raise errors.UsageError("standard output is no place for a replica", hint="--copy to a file")
        if len(names) > 1 and not (found.is_directory or (found.is_local and os.path.isdir(found.path))):
            raise errors.UsageError(
                "several names and one destination", where=self.destination, hint="end it with a slash"
            )
        return found

    def __call__(
        self,
        output: Output,
        lfn: str,
        replicas: Sequence[Replica],
        target: Url,
        connect: Callable[[str], Client],
        warn: Callable[[str, dict[str, Any]], object],
    ) -> Row:
        """Copy one of the replicas of a name. ``warn`` is told in words, and as a record, what has failed and is not
        the end. Raises the error of the last one that was tried.
        """
        from pyglobus.core.rls import replica

        choice = replica.choose(replicas, target)
        for each, why in choice.without:
            output.detail(f"{each.pfn} is left out: {why}")
        if not choice.within:
            why = "; ".join(f"{each.pfn}: {reason}" for each, reason in choice.without)
            raise errors.NotFound("no replica can be copied", where=lfn, why=why)
        taken, copy, result = self._copied(output, choice.within, target, warn)
        if output.is_text and (output.verbosity or sys.stderr.isatty()):
            output.note(copying.summary(result))
        registered = replica.registered(copy) if self.register else None
        if registered is not None:
            at = self.at or replicas[0].catalogue
            try:
                with connect(at) as catalogue:
                    replica.register(catalogue, lfn, registered)
            except errors.Error:
                warn(f"{copy} is there, but not registered at {at}", {"destination": str(copy), "catalogue": at})
                raise
        record = {"lfn": lfn, "pfn": taken.pfn, "catalogue": taken.catalogue, "registered": registered}
        return Row(f"{lfn}: {taken.pfn}", record | copying.record(result))

    def _copied(
        self,
        output: Output,
        choice: Sequence[tuple[Replica, Url]],
        target: Url,
        warn: Callable[[str, dict[str, Any]], object],
    ) -> tuple[Replica, Url, Result]:
        """Copy the first of them that can be copied: which one it was, what the copy is, and what was done."""
        from pyglobus.core.options import Options
        from pyglobus.core.session import Session
        from pyglobus.core.transfer import Transfer

        options, left = Options(), list(choice)
        with Session() as session:
            while True:
                taken, source = left.pop(0)
                lifetime = Lifetime(output, options, secure=source.scheme in _SECURE or target.scheme in _SECURE)
                try:
                    transfer = Transfer(source, target, options, session=session)
                    with signals.cancelling(transfer.cancel), Progress(output, stats=self.stats) as progress:
                        result = transfer.run(copying.TransferDisplay(output, transfer, progress, False, lifetime))
                except errors.Error as error:
                    # Neither is the source's fault, and no other replica would make it better.
                    if isinstance(error, errors.Cancelled | errors.CannotCreate) or not left:
                        raise
                    record = {"pfn": taken.pfn, "why": str(error), "fault": error.fault}
                    warn(f"{error}; the next replica is tried", record)
                else:
                    return taken, transfer.destination, result

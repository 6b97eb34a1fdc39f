# SPDX-License-Identifier: Apache-2.0
"""One run of pyglobusrun with several jobs: all are submitted, and their output is merged, each line with the label of
its job before it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pyglobus.cli import jobs, signals
from pyglobus.cli.watch import Watch, writer
from pyglobus.core import errors
from pyglobus.core.gram import Job, description
from pyglobus.core.gram.multi import Part, Several, Told
from pyglobus.core.gram.outlet import Lines, Outlet, Paths
from pyglobus.core.rsl.tree import Relation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyglobus.cli.manner import Manner
    from pyglobus.cli.output import Output
    from pyglobus.core.gram import Delegation
    from pyglobus.core.gram.depot import Depot
    from pyglobus.core.gram.records import Record, Records


class MultiRun:
    """Several jobs and what is shown of them."""

    def __init__(self, output: Output, manner: Manner, records: Records | None, *, limit: int, atomic: bool) -> None:
        self._output, self._manner, self._records = output, manner, records
        self._limit, self._atomic = limit, atomic
        self._silent = manner.serves or output.quiet
        self._watch = Watch(output) if manner.watched else None
        self._outlets: list[Outlet] = []
        self._lines: list[Lines] = []
        self._parts: list[Part] = []
        self._kept: dict[int, Record] = {}
        self._failures: dict[int, errors.Error] = {}
        self._using: Delegation | None = None

    def run(self, parts: Sequence[Part], using: Delegation) -> int | None:
        """Submit them and follow each to its end. Raises `errors.PartlyDone` if some or all have failed, and the error
        itself where there was one request only.
        """
        manner = self._manner
        self._using = using
        with contextlib.ExitStack() as stack:
            if self._watch is not None:
                stack.enter_context(self._watch)
            server = None
            self._outlets = [self._outlet(number, part.label) for number, part in enumerate(parts, 1)]
            if manner.serves:
                server = self._served(stack).url
            wishes = manner.wishes._replace(kept=manner.wishes.kept and not self._atomic)  # which waits longer
            self._parts = [
                part._replace(request=description.prepared(part.request, wishes, outlet.paths, server))
                for part, outlet in zip(parts, self._outlets, strict=True)
            ]
            several = Several(self._parts, using, limit=self._limit, atomic=self._atomic, keep=self._keep)
            if not manner.leaves:
                stack.enter_context(signals.cancelling(several.cancel_soon))
            try:
                for told in several.events(manner.timeout):
                    self._tell(told)
            except TimeoutError as over:
                why = f"not all have ended within {manner.timeout:g} s"
                if not manner.leaves:
                    several.cancel()
                    why += ", and were cancelled"
                raise errors.DeadlineExceeded("cannot wait for the jobs", why=why, fault="deadline") from over
        for lines in self._lines:
            lines.close()
        return self._end()

    def _outlet(self, number: int, label: str) -> Outlet:
        if not self._manner.wishes.shows:
            return Outlet(None, None, Paths.of(number))
        prefix = f"{label}| ".encode("utf-8", "surrogateescape")
        made = [Lines(writer(self._watch, fd), prefix) for fd in (1, 2)]
        self._lines += made
        return Outlet(made[0], made[1], Paths.of(number))

    def _served(self, stack: contextlib.ExitStack) -> Depot:
        depot = jobs.depot(self._manner)
        for outlet in self._outlets:
            depot.admit(outlet)
        stack.enter_context(depot)
        stack.callback(depot.drain)
        return depot

    def _keep(self, index: int, job: Job) -> None:
        if self._manner.dry or self._records is None:
            return
        part = self._parts[index]
        assert self._using is not None
        manner = self._manner.recorded() | {"kept": self._manner.wishes.kept or self._atomic}
        record = jobs.listed(
            self._output, self._records, title=_title(part), label=part.label, gatekeeper=part.contact,
            description=str(part.request), contact=job.contact, part=index + 1, full=self._using.full, **manner,
        )  # fmt: skip
        if record is not None:
            self._kept[index] = record

    def _tell(self, told: Told) -> None:
        label, contact = self._parts[told.position].label, told.job.contact if told.job is not None else None
        if told.error is not None:
            self._failed(told.position, told.error)
            return
        if told.event is None:
            record = {"job": label, "contact": contact}
            self._output.event("submitted", record, "" if self._silent else f"{label}: GRAM Job submission successful")
            return
        event, status = told.event, self._outlets[told.position].status
        if status is not None:
            event = event._replace(exit_code=status)
        text = "" if self._silent else "\n".join(f"{label}: {line}" for line in jobs.lines(event).splitlines())
        self._output.event("state", {"job": label, **jobs.record(contact or "", event)}, text)
        self._output.flush()
        if self._watch is not None:
            self._watch.show(event, label)
        kept = self._kept.get(told.position)
        if kept is not None:
            kept.heard(event)
            kept.closed = event.state.final
            jobs.save(self._output, self._records, kept)
        if event.failure is not None:
            self._failed(told.position, event.failure)
        elif event.state.final and self._manner.wishes.propagates and status != 0:
            why = "its exit status has not arrived" if status is None else f"its exit status is {status}"
            self._failed(told.position, errors.Error("the job has failed", where=contact, why=why))

    def _failed(self, index: int, error: errors.Error) -> None:
        label = self._parts[index].label
        if index not in self._failures and not self._dry_end(error):
            self._failures[index] = error
            record = {"job": label, "why": str(error), "code": getattr(error, "code", None)}
            self._output.event("failed", record)
            self._output.warning(f"{label}: {error}")

    def _dry_end(self, error: errors.Error) -> bool:
        from pyglobus.core.gram.errors import CODES

        return self._manner.dry and getattr(error, "code", 0) == CODES["DRYRUN"]

    def _end(self) -> int | None:
        failures = [error for _, error in sorted(self._failures.items())]
        if not failures:
            return None
        if len(failures) == len(self._parts) == 1:
            raise failures[0]
        why = f"{len(failures)} of {len(self._parts)}"
        raise errors.PartlyDone("jobs have failed", failures=failures, why=why)


def _title(part: Part) -> str:
    words = [str(getattr(value, "text", value)) for each in part.request.operands
             if isinstance(each, Relation) and each.name == "executable" for value in each.values]  # fmt: skip
    return " ".join(words)

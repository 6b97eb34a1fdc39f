# SPDX-License-Identifier: Apache-2.0
"""How pyglobusrun and pyglobus job run a job: what is wanted of it, and how long it is followed."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyglobus.core.gram.description import Wishes


class Manner(NamedTuple):
    """How a job is run. It ``reads`` and ``writes`` these files of ours (None: all). A ``batch`` job is left when it is
    with the scheduler, a ``fast`` one when it is with the job manager, a ``detached`` one when it needs nothing of
    ours; Ctrl-C ``leaves`` the job alone.
    """

    wishes: Wishes = Wishes()
    reads: tuple[str, ...] | None = ()
    writes: tuple[str, ...] | None = ()
    batch: bool = False
    fast: bool = False
    detached: bool = False
    dry: bool = False
    leaves: bool = False
    watched: bool = False
    timeout: float | None = None

    def recorded(self) -> dict[str, Any]:
        """What of it belongs to the record of a job."""
        return {
            "kept": self.wishes.kept,
            "propagates": self.wishes.propagates,
            "reads": None if self.reads is None else list(self.reads),
            "writes": None if self.writes is None else list(self.writes),
        }

    @property
    def serves(self) -> bool:
        """Whether the job needs a server here."""
        return self.wishes.shows or self.wishes.propagates or self.reads != () or self.writes != ()

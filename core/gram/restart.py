# SPDX-License-Identifier: Apache-2.0
"""A job that its submitter has lost, picked up again.

It was made for that (`pyglobus.core.gram.description.with_recovery`): its gatekeeper is asked to restart it, which a
job manager that has it takes as news of where its output goes from now on; one that has ended reads the job's state and
goes on with it; and a job whose output could not be delivered delivers it again. Its program is not run anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyglobus.core.gram.job import Job
from pyglobus.core.gram.outlet import GASS_URL, Paths
from pyglobus.core.gram.request import USUAL, Delegation
from pyglobus.core.gram.submission import submit
from pyglobus.core.rsl.tree import conjunction, relation

if TYPE_CHECKING:
    from pyglobus.core.rsl.tree import Boolean


def description(contact: str, sent: str, server: str, paths: Paths) -> Boolean:
    """The request for the job of this contact that was ``sent``: what of its output went to these paths goes to them at
    another server from now on, and so do the files of ours that it reads and writes.
    """
    streams = {"stdout": paths.stdout, "stderr": paths.stderr}
    return conjunction(
        relation("restart", contact),
        relation("rsl_substitution", [GASS_URL, server]),
        *(relation(name, paths.reference(path)) for name, path in streams.items() if f'"{path}"' in sent),
    )


def plain(contact: str) -> Boolean:
    """The request that has the job of this contact looked after again, and no more."""
    return conjunction(restart=contact)


def pick_up(gatekeeper: str, wanted: Boolean, using: Delegation = USUAL, *, timeout: float | None = None) -> Job:
    """The job again. Raises `pyglobus.core.gram.errors.GramError`: where nothing is known of it, `NoStateFile`."""
    job = submit(gatekeeper, wanted, using, timeout=timeout)
    if job.two_phase:
        job.commit()
    return job

# SPDX-License-Identifier: Apache-2.0
"""The attributes that job managers know, for a hint where one does not know what a description says.

They stand in the job manager's own files, ``*.rvf``: one for all schedulers, and one for what a scheduler has besides.
A job manager does not hand them out. They are read where it is installed on this machine, or on a machine like it;
elsewhere nothing is offered.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pyglobus.core.rsl.tree import Boolean, Relation, Specification

_DIRECTORY = Path("share/globus/globus_gram_job_manager")
_BASE = "globus-gram-job-manager"
_ATTRIBUTE = re.compile(r"^Attribute:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_SERVICE = re.compile(r"/jobmanager-([A-Za-z0-9_]+)")


def hint(description: Specification, contact: str) -> str | None:
    """What may have been meant by the attributes that the job manager of this contact does not know."""
    known = {_plain(name): name for name in _known(contact)}
    if not known:
        return None
    meant: dict[str, str] = {}
    for each in _relations(description):
        if each.name not in known:
            near = difflib.get_close_matches(each.name, list(known), n=1)
            if near:
                meant[each.attribute] = known[near[0]]
    return "; ".join(f"did you mean {right} by {wrong}?" for wrong, right in meant.items()) or None


def _known(contact: str) -> Iterator[str]:
    directory = Path(os.environ.get("GLOBUS_LOCATION", "/usr")) / _DIRECTORY
    service = _SERVICE.search(contact)
    for name in (_BASE, *([service[1]] if service else [])):
        try:
            yield from _ATTRIBUTE.findall((directory / f"{name}.rvf").read_text("utf-8", "replace"))
        except OSError:
            continue


def _relations(description: Specification) -> Iterator[Relation]:
    if isinstance(description, Boolean):
        for operand in description.operands:
            yield from _relations(operand)
    else:
        yield description


def _plain(name: str) -> str:
    return name.lower().replace("_", "")

# SPDX-License-Identifier: Apache-2.0
"""The table of all faults, and the error that is made of an entry and the evidence."""

from __future__ import annotations

import errno
import os
import re

from pyglobus.core import errors
from pyglobus.core.faults import Role, certificates, credentials, files, network, security
from pyglobus.core.faults.evidence import Evidence, cause, gather, reader_gone, side_of, without_password, words
from pyglobus.core.faults.fault import Fault, Fields
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled

#: All that is known, in the order in which it is tried.
FAULTS: tuple[Fault, ...] = (
    *credentials.FAULTS,
    *certificates.FAULTS,
    *security.OWN,
    *security.REPLIED,
    *network.FAULTS,
    *files.FAULTS,
    *network.LATE_FAULTS[:1],
    *files.LATE_FAULTS,
    *network.LATE_FAULTS[1:],
)

#: Characters of a reason; servers have been seen to send pages.
_LIMIT = 300


def judge(error: BaseException, *, what: str, where: str | tuple[str, str], role: Role | None = None) -> errors.Error:
    """The same as `pyglobus.core.faults.explain`."""
    if isinstance(error, errors.Error):
        return error
    ends = (where,) if isinstance(where, str) else where
    shown = without_password(" -> ".join(ends))
    if isinstance(error, OperationCancelled):
        return errors.Cancelled(what, where=shown, why="it was cancelled", fault="cancelled")
    if isinstance(error, TimeoutError) and not error.errno:
        return errors.DeadlineExceeded(
            what, where=shown, why="it was not done in the time allowed", hint="allow more time", fault="deadline"
        )
    if isinstance(error, EngineError):
        return errors.exhausted(error, what, where=shown) or errors.Error(
            what, where=shown, why=_sentence(str(error)), fault="engine"
        )
    if not isinstance(error, GlobusError | OSError):
        raise error
    evidence = gather(error, ends)
    if reader_gone(evidence):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    if len(ends) > 1 and (side := side_of(evidence, ends)) is not None:
        shown = without_password(ends[side])
        role = "destination" if side else "source"
    for fault in FAULTS:
        found = fault.rule(evidence)
        if found is not None:
            return _error(fault, evidence, found, what=what, where=shown or None, role=role, chain=_chain(error))
    raise AssertionError("the last entry of the table holds for everything")


def of_fault(
    name: str, *, what: str, where: str | None = None, role: Role | None = None, **fields: str
) -> errors.Error:
    """The same as `pyglobus.core.faults.known`."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    return _error(fault, Evidence(), fields, what=what, where=where, role=role, chain=())


def _error(
    fault: Fault,
    evidence: Evidence,
    found: Fields,
    *,
    what: str,
    where: str | None,
    role: Role | None,
    chain: tuple[str, ...],
) -> errors.Error:
    fields = {**_common(evidence, role), "where": where or "", **found}
    if fault.detail is not None:
        fields |= fault.detail(fields)
    return fault.class_for(role)(
        what,
        where=None if where == fields.get("path") else where,  # the reason names it
        why=_sentence(fault.why.format_map(fields)),
        hint=_sentence(fault.hint.format_map(fields)),
        chain=chain,
        ftp_code=evidence.code or None,
        errno=evidence.file_errno or evidence.network_errno or None,
        fault=fault.name,
    )


def _common(evidence: Evidence, role: Role | None) -> Fields:
    made = role == "destination"
    return {
        "words": words(evidence),
        "cause": cause(evidence),
        "code": str(evidence.code),
        "there": " at the server" if evidence.remote or evidence.code else "",
        "strerror": os.strerror(evidence.file_errno),
        "contact": evidence.contact or "the other side",
        "to_contact": f" to {evidence.contact}" if evidence.contact else "",
        "missing": "the directory does not exist" if made else "no such file or directory",
        "look": "make the directory first, or let -cd (--create-dest) make it" if made else "check the path",
        "directory": "add the name of a file" if made else "end the URL with / and add -r to copy what is in it",
    }


def _chain(error: GlobusError | OSError) -> tuple[str, ...]:
    """All that was said, one line each."""
    texts = [link.text for link in error.links] if isinstance(error, GlobusError) else [str(error)]
    return tuple(line for text in texts for line in map(str.rstrip, without_password(text).split("\n")) if line)


def _sentence(text: str) -> str:
    """``text`` on one line, without control characters, not too long."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", " ".join(without_password(text).split()))
    return text if len(text) <= _LIMIT else f"{text[: _LIMIT - 1]}…"

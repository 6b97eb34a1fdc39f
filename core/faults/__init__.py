# SPDX-License-Identifier: Apache-2.0
"""Errors that explain themselves: from what the C libraries, servers and the system say to what a person can act on.

`explain` gathers the evidence of a failure, and the first entry of one table whose rule holds gives class, name,
reason and hint. The order goes from the special to the general: whose certificate, which connection, which file, what
the server replied. Whether trying again makes sense is decided here and nowhere else: it does for a `TransientError`.

Nothing of it is loaded before something goes wrong.
"""

from __future__ import annotations

from pyglobus.ffi.annotation import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pyglobus.core import errors

Role: TypeAlias = Literal["source", "destination"]


def explain(error: BaseException, *, what: str, where: str | tuple[str, str], role: Role | None = None) -> errors.Error:
    """The error to raise for a failure of the layers below.

    ``what`` could not be done; ``where`` is the URL or path in question (a password in it is left out), and ``role``
    says whether it is read or made: what is missing is `NotFound` as a source, and `CannotCreate` as a destination. If
    ``where`` is the pair of source and destination, the one that failed is named where the evidence tells it.

    An `errors.Error` is returned as it is. What is no failure of an operation (a bug) is raised again, and for a pipe
    of ours whose reader has gone, BrokenPipeError. For HTTP servers, of which the C library tells nothing, this looks
    whether they can be reached, and may take seconds.
    """
    from pyglobus.core.faults.verdict import judge

    return judge(error, what=what, where=where, role=role)


def kind_of(name: str) -> type[errors.Error]:
    """The class of the errors for a fault of this name; `errors.Error` if the table does not have it."""
    from pyglobus.core import errors
    from pyglobus.core.faults.verdict import FAULTS

    return next((fault.class_for(None) for fault in FAULTS if fault.name == name), errors.Error)


def known(name: str, *, what: str, where: str | None = None, role: Role | None = None, **fields: str) -> errors.Error:
    """The error for a fault of the table that was seen without the help of the C libraries; ``fields`` are those of
    its texts.
    """
    from pyglobus.core.faults.verdict import of_fault

    return of_fault(name, what=what, where=where, role=role, **fields)

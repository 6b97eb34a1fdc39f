# SPDX-License-Identifier: Apache-2.0
"""One thing that was looked at in a chain of certificates, and what was found."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyglobus.core import errors


class Outcome(enum.StrEnum):
    """How a check ended. A warning makes nothing invalid; what could not be looked at is skipped, and says why."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """``name`` is stable, for scripts. ``explanation`` says in a sentence what was found, ``hint`` what to do about it,
    ``fault`` is the name of a known fault, and ``certificate`` whose certificate is meant, if it is one.
    """

    name: str
    outcome: Outcome
    explanation: str
    certificate: str | None = None
    hint: str | None = None
    fault: str | None = None


def passed(name: str, explanation: str) -> Check:
    """A check that found all well."""
    return Check(name, Outcome.PASSED, explanation)


def skipped(name: str, explanation: str) -> Check:
    """A check for which something is missing."""
    return Check(name, Outcome.SKIPPED, explanation)


def failed(name: str, fault: str, certificate: str | None = None, **fields: Any) -> Check:
    """A check that found a fault of the table (`pyglobus.core.faults`), whose texts take ``fields``."""
    from pyglobus.core import faults

    return of_error(name, faults.known(fault, what=name, **fields), certificate)


def warning(name: str, fault: str, certificate: str | None = None, **fields: Any) -> Check:
    """A check that found something worth knowing, which makes nothing invalid."""
    return replace(failed(name, fault, certificate, **fields), outcome=Outcome.WARNING)


def of_error(name: str, error: errors.Error, certificate: str | None = None) -> Check:
    """A check that failed with an error."""
    return Check(name, Outcome.FAILED, error.why or error.what, certificate, error.hint, error.fault)

# SPDX-License-Identifier: Apache-2.0
"""Checks as lines: what was looked at, how it stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyglobus.cli.output import printable

if TYPE_CHECKING:
    from pyglobus.core.x509.check import Check

_MARKS = {"passed": "ok", "failed": "problem", "warning": "warning", "skipped": "-"}
#: Wide enough for the longest name of a check.
_WIDTH = 18


def line(check: Check, *, failed: str = "problem") -> str:
    """One check, and below it what to do if there is something to do."""
    of = f"{check.certificate}: " if check.certificate else ""
    mark = failed if check.outcome == "failed" else _MARKS[check.outcome]
    text = f"{mark:7}  {check.name:{_WIDTH}}  {printable(of + check.explanation)}"
    if check.hint and check.outcome in ("failed", "warning"):
        text += f"\n{'':7}  {'':{_WIDTH}}  what to do: {printable(check.hint)}"
    return text


def records(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Checks for programs."""
    from dataclasses import asdict

    return [asdict(check) for check in checks]


def status(checks: Iterable[Check]) -> int | None:
    """The exit status: that of the first fault, 1 if there are warnings only, None if all is well."""
    from pyglobus.cli.exits import ExitCode, code_of
    from pyglobus.core import faults

    bad = [check for check in checks if check.outcome in ("failed", "warning")]
    for check in bad:
        if check.outcome == "failed":
            return code_of(faults.kind_of(check.fault)("")) if check.fault else ExitCode.FAILED
    return ExitCode.FAILED if bad else None

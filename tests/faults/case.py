# SPDX-License-Identifier: Apache-2.0
"""One fault of the table, made for real, and what is said of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from pyglobus.cli.exits import ExitCode
from pyglobus.core import errors
from tests.faults.lab import Lab, Record


@dataclass
class Case:
    fault: str
    kind: type[errors.Error]
    code: ExitCode
    words: tuple[str, ...]
    make: Callable[[Lab], Record]
    marks: tuple[pytest.MarkDecorator, ...] = ()


CASES: list[Case] = []


def case(
    fault: str, kind: type[errors.Error], code: ExitCode, *words: str, marks: Sequence[pytest.MarkDecorator] = ()
) -> Callable[[Callable[[Lab], Record]], Callable[[Lab], Record]]:
    """This function brings about that fault; ``words`` are regular expressions for what is said about it."""

    def add(make: Callable[[Lab], Record]) -> Callable[[Lab], Record]:
        CASES.append(Case(fault, kind, code, words, make, tuple(marks)))
        return make

    return add


CREDENTIAL = errors.CredentialError, ExitCode.DENIED
TRANSIENT = errors.TransientError, ExitCode.TRY_LATER
CONFIGURATION = errors.ConfigurationError, ExitCode.CONFIGURATION
PROTOCOL = errors.ProtocolError, ExitCode.UNSUPPORTED
UNSUPPORTED = errors.Unsupported, ExitCode.UNSUPPORTED
MISSING = errors.NotFound, ExitCode.NOT_FOUND
DENIED = errors.AccessDenied, ExitCode.DENIED
CREATION = errors.CannotCreate, ExitCode.CANNOT_CREATE
DATA = errors.DataError, ExitCode.DATA

not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may do this")
#: A network and a file system of our own, where what is set up hurts nobody.
apart = pytest.mark.skipif(
    subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode != 0,
    reason="no namespaces here",
)


def namespace(setup: str) -> list[str]:
    """Run in namespaces of its own, after these commands of the shell."""
    return ["unshare", "-rnm", "sh", "-c", f'ip link set lo up && {setup} && exec "$0" "$@"']

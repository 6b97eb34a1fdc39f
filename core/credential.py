# SPDX-License-Identifier: Apache-2.0
"""Credentials."""

from __future__ import annotations

from pyglobus.ffi.engine import engine
from pyglobus.ffi.gss import GssCredential


def load(path: str | None = None) -> GssCredential:
    """Load the credential in ``path``."""
    return engine().submit(GssCredential, path).result()

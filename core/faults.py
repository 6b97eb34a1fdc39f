# SPDX-License-Identifier: Apache-2.0
"""Errors of the C libraries as errors of pyglobus."""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.ffi.errors import GlobusError


def explain(error: BaseException, *, what: str, where: str, role: str | None = None) -> errors.Error:
    """The error to raise for ``error``; ``role`` tells which end of a transfer is meant."""
    if not isinstance(error, GlobusError):
        return errors.Error(what, where=where, why=str(error))
    chain = [link.text for link in error.links]
    text = " ".join(chain)
    kind: type[errors.Error] = errors.Error
    if "PATH_NOT_FOUND" in text or "No such file" in text:
        kind = errors.CannotCreate if role == "destination" and error.ftp_code == 500 else errors.NotFound
    elif "connect" in text:
        kind = errors.TransientError
    return kind(what, where=where, why=chain[0] if chain else None, chain=chain, ftp_code=error.ftp_code or None)

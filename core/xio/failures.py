# SPDX-License-Identifier: Apache-2.0
"""Errors of XIO as Python's sockets raise them, so that code written for sockets works unchanged."""

from __future__ import annotations

import os
import socket

from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.ffi.errors import GlobusError
from pyglobus.ffi.xio import REFUSED

_RESOLVER = {
    "Name or service not known": socket.EAI_NONAME,
    "No address associated with hostname": socket.EAI_NODATA,
    "Temporary failure in name resolution": socket.EAI_AGAIN,
}


class StackError(errors.ProtocolError, OSError):
    """A driver has failed in a way that no error number of the system tells."""


def translated(error: BaseException, *, what: str, where: str | None) -> Exception:
    """The exception to raise for one of C: an OSError with its number, a ``socket.gaierror``, or one of `errors`."""
    if not isinstance(error, GlobusError):
        return StackError(what, where=where, why=str(error) or type(error).__name__)
    chain = [link.text for link in error.links]
    for text, code in _RESOLVER.items():
        if any(text in link for link in chain):
            return socket.gaierror(code, text)
    for link in error.links:
        if (link.module, link.type) == REFUSED:
            return errors.CredentialError(what, where=where, why=link.text, chain=chain, fault="peer-refused")
    explained = explain(error, what=what, where=where or "")
    if isinstance(explained, errors.CredentialError | errors.AccessDenied):
        return explained
    if error.errno:
        return OSError(error.errno, os.strerror(error.errno), where)
    if isinstance(explained, OSError):
        return explained
    return StackError(
        explained.what,
        where=explained.where,
        why=explained.why,
        hint=explained.hint,
        chain=chain,
        fault=explained.fault,
    )

# SPDX-License-Identifier: Apache-2.0
"""How this package calls C: one short job in the engine's thread, and its errors as ours.

While such a job computes (an RSA signature takes one or two milliseconds, a key pair for delegation some hundred) other
Python threads run, but everything else in the engine waits: transfers stand still that long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.ffi import lib
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError, GssError

T = TypeVar("T")

# GSS_S_ routine errors (RFC 2744 section 3.9.1) stand above this bit.
_ROUTINE = 16
_BAD_SIGNATURE, _DEFECTIVE_TOKEN, _EXPIRED_CREDENTIAL, _EXPIRED_CONTEXT = 6, 9, 11, 12


def run(call: Callable[..., T], *arguments: object, what: str, where: str | None = None) -> T:
    """``call(*arguments)`` in the engine's thread; ``what`` and ``where`` are said if it fails."""
    try:
        return engine().submit(call, *arguments).result()
    except GlobusError as error:
        raise translated(error, what=what, where=where) from error


def translated(error: GlobusError, *, what: str, where: str | None = None) -> errors.Error:
    """The error to raise for one of C. What a GSSAPI status says better than the chain is taken from there."""
    chain = [link.text for link in error.links]
    if isinstance(error, GssError):
        known = _of_status(error.major)
        if known is not None:
            kind, fault, why = known
            return kind(what, where=where, why=why, fault=fault, chain=chain)
    return explain(error, what=what, where=where or "")


def _of_status(major: int) -> tuple[type[errors.Error], str, str] | None:
    if major & (lib.GSS_S_DUPLICATE_TOKEN | lib.GSS_S_OLD_TOKEN):
        return errors.DataError, "gss-replay", "the message was seen before, or comes too late"
    if major & (lib.GSS_S_UNSEQ_TOKEN | lib.GSS_S_GAP_TOKEN):
        return errors.DataError, "gss-gap", "a message before this one is missing"
    return {
        _BAD_SIGNATURE: (errors.DataError, "gss-bad-signature", "the message is not what the peer has signed"),
        _DEFECTIVE_TOKEN: (errors.ProtocolError, "gss-defective-token", "this is no token of such a context"),
        _EXPIRED_CONTEXT: (errors.CredentialError, "context-expired", "the context has expired"),
        _EXPIRED_CREDENTIAL: (errors.CredentialError, "credential-expired", "the credential has expired"),
    }.get(major >> _ROUTINE & 0xFF)

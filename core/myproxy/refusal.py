# SPDX-License-Identifier: Apache-2.0
"""What went wrong with a server, in words that help: what it says itself, and what happened on the way to it.

A server's refusal is text, made for people by many versions of one program: what is recognised here has a name and a
hint, everything else is told as it is. What happens before that (connection, handshake, names, trust) is a matter for
`pyglobus.core.faults`, which knows the toolkit's words.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.ffi.myproxy import MyProxyError

_FROM_SERVER = "ERROR from myproxy-server:"
_LONGEST = 300


class _Refusal(NamedTuple):
    fault: str
    kind: type[errors.Error]
    pattern: str
    why: str
    hint: str


_REFUSALS = (
    _Refusal(
        "pass-phrase-too-short",
        errors.CredentialError,
        r"[Pp]ass ?phrase too short|Pass phrase violates local policy",
        "the server does not take this pass phrase ({said})",
        "choose another one, of at least 6 characters",
    ),
    _Refusal(
        "wrong-pass-phrase",
        errors.CredentialError,
        r"invalid (credential )?pass ?phrase|invalid pass phrase|Bad password|invalid password",
        "the pass phrase is wrong",
        "type it again; pyglobus myproxy info tells what is stored, without it",
    ),
    _Refusal(
        "no-such-credential",
        errors.NotFound,
        r"[Nn]o credentials (exist|found)|Credentials? do(es)? not exist|[Uu]nable to retrieve credential information"
        r"|No such credential|unknown username",
        "the server has no such credential ({said})",
        "pyglobus myproxy info lists what is stored; check username (-l) and credential name (-k)",
    ),
    _Refusal(
        "stored-credential-expired",
        errors.CredentialError,
        r"credential.* (has )?expired|[Cc]redential expired|remaining lifetime|proxy has expired",
        "what is stored has expired ({said})",
        "store a new one with pyglobus myproxy put",
    ),
    _Refusal(
        "credential-locked",
        errors.AccessDenied,
        r"credential locked",
        "the server's operator has locked it ({said})",
        "ask the operator why",
    ),
    _Refusal(
        "not-the-owner",
        errors.AccessDenied,
        r"not owned by|does not own the credentials|they are not owned by",
        "it belongs to somebody else ({said})",
        "use the certificate it was stored with, or another username or credential name",
    ),
    _Refusal(
        "no-authentication",
        errors.CredentialError,
        r"no passphrase|authentication failed|insufficient authentication",
        "the server wants a pass phrase, or a certificate that it trusts ({said})",
        "leave -n away, or ask the owner for a policy that names you (put -Z, put -R)",
    ),
    _Refusal(
        "policy",
        errors.AccessDenied,
        r"not authorized|policy|authorization failed|self-authz",
        "a policy forbids it ({said})",
        "the policies are those of the server, and of the credential (put -r, -R, -Z; store -E)",
    ),
    _Refusal(
        "unsupported",
        errors.Unsupported,
        r"not supported|UNKNOWN command",
        "the server does not do this ({said})",
        "ask its operator which requests it serves",
    ),
)


def explain(error: MyProxyError, *, what: str, where: str) -> errors.Error:
    """The error to raise for a failed exchange with the server ``where``."""
    said = _sentence(error.text)
    if _FROM_SERVER in error.text:
        for refusal in _REFUSALS:
            if re.search(refusal.pattern, error.text):
                return refusal.kind(
                    what,
                    where=where,
                    why=refusal.why.format(said=said),
                    hint=refusal.hint,
                    chain=_lines(error.text),
                    fault=refusal.fault,
                )
        return errors.Unsupported(
            what, where=where, why=f"the server refused ({said})", chain=_lines(error.text), fault="server-refused"
        )
    if error.stage == "program":
        return errors.Error(what, where=where, why=f"myproxy-exchange failed: {error.text}", fault="engine")
    return _on_the_way(error, what, where)


def timed_out(what: str, where: str, seconds: float) -> errors.Error:
    """The error for a server that says nothing."""
    return errors.TransientError(
        what,
        where=where,
        why=f"the server has not answered for {seconds:g} s",
        hint="try again, or give it more time with --timeout",
        fault="server-silent",
    )


def _on_the_way(error: MyProxyError, what: str, where: str) -> errors.Error:
    from pyglobus.core import faults
    from pyglobus.ffi.errors import GlobusError, Link

    if "Unknown host" in error.text:
        return faults.known("unknown-host", what=what, where=where, host=where.rpartition(":")[0])
    if "does not match" in error.text and "identity" in error.text:
        return _name_mismatch(error, what, where)
    if "max_token_len" in error.text:
        return errors.ProtocolError(
            what, where=where, why="the server sends more than any reply has", fault="reply-too-long"
        )
    if re.search(r"failed to read token|connection closed|closed connection|Error (reading|writing)", error.text):
        return errors.TransientError(
            what,
            where=where,
            why="the server closed the connection before it was done",
            hint="try again; if it happens always, check that a MyProxy server listens at this port",
            chain=_lines(error.text),
            fault="connection-lost",
        )
    cause = GlobusError(tuple(Link("myproxy", -1, line) for line in _lines(error.text)), errno=error.errno)
    found = faults.explain(cause, what=what, where=where)
    if found.fault != "unknown":
        return found
    if error.stage == "login":
        return errors.CredentialError(
            what,
            where=where,
            why=f"the login failed ({_sentence(error.text)})",
            chain=_lines(error.text),
            hint="look at all causes with -vv; check that a MyProxy server listens at this port",
            fault="login-failed",
        )
    return errors.ProtocolError(
        what,
        where=where,
        why=f"the server's reply makes no sense ({_sentence(error.text)})",
        chain=_lines(error.text),
        fault="broken-protocol",
    )


def _name_mismatch(error: MyProxyError, what: str, where: str) -> errors.Error:
    found = re.search(r'MYPROXY_SERVER_DN="(.*?)"', error.text)
    name = found[1] if found else "another name"
    return errors.CredentialError(
        what,
        where=where,
        why=f"the server's certificate is for {name}, not for this host",
        hint="check the server's name; if this is the right one, set MYPROXY_SERVER_DN to its certificate's subject",
        chain=_lines(error.text),
        fault="name-mismatch",
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _sentence(text: str) -> str:
    text = " ".join(text.replace(_FROM_SERVER, "").split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

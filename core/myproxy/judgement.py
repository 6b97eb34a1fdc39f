# SPDX-License-Identifier: Apache-2.0
"""Whether a credential that a server has sent is what was asked for.

The key belongs to the certificate, the chain holds together and has not expired, and it is whose it should be. What it
takes to judge is loaded when it is needed, or before, while the server works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyglobus.core import errors

if TYPE_CHECKING:
    from cryptography import x509

    from pyglobus.core.x509.credential import Credential

_VOMS_ATTRIBUTES = "1.3.6.1.4.1.8005.100.100.5"


def load() -> None:
    """What `judged` needs takes a tenth of a second to load: about as long as a server and the key take."""
    from pyglobus.core.x509 import chain, credential  # noqa: F401


def judged(content: bytes, *, what: str, where: str, owner: str | None) -> Credential:
    """The credential in PEM text, if it is good and, where one is named, its ``owner``'s."""
    from pyglobus.core.x509.credential import Credential

    credential = Credential.from_pem(content, where=where, own_key=True)
    require_good(credential.certificates, what=what, where=where)
    if owner is not None and credential.identity != owner:
        raise errors.CredentialError(
            what,
            where=where,
            why=f"what the server sent belongs to {credential.identity}, not to {owner}",
            hint="check username (-l) and credential name (-k)",
            fault="other-owner",
        )
    return credential


def require_good(certificates: Sequence[x509.Certificate], *, what: str, where: str) -> None:
    """Raise unless the chain holds together by itself. Whether its authority is trusted here is for others: it is
    wanted at other places than this.
    """
    from pyglobus.core.x509 import chain
    from pyglobus.core.x509.check import Outcome

    for check in chain.inspect(certificates, None).checks:
        if check.outcome is Outcome.FAILED:
            why = f"what the server sent is not good: {check.certificate or 'the chain'}: {check.explanation}"
            expired = check.fault in ("proxy-expired", "certificate-expired")
            hint = "store a new one with pyglobus myproxy put" if expired else check.hint
            raise errors.CredentialError(what, where=where, why=why, hint=hint, fault=check.fault)


def require_attributes(credential: Credential, what: str, where: str) -> None:
    """Raise unless it has attributes of a virtual organisation."""
    if not any(one.oid.dotted_string == _VOMS_ATTRIBUTES for one in credential.certificate.extensions):
        raise errors.Unsupported(
            what,
            where=where,
            why="the server added no VOMS attributes: it, or its libmyproxy, does not do that",
            hint="fetch it without -m, and run voms-proxy-init",
            fault="no-voms",
        )

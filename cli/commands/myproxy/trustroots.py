# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy trustroots: in place of myproxy-get-trustroots."""

from __future__ import annotations

from typing import Any

from pyglobus.cli.command import Output, command
from pyglobus.cli.commands.myproxy import options, trust


@command(
    "trustroots",
    summary="fetch what a site wants its users to trust",
    drop_in="myproxy-get-trustroots",
    c_common=(*options.C_COMMON, "-q", "--quiet"),
    getopt=True,
    status_of=options.status_of,
)
@options.served
@trust.bootstrapped
def trustroots(*, output: Output, **given: Any) -> None:
    """Fetch the trust roots of a MyProxy server into the directory of trusted authorities: X509_CERT_DIR, or
    ~/.globus/certificates (for root /etc/grid-security/certificates).

    Files that are replaced with something else are told; none is removed.
    """
    from pyglobus.core.myproxy import credentials

    def act() -> None:
        session = trust.connected(
            output, given, lambda trusted: options.session(output, given, anonymous=True, trusted=trusted)
        )
        try:
            sent = credentials.trust_roots(session)
        finally:
            session.close()
        done = trust.install(output, sent, quiet=output.quiet)
        output.result("trust_roots", {"server": str(session.server), "trust_roots": done})

    options.retrying(output, given["retries"], act)

# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy verify: the chain of a proxy, judged rule by rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.commands.proxy.wishes import FILE
from pyglobus.cli.exits import ExitCode

if TYPE_CHECKING:
    from pyglobus.core.x509.check import Check


@command("verify", summary="judge the chain of a proxy")
@option(
    *("-certdir", "--cert-dir"),
    type=FILE,
    metavar="DIR",
    help="The directory of trusted authorities. [default: X509_CERT_DIR, or one of the usual ones]",
)
@argument(
    "file",
    type=FILE,
    required=False,
    metavar="[FILE]",
    help="A proxy, or a certificate with its chain. [default: X509_USER_PROXY, or /tmp/x509up_u and your user id]",
)
def verify(*, output: Output, cert_dir: Path | None, file: Path | None) -> int | None:
    """Judge a chain as a server would: signatures, dates, names, key usages, the rules of RFC 3820 for proxies, what
    the authority may sign, and what it has revoked. Each is shown as ok or FAILED, with the reason.

    The private key is not needed, and not looked at.
    """
    from pyglobus.cli import checks
    from pyglobus.core import proxy
    from pyglobus.core.x509 import chain, filerules, names, pem, trust

    path = file or proxy.location()
    where = str(path)
    found = pem.blocks(filerules.read(path, private=file is None), where=where)
    certificates = pem.certificates(found, where=where)
    report = chain.inspect(certificates, cert_dir or trust.default_directory())
    record: dict[str, Any] = {
        "path": where,
        "valid": report.is_valid,
        "certificates": [names.oneline(one.subject) for one in report.path],
        "checks": checks.records(report.checks),
    }
    output.result("verification", record, lambda: _shown(report.checks, report.is_valid))
    return None if report.is_valid else ExitCode.DENIED


def _shown(found: tuple[Check, ...], is_valid: bool) -> str:
    from pyglobus.cli import checks

    lines = [checks.line(check, failed="FAILED") for check in found]
    return "\n".join([*lines, "", "valid" if is_valid else "not valid"])

# SPDX-License-Identifier: Apache-2.0
"""pyglobus cert: putting one's name to files, and checking who has."""

from __future__ import annotations

from pathlib import Path

import click

from pyglobus.cli.command import Group, Output, argument, option

_PATH = click.Path(path_type=Path)

cert = Group(
    "cert",
    summary="sign files, and verify signatures",
    help="Put your name to a file in a way that others can check with the authorities they trust.",
)


@cert.verb("sign", summary="make a detached signature of a file")
@argument("file", metavar="FILE", type=_PATH, help="What to sign.")
@argument("signature", metavar="[SIGNATURE]", type=_PATH, required=False, help="Where to write. [default: FILE.sig]")
@option(
    "--credential",
    type=_PATH,
    metavar="FILE",
    help="Sign with this proxy or this PEM file of certificate and key. [default: the one that would be used now]",
)
def sign(*, output: Output, file: Path, signature: Path | None, credential: Path | None) -> None:
    """Sign a file of any size with your proxy, or with a certificate: a CMS signature (RFC 5652) in a file of its own,
    which openssl cms -verify -binary reads too.

    A signature holds as long as the certificates behind it. One that is made with a proxy ends with the proxy, so sign
    what shall last with --credential and your own certificate and key.
    """
    from pyglobus.core import files
    from pyglobus.core.x509 import signature as signatures

    signer = signatures.signer(credential)
    target = signature or file.with_name(f"{file.name}.sig")
    files.write(target, signatures.sign_file(file, signer), mode=0o644)
    record = {
        "file": str(file),
        "signature": str(target),
        "subject": signer.subject,
        "identity": signer.identity,
        "valid_until": signer.expires.isoformat(),
    }
    output.result("signature", record, f"{target}: signed as {signer.subject}, valid until {signer.expires:%F %T} UTC")


@cert.verb("verify", summary="check a detached signature and who made it")
@argument("file", metavar="FILE", type=_PATH, help="What was signed.")
@argument("signature", metavar="[SIGNATURE]", type=_PATH, required=False, help="The signature. [default: FILE.sig]")
@option(
    *("-certdir", "--certdir", "directory"),
    type=_PATH,
    metavar="DIR",
    help="The directory of trusted authorities. [default: the one that the Globus libraries take]",
)
@option(
    "--identity",
    metavar="DN",
    help="Who must have signed: the name of a person or host, without what proxies add.",
)
def verify(*, output: Output, file: Path, signature: Path | None, directory: Path | None, identity: str | None) -> None:
    """Check that a file is what was signed, and that its signer is vouched for by an authority you trust: signing
    policy, revocation, dates, and the rules of proxies, as a server would. Exit status 74: the file was changed;
    77: its signer cannot be trusted, or is somebody else; 69: the signature is none.
    """
    from pyglobus.core import errors
    from pyglobus.core.x509 import signature as signatures
    from pyglobus.core.x509 import trust

    target = signature or file.with_name(f"{file.name}.sig")
    made = signatures.verify_file(file, target, directory or trust.default_directory())
    if identity is not None and made.identity != identity:
        raise errors.CredentialError(
            "cannot trust the signer", where=str(file), why=f"it is {made.identity}", fault="other-signer"
        )
    record = {
        "file": str(file),
        "signature": str(target),
        "subject": made.subject,
        "identity": made.identity,
        "claimed": made.claimed.isoformat() if made.claimed else None,
    }
    when = f", at {made.claimed:%F %T} UTC by the signer's clock" if made.claimed else ""
    output.result("verified", record, f"{file}: signed by {made.identity}{when}")

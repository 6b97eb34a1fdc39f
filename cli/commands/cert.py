# SPDX-License-Identifier: Apache-2.0
"""pyglobus cert: what a certificate is, putting one's name to files, and checking who has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from pyglobus.cli.command import Group, Output, argument, option
from pyglobus.cli.values import DURATION

_PATH = click.Path(path_type=Path)

cert = Group(
    "cert",
    summary="certificates and signatures",
    help="Find out what a certificate is worth, or put your name to a file in a way that others can check.",
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


@cert.verb("explain", summary="tell what a certificate, key, list or server is, and what is wrong with it")
@argument(
    "target",
    metavar="FILE|URL",
    completion="url",
    help="A file in PEM, DER or PKCS #12, or a server: a gsiftp or https URL, or HOST:PORT.",
)
@option(
    *("-pwstdin", "--pass-phrase-stdin"),
    is_flag=True,
    help="Read the pass phrase of what is encrypted from standard input; without one it is not opened.",
)
@option("--pass-phrase-file", type=_PATH, metavar="FILE", help="Read it from a file that only you can read.")
@option(
    "--timeout",
    type=DURATION,
    metavar="TIME",
    default="10",
    help="Give a server so much time for each step. [default: 10]",
)
def explain(
    *, output: Output, target: str, pass_phrase_stdin: bool, pass_phrase_file: Path | None, timeout: float
) -> int | None:
    """Tell what something is, whose, until when, what it may be used for, what is wrong with it and what to do:
    certificates, proxies, keys, requests, revocation lists, signing policies, or the certificates that a server shows.

    What is judged, is judged against your directory of trusted authorities. Exit status 0: nothing is wrong.
    """
    from pyglobus.cli import checks
    from pyglobus.cli.output import columns, printable
    from pyglobus.core.doctor import document

    if document.is_file(target):
        found = document.explain(Path(target), _pass_phrases(pass_phrase_stdin, pass_phrase_file))
    else:
        found = document.of_server(target, timeout)
    record = {
        "target": target,
        "kind": found.kind,
        "well": found.is_well,
        "facts": [{"name": name, "value": value} for name, value in found.facts],
        "checks": checks.records(found.checks),
    }

    def text() -> str:
        facts = columns([(f"  {name}", printable(value)) for name, value in found.facts]) if found.facts else ""
        lines = [f"{printable(target)} is {printable(found.kind)}", facts, "", *map(checks.line, found.checks)]
        return "\n".join(lines).rstrip()

    output.result("explanation", record, text)
    return checks.status(found.checks)


def _pass_phrases(from_stdin: bool, file: Path | None) -> Iterator[bytes]:
    from pyglobus.core.x509 import passphrase

    if from_stdin:
        yield passphrase.from_descriptor(0)
    elif file is not None:
        yield passphrase.from_file(file)

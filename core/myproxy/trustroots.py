# SPDX-License-Identifier: Apache-2.0
"""Putting what a server wants its users to trust into the directory of trusted authorities.

A directory that is new appears whole, in one step. In one that is there each file is replaced in one step, a signing
policy before the certificate it is for; what is replaced with something else is told, and nothing is ever removed.
A name that a server sends is a plain file name, or refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyglobus.core import errors, files
from pyglobus.core.myproxy.credentials import TrustFile
from pyglobus.core.x509.filerules import home

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}")
_CERTIFICATE = re.compile(r".*\.(\d+|pem)")
#: All authorities of the grid have less than a thousand files.
_MOST = 5000
_MODE = 0o644


@dataclass
class Installed:
    """What became of the files, by name."""

    directory: Path
    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def directory(environ: Mapping[str, str] | None = None) -> Path:
    """Where they go: X509_CERT_DIR, or /etc/grid-security/certificates for root, ~/.globus/certificates for others."""
    environ = os.environ if environ is None else environ
    if named := environ.get("X509_CERT_DIR"):
        return Path(named)
    return Path("/etc/grid-security/certificates") if os.geteuid() == 0 else Path(home(), ".globus/certificates")


def install(sent: Sequence[TrustFile], into: Path, *, replace: bool = True) -> Installed:
    """Install the files. Without ``replace``, none is if one would replace another.

    Raises `errors.ConfigurationError` for that, `errors.ProtocolError` for names that are none, `errors.CannotCreate`.
    """
    what = "cannot install trust roots"
    if len(sent) > _MOST:
        raise errors.ProtocolError(what, where=str(into), why=f"the server sent {len(sent)} files", fault="bad-file")
    for file in sent:
        if not _NAME.fullmatch(file.name):
            why = f"the server sent a file named {file.name[:80]!r}"
            raise errors.ProtocolError(what, where=str(into), why=why, fault="bad-file")
    ordered = sorted({file.name: file for file in sent}.values(), key=_last_certificates)
    if not into.exists():
        _make(ordered, into)
        return Installed(into, added=[file.name for file in ordered])
    done = Installed(into)
    changes = []
    for file in ordered:
        there = _content(into / file.name)
        if there == file.content:
            done.unchanged.append(file.name)
            continue
        (done.added if there is None else done.replaced).append(file.name)
        changes.append(file)
    if done.replaced and not replace:
        raise errors.ConfigurationError(
            what,
            where=str(into),
            why=f"{', '.join(done.replaced)} would be replaced with something else",
            hint="find out which is right; remove the old file if it is the new one",
            fault="trust-conflict",
        )
    for file in changes:
        files.write(into / file.name, file.content, mode=_MODE)
    return done


def _last_certificates(file: TrustFile) -> tuple[bool, str]:
    return _CERTIFICATE.fullmatch(file.name) is not None, file.name


def _make(sent: Sequence[TrustFile], into: Path) -> None:
    temporary = into.with_name(f".{into.name}.{os.urandom(4).hex()}")
    try:
        into.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary.mkdir(mode=0o755)
        try:
            for file in sent:
                files.write(temporary / file.name, file.content, mode=_MODE)
            temporary.rename(into)
        except BaseException:
            for name in os.listdir(temporary):
                (temporary / name).unlink()
            temporary.rmdir()
            raise
    except OSError as error:
        if isinstance(error, errors.Error):
            raise
        why, number = error.strerror, error.errno
        raise errors.CannotCreate("cannot install trust roots", where=str(into), why=why, errno=number) from error


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.CannotCreate("cannot install trust roots", where=str(path), why=error.strerror) from error

# SPDX-License-Identifier: Apache-2.0
"""Credentials that contexts are made with: loaded once, used often, kept in memory."""

from __future__ import annotations

import os
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.gss.calls import run
from pyglobus.core.x509 import filerules
from pyglobus.ffi.gss import GssCredential, released_with


class Credential:
    """A certificate with its chain and private key, in the toolkit's memory."""

    def __init__(self, native: GssCredential) -> None:
        """Of the package: take over a credential."""
        self.native = native
        facts = run(native.facts, what="cannot read a credential")
        #: Its owner in slash notation; for a proxy the name of who made it.
        self.identity = facts.subject
        #: When it ends, in seconds since the epoch; None for never.
        self.expires = facts.expires
        self._close = released_with(self, native.close)

    @classmethod
    def default(cls, *, accept: bool = False) -> Credential:
        """What the toolkit finds by itself: for a user, or with ``accept`` for a server."""
        return cls(run(_acquire, accept, what="cannot find a credential"))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Credential:
        """A proxy file: certificate, clear key and chain. Only its owner may have access to it."""
        return cls.of_pem(filerules.read(Path(path)), where=str(path))

    @classmethod
    def of_files(cls, certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> Credential:
        """A certificate and its clear key from two files, such as a host's. Only its owner may read the key."""
        public = filerules.read(Path(certificate), private=False)
        return cls.of_pem(public + b"\n" + filerules.read(Path(key)), where=str(certificate))

    @classmethod
    def of_pem(cls, pem: bytes, *, where: str | None = None) -> Credential:
        """Certificate, clear key and chain from PEM text, as `export` gives it."""
        if not pem:
            raise errors.CredentialError("not a credential", where=where, why="it is empty", fault="not-a-credential")
        return cls(run(GssCredential.of_pem, pem, what="not a credential", where=where))

    def export(self) -> bytes:
        """Certificate, clear private key and chain as PEM text. It is a secret: keep it in memory, or write it with
        mode 0600.
        """
        return run(self.native.pem, what="cannot export a credential", where=self.identity)

    @property
    def limited(self) -> bool:
        """Whether it is, or derives from, a limited proxy, which job submission refuses."""
        return run(self.native.limited, what="cannot read a credential", where=self.identity)

    def close(self) -> None:
        """Forget it; contexts that use it must be closed before. Idempotent."""
        self._close()

    def __enter__(self) -> Credential:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Credential of {self.identity}>"


def _acquire(accept: bool) -> GssCredential:
    return GssCredential(accept=accept)

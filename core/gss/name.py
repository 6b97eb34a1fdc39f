# SPDX-License-Identifier: Apache-2.0
"""Names of the entities that authenticate."""

from __future__ import annotations

import ipaddress
import re

from pyglobus.core import errors
from pyglobus.core.gss.calls import run
from pyglobus.ffi.gss import GssName, released_with

# RFC 2743 section 3.2: token identifier, length of the mechanism's OID in DER, and that OID (1.3.6.1.4.1.3536.1.1).
_EXPORTED = bytes.fromhex("0401000b06092b060104019b500101")

# The library writes a slash inside a part as backslash and slash, and cannot read that.
_AMBIGUOUS = re.compile(r"\\/[A-Za-z0-9.]+=")


class Name:
    """A name as GSI compares it; `subject`, `service` and `host` make one.

    Two names are equal if GSI takes one for the other: a host's name equals each certificate that is good for the host,
    so equality is not transitive and names have no hash. ``str()`` is the text, for a certificate its subject in slash
    notation.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, native: GssName, text: str) -> None:
        """Of the package: take over a name with its text."""
        self.native = native
        self._text = text
        self._close = released_with(self, native.close)

    @classmethod
    def subject(cls, text: str) -> Name:
        """The name in a certificate, ``/O=Grid/CN=Ada Lovelace``."""
        return cls(*_parse(text, "subject"))

    @classmethod
    def service(cls, host: str, service: str = "host") -> Name:
        """A service at a host (RFC 2744 section 4.1): what a client that knows only an address expects."""
        return cls(*_parse(f"{service}@{host}" if host else "", "service"))

    @classmethod
    def host(cls, host: str, address: str | None = None) -> Name:
        """A host by name, and by address: GSI's own kind, which also matches an address in the certificate."""
        return cls(*_parse(f"{host}/{address}" if address else host, "host"))

    @classmethod
    def anonymous(cls) -> Name:
        """Nobody."""
        return cls(*_parse("", "anonymous"))

    @classmethod
    def imported(cls, exported: bytes) -> Name:
        """What `export` gave. It is read here, because the C library trusts the lengths in it."""
        start = len(_EXPORTED) + 4
        if not exported.startswith(_EXPORTED) or int.from_bytes(exported[start - 4 : start]) != len(exported) - start:
            raise errors.UsageError("not an exported name")
        text = exported[start:].rstrip(b"\0").decode("utf-8", "surrogateescape")
        if _AMBIGUOUS.search(text):
            raise errors.UsageError("not a name", where=text, why="a part of it looks like two")
        return cls.subject(text.replace("\\/", "/"))

    @classmethod
    def of(cls, target: Name | str) -> Name:
        """A name as it is, a subject (it begins with a slash), ``service@host``, a host, or an address."""
        if isinstance(target, Name):
            return target
        if is_address(target):
            return cls.host(target, target)
        if target.startswith("/"):
            return cls.subject(target)
        service, at, host = target.rpartition("@")
        return cls.service(host, service) if at else cls.service(target)

    def export(self) -> bytes:
        """The name in the form of RFC 2743 section 3.2."""
        return run(self.native.export, what="cannot export a name", where=self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        return run(self.native.matches, other.native, what="cannot compare names", where=self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Name({self._text!r})"


def is_address(text: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _parse(text: str, kind: str) -> tuple[GssName, str]:
    if not text and kind != "anonymous":
        raise errors.UsageError("a name must not be empty")

    def parse() -> tuple[GssName, str]:
        name = GssName.parse(text, kind)
        return name, name.display()

    try:
        return run(parse, what="not a name", where=text)
    except ValueError as error:
        if isinstance(error, errors.Error):
            raise
        raise errors.UsageError("not a name", where=text, why=str(error)) from error

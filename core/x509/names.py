# SPDX-License-Identifier: Apache-2.0
"""Subject names as the grid writes them, and the hash by which OpenSSL finds them.

The grid writes a name in OpenSSL's one-line form, most significant part first: ``/O=Grid/OU=Sandbox/CN=Ada``. A slash
begins a new part only where ``TYPE=`` follows, so that ``/CN=host/localhost`` is one part.

A trusted directory holds each authority as ``HASH.0``, HASH being what ``openssl x509 -subject_hash`` prints: the
first four bytes, little-endian, of the SHA-1 of the name's canonical encoding. That encoding is each relative name as
a SET with its strings as UTF-8, ASCII letters in lower case, blanks trimmed and runs of blanks made one, without the
SEQUENCE around them all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.x509.der import SEQUENCE, SET, UTF8_STRING, element, oid

if TYPE_CHECKING:
    from cryptography import x509

_TYPES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.9": "street",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}
_OIDS = {name.upper(): dotted for dotted, name in _TYPES.items()} | {"EMAIL": "1.2.840.113549.1.9.1"}
_PART = re.compile(r"/(?=[A-Za-z]+=)")

#: Printable and other strings that OpenSSL folds before it hashes; a value of any other type is hashed as it stands.
_FOLDED_TYPES = frozenset({12, 19, 20, 22, 26, 28, 30})
#: How the strings of some types are encoded; the others are UTF-8 or part of it.
_ENCODINGS = {28: "utf-32-be", 30: "utf-16-be"}
_BLANKS = " \t\n\v\f\r"


def parse(text: str) -> x509.Name:
    """The name that ``/O=Grid/CN=Ada`` stands for. Raises `errors.UsageError` on anything else."""
    from cryptography import x509

    empty, *parts = _PART.split(text)
    if empty or not parts:
        raise errors.UsageError("not a subject name", where=text, why="it must look like /O=Grid/CN=Ada Lovelace")
    attributes = []
    for part in parts:
        kind, _, value = part.partition("=")
        dotted = _OIDS.get(kind.upper())
        if dotted is None or not value:
            raise errors.UsageError("not a subject name", where=text, why=f"{part!r} is no known part of a name")
        attributes.append(x509.NameAttribute(x509.ObjectIdentifier(dotted), value))
    return x509.Name(attributes)


def render(name: x509.Name) -> str:
    """The name in the grid's one-line form."""
    return "".join(f"/{_TYPES.get(part.oid.dotted_string, part.oid.dotted_string)}={_text(part)}" for part in name)


def oneline(name: x509.Name) -> str:
    """The same as OpenSSL and all Globus programs print and compare it: what is not ASCII is written byte by byte,
    ``\\xC3\\x89``.
    """
    return "".join(f"/{_TYPES.get(part.oid.dotted_string, part.oid.dotted_string)}={_escaped(part)}" for part in name)


def subject_hash(name: x509.Name) -> str:
    """The eight hexadecimal digits under which OpenSSL (1.0 and later) looks for a certificate of this subject."""
    import hashlib

    digest = hashlib.sha1(canonical(name), usedforsecurity=False).digest()
    return digest[3::-1].hex()


def canonical(name: x509.Name) -> bytes:
    """The encoding by which OpenSSL compares names: two names are the same if their canonical encodings are."""
    return b"".join(
        element(SET, *sorted(element(SEQUENCE, oid(part.oid.dotted_string), _canonical_value(part)) for part in rdn))
        for rdn in name.rdns
    )


def _text(part: x509.NameAttribute[str | bytes]) -> str:
    return part.value if isinstance(part.value, str) else part.value.decode("latin-1")


def _escaped(part: x509.NameAttribute[str | bytes]) -> str:
    value = (
        part.value if isinstance(part.value, bytes) else part.value.encode(_ENCODINGS.get(part._type.value, "utf-8"))
    )
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value)


def _canonical_value(part: x509.NameAttribute[str | bytes]) -> bytes:
    kind: int = part._type.value
    if kind not in _FOLDED_TYPES:
        return element(kind, part.value.encode() if isinstance(part.value, str) else part.value)
    words = re.split(f"[{_BLANKS}]+", _text(part).strip(_BLANKS))
    return element(UTF8_STRING, " ".join(words).encode().translate(_LOWER_CASE))


_LOWER_CASE = bytes(byte + 32 if 0x41 <= byte <= 0x5A else byte for byte in range(256))

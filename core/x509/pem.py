# SPDX-License-Identifier: Apache-2.0
"""PEM (RFC 7468): the blocks of a file, and what they hold.

Whatever a file holds, reading it gives certificates and keys or one of our errors. Text between the blocks is left
out, as everywhere. Errors never quote a block: it may be a key.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pyglobus.core import errors
from pyglobus.core.x509 import filerules, keys
from pyglobus.core.x509.keys import Key

T = TypeVar("T")

MAX_BLOCKS = 100

CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
REQUESTS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_KEY = re.compile(r"(?:[A-Z0-9]+ )?PRIVATE KEY|ENCRYPTED PRIVATE KEY")
_BLOCK = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,40})-----[ \t\r]*\n(.*?)^-----END \1-----[ \t\r]*$", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """One block, whole. ``text`` may be a key, so it is in no repr."""

    label: str
    text: bytes = field(repr=False)

    @property
    def is_key(self) -> bool:
        """True for a private key of any kind."""
        return _KEY.fullmatch(self.label) is not None


def blocks(data: bytes, *, where: str | None = None) -> list[Block]:
    """The blocks of ``data``. Raises `errors.CredentialError` if there are none, or far too many."""
    if len(data) > filerules.MAX_SIZE:
        raise _known("not-pem", where, problem="it is too large for a credential")
    found = [Block(match[1].decode("ascii"), match[0] + b"\n") for match in _BLOCK.finditer(data)]
    if not found:
        raise _known("not-pem", where, problem="it is not in PEM: it has no -----BEGIN line with its END")
    if len(found) > MAX_BLOCKS:
        raise _known("not-pem", where, problem=f"it holds more than {MAX_BLOCKS} certificates")
    return found


def certificates(found: Iterable[Block], *, where: str | None = None) -> list[x509.Certificate]:
    """The certificates among the blocks, in their order."""
    return [certificate(block.text, where=where) for block in found if block.label in CERTIFICATES]


def certificate(data: bytes, *, where: str | None = None) -> x509.Certificate:
    """One certificate, in PEM or DER. Raises `errors.CredentialError`."""
    load = x509.load_pem_x509_certificate if data.lstrip().startswith(b"-----") else x509.load_der_x509_certificate
    try:
        data = data.replace(b" X509 CERTIFICATE-----", b" CERTIFICATE-----")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of a serial number 0, which old authorities have
            found = load(data)
        # What is decoded late is decoded now, so that no later access fails.
        _ = (found.subject.rdns, found.issuer.rdns, found.not_valid_after_utc, found.not_valid_before_utc)
        return found
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise _known("bad-certificate", where) from error


def private_key(
    found: Iterable[Block], pass_phrases: Iterable[bytes] = (), *, where: str | None = None, own: bool = False
) -> Key:
    """The one private key among the blocks. ``pass_phrases`` are tried in turn, and asked for only if there is need.
    With ``own``, for a key just made here, whether the numbers of an RSA key are primes is not asked: it takes 70 ms.

    Raises `errors.CredentialError`: no key, a wrong pass phrase, or a key that cannot be used.
    """
    block = next((block for block in found if block.is_key), None)
    if block is None:
        raise _known("no-key", where)

    def load(pass_phrase: bytes | None) -> Key:
        loaded = serialization.load_pem_private_key(block.text, pass_phrase, unsafe_skip_rsa_key_validation=own)
        return keys.require(loaded, where=where)

    if block.label == "ENCRYPTED PRIVATE KEY" or b"\nProc-Type: 4,ENCRYPTED" in block.text.replace(b"\r", b""):
        return unlocked(load, pass_phrases, where=where)
    try:
        return load(None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _known("damaged-key", where) from error


def unlocked(load: Callable[[bytes], T], pass_phrases: Iterable[bytes], *, where: str | None = None) -> T:
    """What ``load`` makes of the first pass phrase that fits. Raises `errors.CredentialError`."""
    attempts: Iterator[bytes] = iter(pass_phrases)
    tried = False
    for pass_phrase in attempts:
        tried = True
        if not pass_phrase:
            continue
        try:
            return load(pass_phrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    if tried:
        raise _known("wrong-pass-phrase", where)
    raise _known("no-pass-phrase", where)


def _known(fault: str, where: str | None, **fields: Any) -> errors.Error:
    from pyglobus.core import faults

    return faults.known(fault, what="cannot read credential", where=where, **fields)

# SPDX-License-Identifier: Apache-2.0
"""The extension that makes a certificate a proxy (RFC 3820 section 3.8), and its form in the draft before the RFC.

    RFC 3820   1.3.6.1.5.5.7.1.14       SEQUENCE { pathLength INTEGER OPTIONAL,
                                                   SEQUENCE { language OID, policy OCTET STRING OPTIONAL } }
    draft      1.3.6.1.4.1.3536.1.222   SEQUENCE { SEQUENCE { language OID, policy OCTET STRING OPTIONAL },
                                                   pathLength [1] EXPLICIT INTEGER OPTIONAL }

Globus makes it from a text that OpenSSL parses, whereby a path length of 0 is lost, and a policy ends at its first
comma (what follows may even set another path length). Here the bytes are what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyglobus.core import errors, faults
from pyglobus.core.x509 import der
from pyglobus.core.x509.proxytype import INHERIT_ALL

RFC_OID = "1.3.6.1.5.5.7.1.14"
DRAFT_OID = "1.3.6.1.4.1.3536.1.222"

#: OpenSSL hands path lengths to Globus as a C long, and Globus adds to them.
MAX_PATH_LENGTH = 2**31 - 1
#: A policy larger than this is a mistake: it would not pass through a TLS handshake of some servers.
MAX_POLICY = 64 * 1024

_DRAFT_PATH_LENGTH = 0xA1


@dataclass(frozen=True)
class ProxyCertInfo:
    """What a proxy may do: the policy ``language`` (dotted), the ``policy`` in it, and how many proxies may follow
    (``path_length``; None: any number).
    """

    language: str = INHERIT_ALL
    policy: bytes | None = None
    path_length: int | None = None

    def encode(self, *, draft: bool = False) -> bytes:
        """The value of the extension, in DER. Raises `errors.UsageError` for what cannot be encoded."""
        if self.path_length is not None and not 0 <= self.path_length <= MAX_PATH_LENGTH:
            raise errors.UsageError(
                "impossible path length", where=str(self.path_length), why=f"it must be from 0 to {MAX_PATH_LENGTH}"
            )
        if self.policy is not None and len(self.policy) > MAX_POLICY:
            raise errors.UsageError("policy too long", why=f"it may have {MAX_POLICY} bytes at most")
        try:
            language = der.oid(self.language)
        except der.Malformed as error:
            raise errors.UsageError(
                "no policy language", where=self.language, why="it must be an object identifier such as 1.2.3.4"
            ) from error
        policy = b"" if self.policy is None else der.element(der.OCTET_STRING, self.policy)
        terms = der.element(der.SEQUENCE, language, policy)
        length = b"" if self.path_length is None else der.integer(self.path_length)
        if draft:
            return der.element(der.SEQUENCE, terms, der.element(_DRAFT_PATH_LENGTH, length) if length else b"")
        return der.element(der.SEQUENCE, length, terms)

    @classmethod
    def decode(cls, data: bytes, *, draft: bool = False) -> ProxyCertInfo:
        """Read the value of the extension. Raises `errors.CredentialError` if it is malformed."""
        try:
            return cls._decode(data, draft)
        except der.Malformed as error:
            raise faults.known("bad-proxy-extension", what="cannot read a certificate", problem=str(error)) from error

    @classmethod
    def _decode(cls, data: bytes, draft: bool) -> ProxyCertInfo:
        whole = der.Reader(data)
        body = whole.inside(der.SEQUENCE)
        whole.end()
        path_length: int | None = None
        if not draft and body.tag == der.INTEGER:
            path_length = body.take_integer()
        terms = body.inside(der.SEQUENCE)
        language = terms.take_oid()
        policy = terms.take(der.OCTET_STRING) if terms.tag is not None else None
        terms.end()
        if draft and body.tag is not None:
            tagged = body.inside(_DRAFT_PATH_LENGTH)
            path_length = tagged.take_integer()
            tagged.end()
        body.end()
        if path_length is not None and not 0 <= path_length <= MAX_PATH_LENGTH:
            raise der.Malformed(f"a path length of {path_length} is impossible")
        return cls(language, policy, path_length)

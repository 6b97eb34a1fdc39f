# SPDX-License-Identifier: Apache-2.0
"""Private keys: RSA, and the two elliptic curves that TLS and the grid have in common.

Looking for an RSA key is what making a proxy spends its time on, and other Python threads run meanwhile: `PendingKey`
lets it go on while a certificate is read or a pass phrase is typed. This module imports no more of ``cryptography``
than that needs.
"""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pyglobus.core import errors

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

#: GSI, like all of OpenSSL 3 at its security level 2, refuses RSA keys with fewer bits.
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}


def rsa_key(bits: int = MIN_RSA_BITS) -> rsa.RSAPrivateKey:
    """A new RSA key; 2048 bits take 20 to 350 ms. Raises `errors.UsageError` for fewer, which nobody would accept."""
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise errors.UsageError(
            "impossible key size", where=f"{bits} bits", why=f"RSA keys have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits here"
        )
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: str = "p256") -> ec.EllipticCurvePrivateKey:
    """A new key on ``p256`` or ``p384``, in less than a millisecond. Good for authorities, hosts and users; proxies
    need RSA for GRAM, and where a GridFTP server is to be given a delegated credential.
    """
    return ec.generate_private_key(CURVES[curve]())


class PendingKey:
    """An RSA key that is being looked for in a thread of its own, which the end of the process need not wait for."""

    def __init__(self, bits: int = MIN_RSA_BITS) -> None:
        self._found: rsa.RSAPrivateKey | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._look, args=(bits,), name="rsa-key", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the search, for so long at most; True if it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> rsa.RSAPrivateKey:
        """The key, once it has been found. Raises what the search raised."""
        self.wait()
        if self._found is None:
            raise self._failure or AssertionError("the search has ended")
        return self._found

    def _look(self, bits: int) -> None:
        try:
            self._found = rsa_key(bits)
        except BaseException as error:
            self._failure = error


def require(key: object, *, where: str | None = None) -> Key:
    """``key``, if it is of a kind that proxies can be made with. Raises `errors.CredentialError`."""
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        require_public(key.public_key(), where=where)
        return key
    raise _known("bad-key", where, problem="the private key is neither RSA nor on an elliptic curve")


def require_public(key: object, *, where: str | None = None) -> PublicKey:
    """``key``, if servers would take it. Raises `errors.CredentialError`."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise _known("weak-key", where, key=f"the RSA key of {key.key_size} bits")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, tuple(CURVES.values())):
        return key
    raise _known("bad-key", where, problem="the key is neither RSA nor on the curve P-256 or P-384")


def _known(fault: str, where: str | None, **fields: Any) -> errors.Error:
    from pyglobus.core import faults

    return faults.known(fault, what="cannot use this key", where=where, **fields)

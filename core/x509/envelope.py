# SPDX-License-Identifier: Apache-2.0
"""Messages that only the owners of certificates can read: CMS EnvelopedData (RFC 5652) by cryptography.

Only RSA certificates can receive, and the message is held in memory. An envelope hides what is in it but does not say
who made it, nor that it is whole: sign the message first (`pyglobus.core.x509.signature`).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from pyglobus.core import errors
from pyglobus.core.x509 import names
from pyglobus.core.x509.credential import Credential

#: Longest message; a file beyond it is better moved over a protected data channel.
MAX_BYTES = 64 << 20


def encrypt(message: bytes, recipients: Sequence[x509.Certificate]) -> bytes:
    """An envelope in PEM that the owner of any of ``recipients`` can open. Raises `errors.UsageError`."""
    if not recipients or len(message) > MAX_BYTES:
        why = f"it is longer than {MAX_BYTES >> 20} MiB" if recipients else "nobody could read it"
        raise errors.UsageError("cannot encrypt the message", why=why)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(message)
    for one in recipients:
        if not isinstance(one.public_key(), rsa.RSAPublicKey):
            subject = names.oneline(one.subject)
            raise errors.UsageError("cannot encrypt the message", where=subject, why="only RSA keys can receive")
        builder = builder.add_recipient(one)
    return builder.encrypt(serialization.Encoding.PEM, [pkcs7.PKCS7Options.Binary])


def decrypt(envelope: bytes, credential: Credential) -> bytes:
    """The message in an envelope (PEM) for this credential's own certificate.

    Raises `errors.CredentialError` if it is for somebody else, `errors.DataError` if it was changed.
    """
    if not isinstance(credential.key, rsa.RSAPrivateKey):
        raise errors.CredentialError(
            "cannot decrypt the message", where=credential.subject, why="only RSA keys can receive"
        )
    try:
        return pkcs7.pkcs7_decrypt_pem(envelope, credential.certificate, credential.key, [])
    except ValueError as error:
        if "recipient" in str(error):
            raise errors.CredentialError(
                "cannot decrypt the message", where=credential.subject, why="it is for somebody else", fault="recipient"
            ) from error
        raise errors.DataError(
            "cannot decrypt the message", where=credential.subject, why="it is no envelope, or was changed"
        ) from error

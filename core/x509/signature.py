# SPDX-License-Identifier: Apache-2.0
"""Detached signatures over files: CMS SignedData (RFC 5652), made with a proxy or a certificate.

The file is read once, in pieces, whatever its size; what is signed is its digest with the time that the signer claims.
The signature carries the signer's chain, and is worth no more than that chain: `verify` judges it against the trusted
directory as a server would, now. So what is signed with a proxy can be verified for as long as the proxy lives.

`openssl cms -verify -binary` reads what `sign` makes, and `verify` reads what `openssl cms -sign` makes with one
signer, signed attributes and a digest of the SHA-2 family.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pyglobus.core import credential as credential_search
from pyglobus.core import errors
from pyglobus.core.faults import explain
from pyglobus.core.x509 import chain, filerules, names, pem
from pyglobus.core.x509.check import Outcome
from pyglobus.core.x509.credential import Credential, identity_of, path, serial_number
from pyglobus.core.x509.der import INTEGER, OCTET_STRING, SEQUENCE, SET, Malformed, Reader, element, integer, oid

#: More than any signature with its chain.
MAX_BYTES = 1 << 20

_DATA, _SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SIGNING_TIME = "1.2.840.113549.1.9.5"
_SHA256_RSA, _SHA256_ECDSA = "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"
_DIGESTS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256()),
    "2.16.840.1.101.3.4.2.2": ("sha384", hashes.SHA384()),
    "2.16.840.1.101.3.4.2.3": ("sha512", hashes.SHA512()),
}
_SHA256 = "2.16.840.1.101.3.4.2.1"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_CHOICE_0 = 0xA0
_NULL = element(0x05)
_WHAT = "cannot verify the signature"
# What cryptography raises for certificates that are malformed, some of it only when a field is looked at.
_BENT = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


@dataclass(frozen=True)
class Signature:
    """A signature that holds. ``subject`` is the name in the signing certificate, ``identity`` whom it stands for;
    ``claimed`` is when it was made, as the signer says.
    """

    subject: str
    identity: str
    claimed: dt.datetime | None
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class _Parsed:
    digest: str
    attributes: bytes
    message_digest: bytes
    claimed: dt.datetime | None
    issuer: bytes
    serial: int
    signature: bytes
    certificates: tuple[x509.Certificate, ...]


def sign(stream: BufferedIOBase, credential: Credential) -> bytes:
    """A signature over the rest of ``stream``, in PEM. Raises OSError, `errors.CredentialError`."""
    now = dt.datetime.now(dt.UTC)
    if credential.expires <= now:
        raise errors.CredentialError(
            "cannot sign", where=credential.subject, why="the credential has expired", fault="credential-expired"
        )
    attributes = b"".join(
        sorted(
            (
                _attribute(_CONTENT_TYPE, oid(_DATA)),
                _attribute(_MESSAGE_DIGEST, element(OCTET_STRING, _digest(stream, "sha256"))),
                _attribute(_SIGNING_TIME, _time(now)),
            )
        )
    )
    to_sign, key = element(SET, attributes), credential.key
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = element(SEQUENCE, oid(_SHA256_RSA), _NULL)
        value = key.sign(to_sign, padding.PKCS1v15(), hashes.SHA256())
    else:
        algorithm = element(SEQUENCE, oid(_SHA256_ECDSA))
        value = key.sign(to_sign, ec.ECDSA(hashes.SHA256()))
    leaf, digest = credential.certificate, element(SEQUENCE, oid(_SHA256))
    signer = element(
        SEQUENCE,
        integer(1),
        element(SEQUENCE, leaf.issuer.public_bytes(), integer(serial_number(leaf))),
        digest,
        element(_CHOICE_0, attributes),
        algorithm,
        element(OCTET_STRING, value),
    )
    certificates = sorted(one.public_bytes(serialization.Encoding.DER) for one in credential.certificates)
    signed = element(
        SEQUENCE,
        integer(1),
        element(SET, digest),
        element(SEQUENCE, oid(_DATA)),
        element(_CHOICE_0, *certificates),
        element(SET, signer),
    )
    return _pem(element(SEQUENCE, oid(_SIGNED_DATA), element(_CHOICE_0, signed)))


def signer(file: Path | None = None) -> Credential:
    """The credential to sign with: of a PEM file that holds certificate and clear key, or else the one that the C
    library would use. Raises `errors.CredentialError`.
    """
    if file is not None:
        return Credential.from_pem(filerules.read(file), where=str(file))
    choice = credential_search.find()
    if choice.kind == "proxy":
        return Credential.from_pem(filerules.read(Path(choice.path)), where=choice.path)
    filerules.read(Path(choice.key))
    return Credential.load(Path(choice.path), Path(choice.key))


def sign_file(file: Path, credential: Credential) -> bytes:
    """`sign` for a file. Raises as `pyglobus.core.faults.explain` words it, also if the file cannot be read."""
    try:
        with file.open("rb") as stream:
            return sign(stream, credential)
    except OSError as error:
        raise explain(error, what="cannot sign", where=str(file), role="source") from error


def verify_file(file: Path, signature: Path, directory: Path) -> Signature:
    """`verify` for files."""
    try:
        with signature.open("rb") as stream:
            made = stream.read(MAX_BYTES + 1)
        with file.open("rb") as stream:
            return verify(stream, made, directory, where=str(file))
    except OSError as error:
        where = str(signature if error.filename == str(signature) else file)
        raise explain(error, what=_WHAT, where=where, role="source") from error


def verify(stream: BufferedIOBase, signature: bytes, directory: Path, *, where: str | None = None) -> Signature:
    """Check ``signature`` (PEM or DER) over the rest of ``stream``, and its chain against a trusted directory.

    Raises `errors.DataError` if the file is not what was signed, `errors.ProtocolError` for what is no such signature,
    `errors.CredentialError` if the signer cannot be trusted, and OSError.
    """
    try:
        return _judged(stream, _parse(_der(signature)), directory, where)
    except errors.Error:
        raise
    except _BENT as error:
        raise errors.ProtocolError(_WHAT, where=where, why=f"it is none: {error}", fault="not-a-signature") from error


def _judged(stream: BufferedIOBase, parsed: _Parsed, directory: Path, where: str | None) -> Signature:
    leaf = next(
        (
            one
            for one in parsed.certificates
            if serial_number(one) == parsed.serial and one.issuer.public_bytes() == parsed.issuer
        ),
        None,
    )
    if leaf is None:
        raise errors.CredentialError(_WHAT, where=where, why="the signer's certificate is missing", fault="no-signer")
    name, algorithm = _DIGESTS[parsed.digest]
    if _digest(stream, name) != parsed.message_digest:
        raise errors.DataError(_WHAT, where=where, why="the file is not what was signed", fault="content-changed")
    _require_signed(parsed, leaf, algorithm, where)
    found = path(leaf, parsed.certificates)
    _require_trust(found, directory, where)
    subject, identity = names.oneline(leaf.subject), names.oneline(identity_of(found).subject)
    return Signature(subject, identity, parsed.claimed, tuple(found))


def _require_signed(
    parsed: _Parsed, leaf: x509.Certificate, algorithm: hashes.HashAlgorithm, where: str | None
) -> None:
    signed, key = element(SET, parsed.attributes), leaf.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(parsed.signature, signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(parsed.signature, signed, ec.ECDSA(algorithm))
        else:
            raise errors.CredentialError(_WHAT, where=where, why="the signer's key is of an unknown kind")
    except InvalidSignature:
        raise errors.DataError(
            _WHAT, where=where, why="it was not made with the signer's key", fault="bad-signature"
        ) from None
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise errors.CredentialError(_WHAT, where=where, why="the signer's key is not for signing", fault="key-usage")


def _require_trust(found: list[x509.Certificate], directory: Path, where: str | None) -> None:
    report = chain.inspect(found, directory)
    for check in report.checks:
        if check.outcome is Outcome.FAILED:
            raise errors.CredentialError(
                "cannot trust the signer",
                where=where or check.certificate,
                why=check.explanation,
                hint=check.hint,
                fault=check.fault,
            )


def _parse(data: bytes) -> _Parsed:
    """One signer's data; all else is refused."""
    outer = Reader(data)
    info = outer.inside(SEQUENCE)
    outer.end()
    if info.take_oid() != _SIGNED_DATA:
        raise Malformed("these are not signed data")
    signed = info.inside(_CHOICE_0).inside(SEQUENCE)
    signed.take_integer()
    signed.take(SET)
    content = signed.inside(SEQUENCE)
    if content.take_oid() != _DATA or content.tag is not None:
        raise Malformed("the signature is not detached")
    certificates = []
    if signed.tag == _CHOICE_0:
        inside = signed.inside(_CHOICE_0)
        while inside.tag is not None:
            certificates.append(_certificate(element(SEQUENCE, inside.take(SEQUENCE))))
    signers = signed.inside(SET)
    signer = signers.inside(SEQUENCE)
    signers.end()
    if signer.take_integer() != 1:
        raise Malformed("the signer is named in an unknown way")
    named = signer.inside(SEQUENCE)
    issuer, serial = element(SEQUENCE, named.take(SEQUENCE)), int.from_bytes(named.take(INTEGER), signed=True)
    digest = signer.inside(SEQUENCE).take_oid()
    if digest not in _DIGESTS:
        raise Malformed("the digest is unknown or too weak")
    attributes = signer.take(_CHOICE_0)
    signer.take(SEQUENCE)
    value = signer.take(OCTET_STRING)
    known = _attributes(attributes)
    if known.get(_CONTENT_TYPE, Reader(b"")).take_oid() != _DATA:
        raise Malformed("it is about another kind of content")
    message_digest = known.get(_MESSAGE_DIGEST, Reader(b"")).take(OCTET_STRING)
    claimed = _read_time(known[_SIGNING_TIME]) if _SIGNING_TIME in known else None
    return _Parsed(digest, attributes, message_digest, claimed, issuer, serial, value, tuple(certificates))


def _attributes(data: bytes) -> dict[str, Reader]:
    """Signed attributes by type; each type comes once, with one value."""
    reader, found = Reader(data), dict[str, Reader]()
    while reader.tag is not None:
        attribute = reader.inside(SEQUENCE)
        kind = attribute.take_oid()
        if kind in found:
            raise Malformed("an attribute comes twice")
        found[kind] = attribute.inside(SET)
    return found


def _certificate(data: bytes) -> x509.Certificate:
    try:
        return pem.certificate(data)
    except errors.CredentialError as error:
        raise Malformed("a certificate in it is damaged") from error


def _attribute(kind: str, value: bytes) -> bytes:
    return element(SEQUENCE, oid(kind), element(SET, value))


def _time(moment: dt.datetime) -> bytes:
    """RFC 5652 section 11.3: UTCTime until 2049."""
    if moment.year < 2050:
        return element(_UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return element(_GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _read_time(reader: Reader) -> dt.datetime:
    short = reader.tag == _UTC_TIME
    text = reader.take(_UTC_TIME if short else _GENERALIZED_TIME).decode("ascii")
    moment = dt.datetime.strptime(text, "%y%m%d%H%M%SZ" if short else "%Y%m%d%H%M%SZ")
    if short and moment.year >= 2050:
        moment = moment.replace(year=moment.year - 100)
    return moment.replace(tzinfo=dt.UTC)


def _digest(stream: BufferedIOBase, name: str) -> bytes:
    return hashlib.file_digest(stream, name).digest()


def _pem(data: bytes) -> bytes:
    text = base64.b64encode(data)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN CMS-----", *lines, b"-----END CMS-----", b""])


def _der(signature: bytes) -> bytes:
    """DER of PEM or DER."""
    if len(signature) > MAX_BYTES:
        raise Malformed("it is too long")
    armoured = re.search(rb"-----BEGIN (CMS|PKCS7)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----", signature)
    return base64.b64decode(b"".join(armoured[2].split()), validate=True) if armoured else signature

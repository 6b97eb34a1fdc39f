# SPDX-License-Identifier: Apache-2.0
"""Making proxy certificates: RFC 3820 in all its kinds, and the two forms before it.

`make` and `sign` keep the rules that a verifier would otherwise enforce later: a proxy has its issuer's form, no more
than its issuer's rights, does not follow where the path length ends, and does not outlive any certificate of its
chain. What is not said is inherited: a proxy of a limited proxy is limited. `certify` makes exactly what it is told,
also what is wrong on purpose.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from pyglobus.core import errors, faults
from pyglobus.core.x509 import keys, names, proxycertinfo
from pyglobus.core.x509.credential import Credential, serial_number
from pyglobus.core.x509.keys import Key, PublicKey
from pyglobus.core.x509.kind import Kind, extension, kind_of
from pyglobus.core.x509.proxycertinfo import ProxyCertInfo
from pyglobus.core.x509.proxytype import LANGUAGES, Form, Rights, rights_of

#: A proxy begins this much before it is made, so that a clock which is a little behind does not refuse it.
CLOCK_SKEW = dt.timedelta(minutes=5)
DEFAULT_LIFETIME = dt.timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a proxy shall be. None is "as the issuer": its form, its rights; for ``lifetime`` until it ends.

    ``language`` and ``policy`` are for restricted proxies, and imply them; a language alone is a policy without text.
    """

    form: Form | None = None
    rights: Rights | None = None
    language: str | None = None
    policy: bytes | None = None
    path_length: int | None = None
    lifetime: dt.timedelta | None = DEFAULT_LIFETIME


def make(issuer: Credential, wish: Wish | None = None, *, key: Key | None = None) -> Credential:
    """A proxy of ``issuer``, with a new RSA key unless one is given.

    Raises `errors.CredentialError` if ``issuer`` may not make it or has ended, `errors.UsageError` if the wish makes
    no sense.
    """
    key = key if key is not None else keys.rsa_key()
    return Credential(sign(issuer, key.public_key(), wish), key, issuer.certificates)


def sign(issuer: Credential, public_key: PublicKey, wish: Wish | None = None) -> x509.Certificate:
    """A proxy certificate for somebody else's key: delegation. Raises as `make` does."""
    wish = wish or Wish()
    keys.require_public(public_key)
    keys.require(issuer.key)
    _require_may_sign(issuer)
    form, info = _terms(issuer, wish)
    now = _now()
    begin = max(now - CLOCK_SKEW, *(one.not_valid_before_utc for one in issuer.certificates))
    end = issuer.expires if wish.lifetime is None else min(_later(now, wish.lifetime), issuer.expires)
    if end <= now:
        minutes = str(int((now - issuer.expires).total_seconds() // 60))
        fault, ended = ("proxy-expired", "proxy") if issuer.kind.is_proxy else ("certificate-expired", "certificate")
        whose = names.oneline(issuer.certificate.subject)
        raise faults.known(fault, what="cannot make a proxy", where=whose, ended=f"the {ended}", minutes=minutes)
    return certify(issuer, public_key, form=form, info=info, not_before=begin, not_after=end)


def certify(
    issuer: Credential,
    public_key: PublicKey,
    *,
    form: Form,
    info: ProxyCertInfo,
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> x509.Certificate:
    """Exactly this proxy certificate, may it make sense or not. Of a legacy one, ``info`` only tells if it is
    limited.
    """
    parent = issuer.certificate
    if form is Form.LEGACY:
        serial = serial_number(parent)
        name = "limited proxy" if rights_of(info.language) is Rights.LIMITED else "proxy"
    else:
        serial = int.from_bytes(os.urandom(8)) >> 1 | 1
        name = str(serial)
    last = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .serial_number(serial)
        .issuer_name(parent.subject)
        .subject_name(x509.Name([*parent.subject.rdns, last]))
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .public_key(public_key)
    )
    for value, critical in _usages(parent, public_key):
        builder = builder.add_extension(value, critical=critical)
    if form is not Form.LEGACY:
        # The last one: behind a policy, the Globus libraries take every other critical extension for an unknown one.
        draft = form is Form.DRAFT
        dotted = x509.ObjectIdentifier(proxycertinfo.DRAFT_OID if draft else proxycertinfo.RFC_OID)
        builder = builder.add_extension(x509.UnrecognizedExtension(dotted, info.encode(draft=draft)), critical=True)
    return builder.sign(issuer.key, _hash(issuer))


def _terms(issuer: Credential, wish: Wish) -> tuple[Form, ProxyCertInfo]:
    parent = issuer.kind
    form = wish.form or parent.form or Form.RFC
    if parent.form not in (None, form) and parent.rights is not Rights.INDEPENDENT:
        raise _refused(f"the issuer is a proxy of the {parent.form} form, and a chain must not mix them")
    language = _language(parent, wish)
    if parent.info is not None and parent.rights is Rights.RESTRICTED and wish.language is None:
        policy = parent.info.policy if wish.policy is None else wish.policy
    else:
        policy = wish.policy
    rights = rights_of(language)
    if rights is not Rights.RESTRICTED and policy is not None:
        raise errors.UsageError(
            "a policy makes no sense here",
            where=language,
            why="this policy language has no policy text (RFC 3820, section 3.8.2)",
            hint="name the language that the policy is written in",
        )
    if form is Form.LEGACY and (rights not in (Rights.IMPERSONATION, Rights.LIMITED) or wish.path_length is not None):
        raise errors.UsageError(
            "a legacy proxy cannot say that", why="it can be full or limited, without policy and path length"
        )
    return form, ProxyCertInfo(language, policy, _path_length(issuer, wish.path_length))


def _language(parent: Kind, wish: Wish) -> str:
    asked = wish.rights
    if wish.language is not None or wish.policy is not None:
        if asked not in (None, Rights.RESTRICTED):
            raise errors.UsageError("a proxy is limited, independent or restricted by a policy, never two of these")
        asked = Rights.RESTRICTED
    rights = asked or parent.rights or Rights.IMPERSONATION
    inherited = parent.info.language if parent.info is not None and parent.rights is Rights.RESTRICTED else None
    language = wish.language or (inherited if rights is Rights.RESTRICTED else LANGUAGES[rights])
    if language is None:
        raise errors.UsageError("a restricted proxy needs a policy language", hint="-policy-language OID")
    given = rights_of(language)
    if parent.rights in (Rights.LIMITED, Rights.RESTRICTED) and given is not parent.rights:
        raise _refused(f"a {parent.rights} proxy makes {parent.rights} proxies only")
    return language


def _path_length(issuer: Credential, asked: int | None) -> int | None:
    """No more than the issuers leave: each counts the proxies after it, ours included."""
    left: int | None = None
    for behind, one in enumerate(_proxies(issuer)):
        limit = one.info.path_length if one.info is not None else None
        if limit is not None:
            left = limit - behind if left is None else min(left, limit - behind)
    if left is not None and left <= 0:
        problem = "the path length of the issuer's proxies allows no further proxy"
        raise faults.known("path-length-exceeded", what="cannot make such a proxy", limit=problem)
    return asked if left is None or asked is None else min(asked, left - 1)


def _proxies(issuer: Credential) -> Iterator[Kind]:
    for one in issuer.certificates:
        kind = kind_of(one)
        if not kind.is_proxy:
            return
        yield kind


def _require_may_sign(issuer: Credential) -> None:
    if issuer.kind.is_authority:
        raise _refused("an authority makes no proxies")
    usage = extension(issuer.certificate, x509.KeyUsage.oid.dotted_string)
    if usage is not None and isinstance(usage.value, x509.KeyUsage) and not usage.value.digital_signature:
        raise _refused("its certificate has a key usage without digitalSignature")


def _usages(parent: x509.Certificate, public_key: PublicKey) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """The key usages: those of the issuer, without what a proxy must never have (RFC 3820 section 3.7)."""
    usage = extension(parent, x509.KeyUsage.oid.dotted_string)
    known = usage.value if usage is not None and isinstance(usage.value, x509.KeyUsage) else None
    is_rsa = isinstance(public_key, rsa.RSAPublicKey)
    agreement = known is not None and known.key_agreement
    yield (
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=is_rsa and (known is None or known.key_encipherment or not agreement),
            data_encipherment=is_rsa and known is not None and known.data_encipherment,
            key_agreement=agreement,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )
    extended = extension(parent, x509.ExtendedKeyUsage.oid.dotted_string)
    if extended is not None:
        yield extended.value, extended.critical


def _hash(issuer: Credential) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """SHA-2, as strong as the issuer's own signature or its curve."""
    own = issuer.certificate.signature_hash_algorithm
    if isinstance(own, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        return own
    strong = isinstance(issuer.key, ec.EllipticCurvePrivateKey) and issuer.key.key_size > 256
    return hashes.SHA384() if strong else hashes.SHA256()


def _later(now: dt.datetime, lifetime: dt.timedelta) -> dt.datetime:
    try:
        return now + lifetime
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def _refused(why: str) -> errors.CredentialError:
    return errors.CredentialError("cannot make such a proxy", why=why, fault="proxy-refused")

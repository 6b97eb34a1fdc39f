# SPDX-License-Identifier: Apache-2.0
"""The rules that RFC 3820 adds to a chain, and those of Globus for the forms before it.

The Globus libraries check some of them (kinds, and path lengths in critical extensions) and OpenSSL others; each is
checked here, so that a chain which one version of them lets pass is still refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from pyglobus.core import errors
from pyglobus.core.x509 import names, proxycertinfo
from pyglobus.core.x509.check import Check, failed, of_error, passed, skipped, warning
from pyglobus.core.x509.kind import Kind, extension, extensions, kind_of
from pyglobus.core.x509.proxytype import Form, Rights

#: What the libraries know, and let pass when it is critical.
_KNOWN = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS.dotted_string,
        ExtensionOID.KEY_USAGE.dotted_string,
        ExtensionOID.EXTENDED_KEY_USAGE.dotted_string,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER.dotted_string,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string,
        "2.16.840.1.113730.1.1",  # Netscape certificate type
        proxycertinfo.RFC_OID,
        proxycertinfo.DRAFT_OID,
    }
)
_ALTERNATIVE_NAMES = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME)


def checks(path: Sequence[x509.Certificate]) -> list[Check]:
    """The checks of the proxies at the beginning of a path."""
    kinds: list[Kind] = []
    for one in path:
        try:
            kinds.append(kind_of(one))
        except errors.CredentialError as error:
            return [of_error("proxy-form", error, names.oneline(one.subject))]
    count = next((at for at, kind in enumerate(kinds) if not kind.is_proxy), len(kinds))
    critical = _critical(path)
    if not count:
        return [skipped("proxy-form", "there is no proxy in the chain"), critical]
    return [
        _form(path, kinds, count),
        _rights(path, kinds, count),
        _path_length(path, kinds, count),
        _usage(path, count),
        critical,
        _lifetime(path, count),
        *_policies(path, kinds, count),
    ]


def _form(path: Sequence[x509.Certificate], kinds: Sequence[Kind], count: int) -> Check:
    """Section 4.1: what a proxy is made of, and who may issue it."""
    name = "proxy-form"
    if count == len(path):
        return failed(name, "no-owner")
    if kinds[count].is_authority:
        return failed(name, "bad-proxy", problem="an authority has signed the proxy, which no authority may")
    for one, kind in zip(path[:count], kinds, strict=False):
        whose = names.oneline(one.subject)
        if kind.form is Form.LEGACY:
            continue
        if any(extension(one, oid.dotted_string) is not None for oid in _ALTERNATIVE_NAMES):
            return failed(name, "bad-proxy", whose, problem="a proxy must not have alternative names")
        info = kind.info
        if info is not None and info.policy is not None and kind.rights in (Rights.IMPERSONATION, Rights.INDEPENDENT):
            return failed(name, "bad-proxy", whose, problem="it has a policy although its policy language has none")
    forms = {kind.form for kind in kinds[:count]}
    for one, kind, above in zip(path, kinds[:count], kinds[1 : count + 1], strict=False):
        if above.is_proxy and kind.form is not above.form:
            return failed(name, "mixed-proxies", names.oneline(one.subject), form=str(kind.form), other=str(above.form))
    plural = "proxies" if count > 1 else "proxy"
    return passed(name, f"{count} {plural} of the {'/'.join(sorted(str(form) for form in forms))} form")


def _rights(path: Sequence[x509.Certificate], kinds: Sequence[Kind], count: int) -> Check:
    """No proxy gives more than it has: what follows a limited one is limited, or on its own."""
    name = "proxy-rights"
    for one, kind, above in zip(path, kinds[:count], kinds[1 : count + 1], strict=False):
        if above.rights is Rights.LIMITED and kind.rights not in (Rights.LIMITED, Rights.INDEPENDENT):
            return failed(name, "limited-exceeded", names.oneline(one.subject))
    return passed(name, f"it is {kinds[0].rights}")


def _path_length(path: Sequence[x509.Certificate], kinds: Sequence[Kind], count: int) -> Check:
    """Section 3.8.1: how many proxies may follow each."""
    name = "proxy-path-length"
    left: int | None = None
    for below, kind in enumerate(kinds[:count]):
        limit = kind.info.path_length if kind.info is not None else None
        if limit is None:
            continue
        if below > limit:
            said = f"it allows {limit} proxies after it, but there are {below}"
            return failed(name, "path-length-exceeded", names.oneline(path[below].subject), limit=said)
        left = limit - below if left is None else min(left, limit - below)
    return passed(name, "any number of proxies may follow" if left is None else f"{left} more proxies may follow")


def _usage(path: Sequence[x509.Certificate], count: int) -> Check:
    """Sections 3.7 and 4.1.4: who signs a proxy must be allowed to sign, and a proxy is never an authority."""
    name = "proxy-key-usage"
    for at, one in enumerate(path[: count + 1]):
        whose = names.oneline(one.subject)
        found = extension(one, ExtensionOID.KEY_USAGE.dotted_string)
        usage = found.value if found is not None else None
        if not isinstance(usage, x509.KeyUsage):
            continue
        if at and not usage.digital_signature:
            problem = "it has signed a proxy, but its key usage lacks digitalSignature"
            return failed(name, "key-usage", whose, problem=problem)
        if at < count and usage.key_cert_sign:
            problem = "it is a proxy whose key usage has keyCertSign, which is for authorities"
            return failed(name, "key-usage", whose, problem=problem)
    return passed(name, "the key usages allow what was done")


def _critical(path: Sequence[x509.Certificate]) -> Check:
    """RFC 5280 section 4.2: what is critical and not understood makes a certificate unusable."""
    name = "extensions"
    for one in path:
        whose = names.oneline(one.subject)
        try:
            unknown = [each for each in extensions(one) if each.critical and each.oid.dotted_string not in _KNOWN]
        except errors.CredentialError as error:
            return of_error(name, error, whose)
        if unknown:
            return failed(name, "unknown-extension", whose, oid=unknown[0].oid.dotted_string)
    return passed(name, "all critical extensions are known")


def _lifetime(path: Sequence[x509.Certificate], count: int) -> Check:
    name = "proxy-lifetime"
    for one, issuer in itertools.pairwise(path[: count + 1]):
        if one.not_valid_after_utc > issuer.not_valid_after_utc:
            end = f"{issuer.not_valid_after_utc:%F %H:%M} UTC"
            return warning(name, "outlives-issuer", names.oneline(one.subject), end=end)
    return passed(name, "no proxy outlives its issuer")


def _policies(path: Sequence[x509.Certificate], kinds: Sequence[Kind], count: int) -> list[Check]:
    return [
        warning("proxy-policy", "restricted", names.oneline(one.subject), language=kind.info.language)
        for one, kind in zip(path[:count], kinds, strict=False)
        if kind.rights is Rights.RESTRICTED and kind.info is not None
    ]

# SPDX-License-Identifier: Apache-2.0
"""The forms of proxies and what they grant, with the words that grid-proxy-info has for them."""

from __future__ import annotations

import enum

#: Policy languages: RFC 3820 section 3.8.2, and Globus's own for a limited proxy.
INHERIT_ALL = "1.3.6.1.5.5.7.21.1"
INDEPENDENT = "1.3.6.1.5.5.7.21.2"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"


class Form(enum.StrEnum):
    """The formats of proxies; a chain holds proxies of one form only."""

    RFC = "rfc"
    DRAFT = "draft"
    LEGACY = "legacy"


class Rights(enum.StrEnum):
    """What of its issuer's rights a proxy has: all; all but to start jobs; none; those of a policy."""

    IMPERSONATION = "impersonation"
    LIMITED = "limited"
    INDEPENDENT = "independent"
    RESTRICTED = "restricted"


LANGUAGES = {
    Rights.IMPERSONATION: INHERIT_ALL,
    Rights.LIMITED: LIMITED,
    Rights.INDEPENDENT: INDEPENDENT,
}
_RIGHTS = {language: rights for rights, language in LANGUAGES.items()}
_TEXTS = {Form.RFC: "RFC 3820 compliant {} proxy", Form.DRAFT: "Proxy draft (pre-RFC) compliant {} proxy"}


def rights_of(language: str) -> Rights:
    """What a policy language grants: each but the three known ones leaves it to its policy."""
    return _RIGHTS.get(language, Rights.RESTRICTED)


def text(form: Form | None, rights: Rights | None, *, is_authority: bool = False) -> str:
    """The type of a certificate as grid-proxy-info prints it; ``form`` is None for one that is no proxy."""
    if form is None:
        return "certificate authority" if is_authority else "end entity credential"
    if form is Form.LEGACY:
        return f"{'limited' if rights is Rights.LIMITED else 'full'} legacy globus proxy"
    return _TEXTS[form].format(rights)

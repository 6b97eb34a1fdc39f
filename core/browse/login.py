# SPDX-License-Identifier: Apache-2.0
"""Whose credential is in use, and making or fetching one, as proxy-init and myproxy-get do it with their defaults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pyglobus.core import credential, proxy
from pyglobus.core.credential import Credential


def standing() -> Credential:
    """The credential that a login would use. Raises `errors.CredentialError` if there is none, or it has ended."""
    return credential.inspect()


def make(pass_phrase: bytes, lifetime: dt.timedelta) -> Path:
    """Make a proxy from the user's certificate and key, and put it where all programs look; returns that place.

    Raises `errors.Error`: no certificate, a wrong pass phrase.
    """
    from pyglobus.core.x509 import userfiles
    from pyglobus.core.x509.proxy import Wish
    from pyglobus.core.x509.proxy import make as make_proxy

    issuer = userfiles.find().credential((pass_phrase,))
    path = proxy.location().absolute()
    make_proxy(issuer, Wish(lifetime=lifetime)).save_proxy(path)
    return path


def fetch(server: str, username: str, pass_phrase: bytes, lifetime: dt.timedelta) -> Path:
    """Fetch a proxy from a MyProxy server (by default those of MYPROXY_SERVER), and put it where all programs look.

    Raises `errors.Error`: no such server, a wrong pass phrase, nothing stored.
    """
    from pyglobus.core.myproxy import contact, credentials
    from pyglobus.core.myproxy.session import Session

    servers = contact.servers(server or None)
    path = proxy.location().absolute()
    with Session(servers, anonymous=True) as session:
        fetched = credentials.get(
            session, username=contact.username(username or None), pass_phrase=pass_phrase, lifetime=lifetime
        )
    fetched.credential.save_proxy(path)
    return path

# SPDX-License-Identifier: Apache-2.0
"""The credentials of a sandbox: made when it starts, and the user's proxy again whenever it is about to end.

Two RSA keys, the user's and the proxy's, take nearly all the time there is to spend, and no server needs them:
`making` lets other threads look for them while the servers start. The authority and the host have P-256 keys, which
cost nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyglobus.core import files
from pyglobus.core.sandbox.site import Site

PROXY_LIFETIME = dt.timedelta(hours=12)


@dataclass(frozen=True)
class User:
    """The user of a sandbox: the name in the grid, the files, and the local account that the name is mapped to."""

    subject: str
    certificate: Path
    key: Path
    proxy: Path
    account: str


@contextmanager
def making(site: Site, namespace: str, subject: str) -> Iterator[None]:
    """Make all credentials: those that servers need before the block, the user's by its end."""
    from concurrent.futures import ThreadPoolExecutor

    from pyglobus.core.sandbox import authority
    from pyglobus.core.x509 import keys

    with ThreadPoolExecutor(2) as seekers:
        user_key, proxy_key = (seekers.submit(keys.rsa_key) for _ in range(2))
        ca = authority.Authority.create(namespace)
        ca.root.save(site.authority_certificate, site.authority_key)
        ca.trust_in(site.trusted)
        ca.issue_host(hosts=authority.loopback_names()).save(site.host_certificate, site.host_key)
        files.write(site.gridmap, f'"{subject}" {site.account}\n')
        files.write(site.authorization, "")
        yield
        user = ca.issue(subject, key=user_key.result())
        user.save(site.user_certificate, site.user_key)
        user.proxy(key=proxy_key.result(), lifetime=PROXY_LIFETIME).save_proxy(site.user_proxy)


def proxy_end(site: Site) -> dt.datetime | None:
    """When the user's proxy ends; None if it has been destroyed."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(site.user_proxy.read_bytes()).not_valid_after_utc
    except FileNotFoundError:
        return None


def renew_proxy(site: Site) -> None:
    """Make the user's proxy anew."""
    from pyglobus.core.sandbox.authority import Issued

    Issued.load(site.user_certificate, site.user_key).proxy(lifetime=PROXY_LIFETIME).save_proxy(site.user_proxy)

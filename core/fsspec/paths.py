# SPDX-License-Identifier: Apache-2.0
"""Paths of a file system and URLs of places at servers.

A path is ``host:port/path`` without a scheme, and without a login: that goes into the options of the file system, where
fsspec keeps such things. An IPv6 address is written ``%5B::1%5D``, since brackets are patterns to fsspec. A file system
that is bound to one host (``host="..."``) also takes ``/path``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pyglobus.core.url import PORTS, Url, parse


def strip(path: str) -> str:
    """The path that a URL of ours, or a path, stands for."""
    scheme, separator, rest = path.partition("://")
    if separator and scheme in ("gsiftp", "ftp"):
        authority, slash, tail = rest.partition("/")
        path = _plain(authority) + slash + tail
    elif path.startswith(("gsiftp::", "ftp::")):
        path = path.partition("::")[2]
    return path.rstrip("/")


def login(path: str) -> dict[str, Any]:
    """The options that are written in a URL: the login, and the host that it is meant for."""
    scheme, separator, rest = path.partition("://")
    authority = rest.partition("/")[0]
    if not separator or scheme not in PORTS or "@" not in authority:
        return {}
    url = parse(f"{scheme}://{authority}/")
    found = {"host": _plain(authority), "username": url.user, "password": url.password}
    return {name: value for name, value in found.items() if value is not None}


def locate(scheme: str, path: str, host: str | None, username: str | None, password: str | None) -> Url:
    """The place of a path. Raises `errors.UsageError` for what is none."""
    authority, slash, rest = strip(path).partition("/")
    if host is not None and authority != host:  # all of it is a path there
        authority, rest = host, f"{authority}{slash}{rest}".lstrip("/")
    plain = authority.replace("%5B", "[").replace("%5D", "]")
    url = parse(f"{scheme}://{plain}/{quote(rest, safe='/', errors='surrogateescape')}")
    return url._replace(user=username, password=password)


def bound(host: str, port: int | None) -> str:
    """The name of a host as paths have it."""
    authority = _plain(f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host)
    return f"{authority}:{port}" if port else authority


def _plain(authority: str) -> str:
    return authority.rpartition("@")[2].replace("[", "%5B").replace("]", "%5D")

# SPDX-License-Identifier: Apache-2.0
"""Which server is meant, and under which name the user is known there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from pyglobus.core import errors

PORT = 7512


class Contact(NamedTuple):
    """A MyProxy server."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def servers(
    listed: str | None = None, port: int | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Contact, ...]:
    """The servers of a list with commas (``one.example.org,two.example.org:7513``), by default that of MYPROXY_SERVER.

    ``port`` holds for those without one, by default it is that of MYPROXY_SERVER_PORT, or 7512. Raises
    `errors.UsageError`.
    """
    environ = os.environ if environ is None else environ
    listed = listed if listed is not None else environ.get("MYPROXY_SERVER", "")
    if port is None:
        port = _port(environ.get("MYPROXY_SERVER_PORT") or str(PORT), "MYPROXY_SERVER_PORT")
    found = []
    for word in filter(None, (part.strip() for part in listed.split(","))):
        host, colon, own = word.partition(":")
        if ":" in own or "[" in word:
            why = "libmyproxy reads no IPv6 addresses"
            raise errors.UsageError("cannot use server", where=word, why=why, hint="give the server's name")
        if not host.isprintable() or not host or " " in host:
            raise errors.UsageError("cannot use server", where=word, why="it is no host name")
        found.append(Contact(host, _port(own, word) if colon else port))
    if not found:
        raise errors.UsageError(
            "no MyProxy server is named", hint="name it with -s HOST, or in MYPROXY_SERVER", fault="no-server"
        )
    return tuple(found)


def username(given: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The name at the server: the one given, or LOGNAME. Raises `errors.UsageError` if there is none."""
    environ = os.environ if environ is None else environ
    name = given if given is not None else environ.get("LOGNAME", "")
    if not name:
        raise errors.UsageError(
            "no username is known", why="LOGNAME is not set", hint="name it with -l NAME", fault="no-username"
        )
    return name


def _port(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise errors.UsageError("cannot use server", where=where, why=f"{text!r} is no port")
    return int(text)

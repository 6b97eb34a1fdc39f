# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a GridFTP server. All of it is checked before the server starts, for that ends without a
word at what it does not like.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from pyglobus.core import errors
from pyglobus.core.storage.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is served: a ``directory``, which clients see as ``/``, or a ``storage``; with ``native`` the directory is
    served by the toolkit's own file access, each client with the account that the grid-mapfile gives it and under the
    file's own path. ``read_only`` and ``upload_mode`` hold for a directory.

    Who may: ``allow`` are subjects; ``gridmap`` is a grid-mapfile whose names may; ``anonymous``: everybody who can
    connect, without encryption. Without any of these the server's own identity may.

    ``bind`` and ``data_bind`` are the addresses to listen at for commands and data ("" is any of IPv4, "::" any at
    all), ``port`` 0 any port, ``ports`` first and last of the ports for data. ``connections`` are served at once.
    ``idle`` seconds without a command end a session, ``login`` seconds without a login. ``patience`` is how many
    seconds a storage may take for one answer. ``hostname`` is the name in the URL.
    """

    directory: str | os.PathLike[str] | None = None
    storage: Storage | None = None
    native: bool = False
    read_only: bool = False
    allow: tuple[str, ...] = ()
    gridmap: str | os.PathLike[str] | None = None
    anonymous: bool = False
    bind: str = "127.0.0.1"
    data_bind: str = "127.0.0.1"
    port: int = 0
    ports: tuple[int, int] | None = None
    connections: int = 100
    idle: int = 600
    login: int = 60
    patience: int = 60
    banner: str | None = None
    hostname: str | None = None

    def check(self) -> Settings:
        """Itself, if it makes sense. Raises `errors.UsageError`."""
        if (self.directory is None) == (self.storage is None):
            raise errors.UsageError("a server serves a directory or a storage", why="give one of them")
        if self.native and self.storage is not None:
            raise errors.UsageError("a storage is not served natively", why="the toolkit itself knows files only")
        _within("port", self.port, 0, 65535)
        if self.ports is not None:
            first, last = self.ports
            _within("port range", first, 1, 65535)
            _within("port range", last, first, 65535)
        for name, value, most in (
            ("number of connections", self.connections, 10_000),
            ("idle time", self.idle, 7 * 86400),
            ("time to log in", self.login, 86400),
            ("patience", self.patience, 86400),
        ):
            _within(name, value, 1, most)
        for subject in self.allow:
            if not subject.startswith("/") or not subject.isprintable() or '"' in subject or "\\" in subject:
                why = 'a subject looks like "/O=Grid/CN=Ada Lovelace"'
                raise errors.UsageError("not a subject", where=subject, why=why)
        if self.banner is not None and ('"' in self.banner or not self.banner.isprintable()):
            raise errors.UsageError("cannot use this banner", why="it is one line without double quotes")
        if self.directory is not None:
            _served(os.fspath(self.directory), self.native)
        return self


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise errors.UsageError(f"invalid {name}", where=str(value), why=f"it is from {least} to {most}")


def _served(path: str, native: bool) -> None:
    if not os.path.isdir(path):
        kind = errors.UsageError if os.path.exists(path) else errors.NotFound
        why = "it is not a directory" if os.path.exists(path) else "there is no such directory"
        raise kind("cannot serve", where=path, why=why)
    if native and ("," in path or '"' in path or not path.isprintable()):
        why = "the server can be confined only to a path without commas, double quotes and control characters"
        raise errors.UsageError("cannot serve", where=path, why=why)

# SPDX-License-Identifier: Apache-2.0
"""Who may log in to a GridFTP server."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.gridftp.settings import Settings
from pyglobus.core.gss.credential import Credential

#: Bytes of a grid-mapfile; large sites have some thousand lines.
_MOST = 16 << 20
#: The subject of a line, in quotes or without blanks.
_SUBJECT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"#]+))\s+\S')


def subjects(settings: Settings, credential: Credential | None) -> list[str]:
    """Those who may, each once. Raises `errors.ConfigurationError` if nobody may."""
    found = list(settings.allow)
    if settings.gridmap is not None:
        found += read(Path(settings.gridmap))
    if credential is None:
        if not settings.anonymous:
            raise errors.ConfigurationError(
                "a server needs a credential", why="only anonymous clients can do without",
                hint="make a proxy (proxy-init), give --cert and --key, or let everybody in with --anonymous",
            )  # fmt: skip
        return []
    if not found and not settings.anonymous:
        found = [credential.identity]
    return list(dict.fromkeys(found))


def read(path: Path) -> list[str]:
    """The subjects of a grid-mapfile. Raises `errors.Error`."""
    from pyglobus.core.faults import explain

    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST + 1)
    except OSError as error:
        raise explain(error, what="cannot read the grid-mapfile", where=str(path), role="source") from error
    if len(text) > _MOST:
        raise errors.ConfigurationError("cannot read the grid-mapfile", where=str(path), why="it is too large")
    found = []
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        matched = _SUBJECT.match(line)
        if matched is None:
            why = f'line {number} is not "SUBJECT" ACCOUNT'
            raise errors.ConfigurationError("bad grid-mapfile", where=str(path), why=why)
        found.append(matched[1] if matched[1] is not None else matched[2])
    return found


def own_account() -> str:
    """The name of the account that this process has. Raises `errors.ConfigurationError`."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise errors.ConfigurationError(
            "cannot serve", why=f"user id {os.geteuid()} has no account, and the server serves accounts only"
        ) from None


def become(name: str) -> None:
    """Go on as this account, for good; only root can. Raises `errors.Error`."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise errors.ConfigurationError("cannot serve as", where=name, why="there is no such account") from None
    if entry.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except OSError as error:
        raise errors.AccessDenied("cannot serve as", where=name, why=error.strerror, hint="only root can") from error
    os.environ["HOME"] = entry.pw_dir

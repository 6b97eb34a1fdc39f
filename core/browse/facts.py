# SPDX-License-Identifier: Apache-2.0
"""All that can be found out about one entry: what the file system or the server tells of it.

A server tells more in answer to MLST (RFC 3659) than listings are read for: owner and group by name, and what may be
done with the entry.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.tree import parse_time
from pyglobus.core.url import Url


def facts(session: Session, options: Options, url: Url) -> Iterator[tuple[str, str]]:
    """Pairs of a label and a text. Raises `errors.Error`."""
    yield "address", str(url)
    yield from _local(url.path.rstrip("/") or "/") if url.is_local else _remote(session, options, url)


def _local(path: str) -> Iterator[tuple[str, str]]:
    from pyglobus.core.faults import explain

    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            yield "link to", os.readlink(path)
    except OSError as error:
        raise explain(error, what="cannot look at", where=path, role="source") from error
    yield "kind", _kind(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        yield "size", _size(status.st_size)
    yield "changed", _time(status.st_mtime)
    yield "mode", f"{stat.filemode(status.st_mode)} ({stat.S_IMODE(status.st_mode):04o})"
    yield "owner", f"{_user(status.st_uid)} ({status.st_uid})"
    yield "group", f"{_group(status.st_gid)} ({status.st_gid})"


def _remote(session: Session, options: Options, url: Url) -> Iterator[tuple[str, str]]:
    plain = url._replace(path=url.path.rstrip("/") or "/")
    known = Remote(session, plain, options.source, options, "source").facts()
    if known is None:
        raise errors.NotFound("cannot look at", where=str(plain), why="it is not there any more", fault="no-such-file")
    kind = known.get("type", "")
    yield "kind", {"file": "file", "dir": "directory", "cdir": "directory", "pdir": "directory"}.get(kind, kind)
    if "unix.slink" in known:
        yield "link to", known["unix.slink"]
    if kind == "file" and known.get("size", "").isdecimal():
        yield "size", _size(int(known["size"]))
    modified = parse_time(known.get("modify"))
    if modified is not None:
        yield "changed", _time(modified)
    for label, name in (("mode", "unix.mode"), ("owner", "unix.owner"), ("group", "unix.group")):
        if name in known:
            number = known.get({"unix.owner": "unix.uid", "unix.group": "unix.gid"}.get(name, ""), "")
            yield label, known[name] + (f" ({number})" if number else "")
    if "perm" in known:
        yield "allowed", _allowed(known["perm"])


#: The letters of the fact ``perm`` (RFC 3659, 7.5.5).
_PERMISSIONS = {
    "a": "append", "c": "create in it", "d": "delete", "e": "enter", "f": "rename", "l": "list",
    "m": "make directories", "p": "delete in it", "r": "read", "w": "write",
}  # fmt: skip


def _allowed(letters: str) -> str:
    return ", ".join(_PERMISSIONS[letter] for letter in letters if letter in _PERMISSIONS) or "nothing"


def _kind(mode: int) -> str:
    for is_kind, name in (
        (stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "symbolic link"), (stat.S_ISFIFO, "pipe"),
        (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"),
    ):  # fmt: skip
        if is_kind(mode):
            return name
    return "unknown"


def _size(size: int) -> str:
    return f"{size:,} bytes"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return "?"


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return "?"

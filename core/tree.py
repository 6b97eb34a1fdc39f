# SPDX-License-Identifier: Apache-2.0
"""Directories of either kind, entry by entry.

Local directories and those of GridFTP servers are listed alike. Listings are read as they come, so a
directory of a million entries neither waits nor fills memory. What a server says is not trusted: an entry whose name
would lead out of its directory is refused.
"""

from __future__ import annotations

import calendar
import os
import stat
import time
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache

from pyglobus.core import errors
from pyglobus.core.remote import Facts, Remote, parse_facts
from pyglobus.ffi.annotation import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyglobus.ffi.ftp import Listing

# Bytes of a name, and of a line of a listing: a server that sends more is not to be believed.
_MAX_NAME = 4096
_MAX_LINE = 64 * 1024


class Entry(NamedTuple):
    """One name in a directory. ``modified`` is seconds since the epoch; ``size`` bytes; either may be unknown."""

    name: str
    directory: bool
    size: int | None
    modified: float | None
    mode: int | None = None
    #: What the server calls it, whatever name leads there.
    unique: str | None = None
    #: A symbolic link, as far as the server tells.
    link: bool = False


def list_local(path: str) -> Iterator[Entry]:
    """Entries of a local directory, symbolic links followed, those that lead nowhere left out. Raises
    `errors.Error`.
    """
    from pyglobus.core.faults import explain

    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    yield Entry(entry.name, True, None, status.st_mtime, stat.S_IMODE(status.st_mode))
                else:
                    size = status.st_size if stat.S_ISREG(status.st_mode) else None
                    yield Entry(entry.name, False, size, status.st_mtime, stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise explain(error, what="cannot list", where=path, role="source") from error


def names_in(path: str) -> list[str]:
    """All names in a local directory, also of links that lead nowhere. Raises `errors.Error`."""
    from pyglobus.core.faults import explain

    try:
        return os.listdir(path)
    except OSError as error:
        raise explain(error, what="cannot list", where=path, role="source") from error


def list_remote(
    remote: Remote, begun: Listing | None = None, *, drained: Callable[[], None] | None = None
) -> Iterator[Entry]:
    """Entries of a directory on a server; by name and kind alone where it has no MLSD. Raises `errors.Error`.

    ``begun`` and ``drained`` as `Remote.listing` has them; without MLSD it is not called.
    """
    seen = False
    try:
        for line in _lines(remote.listing("facts", begun, drained)):
            seen = True
            if (entry := _entry(line)) is not None:
                yield entry
        return
    except errors.Unsupported as error:
        if seen or error.ftp_code not in (500, 501, 502, 504):
            raise
    for line in _lines(remote.listing("names")):
        name = os.fsdecode(line.rstrip(b"/").rpartition(b"/")[2])
        if name not in ("", ".", ".."):
            facts = remote.child(name).stat()
            if facts is not None:
                yield _of(name, facts)


def parse_time(modified: str | None) -> float | None:
    """Seconds since the epoch of a time as MLST and MDTM give it (RFC 3659: YYYYMMDDHHMMSS[.sss], UTC)."""
    if modified is None or len(modified) < 14 or modified[14:15] not in ("", "."):
        return None
    whole = modified[:14]
    if not (whole.isascii() and whole.isdecimal()):
        return None
    midnight, hour, minute, second = _midnight(whole[:8]), int(whole[8:10]), int(whole[10:12]), int(whole[12:])
    if midnight is None or hour > 23 or minute > 59 or second > 60:
        return None
    fraction = modified[15:]
    return midnight + hour * 3600 + minute * 60 + second + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


@lru_cache(maxsize=1024)
def _midnight(day: str) -> int | None:
    """When a day (YYYYMMDD) begins; listings name the same days over and over. None for a day that there is not."""
    wanted = int(day[:4]), int(day[4:6]), int(day[6:])
    try:
        begins = calendar.timegm((*wanted, 0, 0, 0))
        return begins if time.gmtime(begins)[:3] == wanted else None
    except (ValueError, OverflowError):
        return None


def _lines(chunks: Generator[bytes, None, None]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        yield from (line.rstrip(b"\r") for line in lines)
        if len(rest) > _MAX_LINE:
            raise errors.ProtocolError("cannot understand the server's listing", why="a line in it has no end")
    if rest:
        yield rest.rstrip(b"\r")


def _entry(line: bytes) -> Entry | None:
    """The entry of one line of MLSD; None for what is no entry of this directory."""
    facts_text, blank, name_bytes = line.partition(b" ")
    name = os.fsdecode(name_bytes)
    if not blank or b"=" not in facts_text:
        return None  # the rest of a name with a line break: FTP cannot carry it, and nothing could fetch it
    facts: Facts = parse_facts(facts_text)
    if name in ("", ".", "..") or facts.kind in ("cdir", "pdir"):
        return None
    if len(name_bytes) > _MAX_NAME:
        raise errors.ProtocolError(
            "refused an entry of the server's listing", why=f"its name has {len(name_bytes)} bytes"
        )
    if "/" in name or "\0" in name:
        raise errors.ProtocolError(
            "refused an entry of the server's listing", why=f"the name {name!r} would lead out of its directory"
        )
    return _of(name, facts)


def _of(name: str, facts: Facts) -> Entry:
    modified = parse_time(facts.modified)
    return Entry(name, facts.is_directory, facts.size, modified, facts.mode, facts.unique, facts.link)

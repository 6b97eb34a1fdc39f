# SPDX-License-Identifier: Apache-2.0
"""The names in a directory on a server, for a shell that completes a URL.

The shells' functions run the very program that is being completed with the beginning of a URL in the variable
`ASKED`, and read the URLs that could follow, one to a line, directories with a slash at their end. Whatever is wrong
(no credential, no server, no such directory, no answer in time), nothing is printed: a Tab that brings nothing is
understood, a message in the middle of a line that is being typed is not. Nothing is ever asked for: the process leaves
the terminal first. Characters that a shell would take for its own are escaped as URLs do it, so no shell has to quote.

A listing is kept for a few seconds in the user's cache directory, under a name that tells nothing to others, for the
next Tab in the same directory; only whole listings are kept and shown.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The environment variable with the beginning of the URL.
ASKED = "_PYGLOBUS_COMPLETE_URL"

# Seconds: for the listing, and for the whole process, whatever it hangs in.
_PATIENCE = 1.4
_LIMIT = 2.0
# Seconds for which a listing is good.
_LIFE = 20.0
# Bytes of a cached listing; a directory with more names is no help in a shell.
_MAX_CACHED = 4 << 20
_PLAIN = frozenset("-._+,@:=")


def complete(beginning: str) -> int:
    """Print the URLs that begin with ``beginning``; returns the exit status, which is always 0."""
    _leave_terminal()
    signal.setitimer(signal.ITIMER_REAL, _LIMIT)
    try:
        directory, slash, prefix = beginning.rpartition("/")
        for name in names(f"{directory}{slash}"):
            if (typed := escaped(name)).startswith(prefix):
                os.write(1, os.fsencode(f"{directory}/{typed}\n"))
    except Exception:  # noqa: S110  whatever it is, a message would stand in the middle of somebody's line
        pass
    return 0


def _leave_terminal() -> None:
    """Nothing that runs here can write to the terminal or read from it."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 2)
    try:
        os.setsid()
    except OSError:  # the leader of a group is its own already; without a terminal it does no harm
        if os.fork():
            os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
        os.setsid()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def names(directory: str) -> list[str]:
    """The names in a directory on a server, directories with a slash; from the cache, or within a short time."""
    from pyglobus.core.url import parse

    url = parse(directory)
    if not url.is_ftp:
        return []
    cached = _cache_file(directory)
    if cached is not None and (known := _read(cached)) is not None:
        return known
    from pyglobus.core.lister import Lister
    from pyglobus.core.options import Options
    from pyglobus.core.session import Session

    options = Options(connect_timeout=_PATIENCE, stall_timeout=_PATIENCE)
    with Session() as session:
        session.until(_PATIENCE)
        entries = Lister(session, options, "source").entries(url)
        names = sorted(entry.name + "/" * entry.directory for entry in entries)
    if cached is not None:
        _write(cached, names)
    return names


def escaped(name: str) -> str:
    """A name as a part of a URL, without anything that a shell or a URL takes for something else."""
    from urllib.parse import quote_from_bytes

    body, slash = (name[:-1], "/") if name.endswith("/") else (name, "")
    return "".join(c if _is_plain(c) else quote_from_bytes(os.fsencode(c), safe="") for c in body) + slash


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _PLAIN
    return character.isprintable() and not character.isspace()


# The cache ------------------------------------------------------------------------------------------------------------


def _cache_file(directory: str) -> Path | None:
    """Where a listing is kept; whoever logs in with another credential may see other names."""
    from hashlib import sha256
    from pathlib import Path

    from pyglobus.core import errors, files

    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.cache")
    place = Path(home, "pyglobus", "completion")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.private_directory(place)
    except (OSError, errors.Error):
        return None
    identity = "\0".join(os.environ.get(name, "") for name in ("X509_USER_PROXY", "X509_USER_CERT"))
    return place / sha256(os.fsencode(f"{directory}\0{identity}")).hexdigest()[:32]


def _read(path: Path) -> list[str] | None:
    try:
        with path.open("rb") as file:
            if not -1.0 < time.time() - os.fstat(file.fileno()).st_mtime < _LIFE:
                return None
            return [os.fsdecode(name) for name in file.read(_MAX_CACHED).split(b"\0") if name]
    except OSError:
        return None


def _write(path: Path, names: list[str]) -> None:
    from pyglobus.core import errors, files

    content = b"".join(os.fsencode(name) + b"\0" for name in names)
    try:
        for old in _expired(path.parent):
            old.unlink(missing_ok=True)
        if len(content) <= _MAX_CACHED:
            files.write(path, content)
    except (OSError, errors.Error):
        return


def _expired(place: Path) -> Iterator[Path]:
    now = time.time()
    for path in place.iterdir():
        if now - path.stat().st_mtime > _LIFE:
            yield path

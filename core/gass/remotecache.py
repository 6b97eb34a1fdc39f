# SPDX-License-Identifier: Apache-2.0
"""The cache of another machine, worked by the globus-gass-cache of that machine, which GRAM runs there as a job.

What the program prints comes to a server of ours at the job's end, and its exit status with it, which GRAM itself does
not tell. Every word reaches it as it is, with blanks and quotes. Where it would hand a word to a shell that would read
it otherwise, nothing is submitted.
"""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

from pyglobus.core import errors, gram
from pyglobus.core.gram import GramError, description
from pyglobus.core.gram.depot import Depot
from pyglobus.core.gram.outlet import Outlet
from pyglobus.core.rsl.tree import Boolean, conjunction

# The job manager says where its toolkit is; where it does not, that is where packages put it. A default within the
# description is no way to say that, for GRAM refuses it.
_PROGRAM = 'exec "${GLOBUS_LOCATION:-/usr}/bin/globus-gass-cache" "$@"'
# These are done by a script, which makes a shell's command of the URL and the tag.
_OF_THE_SCRIPT = ("list", "cleanup-url")
_PLAIN = re.compile(r"[A-Za-z0-9@%_+=:,./~-]*")
# How a shell says that a program is not there, or cannot be run.
_NOT_THERE = (126, 127)
# Bytes that it may print: a list of half a million entries.
_MOST = 64 << 20


class Answer(NamedTuple):
    """What the program has printed there, and its exit status: 0, or 255 for most of what can go wrong."""

    status: int
    stdout: bytes
    stderr: bytes


def request(operation: str, url: str = "", *, tag: str = "", name: str = "", long: bool = False) -> Boolean:
    """The job. Raises `errors.UsageError` for what the program there would misread."""
    for word in (url, tag):
        if operation in _OF_THE_SCRIPT and not _PLAIN.fullmatch(word):
            why = "globus-gass-cache hands it to a shell there, which would read it otherwise"
            raise errors.UsageError(f"cannot {operation} there", where=word, why=why)
    words = [f"-{operation}"]
    for option, value in (("-t", tag), ("-n", name)):
        words += [option, value] if value else []
    words += ["-long"] if long else []
    words += [url] if url else []
    arguments = ["-c", _PROGRAM, "globus-gass-cache", *words]
    return conjunction(executable="/bin/sh", arguments=arguments, stdin="/dev/null")


def run(
    contact: str, operation: str, url: str = "", *, tag: str = "", name: str = "", long: bool = False,
    timeout: float | None = None,
) -> Answer:  # fmt: skip
    """Do an operation of `cache.Cache`, named as globus-gass-cache names it, at a gatekeeper's machine.

    Raises `gram.GramError` for what goes wrong on the way, `errors.Unsupported` where the program is not installed,
    and TimeoutError after ``timeout`` seconds. Who is interrupted cancels the job.
    """
    wanted = request(operation, url, tag=tag, name=name, long=long)
    gram.ping(contact, timeout=timeout)
    printed, told = _Text(), _Text()
    outlet = Outlet(printed.add, told.add)
    depot = Depot()
    depot.admit(outlet)
    with depot:
        wishes = description.Wishes(shows=True, propagates=True)
        job = gram.submit(contact, description.prepared(wanted, wishes, outlet.paths, depot.url))
        try:
            event = job.wait(timeout)
        except BaseException:
            with contextlib.suppress(GramError):
                job.cancel()
            raise
        finally:
            job.close()
        depot.drain()
    for text in (printed, told):
        text.require(contact)
    if event.failure is not None:
        raise event.failure
    if outlet.status is None:
        raise errors.DataError("the exit status of the job has not arrived", where=job.contact)
    if outlet.status in _NOT_THERE:
        why, hint = "it has no globus-gass-cache", "there, install the package globus-gass-cache-program"
        raise errors.Unsupported("cannot use the cache", where=contact, why=why, hint=hint)
    # The program ends with 0 even where the cache refuses to add.
    refused = outlet.status == 0 and told.data.startswith(b"Could not add ")
    return Answer(1 if refused else outlet.status, bytes(printed.data), bytes(told.data))


class _Text:
    """What comes, up to the limit."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._over = False

    def add(self, data: bytes) -> None:
        self._over = self._over or len(self.data) + len(data) > _MOST
        if self._over:
            raise ValueError("too much")
        self.data += data

    def require(self, where: str) -> None:
        if self._over:
            raise errors.DataError("cannot use the cache", where=where, why=f"its answer has more than {_MOST} bytes")

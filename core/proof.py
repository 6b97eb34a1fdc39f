# SPDX-License-Identifier: Apache-2.0
"""Whether what has arrived is what there was: its size, its checksum, and what a file has beside its bytes.

Success is not taken on trust. Whoever transfers compares the bytes that it counted; here is what to do if that does not
tell, or does not fit, and what is done because it was asked for.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial

from pyglobus.core import checksum, errors
from pyglobus.core.ends import Ends
from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.options import Options
from pyglobus.core.session import Session
from pyglobus.core.tree import parse_time
from pyglobus.core.url import Url

# Bytes: to copy less in vain is as quick as to ask before.
_LARGE = 16 << 20


def compare_size(ends: Ends, options: Options, arrived: int | None, attempts: int) -> None:
    """Raise `errors.DataError` if less or more has ``arrived`` than there was, whoever lost or made it.

    None: look at the destination, since what servers report is not always the last word, nor what came in several
    attempts.
    """
    if arrived is None:
        arrived = _size_at_destination(ends, options, attempts)
    if ends.total is None or arrived is None:
        return
    if arrived < ends.total:
        raise errors.DataError(
            "file is incomplete", where=str(ends.source), fault="short-file",
            why=f"{arrived} of {ends.total} bytes arrived, although no error was reported",
        )  # fmt: skip
    if arrived > ends.total and not _has_grown(ends, options, arrived):
        raise errors.DataError(
            "file is too long", where=str(ends.source), fault="long-file",
            why=f"{arrived} bytes arrived, although it has only {ends.total}",
        )  # fmt: skip


def _size_at_destination(ends: Ends, options: Options, attempts: int) -> int | None:
    """What has arrived at a server; None if it does not tell."""
    if ends.destination_remote is None or options.partial:
        return None
    try:
        facts = ends.destination_remote.stat()
    except (errors.Unsupported, errors.AccessDenied):
        return None
    except errors.TransientError:
        if attempts > 1:
            raise
        return None  # both servers have said that all is well
    return 0 if facts is None else facts.size


def _has_grown(ends: Ends, options: Options, arrived: int) -> bool:
    """Whether the source has so many bytes by now, or is of those that have content but no size."""
    if ends.total == 0 or options.length is not None:
        return True
    if ends.source_remote is not None:
        size = ends.source_remote.size()
    else:
        size = None if ends.source_file is None else os.fstat(ends.source_file.fd).st_size
    return size is None or size - options.offset >= arrived


def foresee(ends: Ends, options: Options) -> None:
    """Raise `errors.Unsupported`, before a large file is on its way, if a server could not be asked for its checksum
    in the end.
    """
    if ends.total is None or ends.total >= _LARGE:
        for remote in ends.remotes:
            remote.require_checksum(options.checksum_algorithm)


def verify(ends: Ends, options: Options, session: Session) -> Generator[None, None, str]:
    """The checksum that both ends have; yields while it is computed. Raises `errors.ChecksumMismatch`."""
    algorithm = options.checksum_algorithm
    source, destination = yield from _sums(ends, options, session)
    if source != destination:
        both = f"{source} at the source, {destination} at the destination"
        raise checksum.differ(str(ends.destination), algorithm, both)
    return source


def _sums(ends: Ends, options: Options, session: Session) -> Generator[None, None, tuple[str, str]]:
    """The checksums of both ends; this machine computes its own while a server does."""
    remotes = ends.source_remote, ends.destination_remote
    files = (ends.source_file, ends.source), (ends.destination_file, ends.destination)
    one, other = (
        _local_sum(*file, options, session)
        if remote is None
        else remote.checksum(options.checksum_algorithm, ends.total)
        for file, remote in zip(files, remotes, strict=True)
    )
    with closing(one), closing(other):
        if remotes[0] is None and remotes[1] is not None:
            second, first = yield from checksum.beside(other, one)
        elif remotes[0] is not None and remotes[1] is None:
            first, second = yield from checksum.beside(one, other)
        else:  # two servers share a handle
            first, second = (yield from one), (yield from other)
    return first, second


def _local_sum(
    file: LocalSource | LocalDestination | None, url: Url, options: Options, session: Session
) -> checksum.Computing:
    length = -1 if options.length is None else options.length
    try:
        if file is None or not file.seekable:
            raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))
        computing = checksum.of_file(file.fd, options.checksum_algorithm, options.offset, length)
        while True:
            try:
                next(computing)
            except StopIteration as ended:
                return str(ended.value)
            session.check()
            yield
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot compute checksum", where=str(url)) from error


def preserve(ends: Ends) -> Generator[errors.Error, None, None]:
    """Give the destination what the source has beside its bytes, permissions and time of last change; yields what did
    not succeed.
    """
    mode = modified = None
    if ends.source_file is not None and ends.source.is_local:
        mode, modified = ends.source_file.status.st_mode, ends.source_file.status.st_mtime
    elif ends.source_facts is not None:
        mode, modified = ends.source_facts.mode, parse_time(ends.source_facts.modified)
    # Neither set-user-ID nor its kin: whose the destination is, somebody else decides.
    steps: list[Callable[[], None]] = []
    if (file := ends.destination_file) is not None and ends.destination.is_local:
        if mode is not None:
            steps.append(partial(file.set_mode, mode & 0o777))
        if modified is not None:
            steps.append(partial(file.set_time, modified))
    elif (remote := ends.destination_remote) is not None:
        if mode is not None:
            steps.append(partial(remote.set_mode, mode & 0o777))
        if modified is not None:
            steps.append(partial(remote.set_time, modified))
    for step in steps:
        try:
            step()
        except (errors.AccessDenied, errors.CannotCreate, errors.NotFound, errors.Unsupported) as error:
            yield error

# SPDX-License-Identifier: Apache-2.0
"""The route within this machine: by the kernel between files where it can, by hand where a pipe is at one end."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Generator

from pyglobus.core.localfile import LocalDestination, LocalSource
from pyglobus.core.options import Options
from pyglobus.core.route import Attempt, Route
from pyglobus.core.session import TICK, Session

# The kernel cannot copy between these two, but read and write do.
_NOT_BY_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.EOPNOTSUPP)


class LocalCopy(Route):
    """Within this machine, by the kernel where it can."""

    name = "local copy"

    def __init__(self, session: Session, options: Options, source: LocalSource, destination: LocalDestination) -> None:
        super().__init__(session, options)
        self._source = source
        self._destination = destination
        self._bytes = 0

    def bytes(self) -> int:
        return self._bytes

    def attempt(self) -> Attempt:
        left = self.options.length
        kernel = self._source.seekable and self._destination.seekable
        try:
            if self._source.seekable:
                os.lseek(self._source.fd, self.options.offset, os.SEEK_SET)
            if self._destination.seekable:
                os.lseek(self._destination.fd, self.options.offset, os.SEEK_SET)
            while left != 0:
                chunk = self.options.block_size if left is None else min(left, self.options.block_size)
                try:
                    moved = self._by_kernel(chunk) if kernel else (yield from self._by_hand(chunk))
                except OSError as error:
                    if not kernel or error.errno not in _NOT_BY_KERNEL:
                        raise
                    kernel = False
                    continue
                if moved == 0 and kernel and self._bytes == 0:
                    kernel = False  # files of /proc and the like have no size, yet content
                    continue
                if moved == 0:
                    return
                left = None if left is None else left - moved
                self.session.check()
                yield
        except BrokenPipeError:
            raise
        except OSError as error:
            from pyglobus.core.faults import explain

            where = self._source.path, self._destination.path
            raise explain(error, what="cannot copy", where=where) from error

    def recover(self) -> None:
        self._bytes = 0

    def _by_kernel(self, chunk: int) -> int:
        moved = os.copy_file_range(self._source.fd, self._destination.fd, chunk)
        self._bytes += moved
        return moved

    def _by_hand(self, chunk: int) -> Generator[None, None, int]:
        yield from self._ready(self._source, select.POLLIN)
        data = memoryview(os.read(self._source.fd, chunk))
        for start in range(0, len(data), piece := chunk if self._destination.seekable else select.PIPE_BUF):
            yield from self._ready(self._destination, select.POLLOUT)
            rest = data[start : start + piece]
            while rest:
                done = os.write(self._destination.fd, rest)
                self._bytes += done
                rest = rest[done:]
        return len(data)

    def _ready(self, file: LocalSource | LocalDestination, event: int) -> Attempt:
        """Wait until a pipe or terminal can be read, or takes PIPE_BUF bytes: system calls that hang cannot be
        cancelled.
        """
        if not file.seekable:
            poll = select.poll()
            poll.register(file.fd, event)
            while not poll.poll(TICK * 1000):
                self.session.check()
                yield

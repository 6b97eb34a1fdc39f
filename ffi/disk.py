# SPDX-License-Identifier: Apache-2.0
"""What was written, brought to the disk."""

from __future__ import annotations

import os

from pyglobus.ffi import ffi, lib


def sync(directory: str) -> None:
    """Write out the whole file system that ``directory`` is on; no other. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if lib.pg_sync_system(fd):
            raise OSError(ffi.errno, os.strerror(ffi.errno), directory)
    finally:
        os.close(fd)

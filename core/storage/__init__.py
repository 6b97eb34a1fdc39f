# SPDX-License-Identifier: Apache-2.0
"""Storage for a GridFTP server, written in Python.

A storage is a class with the methods of `Storage`, or some of them. `Host` serves one to sessions of the C toolkit's
GridFTP server, each of which is a process that asks for what its client asks: so logins, protocol and network are those
of the production server, and what a storage does wrong stays in the host.

    class Notes(Storage):
        def stat(self, path, follow=True): ...
        def listdir(self, path): ...
        def open_read(self, path): ...

Supplied are `directory.Directory`, `memory.Memory`, `archive.Archive` (zip and tar, read-only) and
`filesystem.Filesystem` (whatever fsspec opens).
"""

from pyglobus.core.storage.host import Host
from pyglobus.core.storage.storage import Entry, Reader, Storage, Visitor, Writer

__all__ = ["Entry", "Host", "Reader", "Storage", "Visitor", "Writer"]

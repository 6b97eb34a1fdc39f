# SPDX-License-Identifier: Apache-2.0
"""``gsiftp://`` and ``ftp://`` for fsspec, and so for pandas, pyarrow, xarray and dask. Needs the extra ``[fsspec]``.

    import fsspec

    with fsspec.open("gsiftp://host/data/run7.h5") as file:
        head = file.read(4096)

fsspec finds the two classes by their entry points; nothing of this is imported before. Paths are ``host:port/path``, so
that one file system reaches all hosts and copies between two of them go from server to server. Names are taken as they
are: a percent sign in a path is a percent sign.
"""

from __future__ import annotations

from pyglobus.core.fsspec.filesystem import FTPFileSystem, GridFTPFileSystem

__all__ = ["FTPFileSystem", "GridFTPFileSystem"]

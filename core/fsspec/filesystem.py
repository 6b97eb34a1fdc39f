# SPDX-License-Identifier: Apache-2.0
"""The file systems ``gsiftp`` and ``ftp``: what fsspec asks for, in terms of core."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import weakref
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any

from fsspec.asyn import AsyncFileSystem, _run_coros_in_chunks, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike, stringify_path

from pyglobus.core import errors, faults
from pyglobus.core.fsspec import moving, paths
from pyglobus.core.fsspec.connections import Connections
from pyglobus.core.fsspec.file import AsyncFile, File
from pyglobus.core.options import Options, Side
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session
from pyglobus.core.transfer import Progress, Started, Transfer
from pyglobus.core.tree import list_remote, parse_time
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from pyglobus.core.remote import Facts

# Bytes that one request brings into memory; what is larger comes in pieces, so many at once.
_PIECE = 16 << 20
_PIECES = 2


class GridFTPFileSystem(AsyncFileSystem):
    """GridFTP servers, with the credential of the environment (a proxy, as ``proxy-init`` makes it)."""

    protocol: str = "gsiftp"
    root_marker = ""
    cachable = True

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        *,
        credential: str | None = None,
        protection: str = "clear",
        delegate: str = "auto",
        reuse_data: bool = True,
        timeout: float = 60.0,
        connections: int = 4,
        auto_mkdir: bool = False,
        in_place: bool = False,
        **kwargs: Any,
    ) -> None:
        """With a ``host`` all paths are on it; the login is for that host alone then.

        ``credential`` is a proxy file; ``protection`` and ``delegate`` as `pyglobus.core.options.Options` has them.
        ``reuse_data`` keeps data channels open (MODE E), for which servers must be able to connect to this machine;
        else each read opens one. A server that says nothing for ``timeout`` seconds is given up. So many operations of
        one call (``connections``) go on at once. ``auto_mkdir`` makes missing directories of what is written;
        ``in_place`` writes without a temporary name, for servers that cannot rename.

        Raises ValueError for options that make no sense.
        """
        super().__init__(**kwargs)
        if connections < 1:
            raise ValueError(f"connections must be at least 1, not {connections}")
        side = Side(credential=credential)
        self.options = Options(
            source=side, destination=side, protection=protection, delegate=delegate, reuse_data=reuse_data,
            connect_timeout=timeout, stall_timeout=timeout,
        ).check()  # fmt: skip
        self.host = None if host is None else paths.bound(host, port)
        self.auto_mkdir = auto_mkdir
        self.in_place = in_place
        self.connections = Connections(connections)
        self._login = username, password
        weakref.finalize(self, self.connections.close)

    # Places ----------------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return paths.strip(stringify_path(path))

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return paths.login(path)

    def url(self, path: str) -> Url:
        """Where a path leads. Raises `errors.UsageError`."""
        return paths.locate(self.protocol, path, self.host, *self._login)

    def remote(self, session: Session, path: str) -> Remote:
        """The place of a path, over this session. Raises `errors.UsageError`."""
        return Remote(session, self.url(path), self.options.destination, self.options, "destination")

    def _source(self, session: Session, path: str) -> Remote:
        return Remote(session, self.url(path), self.options.source, self.options, "source")

    def require_absent(self, path: str) -> None:
        """Raise FileExistsError if there is something."""
        self.connections.call(lambda session: self._absent(session, path), again=True)

    def _absent(self, session: Session, path: str) -> None:
        if self.remote(session, path).stat() is not None:
            raise faults.known("exists", what="cannot write", where=str(self.url(path)), role="destination")

    def _facts(self, session: Session, path: str) -> Facts:
        return self._source(session, path).look()

    def _file(self, session: Session, path: str) -> dict[str, Any]:
        """What is to be known of a file before it is read."""
        facts = self._facts(session, path)
        if facts.is_directory:
            raise faults.known("is-directory", what="cannot open", where=str(self.url(path)), role="source")
        return _info(self._strip_protocol(path), facts)

    # Looking ---------------------------------------------------------------------------------------------------------

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        facts = await self.connections.run(lambda session: self._facts(session, path), again=True)
        return _info(self._strip_protocol(path), facts)

    async def _exists(self, path: str, **_: Any) -> bool:
        try:
            await self._info(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        stem = self._strip_protocol(path)

        def entries(session: Session) -> list[dict[str, Any]]:
            facts = self._facts(session, path)
            if not facts.is_directory:
                return [_info(stem, facts)]
            place = self._source(session, path)
            return [_entry(f"{stem}/{entry.name}", entry) for entry in list_remote(place)]

        found = await self.connections.run(entries, again=True)
        return found if detail else [entry["name"] for entry in found]

    async def _modified(self, path: str) -> datetime:
        modified = (await self._info(path))["mtime"]
        if modified is None:
            raise OSError(f"{path}: the server does not tell when it was changed")
        return datetime.fromtimestamp(modified, tz=UTC)

    modified = sync_wrapper(_modified)

    # Reading ---------------------------------------------------------------------------------------------------------

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        start = start or 0
        if start < 0 or end is None or end < 0 or end - start > _PIECE:
            size = (await self.connections.run(lambda session: self._file(session, path), again=True))["size"]
            start, end, _step = slice(start, end).indices(size)
        whole = io.BytesIO()
        pieces = [(at, min(at + _PIECE, end)) for at in range(start, end, _PIECE)]
        coming: list[asyncio.Task[bytes]] = []
        try:
            while pieces or coming:
                while pieces and len(coming) < _PIECES:
                    coming.append(asyncio.ensure_future(self._range(path, *pieces.pop(0))))
                whole.write(await coming[0])
                del coming[0]
        finally:
            for task in coming:
                task.cancel()
        return whole.getvalue()

    async def _range(self, path: str, start: int, end: int) -> bytes:
        return await self.connections.run(
            lambda session: moving.fetch(session, self.remote(session, path), self.options, start, end), again=True
        )

    async def _get_file(self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, **_: Any) -> None:
        if await self._isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
        elif isfilelike(lpath):
            lpath.write(await self._cat_file(rpath))
        else:
            await self.connections.run(
                lambda session: self._transfer(session, self.url(rpath), _local(lpath), callback)
            )

    # Writing ---------------------------------------------------------------------------------------------------------

    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_: Any) -> None:
        def store(session: Session) -> None:
            with self._staged(session, path, mode) as place:
                moving.store(session, place, self.options, value)

        await self.connections.run(store, again=mode != "create")  # nothing is seen of what has failed

    async def _put_file(
        self, lpath: Any, rpath: str, mode: str = "overwrite", callback: Any = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        if os.path.isdir(lpath):
            await self._makedirs(rpath, exist_ok=True)
            return

        def put(session: Session) -> None:
            with self._staged(session, rpath, mode) as place:
                self._transfer(session, _local(lpath), place.url, callback)

        await self.connections.run(put)

    async def _copy(self, path1: Any, path2: Any, recursive: bool = False, **kwargs: Any) -> None:
        """Files of a tree may come before the directories that they belong to: many things go on at once."""
        await super()._copy(path1, path2, recursive=recursive, above=recursive, **kwargs)

    async def _cp_file(self, path1: str, path2: str, above: bool = False, **_: Any) -> None:
        """From server to server; nothing passes through this machine. ``above``: make the directories above."""
        if await self._isdir(path1):
            await self._makedirs(path2, exist_ok=True)
            return

        def copy(session: Session) -> None:
            with self._staged(session, path2, above=above) as place:
                self._transfer(session, self.url(path1), place.url)

        await self.connections.run(copy)

    def _staged(self, session: Session, path: str, mode: str = "overwrite", *, above: bool = False) -> Any:
        if mode == "create":
            self._absent(session, path)
        place = self.remote(session, path)
        if above or self.auto_mkdir:
            place.make_directories()
        return moving.staged(session, place, in_place=self.in_place)

    def _transfer(self, session: Session, source: Url, destination: Url, callback: Any = DEFAULT_CALLBACK) -> None:
        for event in Transfer(source, destination, self.options, session=session):
            if isinstance(event, Started) and event.total is not None:
                callback.set_size(event.total)
            elif isinstance(event, Progress):
                callback.absolute_update(event.bytes)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        await self._make(path, above=create_parents)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        await self._make(path, above=True, exist_ok=exist_ok)

    async def _make(self, path: str, *, above: bool, exist_ok: bool = False) -> None:
        def make(session: Session) -> None:
            place = self.remote(session, path)
            if not place.make_if_missing(above=above) and not exist_ok:
                raise faults.known("exists", what="cannot make directory", where=str(place.url), role="destination")

        await self.connections.run(make)

    # Moving and removing ---------------------------------------------------------------------------------------------

    async def _mv(
        self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Within a server it is renamed, whatever it is; else copied, and removed."""
        one, other = self.url(path1), self.url(path2)
        if one == other:
            return
        if one.authority != other.authority:
            await self._copy(path1, path2, recursive=recursive, maxdepth=maxdepth, on_error="raise", **kwargs)
            await self._rm(path1, recursive=recursive)
            return

        def move(session: Session) -> None:
            self._facts(session, path1)
            target = self.remote(session, path2)
            facts = target.stat()
            if facts is not None and facts.is_directory:
                target = target.child(one.name)
            elif self.auto_mkdir:
                target.make_directories()
            self.remote(session, path1).move(target)

        await self.connections.run(move)

    mv = sync_wrapper(_mv)

    async def _mv_file(self, path1: str, path2: str) -> None:
        await self._mv(path1, path2)

    async def _rm_file(self, path: str, **_: Any) -> None:
        def remove(session: Session) -> None:
            facts = self._facts(session, path)
            if facts.is_directory and not facts.link:
                raise faults.known("is-directory", what="cannot remove", where=str(self.url(path)), role="destination")
            self.remote(session, path).delete()

        await self.connections.run(remove)

    async def _rmdir(self, path: str) -> None:
        await self.connections.run(lambda session: self.remote(session, path).remove_directory())

    rmdir = sync_wrapper(_rmdir)

    async def _rm(
        self, path: Any, recursive: bool = False, batch_size: int | None = None, maxdepth: int | None = None, **_: Any
    ) -> None:
        """Files first, many at once, and then directories, the deepest first."""
        found: dict[str, dict[str, Any]] = {}
        for top in await self._expand_path(path):
            info = await self._info(top)
            found[top] = info
            if recursive and info["type"] == "directory" and not info["islink"]:
                found |= await self._find(top, maxdepth=maxdepth, withdirs=True, detail=True)
        directories = [
            name for name, info in found.items() if recursive and info["type"] == "directory" and not info["islink"]
        ]
        await self._all((self._rm_file(name) for name in found if name not in set(directories)), batch_size)
        for depth in sorted({name.count("/") for name in directories}, reverse=True):
            await self._all((self._rmdir(name) for name in directories if name.count("/") == depth), batch_size)

    async def _all(self, work: Iterable[Awaitable[None]], batch_size: int | None) -> None:
        await _run_coros_in_chunks(list(work), batch_size=batch_size or self.batch_size, nofiles=True)

    # Open files ------------------------------------------------------------------------------------------------------

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> File:
        self._check_mode(mode)
        if mode == "rb" and kwargs.get("size") is None:
            info = self.connections.call(lambda session: self._file(session, path), again=True)
            file = File(self, path, mode, **{**kwargs, "size": info["size"]})
            file.details = info
            return file
        if mode != "rb":
            self.connections.call(lambda session: self._prepare(session, path, mode), again=True)
        return File(self, path, mode, **kwargs)

    async def open_async(self, path: str, mode: str = "rb", **kwargs: Any) -> AsyncFile:
        """An open file for asyncio."""
        path = self._strip_protocol(path)
        self._check_mode(mode)
        if mode == "rb":
            info = await self.connections.run(lambda session: self._file(session, path), again=True)
            return AsyncFile(self, path, mode, **{**kwargs, "size": info["size"]})
        await self.connections.run(lambda session: self._prepare(session, path, mode), again=True)
        return AsyncFile(self, path, mode, **kwargs)

    def _check_mode(self, mode: str) -> None:
        if mode not in ("rb", "wb", "xb"):
            raise NotImplementedError(f"cannot open in mode {mode!r}: GridFTP files are read, or written as a whole")

    def _prepare(self, session: Session, path: str, mode: str) -> None:
        """Let what would go wrong at the end of writing go wrong at its begin."""
        place = self.remote(session, path)
        try:
            facts = place.look()
        except errors.NotFound as error:
            if error.errno == errno.ENOTDIR:
                raise
            facts = None
        if facts is not None:
            kind = "is-directory" if facts.is_directory else "exists" if mode == "xb" else None
            if kind is not None:
                raise faults.known(kind, what="cannot write", where=str(place.url), role="destination")
        elif self.auto_mkdir:
            place.make_directories()
        elif place.beside(place.url.parent()).stat() is None:
            raise faults.known("no-such-file", what="cannot write", where=str(place.url), role="destination")


class FTPFileSystem(GridFTPFileSystem):
    """FTP servers, without GSI: anonymous, or with a name and a password."""

    protocol = "ftp"


def _info(path: str, facts: Facts) -> dict[str, Any]:
    return _told(path, facts.is_directory, facts.size, parse_time(facts.modified), facts.mode, facts.link)


def _entry(path: str, entry: Any) -> dict[str, Any]:
    return _told(path, entry.directory, entry.size, entry.modified, entry.mode, entry.link)


def _told(
    path: str, directory: bool, size: int | None, modified: float | None, mode: int | None, link: bool
) -> dict[str, Any]:
    kind = "directory" if directory else "file"
    return {"name": path, "size": size, "type": kind, "mtime": modified, "mode": mode, "islink": link}


def _local(path: Any) -> Url:
    return Url("file", os.path.abspath(os.fspath(path)))

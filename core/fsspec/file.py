# SPDX-License-Identifier: Apache-2.0
"""Open files, as fsspec has them: for whoever waits, and for asyncio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fsspec.asyn import AbstractAsyncStreamedFile
from fsspec.spec import AbstractBufferedFile

from pyglobus.core.fsspec import moving
from pyglobus.core.fsspec.failures import builtins
from pyglobus.core.fsspec.reading import ReadAhead
from pyglobus.core.fsspec.upload import Upload
from pyglobus.core.remote import Remote
from pyglobus.core.session import Session

if TYPE_CHECKING:
    from pyglobus.core.fsspec.filesystem import GridFTPFileSystem


def _at(fs: GridFTPFileSystem, path: str) -> Callable[[Session], Remote]:
    return lambda session: fs.remote(session, path)


def _upload(fs: GridFTPFileSystem, path: str) -> Upload:
    return Upload(fs.connections, _at(fs, path), fs.options, in_place=fs.in_place)


class File(AbstractBufferedFile):
    """A file that is read in any order, or written from first to last.

    What is written appears under its name when the file is closed, or when the transaction it is part of ends. If an
    exception leaves the ``with`` block of a file that `GridFTPFileSystem.open` has returned, nothing appears.
    """

    def __init__(
        self,
        fs: GridFTPFileSystem,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_type: str = ReadAhead.name,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        own = {"connections": fs.connections, "at": _at(fs, path), "options": fs.options}
        extra = own if cache_type == ReadAhead.name and mode == "rb" else {}
        super().__init__(
            fs,
            path,
            mode,
            block_size or "default",
            autocommit,
            cache_type,
            {**(cache_options or {}), **extra},
            **kwargs,
        )
        self._upload = None if mode == "rb" else _upload(fs, path)

    def readinto(self, b: Any) -> int:
        """Fill a buffer, without another copy of the bytes on their way; how many there were."""
        if self.closed or self.mode != "rb" or not isinstance(self.cache, ReadAhead):
            return int(super().readinto(b))
        done = self.cache.read_into(memoryview(b).cast("B"), self.loc)
        self.loc += done
        return done

    def _fetch_range(self, start: int, end: int) -> bytes:
        fs: GridFTPFileSystem = self.fs
        return fs.connections.call(
            lambda session: moving.fetch(session, fs.remote(session, self.path), fs.options, start, end), again=True
        )

    def _upload_chunk(self, final: bool = False) -> bool:
        upload = self._upload
        assert upload is not None
        try:
            with builtins():
                upload.send(self.buffer.getbuffer(), last=final)
                if final and self.autocommit:
                    self._commit()
        except BaseException:
            self.forced = True  # closing it does not send anything any more
            upload.discard()
            raise
        return True

    def _commit(self) -> None:
        upload = self._upload
        assert upload is not None
        if self.mode == "xb":
            self.fs.require_absent(self.path)
        upload.commit()

    def commit(self) -> None:
        """Let what was written appear under its name."""
        with builtins():
            self._commit()

    def discard(self) -> None:
        """Take away what was written."""
        if self._upload is not None:
            with builtins():
                self._upload.discard()

    def close(self) -> None:
        """Give back what was kept for reading on, or let what was written appear. Idempotent."""
        cache = getattr(self, "cache", None)
        super().close()
        if isinstance(cache, ReadAhead):  # older versions of fsspec only forget it
            cache.close()

    def __exit__(self, *raised: object) -> None:
        if raised and raised[0] is not None and self.writable() and not self.forced:
            self.forced = True
            self.discard()
        self.close()


class AsyncFile(AbstractAsyncStreamedFile):
    """The same for asyncio: each read is a request, and each block that is full is sent."""

    def __init__(self, fs: GridFTPFileSystem, path: str, mode: str = "rb", **kwargs: Any) -> None:
        super().__init__(fs, path, mode, cache_type="none", **kwargs)
        self._upload = None if mode == "rb" else _upload(fs, path)

    async def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = await self.fs._cat_file(self.path, start, min(end, self.size))
        return data

    async def _initiate_upload(self) -> None:
        """There is nothing to be done before the first block."""

    async def _upload_chunk(self, final: bool = False) -> bool:
        upload, content = self._upload, self.buffer.getvalue()
        assert upload is not None

        def send() -> None:
            try:
                with builtins():
                    upload.send(content, last=final)
                    if final:
                        upload.commit()
            except BaseException:
                upload.discard()
                raise

        try:
            await self.fs.connections.wait(send, upload.cancel)
        except BaseException:
            self.forced = True
            raise
        return True

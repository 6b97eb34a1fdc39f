# SPDX-License-Identifier: Apache-2.0
"""What transfers share: the engine, handles with open connections, loaded credentials, and the way to wait.

A session belongs to one thread at a time. Waiting happens in Python, in short slices, so that Ctrl-C, deadlines and
cancellation work at any moment, also while the C libraries are busy or a server is silent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from pyglobus.core import errors
from pyglobus.core.version import __version__
from pyglobus.ffi.annotation import TYPE_CHECKING, Any
from pyglobus.ffi.engine import Engine, Operation, engine
from pyglobus.ffi.ftp import ClientSettings, FtpHandle

if TYPE_CHECKING:
    from pyglobus.core.faults import Role
    from pyglobus.core.url import Url
    from pyglobus.ffi.gss import DataCredential, GssCredential

#: Seconds between two looks at a running operation: five or more events a second, and no measurable load.
TICK = 0.1
#: Seconds. A transfer that is opened within this time goes on; what the server keeps is worth nothing afterwards.
DATA_CREDENTIAL_LIFETIME = 12 * 3600


class Session:
    """Open connections and credentials, for as long as the ``with`` block lasts."""

    def __init__(self, *, debug_fd: int = -1, gridftp2: bool = False, relative: bool = False) -> None:
        """``debug_fd``: where control channels are logged; -1 for nowhere. ``gridftp2``: use that version's commands.
        ``relative``: paths of FTP URLs are relative to the login's directory, unless they begin with ``%2F``.
        """
        self.client = ClientSettings(__version__, gridftp2, relative, debug_fd)
        self._handle: FtpHandle | None = None
        self._credentials: dict[str | None, GssCredential] = {}
        self._data_credentials: dict[str | None, DataCredential | None] = {}
        #: Servers, by authority, that have shown to need a delegated credential.
        self._delegating: set[str] = set()
        #: Whether servers, by authority, keep names that are not ASCII.
        self.names_kept: dict[str, bool] = {}
        #: Servers that have refused MODE E.
        self._streaming: set[str] = set()
        self._running: Operation | None = None
        self._asides: list[Session] = []
        self._cancelled = False
        self._deadline: float | None = None

    def again(self) -> Session:
        """Another one with the same settings, and connections of its own."""
        return Session(**{name: getattr(self.client, name) for name in ("debug_fd", "gridftp2", "relative")})

    def akin(self) -> Session:
        """Another one that also shares what is known of servers, from now on as well."""
        other = self.again()
        other._delegating, other._streaming, other.names_kept = self._delegating, self._streaming, self.names_kept
        return other

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        return engine()

    def handle(self) -> FtpHandle:
        """The FTP handle, with the connections of earlier transfers."""
        if self._handle is None:
            self._handle = FtpHandle(self.engine, **self.client._asdict())
        return self._handle

    def credential(self, path: str | None) -> GssCredential:
        """The credential in ``path``, loaded once; None: the one that the C library finds for the user."""
        if path not in self._credentials:
            from pyglobus.core.credential import load

            self._credentials[path] = load(path)
        return self._credentials[path]

    def data_credential(self, path: str | None) -> DataCredential | None:
        """A short-lived, limited proxy of that credential for data channels; None if it can have none."""
        if path not in self._data_credentials:
            derived = self.engine.submit(self.credential(path).derive, DATA_CREDENTIAL_LIFETIME).result()
            self._data_credentials[path] = derived
        return self._data_credentials[path]

    def delegates(self, url: Url) -> bool:
        """Whether the server of ``url`` needs a delegated credential, as far as is known."""
        return url.authority in self._delegating

    def lacks_extended(self, url: Url) -> bool:
        """Whether the server of ``url`` has refused MODE E."""
        return url.authority in self._streaming

    def stream(self, *urls: Url) -> bool:
        """From now on use stream mode with these servers; whether that is news for one of them."""
        fresh = {url.authority for url in urls if url.is_ftp} - self._streaming
        self._streaming |= fresh
        return bool(fresh)

    def fall_back(self, error: errors.Error, *urls: Url) -> bool:
        """Whether ``error`` may come from a login without delegation: if so, these servers get one from now on."""
        hidden = error.ftp_code is None or error.ftp_code < 500
        if hidden and not any("DCSC" in text for text in error.chain):
            return False
        of_the_path = errors.NotFound | errors.CannotCreate | errors.DataError
        if isinstance(error, of_the_path) or error.fault in ("permission-denied", "path-not-allowed"):
            return False
        fresh = {url.authority for url in urls if url.scheme == "gsiftp"} - self._delegating
        self._delegating |= fresh
        return bool(fresh)

    # Waiting ---------------------------------------------------------------------------------------------------------

    def until(self, seconds: float | None) -> None:
        """Set the deadline of everything that follows, ``seconds`` from now; None for none."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @contextmanager
    def within(self, seconds: float | None) -> Generator[None, None, None]:
        """Within the block there is this deadline, unless one that is there already is sooner."""
        before = self._deadline
        if seconds is not None:
            end = time.monotonic() + seconds
            self._deadline = end if before is None else min(end, before)
        try:
            yield
        finally:
            self._deadline = before

    def cancel(self) -> None:
        """End what is running, and refuse what comes, with `errors.Cancelled`. Safe in a signal handler and
        any thread.
        """
        self._cancelled = True
        if (running := self._running) is not None:
            running.cancel()
        for aside in list(self._asides):
            aside.cancel()

    @contextmanager
    def aside(self) -> Generator[Session, None, None]:
        """Other connections, for as long as the block lasts, under the same deadline and cancelled along with these."""
        with self.akin() as aside:
            aside._deadline = self._deadline
            self._asides.append(aside)
            try:
                self.check()
                yield aside
            finally:
                self._asides.remove(aside)

    def resume(self) -> None:
        """Take back `cancel`: what comes is done again."""
        self._cancelled = False

    def check(self) -> None:
        """Raise if the session was cancelled or its deadline has passed."""
        if self._cancelled:
            raise errors.Cancelled("cancelled")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise errors.DeadlineExceeded("deadline reached", hint="--timeout sets it")

    def watch(
        self,
        operation: Operation,
        *,
        what: str,
        where: str | tuple[str, str],
        role: Role | None = None,
        limit: float | None = None,
        answered: Callable[[], bool] = lambda: False,
    ) -> Generator[None, None, Any]:
        """Wait for an operation, yielding every `TICK`; the generator's value is its result. It ends before this does.

        ``limit`` is how many seconds a silent server gets until the operation has ended, or ``answered`` says that it
        speaks. C's errors come out as `errors.Error`; an exception thrown in at a yield cancels the operation.
        """
        self._running = operation
        started = time.monotonic()
        try:
            while not operation.done():
                self.check()
                if limit is not None and time.monotonic() - started > limit and not answered():
                    raise silent(what, where if isinstance(where, str) else " -> ".join(where), limit)
                operation.wait(TICK if self._deadline is None else self._slice())
                if not operation.done():
                    yield
            error = operation.exception()
            if error is not None:
                from pyglobus.core.faults import explain

                self.check()
                raise explain(error, what=what, where=where, role=role) from error
            return operation.result()
        except BaseException:
            if not operation.done():
                operation.cancel()
                operation.wait()
            raise
        finally:
            self._running = None

    def _slice(self) -> float:
        assert self._deadline is not None
        return max(0.0, min(TICK, self._deadline - time.monotonic()))

    def run(
        self, operation: Operation, *, what: str, where: str, role: Role | None = None, limit: float | None = None
    ) -> Any:
        """Wait for a short operation and return its result; ``limit`` is how many seconds a silent server gets."""
        watching = self.watch(operation, what=what, where=where, role=role, limit=limit)
        while True:
            try:
                next(watching)
            except StopIteration as ended:
                return ended.value

    def close(self) -> None:
        """Close the connections and release the credentials. Idempotent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()
        loaded = [*self._data_credentials.values(), *self._credentials.values()]
        self._data_credentials, self._credentials = {}, {}
        for credential in loaded:
            if credential is not None:
                _quietly(self.engine.post, credential.close)

    def __enter__(self) -> Session:
        self.engine.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def silent(what: str, where: str, seconds: float) -> errors.TransientError:
    """The error for a server that does not answer."""
    return errors.TransientError(
        what, where=where, why=f"no answer within {seconds:g} s", fault="silent-server",
        hint="is it a GridFTP server, and not overloaded? --connect-timeout waits longer",
    )  # fmt: skip


def _quietly(call: Callable[..., None], *args: Any) -> None:
    from contextlib import suppress

    from pyglobus.ffi.errors import EngineError

    with suppress(EngineError):
        call(*args)

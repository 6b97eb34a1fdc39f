# SPDX-License-Identifier: Apache-2.0
"""`XioSocket`: the interface of Python's socket on a stack of XIO drivers.

Differences that cannot be hidden, and are small:

- an address is bound when the socket begins to listen: only then is the port known that the system has chosen;
- `XioSocket.connect` and `XioSocket.accept` do the handshakes of the whole stack, and authorize the peer, before they
  return; when `accept` raises, only that one connection has failed;
- with a time-out of zero an operation of any stack but tcp alone gets a millisecond, and a handshake goes on by itself;
- a write on gsi that is cut short by a time-out spoils the stream: the socket can then only be closed;
- gsi does not sign the end of a stream, so a protocol on it should say how much it sends.

One thread may receive while another sends; two that do the same wait for each other. At most a thousand descriptors
may be open in a process that uses XIO, whatever the system's limit.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pyglobus.core.gss.credential import Credential
from pyglobus.core.xio import address as addresses
from pyglobus.core.xio.address import Address
from pyglobus.core.xio.calls import Calls
from pyglobus.core.xio.failures import StackError
from pyglobus.core.xio.opening import Opening
from pyglobus.core.xio.options import XioOptions, layers
from pyglobus.core.xio.stream import open_stream
from pyglobus.core.xio.traffic import Data, Direct, Through
from pyglobus.core.xio.waiting import held
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import EngineError
from pyglobus.ffi.gss import released_with
from pyglobus.ffi.text import encode
from pyglobus.ffi.xio import Stack, XioHandle, XioServer

__all__ = ["StackError", "XioSocket"]


class XioSocket:
    """A socket. The constructor only reads its arguments; `connect`, or `bind`, `listen` and `accept`, follow."""

    def __init__(self, stack: str | Sequence[str] = "tcp", options: XioOptions | None = None) -> None:
        """``stack``: names of drivers from the transport up, ``"tcp,gsi"``."""
        self._layers = layers(stack)
        self._names = tuple(layer.driver for layer in self._layers)
        self.options = options or XioOptions()
        self._calls = Calls()
        self._handle: XioHandle | None = None
        self._server: XioServer | None = None
        self._bound: tuple[str | None, int] | None = None
        self._opening: Opening | None = None
        self._unbegun: Stack | None = None
        self._release: Callable[[], None] | None = None
        self._listens = False
        self._accepting = threading.Lock()
        self._traffic: Through | Direct | None = None
        self._peer: str | None = None
        self._delegated: bytes | None = None

    # Connections -----------------------------------------------------------------------------------------------------

    def connect(self, address: object) -> None:
        """Connect, with all handshakes. ``address``: (host, port), or for a stack that is no network's a path or a URL,
        or None for pipe.

        Raises what a socket would, and `errors.CredentialError` where a credential or the peer's is at fault.
        """
        self._calls.require()
        if self._opening is not None and not self._opening.done():
            raise OSError(errno.EALREADY, os.strerror(errno.EALREADY))
        if self._opening is None:
            if self._handle is not None or self._server is not None:
                raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))
            target = addresses.contact(address)
            self._calls.where = target
            peer = address[0] if isinstance(address, tuple) else None
            self._start(target, self.options.attributes(listens=False, address=self._local(), peer_host=peer))
        self._finish_open(self._calls.timeout, in_progress=errno.EINPROGRESS)

    def _local(self) -> tuple[str | None, int] | None:
        return (self._bound[0], -1) if self._bound else None

    def _start(self, target: str | None, attributes: Any) -> None:
        encode(target or "")  # no NUL in it

        def make() -> tuple[XioHandle, Stack]:
            stack = Stack(self._layers, attributes)
            try:
                return XioHandle(stack), stack
            except BaseException:
                stack.close()
                raise

        handle, stack = self._calls.submit(make, what="cannot connect")
        self._adopt(handle, target, stack)

    def _adopt(self, handle: XioHandle, target: str | None, stack: Stack) -> None:
        self._handle = handle
        self._release = released_with(self, lambda: _drop(handle))
        self._open(handle, target, stack)

    def _open(self, handle: XioHandle, target: str | None, stack: Stack) -> None:
        self._opening = Opening(
            self._calls, handle, target, stack, self._names, self.options, listens=self._listens
        )  # fmt: skip

    def _finish_open(self, timeout: float | None, *, in_progress: int = errno.EAGAIN) -> None:
        """Wait for the end of `connect` or of an accepted handshake, with the peer judged."""
        opening = self._opening
        if opening is None:
            return
        if timeout == 0 and not opening.almost():
            raise BlockingIOError(in_progress, os.strerror(in_progress))
        try:
            traffic, self._peer, self._delegated = opening.finish(timeout)
        except BaseException:
            self._opening = None
            self._abandon()
            raise
        self._opening = None
        self._traffic = traffic

    def bind(self, address: object) -> None:
        """Choose the address to listen at, or to connect from; host "" is any. A stack on udp begins to receive."""
        self._calls.require()
        host, port = addresses.pair(address)
        if self._bound is not None or self._handle is not None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._bound = host or None, port
        if self._names[0] == "udp":
            self._start(None, self.options.attributes(listens=False, address=self._bound))
            self._finish_open(None)

    def listen(self, backlog: int = 128) -> None:
        """Begin to listen, at the bound address or one of the system's choice."""
        self._calls.require()
        if self._handle is not None or self._server is not None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        attributes = self.options.attributes(listens=True, address=self._bound or (None, 0), backlog=max(backlog, 0))

        def make() -> XioServer:
            stack = Stack(self._layers, attributes, listens=True)
            try:
                return XioServer(stack)
            finally:
                stack.close()

        server = self._calls.submit(make, what="cannot listen")
        self._server = server
        self._listens = True
        self._release = released_with(self, lambda: _drop(server))

    def accept(self) -> tuple[XioSocket, Address]:
        """The next connection, with its handshakes done, and the peer's address.

        The new socket has the default time-out. Raises like `connect`; the listening socket goes on.
        """
        made = self.accept_early()
        if self._calls.timeout == 0:
            return made, None
        limit = self.options.handshake_timeout
        made._finish_open(limit if self._calls.timeout is None else min(self._calls.timeout, limit))
        return made, made.getpeername()

    def accept_early(self, *, begin: bool = True) -> XioSocket:
        """The next connection as soon as it is there: its handshakes go on by themselves, and its first operation waits
        for their end. So one peer that is slow holds up no other. Without ``begin`` they wait for `begin`, and until
        then nothing can be done but `underlying` and `close`.
        """
        self._calls.require()
        server = self._server
        if server is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        with held(self._accepting, self._calls.timeout):
            handle = self._calls.wait(server.accept(), self._calls.timeout, what="cannot accept a connection")
        made = XioSocket([_written(layer) for layer in self._layers], self.options)
        made._listens = True
        attributes = self.options.attributes(listens=True)
        stack = self._calls.submit(lambda: Stack(self._layers, attributes), what="cannot accept a connection")
        made._unbegun = stack
        made._handle = handle
        made._release = released_with(made, lambda: _drop(handle))
        if begin:
            made.begin()
        return made

    def begin(self) -> None:
        """Begin the handshakes of a connection that `accept_early` has left alone."""
        self._calls.require()
        handle, stack, self._unbegun = self._handle, self._unbegun, None
        if handle is None or stack is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._open(handle, None, stack)

    def underlying(self) -> socket.socket:
        """A socket of the system of its own for the same connection, on tcp: to look, before `begin`, at what comes."""
        self._calls.require()
        handle = self._handle
        if handle is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        copy = self._calls.submit(lambda: os.dup(handle.descriptor()), what="cannot look at a connection")
        return socket.socket(fileno=copy)

    # Data ------------------------------------------------------------------------------------------------------------

    def send(self, data: Data, flags: int = 0) -> int:
        """Send at least one byte; returns how many were taken."""
        return self._send(data, 1 if memoryview(data).nbytes else 0, flags)

    def sendall(self, data: Data, flags: int = 0) -> None:
        """Send all. After a time-out nobody knows how much has been sent."""
        count = memoryview(data).nbytes
        if self._send(data, count, flags) < count:
            raise self._calls.late()

    def _send(self, data: Data, least: int, flags: int) -> int:
        traffic = self._ready(flags, 0)
        return traffic.send(data, least, self._calls.timeout) if least else 0

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive at most ``bufsize`` bytes, as many as there are; b"" at the end. MSG_WAITALL waits for all."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        traffic = self._ready(flags, socket.MSG_WAITALL)
        return traffic.receive(bufsize, bufsize if flags else 1, self._calls.timeout) if bufsize else b""

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a writable buffer, up to ``nbytes`` or its size; 0 at the end. MSG_WAITALL waits for all."""
        traffic = self._ready(flags, socket.MSG_WAITALL)
        view = memoryview(buffer).cast("B")
        if nbytes < 0 or nbytes > len(view):
            raise ValueError("nbytes is negative or larger than the buffer")
        view = view[: nbytes or len(view)]
        return traffic.receive_into(view, len(view) if flags else 1, self._calls.timeout) if view else 0

    def makefile(
        self, mode: str = "r", buffering: int | None = None, *, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None,
    ) -> io.IOBase:  # fmt: skip
        """A file over the socket, as ``socket.makefile`` makes it; the socket is closed when both are."""
        self._calls.require()
        return open_stream(self, mode, buffering, encoding=encoding, errors=errors, newline=newline)

    # State -----------------------------------------------------------------------------------------------------------

    def native(self) -> XioHandle:
        """Of the package: the open handle, once all handshakes are over. It stays the socket's."""
        self._ready(0, 0)
        assert self._handle is not None, "an open connection has a handle"
        return self._handle

    def settimeout(self, value: float | None) -> None:
        """Seconds that each of the following operations may take; None for no limit, 0 for at once or not at all."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._calls.timeout = None if value is None else float(value)

    def gettimeout(self) -> float | None:
        """What `settimeout` has set."""
        return self._calls.timeout

    def setblocking(self, flag: bool) -> None:
        """``settimeout(None)`` or ``settimeout(0)``."""
        self._calls.timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        """Whether operations may wait."""
        return self._calls.timeout != 0

    @property
    def timeout(self) -> float | None:
        """What `settimeout` has set."""
        return self._calls.timeout

    def getsockname(self) -> Address:
        """The own address; before `listen` with the port that was asked for."""
        self._calls.require()
        if self._server is not None:
            return addresses.parse(self._calls.submit(self._server.contact, what="cannot tell the address"))
        if self._handle is None:
            host, port = self._bound or (None, 0)
            return host or "0.0.0.0", max(port, 0)  # noqa: S104 - this names an unbound address
        return self._contact(remote=False)

    def getpeername(self) -> Address:
        """The peer's address."""
        self._ready(0, 0)
        return self._contact(remote=True)

    def _contact(self, *, remote: bool) -> Address:
        handle = self._handle
        assert handle is not None
        told = self._calls.submit(lambda: handle.contact(remote=remote), what="cannot tell the address")
        return addresses.parse(told)

    @property
    def peer(self) -> str | None:
        """On a stack with gsi: the subject that the peer has authenticated as; None for an anonymous one."""
        self._ready(0, 0)
        return self._peer

    def delegated(self) -> Credential | None:
        """On a stack with gsi: the credential that the peer has delegated."""
        self._ready(0, 0)
        return Credential.of_pem(self._delegated) if self._delegated else None

    def shutdown(self, how: int) -> None:
        """Send no more (SHUT_WR), receive no more (SHUT_RD), or both. For stacks on tcp."""
        self._ready(0, 0)
        handle = self._handle
        if self._names[0] != "tcp" or handle is None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        descriptor = self._calls.submit(handle.descriptor, what="cannot shut down")
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.shutdown(how)

    def close(self) -> None:
        """Close it, once the last file of `makefile` is closed too; what is in flight fails. Idempotent."""
        self._calls.closed = True
        if not self._calls.streams:
            self._abandon()

    def detached(self) -> None:
        """Of the package: a file of `makefile` has been closed."""
        self._calls.streams -= 1
        if self._calls.over:
            self._abandon()

    def attached(self) -> None:
        """Of the package: a file of `makefile` has been opened."""
        self._calls.streams += 1

    def _abandon(self) -> None:
        release, self._release = self._release, None
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        unbegun, self._unbegun = self._unbegun, None
        if unbegun is not None:
            with contextlib.suppress(EngineError):
                engine().submit(unbegun.close).result()
        traffic, self._traffic = self._traffic, None
        if traffic is not None:
            traffic.leave()
        handle, self._handle = self._handle, None
        server, self._server = self._server, None
        if release is not None:
            release()
            del handle, server
            with contextlib.suppress(EngineError):
                engine().submit(bool).result()  # closed, as far as the peer can see, when this returns

    def __enter__(self) -> XioSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._calls.closed else self._calls.where or ("listening" if self._server else "new")
        return f"<XioSocket {','.join(self._names)} {state}>"

    # Readiness -------------------------------------------------------------------------------------------------------

    def _ready(self, flags: int, known: int) -> Through | Direct:
        """The open connection, once its handshake is over."""
        self._calls.require()
        if flags & ~known:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if self._opening is not None:
            self._finish_open(self._calls.timeout)
        if self._traffic is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        self._traffic.require()
        return self._traffic


def _drop(native: XioHandle | XioServer) -> None:
    if native.pointer is not None:
        with contextlib.suppress(EngineError):  # the engine is closing: the system closes what is left
            native.close()


def _written(layer: Any) -> str:
    return f"{layer.driver}:{layer.options}" if layer.options else layer.driver

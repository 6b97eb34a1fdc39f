# SPDX-License-Identifier: Apache-2.0
"""globus_xio: stacks of drivers, and handles on them whose operations are futures.

Methods that return an `Operation` may be called from any thread; at most one read and one write of a handle may be in
flight. A read or write that is cancelled still tells how many bytes had moved. Buffers are the caller's own memory: no
byte passes through Python.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any
from pyglobus.ffi.engine import Engine, Operation, engine
from pyglobus.ffi.errors import EngineError, GlobusError, Link, OperationCancelled, check
from pyglobus.ffi.gss import GssCredential, GssName
from pyglobus.ffi.lane import Lane
from pyglobus.ffi.text import encode, take

PROTECTION = {
    "none": lib.GLOBUS_XIO_GSI_PROTECTION_LEVEL_NONE,
    "integrity": lib.GLOBUS_XIO_GSI_PROTECTION_LEVEL_INTEGRITY,
    "private": lib.GLOBUS_XIO_GSI_PROTECTION_LEVEL_PRIVACY,
}
DELEGATION = {
    "none": lib.GLOBUS_XIO_GSI_DELEGATION_MODE_NONE,
    "limited": lib.GLOBUS_XIO_GSI_DELEGATION_MODE_LIMITED,
    "full": lib.GLOBUS_XIO_GSI_DELEGATION_MODE_FULL,
}
AUTHORIZATION = {
    "none": lib.GLOBUS_XIO_GSI_NO_AUTHORIZATION,
    "self": lib.GLOBUS_XIO_GSI_SELF_AUTHORIZATION,
    "identity": lib.GLOBUS_XIO_GSI_IDENTITY_AUTHORIZATION,
    "host": lib.GLOBUS_XIO_GSI_HOST_AUTHORIZATION,
}
#: The module and the type of the error for a peer that is not authorized.
REFUSED = ("globus_xio_gsi", lib.GLOBUS_XIO_GSI_AUTHORIZATION_FAILED)

# Drivers stay loaded for as long as the engine runs: handles refer to them.
_drivers: dict[str, Any] = {}
_unclear = ffi.new_allocator(should_clear_after_alloc=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One driver of a stack: its name, and its options as text in the driver's own language (``"nodelay=1;..."``)."""

    driver: str
    options: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Attributes of tcp and udp; the defaults are the system's."""

    interface: str | None = None
    port: int = -1
    backlog: int = -1
    ports: tuple[int, int] | None = None
    send_buffer: int = 0
    receive_buffer: int = 0
    nodelay: bool = False
    keepalive: bool = False
    reuse: bool = True
    ipv4_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsi:
    """Attributes of gsi."""

    protection: str = "private"
    delegation: str = "none"
    authorization: str = "host"
    limited_peer: bool = True
    anonymous: bool = False
    tls_only: bool = False
    buffer: int = 0
    credential: GssCredential | None = None
    target: GssName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """All of a stack's attributes: what its drivers do not know is not used."""

    network: Network = Network()
    gsi: Gsi = Gsi()
    file_flags: int = 0
    file_mode: int = 0o600
    pipe: tuple[int, int] | None = None
    #: Whatever must live as long as the stack does.
    kept: object = None


def driver(name: str) -> Any:
    """A loaded driver; builtin or installed."""
    engine().require()
    if name not in _drivers:
        out = ffi.new("globus_xio_driver_t *")
        check(lib.globus_xio_driver_load(encode(name), out))
        _drivers[name] = out[0]
    return _drivers[name]


class Stack:
    """A ``globus_xio_stack_t`` with the attribute that its handles are made with; lives in the engine's thread."""

    def __init__(self, layers: Sequence[Layer], attributes: Attributes, *, listens: bool = False) -> None:
        """``layers`` from the transport up."""
        self.pointer: Any = None
        self.attribute: Any = None
        self._attributes = attributes  # C refers to what it holds
        try:
            self._make(layers, attributes, listens)
        except BaseException:
            self.close()
            raise

    def _make(self, layers: Sequence[Layer], attributes: Attributes, listens: bool) -> None:
        stack, attribute = ffi.new("globus_xio_stack_t *"), ffi.new("globus_xio_attr_t *")
        check(lib.globus_xio_stack_init(stack, ffi.NULL))
        self.pointer = stack[0]
        check(lib.globus_xio_attr_init(attribute))
        self.attribute = attribute[0]
        for layer in layers:
            loaded = driver(layer.driver)
            check(lib.globus_xio_stack_push_driver(self.pointer, loaded))
            self._set(layer.driver, loaded, attributes, listens)
            if layer.options:
                check(lib.pg_xio_text(self.attribute, loaded, encode(layer.options)))

    def _set(self, name: str, loaded: Any, attributes: Attributes, listens: bool) -> None:
        if name in ("tcp", "udp"):
            net, kept = _network(attributes.network)
            if name == "tcp":
                check(lib.pg_xio_set_tcp(self.attribute, loaded, net, listens))
            else:
                check(lib.pg_xio_set_udp(self.attribute, loaded, net))
            del kept
        elif name == "gsi":
            check(lib.pg_xio_set_gsi(self.attribute, loaded, _gsi(attributes.gsi)))
        elif name == "file":
            check(lib.pg_xio_set_file(self.attribute, loaded, attributes.file_flags, attributes.file_mode))
        elif name == "pipe" and attributes.pipe is not None:
            check(lib.pg_xio_set_pipe(self.attribute, loaded, *attributes.pipe))

    def close(self) -> None:
        """Free both; handles on it stay good. Idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.globus_xio_stack_destroy(pointer)
        attribute, self.attribute = self.attribute, None
        if attribute is not None:
            lib.globus_xio_attr_destroy(attribute)


def _network(network: Network) -> tuple[Any, Any]:
    interface = ffi.NULL if network.interface is None else ffi.new("char[]", encode(network.interface))
    flat = ffi.new("pg_xio_net *")
    flat.interface, flat.port, flat.backlog = interface, network.port, network.backlog
    flat.first, flat.last = network.ports or (0, 0)
    flat.send_buffer, flat.receive_buffer = network.send_buffer, network.receive_buffer
    flat.nodelay, flat.keepalive = network.nodelay, network.keepalive
    flat.reuse, flat.ipv4_only = network.reuse, network.ipv4_only
    return flat, interface


def _gsi(gsi: Gsi) -> Any:
    flat = ffi.new("pg_xio_gsi *")
    flat.protection, flat.delegation = PROTECTION[gsi.protection], DELEGATION[gsi.delegation]
    flat.authorization, flat.anonymous, flat.ssl = AUTHORIZATION[gsi.authorization], gsi.anonymous, gsi.tls_only
    flat.proxies = lib.GLOBUS_XIO_GSI_PROXY_MODE_MANY if gsi.limited_peer else lib.GLOBUS_XIO_GSI_PROXY_MODE_FULL
    flat.buffer = gsi.buffer
    flat.credential = gsi.credential.pointer[0] if gsi.credential else ffi.NULL
    flat.target = gsi.target.pointer[0] if gsi.target else ffi.NULL
    return flat


class _Io(Operation):
    """An operation with its ``pg_xio_io``."""

    def __init__(
        self,
        engine: Engine,
        begin: Callable[[Any, Any], int],
        abort: Callable[[], None],
        finish: Callable[[Any], Any],
        kept: Any = None,
    ) -> None:
        """``kept`` is memory that C uses meanwhile."""
        io = lib.pg_xio_io_new()
        if io == ffi.NULL:
            raise MemoryError
        self._kept = kept
        try:
            super().__init__(
                engine,
                lambda record: check(begin(io, record)),
                abort=abort,
                finish=lambda: finish(io),
                release=lambda: lib.pg_xio_io_free(io),
                keeps=True,
            )
        except EngineError:
            lib.pg_xio_io_free(io)
            raise


def _opened(io: Any) -> None:
    if io.cancelled:
        raise OperationCancelled
    if io.eof:  # the peer has gone in the middle of the handshake
        raise GlobusError((Link("globus_xio", -1, os.strerror(errno.ECONNRESET)),), errno=errno.ECONNRESET)


class XioHandle:
    """A ``globus_xio_handle_t``: created on a stack, or accepted."""

    def __init__(self, stack: Stack | None = None, *, accepted: Any = None) -> None:
        """In the engine's thread."""
        self._engine = engine()
        self._engine.require()
        self.pointer: Any = accepted
        if accepted is None:
            assert stack is not None
            out = ffi.new("globus_xio_handle_t *")
            check(lib.globus_xio_handle_create(out, stack.pointer))
            self.pointer = out[0]
        self.reads = Lane(self.pointer, writes=False)
        self.writes = Lane(self.pointer, writes=True)

    def live(self) -> Any:
        """The pointer, of a handle that is not closed."""
        if self.pointer is None:
            raise EngineError("this XIO handle is closed")
        return self.pointer

    def cancel_reads(self) -> None:
        """End the read that is under way. In the engine's thread."""
        self._cancel(lib.GLOBUS_XIO_CANCEL_READ)

    def cancel_writes(self) -> None:
        """End the write that is under way. In the engine's thread."""
        self._cancel(lib.GLOBUS_XIO_CANCEL_WRITE)

    def _cancel(self, mask: int) -> None:
        if self.pointer is not None:
            check(lib.globus_xio_handle_cancel_operations(self.pointer, mask))

    def open(self, contact: str | None, stack: Stack) -> Operation:
        """Connect, or for an accepted handle finish the connection, with all handshakes of the stack."""
        text = ffi.NULL if contact is None else ffi.new("char[]", encode(contact))
        return _Io(
            self._engine,
            lambda io, record: lib.pg_xio_open(io, record, self.live(), text, stack.attribute),
            lambda: self._cancel(lib.GLOBUS_XIO_CANCEL_OPEN),
            _opened,
            (text, stack),
        )

    def read(self, buffer: Any, least: int, seconds: float | None) -> tuple[int, bool]:
        """Read into a writable buffer, as `Lane.run` does."""
        view = ffi.from_buffer("char[]", buffer, require_writable=True)
        return self.reads.run(view, len(view), least, seconds)

    def read_new(self, most: int, least: int, seconds: float | None) -> tuple[bytes, bool]:
        """Read into new memory."""
        view = _unclear("char[]", most)
        count, ended = self.reads.run(view, most, least, seconds)
        return bytes(ffi.buffer(view, count)), ended

    def write(self, buffer: Any, least: int, seconds: float | None) -> int:
        """Write at least so many bytes of a buffer."""
        view = ffi.from_buffer("char[]", buffer)
        return self.writes.run(view, len(view), least, seconds)[0]

    def close(self) -> Operation:
        """Close it; it must not have been closed before."""
        pointer, self.pointer = self.pointer, None

        def begin(io: Any, record: Any) -> int:
            self.reads.shut()
            self.writes.shut()
            result: int = lib.pg_xio_close(io, record, pointer)
            return result

        return _Io(self._engine, begin, lambda: None, lambda _io: None)

    def contact(self, *, remote: bool) -> str:
        """``host:port`` of either end, numeric. In the engine's thread."""
        out = ffi.new("char **")
        check(lib.pg_xio_contact(self.live(), remote, out))
        return take(out[0])

    def descriptor(self) -> int:
        """The system's descriptor under a stack on tcp; it stays XIO's. In the engine's thread."""
        out = ffi.new("int *")
        check(lib.pg_xio_descriptor(self.live(), driver("tcp"), out))
        return int(out[0])

    def peer(self) -> tuple[str | None, bytes | None]:
        """Who is at the other end of a stack with gsi, and the PEM of what it has delegated. In the engine's thread."""
        name, cred = ffi.new("gss_name_t *"), ffi.new("gss_cred_id_t *")
        check(lib.pg_xio_peer(self.live(), driver("gsi"), name, cred))
        somebody = GssName(name) if name[0] != ffi.NULL else None
        subject = somebody.display() if somebody is not None and not somebody.anonymous() else None
        return subject, GssCredential(pointer=cred).pem() if cred[0] != ffi.NULL else None


class XioServer:
    """A ``globus_xio_server_t``: it listens from the start."""

    def __init__(self, stack: Stack) -> None:
        """In the engine's thread."""
        self._engine = engine()
        self._engine.require()
        out = ffi.new("globus_xio_server_t *")
        check(lib.globus_xio_server_create(out, stack.attribute, stack.pointer))
        self.pointer: Any = out[0]

    def accept(self) -> Operation:
        """The next connection, as a handle that is to be opened; one at a time."""

        def begin(io: Any, record: Any) -> int:
            if self.pointer is None:
                raise EngineError("this XIO server is closed")
            result: int = lib.pg_xio_accept(io, record, self.pointer)
            return result

        def abort() -> None:
            if self.pointer is not None:
                check(lib.globus_xio_server_cancel_accept(self.pointer))

        def finish(io: Any) -> XioHandle:
            if io.handle == ffi.NULL:
                raise OperationCancelled
            return XioHandle(accepted=io.handle)

        return _Io(self._engine, begin, abort, finish)

    def close(self) -> Operation:
        """Stop listening; it must not have been closed before."""
        pointer, self.pointer = self.pointer, None
        return _Io(
            self._engine,
            lambda io, record: lib.pg_xio_close_server(io, record, pointer),
            lambda: None,
            lambda _io: None,
        )

    def contact(self) -> str:
        """``host:port`` it listens at, numeric. In the engine's thread."""
        out = ffi.new("char **")
        check(lib.pg_xio_server_contact(self.pointer, driver("tcp"), out))
        return take(out[0])

# SPDX-License-Identifier: Apache-2.0
"""GSSAPI names and credentials. Every function and method here runs in the engine's thread.

An object owns one C handle and releases it in `close`, which is idempotent; `released_with` ties that to the life of an
object of a higher layer.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import EngineError, check, check_gss
from pyglobus.ffi.gsi import GsiCredential
from pyglobus.ffi.text import encode

# gss_import_cred and gss_export_cred: the token is PEM text, or a string that names a file.
_IN_MEMORY = 0
_FROM_FILE = 1
_INDEFINITE = 0xFFFFFFFF


def released_with(owner: object, close: Callable[[], None]) -> Callable[[], None]:
    """Call ``close`` in the engine's thread when ``owner`` is collected, or at the first call of what is returned."""
    import weakref

    def post() -> None:
        with contextlib.suppress(EngineError):  # at exit, or in a forked child, nothing is released
            engine().post(close)

    finalizer = weakref.finalize(owner, post)
    finalizer.atexit = False
    return lambda: finalizer() and None


def buffer_of(data: Any) -> tuple[Any, Any]:
    """A ``gss_buffer_desc`` over the caller's bytes, without a copy, and what must live as long as it."""
    view = ffi.from_buffer("char[]", data)
    return ffi.new("gss_buffer_desc *", {"length": len(view), "value": view}), view


def taken(buffer: Any) -> bytes:
    """The bytes of a buffer that the library has filled, which is released."""
    try:
        return bytes(ffi.buffer(buffer.value, buffer.length)) if buffer.length else b""
    finally:
        lib.gss_release_buffer(ffi.new("OM_uint32 *"), buffer)


class CredentialFacts(NamedTuple):
    """Whose credential it is (GSI's slash notation) and when it ends (seconds since the epoch; None: never)."""

    subject: str
    expires: float | None


class GssName:
    """A ``gss_name_t``."""

    def __init__(self, pointer: Any) -> None:
        """Take over the name that ``pointer`` refers to."""
        self.pointer: Any = pointer

    @classmethod
    def parse(cls, text: str, kind: str) -> GssName:
        """Import a name; ``kind``: "subject", "service" (service@host), "host" (host or host/address), "anonymous"."""
        engine().require()
        types = {
            "subject": ffi.NULL,
            "service": lib.GSS_C_NT_HOSTBASED_SERVICE,
            "host": lib.pg_gss_host_ip(),
            "anonymous": lib.GSS_C_NT_ANONYMOUS,
        }
        buffer, _view = buffer_of(encode(text))
        minor, pointer = ffi.new("OM_uint32 *"), ffi.new("gss_name_t *")
        check_gss(lib.gss_import_name(minor, buffer, types[kind], pointer), minor[0])
        return cls(pointer)

    def _display(self) -> tuple[str, Any]:
        minor, buffer, kind = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *"), ffi.new("gss_OID *")
        check_gss(lib.gss_display_name(minor, self.pointer[0], buffer, kind), minor[0])
        return taken(buffer).rstrip(b"\0").decode("utf-8", "surrogateescape"), kind[0]

    def display(self) -> str:
        """The name as text: a subject in slash notation, or the text it was made of."""
        return self._display()[0]

    def anonymous(self) -> bool:
        """Whether it is nobody's."""
        return bool(self._display()[1] == lib.GSS_C_NT_ANONYMOUS)

    def export(self) -> bytes:
        """The name in the form of RFC 2743 section 3.2, for comparing bytewise and for storing."""
        minor, buffer = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        check_gss(lib.gss_export_name(minor, self.pointer[0], buffer), minor[0])
        return taken(buffer)

    def matches(self, other: GssName) -> bool:
        """Whether both may stand for the same entity, by the rules of GSI."""
        minor, equal = ffi.new("OM_uint32 *"), ffi.new("int *")
        check_gss(lib.gss_compare_name(minor, self.pointer[0], other.pointer[0], equal), minor[0])
        return bool(equal[0])

    def close(self) -> None:
        """Release it; idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.gss_release_name(ffi.new("OM_uint32 *"), pointer)


class GssCredential:
    """A ``gss_cred_id_t``."""

    def __init__(self, path: str | None = None, *, accept: bool = False, pointer: Any = None) -> None:
        """Load the proxy file ``path``, or take over ``pointer``; neither: what the library finds for the user, or with
        ``accept`` for a server.
        """
        engine().require()
        self.pointer: Any = ffi.new("gss_cred_id_t *")
        if pointer is not None:
            self.pointer = pointer
        elif path is not None:
            self._read(encode(f"X509_USER_PROXY={path}") + b"\0", _FROM_FILE)
        else:
            usage = lib.GSS_C_ACCEPT if accept else lib.GSS_C_INITIATE
            minor = ffi.new("OM_uint32 *")
            major = lib.gss_acquire_cred(
                minor, ffi.NULL, _INDEFINITE, ffi.NULL, usage, self.pointer, ffi.NULL, ffi.NULL
            )
            check_gss(major, minor[0])

    @classmethod
    def of_pem(cls, pem: bytes | bytearray) -> GssCredential:
        """Load certificate, clear key and chain from PEM text."""
        made = cls(pointer=ffi.new("gss_cred_id_t *"))
        made._read(pem, _IN_MEMORY)
        return made

    def _read(self, token: bytes | bytearray, form: int) -> None:
        buffer, _view = buffer_of(token)
        minor = ffi.new("OM_uint32 *")
        check_gss(lib.gss_import_cred(minor, self.pointer, ffi.NULL, form, buffer, 0, ffi.NULL), minor[0])

    def pem(self) -> bytes:
        """Certificate, clear private key and chain as PEM text: a secret."""
        minor, buffer = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        check_gss(lib.gss_export_cred(minor, self.pointer[0], ffi.NULL, _IN_MEMORY, buffer), minor[0])
        try:
            return bytes(ffi.buffer(buffer.value, buffer.length))
        finally:
            lib.pg_secret_free(buffer.value, buffer.length)

    def limited(self) -> bool:
        """Whether it is, or derives from, a limited proxy."""
        credential = GsiCredential.read(self.pem())
        try:
            return credential.kind()[1] == "limited"
        finally:
            credential.close()

    def facts(self) -> CredentialFacts:
        """Owner and end of life."""
        minor, name, lifetime = ffi.new("OM_uint32 *"), ffi.new("gss_name_t *"), ffi.new("OM_uint32 *")
        check_gss(lib.gss_inquire_cred(minor, self.pointer[0], name, lifetime, ffi.NULL, ffi.NULL), minor[0])
        owner = GssName(name)
        try:
            subject = owner.display()
        finally:
            owner.close()
        return CredentialFacts(subject, None if lifetime[0] == _INDEFINITE else time.time() + lifetime[0])

    def derive(self, seconds: int) -> DataCredential | None:
        """A limited proxy of it with a new EC key, that lives no longer than ``seconds``; None if it can have none."""
        minor, pointer = ffi.new("OM_uint32 *"), ffi.new("gss_cred_id_t *")
        status = lib.pg_data_credential_new(self.pointer[0], seconds, pointer, minor)
        if status == -1:
            return None
        check_gss(status & 0xFFFFFFFF, minor[0])
        return DataCredential(pointer)

    def close(self) -> None:
        """Release it; idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.gss_release_cred(ffi.new("OM_uint32 *"), pointer)


class DataCredential:
    """What data channels authenticate with when nothing was delegated. `close` it when no handle uses it any more."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer

    def close(self) -> None:
        """Release it; idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.pg_data_credential_free(pointer[0])


def gridmap_user(subject: str) -> str | None:
    """The local account that the grid-mapfile gives ``subject``; None for none, or without a readable grid-mapfile."""
    user = ffi.new("char **")
    if lib.globus_gss_assist_gridmap(encode(subject), user):
        return None
    try:
        return ffi.string(user[0]).decode("utf-8", "surrogateescape")  # type: ignore[no-any-return]
    finally:
        lib.free(user[0])


def gridmap_allows(subject: str, user: str) -> bool:
    """Whether the grid-mapfile lets ``subject`` be ``user``."""
    return not lib.globus_gss_assist_userok(encode(subject), encode(user))


def gridmap_subjects(user: str) -> list[str]:
    """All names that the grid-mapfile gives the account ``user``."""
    array, count = ffi.new("char ***"), ffi.new("int *")
    check(lib.globus_gss_assist_lookup_all_globusid(encode(user), array, count))
    try:
        return [ffi.string(array[0][i]).decode("utf-8", "surrogateescape") for i in range(count[0])]
    finally:
        for i in range(count[0]):
            lib.free(array[0][i])
        lib.free(array[0])

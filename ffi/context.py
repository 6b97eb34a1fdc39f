# SPDX-License-Identifier: Apache-2.0
"""A security context of GSSAPI, one C call at a time. Every method here runs in the engine's thread; making the object
calls no C.

Facts about the library that callers must know: of the flags it returns to an initiator, those of anonymity and
delegation are always set; the lifetime it tells is that of whichever credential lives longer. So this object tells what
can be known otherwise: the certificates of the peer, and the credential that was really delegated.
"""

from __future__ import annotations

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import check_gss
from pyglobus.ffi.gss import GssCredential, GssName, buffer_of, taken


class GssContext:
    """A ``gss_ctx_id_t`` that is established by steps."""

    def __init__(
        self, *, initiates: bool, credential: GssCredential | None, target: GssName | None, flags: int
    ) -> None:
        """``flags`` are the GSS_C_*_FLAGs asked for. Credential and target must live as long as the context."""
        self.pointer: Any = ffi.new("gss_ctx_id_t *")
        self._initiates = initiates
        self._credential = credential
        self._target = target
        self._asked = flags
        self._flags = ffi.new("OM_uint32 *", flags)
        self._delegated = ffi.new("gss_cred_id_t *")
        #: The flags that the library says it has granted, once established.
        self.flags = 0
        #: After a failed step: what to send so that the peer learns of it.
        self.farewell = b""

    def step(self, token: Any) -> tuple[bytes, bool]:
        """Take the peer's token (empty for an initiator's first step): the token to send, and whether it is done."""
        engine().require()
        minor, output = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        buffer, _view = buffer_of(token)
        if self._initiates:
            major = lib.gss_init_sec_context(
                minor, self._credential.pointer[0] if self._credential else ffi.NULL, self.pointer,
                self._target.pointer[0] if self._target else ffi.NULL, ffi.NULL, self._asked, 0, ffi.NULL,
                buffer, ffi.NULL, output, self._flags, ffi.NULL,
            )  # fmt: skip
        else:
            major = lib.gss_accept_sec_context(
                minor, self.pointer, self._credential.pointer[0] if self._credential else ffi.NULL, buffer, ffi.NULL,
                ffi.NULL, ffi.NULL, output, self._flags, ffi.NULL, self._delegated,
            )  # fmt: skip
        answer = taken(output)
        if major not in (lib.GSS_S_COMPLETE, lib.GSS_S_CONTINUE_NEEDED):
            self.farewell = answer
        check_gss(major, minor[0], accepted=lib.GSS_S_CONTINUE_NEEDED)
        done = major == lib.GSS_S_COMPLETE
        if done:
            self.flags = int(self._flags[0])
        return answer, done

    def identities(self) -> tuple[GssName | None, GssName | None, float]:
        """Our own name and the peer's (None: anonymous), and the seconds that the longer-lived credential has."""
        minor, lifetime = ffi.new("OM_uint32 *"), ffi.new("OM_uint32 *")
        source, target = ffi.new("gss_name_t *"), ffi.new("gss_name_t *")
        major = lib.gss_inquire_context(
            minor, self.pointer[0], source, target, lifetime, ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL
        )
        check_gss(major, minor[0])
        initiator, acceptor = (_somebody(name) for name in (source, target))
        own, peer = (initiator, acceptor) if self._initiates else (acceptor, initiator)
        return own, peer, float(lifetime[0])

    def _inquire(self, oid: Any) -> list[bytes]:
        minor, found = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_set_t *")
        check_gss(lib.gss_inquire_sec_context_by_oid(minor, self.pointer[0], oid, found), minor[0])
        if found[0] == ffi.NULL:
            return []
        try:
            members = (found[0].elements[i] for i in range(found[0].count))
            return [bytes(ffi.buffer(member.value, member.length)) for member in members]
        finally:
            lib.gss_release_buffer_set(minor, found)

    def peer_chain(self) -> list[bytes]:
        """The peer's certificates in DER, its own first; none if it is anonymous."""
        return self._inquire(lib.pg_gss_peer_chain())

    def tls(self) -> tuple[str, str]:
        """Version and cipher of the TLS session underneath."""
        version, cipher = (
            b"".join(self._inquire(oid)).rstrip(b"\0").decode("ascii", "replace")
            for oid in (lib.pg_gss_tls_version(), lib.pg_gss_tls_cipher())
        )
        return version, cipher

    def take_delegated(self) -> GssCredential | None:
        """The credential that the initiator has delegated, once; it is the caller's to close."""
        if self._delegated[0] == ffi.NULL:
            return None
        pointer, self._delegated = self._delegated, ffi.new("gss_cred_id_t *")
        return GssCredential(pointer=pointer)

    # Messages --------------------------------------------------------------------------------------------------------

    def wrap(self, message: Any) -> bytes:
        """Encrypt and sign."""
        minor, output = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        buffer, _view = buffer_of(message)
        check_gss(lib.gss_wrap(minor, self.pointer[0], 1, 0, buffer, ffi.NULL, output), minor[0])
        return taken(output)

    def unwrap(self, token: Any) -> tuple[bytes, bool]:
        """Verify and decrypt: the message, and whether it was encrypted."""
        minor, output, state = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *"), ffi.new("int *")
        buffer, _view = buffer_of(token)
        check_gss(lib.pg_gss_unwrap(minor, self.pointer[0], buffer, output, state), minor[0])
        return taken(output), bool(state[0])

    def get_mic(self, message: Any) -> bytes:
        """Sign, without the message in the result."""
        minor, output = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        buffer, _view = buffer_of(message)
        check_gss(lib.gss_get_mic(minor, self.pointer[0], 0, buffer, output), minor[0])
        return taken(output)

    def verify_mic(self, message: Any, mic: Any) -> None:
        """Check a signature made by `get_mic` of the peer; each is good once, and in order."""
        minor = ffi.new("OM_uint32 *")
        buffer, _view = buffer_of(message)
        token, _token_view = buffer_of(mic)
        check_gss(lib.gss_verify_mic(minor, self.pointer[0], buffer, token, ffi.NULL), minor[0])

    # Delegation at any time ------------------------------------------------------------------------------------------

    def init_delegation(
        self, token: Any, credential: GssCredential | None, *, limited: bool, seconds: int
    ) -> tuple[bytes, bool]:
        """One step of delegating over the established context; ``seconds`` of life, 0 for the library's default."""
        minor, output = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *")
        buffer, _view = buffer_of(token)
        major = lib.gss_init_delegation(
            minor, self.pointer[0], credential.pointer[0] if credential else ffi.NULL, ffi.NULL, ffi.NULL, ffi.NULL,
            buffer, lib.GSS_C_GLOBUS_DELEGATE_LIMITED_PROXY_FLAG if limited else 0, seconds, output,
        )  # fmt: skip
        answer = taken(output)
        check_gss(major, minor[0], accepted=lib.GSS_S_CONTINUE_NEEDED)
        return answer, major == lib.GSS_S_COMPLETE

    def accept_delegation(self, token: Any) -> tuple[bytes, GssCredential | None]:
        """One step of receiving a credential; with the last one it is there, and the caller's to close."""
        minor, output, cred = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_desc *"), ffi.new("gss_cred_id_t *")
        buffer, _view = buffer_of(token)
        major = lib.gss_accept_delegation(
            minor, self.pointer[0], ffi.NULL, ffi.NULL, buffer, 0, 0, ffi.NULL, cred, ffi.NULL, output
        )
        answer = taken(output)
        check_gss(major, minor[0], accepted=lib.GSS_S_CONTINUE_NEEDED)
        return answer, GssCredential(pointer=cred) if cred[0] != ffi.NULL else None

    def close(self) -> None:
        """Release it and all it holds; idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), pointer, ffi.NULL)
            lib.gss_release_cred(ffi.new("OM_uint32 *"), self._delegated)


def _somebody(pointer: Any) -> GssName | None:
    if pointer[0] == ffi.NULL:
        return None
    name = GssName(pointer)
    if name.anonymous():
        name.close()
        return None
    return name


def whole(token: bytes | bytearray | memoryview) -> bool:
    """Whether a message token is complete. Any thread may ask."""
    view = ffi.from_buffer("char[]", token)
    return bool(lib.pg_gss_whole(view, len(view)))


def ends(certificate: bytes) -> float:
    """When a certificate (DER) ends, in seconds since the epoch. Any thread may ask."""
    return float(lib.pg_gss_ends(ffi.from_buffer("char[]", certificate), len(certificate)))

# SPDX-License-Identifier: Apache-2.0
"""Credentials as the toolkit's own libraries read, make and verify them. All functions here run in the engine's thread.

A private key is in memory of C, or in the bytes that `GsiCredential.pem` returns; it is in no other return value and
no error.
"""

from __future__ import annotations

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import check
from pyglobus.ffi.text import decode, encode, take

SUBJECT, ISSUER, IDENTITY = range(3)

_FORMS = {
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_RFC: "rfc",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_GSI_3: "draft",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_GSI_2: "legacy",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_EEC: "end-entity",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_CA: "authority",
}
_RIGHTS = {
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY: "impersonation",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY: "limited",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_INDEPENDENT_PROXY: "independent",
    lib.GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY: "restricted",
}


class ProxyWish(NamedTuple):
    """What a proxy shall be, in the library's terms. Empty strings leave form and rights to it; 0 ``minutes`` mean as
    long as the issuer. A ``language`` (dotted) is for restricted proxies.
    """

    form: str = ""
    rights: str = ""
    minutes: int = 12 * 60
    bits: int = 2048
    path_length: int | None = None
    language: str | None = None
    policy: bytes | None = None


class GsiCredential:
    """A ``globus_gsi_cred_handle_t``: certificate, perhaps a key, chain. Freed by `close`, in the engine's thread."""

    def __init__(self, pointer: Any) -> None:
        """Take over ``pointer``, the handle in a one-element array."""
        engine().require()
        self._pointer = pointer

    @classmethod
    def read(cls, pem: bytes) -> GsiCredential:
        """The content of a proxy file: certificates and a clear key, in any order."""
        pointer = ffi.new("globus_gsi_cred_handle_t *")
        check(lib.pg_cred_read(pem, len(pem), pointer))
        return cls(pointer)

    @classmethod
    def read_certificates(cls, pem: bytes) -> GsiCredential:
        """A certificate and its chain."""
        pointer = ffi.new("globus_gsi_cred_handle_t *")
        check(lib.pg_cred_certificates(pem, len(pem), pointer))
        return cls(pointer)

    @property
    def handle(self) -> Any:
        """The handle; it stays this object's."""
        return self._pointer[0]

    def close(self) -> None:
        """Free it; idempotent."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            lib.globus_gsi_cred_handle_destroy(pointer[0])

    def name(self, which: int, *, rfc2253: bool = False) -> str:
        """`SUBJECT`, `ISSUER` or `IDENTITY`, in the grid's form or that of RFC 2253."""
        text = ffi.new("char **")
        if rfc2253:
            check(lib.pg_cred_rfc2253(self.handle, which, text))
            return take(text[0])
        get = (
            lib.globus_gsi_cred_get_subject_name,
            lib.globus_gsi_cred_get_issuer_name,
            lib.globus_gsi_cred_get_identity_name,
        )[which]
        check(get(self.handle, text))
        try:
            return decode(text[0])
        finally:
            lib.OPENSSL_free(text[0])

    def expires(self) -> int:
        """When the first certificate of the chain ends, in seconds since the epoch."""
        end = ffi.new("time_t *")
        check(lib.globus_gsi_cred_get_goodtill(self.handle, end))
        return int(end[0])

    def bits(self) -> int:
        """Bits of the key."""
        bits = ffi.new("int *")
        check(lib.globus_gsi_cred_get_key_bits(self.handle, bits))
        return int(bits[0])

    def kind(self) -> tuple[str, str]:
        """Form (or "end-entity", "authority") and, of a proxy, its rights."""
        found = ffi.new("int *")
        check(lib.pg_cred_type(self.handle, found))
        form = next((name for bit, name in _FORMS.items() if found[0] & bit), "")
        return form, next((name for bit, name in _RIGHTS.items() if found[0] & bit), "")

    def text(self) -> str:
        """The certificate in OpenSSL's long form."""
        text = ffi.new("char **")
        check(lib.pg_cred_text(self.handle, text))
        return take(text[0])

    def pem(self) -> bytes:
        """The content of a proxy file. It holds the private key."""
        return _secret(lib.pg_cred_write, self.handle)

    def verify(self, directory: str) -> None:
        """Raise `GlobusError` unless the chain is good against this trusted directory, which must exist."""
        check(lib.pg_cred_verify(self.handle, encode(directory)))

    def make_proxy(self, wish: ProxyWish) -> GsiCredential:
        """A proxy of this credential, with a new key. The loop of the engine stands still meanwhile."""
        pointer = ffi.new("globus_gsi_cred_handle_t *")
        record, _keep = _record(wish)
        check(lib.pg_proxy_make(self.handle, record, pointer))
        return GsiCredential(pointer)

    def sign_request(self, request: bytes, wish: ProxyWish) -> bytes:
        """Proxy certificate and chain, in DER one after the other, for a request in DER."""
        record, _keep = _record(wish)
        return _secret(lib.pg_proxy_sign, self.handle, record, request, len(request))


class GsiRequest:
    """A request for a proxy (DER, in ``der``) and its private key, which stays in C. Freed by `close`."""

    def __init__(self, wish: ProxyWish) -> None:
        """Make key and request. The loop of the engine stands still meanwhile."""
        engine().require()
        self._pointer = ffi.new("globus_gsi_proxy_handle_t *")
        record, _keep = _record(wish)
        self.der = _secret(lib.pg_proxy_request, record, self._pointer)

    def assemble(self, chain: bytes) -> GsiCredential:
        """The credential, from what the other side made of the request."""
        pointer = ffi.new("globus_gsi_cred_handle_t *")
        check(lib.pg_proxy_assemble(self._pointer[0], chain, len(chain), pointer))
        return GsiCredential(pointer)

    def close(self) -> None:
        """Free it; idempotent."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            lib.globus_gsi_proxy_handle_destroy(pointer[0])


def _record(wish: ProxyWish) -> tuple[Any, object]:
    """The C record of a wish, and what must live as long as it."""
    forms = {name: bit for bit, name in _FORMS.items()}
    rights = {name: bit for bit, name in _RIGHTS.items()}
    language = ffi.NULL if wish.language is None else ffi.new("char[]", encode(wish.language))
    policy = ffi.NULL if wish.policy is None else ffi.new("unsigned char[]", wish.policy)
    record = ffi.new(
        "pg_proxy_wish *",
        {
            "type": forms.get(wish.form, 0) | rights.get(wish.rights, 0),
            "bits": wish.bits,
            "minutes": wish.minutes,
            "path_length": -1 if wish.path_length is None else wish.path_length,
            "language": language,
            "policy": policy,
            "policy_length": len(wish.policy or b""),
        },
    )
    return record, (language, policy)


def _secret(call: Any, *args: Any) -> bytes:
    """The bytes that ``call`` returns by its last two arguments; C's copy is wiped."""
    data = ffi.new("char **")
    length = ffi.new("size_t *")
    check(call(*args, data, length))
    try:
        return bytes(ffi.buffer(data[0], length[0]))
    finally:
        lib.pg_secret_free(data[0], length[0])

# SPDX-License-Identifier: Apache-2.0
"""GSI credentials as the C library sees them. Every function here runs in the engine's thread."""

from __future__ import annotations

from typing import Any

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import check_gss
from pyglobus.ffi.text import encode

# gss_import_cred: the token is a string that names a file, as gss_export_cred makes it with this option.
_FROM_FILE = 1
_INDEFINITE = 0xFFFFFFFF


class GssCredential:
    """A ``gss_cred_id_t`` that is released by `close`, in the engine's thread."""

    def __init__(self, path: str | None = None) -> None:
        """Load the proxy or certificate-with-key file ``path``; None: what the library finds for the user."""
        engine().require()
        self.pointer = ffi.new("gss_cred_id_t *")
        minor = ffi.new("OM_uint32 *")
        if path is None:
            major = lib.gss_acquire_cred(
                minor, ffi.NULL, _INDEFINITE, ffi.NULL, lib.GSS_C_INITIATE, self.pointer, ffi.NULL, ffi.NULL
            )
        else:
            token = encode(f"X509_USER_PROXY={path}")
            value = ffi.new("char[]", token)
            buffer = ffi.new("gss_buffer_desc *", {"length": len(token) + 1, "value": value})
            major = lib.gss_import_cred(minor, self.pointer, ffi.NULL, _FROM_FILE, buffer, 0, ffi.NULL)
        check_gss(major, minor[0])

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

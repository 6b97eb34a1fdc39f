# SPDX-License-Identifier: Apache-2.0
"""Credential files as globus_gsi_credential reads them. Every function here runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import check
from pyglobus.ffi.text import decode, encode


class FileFacts(NamedTuple):
    """Names in GSI's slash notation: ``identity`` is ``subject`` without what proxies add. ``expires`` is when the
    first certificate of the chain ends, in seconds since the epoch.
    """

    subject: str
    identity: str
    expires: int


def read_proxy(path: str) -> FileFacts:
    """Facts of a file with a certificate, its key in clear, and the chain. Raises `GlobusError`."""
    return _read(lib.globus_gsi_cred_read_proxy, path)


def read_certificate(path: str) -> FileFacts:
    """Facts of a file with a certificate. Raises `GlobusError`."""
    return _read(lib.globus_gsi_cred_read_cert, path)


def _read(read: Callable[[Any, bytes], int], path: str) -> FileFacts:
    engine().require()
    handle = ffi.new("globus_gsi_cred_handle_t *")
    check(lib.globus_gsi_cred_handle_init(handle, ffi.NULL))
    try:
        check(read(handle[0], encode(path)))
        expires = ffi.new("time_t *")
        check(lib.globus_gsi_cred_get_goodtill(handle[0], expires))
        return FileFacts(
            _name(lib.globus_gsi_cred_get_subject_name, handle[0]),
            _name(lib.globus_gsi_cred_get_identity_name, handle[0]),
            int(expires[0]),
        )
    finally:
        lib.globus_gsi_cred_handle_destroy(handle[0])


def _name(get: Callable[[Any, Any], int], handle: Any) -> str:
    text = ffi.new("char **")
    check(get(handle, text))
    try:
        return decode(text[0])
    finally:
        lib.OPENSSL_free(text[0])

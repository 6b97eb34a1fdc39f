# SPDX-License-Identifier: Apache-2.0
"""The toolkit underneath: which libraries, in which versions."""

from __future__ import annotations

from pyglobus.ffi.annotation import NamedTuple


class ModuleVersion(NamedTuple):
    """A library and its version."""

    name: str
    version: str


def versions() -> list[ModuleVersion]:
    """Each Globus module that is linked in, and OpenSSL."""
    from pyglobus.ffi import ffi, lib
    from pyglobus.ffi.text import decode

    found: list[ModuleVersion] = []
    major, minor = ffi.new("int *"), ffi.new("int *")
    while (name := lib.pg_module(len(found), major, minor)) != ffi.NULL:
        found.append(ModuleVersion(decode(name), f"{major[0]}.{minor[0]}"))
    return [*found, ModuleVersion("openssl", decode(lib.pg_openssl()).removeprefix("OpenSSL "))]

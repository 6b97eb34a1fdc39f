# SPDX-License-Identifier: Apache-2.0
"""Globus error objects as one Python exception that holds the whole chain.

A result that is not zero refers to an error object in a table of the toolkit; `check` takes it out exactly once and
frees it. Error objects given to callbacks belong to the library; our C code has copied them, and `from_object` only
reads.
"""

from __future__ import annotations

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.text import decode, take

# A chain is walked no further than this: a cycle would be a bug of the toolkit, not ours to hang on.
_MAX_LINKS = 64


class Link(NamedTuple):
    """One link of an error chain: the module that made it, its own error type (-1: none), its text."""

    module: str
    type: int
    text: str


class GlobusError(Exception):
    """An error of the C libraries.

    ``links`` is the chain, outermost first; ``ftp_code`` the server's reply code or 0; ``errno`` the system's number
    found in the chain or 0; ``local_errno`` that of our own call on a local file, or 0.
    """

    def __init__(self, links: tuple[Link, ...], *, ftp_code: int = 0, errno: int = 0, local_errno: int = 0) -> None:
        super().__init__(links[0].text if links else "unknown Globus error")
        self.links = links
        self.ftp_code = ftp_code
        self.errno = errno
        self.local_errno = local_errno


class EngineError(RuntimeError):
    """The engine is misused: after close, after fork, or from a wrong thread. Or it does not start."""


class OperationCancelled(Exception):
    """The operation was cancelled before it ended."""


def from_object(error: Any, local_errno: int = 0, ftp_code: int = 0) -> GlobusError:
    """Read an error object; it stays its owner's. NULL is allowed when ``local_errno`` tells the cause.

    ``ftp_code`` is that of a reply whose text is in the error, but not its code.
    """
    links: list[Link] = []
    errno = lib.globus_error_errno_search(error) if error != ffi.NULL else 0
    while error != ffi.NULL and len(links) < _MAX_LINKS:
        source = lib.globus_error_get_source(error)
        links.append(
            Link(
                decode(source.module_name) if source != ffi.NULL else "",
                lib.pg_error_type(error),
                take(lib.pg_error_text(error)).replace("\r", "").strip("\n"),
            )
        )
        ftp_code = ftp_code or lib.pg_error_ftp_code(error)
        error = lib.globus_error_get_cause(error)
    return GlobusError(tuple(links), ftp_code=ftp_code, errno=errno, local_errno=local_errno)


def check(result: int) -> None:
    """Raise what a ``globus_result_t`` stands for, unless it is success."""
    if result:
        error = lib.globus_error_get(result)
        try:
            raise from_object(error)
        finally:
            lib.globus_object_free(error)


class GssError(GlobusError):
    """A GSSAPI call failed. ``major`` is its status (RFC 2744 section 3.9.1), without a text of its own."""

    def __init__(self, major: int, cause: GlobusError | None) -> None:
        links = cause.links if cause else (Link("globus_gsi_gssapi", -1, f"GSSAPI status {major:#x}"),)
        super().__init__(links, errno=cause.errno if cause else 0)
        self.major = major


def check_gss(major: int, minor: int, *, accepted: int = 0) -> None:
    """Raise what a GSSAPI call's status stands for, unless it is complete, or the ``accepted`` supplementary one.

    The minor status is a result of the toolkit, and is consumed in any case.
    """
    if major in (lib.GSS_S_COMPLETE, accepted):
        if minor:
            lib.globus_object_free(lib.globus_error_get(minor))
        return
    cause: GlobusError | None = None
    if minor:
        try:
            check(minor)
        except GlobusError as error:
            cause = error
    raise GssError(major, cause)

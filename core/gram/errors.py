# SPDX-License-Identifier: Apache-2.0
"""The errors of GRAM, each an exception of its own.

The names are those of the protocol's header, which the build has read: GLOBUS_GRAM_PROTOCOL_ERROR_EXECUTABLE_NOT_FOUND
is `ExecutableNotFound` here, code 5. Each is a `GramError`, and where one of `pyglobus.core.errors` says what it means
for a caller, it is that as well. Some numbers the library uses for several things: its text, ``why``, tells more.
"""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.ffi import gram

#: The number for each name of the header.
CODES = {name: code for code, name in gram.errors().items()}

_KINDS: dict[type[errors.Error], tuple[str, ...]] = {
    errors.NotFound: (
        *("BAD_DIRECTORY", "EXECUTABLE_NOT_FOUND", "STDIN_NOT_FOUND", "SERVICE_NOT_FOUND", "JOB_CONTACT_NOT_FOUND"),
        *("NO_STATE_FILE", "CALLBACK_NOT_FOUND", "CLIENT_CONTACT_NOT_FOUND"),
    ),
    errors.CredentialError: ("AUTHORIZATION", "USER_PROXY_NOT_FOUND", "OPENING_USER_PROXY", "USER_PROXY_EXPIRED"),
    errors.AccessDenied: (
        *("EXECUTABLE_PERMISSIONS", "JOB_QUERY_DENIAL", "AUTHORIZATION_DENIED", "AUTHORIZATION_DENIED_JOB_ID"),
        "AUTHORIZATION_DENIED_EXECUTABLE",
    ),
    errors.TransientError: (
        *("CONNECTION_FAILED", "CONTACTING_JOB_MANAGER", "NO_RESOURCES", "JM_FAILED_ALLOW_ATTACH"),
        "AUTHORIZATION_SYSTEM_FAILURE",
    ),
    errors.DataError: ("STAGE_IN_FAILED", "STAGE_OUT_FAILED", "STAGING_EXECUTABLE", "STAGING_STDIN", "STDIO_SIZE"),
    errors.Cancelled: ("USER_CANCELLED", "SYSTEM_CANCELLED"),
    errors.CannotCreate: ("OPENING_STDOUT", "OPENING_STDERR"),
    errors.Unsupported: ("UNIMPLEMENTED",),
    errors.ProtocolError: (
        *("PROTOCOL_FAILED", "VERSION_MISMATCH", "HTTP_FRAME_FAILED", "HTTP_UNFRAME_FAILED", "HTTP_PACK_FAILED"),
        "HTTP_UNPACK_FAILED",
    ),
    errors.UsageError: (
        *("PARAMETER_NOT_SUPPORTED", "BAD_RSL", "ZERO_LENGTH_RSL", "UNDEFINED_EXE", "UNDEFINED_ATTRIBUTE"),
        *("INVALID_JOB_CONTACT", "BAD_GATEKEEPER_CONTACT", "UNSUPPORTED_PARAMETER", "NULL_SPECIFICATION_TREE"),
        *(name for name in CODES if name.startswith("RSL_")),
    ),
}


class GramError(errors.Error):
    """Something that a gatekeeper, a job manager or the library reports; ``code`` is its number in the protocol."""

    code = 0
    #: What the library or the job manager says, unchanged.
    text = ""
    #: The job that it is about, where there is one in spite of the error.
    contact: str | None = None


def class_name(name: str) -> str:
    """The name of the exception for a name of the header."""
    return "".join(word.capitalize() for word in name.split("_"))


def _classes() -> dict[int, type[GramError]]:
    kind_of = {name: kind for kind, names in _KINDS.items() for name in names}
    made = {}
    for name, code in CODES.items():
        bases = (GramError, kind_of[name]) if name in kind_of else (GramError,)
        text = f"GRAM error {code}, GLOBUS_GRAM_PROTOCOL_ERROR_{name}."
        made[code] = type(class_name(name), bases, {"code": code, "__doc__": text, "__module__": __name__})
    return made


#: The exception for each number.
BY_CODE = _classes()


def __getattr__(name: str) -> type[GramError]:
    for kind in BY_CODE.values():
        if kind.__name__ == name:
            return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def of_code(code: int, message: str, *, what: str, where: str | None = None) -> GramError:
    """The error of this number; a number that is not in the header makes a plain `GramError`."""
    made = BY_CODE.get(code, GramError)(what, where=where, why=message.strip() or None, fault=f"gram-{code}")
    made.code, made.text = code, message
    return made

# SPDX-License-Identifier: Apache-2.0
"""What a server of the Replica Location Service answers: result codes with their texts, and enumerations of the wire.

A server sends the code and a detail alone; the text for people is the client's: ``LFN doesn't exist: run7``.
"""

from __future__ import annotations

import enum

from pyglobus.core import errors


class Result(enum.IntEnum):
    """A result code, with its text."""

    text: str

    def __new__(cls, value: int, text: str) -> Result:
        code = int.__new__(cls, value)
        code._value_ = value
        code.text = text
        return code

    SUCCESS = 0, "No error"
    GLOBUSERR = 1, "Globus I/O error"
    INVHANDLE = 2, "Invalid handle"
    BADURL = 3, "Bad URL"
    NOMEMORY = 4, "No memory"
    OVERFLOW = 5, "Buffer overflow"
    BADARG = 6, "Bad argument"
    PERM = 7, "Permission denied"
    BADMETHOD = 8, "Bad method name"
    INVSERVER = 9, "Invalid server"
    MAPPING_NEXIST = 10, "Mapping doesn't exist"
    LFN_EXIST = 11, "LFN already exists"
    LFN_NEXIST = 12, "LFN doesn't exist"
    PFN_EXIST = 13, "PFN already exists"
    PFN_NEXIST = 14, "PFN doesn't exist"
    LRC_EXIST = 15, "LRC already exists"
    LRC_NEXIST = 16, "LRC doesn't exist"
    DBERROR = 17, "DB error"
    RLI_EXIST = 18, "RLI already exists"
    RLI_NEXIST = 19, "RLI doesn't exist"
    MAPPING_EXIST = 20, "Mapping already exists"
    INV_ATTR_TYPE = 21, "Invalid attribute type"
    ATTR_EXIST = 22, "Attribute already exists"
    ATTR_NEXIST = 23, "Attribute doesn't exist"
    INV_OBJ_TYPE = 24, "Invalid object type"
    INV_ATTR_OP = 25, "Invalid operator for attribute search"
    UNSUPPORTED = 26, "Operation is unsupported"
    TIMEOUT = 27, "IO timeout"
    TOO_MANY_CONNECTIONS = 28, "Too many connections"
    ATTR_VALUE_NEXIST = 29, "Attribute with specified value doesn't exist"
    ATTR_INUSE = 30, "Attribute still referenced by objects in database"


_TEXTS = {int(result): result.text for result in Result}


class ObjectType(enum.IntEnum):
    """What has an attribute, or is asked for."""

    LFN = 0
    PFN = 1
    RLI_LFN = 2
    RLI_LRC = 3


class ValueType(enum.IntEnum):
    """The type of an attribute's values."""

    DATE = 0
    FLOAT = 1
    INT = 2
    STRING = 3


class Operator(enum.IntEnum):
    """How `lrc_attr_search` compares."""

    ALL = 0
    EQ = 1
    NE = 2
    GT = 3
    GE = 4
    LT = 5
    LE = 6
    BETWEEN = 7
    LIKE = 8


class Refusal(Exception):
    """On the side of the server: a request ends with this code and detail."""

    def __init__(self, result: Result, detail: str = "") -> None:
        super().__init__(result, detail)
        self.result = result
        self.detail = detail


def said(code: int, detail: str = "") -> str:
    """The text for a code and its detail, as clients have always shown it."""
    text = _TEXTS.get(code, f"Invalid RC ({code})")
    return f"{text}: {detail}" if detail else text


_ABSENT = {
    Result.MAPPING_NEXIST, Result.LFN_NEXIST, Result.PFN_NEXIST, Result.LRC_NEXIST, Result.RLI_NEXIST,
    Result.ATTR_NEXIST, Result.ATTR_VALUE_NEXIST,
}  # fmt: skip
_WRONG = {Result.BADURL, Result.BADARG, Result.INV_ATTR_TYPE, Result.INV_OBJ_TYPE, Result.INV_ATTR_OP}
_REFUSED = {Result.BADMETHOD, Result.INVSERVER, Result.UNSUPPORTED, Result.OVERFLOW}
_LATER = {Result.TOO_MANY_CONNECTIONS, Result.TIMEOUT, Result.DBERROR, Result.NOMEMORY}


class RlsError(errors.Error):
    """A server has answered with a code other than 0; ``code`` holds it, ``detail`` what it said."""

    code = 0
    detail = ""


class RlsAbsent(RlsError, errors.NotFound):
    """The name, mapping, server or attribute is not there."""


class RlsWrong(RlsError, errors.UsageError):
    """An argument makes no sense to the server."""


class RlsRefused(RlsError, errors.Unsupported):
    """The server does not do this."""


class RlsLater(RlsError, errors.TransientError):
    """The server cannot do this now."""


class RlsDenied(RlsError, errors.AccessDenied):
    """The server's access list does not let this client do this."""


def error(code: int, detail: str, *, where: str | None = None) -> RlsError:
    """The error to raise for a server's answer."""
    kind: type[RlsError] = RlsError
    for codes, known in (
        (_ABSENT, RlsAbsent),
        (_WRONG, RlsWrong),
        (_REFUSED, RlsRefused),
        (_LATER, RlsLater),
        ({Result.PERM}, RlsDenied),
    ):
        if code in codes:
            kind = known
    made = kind(said(code, detail), why=None, where=where)
    made.code, made.detail = code, detail
    return made

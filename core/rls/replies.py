# SPDX-License-Identifier: Apache-2.0
"""The client's side of the protocol: requests as bytes, and replies out of bytes. No input or output of its own.

A list ends with an empty string, or with the string ``\\x01`` where a limit of the server has cut it: then more is
to be had from further on. In a list of records an end can only stand where a record would begin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyglobus.core import errors
from pyglobus.core.rls.methods import Method
from pyglobus.core.rls.requests import COMPLETE, CUT

#: Bytes of one string, and of one reply: what a server sends beyond it is no answer.
MOST_STRING = 1 << 20
MOST_REPLY = 1 << 30
_ENDS = (COMPLETE[:-1], CUT[:-1])
#: Records of bulk queries that begin with another code than 0 have so many strings.
_SHORT = {
    "lrc_get_pfn_bulk": 2, "lrc_get_lfn_bulk": 2, "rli_get_lrc_bulk": 2, "lrc_exists_bulk": 2, "rli_exists_bulk": 2,
    "lrc_attr_value_get_bulk": 3,
}  # fmt: skip


class Reply(NamedTuple):
    """What a server has answered: a code, for one other than 0 the detail, else records; ``cut``: there are more."""

    code: int
    detail: str = ""
    records: list[tuple[str, ...]] = []  # noqa: RUF012 - never changed
    cut: bool = False


def request(method: Method, fixed: Iterable[str], groups: Iterable[Iterable[str]] = ()) -> bytes:
    """The bytes of a request. Raises `errors.UsageError` for what cannot be sent."""
    strings = [method.name, *fixed]
    if len(strings) != method.fixed + 1:
        raise errors.UsageError(f"{method.name} takes {method.fixed} parameters")
    if method.group:
        for each in groups:
            group = list(each)
            if len(group) != method.group or not group[0]:
                raise errors.UsageError(f"{method.name} takes groups of {method.group}, none of which begins empty")
            strings += group
        strings.append("")
    text = "\0".join(strings)
    if text.count("\0") != len(strings) - 1:
        raise errors.UsageError("a name cannot hold a NUL byte")
    try:
        return text.encode() + b"\0"
    except UnicodeEncodeError as error:
        raise errors.UsageError("a name must be UTF-8", where=ascii(error.object)) from None


class Replies:
    """What a server sends, as the reply to one method after the other."""

    def __init__(self) -> None:
        self._strings: list[bytes] = []
        self._tail = b""
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what has come. Raises `errors.ProtocolError`."""
        data = self._tail + data
        strings = data.split(b"\0")
        self._tail = strings.pop()
        self._bytes += len(data) - len(self._tail)
        self._strings += strings
        if len(self._tail) > MOST_STRING or self._bytes > MOST_REPLY:
            raise errors.ProtocolError("not a reply of a replica location server", why="it has no end")

    def next(self, method: Method | None) -> Reply | None:
        """The reply to ``method`` (None: the welcome, which is a code alone), or None until it is whole."""
        found = self._parse(method)
        if found is None:
            return None
        reply, used = found
        del self._strings[:used]
        self._bytes = sum(map(len, self._strings))
        return reply

    @property
    def pending(self) -> bool:
        """Whether something has come that nobody has asked for."""
        return bool(self._strings or self._tail)

    def _parse(self, method: Method | None) -> tuple[Reply, int] | None:
        strings = self._strings
        if not strings:
            return None
        if not strings[0].isdigit() or len(strings[0]) > 9:
            why = f"it begins with {strings[0][:40]!r}, not with a result code"
            raise errors.ProtocolError("not a reply of a replica location server", why=why, fault="not-rls")
        code = int(strings[0])
        if code:
            if len(strings) > 1:
                return Reply(code, _text(strings[1])), 2
            return (Reply(code), 1) if method is None and not self._tail else None  # some refuse without a word
        if method is None or not method.reply:
            return Reply(0), 1
        if not method.ends:
            last = 1 + method.reply
            return (Reply(0, records=[tuple(map(_text, strings[1:last]))]), last) if len(strings) >= last else None
        return self._list(method)

    def _list(self, method: Method) -> tuple[Reply, int] | None:
        strings, at = self._strings, 1
        records: list[tuple[str, ...]] = []
        while at < len(strings):
            if strings[at] in _ENDS:
                return Reply(0, records=records, cut=strings[at] != COMPLETE[:-1]), at + 1
            size = method.reply
            if strings[at] != b"0":
                size = _SHORT.get(method.name, size)
            if at + size > len(strings):
                return None
            records.append(tuple(map(_text, strings[at : at + size])))
            at += size
        return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")

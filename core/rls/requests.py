# SPDX-License-Identifier: Apache-2.0
"""The server's side of the protocol: bytes in, requests out; replies as bytes. No input or output of its own.

Nothing on the wire tells how long anything is, so each length has a limit here, and a request that goes beyond one ends
the connection: where the next would begin cannot be known. The same is true after a method that is not known. One thing
is forgiven: numbers where a method's name belongs are left over from ``lrc_attr_get`` of the Java client, which sends
two more parameters than others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pyglobus.core.rls.methods import METHODS, Method
from pyglobus.core.rls.results import Refusal, Result

#: Bytes of one string. Names may have 2048; what is longer is refused politely up to here.
MOST_STRING = 128 << 10
#: Bytes, and strings, of one request: a bulk of some hundred thousand names.
MOST_REQUEST = 16 << 20
MOST_STRINGS = 200_000

#: What a server says when a client may begin.
WELCOME = b"0\0"
#: A reply without results, and the ends of lists: complete, and cut by a limit.
DONE = b"0\0"
COMPLETE, CUT = b"\0", b"\x01\0"


class Request(NamedTuple):
    """A method with its parameters: the fixed ones, then those of all groups, one after the other."""

    method: Method
    strings: list[bytes]


class Requests:
    """What a client sends, as requests."""

    def __init__(self) -> None:
        self._strings: list[bytes] = []
        self._at = 0  # where the next request begins
        self._scanned = 0  # groups of it that have been looked at
        self._tail = b""
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what has come. Raises `Refusal` where it goes beyond a limit; then the connection must end."""
        if self._tail:
            data = self._tail + data
        strings = data.split(b"\0")
        self._tail = strings.pop()
        self._bytes += len(data) - len(self._tail)
        if self._at:
            del self._strings[: self._at]
            self._at = 0
        if self._strings:
            self._strings += strings
        else:
            self._strings = strings
        if len(self._tail) > MOST_STRING:
            raise Refusal(Result.OVERFLOW, f"a string is longer than {MOST_STRING} bytes")

    def next(self) -> Request | None:
        """The next whole request; None until more has come. Raises `Refusal` as `feed` does."""
        strings, at = self._strings, self._at
        while at < len(strings) and strings[at].isdigit():
            at = self._at = at + 1
        if at == len(strings):
            self._bytes = 0
            return None
        method = METHODS.get(strings[at])
        if method is None:
            raise Refusal(Result.BADMETHOD, strings[at][:80].decode("utf-8", "replace"))
        first = at + 1
        end = first + method.fixed
        if end > len(strings):
            self._check()
            return None
        if not method.group:
            self._at = end
            return Request(method, strings[first:end])
        stop = end + self._scanned
        try:
            while strings[stop]:
                stop += method.group
        except IndexError:
            self._scanned = stop - end
            self._check()
            return None
        self._at, self._scanned = stop + 1, 0
        return Request(method, strings[first:stop])

    def _check(self) -> None:
        """Whether what is not whole yet may still become a request."""
        if self._bytes > MOST_REQUEST or len(self._strings) - self._at > MOST_STRINGS:
            raise Refusal(Result.OVERFLOW, f"a request has at most {MOST_REQUEST} bytes and {MOST_STRINGS} strings")

    @property
    def pending(self) -> bool:
        """Whether a request has begun and is not whole."""
        return bool(self._tail) or self._at < len(self._strings)


def failed(refusal: Refusal) -> bytes:
    """The reply to a request that fails."""
    return b"%d\0%b\0" % (refusal.result, clean(refusal.detail))


def listed(rows: Iterable[Sequence[str]], end: bytes = COMPLETE) -> bytes:
    """The reply that is a list of records."""
    text = "\0".join(["\0".join(row) for row in rows])
    return b"0\0" + (text.encode() + b"\0" if text else b"") + end


def record(*values: object) -> bytes:
    """The reply that is one record, without an end mark."""
    return b"0\0" + "".join(f"{value}\0" for value in values).encode()


def clean(text: str) -> bytes:
    """A string of a reply: whatever it holds, no NUL."""
    return text.replace("\0", " ").encode("utf-8", "replace")

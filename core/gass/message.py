# SPDX-License-Identifier: Apache-2.0
"""Heads of HTTP messages as GASS uses them: bytes in, a request or response out, or a `BadMessage` that says how to
answer.

GASS is HTTP/1.1 (RFC 9112), one request a connection: GET, PUT, and for appending a POST whose target is the path
behind `APPEND`. What could be read in two ways is refused: a length beside chunks, several lengths, line ends that are
none, control characters in a target. No bytes of a body pass through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pyglobus.core.version import __version__
from pyglobus.ffi.body import Framing

#: What the target of an appending POST begins with.
APPEND = "/globus-bins/GASSappend?"

#: Bytes of a target. No path of the system is longer (PATH_MAX), and percent-encoding can treble it.
MOST_TARGET = 3 * 4096
#: Bytes of a head: a target and sixty lines of headers.
MOST_HEAD = 24 * 1024

SERVER = f"pyglobus/{__version__}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[!-~\x80-\xff]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_REASONS = {
    100: "Continue", 200: "Ok", 206: "Partial Content", 302: "Moved Temporarily", 400: "Bad Request", 403: "Forbidden",
    404: "File Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 411: "Length Required",
    413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 417: "Expectation Failed",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 505: "HTTP Version Not Supported", 507: "Insufficient Storage",
}  # fmt: skip


class BadMessage(ValueError):
    """What came is no message that is understood; ``status`` is the answer to such a request."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class RequestHead(NamedTuple):
    """``path`` is decoded, with surrogates for bytes that are no UTF-8. ``length`` is None where none is said."""

    method: str
    target: str
    path: str
    append: bool
    framing: Framing | None
    length: int | None
    expects_continue: bool
    headers: Mapping[str, str]


class Part(NamedTuple):
    """Bytes of a file: where they begin, and how many."""

    offset: int
    length: int


class ResponseHead(NamedTuple):
    """``length`` is None where none is said."""

    status: int
    reason: str
    framing: Framing
    length: int | None
    headers: Mapping[str, str]


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """The head and what follows it, once all of the head is there. Raises `BadMessage` if it is too long."""
    end = data.find(b"\r\n\r\n", 0, MOST_HEAD + 4)
    if end >= 0:
        return data[:end], data[end + 4 :]
    line = data.find(b"\r\n")
    if (line if line >= 0 else len(data)) > MOST_TARGET + 100:
        raise BadMessage(414, f"the URL is longer than {MOST_TARGET} bytes")
    if len(data) > MOST_HEAD:
        raise BadMessage(431, f"the head is longer than {MOST_HEAD} bytes")
    return None


def request(head: bytes) -> RequestHead:
    """Read a request's head. Raises `BadMessage`."""
    first, headers = _lines(head)
    words = first.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise BadMessage(400, "this is no HTTP request")
    method, target, version = words
    if not version.startswith("HTTP/1."):
        raise BadMessage(505 if version.startswith("HTTP/") else 400, "only HTTP/1 is spoken here")
    if len(target) > MOST_TARGET:
        raise BadMessage(414, f"the URL is longer than {MOST_TARGET} bytes")
    append = method == "POST" and target.startswith(APPEND)
    place = target[len(APPEND) :] if append else target
    for scheme in ("https://", "http://"):
        if place.lower().startswith(scheme):
            place = "/" + place[len(scheme) :].partition("/")[2]
    framing, length = _framing(headers)
    if "transfer-encoding" not in headers and length is None and method in ("PUT", "POST"):
        raise BadMessage(411, "the request does not say how long it is")
    expects = headers.get("expect", "")
    if expects and expects.lower() != "100-continue":
        raise BadMessage(417, "only 100-continue can be expected")
    return RequestHead(method, target, decoded(place), append, framing, length, bool(expects), headers)


def response(head: bytes) -> ResponseHead:
    """Read a response's head. Raises `BadMessage`."""
    first, headers = _lines(head)
    found = re.fullmatch(r"HTTP/1\.[0-9] ([1-5][0-9][0-9])(?: (.*))?", first)
    if not found:
        raise BadMessage(400, "this is no HTTP response")
    framing, length = _framing(headers)
    return ResponseHead(int(found[1]), found[2] or "", framing or "until-end", length, headers)


def decoded(target: str) -> str:
    """The path that a target means, without its query. Raises `BadMessage` for one that can be no path."""
    path = unquote_to_bytes(target.partition("?")[0].encode("latin-1"))
    if not path.startswith(b"/"):
        raise BadMessage(400, "the URL has no path")
    if b"\0" in path:
        raise BadMessage(400, "the URL has a NUL byte")
    return path.decode("utf-8", "surrogateescape")


def part(headers: Mapping[str, str], size: int) -> Part | None:
    """The part of a file of ``size`` bytes that is asked for (RFC 9110, 14.2); None: all of it.

    What need not be understood is not: several parts, other units, and parts of a file only if it is a certain one.
    Raises `BadMessage` for a part that begins behind the end.
    """
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", headers.get("range", ""))
    if found is None or "if-range" in headers or found[1] + found[2] == "":
        return None
    first, last = found[1], found[2]
    if not first:
        offset, end = max(0, size - int(last)), size
    else:
        offset, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < offset:
            return None
    if offset >= size:
        raise BadMessage(416, f"the file has {size} bytes")
    return Part(offset, end - offset)


def answer(
    status: int,
    reason: str = "",
    *,
    length: int | None = None,
    location: str | None = None,
    of: tuple[int, int] | None = None,
    body: bool = True,
) -> bytes:
    """A response: its head alone if a ``length`` of a body is given that follows, else whole, with a line that says
    the reason. ``of``: the body is a part, that begins at this offset of a file of this size.
    """
    told = clean(reason) or _REASONS.get(status, "Error")
    text = b"" if length is not None or status == 200 else f"{status} {told}\n".encode("utf-8", "surrogateescape")
    kind = "application/octet-stream" if length is not None or status == 200 else "text/plain; charset=utf-8"
    lines = [f"HTTP/1.1 {status} {told}", f"Server: {SERVER}", "Connection: close", f"Content-Type: {kind}"]
    if location is not None:
        lines.append(f"Location: {clean(location)}")
    if of is not None:
        lines.append(f"Content-Range: bytes {of[0]}-{of[0] + (length or 0) - 1}/{of[1]}")
    lines.append(f"Content-Length: {len(text) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (text if body else b"")


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def question(method: str, target: str, host: str, *headers: tuple[str, str]) -> bytes:
    """A request's head."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", f"User-Agent: {SERVER}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def clean(text: str) -> str:
    """Text for one line of a head: no control characters, and not long."""
    return "".join(character if character.isprintable() else "?" for character in text)[:500]


def _lines(head: bytes) -> tuple[str, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadMessage(400, "a header is malformed")
        name = name.lower()
        if name in headers and name in ("content-length", "transfer-encoding", "host"):
            raise BadMessage(400, f"there are two headers {name}")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return first, headers


def _framing(headers: Mapping[str, str]) -> tuple[Framing | None, int | None]:
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise BadMessage(501, "only chunks are understood as a transfer encoding")
        if length is not None:
            raise BadMessage(400, "there is a length beside chunks")
        return "chunked", None
    if length is None:
        return None, None
    if not re.fullmatch(r"[0-9]{1,18}", length):
        raise BadMessage(400, "the length is no number")
    return "length", int(length)

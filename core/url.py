# SPDX-License-Identifier: Apache-2.0
"""What a transfer can begin and end at: files, standard streams, and URLs.

`parse` takes what users type: a bare path, ``-``, ``file:``, ``gsiftp:``, ``ftp:``, ``http:`` and ``https:`` URLs.
Percent signs that stand before two hexadecimal digits are escapes, as in the C tools; every other character, be it a
blank, a ``#``, a ``?`` or a byte that is no UTF-8, stands for itself. A bare path is taken as it is. To an HTTP server
goes what was written, so that a ``?`` there begins a query, and ``%3F`` is a question mark in a name.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from pyglobus.core.errors import UsageError

#: Default ports by scheme (IANA; RFC 959, GFD.20, RFC 9110).
PORTS = {"gsiftp": 2811, "ftp": 21, "http": 80, "https": 443}
FTP_SCHEMES = frozenset({"gsiftp", "ftp"})
HTTP_SCHEMES = frozenset({"http", "https"})
# Longer than any path that a server takes (PATH_MAX is 4096), and short enough to show in full.
_MAX_LENGTH = 64 * 1024
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# RFC 3986, section 2.3.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=/|[^\\])")
_AUTHORITY = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<host>\[[^\]/]*\]|[^:/\[\]]*)(?::(?P<port>[^/]*))?\Z"
)
# What an HTTP request line takes as it stands (RFC 3986, 3.3 and 3.4); ``%`` because escapes are kept.
_HTTP_SAFE = "%/?!$&'()*+,;=:@~"


class Url(NamedTuple):
    """One end of a transfer.

    ``path`` is decoded (bytes that are no UTF-8 as surrogates), but for HTTP, where it is what was written; for remote
    schemes it begins with ``/``. ``scheme`` is ``file`` for local paths and ``-`` for the standard streams. ``pattern``
    is set if the last component was written with ``* ? [`` (never for HTTP, which cannot list): a pattern as `fnmatch`
    takes it, in which what was escaped in the URL stands for itself.
    """

    scheme: str
    path: str
    host: str = ""
    port: int = 0
    user: str | None = None
    password: str | None = None
    pattern: str | None = None

    @property
    def is_local(self) -> bool:
        """A path of this machine."""
        return self.scheme == "file"

    @property
    def is_stream(self) -> bool:
        """Standard input or output."""
        return self.scheme == "-"

    @property
    def is_ftp(self) -> bool:
        """Reached by FTP or GridFTP."""
        return self.scheme in FTP_SCHEMES

    @property
    def is_http(self) -> bool:
        """Reached by HTTP."""
        return self.scheme in HTTP_SCHEMES

    @property
    def is_directory(self) -> bool:
        """Written as a directory, with a slash at its end."""
        return self.path.endswith("/")

    @property
    def is_plain(self) -> bool:
        """Names one file: neither a directory nor a pattern."""
        return self.is_http or (not self.is_directory and self.pattern is None)

    @property
    def name(self) -> str:
        """The last component of the path, decoded."""
        path = _decode(self.path.partition("?")[0]) if self.is_http else self.path
        return path.rstrip("/").rpartition("/")[2]

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port; an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme) else f"{host}:{self.port}"

    def join(self, name: str) -> Url:
        """The entry ``name`` of this directory. Raises `UsageError` for what is no name, or leads out of it."""
        plain = name.removesuffix("/")
        if plain in ("", ".", "..") or "/" in plain or "\0" in plain:
            raise UsageError("cannot name the destination", where=str(self), why=f"{plain!r} is no name of a file")
        if self.is_http:
            name = _quote(name, safe="/")
        return self._replace(path=f"{self.path.rstrip('/')}/{name}", pattern=None)

    def parent(self) -> Url:
        """The directory that this is in, written as one."""
        head = self.path.rstrip("/").rpartition("/")[0]
        return self._replace(path=f"{head}/" if head or self.path.startswith("/") else "./", pattern=None)

    def wire(self) -> str:
        """The URL in the strict form that the C libraries take, with everything escaped that they might misread."""
        user = ""
        if self.user is not None:
            user = _quote(self.user) + (f":{_quote(self.password)}" if self.password is not None else "") + "@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = self.path
        if self.is_http:  # the library decodes it once, and sends what comes of that
            path = _quote(re.sub("%(?![0-9A-Fa-f]{2})", "%25", path), safe=_HTTP_SAFE)
        return f"{self.scheme}://{user}{host}:{self.port}{_quote(path, safe='/~')}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __str__(self) -> str:
        """As people read it: without password, with escapes only where the text would be ambiguous."""
        if self.is_stream:
            return "-"
        if self.is_local:
            return self.path
        user = f"{self.user}@" if self.user else ""
        path = self.path if self.is_http else re.sub("%(?=[0-9A-Fa-f]{2})", "%25", self.path)
        return f"{self.scheme}://{user}{self.authority}{path}"


def parse(text: str) -> Url:
    """The end of a transfer that ``text`` names. Raises `UsageError`."""
    if not text:
        raise UsageError("empty URL", hint="give a path, '-' or a URL such as gsiftp://host/dir/file")
    if len(text) > _MAX_LENGTH:
        raise UsageError("URL too long", why=f"{len(text)} characters; the limit is {_MAX_LENGTH}")
    if "\0" in text:
        raise UsageError("bad URL", where=text.replace("\0", "\\0"), why="it contains a NUL byte")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise UsageError("bad URL", where=repr(text), why="it cannot be written in this locale's encoding") from error
    if text == "-":
        return Url("-", "-")
    match = _SCHEME.match(text)
    if match is None or ("://" not in text and match[1].lower() not in ("file", *PORTS)):
        path = os.path.expanduser(text) if text.startswith("~/") or text == "~" else text
        return Url("file", path, pattern=None if os.path.lexists(path) else _pattern(path, escaped=False))
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme == "file":
        return _file(text, rest)
    if scheme not in PORTS:
        known = ", ".join(("file", *PORTS))
        raise UsageError("unknown scheme", where=_shown(text), why=f"'{scheme}' is none of {known}")
    return _remote(text, scheme, rest)


def _file(text: str, rest: str) -> Url:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost", "127.0.0.1", os.uname().nodename.lower()):
            raise UsageError("bad URL", where=text, why=f"a file: URL names a file of this machine, not of '{host}'")
        rest = slash + path
    if not rest:
        raise UsageError("bad URL", where=text, why="it names no file")
    path = _decode(rest)
    return Url("file", os.path.expanduser(path[1:]) if path.startswith("/~/") else path, pattern=_pattern(rest))


def _remote(text: str, scheme: str, rest: str) -> Url:
    if not rest.startswith("//"):
        raise UsageError("bad URL", where=text, why=f"'{scheme}:' must be followed by '//' and a host")
    authority, slash, path = rest[2:].partition("/")
    match = _AUTHORITY.match(authority)
    if match is None or match["host"] in ("", "[]"):
        raise UsageError("bad URL", where=_shown(text), why="it names no host")
    host = _host(text, match["host"])
    port = match["port"] or str(PORTS[scheme])
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError("bad URL", where=_shown(text), why=f"'{port}' is no port number")
    raw = slash + path or "/"
    path = _decode(raw)
    if scheme in FTP_SCHEMES and ("\r" in path or "\n" in path):
        raise UsageError("bad URL", where=repr(_shown(text)), why="FTP cannot carry a line break in a name")
    user = _decode(match["user"]) if match["user"] is not None else None
    password = _decode(match["password"]) if match["password"] is not None else None
    if any(c in (user or "") + (password or "") for c in "\r\n"):
        raise UsageError("bad URL", where=repr(_shown(text)), why="a line break in the user's name or password")
    if scheme in HTTP_SCHEMES:
        return Url(scheme, raw, host, int(port), user, password)
    return Url(scheme, path, host, int(port), user, password, _pattern(raw))


def _host(text: str, host: str) -> str:
    """The host without brackets; it goes into look-ups and headers unescaped."""
    if not host.startswith("["):
        if re.fullmatch(r"[A-Za-z0-9._-]{1,255}", host) is None:
            raise UsageError("bad URL", where=_shown(text), why=f"{host!r} is no name of a host")
        return host
    import socket

    address = host[1:-1]
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        raise UsageError("bad URL", where=_shown(text), why=f"{address!r} is no IPv6 address") from None
    return address


def _pattern(path: str, *, escaped: bool = True) -> str | None:
    """The pattern that the last component of a path is, as it was written; None if it is a plain name."""
    last = path.rpartition("/")[2]
    if not any(c in last for c in "*?["):
        return None
    if not escaped:
        return last
    return "".join(
        f"[{part}]" if number % 2 and (part := _decode(piece)) in "*?[" else _decode(piece)
        for number, piece in enumerate(re.split("(%[0-9A-Fa-f]{2})", last))
    )


def _decode(text: str) -> str:
    if re.search("%00", text):
        raise UsageError("bad URL", where=_shown(text), why="it contains a NUL byte")
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), os.fsencode(text)))


def _quote(text: str, safe: str = "") -> str:
    kept = _UNRESERVED + os.fsencode(safe)
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in os.fsencode(text))


def _shown(text: str) -> str:
    return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1@", text)

# SPDX-License-Identifier: Apache-2.0
"""What a transfer can begin and end at: files, standard streams, and URLs.

`parse` takes what users type: a bare path, ``-``, ``file:``, ``gsiftp:``, ``ftp:``, ``http:`` and ``https:`` URLs.
Percent signs that stand before two hexadecimal digits are escapes, as in the C tools; every other character, be it a
blank, a ``#``, a ``?`` or a byte that is no UTF-8, stands for itself. A bare path is taken as it is. To an HTTP server
goes what was written, so that a ``?`` there begins a query, and ``%3F`` is a question mark in a name.
"""

from __future__ import annotations

import os

from pyglobus.core.errors import UsageError
from pyglobus.ffi.annotation import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

#: Default ports by scheme (IANA; RFC 959, GFD.20, RFC 9110).
PORTS = {"gsiftp": 2811, "ftp": 21, "http": 80, "https": 443}
FTP_SCHEMES = frozenset({"gsiftp", "ftp"})
HTTP_SCHEMES = frozenset({"http", "https"})
# Longer than any path that a server takes (PATH_MAX is 4096), and short enough to show in full.
_MAX_LENGTH = 64 * 1024
# RFC 3986, sections 2.1, 2.3 and 3.1; what the name of a host is made of.
_HEX = frozenset("0123456789ABCDEFabcdef")
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_UNRESERVED = f"{_ALPHANUMERIC}-._~".encode()
_SCHEME = frozenset(f"{_ALPHANUMERIC}+.-")
_HOST = frozenset(f"{_ALPHANUMERIC}-._")
_MAX_HOST = 255
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
        return self.inside()(name)

    def inside(self) -> Callable[[str], Url]:
        """What `join` does, to be called for each name in a directory that may have many."""
        scheme, path, host, port, user, password, _ = self
        head, make, quoted = path.rstrip("/"), Url._make, self.is_http

        def join(name: str) -> Url:
            plain = name.removesuffix("/")
            if plain in ("", ".", "..") or "/" in plain or "\0" in plain:
                raise UsageError("cannot name the destination", where=str(self), why=f"{plain!r} is no name of a file")
            below = _quote(name, safe="/") if quoted else name
            return make((scheme, f"{head}/{below}", host, port, user, password, None))

        return join

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
            path = _quote(
                "".join(part if number % 2 else part.replace("%", "%25") for number, part in enumerate(_parts(path))),
                safe=_HTTP_SAFE,
            )
        path = _quote(path, safe="/~")
        if self.is_ftp and path.startswith("//"):  # absolute, where paths are relative to the login's directory
            path = f"/%2F{path[2:]}"
        return f"{self.scheme}://{user}{host}:{self.port}{path}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __str__(self) -> str:
        """As people read it: without password, with escapes only where the text would be ambiguous."""
        if self.is_stream:
            return "-"
        if self.is_local:
            return self.path
        user = f"{self.user}@" if self.user else ""
        path = self.path
        if "%" in path and not self.is_http:
            path = "".join(f"%25{part[1:]}" if number % 2 else part for number, part in enumerate(_parts(path)))
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
    scheme, rest = _scheme(text)
    if scheme is None or ("://" not in text and scheme not in ("file", *PORTS)):
        path = os.path.expanduser(text) if text.startswith("~/") or text == "~" else text
        return Url("file", path, pattern=None if os.path.lexists(path) else _pattern(path, escaped=False))
    if scheme == "file":
        return _file(text, rest)
    if scheme not in PORTS:
        known = ", ".join(("file", *PORTS))
        raise UsageError("unknown scheme", where=_shown(text), why=f"'{scheme}' is none of {known}")
    return _remote(text, scheme, rest)


def _scheme(text: str) -> tuple[str | None, str]:
    """The scheme in lower case, and what follows its colon; None if it is a path, as is all with ``:\\`` there."""
    scheme, _, rest = text.partition(":")
    named = scheme[:1].isalpha() and _SCHEME.issuperset(scheme) and rest and not rest.startswith("\\")
    return (scheme.lower(), rest) if named else (None, text)


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
    if "%00" in authority:
        raise UsageError("bad URL", where=_shown(text), why="it contains a NUL byte")
    user, password, place = _login(authority)
    host, port = _place(text, place)
    port = port or str(PORTS[scheme])
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError("bad URL", where=_shown(text), why=f"'{port}' is no port number")
    raw = slash + path or "/"
    path = _decode(raw)
    if scheme in FTP_SCHEMES and ("\r" in path or "\n" in path):
        raise UsageError("bad URL", where=repr(_shown(text)), why="FTP cannot carry a line break in a name")
    if any(c in (user or "") + (password or "") for c in "\r\n"):
        raise UsageError("bad URL", where=repr(_shown(text)), why="a line break in the user's name or password")
    if scheme in HTTP_SCHEMES:
        return Url(scheme, raw, host, int(port), user, password)
    return Url(scheme, path, host, int(port), user, password, _pattern(raw))


def _login(authority: str) -> tuple[str | None, str | None, str]:
    """User and password, decoded, and the host and port after them."""
    login, at, place = authority.partition("@")
    if not at:
        return None, None, authority
    user, colon, password = login.partition(":")
    return _decode(user), _decode(password) if colon else None, place


def _place(text: str, place: str) -> tuple[str, str]:
    """Host and port as written; the host, without brackets, goes into look-ups and headers unescaped."""
    if not place.startswith("["):
        host, _, port = place.partition(":")
        if not host or "[" in host or "]" in host:
            raise UsageError("bad URL", where=_shown(text), why="it names no host")
        if len(host) > _MAX_HOST or not _HOST.issuperset(host):
            raise UsageError("bad URL", where=_shown(text), why=f"{host!r} is no name of a host")
        return host, port
    address, bracket, port = place[1:].partition("]")
    if not address or not bracket or not (port == "" or port.startswith(":")):
        raise UsageError("bad URL", where=_shown(text), why="it names no host")
    import socket

    try:
        socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        raise UsageError("bad URL", where=_shown(text), why=f"{address!r} is no IPv6 address") from None
    return address, port[1:]


def _pattern(path: str, *, escaped: bool = True) -> str | None:
    """The pattern that the last component of a path is, as it was written; None if it is a plain name."""
    last = path.rpartition("/")[2]
    if not any(c in last for c in "*?["):
        return None
    if not escaped:
        return last
    return "".join(
        f"[{part}]" if number % 2 and (part := _decode(piece)) in "*?[" else _decode(piece)
        for number, piece in enumerate(_parts(last))
    )


def _parts(text: str) -> list[str]:
    """``text`` in parts, of which every second one is an escape: a percent sign before two hexadecimal digits."""
    first, *others = text.split("%")
    parts = [first]
    for piece in others:
        if len(piece) >= 2 and _HEX.issuperset(piece[:2]):
            parts += [f"%{piece[:2]}", piece[2:]]
        else:
            parts[-1] += f"%{piece}"
    return parts


def _decode(text: str) -> str:
    if "%00" in text:
        raise UsageError("bad URL", where=_shown(text), why="it contains a NUL byte")
    decoded = (bytes.fromhex(part[1:]) if number % 2 else os.fsencode(part) for number, part in enumerate(_parts(text)))
    return os.fsdecode(b"".join(decoded))


def _quote(text: str, safe: str = "") -> str:
    kept = _UNRESERVED + os.fsencode(safe)
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in os.fsencode(text))


def _shown(text: str) -> str:
    """``text`` without a password in it."""
    import re

    return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1@", text)

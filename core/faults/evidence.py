# SPDX-License-Identifier: Apache-2.0
"""What a failed operation leaves behind, put in order: who said what, and which numbers there are.

A `GlobusError` mixes three voices: our own libraries, the server (whose whole reply, with its reply codes, is the text
of one link), and the system. A rule must never take one for the other: "certificate has expired" in our own words means
the server's certificate, in the server's words ours.
"""

from __future__ import annotations

import errno as numbers
import os
import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from pyglobus.core.url import FTP_SCHEMES, HTTP_SCHEMES, PORTS
from pyglobus.ffi.annotation import NamedTuple
from pyglobus.ffi.errors import GlobusError

#: Ports of the schemes that have a control channel.
_CONTROL_PORTS = {scheme: PORTS[scheme] for scheme in FTP_SCHEMES}

#: What gass_copy says of a connection that failed, and of an upload that failed, whatever the reason.
_HTTP_SILENT = r"request was DENIED, for reason: 400|gass_transfer_request_status"

#: What GSI and OpenSSL say when they have nothing to say.
_EMPTY = re.compile(
    "SSL handshake problems|Could not verify credential|Authentication Error|Couldn't do ssl handshake|"
    "certificate verify failed|Error with |Unable to verify remote side|EVP lib|GSS "
)

#: Seconds that a host has to answer when its state is looked at.
_PATIENCE = 3.0

#: Machine-readable causes in replies of the Globus server ("GlobusError: v=1 c=PATH_NOT_FOUND").
_CAUSES = {
    "PATH_NOT_FOUND": numbers.ENOENT,
    "PERMISSION_DENIED": numbers.EACCES,
    "NOT_A_DIRECTORY": numbers.ENOTDIR,
    "PATH_EXISTS": numbers.EEXIST,
    "NO_SPACE_LEFT": numbers.ENOSPC,
    "QUOTA_EXCEEDED": numbers.EDQUOT,
}

#: What only calls on sockets fail with; other numbers of ours come from a file that the library reads or writes.
_NETWORK = frozenset(
    (
        *(numbers.ECONNREFUSED, numbers.ECONNRESET, numbers.ECONNABORTED, numbers.EPIPE, numbers.ETIMEDOUT),
        *(numbers.ENETUNREACH, numbers.EHOSTUNREACH, numbers.ENETDOWN, numbers.EHOSTDOWN),
        *(numbers.EADDRINUSE, numbers.EADDRNOTAVAIL),
    )
)

_BY_TEXT = {os.strerror(number): number for number in numbers.errorcode}

_REPLY = re.compile(r"\d{3}[ -]")
_CODES = re.compile(r"^(?:\d{3}(?:[ -]|$))+")
_CAUSE = re.compile(r"^GlobusError: v=\d+ c=(\w+)")
_NUMBER = re.compile(r"^GridFTP-Errno: (\d+)")
_CONTACT = re.compile(r"Unable to connect to (\S+):(\d+)$", re.MULTILINE)
_USERINFO = re.compile(r"(?<=//)([^/@\s:]*)(:[^/@\s]*)?@")


def without_password(text: str) -> str:
    """``text`` with the password of any URL in it left out."""
    return _USERINFO.sub(lambda found: f"{found[1]}@" if found[1] else "", text)


class Evidence(NamedTuple):
    """``own`` is what this side's libraries said, one line for each cause; ``reply`` the server's lines, codes removed.

    ``network_errno`` is a failed network call of ours; ``file_errno`` a failed file operation, or with ``remote`` any
    system call that failed at the server. ``contact`` is the host and port that could not be reached, by us or by the
    server; ``on_data_channel`` tells that it was none of the ends' control ports. ``unknown_host`` has no address.
    """

    own: str = ""
    reply: tuple[str, ...] = ()
    code: int = 0
    network_errno: int = 0
    file_errno: int = 0
    remote: bool = False
    contact: str = ""
    on_data_channel: bool = False
    unknown_host: str = ""


def gather(error: GlobusError | OSError, urls: Sequence[str]) -> Evidence:
    """The evidence in an error of an operation on ``urls``."""
    if isinstance(error, OSError):
        return Evidence(own=error.strerror or str(error), file_errno=error.errno or 0)
    own: list[str] = []
    reply: list[str] = []
    for link in error.links:
        (reply if error.ftp_code and _REPLY.match(link.text) else own).append(link.text)
    lines = tuple(line for line in (_CODES.sub("", line).strip() for line in "\n".join(reply).split("\n")) if line)
    text = "\n".join(own)
    if re.search(_HTTP_SILENT, text):
        return _ask([url for url in urls if urlsplit(url).scheme in HTTP_SCHEMES], text)
    host, port = _contact("\n".join(lines) or text)
    remote_errno = _remote_errno(lines)
    on_network = error.errno in _NETWORK or re.search(r"System error in (connect|bind)", text) is not None
    return Evidence(
        own=text,
        reply=lines[:-1] if lines and lines[-1] == "End." else lines,
        code=error.ftp_code,
        network_errno=0 if lines or error.local_errno or not on_network else error.errno,
        file_errno=error.local_errno or remote_errno or (0 if on_network else error.errno),
        remote=not error.local_errno and remote_errno != 0,
        contact=f"{host}:{port}" if host else "",
        on_data_channel=bool(lines) or (bool(host) and bool(ports := _control_ports(urls)) and port not in ports),
        unknown_host=host if "globus_libc_getaddrinfo failed" in text else "",
    )


def _ask(urls: Sequence[str], text: str) -> Evidence:
    """Find out whether an HTTP server can be reached: the C library gives the same answer for every reason."""
    import socket

    for url in urls:
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            socket.create_connection((host, parts.port or PORTS[parts.scheme]), timeout=_PATIENCE).close()
        except socket.gaierror as error:
            unknown = error.errno != socket.EAI_AGAIN
            return Evidence(own=f"{error.strerror}\n{text}", unknown_host=host if unknown else "")
        except UnicodeError:
            return Evidence(own=text, unknown_host=host)
        except TimeoutError:
            return Evidence(own=text, network_errno=numbers.ETIMEDOUT)
        except OSError as error:
            return Evidence(own=text, network_errno=error.errno or 0)
    return Evidence(own=text)


def words(evidence: Evidence) -> str:
    """The most telling line of what was said, without the noise around it."""
    for line in evidence.reply or evidence.own.split("\n"):
        line = re.sub(r"^Command failed\. : |^GridFTP-(Reason|Error-String): |^globus_\w+: ", "", line).strip(" .")
        if line and not re.match(
            r"(GlobusError|GridFTP-Errno): |(globus_\w+|callback) failed|the server responded", line
        ):
            return line
    return "no reason was given"


def cause(evidence: Evidence) -> str:
    """The last cause of a chain of GSI and OpenSSL that says something."""
    texts = [line.rpartition(": ")[2].strip(" .") for line in evidence.reply or evidence.own.split("\n")]
    return next((text for text in reversed(texts) if text and not _EMPTY.match(text)), words(evidence))


def reader_gone(evidence: Evidence) -> bool:
    """Whether a pipe of ours has lost its reader. The library writes to files with write(), to sockets with others."""
    return not evidence.reply and re.search(r"System error in write: Broken pipe$", evidence.own, re.M) is not None


def side_of(evidence: Evidence, ends: Sequence[str]) -> int | None:
    """Which of ``ends`` the evidence is about; None if that is not clear.

    A local file that failed is the end that is no URL of a server; a server that is named by its contact or by a path
    in its words is known; and if only one end is remote, all the rest is about that one.
    """
    remote = [index for index, url in enumerate(ends) if _is_remote(url)]
    if evidence.file_errno and not evidence.remote and not evidence.code:
        found = [index for index in range(len(ends)) if index not in remote]
    elif len(remote) > 1:
        text = "\n".join(evidence.reply)
        found = [i for i in remote if evidence.contact in _contacts(ends[i]) or _names(text, ends[i])]
    else:
        found = remote
    return found[0] if len(found) == 1 else None


def _is_remote(url: str) -> bool:
    return "://" in url and not url.startswith("file:")


def _names(text: str, url: str) -> bool:
    path = unquote(urlsplit(url).path, errors="surrogateescape")
    return bool(path.strip("/")) and f"{path.removeprefix('/~')}\n" in f"{text}\n"


def _contacts(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    return tuple(f"{parts.hostname}:{port}" for port in _control_ports([url]))


def _control_ports(urls: Sequence[str]) -> set[int]:
    ports = set()
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme in _CONTROL_PORTS:
            ports.add(parts.port or _CONTROL_PORTS[parts.scheme])
    return ports


def _contact(text: str) -> tuple[str, int]:
    found = _CONTACT.search(text)
    return (found[1], int(found[2])) if found else ("", 0)


def _remote_errno(lines: Sequence[str]) -> int:
    """The system's error at the server: from its machine-readable lines, or the system's own words at a line's end.

    A line that holds a name of a file says nothing: the name could read like an error.
    """
    for line in lines:
        if (found := _CAUSE.match(line)) and found[1] in _CAUSES:
            return _CAUSES[found[1]]
    for line in lines:
        if found := _NUMBER.match(line):
            return int(found[1])
    for line in reversed(lines):
        if not line.startswith("globus_xio: Unable to open file"):
            text = line.rpartition(": ")[2].rstrip(".")
            if text in _BY_TEXT:
                return _BY_TEXT[text]
    return 0

# SPDX-License-Identifier: Apache-2.0
"""The certificates that a server shows at the beginning of a TLS handshake, whatever they are worth.

A verifying client sees nothing of a chain that it refuses. This one begins a handshake without a credential and without
judging, and stops when the certificates are there. `Greeting` takes and gives bytes; the functions carry them, over a
TLS connection or inside the ADAT commands of a GridFTP control channel (RFC 2228, GFD.20).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import socket
import ssl
import time
from typing import Any

from cryptography import x509

from pyglobus.core import errors, faults
from pyglobus.core.x509 import pem
from pyglobus.ffi.errors import GlobusError, Link

#: A greeting or a flight of certificates longer than this is none.
_MOST = 1 << 20
_WHAT = "cannot look at the server's certificates"


class Greeting:
    """The client's side of a handshake, up to the server's certificates."""

    def __init__(self, host: str | None = None) -> None:
        """``host`` is named to the server (RFC 6066), unless it is None."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ALL:@SECLEVEL=0")  # certificates that are too weak shall be seen too
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)

    def step(self, received: bytes = b"") -> bytes:
        """Take what the server sent, and give what to send. Raises ``ssl.SSLError`` for what is no TLS."""
        self._in.write(received)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def chain(self) -> list[x509.Certificate]:
        """The server's certificates, its own first; none as long as they have not come."""
        # Public since Python 3.13; before, the object underneath has it.
        source: Any = self._tls if hasattr(self._tls, "get_unverified_chain") else getattr(self._tls, "_sslobj")  # noqa: B009
        found = source.get_unverified_chain() or ()
        return [pem.certificate(one if isinstance(one, bytes) else one.public_bytes(2)) for one in found]


def over_tls(sock: socket.socket, host: str | None, timeout: float) -> list[x509.Certificate]:
    """The certificates of a server that speaks TLS from the start. Raises one of `errors`."""
    greeting = Greeting(host)
    end = time.monotonic() + timeout
    try:
        sock.sendall(greeting.step())
        heard = 0
        while not (found := greeting.chain()):
            sock.settimeout(max(0.001, end - time.monotonic()))
            piece = sock.recv(65536)
            heard += len(piece)
            if not piece or heard > _MOST:
                raise faults.known("connection-lost", what=_WHAT)
            _ = greeting.step(piece)
        return found
    except ssl.SSLError as error:
        raise faults.known("not-gsi", what=_WHAT) from error
    except TimeoutError as error:
        raise faults.known("connection-timed-out", what=_WHAT) from error
    except ConnectionError as error:
        raise error if isinstance(error, errors.Error) else faults.known("connection-lost", what=_WHAT) from error


class Control:
    """A control channel of FTP, as far as a login begins."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._socket = sock
        self._timeout = timeout
        self._left = b""

    def command(self, line: str | None = None) -> tuple[int, list[str]]:
        """Send a command (None: nothing) and read the reply: its code, and the text of its lines. Raises one of
        `errors`; what is no reply of FTP is "not-an-ftp-server".
        """
        try:
            if line is not None:
                self._socket.sendall(f"{line}\r\n".encode("ascii"))
            return self._reply(time.monotonic() + self._timeout)
        except TimeoutError as error:
            raise faults.known("connection-timed-out", what=_WHAT) from error
        except ConnectionError as error:
            raise error if isinstance(error, errors.Error) else faults.known("connection-lost", what=_WHAT) from error

    def chain(self) -> list[x509.Certificate]:
        """The certificates of the server, by the beginning of a GSI login. Raises one of `errors`."""
        code, lines = self.command("AUTH GSSAPI")
        greeting = Greeting()
        token = greeting.step()
        while 300 <= code < 400 and not greeting.chain():
            code, lines = self.command(f"ADAT {base64.b64encode(token).decode('ascii')}")
            found = re.search(r"ADAT=([A-Za-z0-9+/=]+)", " ".join(lines))
            if code not in (235, 335) or found is None:
                break
            try:
                token = greeting.step(base64.b64decode(found[1], validate=True))
            except (ssl.SSLError, binascii.Error) as error:
                raise faults.known("not-gsi", what=_WHAT) from error
        if certificates := greeting.chain():
            return certificates
        reply = "\r\n".join(f"{code} {line}" for line in lines)
        raise faults.explain(GlobusError((Link("", -1, reply),), ftp_code=code), what=_WHAT, where="")

    def _reply(self, end: float) -> tuple[int, list[str]]:
        lines: list[str] = []
        code = ""
        while True:
            text = self._line(end)
            if not lines:
                if re.match(r"\d{3}[ -]", text) is None:
                    raise faults.known("not-an-ftp-server", what=_WHAT)
                code = text[:3]
            lines.append(text.removeprefix(f"{code}-").removeprefix(f"{code} "))
            if text.startswith(f"{code} "):
                return int(code), lines

    def _line(self, end: float) -> str:
        while b"\n" not in self._left:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            piece = self._socket.recv(65536)
            if not piece:
                raise faults.known("connection-lost", what=_WHAT)
            self._left += piece
            if len(self._left) > _MOST:
                raise faults.known("not-an-ftp-server", what=_WHAT)
        line, _, self._left = self._left.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

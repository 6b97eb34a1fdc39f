# SPDX-License-Identifier: Apache-2.0
"""MyProxy with nothing but Python's ssl and cryptography: a client, and a server that says what a test wants.

Both stand beside libmyproxy, to see what it really sends and what it makes of what it gets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pyglobus.core.sandbox.authority import Issued

OK = b"VERSION=MYPROXYv2\nRESPONSE=0\n\0"
#: With TLS 1.3 a GSI server says this first, so that the client learns that the handshake has ended.
GREETING = b"\0"
PATIENCE = 20.0


def lines(message: bytes) -> dict[str, str]:
    """A message of the protocol as its keys and values."""
    return dict(line.split("=", 1) for line in message.rstrip(b"\0").decode().splitlines() if "=" in line)


def request(command: int, **fields: str | int) -> bytes:
    """A request in the protocol's text."""
    text = {"VERSION": "MYPROXYv2", "COMMAND": command, "USERNAME": "", "PASSPHRASE": "", "LIFETIME": 0, **fields}
    return "".join(f"{key}={value}\n" for key, value in text.items()).encode() + b"\0"


@contextmanager
def connected(port: int, proxy: Path | None = None) -> Iterator[ssl.SSLSocket]:
    """A connection to a server, logged in with a proxy file or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if proxy is not None:
        context.load_cert_chain(proxy)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain, context.wrap_socket(plain) as stream:
        if stream.version() == "TLSv1.3":
            assert stream.recv(1) == GREETING
        stream.sendall(b"0")  # no delegation within the login
        yield stream


def ask(stream: ssl.SSLSocket, message: bytes) -> dict[str, str]:
    """Send a request and return the reply."""
    stream.sendall(message)
    return lines(received(stream))


def received(stream: ssl.SSLSocket) -> bytes:
    """A message up to its NUL."""
    data = bytearray()
    while not data.endswith(b"\0") and (block := stream.recv(65536)):
        data += block
    return bytes(data)


def take_proxy(stream: ssl.SSLSocket) -> Issued:
    """After the reply to a GET: make a key, have it certified, and return the credential."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "request")])
    wish = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    stream.sendall(wish.public_bytes(serialization.Encoding.DER))
    data = stream.recv(1)
    count = data[0]
    chain: list[x509.Certificate] = []
    rest = b""
    while len(chain) < count:
        rest += stream.recv(65536)
        while len(rest) >= 4 and len(rest) >= (size := 4 + int.from_bytes(rest[2:4])):
            chain.append(x509.load_der_x509_certificate(rest[:size]))
            rest = rest[size:]
    return Issued(chain[0], key, tuple(chain[1:]))


def delegated(data: bytes, issuer: Issued, **how: object) -> bytes:
    """What a server answers to a certificate request (DER): proxy and chain."""
    wish = x509.load_der_x509_csr(data)
    public = wish.public_key()
    key = _Public(public)
    made = issuer.proxy(key=key, **how)  # type: ignore[arg-type]
    chain = [made.certificate, *made.chain]
    return bytes([len(chain)]) + b"".join(one.public_bytes(serialization.Encoding.DER) for one in chain)


class _Public:
    """Stands for a private key of which only the public half is known, and needed."""

    def __init__(self, public: object) -> None:
        self._public = public

    def public_key(self) -> object:
        return self._public


class Server:
    """A server on loopback for one client after the other: after the handshake ``serve(stream, request)`` is called.
    What clients asked is in ``requests``.
    """

    def __init__(self, host: Issued, directory: Path, serve: Callable[[ssl.SSLSocket, bytes], object]) -> None:
        host.save_proxy(directory / "server.pem")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.num_tickets = 0  # libmyproxy takes one for the end of the connection
        self._context.load_cert_chain(directory / "server.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self.port = self._listener.getsockname()[1]
        self.requests: list[Mapping[str, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """For ``serve``: say nothing until the test is over."""
        self._over.wait(PATIENCE)

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ValueError), plain:
                plain.settimeout(PATIENCE)
                with self._context.wrap_socket(plain, server_side=True) as stream:
                    if stream.version() == "TLSv1.3":
                        stream.sendall(GREETING)
                    stream.recv(1)
                    asked = received(stream)
                    self.requests.append(lines(asked))
                    self._serve(stream, asked)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

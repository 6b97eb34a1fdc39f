# SPDX-License-Identifier: Apache-2.0
"""A connection to a MyProxy server, good for one request.

Of several servers the first that answers is taken: those that are not known, refuse the connection, or stay silent are
passed over. A server that answers and is not who it should be ends the attempt, since another one that is named beside
it cannot make up for that.

The name that counts is the one that was asked for, by the rules of RFC 2818, unless MYPROXY_SERVER_DN or
GLOBUS_GSSAPI_NAME_COMPATIBILITY say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.myproxy import refusal
from pyglobus.core.myproxy.contact import Contact
from pyglobus.ffi.myproxy import Exchange, Fields, MyProxyError

if TYPE_CHECKING:
    from pyglobus.core.x509.credential import Credential

#: Seconds that a server has for each of its answers. It may have to look for a key, or ask others who the user is.
TIMEOUT = 60.0
_CONNECTING = 10

#: The library's own limits of what it sends.
MAX_PASS_PHRASE = 1024
MIN_PASS_PHRASE = 6
_MAX_FIELD = 4096


class Session:
    """A connection to the first of ``servers`` that answers, made by `connect` or ``with``.

    It logs in with the user's credential as the toolkit finds it, or with ``credential``; with ``anonymous`` also
    without one, if there is none or it does not do. ``heard`` is called with each line that the library says about its
    work. Methods raise `errors.Error`; ``timeout`` is in seconds and holds for each answer of a server.
    """

    def __init__(
        self,
        servers: Sequence[Contact],
        *,
        credential: Credential | None = None,
        anonymous: bool = False,
        trusted: Path | None = None,
        timeout: float = TIMEOUT,
        environ: Mapping[str, str] | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        self.servers = tuple(servers)
        self._anonymous = anonymous
        self._timeout = timeout
        self._heard = heard
        self._credential = credential.proxy_pem() if credential is not None else None
        self._environ = dict(os.environ if environ is None else environ)
        self._environ.setdefault("MYPROXY_SOCKET_TIMEOUT", str(max(1, min(_CONNECTING, int(timeout)))))
        if credential is not None:
            for name in ("X509_USER_CERT", "X509_USER_KEY"):
                self._environ.pop(name, None)
        if trusted is not None:
            self._environ["X509_CERT_DIR"] = str(trusted)
        self._exchange: Exchange | None = None
        #: The server that answered, the subject of its certificate, and what the library is.
        self.server: Contact = self.servers[0]
        self.server_name = ""
        self.library = ""

    def connect(self) -> None:
        """Connect, log in, and check who the server is."""
        for contact in self.servers:
            try:
                self._connect(contact)
                return
            except (errors.TransientError, errors.NotFound):
                if contact is self.servers[-1]:
                    raise

    def ask(
        self,
        command: int,
        fields: Mapping[str, str | bytes | int | None],
        *,
        what: str,
        meanwhile: Callable[[], object] | None = None,
    ) -> Fields:
        """Send the request and return the reply's fields. ``what`` is what cannot be done if that fails; ``meanwhile``
        is called while the server works.
        """
        assert self._exchange is not None, "connect() comes first"
        encoded = {name: _encoded(name, value) for name, value in fields.items()}
        try:
            return self._exchange.ask(command, encoded, timeout=self._timeout, meanwhile=meanwhile)
        except MyProxyError as error:
            raise refusal.explain(error, what=what, where=str(self.server)) from error
        except TimeoutError as error:
            raise refusal.timed_out(what, str(self.server), self._timeout) from error
        finally:
            self.close()

    def close(self) -> None:
        """End the connection; idempotent."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()

    def __enter__(self) -> Session:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, contact: Contact) -> None:
        what, where = "cannot log in to MyProxy server", str(contact)
        exchange = None
        try:
            exchange = Exchange(self._environ, credential=self._credential, heard=self._heard)
            greeting = exchange.connect(
                *contact, anonymous=self._anonymous, timeout=self._timeout, meanwhile=_load_requests
            )
        except BaseException as error:
            if exchange is not None:
                exchange.close()
            if isinstance(error, MyProxyError):
                raise refusal.explain(error, what=what, where=where) from error
            if isinstance(error, TimeoutError):
                raise refusal.timed_out(what, where, self._timeout) from error
            raise
        self._exchange = exchange
        self.server, self.server_name, self.library = contact, greeting.server, greeting.library


def _load_requests() -> None:
    """What is asked next."""
    from pyglobus.core.myproxy import credentials  # noqa: F401


def require_pass_phrase(phrase: bytes) -> bytes:
    """``phrase``, if the protocol can carry it and a server would take it. Raises `errors.CredentialError`."""
    if phrase and len(phrase) < MIN_PASS_PHRASE:
        raise errors.CredentialError(
            "cannot use pass phrase",
            why=f"it has less than {MIN_PASS_PHRASE} characters, which no MyProxy server takes",
            fault="pass-phrase-too-short",
        )
    if len(phrase) > MAX_PASS_PHRASE or b"\n" in phrase or b"\0" in phrase:
        raise errors.CredentialError(
            "cannot use pass phrase",
            why=f"MyProxy carries one line of at most {MAX_PASS_PHRASE} bytes",
            fault="pass-phrase-unusable",
        )
    return phrase


def _encoded(name: str, value: str | bytes | int | None) -> bytes | int | None:
    """A field as it goes to the library. The protocol's lines end where theirs do, so no value may hold an end."""
    if isinstance(value, str):
        data = os.fsencode(value)
        if len(data) > _MAX_FIELD or any(byte < 32 or byte == 127 for byte in data):
            raise errors.UsageError(
                f"cannot send {name.replace('_', ' ')}", where=repr(value[:80]), why="it is too long, or not one line"
            )
        return data
    return value

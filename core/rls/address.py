# SPDX-License-Identifier: Apache-2.0
"""Where a server is: ``rls://host[:port]`` with GSI, ``rlsn://host[:port]`` without authentication."""

from __future__ import annotations

from typing import NamedTuple

from pyglobus.core import errors

PORT = 39281
#: Characters; the historical limit.
MOST_URL = 256


class Address(NamedTuple):
    """A server's address."""

    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read one. Raises `errors.UsageError`."""
        from urllib.parse import urlsplit

        def bad(why: str) -> errors.UsageError:
            return errors.UsageError(
                "bad URL", where=text[:MOST_URL], why=why, hint="rls://host[:port] or rlsn://host[:port]"
            )

        if len(text) > MOST_URL:
            raise bad(f"it is longer than {MOST_URL} characters")
        if not text.isprintable() or " " in text:
            raise bad("a blank or control character is in it")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise bad(str(error)) from None
        if parts.scheme not in ("rls", "rlsn"):
            raise bad("its scheme is neither rls nor rlsn")
        if not host or "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise bad("it must be a host, and perhaps a port")
        if port == 0:
            raise bad("no port has the number 0")
        return cls(host, port or PORT, parts.scheme == "rls")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rls' if self.secure else 'rlsn'}://{host}" + (f":{self.port}" if self.port != PORT else "")

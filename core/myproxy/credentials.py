# SPDX-License-Identifier: Apache-2.0
"""The requests about credentials: fetch and store a proxy, ask what is there, change its pass phrase, remove it, and
store and take away a whole certificate with its key.

Each takes a connected `session.Session`, which it uses up. Credentials stay in memory: nothing here writes a file.
What a server sends is judged before it is handed on (`pyglobus.core.myproxy.judgement`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.myproxy import judgement
from pyglobus.core.myproxy.session import Session, require_pass_phrase
from pyglobus.ffi import myproxy

if TYPE_CHECKING:
    from cryptography import x509

    from pyglobus.core.x509.credential import Credential

DEFAULT_LIFETIME = dt.timedelta(hours=12)
#: How long a proxy is kept at a server unless the user says otherwise.
DEFAULT_STORED_LIFETIME = dt.timedelta(days=7)

#: What servers want where they go by the certificate alone; what is in it does not matter.
_NO_PHRASE = b"DUMMY-PASSPHRASE"
#: Seconds that the protocol, and the library, can tell.
_LONGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Who may do what with a stored credential, as patterns of subjects (``*/CN=host/portal.example.org``).

    ``retrievers`` may fetch a proxy with the pass phrase, ``trusted_retrievers`` without, ``renewers`` against an older
    proxy; ``key_retrievers`` may take the key itself away. What is None, the server decides.
    """

    retrievers: str | None = None
    trusted_retrievers: str | None = None
    renewers: str | None = None
    key_retrievers: str | None = None

    def fields(self) -> dict[str, str | None]:
        """As they are sent."""
        return {
            "retrievers": self.retrievers,
            "trusted_retrievers": self.trusted_retrievers,
            "renewers": self.renewers,
            "keyretrieve": self.key_retrievers,
        }


@dataclass(frozen=True)
class TrustFile:
    """A file for the directory of trusted authorities, as a server sends it."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Fetched:
    """A fetched credential, and what to trust if that was asked for. ``lifetime`` is what was asked of the server."""

    credential: Credential
    trust_files: Sequence[TrustFile]
    lifetime: dt.timedelta | None

    @property
    def is_shorter(self) -> bool:
        """Whether it has less life than was asked for."""
        if self.lifetime is None:
            return False
        return self.credential.expires - dt.datetime.now(dt.UTC) < self.lifetime - dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Stored:
    """A credential that is kept at a server, as the server tells it. The default credential has no ``name``."""

    owner: str
    name: str | None
    description: str | None
    policies: Policies
    locked: str | None
    start: dt.datetime
    end: dt.datetime


def get(
    session: Session,
    *,
    username: str,
    pass_phrase: bytes = b"",
    lifetime: dt.timedelta | None = DEFAULT_LIFETIME,
    name: str | None = None,
    renew: Path | None = None,
    vos: Sequence[str] = (),
    vomses: Sequence[str] = (),
    trust_roots: bool = False,
    owner: str | None = None,
) -> Fetched:
    """Fetch a proxy (or, from an authority, a certificate) with a new key.

    ``lifetime`` None is as long as the server gives. ``renew`` is a proxy that proves, without a pass phrase, that
    there is something to renew. ``owner`` is the identity that the credential must have; with ``renew`` it is at least
    that of the old one. ``vos`` are names of virtual organisations whose attributes it must have.

    Raises `errors.CredentialError` for a wrong pass phrase and for what is sent and is not good, `errors.NotFound` if
    nothing is stored, `errors.AccessDenied` where a policy forbids it.
    """
    what = "cannot fetch credential"
    if renew is not None:
        owner = owner or _identity_in(renew)
    fields = _request(username, pass_phrase, lifetime, name, trust_roots) | {
        "authzcreds": str(renew) if renew is not None else None,
        "voname": "\n".join(vos).encode() or None,
        "vomses": "\n".join(vomses).encode() or None,
    }
    reply = session.ask(myproxy.GET, fields, what=what, meanwhile=judgement.load)
    where = str(session.server)
    content = next((value for key, value in reply if key == "credential"), b"")
    credential = judgement.judged(content, what=what, where=where, owner=owner)
    if vos:
        judgement.require_attributes(credential, what, where)
    return Fetched(credential, _files(reply), lifetime)


def get_certificate(
    session: Session,
    *,
    username: str,
    pass_phrase: bytes = b"",
    request: Path,
    lifetime: dt.timedelta | None = DEFAULT_LIFETIME,
    name: str | None = None,
    trust_roots: bool = False,
) -> tuple[list[x509.Certificate], Sequence[TrustFile]]:
    """Have the certificate request (PKCS #10, PEM) of a file signed; the key stays where it is.

    Returns the certificate with its chain, and what to trust if that was asked for. Raises as `get` does.
    """
    from pyglobus.core.x509 import pem
    from pyglobus.core.x509 import request as requests

    what = "cannot fetch certificate"
    try:
        public = requests.read(request.read_bytes(), where=str(request)).public_key
    except OSError as error:
        raise errors.NotFound("cannot read request", where=str(request), why=error.strerror) from error
    fields = _request(username, pass_phrase, lifetime, name, trust_roots) | {"certreq": str(request)}
    reply = session.ask(myproxy.GET, fields, what=what)
    where = str(session.server)
    content = next((value for key, value in reply if key == "credential"), b"")
    found = pem.certificates(pem.blocks(content, where=where), where=where)
    if not found or found[0].public_key() != public:
        raise errors.CredentialError(what, where=where, why="it is for another key", fault="key-mismatch")
    judgement.require_good(found, what=what, where=where)
    return found, _files(reply)


def authenticate(
    session: Session, *, username: str, pass_phrase: bytes = b"", name: str | None = None, trust_roots: bool = False
) -> Sequence[TrustFile]:
    """Find out whether `get` would be allowed, and fetch no credential."""
    fields = _request(username, pass_phrase, DEFAULT_LIFETIME, name, trust_roots) | {"nothing": 1}
    return _files(session.ask(myproxy.GET, fields, what="cannot authenticate"))


def put(
    session: Session,
    *,
    username: str,
    pass_phrase: bytes = b"",
    lifetime: dt.timedelta | None = DEFAULT_LIFETIME,
    stored_lifetime: dt.timedelta | None = None,
    name: str | None = None,
    description: str | None = None,
    policies: Policies | None = None,
) -> None:
    """Delegate the session's credential to the server, to be kept there under ``username`` and ``name``.

    The key that is kept is the server's own. ``lifetime`` is the most that proxies made of it will have (None: no
    limit), ``stored_lifetime`` how long it is good itself (None: as long as the session's credential).
    """
    fields = _request(username, pass_phrase, lifetime, name) | (policies or Policies()).fields()
    fields |= {"creddesc": description, "delegated_lifetime": _seconds(stored_lifetime)}
    session.ask(myproxy.PUT, fields, what="cannot store credential")


def info(session: Session, *, username: str, name: str | None = None) -> list[Stored]:
    """What is stored under ``username`` by the owner of the session's credential; with ``name``, that one only."""
    fields = _request(username, _NO_PHRASE, None, name)
    reply = session.ask(myproxy.INFO, fields, what="cannot ask for credentials")
    return list(_stored(reply))


def destroy(session: Session, *, username: str, name: str | None = None) -> None:
    """Have what is stored removed."""
    session.ask(
        myproxy.DESTROY, _request(username, _NO_PHRASE, None, name), what="cannot have the stored credential removed"
    )


def change_pass_phrase(session: Session, *, username: str, old: bytes, new: bytes, name: str | None = None) -> None:
    """Give what is stored another pass phrase."""
    fields = _request(username, old, None, name) | {"new_passphrase": require_pass_phrase(new)}
    session.ask(myproxy.CHANGE_PASS_PHRASE, fields, what="cannot change the pass phrase")


def store(
    session: Session,
    content: bytes,
    *,
    username: str,
    lifetime: dt.timedelta | None = DEFAULT_LIFETIME,
    name: str | None = None,
    description: str | None = None,
    policies: Policies | None = None,
) -> None:
    """Send a certificate with its key (PEM: certificate, key, chain) to be kept there.

    An encrypted key stays so, and its pass phrase is what `get` and `retrieve` will need.
    """
    fields = _request(username, b"", lifetime, name) | (policies or Policies()).fields()
    fields |= {"creddesc": description, "credential": content}
    session.ask(myproxy.STORE, fields, what="cannot store credential")


def retrieve(
    session: Session,
    *,
    username: str,
    pass_phrase: bytes = b"",
    name: str | None = None,
    renew: Path | None = None,
    trust_roots: bool = False,
) -> tuple[bytes, Sequence[TrustFile]]:
    """Take a certificate with its key away, in PEM as it was stored: an encrypted key is still encrypted."""
    fields = _request(username, pass_phrase, DEFAULT_LIFETIME, name, trust_roots)
    fields |= {"authzcreds": str(renew) if renew is not None else None}
    what = "cannot retrieve credential"
    reply = session.ask(myproxy.RETRIEVE, fields, what=what)
    content = next((value for key, value in reply if key == "credential"), b"")
    if b"-----BEGIN CERTIFICATE-----" not in content or b"PRIVATE KEY-----" not in content:
        why = "the server sent no certificate with a key"
        raise errors.ProtocolError(what, where=str(session.server), why=why, fault="broken-protocol")
    return content, _files(reply)


def unlocked(content: bytes, pass_phrase: bytes, *, where: str) -> bytes:
    """The private key of what `retrieve` returned, in clear. Raises `errors.CredentialError`."""
    from pyglobus.core.x509.credential import Credential

    return Credential.from_pem(content, [pass_phrase], where=where).key_pem()


def trust_roots(session: Session) -> Sequence[TrustFile]:
    """What the server wants its users to trust."""
    fields = _request("", b"", None, None, roots=True)
    return _files(session.ask(myproxy.TRUST_ROOTS, fields, what="cannot fetch trust roots"))


def _request(
    username: str, phrase: bytes, lifetime: dt.timedelta | None, name: str | None, roots: bool = False
) -> dict[str, str | bytes | int | None]:
    return {
        "username": username,
        "passphrase": require_pass_phrase(phrase),
        "lifetime": _seconds(lifetime),
        "credname": name,
        "want_trusted_certs": int(roots),
    }


def _seconds(lifetime: dt.timedelta | None) -> int:
    """The protocol's 0 is no limit."""
    seconds = 0 if lifetime is None else int(lifetime.total_seconds())
    if not 0 <= seconds <= _LONGEST:
        raise errors.UsageError("impossible lifetime", where=f"{seconds} s", why="MyProxy cannot tell it")
    return seconds


def _identity_in(path: Path) -> str:
    from pyglobus.core import proxy

    return proxy.read(path).identity


def _files(reply: Iterable[tuple[str, bytes]]) -> list[TrustFile]:
    found: list[TrustFile] = []
    name = ""
    for key, value in reply:
        if key == "file":
            name = value.decode(errors="backslashreplace")
        elif key == "content":
            found.append(TrustFile(name, value))
    return found


def _stored(reply: Iterable[tuple[str, bytes]]) -> Iterable[Stored]:
    groups: list[dict[str, str]] = []
    for key, value in reply:
        if key == "owner":
            groups.append({})
        groups[-1][key] = value.decode(errors="backslashreplace")
    for one in groups:
        yield Stored(
            owner=one["owner"],
            name=one.get("name"),
            description=one.get("description"),
            policies=Policies(
                retrievers=one.get("retrievers"),
                trusted_retrievers=one.get("trusted_retrievers"),
                renewers=one.get("renewers"),
                key_retrievers=one.get("key_retrievers"),
            ),
            locked=one.get("locked"),
            start=dt.datetime.fromtimestamp(int(one["start"]), dt.UTC),
            end=dt.datetime.fromtimestamp(int(one["end"]), dt.UTC),
        )

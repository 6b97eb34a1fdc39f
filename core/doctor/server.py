# SPDX-License-Identifier: Apache-2.0
"""A server, step by step: its name, a connection, the certificates it shows, its names, the handshake, the login, and a
data channel. A step that cannot be made ends the walk: what is behind it cannot be known.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import re
import socket
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from pyglobus.core import errors, faults
from pyglobus.core import url as urls
from pyglobus.core.doctor import own, peerchain, reach
from pyglobus.core.doctor.peerchain import Control
from pyglobus.core.faults.credentials import span
from pyglobus.core.url import Url
from pyglobus.core.x509 import chain, names, trust
from pyglobus.core.x509.check import Check, Outcome, failed, of_error, passed, skipped
from pyglobus.core.x509.kind import extensions

#: Seconds that a server of unknown kind gets to speak first, as FTP servers do.
_FIRST_WORD = 1.0
#: What is a fault of ours in our own chain is one of the server in its chain.
_THEIRS = {
    "certificate-expired": "server-certificate-expired",
    "not-yet-valid": "server-certificate-not-yet-valid",
    "revoked": "server-certificate-revoked",
}
_CONTACT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255}):(\d{1,5})")
#: Clocks of servers that differ by less than this do no harm.
_SKEW = dt.timedelta(minutes=5)


class Target(NamedTuple):
    """Where to look. ``scheme`` is "" for what was written as ``host:port``; ``url`` is what transfers would take."""

    scheme: str
    host: str
    port: int
    url: Url | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """A URL, or ``host:port``. Raises `errors.UsageError`."""
        match = _CONTACT.fullmatch(text)
        if match is not None and 0 < int(match[2]) < 65536:
            return cls("", match[1].strip("[]"), int(match[2]))
        url = urls.parse(text)
        if not url.host:
            raise errors.UsageError(
                "no server", where=text, why="it must be a gsiftp, ftp, https or http URL, or host:port"
            )
        return cls(url.scheme, url.host, url.port, url)


def checks(target: Target, timeout: float) -> Iterator[Check]:
    """All that can be found out about a server."""
    try:
        canonical, places = reach.resolve(target.host, target.port, timeout)
        addresses = ", ".join(dict.fromkeys(str(address[0]) for _, address in places))
        alias = f", an alias of {canonical}" if canonical.rstrip(".").lower() != target.host.rstrip(".").lower() else ""
        yield passed("name-resolution", f"{target.host}{alias} is {addresses}")
    except errors.Error as error:
        yield of_error("name-resolution", error)
        return
    try:
        sock = reach.connect(places, timeout)
    except errors.Error as error:
        yield of_error("connection", error)
        return
    with sock:
        yield passed("connection", f"{sock.getpeername()[0]} port {target.port} answers")
        yield from _spoken(target, sock, canonical, timeout)


def shown(target: Target, timeout: float) -> tuple[list[x509.Certificate], list[Check]]:
    """The certificates that a server shows, and what is to be said of them. Raises one of `errors`."""
    canonical, places = reach.resolve(target.host, target.port, timeout)
    with reach.connect(places, timeout) as sock:
        certificates = _certificates(target, sock, timeout)
    return certificates, list(_judged(target, certificates, canonical))


def _spoken(target: Target, sock: socket.socket, canonical: str, timeout: float) -> Iterator[Check]:
    if target.scheme == "" and _speaks_first(sock):
        url = urls.parse(f"gsiftp://{f'[{target.host}]' if ':' in target.host else target.host}:{target.port}/")
        target = Target("gsiftp", target.host, target.port, url)
    if target.scheme == "http":
        yield _clock(target, timeout)
        return
    if target.scheme != "ftp":
        try:
            certificates = _certificates(target, sock, timeout)
        except errors.Error as error:
            yield of_error("server-certificate", error)
            return
        found = list(_judged(target, certificates, canonical))
        yield from found
        if any(check.outcome is Outcome.FAILED for check in found):
            yield skipped("handshake", "with such a certificate of the server there can be none")
            return
    if target.url is not None and target.url.is_ftp:
        yield from _session(target.url, timeout)
    else:
        yield _handshake(target, timeout)
    if target.scheme == "https":
        yield _clock(target, timeout)


def _certificates(target: Target, sock: socket.socket, timeout: float) -> list[x509.Certificate]:
    host = target.host if not _is_address(target.host) else None
    if target.scheme == "https" or (target.scheme == "" and not _speaks_first(sock)):
        return peerchain.over_tls(sock, host, timeout)
    control = Control(sock, timeout)
    code, lines = control.command()
    if code != 220:
        from pyglobus.ffi.errors import GlobusError, Link

        reply = "\r\n".join(f"{code} {line}" for line in lines)
        raise faults.explain(GlobusError((Link("", -1, reply),), ftp_code=code), what="cannot log in", where="")
    return control.chain()


def _speaks_first(sock: socket.socket) -> bool:
    sock.settimeout(_FIRST_WORD)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _judged(target: Target, certificates: list[x509.Certificate], canonical: str) -> Iterator[Check]:
    """The chain against our trusted directory, and the names in the first certificate."""
    whose = names.oneline(certificates[0].subject)
    try:
        report = chain.inspect(certificates, trust.default_directory())
    except errors.Error as error:
        yield of_error("server-certificate", error)
        return
    left = span(int((certificates[0].not_valid_after_utc - dt.datetime.now(dt.UTC)).total_seconds() // 60))
    for check in own.problems(report.checks, f"{whose}, {left} left, {len(report.path)} certificates, all good"):
        if check.fault in _THEIRS and check.certificate is not None:
            yield failed("server-certificate", _THEIRS[check.fault], subject=check.certificate)
        else:
            yield dataclasses.replace(check, name="server-certificate")
    yield _names(target, certificates[0], canonical)


def _names(target: Target, certificate: x509.Certificate, canonical: str) -> Check:
    """RFC 2818, as GSI has it by default: alternative names count, and the common name only where there are none."""
    dns, addresses = _alternative(certificate)
    common = [str(part.value) for part in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)][-1:]
    listed = [*dns, *addresses] or [name.rpartition("/")[2] for name in common]
    wanted = target.host.lower()
    if wanted in addresses or any(_matches(name.lower(), wanted) for name in (dns or listed)):
        return passed("server-name", f"{target.host} is one of the server's names: {', '.join(listed)}")
    found = names.oneline(certificate.subject)
    more = f" ({', '.join(listed)})" if listed else ""
    return failed("server-name", "name-mismatch", found=f"{found}{more}", expected=target.host, canonical=canonical)


def _alternative(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    for one in extensions(certificate):
        if isinstance(one.value, x509.SubjectAlternativeName):
            dns = one.value.get_values_for_type(x509.DNSName)
            return dns, [str(address) for address in one.value.get_values_for_type(x509.IPAddress)]
    return [], []


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return pattern == host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _handshake(target: Target, timeout: float) -> Check:
    """A handshake by the Globus libraries, with our credential."""
    from pyglobus.core.gss import Channel, Context

    try:
        _, places = reach.resolve(target.host, target.port, timeout)
        with (
            reach.connect(places, timeout) as sock,
            Context.initiate(target.host, tls_only=True) as context,
            Channel.establish(context, sock, timeout=timeout),
        ):
            version, cipher = context.tls
            return passed("handshake", f"with {context.peer}, {version} {cipher}")
    except errors.Error as error:
        return of_error("handshake", error)


def _session(url: Url, timeout: float) -> Iterator[Check]:
    """A login as a transfer makes it, and a data channel for a listing."""
    from pyglobus.core.options import Options, Side
    from pyglobus.core.remote import Remote
    from pyglobus.core.session import Session

    with Session() as session:
        options = Options(connect_timeout=timeout, stall_timeout=timeout)
        place = Remote(session, url, Side(), options, "source")
        session.until(timeout)
        how = "with your credential" if url.scheme == "gsiftp" else f"as {url.user or 'anonymous'}"
        try:
            place.stat()
        except errors.Error as error:
            if not isinstance(error, errors.AccessDenied | errors.NotFound) or error.ftp_code is None:
                yield of_error("login", error)
                return
        yield passed("login", f"the server lets you in {how}")
        session.until(timeout)
        directory = Remote(session, url if url.is_directory else url.parent(), Side(), options, "source")
        try:
            listing = directory.listing("names")
            while not next(listing):
                pass
        except StopIteration:
            pass
        except (errors.NotFound, errors.AccessDenied) as error:
            yield skipped("data-channel", f"the directory cannot be listed ({error.why})")
            return
        except errors.Error as error:
            yield of_error("data-channel", error)
            return
        yield passed("data-channel", "a listing came over a data channel")


def _clock(target: Target, timeout: float) -> Check:
    """What the server's clock says, which HTTP tells (RFC 9110 section 6.6.1)."""
    import email.utils
    import http.client
    import ssl

    secure = target.scheme == "https"
    context = ssl._create_unverified_context() if secure else None  # noqa: S323 - nothing is sent, nothing believed
    made: http.client.HTTPConnection
    if secure:
        made = http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=context)
    else:
        made = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    try:
        made.request("HEAD", "/")
        said = made.getresponse().getheader("Date")
        there = email.utils.parsedate_to_datetime(said or "")
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return skipped("server-clock", "the server does not tell its time")
    finally:
        made.close()
    here = dt.datetime.now(dt.UTC)
    skew = abs(here - there.astimezone(dt.UTC))
    if skew > _SKEW:
        evidence = f"the server's clock says {there:%F %H:%M} UTC"
        return failed("server-clock", "clock-skew", skew=span(int(skew.total_seconds() // 60)), evidence=evidence)
    return passed("server-clock", "it agrees with the clock of this machine")

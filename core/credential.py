# SPDX-License-Identifier: Apache-2.0
"""Credentials: which one would be used and why, whose it is and until when, and loading one.

The C library looks in a fixed order and passes over files that it does not like without a word. `find` follows the
same order by looking at files alone:

1. the certificate and key that X509_USER_CERT and X509_USER_KEY name, if both are set; else the first host
   certificate of /etc/grid-security, $GLOBUS_LOCATION/etc (/usr/etc) and ~/.globus whose key can be used;
2. the proxy that X509_USER_PROXY names, or else /tmp/x509up_u and the user id;
3. the user certificate of X509_USER_CERT or ~/.globus/usercert.pem with the key of X509_USER_KEY or userkey.pem.

``~`` is the home directory of the account, whatever HOME says. A private key must belong to the user and be closed to
all others, root not exempt; a certificate must not be writable by others. What is missing or breaks these rules is
passed over. A key with a pass phrase ends the search: the library does not ask, and fails.

Cost: `find` looks at one to ten files (0.03 ms); `inspect` reads the chosen one in the engine as well (1.3 ms, as the
key is checked), and `load` with a path as much more than the library's own loading (4 ms). The library's errors are as
good once `faults.explain` has read them, so `find` and `inspect` have no place on the way to a login.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from pyglobus.core import errors
from pyglobus.core.x509 import filerules
from pyglobus.core.x509.filerules import default_proxy, home
from pyglobus.ffi.annotation import Any, Literal, NamedTuple, TypeAlias, TypeVar
from pyglobus.ffi.credential import FileFacts, read_certificate, read_proxy
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError
from pyglobus.ffi.gss import GssCredential

T = TypeVar("T")
Kind: TypeAlias = Literal["proxy", "certificate", "host"]

_SYSTEM_DIRECTORY = "/etc/grid-security"
_WHAT = "cannot use credential"


class Skipped(NamedTuple):
    """A file that came earlier in the search and was passed over; ``fault`` is its name in the table of faults."""

    path: str
    fault: str


class Choice(NamedTuple):
    """The credential that would be used. ``key`` is the file of the private key, for a proxy the same as ``path``."""

    kind: Kind
    path: str
    key: str
    reason: str
    skipped: tuple[Skipped, ...] = ()


class Credential(NamedTuple):
    """Whose a credential is, in GSI's slash notation: ``subject`` names the certificate itself, ``identity`` its owner
    without what proxies add. ``expires`` is when the first certificate of the chain ends, in seconds since the epoch.
    """

    path: str
    subject: str
    identity: str
    expires: float

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self.expires - time.time()


def find(environ: Mapping[str, str] | None = None) -> Choice:
    """The credential that the C library would take. Files are looked at, not read, but for the keys of certificates.

    Raises `errors.CredentialError` if there is none, with the fault of the one that was most likely meant, or if the
    search ends at a key with a pass phrase.
    """
    environ = os.environ if environ is None else environ
    search = _Search(environ)
    choice = search.pair() if search.has_pair else search.host()
    choice = choice or search.proxy() or search.user()
    if choice is None:
        raise search.error()
    return choice


def inspect(path: str | None = None) -> Credential:
    """Owner and end of the proxy file ``path``, or of the credential that `find` chooses.

    Raises `errors.CredentialError` if it is missing, open to others, somebody else's, expired, or no credential.
    """
    if path is None:
        choice = find()
        read = read_proxy if choice.kind == "proxy" else read_certificate
        path = choice.path
    else:
        _require(path)
        read = read_proxy
    facts = _called(lambda: read(path), path)
    _require_life(path, facts)
    return Credential(path, facts.subject, facts.identity, float(facts.expires))


def load(path: str | None) -> GssCredential:
    """Load the proxy file ``path``, or with None what the C library finds for the user.

    The result belongs to the engine's thread; whoever loads it has it closed there. Raises `errors.CredentialError`.
    """
    if path is None:
        return _called(GssCredential, "")
    _require(path)

    def both() -> tuple[FileFacts, GssCredential]:
        return read_proxy(path), GssCredential(path)

    facts, credential = _called(both, path)
    try:
        _require_life(path, facts)
    except errors.CredentialError:
        engine().post(credential.close)
        raise
    return credential


class _Search:
    """The library's search through one environment; what it passes over is noted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._skipped: list[Skipped] = []
        self.has_pair = "X509_USER_CERT" in environ and "X509_USER_KEY" in environ

    def pair(self) -> Choice | None:
        reason = "X509_USER_CERT and X509_USER_KEY are set"
        if "X509_USER_PROXY" in self._environ:
            reason += " and win over X509_USER_PROXY"
        return self._certificate("certificate", self._environ["X509_USER_CERT"], self._environ["X509_USER_KEY"], reason)

    def host(self) -> Choice | None:
        location = self._environ.get("GLOBUS_LOCATION", "/usr")
        for directory in (_SYSTEM_DIRECTORY, f"{location}/etc", f"{home()}/.globus"):
            certificate = f"{directory}/hostcert.pem"
            if os.path.exists(certificate):
                reason = "a host certificate that can be read wins over a proxy"
                choice = self._certificate("host", certificate, f"{directory}/hostkey.pem", reason)
                if choice is None:
                    self._skipped.clear()  # the machine's, not the user's: nothing that a user should hear of
                return choice
        return None

    def proxy(self) -> Choice | None:
        path = self._environ.get("X509_USER_PROXY")
        if path is not None:
            reason = "X509_USER_PROXY is set"
        else:
            path = default_proxy()
            reason = f"default proxy file {path}"
        return None if self._skips(path) else Choice("proxy", path, path, reason, tuple(self._skipped))

    def user(self) -> Choice | None:
        certificate = self._environ.get("X509_USER_CERT", f"{home()}/.globus/usercert.pem")
        reason = "there is no proxy, but a key without pass phrase"
        return self._certificate("certificate", certificate, user_key(self._environ), reason)

    def error(self) -> errors.Error:
        """The fault of the file that the user most likely meant."""
        meant = [skipped for skipped in self._skipped if skipped.fault != "no-credential"]
        proxy = self._environ.get("X509_USER_PROXY", default_proxy())
        chosen = meant[0] if meant else Skipped(proxy, "no-credential")
        known: errors.Error = _faults().known(chosen.fault, what=_WHAT, path=chosen.path)
        return known

    def _certificate(self, kind: Kind, certificate: str, key: str, reason: str) -> Choice | None:
        if self._skips(certificate, private=False) or self._skips(key):
            return None
        if _is_encrypted(key):
            raise _faults().known("key-encrypted", what=_WHAT, path=key)
        return Choice(kind, certificate, key, reason, tuple(self._skipped))

    def _skips(self, path: str, *, private: bool = True) -> bool:
        fault = _file_fault(path, private=private)
        if fault is not None:
            self._skipped.append(Skipped(path, fault))
        return fault is not None


def user_key(environ: Mapping[str, str]) -> str:
    """The file of the user's private key."""
    return environ.get("X509_USER_KEY", f"{home()}/.globus/userkey.pem")


def _file_fault(path: str, *, private: bool = True) -> str | None:
    """What the C library would pass over this file for; the name in the table of faults."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "no-credential"
    except OSError:
        return "credential-unreadable"
    return filerules.fault(status, private=private)


def _is_encrypted(key: str) -> bool:
    try:
        with open(key, "rb") as stream:
            return b"ENCRYPTED" in stream.read(filerules.MAX_SIZE)
    except OSError:
        return False


def _require(path: str) -> None:
    fault = _file_fault(path)
    if fault is not None:
        raise _faults().known("credential-missing" if fault == "no-credential" else fault, what=_WHAT, path=path)


def _require_life(path: str, facts: FileFacts) -> None:
    left = facts.expires - time.time()
    if left <= 0:
        raise _faults().known("proxy-expired", what=_WHAT, path=path, minutes=str(int(-left / 60)))


def _called(call: Callable[[], T], path: str) -> T:
    try:
        return engine().submit(call).result()
    except GlobusError as error:
        raise _faults().explain(error, what=_WHAT, where=path) from error


def _faults() -> Any:
    """The table of faults, which is needed only when there is one."""
    from pyglobus.core import faults

    return faults

# SPDX-License-Identifier: Apache-2.0
"""The user's proxy as a file: where it is, what it holds, how long it is good for, and taking it away.

Making one is the business of `pyglobus.core.x509.proxy`; judging one, of `pyglobus.core.x509.chain`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.x509 import filerules
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from pyglobus.core.x509.credential import Credential
    from pyglobus.core.x509.proxy import Wish

#: Certificates with less life than this are worth a warning: renewing takes people days.
SOON = dt.timedelta(days=14)

_DELEGATED = "x509up_p"
_BLOCK = 1 << 16


def location(environ: Mapping[str, str] | None = None) -> Path:
    """Where the user's proxy is or will be: what X509_USER_PROXY names, or /tmp/x509up_u and the user id."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("X509_USER_PROXY") or filerules.default_proxy())


def read(path: Path) -> Credential:
    """The proxy in a file that is the user's alone. Raises `errors.CredentialError`."""
    from pyglobus.core.x509.credential import Credential

    return Credential.from_pem(filerules.read(path), where=str(path))


def still_good(path: Path, *, identity: str | None, wish: Wish, life: dt.timedelta) -> Credential | None:
    """The proxy in ``path`` if it has at least that much life and is what would be made: of that identity (None: any),
    of that form and those rights. None if there is a reason to make a new one.
    """
    from pyglobus.core.x509.proxytype import Form, Rights, rights_of

    try:
        found = read(path)
        kind, whose = found.kind, found.identity
    except errors.Error:
        return None
    now = dt.datetime.now(dt.UTC)
    rights = wish.rights or (rights_of(wish.language) if wish.language else Rights.IMPERSONATION)
    path_length = kind.info.path_length if kind.info is not None else None
    alike = (kind.form, kind.rights, path_length) == (wish.form or Form.RFC, rights, wish.path_length)
    policy = kind.info.policy if kind.info is not None else None
    if not alike or policy != wish.policy or found.expires - now < life:
        return None
    if kind.acts_for_issuer and identity is not None and whose != identity:
        return None
    return found


def ending_soon(
    certificates: Sequence[x509.Certificate], directory: Path | None
) -> Iterator[tuple[x509.Certificate, dt.timedelta]]:
    """The certificates that are no proxies, and their authority if it is in ``directory``, that end within `SOON`; with
    the time that each has left.
    """
    from pyglobus.core.x509.kind import is_proxy
    from pyglobus.core.x509.trust import TrustedDirectory

    looked = [one for one in certificates if not is_proxy(one)]
    if directory is not None and looked:
        with contextlib.suppress(errors.Error):  # what is wrong with the directory is for others to tell
            looked += [found for _, found in TrustedDirectory(directory).authorities(looked[-1].issuer)][:1]
    now = dt.datetime.now(dt.UTC)
    for one in looked:
        left = one.not_valid_after_utc - now
        if left < SOON:
            yield one, left


def delegated() -> list[Path]:
    """The proxies that others have delegated to this user on this machine, where servers put them."""
    directory = Path(filerules.default_proxy()).parent
    found = []
    for path in sorted(directory.glob(f"{_DELEGATED}*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            found.append(path)
    return found


def destroy(path: Path) -> None:
    """Overwrite a file of this user with zeros, and remove it; a symbolic link is removed, and what it names stays.

    Raises `errors.NotFound`, or `errors.AccessDenied` if it is somebody else's or no file.
    """
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            path.unlink()
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                why = "it is no regular file" if status.st_uid == os.geteuid() else "it belongs to somebody else"
                raise errors.AccessDenied("cannot destroy", where=str(path), why=why, fault="credential-not-owned")
            os.fchmod(descriptor, 0o600)
            _overwrite(f"/proc/self/fd/{descriptor}", status.st_size)
        finally:
            os.close(descriptor)
        path.unlink()
    except errors.Error:
        raise
    except FileNotFoundError as error:
        raise errors.NotFound("cannot destroy", where=str(path), why="it does not exist", errno=error.errno) from error
    except OSError as error:
        raise errors.AccessDenied("cannot destroy", where=str(path), why=error.strerror, errno=error.errno) from error


def _overwrite(path: str, size: int) -> None:
    with open(path, "wb", buffering=0, opener=lambda name, _: os.open(name, os.O_WRONLY | os.O_CLOEXEC)) as stream:
        for start in range(0, size, _BLOCK):
            stream.write(bytes(min(_BLOCK, size - start)))
        os.fsync(stream.fileno())

# SPDX-License-Identifier: Apache-2.0
"""One FTP or GridFTP URL: what the server says of it, and the small things done to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator

from pyglobus.core import errors
from pyglobus.core.options import Options, Side
from pyglobus.core.session import Session, silent
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING, Any, NamedTuple
from pyglobus.ffi.engine import Operation
from pyglobus.ffi.ftp import FtpHandle, FtpOptions, Listing

if TYPE_CHECKING:
    from pyglobus.core.faults import Role
    from pyglobus.ffi.gss import DataCredential, GssCredential

# A facts line holds a path and some words; a server that sends more is not to be believed.
_MAX_FACTS = 64 * 1024
# Digits of the largest size that a file can have, and of the longest mode with the kind of the file in it.
_SIZE_DIGITS = 19
_MODE_DIGITS = 6
_OCTAL = frozenset("01234567")
# Bytes a second: a server that takes longer for a checksum is not computing it.
_SLOWEST_SUM = 10e6
_PROTECTION = {"clear": "", "safe": "S", "private": "P"}


class Facts(NamedTuple):
    """What a server tells of a path (RFC 3659): ``kind`` is "file", "dir" or what else it says; ``size`` in
    bytes if told; two paths of a server with the same ``unique`` are one file.
    """

    kind: str
    size: int | None
    modified: str | None = None
    mode: int | None = None
    unique: str | None = None
    #: Reached by a symbolic link, as far as the server tells.
    link: bool = False

    @property
    def is_directory(self) -> bool:
        """A directory, whatever the server calls it."""
        return self.kind in ("dir", "cdir", "pdir")


def parse_facts(line: bytes) -> Facts:
    """Facts from a line of MLST or MLSD. Raises `errors.ProtocolError`."""
    head = ";" + line.strip().partition(b" ")[0].decode("ascii", "replace").lower()
    if len(line) > _MAX_FACTS or "=" not in head:
        raise errors.ProtocolError("cannot understand the server's facts", why=repr(line[:80]))
    size, mode = _fact(head, ";size=") or "", _fact(head, ";unix.mode=") or ""
    return Facts(
        _fact(head, ";type=") or "",
        int(size) if len(size) <= _SIZE_DIGITS and size.isascii() and size.isdigit() else None,
        _fact(head, ";modify="),
        int(mode, 8) if 0 < len(mode) <= _MODE_DIGITS and _OCTAL.issuperset(mode) else None,
        _fact(head, ";unique="),
        ";unix.slink=" in head or ";type=os.unix=s" in head,
    )


def _fact(head: str, mark: str) -> str | None:
    """What stands behind ``mark``; a line of a listing has many more facts than are wanted."""
    start = head.find(mark)
    if start < 0:
        return None
    start += len(mark)
    end = head.find(";", start)
    return head[start:] if end < 0 else head[start:end]


class Remote:
    """A remote end with the attributes that its operations carry. ``role`` is "source" or "destination"."""

    def __init__(self, session: Session, url: Url, side: Side, options: Options, role: Role) -> None:
        self.url = url
        self.role = role
        self._session = session
        self._side = side
        self._options = options

    @property
    def wire(self) -> str:
        """The URL as the C library takes it."""
        return self.url.wire()

    def attributes(self, *, allocate: int = -1, extended: bool | None = None) -> FtpOptions:
        """The FTP attributes of an operation here. ``allocate`` announces so many bytes; ``extended`` forces
        MODE E or not.
        """
        options = self._options
        secure = self.url.scheme == "gsiftp"
        delegation = self._delegation() if secure else "limited"
        data_credential = None
        if (delegation == "none" or options.data_credential) and options.authenticate_data and secure:
            data_credential = self._data_credential()
        own = self._side.credential
        side = self._side
        stack = side.net_stack
        if stack is not None and secure and options.authenticate_data and "gsi" not in stack.split(","):
            transport, comma, rest = stack.partition(",")
            stack = f"{transport},gsi{comma}{rest}"  # above the transport, as the C tool has it
        return FtpOptions(
            extended=self.extended if extended is None else extended,
            ascii=options.ascii,
            parallel=options.parallel,
            tcp_buffer=options.tcp_buffer,
            dcau="" if options.authenticate_data or not secure else "N",
            protection=_PROTECTION[options.protection] if secure else "",
            ipv6=options.ipv6 or ":" in self.url.host,
            delayed_passive=options.delayed_passive,
            stripe_block=options.stripe_block,
            module=side.module,
            module_arguments=side.module_arguments,
            net_stack=stack,
            disk_stack=side.disk_stack,
            assertion=side.assertion,
            keep_assertion=side.keep_assertion,
            allocate=allocate if options.allocate else -1,
            credential=self._session.credential(own) if secure and own is not None else None,
            delegation=delegation,
            data_credential=data_credential,
            user=self.url.user,
            password=self.url.password,
            subject=side.subject if secure else None,
        )

    @property
    def extended(self) -> bool:
        """Whether data goes in MODE E: for parallel streams, and for data channels that stay open, unless the server
        has shown to lack it.
        """
        return self._options.parallel > 0 or (self._options.reuse_data and not self._session.lacks_extended(self.url))

    def _delegation(self) -> str:
        """What the server gets of the credential: nothing, unless it was asked for or has shown to be needed."""
        choice = self._options.delegate
        if choice != "auto":
            return choice
        if self._session.delegates(self.url):
            return "limited"
        if self._options.authenticate_data and self._data_credential() is None:
            return "limited"
        return "none"

    def _data_credential(self) -> DataCredential | GssCredential | None:
        if self._options.data_credential is not None:
            return self._session.credential(self._options.data_credential)
        return self._session.data_credential(self._data_path())

    def _data_path(self) -> str | None:
        """The credential that data channels are derived from: both ends of a third-party transfer need the same."""
        return self._options.source.credential or self._options.destination.credential

    def stat(self) -> Facts | None:
        """What the server tells of this path; None if there is nothing. Servers without MLST are asked for
        the size alone.
        """
        try:
            return self.look()
        except errors.NotFound as error:
            if error.ftp_code is None:
                raise
            return None

    def look(self) -> Facts:
        """The same, for what must be there: raises `errors.NotFound`."""
        what = f"cannot look at {self.role}"
        try:
            line = self._run(lambda handle, plain: handle.mlst(self.wire, plain), what, role="source")
        except errors.Unsupported as error:
            if error.ftp_code not in (500, 501, 502, 504):
                raise
        else:
            return parse_facts(line)
        try:
            return Facts("file", self._run(lambda handle, plain: handle.size(self.wire, plain), what, role="source"))
        except errors.Unsupported as error:
            if error.ftp_code not in (500, 501, 502, 504):
                raise
            return Facts("file", None)

    def facts(self) -> dict[str, str] | None:
        """All that the server tells of this path, by the names of RFC 3659 in lower case; None if there is nothing."""
        try:
            line = self._run(lambda handle, plain: handle.mlst(self.wire, plain), "cannot look at", role="source")
        except errors.NotFound as error:
            if error.ftp_code is None:
                raise
            return None
        told = os.fsdecode(line[:_MAX_FACTS]).strip().partition(" ")[0].split(";")
        return {name.lower(): value for name, equals, value in (fact.partition("=") for fact in told) if equals}

    def check_name(self) -> None:
        """Raise `errors.Unsupported` if the server would take this path for another one.

        Control channels without GSI go through the telnet driver of the Globus server, which drops all bytes that are
        not ASCII: a name made of such bytes alone then means the directory that it is in.
        """
        url, session = self.url, self._session
        if url.scheme != "ftp" or url.path.isascii():
            return
        if url.authority not in session.names_kept:
            unheard = "".join(chr(0xE0 + byte % 24) for byte in os.urandom(12))
            session.names_kept[url.authority] = self._parent().child(unheard).stat() is None
        if not session.names_kept[url.authority]:
            raise errors.Unsupported(
                "cannot use this name", where=str(url), why="the server drops all that is not ASCII from it",
                hint="log in with GSI (gsiftp://), or choose a name in ASCII", fault="name-not-kept",
            )  # fmt: skip

    def size(self) -> int | None:
        """Bytes that are there now, or None if that cannot be known."""
        facts = self.stat()
        return None if facts is None else facts.size

    def make_directories(self) -> None:
        """Make the directory that this path is in, and those above it, as far as they are missing."""
        missing: list[Remote] = []
        place = self._parent()
        while place.url.path.strip("/") and place.stat() is None:
            missing.append(place)
            place = place._parent()
        for place in reversed(missing):
            place.make_if_missing()

    def make_if_missing(self, *, above: bool = False) -> bool:
        """Make this directory, unless it is there; whether it is new. With ``above`` also those that it lies in."""
        try:
            self._make()
        except errors.Error:
            facts = self.stat()
            if facts is not None and facts.is_directory:
                return False
            if facts is not None or not above:
                raise
            self.make_directories()
            return self.make_if_missing()  # others may be making it, too
        return True

    def _make(self) -> None:
        self._run(lambda handle, plain: handle.mkdir(self.wire, plain), "cannot make directory")

    def delete(self) -> None:
        """Delete the file."""
        self._run(lambda handle, plain: handle.delete(self.wire, plain), "cannot delete")

    def set_mode(self, mode: int) -> None:
        """Give the file these mode bits."""
        self._run(lambda handle, plain: handle.chmod(self.wire, mode, plain), "cannot set the mode")

    def set_time(self, modified: float) -> None:
        """Set the time of the file's last change; whole seconds count."""
        self._run(lambda handle, plain: handle.utime(self.wire, int(modified), plain), "cannot set the time")

    def remove_directory(self) -> None:
        """Remove this directory, which must be empty."""
        self._run(lambda handle, plain: handle.remove_directory(self.wire, plain), "cannot remove directory")

    def move(self, place: Remote) -> None:
        """Give this file the name of ``place`` on the same server; what had that name is gone."""
        try:
            self._move(place)
        except errors.Error as error:
            if isinstance(error, errors.TransientError | errors.Cancelled) or place.stat() is None:
                raise
            place.delete()  # not every server replaces what is there
            self._move(place)

    def _move(self, place: Remote) -> None:
        self._run(lambda handle, plain: handle.move(self.wire, place.wire, plain), "cannot rename")

    def beside(self, url: Url) -> Remote:
        """Another place on the same server, with the attributes of this one."""
        return Remote(self._session, url, self._side, self._options, self.role)

    def child(self, name: str) -> Remote:
        """The entry ``name`` of this directory."""
        return self.beside(self.url.join(name))

    def start_listing(self, kind: str) -> Listing:
        """Begin to list this directory: "names" or "facts" (see `pyglobus.ffi.ftp`)."""
        return self._session.handle().list(self.wire, self.attributes(), kind)

    def listing(
        self, kind: str, begun: Listing | None = None, drained: Callable[[], None] | None = None
    ) -> Generator[bytes, None, None]:
        """A listing of this directory in pieces as they come; one that has ``begun`` already is gone on with.

        ``drained`` is called when the connection is free again, before the last piece.
        """
        listing = begun or self.start_listing(kind)
        watching = self._session.watch(listing.operation, what="cannot list", where=str(self.url), role="source")
        limit, heard = self._options.connect_timeout, time.monotonic()
        for _ in watching:
            while piece := listing.take():  # more has come while this was worked at
                yield piece
                limit, heard = self._options.stall_timeout, time.monotonic()
            if limit and time.monotonic() - heard > limit:
                watching.throw(silent("cannot list", str(self.url), limit))
        if drained is not None:
            drained()
        yield listing.take()

    def checksum(self, algorithm: str, size: int | None) -> Generator[None, None, str]:
        """The server's checksum of the part that is transferred; yields while the server computes it.

        It is silent meanwhile; how long it may be depends on the ``size`` of the part, and None is for ever.
        """
        start, length, limit = self._options.offset, self._options.length, self._options.stall_timeout
        operation = self._session.handle().checksum(
            self.wire,
            algorithm.upper(),
            self.attributes(extended=False),
            offset=start,
            length=-1 if length is None else length,
        )
        result: str = yield from self._session.watch(
            operation, what="cannot compute checksum", where=str(self.url), role=self.role,
            limit=limit + size / _SLOWEST_SUM if limit and size is not None else None,
        )  # fmt: skip
        return result

    def require_checksum(self, algorithm: str) -> None:
        """Raise `errors.Unsupported` if the server says that it has no such checksum.

        It is asked for that of a file that is not there, and so computes none; only a clear word counts.
        """
        nothing = self._parent().child(os.urandom(12).hex())
        try:
            nothing._run(
                lambda handle, plain: handle.checksum(nothing.wire, algorithm.upper(), plain),
                "cannot compute checksum",
            )
        except errors.Error as error:
            clear = error.ftp_code in (502, 504) or "algorithm" in (error.why or "").lower()
            if error.ftp_code is None or (clear and isinstance(error, errors.Unsupported)):
                raise

    def by(self, session: Session) -> Remote:
        """The same place over the connections of another session."""
        return Remote(session, self.url, self._side, self._options, self.role)

    def forget(self, handle: FtpHandle) -> None:
        """Close the connection to this server."""
        handle.forget(self.wire)

    def _parent(self) -> Remote:
        return self.beside(self.url.parent())

    def _run(self, start: Callable[[FtpHandle, FtpOptions], Operation], what: str, role: Role | None = None) -> Any:
        """Do a small operation; once more, with delegation, if it is that which the server misses.

        ``role`` differs from the end's own where a path of the destination is only looked at.
        """
        where, limit, role = str(self.url), self._options.connect_timeout, role or self.role
        operation = start(self._session.handle(), self.attributes(extended=False))
        try:
            return self._session.run(operation, what=what, where=where, role=role, limit=limit)
        except errors.Error as error:
            refused = isinstance(error, errors.CredentialError | errors.AccessDenied) or error.ftp_code is None
            if self._options.delegate != "auto" or not refused or not self._session.fall_back(error, self.url):
                raise
        operation = start(self._session.handle(), self.attributes(extended=False))
        return self._session.run(operation, what=what, where=where, role=role, limit=limit)

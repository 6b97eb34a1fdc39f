# SPDX-License-Identifier: Apache-2.0
"""The two ends of a transfer: what is opened, looked at and, in the end, named, and the route between them.

What the two cannot do is refused before anything is done. Each end is an open file of this machine, or a place at an
FTP server with what that tells of it, or neither: then it belongs to the library.
"""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.core.localfile import LocalDestination, LocalSource, same_file
from pyglobus.core.options import Options, Side
from pyglobus.core.remote import Facts, Remote
from pyglobus.core.route import Get, Put, Route
from pyglobus.core.session import Session
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pyglobus.core.faults import Role
    from pyglobus.core.partial import Partial


class Ends:
    """Source and destination of one transfer."""

    def __init__(
        self,
        session: Session,
        options: Options,
        source: Url,
        destination: Url,
        *,
        known: Facts | None,
        partial: Partial | None,
    ) -> None:
        """``known`` and ``partial`` as `pyglobus.core.transfer.Transfer` has them."""
        self.source = source
        self.destination = destination
        self.source_file: LocalSource | None = None
        self.source_remote: Remote | None = None
        self.source_facts: Facts | None = None
        self.destination_file: LocalDestination | None = None
        self.destination_remote: Remote | None = None
        #: What `destination_remote` is moved to when it is whole; None where the place itself is written to.
        self.place: Remote | None = None
        #: What was at the remote destination before, if it was looked at.
        self.looked = False
        self.before: Facts | None = None
        #: Bytes to come; None if that is not known.
        self.total: int | None = None
        self._session = session
        self._options = options
        self._known = known
        self._partial = partial
        # Between a server with GSI and one without, data channels cannot be authenticated.
        mixed = source.is_ftp and destination.is_ftp and source.scheme != destination.scheme
        self._ftp_options = options
        if mixed and options.third_party:
            self._ftp_options = options._replace(authenticate_data=False, protection="clear")

    @property
    def remotes(self) -> list[Remote]:
        """The ends at FTP servers."""
        return [remote for remote in (self.source_remote, self.destination_remote) if remote is not None]

    def open(self, stack: ExitStack) -> Route:
        """Open both ends, for ``stack`` to close, and choose the way between them. Raises `errors.Error`."""
        self._check()
        self._open_source(stack)
        self._open_destination(stack)
        return self._route()

    def finish(self) -> None:
        """Let the destination appear under its name."""
        if self.destination_file is not None:
            self.destination_file.commit()
        elif self.destination_remote is not None and self.place is not None:
            self.destination_remote.move(self.place)

    def _route(self) -> Route:
        session, options = self._session, self._options
        source, destination = self.source_file, self.destination_file
        if source is not None and destination is not None:
            from pyglobus.core.localcopy import LocalCopy

            return LocalCopy(session, options, source, destination)
        pumped = not options.ascii  # the library's conversion of line ends knows no offsets
        if source is not None and self.destination_remote is not None and source.seekable and pumped:
            return Put(session, options, source, self.destination_remote)
        facts = self.source_facts
        remote = self.source_remote
        if destination is not None and remote is not None and facts is not None and destination.seekable and pumped:
            return Get(session, options, remote, facts, destination)
        if self.source_remote is not None and self.destination_remote is not None and options.third_party:
            from pyglobus.core.thirdparty import ThirdParty

            return ThirdParty(session, options, self.source_remote, self.destination_remote)
        from pyglobus.core.relay import Relay, relay_end

        ends = (
            source or relay_end(self.source, self.source_remote, options.source),
            destination or relay_end(self.destination, self.destination_remote, options.destination),
        )
        return Relay(session, options, self.source, self.destination, *ends)

    def _check(self) -> None:
        """Refuse what the two ends cannot do, before anything is done."""
        for url in (self.source, self.destination):
            if self._options.verify and (url.is_stream or url.is_http):
                why = "neither pipes nor HTTP servers can be asked for a checksum"
                raise errors.Unsupported("cannot verify", where=str(url), why=why)
            if self._options.partial and (url.is_http or (url.is_stream and url is self.source)):
                why = "only files and FTP servers give and take a part"
                raise errors.Unsupported("cannot copy a part", where=str(url), why=why)
            if url.is_http and url.user is not None:
                why = "HTTP servers are not told names and passwords"
                raise errors.Unsupported("cannot log in", where=str(url), why=why)

    def _open_source(self, stack: ExitStack) -> None:
        url = self.source
        if url.is_local or url.is_stream:
            self.source_file = source = LocalSource(url.path, check=self._session.check)
            stack.callback(source.close)
            if self.destination.is_local and same_file(source, self.destination.path):
                raise same(url)
            self._note_size(source.size)
        elif url.is_ftp:
            self.source_remote = self._remote(url, self._options.source, "source")
            self.source_facts = facts = self._known or self.source_remote.stat()
            if facts is None:
                from pyglobus.core import faults

                raise faults.known("no-such-file", what="cannot get", where=str(url), role="source")
            if facts.is_directory:
                raise directory(url)
            self._note_size(facts.size)

    def _remote(self, url: Url, side: Side, role: Role) -> Remote:
        remote = Remote(self._session, url, side, self._ftp_options, role)
        if self._ftp_options is not self._options and url.scheme == "gsiftp":
            # An open connection may have authenticated data channels, and the library would not turn that off.
            remote.forget(self._session.handle())
        remote.check_name()
        return remote

    def _note_size(self, size: int | None) -> None:
        """Set the bytes to come from the size of the source and the part that is asked for."""
        offset, length = self._options.offset, self._options.length
        if size is not None:
            if offset > size:
                raise errors.UsageError("bad offset", where=str(offset), why=f"{self.source} has only {size} bytes")
            rest = size - offset
            self.total = rest if length is None else min(rest, length)

    def _open_destination(self, stack: ExitStack) -> None:
        url, options = self.destination, self._options
        if url.is_local or url.is_stream:
            self.destination_file = destination = LocalDestination(
                url.path,
                in_place=options.in_place,
                keep=options.partial,
                create_directories=options.create_directories,
                partial=self._partial,
                check=self._session.check,
            )
            stack.callback(destination.leave)
        elif url.is_ftp:
            self.destination_remote = place = self._remote(url, options.destination, "destination")
            if self._known is None:
                self._look_at_destination(place)
            if self._partial is not None:
                self.place = place
                self.destination_remote = place.beside(self._partial.url(url))

    def _look_at_destination(self, remote: Remote) -> None:
        url = remote.url
        try:
            self.before = facts = remote.stat()
        except errors.AccessDenied:
            return  # drop boxes take what they do not show
        self.looked = True
        if facts is None:
            if self._options.create_directories:
                remote.make_directories()
        elif facts.is_directory:
            raise errors.CannotCreate(
                "cannot put", where=str(url), why="it is a directory",
                hint="a destination that is a directory ends with a slash", fault="is-directory",
            )  # fmt: skip
        elif self._is_source(facts):
            raise same(url)

    def _is_source(self, facts: Facts) -> bool:
        """Whether the destination is the very file that is the source, under another name or by another server."""
        source = self.source_facts
        if source is None or source.unique is None or source.unique != facts.unique or source.size != facts.size:
            return False
        return _are_one_host(self.source.host, self.destination.host)


def same(url: Url) -> errors.UsageError:
    """The error for a source that is the destination as well."""
    return errors.UsageError("cannot copy a file onto itself", where=str(url), fault="same-file")


def directory(url: Url) -> errors.UsageError:
    """The error for a source that is a directory."""
    return errors.UsageError(
        "cannot copy a directory", where=str(url), why="only -r copies directories", fault="is-directory"
    )


def _are_one_host(one: str, other: str) -> bool:
    import socket

    def addresses(host: str) -> set[object]:
        return {info[4][0] for info in socket.getaddrinfo(host, None)}

    try:
        return one == other or bool(addresses(one) & addresses(other))
    except OSError:
        return False

# SPDX-License-Identifier: Apache-2.0
"""A client of the Replica Location Service: one connection, one request at a time.

    with Client("rls://catalogue.example.org") as catalogue:
        catalogue.create("run7", "gsiftp://dtn.example.org/run7")
        print(catalogue.query("run7"))

After the login the protocol goes over the connection in the clear, as it always has: GSI proves who is there, and
protects nothing that follows. A server of this package can be asked to protect it (``protect``). Lists come in pages,
as long as a server needs for them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pyglobus.core import errors
from pyglobus.core.rls.address import Address
from pyglobus.core.rls.methods import METHODS, Method
from pyglobus.core.rls.replies import Replies, Reply, request
from pyglobus.core.rls.results import ObjectType, Operator, RlsError, ValueType, error

if TYPE_CHECKING:
    from pyglobus.core.gss import Channel, Credential

Pairs = Iterable[tuple[str, str]]
#: What a bulk method could not do: the code and the names.
Failure = tuple[int, str, str]

_READ = 1 << 18
#: Names of one bulk request; longer lists are sent in several.
PAGE = 1000


class Client:
    """A connection to a server. Construction connects and logs in.

    Every method raises an error of ours: those of `pyglobus.core.rls.results` where the server refuses, else
    `errors.TransientError`, `errors.DeadlineExceeded` and `errors.ProtocolError`. After one of the last three the
    connection is closed.
    """

    def __init__(
        self,
        url: str,
        *,
        credential: Credential | None = None,
        subject: str | None = None,
        timeout: float | None = 30.0,
        page: int = 0,
        protect: bool = False,
    ) -> None:
        """``credential``: None for the user's own. ``subject``: who the server must be, if not its host. ``timeout``:
        seconds without a byte from the server, None or 0 for no limit. ``page``: ask for so many results at a time.
        ``protect``: let all that follows the login be encrypted and signed; `errors.Unsupported` where the server
        does not know how.
        """
        self.address = Address.parse(url)
        self.url = str(self.address)
        self.page = page
        self._timeout = timeout or None
        self._replies = Replies()
        self._channel: Channel | None = None  # the login's, where it is to protect
        self._protected = False
        if protect and not self.address.secure:
            raise errors.UsageError(
                "nothing to protect it with", where=self.url, why="rlsn has no login", hint="rls://"
            )
        self._socket = self._connect()
        try:
            if self.address.secure:
                self._log_in(credential, subject, keep=protect)
            self._welcome()
            if protect:
                self._protect()
        except BaseException:
            self._socket.close()
            raise

    # Mappings --------------------------------------------------------------------------------------------------------

    def create(self, lfn: str, pfn: str) -> None:
        """A logical name that is new, with its first replica."""
        self.call("lrc_create", lfn, pfn)

    def add(self, lfn: str, pfn: str) -> None:
        """One more replica of a logical name."""
        self.call("lrc_add", lfn, pfn)

    def delete(self, lfn: str, pfn: str) -> None:
        """Take a replica out of the catalogue; the file stays."""
        self.call("lrc_delete", lfn, pfn)

    def bulk(self, what: str, pairs: Pairs) -> Iterator[Failure]:
        """``create``, ``add`` or ``delete`` mappings, or ``renamelfn`` or ``renamepfn``: any number of them, in
        pages. What could not be done.
        """
        for group in _pages(pairs):
            for code, first, second in self.call(f"lrc_{what}_bulk", groups=group).records:
                yield int(code), first, second

    def rename(self, kind: str, old: str, new: str) -> None:
        """Give an ``lfn`` or ``pfn`` another name."""
        self.call(f"lrc_rename{kind}", old, new)

    def clear(self) -> None:
        """Forget all mappings."""
        self.call("lrc_clear")

    def exists(self, name: str, kind: ObjectType = ObjectType.LFN) -> bool:
        """Whether there is such a name in the catalogue, or in the index for the kinds of that."""
        method = "rli_exists" if kind >= ObjectType.RLI_LFN else "lrc_exists"
        return self._is(method, name, str(int(kind)))

    def mapping_exists(self, lfn: str, pfn: str) -> bool:
        """Whether this replica is known."""
        return self._is("lrc_mapping_exists", lfn, pfn)

    def query(self, name: str, kind: str = "lfn") -> list[tuple[str, str]]:
        """The mappings of an ``lfn``, or of a ``pfn``: pairs of logical and physical name."""
        return list(self._list("lrc_get_pfn" if kind == "lfn" else "lrc_get_lfn", name))

    def match(self, pattern: str, kind: str = "lfn") -> Iterator[tuple[str, str]]:
        """The mappings of all names that a pattern of LIKE fits; `patterns.of_shell` makes one."""
        return self._list("lrc_get_pfn_wc" if kind == "lfn" else "lrc_get_lfn_wc", pattern)

    def query_bulk(self, names: Iterable[str], kind: str = "lfn") -> Iterator[tuple[int, str, str]]:
        """For any number of names: code 0 with logical and physical name, or another with the name and ""."""
        method = "lrc_get_pfn_bulk" if kind == "lfn" else "lrc_get_lfn_bulk"
        return self._each(method, names)

    def exists_bulk(self, names: Iterable[str], kind: ObjectType = ObjectType.LFN) -> Iterator[tuple[int, str]]:
        """The code for each of any number of names: 0 for what is there."""
        method = "rli_exists_bulk" if kind >= ObjectType.RLI_LFN else "lrc_exists_bulk"
        for group in _pages((name,) for name in names):
            for code, name, *_ in self.call(method, str(int(kind)), groups=group).records:
                yield int(code), name

    # The index -------------------------------------------------------------------------------------------------------

    def query_index(self, lfn: str) -> list[tuple[str, str]]:
        """The catalogues that know a logical name: pairs of name and URL."""
        return list(self._list("rli_get_lrc", lfn))

    def match_index(self, pattern: str) -> Iterator[tuple[str, str]]:
        """`query_index` for all names that a pattern of LIKE fits."""
        return self._list("rli_get_lrc_wc", pattern)

    def query_index_bulk(self, names: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        """For any number of names: code 0 with name and URL, or another with the name and ""."""
        return self._each("rli_get_lrc_bulk", names)

    # Attributes ------------------------------------------------------------------------------------------------------

    def define(self, name: str, kind: ObjectType, valtype: ValueType) -> None:
        """Let names of a kind have this attribute."""
        self.call("lrc_attr_create", name, str(int(kind)), str(int(valtype)))

    def undefine(self, name: str, kind: ObjectType, *, clear: bool = False) -> None:
        """Take it back; ``clear``: with the values that there are."""
        self.call("lrc_attr_delete", name, str(int(kind)), str(int(clear)))

    def attributes(self, name: str, kind: ObjectType) -> list[tuple[str, ValueType]]:
        """The attribute of that name, or all ("")."""
        found = self.call("lrc_attr_get", name, str(int(kind))).records
        return [(each, ValueType(int(valtype))) for each, valtype in found]

    def attribute_add(self, key: str, name: str, kind: ObjectType, valtype: ValueType, value: str) -> None:
        """Give a name a value."""
        self.call("lrc_attr_add", key, str(int(kind)), str(int(valtype)), name, value)

    def attribute_modify(self, key: str, name: str, kind: ObjectType, valtype: ValueType, value: str) -> None:
        """Replace the value that a name has."""
        self.call("lrc_attr_modify", key, name, str(int(kind)), str(int(valtype)), value)

    def attribute_remove(self, key: str, name: str, kind: ObjectType) -> None:
        """Take the value from a name."""
        self.call("lrc_attr_remove", key, name, str(int(kind)))

    def attribute_values(self, key: str, name: str, kind: ObjectType) -> list[tuple[str, ValueType, str]]:
        """Name, type and value of the attribute, or of all ("")."""
        found = self.call("lrc_attr_value_get", key, name, str(int(kind))).records
        return [(each, ValueType(int(valtype)), value) for each, valtype, value in found]

    def attribute_search(
        self, name: str, kind: ObjectType, operator: Operator, first: str = "", second: str = ""
    ) -> Iterator[tuple[str, ValueType, str]]:
        """Key, type and value of all names whose value compares so."""
        rows = self._pages("lrc_attr_search", name, str(int(kind)), str(int(operator)), first, second)
        return ((key, ValueType(int(valtype)), value) for key, valtype, value in rows)

    # The wire --------------------------------------------------------------------------------------------------------

    def call(self, name: str, *fixed: str, groups: Iterable[Sequence[str]] = ()) -> Reply:
        """Any method by its name. Raises `results.RlsError` for a code other than 0."""
        method = METHODS[name.encode()]
        return self._converse(method, [request(method, fixed, groups)])

    def call_ahead(self, name: str, requests: Iterable[bytes]) -> None:
        """Send whole requests of one method without results, each while the one before is being answered. Raises as
        `call`, for the first that is refused, behind which at most one more has been sent.
        """
        self._converse(METHODS[name.encode()], requests)

    def _converse(self, method: Method, requests: Iterable[bytes]) -> Reply:
        """The reply to the last of the requests, or to the first that fails."""
        reply, ahead = Reply(0), False
        try:
            if self._replies.pending:
                raise errors.ProtocolError("not a reply of a replica location server", where=self.url, why="it goes on")
            for data in requests:
                self._send(data)
                if ahead and (reply := self._receive(method)).code:
                    self._receive(method)
                    break
                ahead = True
            else:
                reply = self._receive(method) if ahead else reply
        except OSError as failure:
            self._socket.close()
            if isinstance(failure, errors.Error):
                raise
            raise self._lost(failure) from failure
        except BaseException:  # requests may be made of what fails itself
            self._socket.close()
            raise
        if reply.code:
            raise error(reply.code, reply.detail, where=None)
        return reply

    def close(self) -> None:
        """Say so, and close. Idempotent."""
        try:
            self._send(b"close\0")
        except (OSError, errors.Error):
            pass
        finally:
            self._socket.close()
            if self._channel is not None:
                self._channel.close()

    def fileno(self) -> int:
        """The socket's descriptor, for who waits for many of them or speaks the protocol itself."""
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether it is, after `close` or an error."""
        return self._socket.fileno() < 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is(self, method: str, *given: str) -> bool:
        try:
            self.call(method, *given)
        except errors.NotFound:
            return False
        return True

    def _each(self, method: str, names: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        for group in _pages((name,) for name in names):
            for code, key, *rest in self.call(method, groups=group).records:
                yield int(code), key, rest[0] if rest else ""

    def _list(self, method: str, key: str) -> Iterator[tuple[str, str]]:
        return ((first, second) for first, second in self._pages(method, key))

    def _pages(self, method: str, *given: str) -> Iterator[tuple[str, ...]]:
        """All rows of a method that takes offset and limit."""
        offset = 0
        while True:
            reply = self.call(method, *given, str(offset), str(self.page))
            yield from reply.records
            offset += len(reply.records)
            if not reply.records or not (reply.cut or (self.page and len(reply.records) >= self.page)):
                return

    def _connect(self) -> socket.socket:
        host, port, _ = self.address
        try:
            made = socket.create_connection((host, port), self._timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError as failure:
            raise errors.DeadlineExceeded(
                "cannot connect", where=self.url, why=f"no answer within {self._timeout:g} s"
            ) from failure
        except socket.gaierror as failure:
            raise errors.NotFound(
                "cannot connect", where=self.url, why=failure.strerror, fault="unknown-host"
            ) from failure
        except OSError as failure:
            raise errors.TransientError(
                "cannot connect", where=self.url, why=failure.strerror, errno=failure.errno
            ) from failure
        return made

    def _log_in(self, credential: Credential | None, subject: str | None, *, keep: bool) -> None:
        from pyglobus.core.gss import Channel, Context

        context = Context.initiate(subject or self.address.host, credential=credential, tls_only=True)
        try:
            channel = Channel.establish(context, self._socket, timeout=self._timeout)
        except BaseException:
            context.close()
            raise
        if keep:
            self._channel = channel
        else:
            channel.close()

    def _protect(self) -> None:
        try:
            self.call("pyglobus1_protect")
        except RlsError as refusal:
            raise errors.Unsupported(
                "cannot protect requests", where=self.url, why=f"the server does not know how: {refusal}",
                hint="servers of this package can",
            ) from refusal  # fmt: skip
        if self._replies.pending:
            raise errors.ProtocolError("not a reply of a replica location server", where=self.url, why="it goes on")
        self._protected = True

    def _send(self, data: bytes) -> None:
        if self._protected and self._channel is not None:
            self._channel.send(data)
        else:
            self._socket.sendall(data)

    def _welcome(self) -> None:
        try:
            if self.address.secure:
                self._skip_records()
            reply = self._receive(None)
        except EOFError:
            reply = None
        except OSError as failure:
            if isinstance(failure, errors.Error):
                raise
            raise self._lost(failure) from failure
        if reply is None:
            raise self._refused()
        if reply.code:
            raise error(reply.code, reply.detail, where=self.url)

    def _refused(self) -> errors.Error:
        if self.address.secure:
            return errors.CredentialError("cannot log in", where=self.url, why="the server has closed the connection",
                hint="its log tells why: it may not accept this credential", fault="login-refused")  # fmt: skip
        return errors.TransientError("cannot connect", where=self.url, why="the server has closed the connection",
            hint="it may want authentication: rls instead of rlsn", fault="connection-lost")  # fmt: skip

    def _skip_records(self) -> None:
        """Take off what TLS sends behind a handshake, such as tickets; a server's own words begin with a digit."""
        from pyglobus.core.gss import records

        buffer = bytearray()
        while records.begins(buffer):
            data = self._socket.recv(_READ)
            if not data:
                raise EOFError
            buffer += data
            for token in records.take(buffer):
                if self._channel is not None:  # its records are counted
                    self._channel.context.unwrap(token)
        self._replies.feed(bytes(buffer))

    def _receive(self, method: Method | None) -> Reply:
        while True:
            reply = self._replies.next(method)
            if reply is not None:
                return reply
            protected = self._channel if self._protected else None
            data = self._socket.recv(_READ) if protected is None else protected.receive()
            if not data:
                if method is None:
                    raise EOFError
                raise ConnectionResetError("the server has closed the connection")
            self._replies.feed(data)

    def _lost(self, failure: OSError) -> errors.Error:
        if isinstance(failure, TimeoutError):
            return errors.DeadlineExceeded("no answer", where=self.url, why=f"nothing within {self._timeout:g} s")
        why = failure.strerror or str(failure)
        return errors.TransientError("the connection is lost", where=self.url, why=why, errno=failure.errno)


def ping(url: str, timeout: float = 30.0) -> float:
    """Seconds that a server takes to answer, on a new connection."""
    with Client(url, timeout=timeout) as client:
        began = time.monotonic()
        client.call("admin", "0")
        return time.monotonic() - began


def _pages(groups: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    page: list[Sequence[str]] = []
    for group in groups:
        page.append(group)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page

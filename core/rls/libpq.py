# SPDX-License-Identifier: Apache-2.0
"""One connection to PostgreSQL, on psycopg's layer over libpq: statements are prepared once, and values go as text.

A connection that is lost is made again by itself, for some seconds from the moment on at which it was missed. A
statement outside of a transaction is then done once more (only readers have such), and a transaction ends with a
`Fault` that is ``passing``. Where the connection is lost within the commit, the server is asked afterwards what has
become of the transaction, which it remembers over a crash: nothing is done twice, and nothing that was kept is called
lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from psycopg import pq

from pyglobus.core.rls.database import Database, Fault

_PATIENCE = 5.0
#: Seconds between two looks whether it is there again, at first and at last.
_PAUSES = 0.02, 0.5
#: Codes of errors, or their first letters: the connection ends; the transaction can be tried again; what has been
#: prepared is of no use any more.
_ENDING = ("08", "57P01", "57P02", "57P03", "25P03")
_PASSING = ("40001", "40P01")
_STALE = ("26000", "0A000")
_GOOD = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_READERS: dict[int, Callable[[bytes], Any]] = {
    20: int, 21: int, 23: int, 701: float, 17: lambda data: bytes.fromhex(data[2:].decode())
}  # fmt: skip


class Rows:
    """What a statement gives."""

    def __init__(self, result: pq.abc.PGresult) -> None:
        self._result = result
        self._read = [_READERS.get(result.ftype(column), bytes.decode) for column in range(result.nfields)]
        self._next = 0

    @property
    def rowcount(self) -> int:
        """How many rows it has changed, or found."""
        return self._result.command_tuples or 0

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        if self._next >= self._result.ntuples:
            return None
        self._next += 1
        value, row = self._result.get_value, self._next - 1
        return tuple(
            None if (data := value(row, column)) is None else read(data) for column, read in enumerate(self._read)
        )

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while (row := self.fetchone()) is not None:
            yield row


class Connection:
    """A connection. ``settings`` are statements that begin each one, ``key`` tells apart the databases that have one
    transaction at a time, ``hidden`` is what no message may show. It is made with its first use; for ``patience``
    seconds a server that is gone is waited for.
    """

    names = "unnest(CAST(? AS text[])) n(name)"
    among = "= ANY (CAST(? AS text[]))"
    within = "= ANY (ARRAY({}))"

    def __init__(
        self, where: bytes, settings: str, key: int, hidden: Sequence[str] = (), patience: float | None = None
    ) -> None:
        self._where = where
        self._settings = settings.encode()
        self._key = key
        self._hidden = [text for text in hidden if text]
        self._patience = _PATIENCE if patience is None else patience
        self._prepared: dict[str, bytes] = {}
        self._missed: float | None = time.monotonic()  # since when there is none
        self._transaction: bytes | None = None  # its number
        self._libpq: pq.abc.PGconn

    # Statements ------------------------------------------------------------------------------------------------------

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Do a statement. Raises `Fault`."""
        return Rows(self.query(statement, [encoded(value) for value in parameters]))

    def query(self, statement: str, values: Sequence[bytes | None]) -> pq.abc.PGresult:
        """Do a statement with values in PostgreSQL's text form. Raises `Fault`."""
        if self._transaction is not None:
            return self._do(statement, values)
        if self._missed is not None:
            self._revive()
        try:
            return self._do(statement, values)
        except Fault as fault:
            if not (fault.gone or fault.passing):
                raise
        if self._missed is not None:
            self._revive()
        return self._do(statement, values)

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Do a statement with each of the parameters."""
        for each in parameters:
            self.execute(statement, each)

    def packed(self, names: Sequence[str]) -> str | None:
        """Names as one parameter; None for none."""
        return array(name.encode() for name in names).decode() if names else None

    def joined(self, statement: str, parameters: Sequence[Any], /) -> bytes:
        """All rows of a query for ``name``, each followed by NUL. Raises `Fault`."""
        result = self.query(statement, [encoded(value) for value in parameters])
        value = result.get_value
        return b"".join([(value(row, 0) or b"") + b"\0" for row in range(result.ntuples)])

    def script(self, text: str) -> None:
        """Do statements that give nothing, separated by semicolons."""
        self._check(self._libpq.exec_(text.encode()))

    # Transactions ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a transaction, alone among all that begin so with this key. Raises `Fault`."""
        if self._missed is not None:
            self._revive()
        result = self._libpq.exec_(
            b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(%d, %d);"
            b"SELECT pg_current_xact_id()" % (LOCK, self._key)
        )
        self._transaction = b""
        self._transaction = self._check(result).get_value(0, 0) or b""

    def commit(self) -> None:
        """Make it durable. Raises `Fault`, where nothing has been kept, or nobody knows."""
        number, self._transaction = self._transaction or b"", None
        try:
            result = self._check(self._libpq.exec_(b"COMMIT"))
        except Fault as fault:
            if not fault.gone:
                raise
            self._settle(number)
            return
        if result.command_status != b"COMMIT":
            raise Fault("the transaction was rolled back", passing=True)

    def rollback(self) -> None:
        """Forget it, where there is one."""
        self._transaction = None
        if self._missed is None and self._libpq.transaction_status != pq.TransactionStatus.IDLE:
            result = self._libpq.exec_(b"ROLLBACK")
            if result.status not in _GOOD:
                self._lose()

    def _settle(self, number: bytes) -> None:
        """What has become of a transaction whose commit has not been answered."""
        self._revive()
        deadline = time.monotonic() + self._patience
        while True:
            status = self._do("SELECT pg_xact_status(CAST(? AS xid8))", [number]).get_value(0, 0)
            if status == b"committed":
                return
            if status == b"aborted":
                raise Fault("the connection was lost", passing=True)
            if status is None or time.monotonic() > deadline:
                raise Fault("the connection was lost, and whether this was kept is not known", gone=True)
            time.sleep(_PAUSES[0])

    # The connection --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it."""
        if self._missed is None:
            self._lose()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._libpq.socket

    def _connected(self) -> pq.abc.PGconn:
        made = pq.PGconn.connect(self._where)
        if made.status != pq.ConnStatus.OK:
            why = self._said(made.error_message)
            made.finish()
            raise Fault(why, gone=True)
        made.notice_handler = None
        result = made.exec_(self._settings)
        if result.status not in _GOOD:
            why = self._said(result.error_message)
            made.finish()
            raise Fault(why, gone=True)
        self._missed = None
        self._prepared = {}
        return made

    def _lose(self) -> None:
        if self._missed is None:
            self._missed = time.monotonic()
        self._libpq.finish()

    def _revive(self) -> None:
        missed = self._missed or time.monotonic()
        pause, last = _PAUSES
        while True:
            try:
                self._libpq = self._connected()
                return
            except Fault:
                if time.monotonic() > missed + self._patience:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, last)

    def _do(self, statement: str, values: Sequence[bytes | None]) -> pq.abc.PGresult:
        name = self._prepared.get(statement)
        if name is None:
            name = b"s%d" % len(self._prepared)
            self._check(self._libpq.prepare(name, numbered(statement).encode()))
            self._prepared[statement] = name
        return self._check(self._libpq.exec_prepared(name, values))  # type: ignore[arg-type]

    def _check(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in _GOOD:
            return result
        code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        why = self._said(result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message)
        if not code or code.startswith(_ENDING) or self._libpq.status != pq.ConnStatus.OK:
            self._lose()
            raise Fault(why or "the connection was lost", passing=True, gone=True)
        if code in _STALE:
            self._lose()  # the next connection prepares everything anew
            raise Fault(why, passing=True, gone=True)
        raise Fault(f"{why} ({code})", passing=code in _PASSING)

    def _said(self, message: bytes) -> str:
        text = " ".join(message.decode("utf-8", "replace").split())
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return text


#: The class of our advisory locks.
LOCK = 0x524C53


def encoded(value: Any) -> bytes | None:
    """A value in PostgreSQL's text form."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return b"%d" % value
    if value is None:
        return None
    if isinstance(value, float):
        return repr(value).encode()
    return b"\\x" + bytes(value).hex().encode()


def array(names: Iterable[bytes]) -> bytes:
    """Names as the text form of an array."""
    return b"{" + b",".join([b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"' for name in names]) + b"}"


def connection_of(database: Database) -> Connection:
    """A database that is known to be of PostgreSQL."""
    assert isinstance(database, Connection)
    return database


def numbered(statement: str) -> str:
    """A statement whose ``?`` are ``$1``, ``$2`` and so on; ``?2`` is ``$2``."""
    first, *rest = statement.split("?")
    made = [first]
    for number, part in enumerate(rest, 1):
        made.append(f"${part}" if part[:1].isdigit() else f"${number}{part}")
    return "".join(made)

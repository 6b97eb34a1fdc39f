# SPDX-License-Identifier: Apache-2.0
"""globus_gram_client: requests to gatekeepers and job managers, as operations of the engine.

The library cannot take a request back: one that is cancelled lets its waiter go, and is forgotten when its server
answers or closes the connection. Its module is activated with the first request, which reads the user's credential;
that fails without one, and is tried again with the next request.
"""

from __future__ import annotations

from collections.abc import Callable

from pyglobus.ffi import ffi, lib
from pyglobus.ffi.annotation import Any, NamedTuple
from pyglobus.ffi.engine import Engine, Operation, engine
from pyglobus.ffi.gss import GssCredential
from pyglobus.ffi.text import decode, optional

STATES = {
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_PENDING: "PENDING",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_ACTIVE: "ACTIVE",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_FAILED: "FAILED",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE: "DONE",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_SUSPENDED: "SUSPENDED",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_UNSUBMITTED: "UNSUBMITTED",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_STAGE_IN: "STAGE_IN",
    lib.GLOBUS_GRAM_PROTOCOL_JOB_STATE_STAGE_OUT: "STAGE_OUT",
}
SIGNALS = {
    "cancel": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_CANCEL,
    "suspend": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_SUSPEND,
    "resume": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_RESUME,
    "priority": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_PRIORITY,
    "commit-request": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_COMMIT_REQUEST,
    "commit-extend": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_COMMIT_EXTEND,
    "stdio-update": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_STDIO_UPDATE,
    "stdio-size": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_STDIO_SIZE,
    "stop-manager": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_STOP_MANAGER,
    "commit-end": lib.GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_COMMIT_END,
}


class Reply(NamedTuple):
    """What a job manager has told: of which job, its state (None: not told), the number of the job's own failure (0:
    none), and more by name.
    """

    contact: str | None
    state: str | None
    failure: int
    extensions: dict[str, str]


class GramFailure(Exception):
    """A request failed: ``code`` is the error of GRAM. What was told of the job all the same is in ``reply``."""

    def __init__(self, code: int, message: str, reply: Reply | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reply = reply


class NoCredential(GramFailure):
    """The library cannot be activated, since it finds no credential that it could use."""


class Delegation(NamedTuple):
    """What a request is made with: another credential than the user's, which must live as long as the request; and
    whether the full rights are handed on rather than limited ones.
    """

    credential: GssCredential | None = None
    full: bool = False


#: With the user's credential, and limited rights.
USUAL = Delegation()


def errors() -> dict[int, str]:
    """The errors of the protocol by number, as its header calls them."""
    code, found, i = ffi.new("int *"), {}, 0
    while (name := lib.pg_gram_error(i, code)) != ffi.NULL:
        found[int(code[0])] = decode(name)
        i += 1
    return found


def check(code: int) -> None:
    """Raise `GramFailure` unless the number is 0. In the engine's thread, for the text is the library's."""
    if code:
        raise GramFailure(code, decode(lib.globus_gram_protocol_error_string(code)))


def _activate() -> None:
    try:
        check(lib.pg_gram_activate())
    except GramFailure as failure:
        raise NoCredential(failure.code, str(failure)) from None


def ping(contact: str, delegation: Delegation = USUAL) -> Operation:
    """Ask a gatekeeper whether it would take a request for this service from this user."""
    return _request(lib.pg_gram_ping, delegation, contact)


def version(contact: str, delegation: Delegation = USUAL) -> Operation:
    """Ask a job manager for its versions, which come as extensions."""
    return _request(lib.pg_gram_version, delegation, contact)


def submit(contact: str, rsl: str, callback: str | None, delegation: Delegation = USUAL) -> Operation:
    """Submit a job; ``callback`` is where its states are to be told."""
    return _request(lib.pg_gram_submit, delegation, contact, rsl, callback)


def status(job: str, delegation: Delegation = USUAL) -> Operation:
    """Ask for the state of a job."""
    return _request(lib.pg_gram_status, delegation, job)


def cancel(job: str, delegation: Delegation = USUAL) -> Operation:
    """Cancel a job."""
    return _request(lib.pg_gram_cancel, delegation, job)


def signal(job: str, name: str, argument: str | None = None, delegation: Delegation = USUAL) -> Operation:
    """Send one of `SIGNALS` to a job manager."""
    return _request(lib.pg_gram_signal, delegation, job, SIGNALS[name], argument)


def refresh(job: str, delegation: Delegation = USUAL) -> Operation:
    """Delegate a new credential to a job."""
    return _request(lib.pg_gram_refresh, delegation, job, delegation.credential)


def register(job: str, callback: str, delegation: Delegation = USUAL) -> Operation:
    """Have the states of a job told to this address as well."""
    return _request(lib.pg_gram_register, delegation, job, callback)


def unregister(job: str, callback: str, delegation: Delegation = USUAL) -> Operation:
    """Have no more states told to this address."""
    return _request(lib.pg_gram_unregister, delegation, job, callback)


def _request(call: Callable[..., int], delegation: Delegation, *arguments: Any) -> Operation:
    reply = ffi.gc(lib.pg_gram_reply_new(), lib.pg_gram_reply_free)
    attr = ffi.new("globus_gram_client_attr_t *")
    words = [argument if isinstance(argument, int) else _native(argument) for argument in arguments]

    def start(record: Any) -> None:
        _activate()
        if delegation.credential is not None or delegation.full:
            check(lib.pg_gram_attr(attr, _native(delegation.credential), delegation.full))
        check(call(reply, record, *words, attr[0]))

    def finish() -> Reply:
        told = _told(reply)
        if reply.error:
            raise GramFailure(reply.error, decode(reply.message), told)
        return told

    def release() -> None:
        if attr[0] != ffi.NULL:
            lib.globus_gram_client_attr_destroy(attr)
        words.clear()

    return Operation(engine(), start, finish=finish, release=release)


def _native(argument: Any) -> Any:
    if isinstance(argument, GssCredential):
        return argument.pointer[0]
    return optional(argument)


def _told(reply: Any) -> Reply:
    words = [part.decode("utf-8", "surrogateescape") for part in bytes(_extensions(reply)).split(b"\0")[:-1]]
    extensions = dict(zip(words[::2], words[1::2], strict=True))
    contact = decode(reply.contact) if reply.contact != ffi.NULL else None
    return Reply(contact, STATES.get(reply.state), reply.failure, extensions)


def _extensions(reply: Any) -> Any:
    return ffi.buffer(reply.extensions, reply.length) if reply.length else b""


class Listener:
    """What job managers tell, as it comes: ``heard(reply)`` is called in the engine's thread. One in a process."""

    def __init__(self, heard: Callable[[Reply], None]) -> None:
        """In the engine's thread. Raises `GramFailure` where no listener can be had."""
        self._engine: Engine = engine()
        self._engine.require()
        self._heard = heard
        _activate()
        contact = ffi.new("const char **")
        check(lib.pg_gram_listen(contact))
        #: The address to be given to job managers.
        self.contact = decode(contact[0])
        self._record: Any = None
        self._wait()

    def _wait(self) -> None:
        self._record = self._engine.adopt(self)
        lib.pg_gram_await(self._record)

    def ended(self) -> None:
        """Something was told."""
        self._engine.disown(self._record)
        while (event := lib.pg_gram_told()) != ffi.NULL:
            try:
                self._heard(_told(event))
            finally:
                lib.pg_gram_reply_free(event)
        if not self._engine.closed:
            self._wait()

    def stop(self) -> None:
        """The engine closes: nothing is told any more."""
        self._engine.disown(self._record)

    def let_go(self, error: BaseException) -> None:
        """Nobody waits here."""


def text_of(code: int) -> str:
    """The library's text for an error. Any thread may ask, for the texts are constant but for that of error 7."""
    return decode(lib.globus_gram_protocol_error_string(code))

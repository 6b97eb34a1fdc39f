# SPDX-License-Identifier: Apache-2.0
"""One request to a gatekeeper or a job manager, and its answer.

A gatekeeper is named by a contact, as the library reads it: ``host[:port][/service][:subject]``, with port 2119,
service jobmanager and the host's subject by default. A job is named by the contact that its submission has given.
Each call waits, and raises `pyglobus.core.gram.errors.GramError`; after ``timeout`` seconds `errors.DeadlineExceeded`,
and then nothing is known of what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pyglobus.core import errors
from pyglobus.core.gram.errors import CODES, GramError, of_code
from pyglobus.ffi import gram
from pyglobus.ffi.engine import engine
from pyglobus.ffi.future import Future
from pyglobus.ffi.gram import USUAL, Delegation, Reply

if TYPE_CHECKING:
    from pyglobus.core.gss.credential import Credential

__all__ = ["SIGNALS", "USUAL", "Delegation", "Reply", "cancel", "delegation", "ping", "refresh", "status", "version"]

T = TypeVar("T")

#: The names of signals: suspend and resume (hold and release), priority, and those of two-phase commit among them.
SIGNALS = tuple(gram.SIGNALS)


def delegation(credential: Credential | None = None, *, full: bool = False) -> Delegation:
    """What requests are made with: another credential than the user's, full rather than limited rights for the job."""
    return Delegation(credential.native if credential is not None else None, full)


def ping(contact: str, using: Delegation = USUAL, *, timeout: float | None = None) -> None:
    """Ask a gatekeeper whether it knows the user and the service."""
    _answer(gram.ping(contact, using), "cannot reach the gatekeeper", contact, timeout)


def version(contact: str, using: Delegation = USUAL, *, timeout: float | None = None) -> dict[str, str]:
    """The versions of a job manager: ``toolkit-version`` and ``version``."""
    found: Reply = _answer(gram.version(contact, using), "cannot ask for the version", contact, timeout)
    return found.extensions


def status(job: str, using: Delegation = USUAL, *, timeout: float | None = None) -> Reply:
    """What a job manager says of a job."""
    reply: Reply = _answer(gram.status(job, using), "cannot ask for the state of the job", job, timeout)
    return reply


def cancel(job: str, using: Delegation = USUAL, *, timeout: float | None = None) -> None:
    """Cancel a job."""
    _answer(gram.cancel(job, using), "cannot cancel the job", job, timeout)


def begin_cancel(job: str, using: Delegation = USUAL) -> None:
    """The same without waiting; nobody learns whether it went well but from the states of the job."""
    gram.cancel(job, using)


class Answer:
    """What will be answered to a request that nobody waits for yet."""

    def __init__(self, future: Future[Any], what: str, where: str) -> None:
        self._future, self._what, self._where = future, what, where

    def result(self, timeout: float | None = None) -> None:
        """Wait for it, as the call would that waits from the beginning."""
        _answer(self._future, self._what, self._where, timeout)

    def then(self, call: Callable[[Answer], object]) -> None:
        """Have ``call(self)`` called once it is there, in the engine's thread."""
        self._future.add_done_callback(lambda _: call(self))


def begin_signal(job: str, name: str, argument: str | None = None, using: Delegation = USUAL) -> Answer:
    """Begin to `signal`, and do not wait for the answer."""
    return Answer(gram.signal(job, name, argument, using), f"cannot signal {name} to the job", job)


def signal(
    job: str, name: str, argument: str | None = None, using: Delegation = USUAL, *, timeout: float | None = None
) -> None:
    """Send a job manager one of `SIGNALS`, whose argument depends on it."""
    if name not in gram.SIGNALS:
        raise errors.UsageError("no such signal", where=name, why=f"there are {', '.join(SIGNALS)}")
    try:
        _answer(gram.signal(job, name, argument, using), f"cannot signal {name} to the job", job, timeout)
    except GramError as error:
        if error.code == CODES["UNIMPLEMENTED"]:
            error.why = "its job manager does not know how"
            error.hint = "the scheduler's own commands may, on its machine (Slurm: scontrol)"
        raise


def refresh(job: str, using: Delegation = USUAL, *, timeout: float | None = None) -> None:
    """Delegate a new proxy to a job."""
    _answer(gram.refresh(job, using), "cannot renew the proxy of the job", job, timeout)


def register(job: str, address: str, using: Delegation = USUAL, *, timeout: float | None = None) -> None:
    """Have the states of a job told to this address as well."""
    _answer(gram.register(job, address, using), "cannot have the job told of", job, timeout)


def unregister(job: str, address: str, using: Delegation = USUAL, *, timeout: float | None = None) -> None:
    """Have the states of a job no longer told to this address."""
    _answer(gram.unregister(job, address, using), "cannot give the job up", job, timeout)


def run(call: Callable[..., T], *arguments: object, what: str) -> T:
    """``call(*arguments)`` in the engine's thread, with its errors as ours."""
    made: T = _answer(engine().submit(call, *arguments), what, None, None)
    return made


def _answer(future: Future[Any], what: str, where: str | None, timeout: float | None) -> Any:
    try:
        return future.result(timeout)
    except gram.GramFailure as failure:
        raise translated(failure, what=what, where=where) from failure
    except TimeoutError as over:
        future.cancel()
        why = f"no answer within {timeout:g} s"
        raise errors.DeadlineExceeded(what, where=where, why=why, fault="deadline") from over
    except BaseException:
        future.cancel()
        raise


def translated(failure: gram.GramFailure, *, what: str, where: str | None) -> errors.Error:
    """The error to raise for one of the library."""
    if isinstance(failure, gram.NoCredential):
        return _no_credential(failure, what)
    error = of_code(failure.code, str(failure), what=what, where=where)
    if failure.reply is not None:
        error.why = (failure.reply.extensions.get("gt3-failure-message") or error.why or "").strip()
        error.contact = failure.reply.contact
    return error


def _no_credential(failure: gram.NoCredential, what: str) -> errors.Error:
    """Why there is none that could be used: what the look at the files says, or else the library."""
    from pyglobus.core import credential

    try:
        credential.inspect()
    except errors.Error as error:
        return error
    chain = [line for line in str(failure).splitlines() if line.strip()]
    return errors.CredentialError(what, why="there is no credential that could be used", hint="proxy-init", chain=chain)

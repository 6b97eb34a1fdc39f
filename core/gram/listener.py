# SPDX-License-Identifier: Apache-2.0
"""Where job managers tell the states of jobs: one address in a process, and who is told of which job.

A job can fail before the answer to its submission has arrived, so what nobody has claimed yet is kept. Jobs are known
by the path of their contact: a job manager that was started anew has another port.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyglobus.core.gram import request
from pyglobus.ffi import gram

#: So many unclaimed jobs are remembered; older ones are dropped.
_UNCLAIMED = 1000

_lock = threading.Lock()
_listener: gram.Listener | None = None
_claims: dict[str, Callable[[gram.Reply], None]] = {}
_early: dict[str, list[gram.Reply]] = {}


def address() -> str:
    """The address to be told to job managers; from the first call on, this process listens there.

    Raises `pyglobus.core.gram.errors.GramError`.
    """
    global _listener
    with _lock:
        if _listener is None:
            _listener = request.run(gram.Listener, _heard, what="cannot listen for the states of jobs")
        return _listener.contact


def claim(contact: str, heard: Callable[[gram.Reply], None]) -> None:
    """Have ``heard(reply)`` called, in the engine's thread, for what is told of this job; and now for what was."""
    with _lock:
        _claims[_path(contact)] = heard
        early = _early.pop(_path(contact), [])
        for reply in early:
            heard(reply)


def forget(contact: str) -> None:
    """End a claim."""
    with _lock:
        _claims.pop(_path(contact), None)


def _heard(reply: gram.Reply) -> None:
    path = _path(reply.contact or "")
    with _lock:
        heard = _claims.get(path)
        if heard is not None:
            heard(reply)
            return
        _early.setdefault(path, []).append(reply)
        while len(_early) > _UNCLAIMED:
            del _early[next(iter(_early))]


def _path(contact: str) -> str:
    return "/" + contact.partition("://")[2].partition("/")[2]

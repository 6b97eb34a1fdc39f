# SPDX-License-Identifier: Apache-2.0
"""What a GridFTP server writes to its logs, as events, and who is there by that.

The logs are pipes with a name: nothing is kept, and each line is understood as it comes. Sessions are told apart by the
number of their process, which each line begins with.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from pyglobus.core.storage.session import Event

_LINE = re.compile(r"\[(\d+)\] .*? :: (.*)")
_ENDED = re.compile(r"Child process (\d+) (?:ended|killed)")
_CAME = re.compile(r"New connection from: (\S+?)(?::\d+)?$")
_GONE = re.compile(r"Closed connection from")
_LOGIN = re.compile(r"DN (/.*) successfully authorized")
_USER = re.compile(r"User (\S+) successfully authorized")
_MOVES = re.compile(r'Starting to transfer "(.*)"')
_MOVED = re.compile(r'Finished transferring "(.*)"|Transfer failure|Failure attempting to transfer')
_DENIED = re.compile(r"Authorization failure|authorization failed|GSSAPI|gss_|rejected", re.IGNORECASE)
_FACT = re.compile(r"([A-Z.]+)=(\[[^\]]*\]|\S+)")
_MOST = 65536
_SETTLED = 0.2


class Logs:
    """Two pipes in a directory, and a thread for each."""

    def __init__(self, directory: Path, tell: Event) -> None:
        """``tell`` is called in the threads."""
        self.messages = directory / "messages"
        self.transfers = directory / "transfers"
        self._tell = tell
        self._clients: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._threads: list[tuple[threading.Thread, int]] = []
        for path, read in ((self.messages, self._message), (self.transfers, self._transfer)):
            os.mkfifo(path, 0o600)
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # also to write: then it has no end before ours
            thread = threading.Thread(target=self._follow, args=(descriptor, read), name="gridftp-log", daemon=True)
            thread.start()
            self._threads.append((thread, descriptor))

    def clients(self) -> list[dict[str, Any]]:
        """Sessions that have not ended."""
        now = time.monotonic()
        with self._lock:
            return [
                {name: value for name, value in facts.items() if name != "since"} | {"seconds": now - facts["since"]}
                for facts in self._clients.values()
            ]

    def close(self) -> None:
        """End when what has been written is read."""
        for thread, descriptor in self._threads:
            with contextlib.suppress(OSError):
                os.write(descriptor, b"\0\n")
            thread.join(_SETTLED)
        self._threads.clear()

    def _follow(self, descriptor: int, read: Any) -> None:
        rest = b""
        with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)) as pipe:
            while True:
                rest += pipe.read(_MOST) or b""
                *lines, rest = rest.split(b"\n")
                rest = rest[-_MOST:]
                for line in lines:
                    if line == b"\0":
                        return
                    read(line.decode("utf-8", "replace").rstrip("\r"))

    def _message(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            return
        pid, text = int(found[1]), found[2].strip()
        with self._lock:
            event = self._understood(pid, text)
        if event is not None:
            self._tell(*event)

    def _understood(self, pid: int, text: str) -> tuple[str, dict[str, Any]] | None:
        if ended := _ENDED.match(text):
            facts = self._clients.pop(int(ended[1]), None)
            return ("disconnect", _shown(facts)) if facts else None
        if came := _CAME.match(text):
            self._clients[pid] = {
                "host": came[1], "identity": None, "account": None, "operation": None, "path": None,
                "since": time.monotonic(),
            }  # fmt: skip
            return "connect", {"host": came[1]}
        facts = self._clients.get(pid)
        if facts is None:
            return None
        if login := _LOGIN.match(text):
            facts["identity"] = login[1]
        elif user := _USER.match(text):
            facts["account"] = user[1]
            return "accepted", _shown(facts)
        elif moves := _MOVES.match(text):
            facts["operation"], facts["path"] = "transfer", moves[1]
        elif _MOVED.match(text) or _GONE.match(text):
            facts["operation"] = facts["path"] = None
        elif facts["account"] is None and _DENIED.search(text):
            return "denied", _shown(facts) | {"reason": text}
        return None

    def _transfer(self, line: str) -> None:
        facts = {name: value.strip("[]") for name, value in _FACT.findall(line)}
        if "NBYTES" not in facts:
            return
        name = line.partition(" FILE=")[2].partition(" BUFFER=")[0]
        code = facts.get("CODE", "")
        self._tell(
            "transfer",
            {
                "host": facts.get("DEST"), "account": facts.get("USER"),
                "operation": {"RETR": "get", "STOR": "put"}.get(facts.get("TYPE", ""), facts.get("TYPE", "").lower()),
                "path": name or facts.get("FILE"), "bytes": _number(facts["NBYTES"]),
                "seconds": _seconds(facts.get("START", ""), facts.get("DATE", "")),
                "streams": _number(facts.get("STREAMS", "")), "status": _number(code),
                "outcome": "done" if code == "226" else "failed",
            },
        )  # fmt: skip


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("host", "identity", "account")}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _seconds(start: str, end: str) -> float | None:
    """Between two moments as YYYYMMDDhhmmss.ffffff, of one time zone."""
    from datetime import datetime

    try:
        moments = [datetime.strptime(each, "%Y%m%d%H%M%S.%f") for each in (start, end)]
    except ValueError:
        return None
    return round((moments[1] - moments[0]).total_seconds(), 3)

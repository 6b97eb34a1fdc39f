# SPDX-License-Identifier: Apache-2.0
"""What is known of a sandbox on disk: where sandboxes lie, who may change one, and what is left of one that was killed.

A sandbox is a directory with a ``state.json``. The record is written before anything that it tells of is made, so
that whatever was killed at whatever moment, it can be cleaned away. Who starts, changes or removes a sandbox holds a
lock on its directory.

Sandboxes with a name lie in one place: ``$XDG_RUNTIME_DIR/pyglobus`` if there is such a directory and it is ours
alone, else ``pyglobus-UID`` in the temporary directory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyglobus.core import errors, files
from pyglobus.core.sandbox import process
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.server import MARK, Server

FILE = "state.json"
FORMAT = 1

# What is killed may just have started something else; each round finds what the one before it left.
_ROUNDS = 10


@dataclass
class State:
    """The record. ``owner`` is the process that a sandbox lives and dies with; None if it is to outlive whoever
    started it.
    """

    shared: str
    account: str
    namespace: str
    subject: str
    created: str
    owner: Process | None = None
    complete: bool = False
    servers: dict[str, Server] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Put the record into the sandbox's directory."""
        files.write(directory / FILE, json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n")

    @classmethod
    def read(cls, directory: Path) -> State | None:
        """The record of the sandbox there, or None if there is none. Raises `errors.ConfigurationError` if it is
        not ours or not legible.
        """
        path = directory / FILE
        try:
            text = path.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise errors.ConfigurationError("cannot read sandbox", where=str(path), why=error.strerror) from error
        if path.stat().st_uid != os.geteuid():
            raise errors.ConfigurationError(
                "cannot use sandbox", where=str(directory), why="it belongs to somebody else"
            )
        try:
            record: dict[str, Any] = json.loads(text)
            if record.pop("format") != FORMAT:
                raise ValueError("it was made by another version of pyglobus")
            owner = record.pop("owner")
            servers = {name: Server(**server) for name, server in record.pop("servers").items()}
            return cls(**record, owner=Process(**owner) if owner else None, servers=servers)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.ConfigurationError(
                "cannot read sandbox", where=str(path), why=str(error), hint=f"remove {directory} by hand"
            ) from error

    @property
    def stale(self) -> bool:
        """Whether it is only what is left of a sandbox: its owner is gone, it was never finished, or nothing of it
        runs.
        """
        if self.owner is not None:
            return not self.owner.alive
        return not self.complete or not any(server.alive for server in self.servers.values())

    @property
    def up(self) -> bool:
        """Whether it is ready for use."""
        return self.complete and not self.stale


def home() -> Path:
    """The directory of the sandboxes that have a name."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_absolute():
        with contextlib.suppress(OSError):
            status = Path(runtime).stat()
            if status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                return Path(runtime).resolve() / "pyglobus"
    import tempfile

    return Path(tempfile.gettempdir()).resolve() / f"pyglobus-{os.geteuid()}"


def place(name: str) -> Path:
    """The directory of the sandbox of this name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise errors.UsageError(
            "not a name for a sandbox", where=name, why="letters, digits, '.', '_' and '-' make one"
        )
    return home() / name


@contextlib.contextmanager
def locked(directory: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock on ``directory``; False if it is not there, or with ``wait=False`` if somebody else holds it."""
    import fcntl

    while True:
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            yield False
            return
        except OSError as error:
            raise errors.ConfigurationError("cannot use directory", where=str(directory), why=error.strerror) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), directory.stat()):
                    yield True
                    return
        finally:
            os.close(descriptor)


def destroy(directory: Path, state: State) -> None:
    """Stop all that runs in the sandbox and remove it, with the data. The caller holds the lock."""
    marks = {(MARK, str(directory))}
    for server in state.servers.values():
        server.stop()
        marks.update(server.marks.items())
    for _ in range(_ROUNDS):
        survivors = [survivor for mark in marks for survivor in process.marked(*mark)]
        if not survivors:
            break
        for survivor in survivors:
            process.kill(survivor)
    _remove(Path(state.shared))
    remove(directory)


def sweep() -> None:
    """Clean away every sandbox whose owner was killed."""
    with contextlib.suppress(FileNotFoundError):
        for directory in home().iterdir():
            with contextlib.suppress(errors.Error), locked(directory, wait=False) as mine:
                state = State.read(directory) if mine else None
                if state is not None and state.owner is not None and state.stale:
                    destroy(directory, state)


def remove(directory: Path) -> None:
    """Remove a sandbox's directory, and the place of them all with the last one."""
    _remove(directory)
    with contextlib.suppress(OSError):
        home().rmdir()


def _remove(directory: Path) -> None:
    """Remove a tree, also where an ordinary user has locked himself out of a part. No link is followed."""
    import shutil

    try:
        try:
            shutil.rmtree(directory)
        except PermissionError:
            if os.geteuid() == 0:
                raise
            for parent, names, _ in os.walk(directory):
                for path in (Path(parent, name) for name in names):
                    if not path.is_symlink():
                        path.chmod(0o700)
            shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.Error("cannot remove", where=str(directory), why=error.strerror, errno=error.errno) from error

# SPDX-License-Identifier: Apache-2.0
"""libmyproxy, in a process of its own for each exchange with a server.

It cannot share ours. The library waits in blocking calls, so in the engine's thread it would hold up all transfers, and
in another thread it would be a second one inside the toolkit, which has no locks. It keeps its errors and half-read
replies in static variables, and takes what to trust, whom to be and which name to expect from the environment. So the
program ``myproxy-exchange`` speaks with one server, by way of pipes and in the environment it is given: exchanges go on
side by side, end at once when they are given up, and what a server makes of the library stays in there.

The messages are those of ``src/myproxy/message.h``. Pass phrases and keys go through pipes and anonymous memory, never
through arguments, the environment or files.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Fields = list[tuple[str, bytes]]

# The commands of the protocol.
GET, PUT, INFO, DESTROY, CHANGE_PASS_PHRASE, STORE, RETRIEVE, TRUST_ROOTS = range(8)

_PROGRAM = Path(__file__).with_name("myproxy-exchange")
_LENGTH = struct.Struct(">I")
#: What a reply may have: the program reads no more from a server (16 MiB), and writes hardly more.
_MOST = 64 << 20
_BLOCK = 1 << 16
#: Where the program finds the credential it logs in with, if it is handed one.
_CREDENTIAL = 3


class MyProxyError(Exception):
    """An exchange failed. ``stage`` tells where: connect, login, request, credential, or program.

    ``text`` is what the library or, behind ``ERROR from myproxy-server:``, the server says; ``errno`` the system's
    number, or 0.
    """

    def __init__(self, stage: str, text: str, errno: int = 0) -> None:
        super().__init__(text)
        self.stage = stage
        self.text = text
        self.errno = errno


class Greeting(NamedTuple):
    """The server is who it should be. ``server`` is the subject of its certificate, ``library`` the library's version
    with what it is built with.
    """

    server: str
    library: str


class Exchange:
    """One exchange: `connect`, `ask`, `close`; or `present` and `close`. For one thread; a context manager closes it.

    ``environ`` is the whole environment of the program. ``credential`` is a proxy file's content to log in with, and
    hears of no file. ``heard`` is called with each line that the library says about its work, if there is one.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        credential: bytes | None = None,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        self._heard = heard
        self._received = bytearray()
        self._line = bytearray()
        self._pid = 0
        self._pipes: list[int] = []
        memory = -1
        try:
            reading, self._requests = self._pipe()
            self._replies, writing = self._pipe()
            self._said, saying = self._pipe()
            inherited = [(reading, 0), (writing, 1), (saying, 2)]
            if credential is not None:
                memory = _in_memory(credential)
                inherited.append((memory, _CREDENTIAL))
                environ = {**environ, "X509_USER_PROXY": f"/proc/self/fd/{_CREDENTIAL}"}
            self._pid = _spawn(inherited, environ, talks=heard is not None)
        except BaseException:
            self.close()
            raise
        finally:
            if memory >= 0:
                os.close(memory)
        for descriptor in (reading, writing, saying):
            self._pipes.remove(descriptor)
            os.close(descriptor)
        os.set_blocking(self._requests, False)

    def connect(
        self,
        host: str,
        port: int,
        *,
        anonymous: bool,
        timeout: float,
        meanwhile: Callable[[], object] | None = None,
    ) -> Greeting:
        """Connect, log in and check the server's name. With ``anonymous``, also without a credential. ``meanwhile`` is
        called while the program works.

        Raises `MyProxyError`, or TimeoutError after ``timeout`` seconds, as the others do.
        """
        deadline = time.monotonic() + timeout
        target = [("host", host.encode()), ("port", b"%d" % port), ("anonymous", b"%d" % anonymous)]
        found = dict(self._exchange(target, deadline, meanwhile))
        return Greeting(os.fsdecode(found["server"]), os.fsdecode(found["library"]))

    def ask(
        self,
        command: int,
        fields: Mapping[str, bytes | int | None],
        *,
        timeout: float,
        meanwhile: Callable[[], object] | None = None,
    ) -> Fields:
        """Send a request and return the reply's fields in order; None leaves a field out. ``meanwhile`` as for
        `connect`.
        """
        deadline = time.monotonic() + timeout
        message = [("command", b"%d" % command)]
        for name, value in fields.items():
            if value is not None:
                message.append((name, b"%d" % value if isinstance(value, int) else value))
        return self._exchange(message, deadline, meanwhile)

    def present(self, host: str, port: int, *, timeout: float) -> list[bytes]:
        """The certificates (DER) that the server presents, its own first. Nothing about them is verified."""
        deadline = time.monotonic() + timeout
        target = [("host", host.encode()), ("port", b"%d" % port), ("present", b"1")]
        return [value for name, value in self._exchange(target, deadline) if name == "certificate"]

    def close(self) -> None:
        """End the program, whatever it does; idempotent."""
        while self._pipes:
            os.close(self._pipes.pop())
        pid, self._pid = self._pid, 0
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._pipes += ends
        return ends

    def _exchange(self, message: Fields, deadline: float, meanwhile: Callable[[], object] | None = None) -> Fields:
        self._send(b"".join(_part(name.encode()) + _part(value) for name, value in message) + _part(b""), deadline)
        if meanwhile is not None:
            meanwhile()
        fields = self._receive(deadline)
        found = dict(fields)
        if found.get("event") == b"failed":
            raise MyProxyError(
                os.fsdecode(found["stage"]), os.fsdecode(found.get("text", b"")), int(found.get("errno", b"0"))
            )
        return [field for field in fields if field[0] != "event"]

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._requests, left) :]
            except BlockingIOError:
                self._wait(self._requests, select.POLLOUT, deadline)
            except BrokenPipeError:
                return  # it has ended, and its last message tells why

    def _receive(self, deadline: float) -> Fields:
        """The next message."""
        while True:
            fields, size = _parse(self._received)
            if fields is not None:
                del self._received[:size]
                return fields
            if len(self._received) > _MOST:
                raise MyProxyError("program", "its message is too long")
            self._wait(self._replies, select.POLLIN, deadline)
            block = os.read(self._replies, _BLOCK)
            if not block:
                raise MyProxyError("program", "it ended without a word")
            self._received += block

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        """Wait for one end of the program, and listen to what it says meanwhile."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._said, select.POLLIN)
        while True:
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not ready:
                raise TimeoutError
            if self._said in ready and not self._listen():
                poll.unregister(self._said)
            if descriptor in ready:
                return

    def _listen(self) -> bool:
        block = os.read(self._said, _BLOCK)
        self._line += block
        *lines, rest = self._line.split(b"\n")
        self._line = rest[-_BLOCK:]
        if self._heard is not None:
            for line in lines:
                self._heard(line.decode(errors="backslashreplace"))
        return bool(block)


def _spawn(inherited: Sequence[tuple[int, int]], environ: Mapping[str, str], *, talks: bool) -> int:
    # Each descriptor goes by way of a high number, so that none is overwritten before it has been moved.
    actions: list[tuple[int, ...]] = [
        (os.POSIX_SPAWN_DUP2, descriptor, 50 + number) for descriptor, number in inherited
    ]
    actions += [(os.POSIX_SPAWN_DUP2, 50 + number, number) for _, number in inherited]
    actions += [(os.POSIX_SPAWN_CLOSE, 50 + number) for _, number in inherited]
    arguments = [str(_PROGRAM), *(["-v"] if talks else [])]
    try:
        return os.posix_spawn(
            _PROGRAM,
            arguments,
            environ,
            file_actions=actions,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP),
        )
    except OSError as error:
        raise MyProxyError("program", f"cannot run {_PROGRAM}: {error.strerror}", error.errno or 0) from error


def _in_memory(content: bytes) -> int:
    """A descriptor of an anonymous file that only this user may read: the library wants a file, the disk none."""
    descriptor = os.memfd_create("credential")
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
    return descriptor


def _part(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _parse(data: bytearray) -> tuple[Fields | None, int]:
    """The fields of the message that ``data`` begins with, and its size; None if it is not whole yet."""
    fields: Fields = []
    at = 0
    name: bytes | None = None
    while len(data) - at >= _LENGTH.size:
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if len(data) - at < size:
            break
        part = bytes(data[at : at + size])
        at += size
        if name is not None:
            fields.append((os.fsdecode(name), part))
            name = None
        elif part:
            name = part
        else:
            return fields, at
    return None, 0

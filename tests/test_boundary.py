# SPDX-License-Identifier: Apache-2.0
"""The boundary to C against real servers: nothing leaks, nothing hangs, nothing is freed that C still uses.

The counting tests measure this process: memory from /proc, descriptors from /proc/self/fd.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.ffi import lib
from pyglobus.ffi.engine import Operation, engine
from pyglobus.ffi.errors import EngineError, GlobusError, OperationCancelled
from pyglobus.ffi.ftp import ClientSettings, FtpHandle, FtpOptions, Span
from pyglobus.ffi.gss import GssCredential
from pyglobus.ffi.meter import Meter
from pyglobus.ffi.relay import RelayEnd, relay
from tests.pace import PACE, PROMPT, VALGRIND
from tests.stalling import Stalling
from tests.waiting import wait_until

PATIENCE = 20 * PACE
CLIENT = ClientSettings("test")
PLAIN = FtpOptions()
EXTENDED = FtpOptions(extended=True, parallel=2)
LARGE = 24 << 20  # more than sockets buffer


def new_handle() -> FtpHandle:
    return FtpHandle(engine(), version="test")


@contextmanager
def handle() -> Iterator[FtpHandle]:
    one = new_handle()
    try:
        yield one
    finally:
        one.close()


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def put(one: FtpHandle, fd: int, url: str, options: FtpOptions = PLAIN, block: int = 65536) -> Operation:
    return one.put(fd, url, options, Span(), block=block, blocks=4)


def get(one: FtpHandle, url: str, fd: int, options: FtpOptions = PLAIN, block: int = 65536) -> Operation:
    return one.get(url, fd, options, Span(), block=block, blocks=4)


def third(one: FtpHandle, source: str, sink: str) -> Operation:
    return one.third_party(source, PLAIN, sink, PLAIN, Span())


def relayed(source: RelayEnd, sink: RelayEnd, meter: Meter | None = None, block: int = 65536) -> Operation:
    return relay(engine(), source, sink, Span(), block=block, client=CLIENT, meter=meter or Meter(), length=Meter())


def ftp(url: str) -> RelayEnd:
    return RelayEnd(url=url, options=PLAIN)


def place(root: str, served: Path) -> Callable[[str], str]:
    """URLs of what lies in ``served``, at the server whose URL begins so."""
    return lambda name: root + str(served / name).lstrip("/")


@pytest.fixture
def secure(grid: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The grid, with this process as its user."""
    for name, value in grid.variables.items():
        monkeypatch.setenv(name, value)
    return grid


@pytest.fixture(autouse=True)
def engine_lives() -> Iterator[None]:
    """After each test the engine does its work, and has nothing left to do but what was given up on purpose."""
    yield
    assert engine().submit(lambda: 42).result(PATIENCE) == 42


# Nothing leaks --------------------------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def settle(most: int) -> None:
    """Wait until no more descriptors are open: connections are closed politely, when the server has said goodbye."""
    wait_until(lambda: descriptors() <= most)


def test_a_thousand_copies_leave_nothing_behind(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    (served / "small").write_bytes(b"small" * 1000)
    with opened(tmp_path / "local") as fd, handle() as kept:
        os.write(fd, b"local" * 1000)
        source, sink, absent = (grid.ftp_url(served / name) for name in ("small", "sink", "absent/absent"))

        def fresh() -> None:
            with handle() as one:
                get(one, source, fd).result(PATIENCE)

        def failing(operation: Callable[[], Operation]) -> None:
            with pytest.raises(GlobusError):
                operation().result(PATIENCE)
            kept.forget(absent)

        def run(times: int) -> None:
            """20 copies each."""
            for _ in range(times):
                for _ in range(4):
                    put(kept, fd, sink).result(PATIENCE)
                    put(kept, fd, sink, EXTENDED).result(PATIENCE)
                    get(kept, source, fd).result(PATIENCE)
                fresh()
                fresh()
                failing(lambda: get(kept, absent, fd))
                failing(lambda: put(kept, fd, absent, EXTENDED))
                os.lseek(fd, 0, os.SEEK_SET)
                relayed(RelayEnd(fd=fd), ftp(sink)).result(PATIENCE)
                relayed(ftp(source), ftp(sink)).result(PATIENCE)
                failing(lambda: relayed(ftp(absent), RelayEnd(fd=fd)))
                failing(lambda: relayed(ftp(source), ftp(absent)))

        run(1 if VALGRIND else 5)  # copies enough for whatever is made once
        before = descriptors()
        gc.collect()
        memory = resident()
        run(2 if VALGRIND else 50)
        gc.collect()
        assert VALGRIND or resident() - memory < 2 << 20
        settle(before)


def test_cancelled_copies_leave_nothing_behind(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "large") as fd, handle() as kept:
        os.ftruncate(fd, LARGE)
        url = grid.ftp_url(served / "large")

        def run(times: int) -> None:
            for index in range(times):
                one = put(kept, fd, url, EXTENDED if index % 2 else PLAIN)
                while not kept.meter.bytes() and not one.done():
                    time.sleep(0)
                one.cancel()
                with pytest.raises(OperationCancelled):
                    one.result(PATIENCE)

        run(10)
        before = descriptors()
        gc.collect()
        memory = resident()
        run(10 if VALGRIND else 100)
        gc.collect()
        assert VALGRIND or resident() - memory < 2 << 20
        settle(before)


@pytest.mark.parametrize("options", [PLAIN, EXTENDED])
def test_long_downloads_that_are_cancelled(options: FtpOptions, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    """A thread writes the file of a long one: it ends with it, and what is said to be there is there."""
    content = os.urandom(LARGE)
    (served / "large").write_bytes(content)
    url = grid.ftp_url(served / "large")
    with opened(tmp_path / "got") as fd:
        with handle() as one:
            get(one, url, fd, options, 1 << 20).result(PATIENCE)
        before = descriptors()
        threads = set(os.listdir("/proc/self/task"))
        for want in range(9 << 20, LARGE, 1 << 20):
            os.ftruncate(fd, 0)
            with handle() as one:
                operation = get(one, url, fd, options, 1 << 20)
                while one.meter.bytes() < want and not operation.done():
                    time.sleep(0)
                operation.cancel()
                with suppress(OperationCancelled):
                    operation.result(PATIENCE)
                assert sum(end - start for start, end in one.ranges) >= want
                for start, end in one.ranges:
                    assert os.pread(fd, end - start, start) == content[start:end]
        settle(before)
        assert set(os.listdir("/proc/self/task")) <= threads


def test_a_long_download_that_cannot_be_written(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    (served / "large").write_bytes(bytes(LARGE))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path / "got") as fd, handle() as one:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE - (1 << 20), hard))
        try:
            operation = get(one, grid.ftp_url(served / "large"), fd, PLAIN, 1 << 20)
            with pytest.raises(GlobusError) as caught:
                operation.result(PATIENCE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.local_errno == errno.EFBIG
        assert os.fstat(fd).st_size == LARGE - (1 << 20)


def test_a_descriptor_may_be_closed_once_the_copy_has_started(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    (tmp_path / "large").write_bytes(content)
    with handle() as one:
        with opened(tmp_path / "large") as fd:
            operation = put(one, fd, grid.ftp_url(served / "large"))
            while not one.meter.bytes():
                assert not operation.done()
        operation.result(PATIENCE)
    assert (served / "large").read_bytes() == content


def test_relays_leave_the_flags_of_descriptors_alone(grid: Sandbox, served: Path) -> None:
    (served / "file").write_bytes(b"x" * 100_000)
    reading, writing = os.pipe()
    with open(reading, "rb") as out:
        copy = relayed(ftp(grid.ftp_url(served / "file")), RelayEnd(fd=writing))
        assert out.read(100_000) == b"x" * 100_000
        copy.result(PATIENCE)
        assert os.get_blocking(writing) and os.get_blocking(reading)
        os.close(writing)
        assert out.read() == b""


# Cancelling, at every stage -------------------------------------------------------------------------------------------

Url = Callable[[str], str]
KINDS: dict[str, Callable[[FtpHandle, Url, Url, int], Operation]] = {
    "get": lambda one, url, good, fd: get(one, url("source"), fd),
    "get, MODE E": lambda one, url, good, fd: get(one, url("source"), fd, EXTENDED),
    "put": lambda one, url, good, fd: put(one, fd, url("sink")),
    "put, MODE E": lambda one, url, good, fd: put(one, fd, url("sink"), EXTENDED),
    "size": lambda one, url, good, fd: one.size(url("source"), PLAIN),
    "facts": lambda one, url, good, fd: one.mlst(url("source"), PLAIN),
    "listing": lambda one, url, good, fd: one.list(url("."), PLAIN, "facts").operation,
    "from a silent source": lambda one, url, good, fd: third(one, url("source"), good("sink")),
    "to a silent sink": lambda one, url, good, fd: third(one, good("source"), url("sink")),
    "relay from": lambda one, url, good, fd: relayed(ftp(url("source")), RelayEnd(fd=fd)),
    "relay to": lambda one, url, good, fd: relayed(RelayEnd(fd=fd), ftp(url("sink"))),
    "relay between": lambda one, url, good, fd: relayed(ftp(url("source")), ftp(good("sink"))),
}  # fmt: skip


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let go before C has ended: who is cancelled in time was ended by C, and nothing had to be abandoned."""
    monkeypatch.setattr("pyglobus.ffi.engine._CANCEL_GRACE", 2 * PATIENCE)


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("broken", ["silent", "gone"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stops_talking_at_any_reply(
    kind: str, broken: str, grid: Sandbox, served: Path, tmp_path: Path
) -> None:
    """Silent: a cancel ends it at once. Gone: it ends by itself, with an error."""
    with open(served / "source", "wb") as source:
        source.truncate(LARGE)
    good = place(grid.ftp_url("/"), served)
    for replies in range(40):
        with (
            Stalling(grid.servers["ftp"].port, replies) as proxy,
            opened(tmp_path / "local") as fd,
            handle() as one,
        ):
            os.ftruncate(fd, LARGE)
            url = place(f"ftp://127.0.0.1:{proxy.port}/", served)
            operation = KINDS[kind](one, url, good, fd)
            while not proxy.silent.wait(0.005) and not operation.done():
                pass
            if broken == "gone":
                proxy.hang_up()
                operation.exception(PATIENCE)
            if operation.done():
                if (error := operation.exception()) is None:
                    assert replies > 4
                    return
                assert isinstance(error, GlobusError), replies
                continue
            if operation.cancel():
                with pytest.raises(OperationCancelled):
                    operation.result(PATIENCE)
    pytest.fail("it never ended by itself")


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("kind", ["get", "put, MODE E"])
def test_a_secure_server_that_stops_talking_at_any_reply(
    kind: str, secure: Sandbox, served: Path, tmp_path: Path
) -> None:
    with open(served / "source", "wb") as source:
        source.truncate(LARGE)
    good = place(secure.gsiftp_url("/"), served)
    for replies in range(1, 40, 4):
        with (
            Stalling(secure.servers["gridftp"].port, replies) as proxy,
            opened(tmp_path / "local") as fd,
            handle() as one,
        ):
            os.ftruncate(fd, LARGE)
            url = place(f"gsiftp://localhost:{proxy.port}/", served)
            operation = KINDS[kind](one, url, good, fd)
            while not proxy.silent.wait(0.005) and not operation.done():
                pass
            if operation.done():
                assert operation.exception() is None and replies > 6
                return
            operation.cancel()
            with pytest.raises(OperationCancelled):
                operation.result(PATIENCE)
    pytest.fail("it never ended by itself")


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


@pytest.mark.parametrize("kind", ["get", "put", "put, MODE E", "to a silent sink", "relay from"])
def test_a_server_that_is_stopped_in_the_middle(kind: str, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    with open(served / "source", "wb") as source:
        source.truncate(LARGE)
    with grid.start_gridftp(anonymous=True) as server, opened(tmp_path / "local") as fd, handle() as one:
        os.ftruncate(fd, LARGE)
        assert server.process is not None
        url = place(f"ftp://127.0.0.1:{server.port}/", served)
        one.size(url("source"), PLAIN).result(PATIENCE)
        good = place(grid.ftp_url("/"), served)
        operation = KINDS[kind](one, url, good, fd)
        stopped: list[int] = []
        while not stopped and not operation.done():
            stopped = children(server.process.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(0.1)
            began = time.monotonic()
            if operation.cancel():
                with pytest.raises(OperationCancelled):
                    operation.result(PATIENCE)
            assert time.monotonic() - began < PROMPT
            assert one.size(grid.ftp_url(served / "source"), PLAIN).result(PATIENCE) == LARGE
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def test_a_handle_goes_on_after_an_operation_was_abandoned(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    """The engine hangs for longer than a waiter's patience: C's handle stays with the operation, ours takes another."""
    (served / "file").write_bytes(b"0123456789")
    url = grid.ftp_url(served / "file")
    with handle() as one, opened(tmp_path / "local") as fd:
        with Stalling(grid.servers["ftp"].port, 3) as proxy:
            operation = get(one, f"ftp://127.0.0.1:{proxy.port}{served / 'file'}", fd)
            assert proxy.silent.wait(PATIENCE)
            hang = threading.Event()
            engine().submit(hang.wait, PATIENCE)
            operation.cancel()
            with pytest.raises(OperationCancelled):
                operation.result(PATIENCE)
            later = get(one, url, fd)
            hang.set()
            later.result(PATIENCE)
        assert os.pread(fd, 100, 0) == b"0123456789"
        assert one.ranges == [(0, 10)]
        assert one.meter.bytes() == 10


def test_closing_a_handle_cancels_what_runs(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "large") as fd:
        os.ftruncate(fd, LARGE)
        one = new_handle()
        operation = put(one, fd, grid.ftp_url(served / "large"))
        one.close()
        one.close()
        with pytest.raises((OperationCancelled, EngineError)):
            operation.result(PATIENCE)
        with pytest.raises(EngineError, match="closed"):
            put(one, fd, grid.ftp_url(served / "large")).result(PATIENCE)


def test_a_handle_does_one_thing_at_a_time(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "large") as fd, handle() as one:
        os.ftruncate(fd, LARGE)
        url = grid.ftp_url(served / "large")
        first, second = put(one, fd, url), put(one, fd, url)
        with pytest.raises(EngineError, match="busy"):
            second.result(PATIENCE)
        first.result(PATIENCE)
        assert one.meter.bytes() == LARGE
        assert (served / "large").stat().st_size == LARGE


# Servers that mean no good --------------------------------------------------------------------------------------------


class Scripted:
    """An FTP server of a few words: replies by verb, one data connection, which it reads ``takes`` bytes from."""

    def __init__(self, replies: dict[str, bytes], takes: int = 0) -> None:
        self._replies = {"USER": b"230 in", "PASS": b"230 in", "TYPE": b"200 ok", "QUIT": b"221 bye", **replies}
        self._takes = takes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._data = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"ftp://127.0.0.1:{self._listener.getsockname()[1]}/file"

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, self._data, *self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            control, _ = self._listener.accept()
            self.open.append(control)
            control.sendall(b"220 hello\r\n")
            for line in control.makefile("rb"):
                verb = line[:4].strip().decode().upper()
                if verb == "PASV":
                    port = self._data.getsockname()[1]
                    control.sendall(b"227 (127,0,0,1,%d,%d)\r\n" % divmod(port, 256))
                elif verb == "STOR":
                    control.sendall(b"150 go\r\n")
                    data, _ = self._data.accept()
                    self.open.append(data)
                    taken = 0
                    while taken < self._takes:
                        taken += len(data.recv(65536))
                    control.sendall(self._replies["STOR"] + b"\r\n")
                else:
                    control.sendall(self._replies.get(verb, b"502 no") + b"\r\n")


def test_an_upload_that_is_refused_in_the_middle(tmp_path: Path) -> None:
    """The data connection stays open, and nobody reads it. The toolkit waits for a last block that it never sends."""
    with opened(tmp_path / "large") as fd:
        os.ftruncate(fd, LARGE)
        for block in (4096, 65536, 1 << 20):
            with Scripted({"STOR": b"452 disk full"}, takes=block) as server, handle() as one:
                error = put(one, fd, server.url, block=block).exception(PATIENCE)
                assert isinstance(error, GlobusError)
                assert error.ftp_code == 452
                assert "disk full" in error.links[-1].text


def test_a_checksum_longer_than_any(tmp_path: Path) -> None:
    """The toolkit would write all of it into 256 bytes."""
    replies = {"FEAT": b"211-\r\n CKSM MD5\r\n211 end", "CKSM": b"213 " + b"f" * 100_000}
    with Scripted(replies) as server, handle() as one:
        assert one.checksum(server.url, "MD5", PLAIN).result(PATIENCE) == "f" * (lib.PG_CHECKSUM_ROOM - 1)


# Refused, many times, from many threads -------------------------------------------------------------------------------


def test_two_hundred_refused_connections_from_four_threads() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    before = descriptors()

    def refused(_: int) -> None:
        with handle() as one:
            error = one.size(f"ftp://127.0.0.1:{port}/file", PLAIN).exception(PATIENCE)
            assert isinstance(error, GlobusError)
            assert "refused" in " ".join(link.text for link in error.links)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(refused, range(20 if VALGRIND else 200)))
    settle(before)


def test_threads_with_handles_of_their_own(grid: Sandbox, served: Path, tmp_path: Path) -> None:
    def work(number: int) -> bytes:
        content = bytes([number]) * (100_000 + number)
        (tmp_path / f"in{number}").write_bytes(content)
        url = grid.ftp_url(served / f"file{number}")
        with opened(tmp_path / f"in{number}") as source, opened(tmp_path / f"out{number}") as sink, handle() as one:
            for _ in range(10):
                put(one, source, url, EXTENDED if number % 2 else PLAIN).result(PATIENCE)
                get(one, url, sink).result(PATIENCE)
            assert one.size(url, PLAIN).result(PATIENCE) == len(content)
        assert (tmp_path / f"out{number}").read_bytes() == content
        return content

    with ThreadPoolExecutor(6) as pool:
        assert len({len(content) for content in pool.map(work, range(6))}) == 6


def test_credentials_may_be_closed_after_their_handle(secure: Sandbox, served: Path) -> None:
    (served / "file").write_bytes(b"x")
    for _ in range(3):
        credential = engine().submit(GssCredential, str(secure.user.proxy)).result(PATIENCE)
        options = FtpOptions(credential=credential)
        with handle() as one:
            assert one.size(secure.gsiftp_url(served / "file"), options).result(PATIENCE) == 1
        engine().submit(credential.close).result(PATIENCE)
        engine().submit(credential.close).result(PATIENCE)


def test_third_party_with_both_servers(secure: Sandbox, second_server: Server, served: Path) -> None:
    content = os.urandom(1 << 20)
    (served / "here").write_bytes(content)
    with handle() as one:
        for index in range(5):
            there = secure.gsiftp_url(served / f"there{index}", second_server)
            one.third_party(secure.gsiftp_url(served / "here"), PLAIN, there, PLAIN, Span()).result(PATIENCE)
            assert (served / f"there{index}").read_bytes() == content


def test_bad_numbers_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "file") as fd, handle() as one:
        for block, blocks in ((0, 4), (4096, 0), (1 << 62, 1 << 10)):
            with pytest.raises((OSError, MemoryError)):
                one.put(fd, "ftp://localhost/x", PLAIN, Span(), block=block, blocks=blocks).result(PATIENCE)
        with pytest.raises(ValueError, match="NUL"):
            put(one, fd, "ftp://localhost/a\0b")
        with pytest.raises(OSError, match="Bad file descriptor"):
            put(one, 999_999, "ftp://localhost/x").result(PATIENCE)

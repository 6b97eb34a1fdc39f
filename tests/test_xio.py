# SPDX-License-Identifier: Apache-2.0
"""XioSocket does what a socket does: the same test body runs on Python's own, on tcp, and on gsi."""

from __future__ import annotations

import errno
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.gss import Credential
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority
from pyglobus.core.x509.keys import ec_key
from pyglobus.core.xio import StackError, XioOptions, XioSocket
from tests.pace import PROMPT

#: What a time-out may be off by: 20 ms, and as much again for a machine with other work.
SLACK = 0.04

Pair = Callable[..., tuple[Any, Any]]


@pytest.fixture(scope="module", autouse=True)
def client(grid: Sandbox) -> Iterator[None]:
    """This process is a client of the grid."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in grid.variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def host(grid: Sandbox, client: None) -> Credential:
    directory = grid.directory / "host"
    return Credential.of_files(directory / "hostcert.pem", directory / "hostkey.pem")


@pytest.fixture(scope="module")
def any_user(host: Credential) -> XioOptions:
    """A server that lets everybody in who has a name."""
    return XioOptions(credential=host, authorization="none")


def listening(stack: str, options: XioOptions | None = None) -> Any:
    sock: Any = socket.socket() if stack == "python" else XioSocket(stack, options)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


@pytest.fixture
def pair(any_user: XioOptions) -> Iterator[Pair]:
    """Make a connected pair: client and server side."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as threads:

        def make(kind: str, options: XioOptions | None = None, server: XioOptions | None = None) -> tuple[Any, Any]:
            kinds = kind.split("/") if "/" in kind else (kind, kind)
            listener = stack.enter_context(listening(kinds[1], server or any_user))
            accepted = threads.submit(listener.accept)
            one: Any = stack.enter_context(socket.socket() if kinds[0] == "python" else XioSocket(kinds[0], options))
            one.connect(("localhost", listener.getsockname()[1]))
            other, address = accepted.result(10)
            assert address == one.getsockname()
            return one, stack.enter_context(other)

        yield make


EVERY = pytest.mark.parametrize("kind", ["python", "tcp", "tcp,gsi", "tcp/python", "python/tcp"])
OURS = pytest.mark.parametrize("kind", ["tcp", "tcp,gsi"])


# What sockets do ------------------------------------------------------------------------------------------------------


@EVERY
def test_bytes_pass_both_ways_and_the_end_is_seen(kind: str, pair: Pair) -> None:
    one, other = pair(kind)
    data = random.Random(0).randbytes(5_000_001)
    received = bytearray()

    def receive() -> None:
        while piece := other.recv(1 << 17):
            received.extend(piece)

    thread = threading.Thread(target=receive)
    thread.start()
    one.sendall(data)
    one.sendall(b"")
    one.shutdown(socket.SHUT_WR)
    thread.join()
    assert received == data
    assert other.recv(1) == b""
    assert other.send(b"and back") == 8
    buffer = bytearray(20)
    assert one.recv_into(buffer, 3) == 3
    assert one.recv_into(memoryview(buffer)[3:]) == 5
    assert buffer[:8] == b"and back"
    assert one.getpeername() == other.getsockname()
    other.close()
    assert one.recv(10) == b""


@EVERY
def test_waitall_waits_for_all(kind: str, pair: Pair) -> None:
    one, other = pair(kind)
    with ThreadPoolExecutor(1) as threads:
        whole = threads.submit(other.recv, 300_000, socket.MSG_WAITALL)
        for _ in range(3):
            one.sendall(b"x" * 100_000)
        assert whole.result(10) == b"x" * 300_000
        short = threads.submit(other.recv, 10, socket.MSG_WAITALL)
        one.sendall(b"1234")
        one.close()
        assert short.result(10) == b"1234"


@EVERY
@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_a_timeout_is_exact_and_loses_nothing(kind: str, seconds: float, pair: Pair) -> None:
    one, other = pair(kind)
    one.settimeout(seconds)
    late = []
    for _ in range(5):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            one.recv(10)
        late.append(time.monotonic() - started - seconds)
    assert min(late) >= -0.001
    assert min(late) < SLACK  # what is later than that was the machine, with other work
    other.sendall(b"late")
    assert one.recv(10) == b"late"
    assert one.gettimeout() == seconds


@EVERY
def test_a_timeout_of_zero_does_not_wait(kind: str, pair: Pair) -> None:
    one, other = pair(kind)
    one.setblocking(False)
    assert one.getblocking() is False
    took = []
    for _ in range(10):
        started = time.monotonic()
        with pytest.raises(BlockingIOError) as caught:
            one.recv(10)
        assert caught.value.errno == errno.EAGAIN
        took.append(time.monotonic() - started)
    assert min(took) < SLACK  # what took longer was the machine, with other work
    other.sendall(b"now")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert one.recv(10) == b"now"
            return
        except BlockingIOError:
            pass
    pytest.fail("what had arrived was not received")


@EVERY
def test_sending_to_who_does_not_read_times_out(kind: str, pair: Pair) -> None:
    one, _ = pair(kind)
    one.settimeout(0.2)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        while True:
            started = time.monotonic()
            one.sendall(bytes(1 << 20))
    assert time.monotonic() - started - 0.2 < PROMPT
    if "gsi" in kind:
        with pytest.raises(StackError):
            one.send(b"into a cut record")


@EVERY
def test_files_over_sockets(kind: str, pair: Pair) -> None:
    one, other = pair(kind)
    with other.makefile("w", encoding="utf-8") as out:
        out.write("first\nsécond\n")
    other.close()
    with one.makefile("r", encoding="utf-8") as lines:
        assert list(lines) == ["first\n", "sécond\n"]
        one.close()
        assert lines.read() == ""
    raw = pair(kind)[0].makefile("rwb", buffering=0)
    assert raw.write(b"raw") == 3
    raw.close()
    with pytest.raises(ValueError, match="mode"):
        pair(kind)[0].makefile("x")


@EVERY
def test_a_closed_socket_is_of_no_use(kind: str, pair: Pair) -> None:
    one, _ = pair(kind)
    one.close()
    one.close()
    uses: dict[str, tuple[object, ...]] = {"recv": (1,), "send": (b"x",), "getpeername": (), "listen": ()}
    for use, arguments in uses.items():
        with pytest.raises(OSError) as caught:
            getattr(one, use)(*arguments)
        assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize("kind", ["python", "tcp"])
def test_errors_are_those_of_sockets(kind: str) -> None:
    def new() -> Any:
        return socket.socket() if kind == "python" else XioSocket(kind)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with new() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect(("127.0.0.1", free))
    with new() as sock, pytest.raises(socket.gaierror):
        sock.connect(("no.such.host.invalid", 80))
    with new() as sock, pytest.raises(OSError) as caught:
        sock.recv(1)
    assert caught.value.errno == errno.ENOTCONN
    with new() as sock, pytest.raises(OSError) as caught:
        sock.accept()
    assert caught.value.errno == errno.EINVAL
    with listening(kind) as taken_by_us, new() as sock, pytest.raises(OSError) as caught:
        sock.bind(("127.0.0.1", taken_by_us.getsockname()[1]))
        sock.listen()
    assert caught.value.errno == errno.EADDRINUSE


@OURS
def test_accepting_obeys_the_timeout_and_goes_on(kind: str, any_user: XioOptions) -> None:
    with listening(kind, any_user) as listener, ThreadPoolExecutor(1) as threads:
        for seconds in (0.1, 0):
            listener.settimeout(seconds)
            started = time.monotonic()
            with pytest.raises(BlockingIOError if seconds == 0 else TimeoutError):
                listener.accept()
            assert time.monotonic() - started - seconds < PROMPT
        listener.settimeout(10)
        with XioSocket(kind) as one:
            accepted = threads.submit(listener.accept)
            one.connect(listener.getsockname())
            accepted.result(10)[0].close()


def test_a_connection_that_is_reset_says_so(pair: Pair) -> None:
    one, other = pair("tcp/python")
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    other.close()
    with pytest.raises(ConnectionResetError):
        one.recv(1)


@OURS
def test_a_signal_is_handled_while_one_waits(kind: str, pair: Pair) -> None:
    """The wait goes on afterwards, or ends with what the handler raises; no byte is lost."""
    one, other = pair(kind)

    class Enough(Exception):
        pass

    def answer(*_: object) -> None:
        other.sendall(b"there")

    def give_up(*_: object) -> None:
        raise Enough

    me = threading.get_ident()
    before = signal.getsignal(signal.SIGUSR1)
    try:
        for limit in (None, 30):
            one.settimeout(limit)
            signal.signal(signal.SIGUSR1, answer)
            threading.Timer(0.1, signal.pthread_kill, (me, signal.SIGUSR1)).start()
            assert one.recv(10) == b"there"
            signal.signal(signal.SIGUSR1, give_up)
            with pytest.raises(Enough):
                threading.Timer(0.1, signal.pthread_kill, (me, signal.SIGUSR1)).start()
                one.recv(10)
            answer()
            assert one.recv(10) == b"there"
    finally:
        signal.signal(signal.SIGUSR1, before)


@OURS
def test_a_thread_that_waits_does_not_hold_up_the_end(kind: str, tmp_path: Path) -> None:
    """As with sockets of Python: a daemon thread just disappears, without a word."""
    program = f"""
import threading
from pyglobus.core.xio import XioOptions, XioSocket
options = XioOptions(authorization="self")
listener = XioSocket({kind!r}, options)
listener.bind(("127.0.0.1", 0))
listener.listen()
kept = []
thread = threading.Thread(target=lambda: kept.append(listener.accept()[0]))
thread.start()
one = XioSocket({kind!r}, options)
one.connect(listener.getsockname())
thread.join()
begun = threading.Event()
threading.Thread(target=lambda: (begun.set(), one.recv(1)), daemon=True).start()
begun.wait()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@OURS
def test_closing_lets_go_who_waits(kind: str, pair: Pair) -> None:
    one, _ = pair(kind)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.recv, 1)
        select.select([], [], [], 0.05)  # let it begin to wait; if it has not, the result is the same
        one.close()
        with pytest.raises(OSError) as caught:
            waiting.result(5)
        assert caught.value.errno == errno.EBADF


def test_closing_a_listening_socket_lets_go_who_accepts() -> None:
    """Wherever the other thread is just then."""
    with ThreadPoolExecutor(1) as threads:
        for _ in range(100):
            listener = listening("tcp")
            waiting = threads.submit(listener.accept)
            listener.close()
            with pytest.raises(OSError) as caught:
                waiting.result(5)
            assert caught.value.errno in (errno.EBADF, errno.EINVAL)


def test_fifty_connections_leave_nothing_open(any_user: XioOptions, pair: Pair) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with listening("tcp,gsi", any_user) as listener, ThreadPoolExecutor(1) as threads:
        before = descriptors()
        for _ in range(50):
            accepted = threads.submit(listener.accept)
            with XioSocket("tcp,gsi") as one:
                one.connect(("localhost", listener.getsockname()[1]))
                accepted.result(10)[0].close()
        assert descriptors() <= before + 1


# Options --------------------------------------------------------------------------------------------------------------


def test_port_range_interface_and_buffers(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = XioOptions(ports=(port, port), send_buffer=65536, receive_buffer=65536, nodelay=True)
    with XioSocket("tcp", options) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert listener.getsockname() == ("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)) as plain:
            accepted, address = listener.accept()
            assert address == plain.getsockname()
            accepted.close()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        XioSocket("tcp:nodelay=1", XioOptions(interface="127.0.0.1")) as sock,
    ):
        sock.connect(server.getsockname())
        assert sock.getsockname()[0] == "127.0.0.1"  # type: ignore[index]


@pytest.mark.parametrize(
    "wrong",
    [
        {"authorization": "everybody"},
        {"protection": "strong"},
        {"delegation": "all"},
        {"identity": "/CN=x"},
        {"authorization": "identity"},
        {"delegation": "full", "anonymous": True},
        {"ports": (2, 1)},
        {"mode": "x"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.UsageError):
        XioOptions(**wrong)


def test_a_stack_that_is_none() -> None:
    for stack in ("", "tcp,", "../tcp"):
        with pytest.raises(errors.UsageError):
            XioSocket(stack)
    with XioSocket("tcp,nosuchdriver") as sock, pytest.raises(OSError):
        sock.connect(("localhost", 1))
    with XioSocket() as sock, pytest.raises(errors.UsageError):
        sock.connect(("localhost", 70000))


# GSI ------------------------------------------------------------------------------------------------------------------


def test_both_sides_know_the_peer(grid: Sandbox, pair: Pair) -> None:
    one, other = pair("tcp,gsi")
    assert other.peer == grid.user.subject
    assert one.peer == f"{grid.authority.namespace}/CN=localhost"
    assert other.delegated() is None


@pytest.mark.parametrize("delegation", ["limited", "full"])
def test_delegation(delegation: str, grid: Sandbox, pair: Pair) -> None:
    one, other = pair("tcp,gsi", XioOptions(delegation=delegation))
    with other.delegated() as credential:
        assert credential.identity == grid.user.subject
        assert credential.limited is (delegation == "limited")
    one.sendall(b"done")
    assert other.recv(4) == b"done"


@pytest.mark.parametrize("protection", ["private", "integrity"])
def test_what_is_protected_cannot_be_read_on_the_way(protection: str, any_user: XioOptions, host: Credential) -> None:
    seen = bytearray()
    server = XioOptions(credential=host, authorization="none", protection=protection)
    with (
        listening("tcp,gsi", server) as listener,
        socket.create_server(("127.0.0.1", 0)) as tap,
        ThreadPoolExecutor(2) as threads,
        XioSocket("tcp,gsi", XioOptions(protection=protection)) as one,
    ):
        threads.submit(relay, tap, listener.getsockname(), seen)
        accepted = threads.submit(listener.accept)
        one.connect(("localhost", tap.getsockname()[1]))
        other = accepted.result(10)[0]
        one.sendall(b"secret" * 1000)
        assert other.recv(6000, socket.MSG_WAITALL) == b"secret" * 1000
        other.close()
    assert len(seen) > 6000 and b"secret" not in seen


def relay(tap: socket.socket, target: tuple[str, int], seen: bytearray) -> None:
    """One connection, watched."""
    inside, _ = tap.accept()
    with inside, socket.create_connection(target) as outside:
        while ready := select.select([inside, outside], [], [], 5)[0]:
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                seen += data
                (outside if source is inside else inside).sendall(data)


def refused(server: XioOptions, client: XioOptions) -> tuple[BaseException | None, BaseException | None]:
    """What both sides raise."""
    with (
        listening("tcp,gsi", server) as listener,
        ThreadPoolExecutor(1) as threads,
        XioSocket("tcp,gsi", client) as one,
    ):
        one.settimeout(5)
        accepted = threads.submit(listener.accept)
        try:
            one.connect(("localhost", listener.getsockname()[1]))
            one.recv(1)
        except OSError as error:
            return error, accepted.exception(10)
        return None, accepted.exception(10)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"authorization": "self"},
        {"authorization": "identity", "identity": "/O=Grid/CN=Other"},
        {"authorization": lambda subject: False},
    ],
    ids=["default", "self", "identity", "callback"],
)
def test_a_server_refuses_who_is_not_authorized(rule: dict[str, Any], host: Credential) -> None:
    _, at_server = refused(XioOptions(credential=host, **rule), XioOptions())
    assert isinstance(at_server, errors.CredentialError | errors.AccessDenied)


@pytest.mark.parametrize(
    "rule",
    [
        {"authorization": "self"},
        {"authorization": "identity", "identity": "/O=Grid/CN=Other"},
        {"authorization": lambda subject: "nobody" in subject},
    ],
    ids=["self", "identity", "callback"],
)
def test_a_client_refuses_who_is_not_authorized(rule: dict[str, Any], any_user: XioOptions) -> None:
    at_client, at_server = refused(any_user, XioOptions(**rule))
    assert isinstance(at_client, errors.CredentialError | errors.AccessDenied)
    assert at_server is None or isinstance(at_server, ConnectionError)


def test_a_client_refuses_a_host_of_another_name(grid: Sandbox) -> None:
    other = Credential.of_pem(grid.authority.issue_host("elsewhere.example.org").proxy_pem())
    at_client, _ = refused(XioOptions(credential=other, authorization="none"), XioOptions())
    assert isinstance(at_client, errors.CredentialError | errors.AccessDenied)


def test_a_stranger_is_refused(any_user: XioOptions) -> None:
    stranger = Authority.create("/O=Elsewhere").issue("Stranger", key=ec_key()).proxy(key=ec_key())
    client = XioOptions(credential=Credential.of_pem(stranger.proxy_pem()))
    _, at_server = refused(any_user, client)
    assert isinstance(at_server, errors.CredentialError)


def test_a_nameless_peer_is_refused_unless_it_may_be(host: Credential, any_user: XioOptions, pair: Pair) -> None:
    _, at_server = refused(any_user, XioOptions(anonymous=True))
    assert isinstance(at_server, errors.CredentialError)
    server = XioOptions(credential=host, authorization="none", anonymous=True)
    one, other = pair("tcp,gsi", XioOptions(anonymous=True), server)
    assert other.peer is None
    one.sendall(b"x")
    assert other.recv(1) == b"x"


def test_a_silent_client_does_not_hold_up_a_server(host: Credential, any_user: XioOptions) -> None:
    options = XioOptions(credential=host, authorization="none", handshake_timeout=0.2)
    with (
        listening("tcp,gsi", options) as listener,
        socket.create_connection(listener.getsockname()),
        ThreadPoolExecutor(1) as threads,
    ):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            listener.accept()
        assert time.monotonic() - started - 0.2 < PROMPT
        with XioSocket("tcp,gsi") as one:
            accepted = threads.submit(listener.accept)
            one.connect(("localhost", listener.getsockname()[1]))
            accepted.result(10)[0].close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail ESMTP\r\n", b"\xff" * 64, b""])
def test_a_server_that_speaks_no_gsi(said: bytes) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(1) as threads,
        XioSocket("tcp,gsi") as one,
    ):

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        threads.submit(answer)
        one.settimeout(5)
        with pytest.raises(OSError) as caught:
            one.connect(("localhost", server.getsockname()[1]))
        if len(said) > 4:  # it has said something that could be judged
            assert getattr(caught.value, "fault", "") == "not-gsi"


def test_openssl_talks_to_us_and_we_to_it(grid: Sandbox, host: Credential) -> None:
    trusted, directory = grid.directory / "certificates", grid.directory / "host"
    options = XioOptions(credential=host, authorization="none", anonymous=True, tls_only=True)
    with listening("tcp,gsi", options) as listener:
        port = str(listener.getsockname()[1])
        command = ["openssl", "s_client", "-connect", f"localhost:{port}", "-CApath", str(trusted)]
        with subprocess.Popen(
            [*command, "-verify_return_error", "-quiet"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as peer:
            other, _ = listener.accept()
            assert peer.stdin is not None and peer.stdout is not None
            peer.stdin.write(b"from openssl\n")
            peer.stdin.flush()
            assert other.recv(100) == b"from openssl\n"
            other.sendall(b"from us\n")
            assert peer.stdout.readline() == b"from us\n"
            other.close()
            peer.stdin.close()
            peer.wait(10)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(directory / "hostcert.pem")]
    with subprocess.Popen(
        [*command, "-key", str(directory / "hostkey.pem"), "-naccept", "1", "-rev"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as peer:
        assert peer.stdout is not None
        while peer.stdout.readline().strip() not in (b"ACCEPT", b""):
            pass
        with XioSocket("tcp,gsi", XioOptions(tls_only=True)) as one:
            one.settimeout(10)
            one.connect(("localhost", int(port)))
            one.sendall(b"abc\n")
            assert one.recv(4, socket.MSG_WAITALL) == b"cba\n"
        peer.wait(10)


# Other drivers --------------------------------------------------------------------------------------------------------


def test_file(tmp_path: Path) -> None:
    path, data = tmp_path / "a b%20#", random.Random(3).randbytes(300_000)
    with XioSocket("file", XioOptions(mode="w")) as sock:
        sock.connect(path)
        sock.sendall(data)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    with XioSocket("file", XioOptions(mode="r")) as sock:
        sock.connect(path)
        assert sock.recv(len(data), socket.MSG_WAITALL) == data
        assert sock.recv(1) == b""
    with XioSocket("file", XioOptions(mode="r")) as sock, pytest.raises(FileNotFoundError):
        sock.connect(tmp_path / "absent")


def test_pipe() -> None:
    there, here = os.pipe()
    back, gone = os.pipe()
    with XioSocket("pipe", XioOptions(pipe=(there, gone))) as sock:
        sock.connect(None)
        os.write(here, b"in")
        assert sock.recv(10) == b"in"
        sock.sendall(b"out")
        assert os.read(back, 10) == b"out"
    for descriptor in (here, back):
        os.close(descriptor)


def test_udp() -> None:
    with XioSocket("udp") as receiver, XioSocket("udp") as sender:
        receiver.bind(("127.0.0.1", 0))
        address = receiver.getsockname()
        assert isinstance(address, tuple)
        sender.connect(("127.0.0.1", address[1]))
        sender.send(b"datagram")
        receiver.settimeout(5)
        assert receiver.recv(100) == b"datagram"


def test_http(tmp_path: Path) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "page").write_bytes(b"served" * 1000)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with XioSocket("tcp,http") as sock:
                sock.settimeout(10)
                sock.connect(f"http://127.0.0.1:{server.server_port}/page")
                with sock.makefile("rb") as page:
                    assert page.read() == b"served" * 1000
        finally:
            server.shutdown()

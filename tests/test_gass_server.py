# SPDX-License-Identifier: Apache-2.0
"""The GASS server as clients of every kind see it, and as those see it who mean no good."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.gass import Access, Allow, Answer, Client, Denial, Deny, Redirect, Request, Server, everybody
from pyglobus.core.gass.message import APPEND
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("as_user")]

Runner = Callable[..., "subprocess.CompletedProcess[str]"]


class Served:
    """A server with a root of its own, and its log."""

    def __init__(self, root: Path | None, policy: Any = None, **chosen: Any) -> None:
        self.root = root or Path("/")
        self.log: list[Access] = []
        self._logged = threading.Condition()
        self.server = Server(policy, root=root, on_access=self._add, **({"host": "localhost"} | chosen))

    def _add(self, access: Access) -> None:
        with self._logged:
            self.log.append(access)
            self._logged.notify_all()

    def logged(self, count: int = 1) -> Access:
        """The last of so many entries, once they are there."""
        with self._logged:
            assert self._logged.wait_for(lambda: len(self.log) >= count, 20), self.log
            return self.log[count - 1]

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def left(self) -> list[str]:
        """The names in the root."""
        return sorted(path.name for path in self.root.iterdir())

    def plain(self, sent: bytes, *, ends: bool = True) -> bytes:
        """What an http server answers to these bytes, after which the client ends, or waits."""
        with socket.create_connection(("localhost", self.port), timeout=20) as sock:
            with contextlib.suppress(OSError):
                sock.sendall(sent)
                if ends:
                    sock.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := sock.recv(65536):
                    answer += piece
            return answer


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    root = tmp_path / "root"
    root.mkdir()
    with contextlib.ExitStack() as stack:

        def start(policy: Any = None, **chosen: Any) -> Served:
            served = Served(root, policy, **chosen)
            stack.enter_context(served.server)
            return served

        yield start


@pytest.fixture
def http_server(serve: Callable[..., Served]) -> Served:
    return serve(everybody, secure=False, write=True)


def by_ssl(port: int, certificate: str | Path | None = None) -> http.client.HTTPSConnection:
    """An independent client: Python's own TLS, with a proxy as client certificate. It does not check the server's,
    which is a user's here, and no server's as browsers know them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    return http.client.HTTPSConnection("localhost", port, context=context, timeout=20)


DATA = bytes(range(256)) * 4097


def test_the_c_client_puts_and_gets(serve: Callable[..., Served], url_copy: Runner, tmp_path: Path) -> None:
    served = serve(write=True)
    (tmp_path / "source").write_bytes(DATA)
    url_copy(f"file://{tmp_path}/source", f"{served.url}/there")
    assert (served.root / "there").read_bytes() == DATA
    url_copy(f"{served.url}/there", f"file://{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == DATA
    access = served.logged(2)
    assert access.identity is not None and access.identity.endswith("CN=Ada Lovelace")
    assert (access.operation, access.path, access.bytes, access.status) == ("get", "/there", len(DATA), 200)


def test_our_client_puts_and_gets(serve: Callable[..., Served], copy: Runner, tmp_path: Path) -> None:
    served = serve(write=True)
    for data in (b"", b"x", DATA):
        (tmp_path / "source").write_bytes(data)
        copy(tmp_path / "source", f"{served.url}/there")
        copy(f"{served.url}/there", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == data


def test_pythons_own_tls_is_a_client_too(serve: Callable[..., Served], grid: Sandbox) -> None:
    served = serve(write=True)
    connection = by_ssl(served.port, grid.env["X509_USER_PROXY"])
    connection.request("PUT", "/there", body=DATA)
    assert connection.getresponse().status == 200
    for _ in range(2):
        connection = by_ssl(served.port, grid.env["X509_USER_PROXY"])
        connection.request("POST", f"{APPEND}/there", body=iter([b"more", b"", b"and more"]), encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        assert connection.getresponse().status == 200
    connection = by_ssl(served.port, grid.env["X509_USER_PROXY"])
    connection.request("GET", "/there")
    assert connection.getresponse().read() == DATA + b"moreand more" * 2


def test_curl_puts_and_gets_over_http(http_server: Served, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    curl = ["curl", "-sS", "--fail", "--max-time", "20"]
    subprocess.run([*curl, "-T", source, f"{http_server.url}/there"], check=True)
    subprocess.run([*curl, "-o", tmp_path / "back", f"{http_server.url}/there"], check=True)
    assert (tmp_path / "back").read_bytes() == DATA
    head = subprocess.run([*curl, "-I", f"{http_server.url}/there"], check=True, capture_output=True, text=True)
    assert f"Content-Length: {len(DATA)}" in head.stdout


def test_curl_gets_a_part_and_goes_on_where_it_was(http_server: Served, tmp_path: Path) -> None:
    (http_server.root / "there").write_bytes(DATA)
    curl = ["curl", "-sS", "--fail", "--max-time", "20", "-o", str(tmp_path / "got")]
    subprocess.run([*curl, "-r", "1000-5999", f"{http_server.url}/there"], check=True)
    assert (tmp_path / "got").read_bytes() == DATA[1000:6000]
    (tmp_path / "got").write_bytes(DATA[:70_000])
    subprocess.run([*curl, "-C", "-", f"{http_server.url}/there"], check=True)
    assert (tmp_path / "got").read_bytes() == DATA
    access = http_server.logged(2)
    assert (access.status, access.bytes) == (206, len(DATA) - 70_000)
    answer = http_server.plain(b"GET /there HTTP/1.1\r\nRange: bytes=%d-\r\n\r\n" % len(DATA))
    assert answer.startswith(b"HTTP/1.1 416 the file has %d bytes" % len(DATA))


def test_a_policy_sees_the_request_and_its_reason_reaches_the_client(
    grid: Sandbox, serve: Callable[..., Served], url_copy: Runner, tmp_path: Path
) -> None:
    seen: list[Request] = []

    def policy(request: Request) -> Answer:
        seen.append(request)
        if request.size is not None:
            return Allow(limit=4)
        if request.path.startswith("/moved/"):
            return Redirect(f"{served.url}/{request.path.removeprefix('/moved/')}")
        return Allow() if request.path == "/open" else Deny(403, "closed on Sundays")

    served = serve(policy, write=True)
    (served.root / "open").write_text("come in")
    url_copy(f"{served.url}/a/../open", f"file://{tmp_path}/got")
    assert (tmp_path / "got").read_text() == "come in"
    assert (seen[0].operation, seen[0].path, seen[0].host) == ("get", "/open", "127.0.0.1")
    assert seen[0].identity is not None and seen[0].identity.endswith("CN=Ada Lovelace")
    client = Client()
    client.put(b"four", f"{served.url}/new")
    assert (seen[-1].operation, seen[-1].path, seen[-1].size) == ("put", "/new", 4)
    with pytest.raises(Denial, match="413 it is larger than allowed"):
        client.append(b"fives", f"{served.url}/new")
    assert (seen[-1].operation, seen[-1].size) == ("append", 5)
    assert (served.root / "new").read_bytes() == b"four"
    done = url_copy(f"{served.url}/shut", f"file://{tmp_path}/none", check=False)
    assert done.returncode == 1 and "403, closed on Sundays" in done.stderr
    url_copy(f"{served.url}/moved/open", f"file://{tmp_path}/again")
    assert (tmp_path / "again").read_text() == "come in"
    ours = [
        str(Path(sys.executable).with_name("pyglobus-url-copy")),
        f"{served.url}/moved/open",
        f"file://{tmp_path}/ours",
    ]
    subprocess.run(ours, env=grid.env, timeout=60, check=True)
    assert (tmp_path / "ours").read_text() == "come in"


def test_a_url_of_64_kib_is_refused(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False)
    answer = served.plain(b"GET /" + b"x" * (1 << 16) + b" HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 414 ")
    (served.root / "file").write_text("still there")
    assert served.plain(b"GET /file HTTP/1.0\r\n\r\n").endswith(b"still there")


def test_a_policy_that_fails_denies(serve: Callable[..., Served]) -> None:
    def policy(request: Request) -> Answer:
        raise KeyError(request.path)

    served = serve(policy, secure=False)
    answer = served.plain(b"GET /x HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error") and b"KeyError" not in answer
    assert "KeyError" in served.logged().reason


def test_others_are_refused_by_name(serve: Callable[..., Served], grid: Sandbox, tmp_path: Path) -> None:
    served = serve()
    (served.root / "file").write_text("mine")
    mallory = tmp_path / "mallory.pem"
    grid.authority.issue("Mallory").proxy().save_proxy(mallory)
    for certificate, name in ((mallory, "/CN=Mallory"), (None, "a client without a name")):
        connection = by_ssl(served.port, certificate)
        connection.request("GET", "/file")
        response = connection.getresponse()
        told = response.read().decode()
        assert response.status == 403 and f"{name} is not allowed" in told


def test_a_foreign_authority_gets_no_answer(serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve(everybody)
    (served.root / "file").write_text("mine")
    eve = tmp_path / "eve.pem"
    Authority.create("/O=Other").issue("/O=Other/CN=Eve").proxy().save_proxy(eve)
    connection = by_ssl(served.port, eve)
    with contextlib.closing(connection), pytest.raises((OSError, http.client.HTTPException)):
        connection.request("GET", "/file")
        connection.getresponse()
    assert served.logged().outcome == "cut"


def test_http_needs_a_policy(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="without a policy"):
        Server(root=tmp_path, secure=False)


def test_plain_http_at_an_https_port_is_told_so(serve: Callable[..., Served], url_copy: Runner, tmp_path: Path) -> None:
    served = serve(everybody)
    (served.root / "file").write_text("not without TLS")
    url = f"http://localhost:{served.port}/file"
    done = subprocess.run(["curl", "-sS", "--max-time", "20", url], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("400 this port is for https: ask with https://")
    assert (served.logged().status, served.logged().outcome, served.logged().host) == (400, "denied", "127.0.0.1")
    with pytest.raises(Denial, match="400 this port is for https"):
        Client().put(DATA, url)
    assert "this port is for https" in url_copy(url, f"file://{tmp_path}/got", check=False).stderr
    assert served.plain(b"PUT /x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 this port is for https")
    assert served.plain(b"") == b""
    assert b"not without" not in served.plain(b"\x16\x03\x01 no TLS\r\n\r\n")
    url_copy(f"{served.url}/file", f"file://{tmp_path}/got")


def test_tls_at_an_http_port_is_told_so(serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve(everybody, secure=False)
    url = f"https://localhost:{served.port}/file"
    done = subprocess.run(["curl", "-sSk", "--max-time", "20", url], check=False, capture_output=True, text=True)
    assert done.returncode == 35 and "wrong version number" in done.stderr
    assert served.logged().reason == "this port is for http: ask with http://"
    with pytest.raises(errors.Error, match="what answers does not speak GSI"):
        Client().get(url, tmp_path / "got")


def test_nothing_is_written_to_a_server_that_only_reads(http_server: Served, serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False)
    answer = served.plain(b"PUT /x HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 403 nothing can be written here")
    assert served.left() == []


@pytest.mark.parametrize(
    "target", ["/../secret", "/a/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/link", "/sub/up/secret", "//secret"]
)
def test_nothing_outside_the_root_is_reached(http_server: Served, target: str) -> None:
    (http_server.root.parent / "secret").write_text("do not read")
    (http_server.root / "link").symlink_to(http_server.root.parent / "secret")
    (http_server.root / "sub").mkdir()
    (http_server.root / "sub" / "up").symlink_to("../..")
    for method in ("GET", "PUT"):
        answer = http_server.plain(f"{method} {target} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".encode())
        assert b"do not read" not in answer
    assert (http_server.root.parent / "secret").read_text() == "do not read"


def test_links_within_the_root_are_followed(http_server: Served) -> None:
    (http_server.root / "real").write_text("here")
    (http_server.root / "link").symlink_to("real")
    assert http_server.plain(b"GET /link HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nhere")


def test_a_client_that_dies_leaves_nothing(http_server: Served) -> None:
    (http_server.root / "kept").write_text("before")
    with socket.create_connection(("localhost", http_server.port)) as sock:
        sock.sendall(b"PUT /kept HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf")
    access = http_server.logged()
    assert (access.outcome, access.status, access.bytes) == ("cut", 0, 4)
    assert http_server.left() == ["kept"] and (http_server.root / "kept").read_text() == "before"


def test_a_full_device_is_told() -> None:
    served = Served(None, everybody, secure=False, write=True)
    with served.server:
        answer = served.plain(b"PUT /dev/full HTTP/1.1\r\nContent-Length: 4\r\n\r\nfull")
        assert answer.startswith(b"HTTP/1.1 507 No space left")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_is_told_and_nothing_is_left(
    serve: Callable[..., Served], url_copy: Runner, tmp_path: Path
) -> None:
    served = serve(write=True)
    small = served.root / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        (tmp_path / "source").write_bytes(DATA * 3)
        assert url_copy(f"file://{tmp_path}/source", f"{served.url}/small/x", check=False).returncode == 1
        access = served.logged()
        assert (access.status, access.reason) == (507, "No space left")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_limits_and_quota(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False, write=True, most_bytes=100, quota=150)
    put = b"PUT /%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
    assert b" 413 " in served.plain(put % (b"a", 101, b"x" * 101))
    assert b" 200 " in served.plain(put % (b"a", 100, b"x" * 100))
    assert b" 507 " in served.plain(put % (b"b", 51, b"x" * 51))
    assert b" 200 " in served.plain(put % (b"a", 99, b"y" * 99)), "what is replaced counts for nothing"
    chunked = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + b"x" * 64 + b"\r\n0\r\n\r\n"
    assert b" 507 " in served.plain(chunked)
    assert served.left() == ["a"]


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"5\r\nabcdeX\r\n0\r\n\r\n", b"-1\r\n", b"1000000000000000\r\n", b"1" * 2000, b"\r\n\r\n", b"5 5\n"],
)
def test_chunks_that_are_none(http_server: Served, body: bytes) -> None:
    answer = http_server.plain(b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"\r\n" * 2000)
    assert b" 200 " not in answer
    assert http_server.left() == []


def test_chunks_in_every_cut(http_server: Served) -> None:
    message = b"3;name=value\r\nabc\r\n00004\r\ndefg\r\n0\r\nTrailer: yes\r\n\r\n"
    for cut in range(len(message)):
        with socket.create_connection(("localhost", http_server.port), timeout=20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + message[:cut])
            sock.sendall(message[cut:])
            assert b" 200 " in sock.recv(65536)
        assert (http_server.root / "x").read_bytes() == b"abcdefg"


def test_silent_clients_hold_up_nobody(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False, connections=8)
    (served.root / "file").write_text("served")
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("localhost", served.port))) for _ in range(40)]
        assert served.plain(b"GET /file HTTP/1.1\r\n\r\n").endswith(b"served")
        silent[0].settimeout(20)
        assert silent[0].recv(100).startswith(b"HTTP/1.1 503 there are too many"), "the oldest has made room"
    access = served.logged()
    assert (access.status, access.outcome, access.operation, access.host) == (503, "denied", None, "127.0.0.1")
    assert access.reason.startswith("there are too many clients, and it had asked for nothing")


def test_half_a_request_is_no_reason_to_stay(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False, connections=1)
    (served.root / "file").write_text("served")
    with socket.create_connection(("localhost", served.port), timeout=20) as slow:
        slow.sendall(b"GET /fi")
        assert served.plain(b"GET /file HTTP/1.1\r\n\r\n").endswith(b"served")
        told = b""
        with contextlib.suppress(ConnectionResetError):  # what it has sent was not read
            while piece := slow.recv(1000):
                told += piece
        assert told == b"" or told.startswith(b"HTTP/1.1 503 there are too many clients")
    assert served.logged().status == 503


def test_a_silent_client_holds_up_no_handshake(serve: Callable[..., Served], url_copy: Runner, tmp_path: Path) -> None:
    served = serve()
    (served.root / "file").write_text("served")
    with socket.create_connection(("localhost", served.port)):
        url_copy(f"{served.url}/file", f"file://{tmp_path}/got")


def test_too_many_busy_clients_are_told_to_come_later(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False, connections=2, write=True)
    begun = b"PUT /%d HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(socket.create_connection(("localhost", served.port), timeout=20)) for _ in range(2)]
        for number, sock in enumerate(busy):
            sock.sendall(begun % number)
            assert b" 100 " in sock.recv(1000)
        assert served.plain(b"GET /x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 there are too many clients")
        assert served.logged().status == 503
        for sock in busy:
            sock.sendall(b"ok")
            assert b" 200 " in sock.recv(1000)


def test_a_request_has_its_time(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False, head_seconds=0.2, idle_seconds=0.2, write=True)
    assert served.plain(b"GET / HT", ends=False) == b""
    assert served.plain(b"PUT /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n", ends=False) == b""
    assert "no byte has moved" in served.logged(2).reason
    assert served.left() == []


def test_a_slow_reader_gets_all(serve: Callable[..., Served]) -> None:
    served = serve(everybody, secure=False)
    (served.root / "file").write_bytes(DATA * 8)
    with socket.create_connection(("localhost", served.port), timeout=20) as sock:
        sock.sendall(b"GET /file HTTP/1.1\r\n\r\n")
        got = b""
        while piece := sock.recv(100_000):
            got += piece
            time.sleep(0.001)  # slower than the server
    assert got.partition(b"\r\n\r\n")[2] == DATA * 8


def test_a_capture_sees_lines_as_they_are_written(serve: Callable[..., Served], grid: Sandbox) -> None:
    served = serve()
    lines: list[bytes] = []
    came = threading.Semaphore(0)
    ended = threading.Event()

    def deliver(data: bytes) -> None:
        lines.append(data)
        came.release()

    url = served.server.capture(deliver, lines=True, ended=ended.set)
    program = str(Path(sys.executable).with_name("pyglobus-url-copy"))
    with subprocess.Popen([program, "-", url], stdin=subprocess.PIPE, env=grid.env) as writer:
        assert writer.stdin is not None
        for number in range(3):
            os.write(writer.stdin.fileno(), b"part of ")
            os.write(writer.stdin.fileno(), b"line %d\n" % number)
            assert came.acquire(timeout=20), "the line is there while its writer goes on"
        writer.stdin.close()
        assert writer.wait(20) == 0
    assert ended.wait(20)
    assert b"".join(lines) == b"".join(b"part of line %d\n" % number for number in range(3))
    served.server.release(url)
    assert served.server.url


def test_draining_waits_for_who_is_there_and_takes_nobody_else(http_server: Served) -> None:
    with socket.create_connection(("localhost", http_server.port), timeout=20) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert b" 100 " in sock.recv(1000)
        done: list[bool] = []
        drain = threading.Thread(target=lambda: done.append(http_server.server.drain(20)))
        drain.start()
        with pytest.raises(ConnectionError):
            while True:
                socket.create_connection(("localhost", http_server.port), timeout=20).close()
        sock.sendall(b"ok")
        assert b" 200 " in sock.recv(1000)
        drain.join(20)
    assert done == [True]
    assert (http_server.root / "x").read_text() == "ok"


def test_closing_ends_what_goes_on(http_server: Served) -> None:
    with socket.create_connection(("localhost", http_server.port), timeout=20) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert b" 100 " in sock.recv(1000)
        http_server.server.close()
        assert sock.recv(1000) == b""
    assert http_server.left() == []

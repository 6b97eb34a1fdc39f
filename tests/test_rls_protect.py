# SPDX-License-Identifier: Apache-2.0
"""Requests that are protected after the login: both ends of ours, what goes over the wire, and who is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.gss import Channel, Context, records
from pyglobus.core.rls import Client, Configuration, ObjectType, acl
from pyglobus.core.rls.methods import METHODS
from pyglobus.core.rls.server import Server
from pyglobus.core.sandbox import Sandbox
from tests.pace import PROMPT
from tests.waiting import LIMIT, wait_until

BIN = Path(sys.executable).parent


class Tap:
    """A relay that keeps what goes by."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"rls://localhost:{self._listening.getsockname()[1]}"
        self.seen = bytearray()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        client, _ = self._listening.accept()
        server = socket.create_connection(("localhost", self._port))
        with client, server:
            ways = [threading.Thread(target=self._pass, args=way) for way in ((client, server), (server, client))]
            for each in ways:
                each.start()
            for each in ways:
                each.join()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.seen += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self._threads[0].join(LIMIT)
        self._listening.close()


@pytest.fixture(scope="module")
def host(grid: Sandbox) -> dict[str, str]:
    """What a server of the grid finds in its environment."""
    place = grid.directory / "host"
    return {
        "X509_USER_CERT": str(place / "hostcert.pem"),
        "X509_USER_KEY": str(place / "hostkey.pem"),
        "X509_CERT_DIR": grid.variables["X509_CERT_DIR"],
        "GLOBUS_HOSTNAME": "localhost",
    }


def made(host: dict[str, str], directory: Path, **chosen: Any) -> Server:
    configuration = Configuration(
        port=0, acl=(acl.parse(".*: all"),), lrc_server=True, rli_server=True, lrc_dbname=str(directory / "lrc"),
        rli_dbname=str(directory / "rli"), lrc_update_immediate=True, lrc_buffer_time=0, **chosen,
    )  # fmt: skip
    server = Server(configuration, bind="localhost")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in host.items():
            patch.setenv(name, value)
        patch.delenv("X509_USER_PROXY", raising=False)
        server.start()
    return server


@pytest.fixture(scope="module")
def open_server(host: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that protects if it is asked to."""
    server = made(host, tmp_path_factory.mktemp("open"))
    yield server
    server.close(drain=1)


@pytest.fixture(scope="module")
def strict(host: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that answers nothing else."""
    server = made(host, tmp_path_factory.mktemp("strict"), protect=True)
    yield server
    server.close(drain=1)


@pytest.mark.usefixtures("as_user")
def test_nothing_can_be_read_on_the_way(open_server: Server) -> None:
    for protect in (False, True):
        tap = Tap(open_server.url)
        with Client(tap.url, protect=protect) as client:
            client.create(f"secret{protect}", "p" * 2000)
            assert client.query(f"secret{protect}") == [(f"secret{protect}", "p" * 2000)]
        tap.close()
        assert (b"secret" in tap.seen, b"lrc_create" in tap.seen) == (not protect, not protect)


@pytest.mark.usefixtures("as_user")
def test_long_requests_replies_and_many_of_them(open_server: Server) -> None:
    pairs = [(f"l{number}", f"gsiftp://h/{'x' * 60}/{number}") for number in range(20_000)]
    with Client(open_server.url, protect=True) as client:
        assert list(client.bulk("create", pairs)) == []
        assert sorted(client.match("l%")) == sorted(pairs)
        for lfn, pfn in pairs[:50]:
            assert client.query(lfn) == [(lfn, pfn)]
        with pytest.raises(errors.NotFound, match="LFN doesn't exist: none"):
            client.query("none")
        assert list(client.bulk("delete", pairs)) == []


@pytest.mark.usefixtures("as_user")
def test_who_wants_protection_gets_it_or_nothing(
    open_server: Server, strict: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Client(strict.url) as old, pytest.raises(errors.AccessDenied, match="wants requests to be protected"):
        old.create("a", "p")
    with Client(strict.url, protect=True) as client:
        client.create("a", "p")
        client.call("lrc_rli_add", strict.url, "0", "")
        wait_until(lambda: client.exists("a", ObjectType.RLI_LFN))
    with pytest.raises(errors.UsageError, match="no login"):
        Client("rlsn://localhost:1", protect=True)
    with monkeypatch.context() as patch:  # an old server does not know the method
        patch.setattr("pyglobus.core.rls.client.METHODS", dict(METHODS))
        patch.delitem(METHODS, b"pyglobus1_protect")
        with pytest.raises(errors.Unsupported, match="cannot protect requests"):
            Client(open_server.url, protect=True)


def welcomed(server: Server) -> Channel:
    """A client of its own that has logged in, and been let in."""
    sock = socket.create_connection(("localhost", int(server.url.rpartition(":")[2])), PROMPT)
    context = Context.initiate("localhost", tls_only=True)
    channel = Channel.establish(context, sock)
    data = bytearray()
    while not data.endswith(b"0\0") or records.leading(data):
        data += sock.recv(65536)
        for token in records.take(data):
            context.unwrap(token)
    return channel


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("kind", ["injected", "garbage", "late", "twice", "half"])
def test_what_is_not_protected_is_not_done(open_server: Server, kind: str) -> None:
    channel = welcomed(open_server)
    sock = channel._socket
    try:
        if kind == "injected":  # behind the request, as somebody in between could
            sock.sendall(b"pyglobus1_protect\0lrc_create\0injected\0p\0")
            assert sock.recv(1000).startswith(b"6\0")
        elif kind == "late":
            sock.sendall(b"lrc_exists\0none\x000\0pyglobus1_protect\0")
            assert ended(sock, until=b"26\0")
        else:
            sock.sendall(b"pyglobus1_protect\0")
            assert sock.recv(100) == b"0\0"
            if kind == "garbage":
                sock.sendall(b"lrc_create\0injected\0p\0")
            elif kind == "twice":
                channel.send(b"pyglobus1_protect\0")
                assert channel.receive().startswith(b"26\0")
                channel.send(b"lrc_exists\0none\x000\0")
                assert channel.receive() == b"12\0none\0"
                return
            else:
                token = channel.context.wrap(b"lrc_create\0injected\0p\0")
                sock.sendall(token[:-1] + bytes((token[-1] ^ 1,)))
            assert ended(sock)
    finally:
        sock.close()
        channel.close()
    with Client(open_server.url) as client:
        assert not client.exists("injected")


def ended(sock: socket.socket, until: bytes = b"") -> bool:
    """Whether the server closes it, or says that."""
    data = b""
    try:
        while (piece := sock.recv(65536)) and not (until and until in data + piece):
            data += piece
    except ConnectionResetError:
        return True
    return True


@pytest.mark.usefixtures("as_user")
def test_commands(strict: Server, grid: Sandbox, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            words, env=grid.env, capture_output=True, text=True, timeout=LIMIT, check=False, cwd=tmp_path
        )
        return done.returncode, done.stdout + done.stderr

    query, pyglobus = str(BIN / "rls-query"), str(BIN / "pyglobus")
    assert run(query, "--protect", "create", "c", "p", strict.url) == (0, "")
    assert run(query, "--protect", "query", "lrc", "lfn", "c", strict.url) == (0, "c: p\n")
    status, said = run(query, "query", "lrc", "lfn", "c", strict.url)
    assert (status, "(--protect)" in said) == (77, True)
    assert run(pyglobus, "rls", "admin", "--protect", "-p", strict.url)[0] == 0
    assert run(pyglobus, "rls", "server", "-N", "--lrc", "--require-protection", "--port", "0")[0] == 2
    assert os.listdir(tmp_path) == []

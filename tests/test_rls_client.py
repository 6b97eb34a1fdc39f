# SPDX-License-Identifier: Apache-2.0
"""The client of the Replica Location Service, and logins by GSI."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.gss import Credential
from pyglobus.core.rls import Client, Configuration, ObjectType, Operator, ValueType, acl
from pyglobus.core.rls.server import Server
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority
from tests.pace import PROMPT

LFN = ObjectType.LFN


def plain(directory: Path, name: str, **chosen: Any) -> Server:
    files: dict[str, Any] = {"lrc_dbname": str(directory / f"{name}.lrc"), "rli_dbname": str(directory / f"{name}.rli")}
    return Server(Configuration(authentication=False, port=0, **files, **chosen))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with plain(tmp_path, "a", lrc_server=True) as server, Client(server.url) as made:
        yield made


def test_what_a_catalogue_can_do(client: Client) -> None:
    client.create("a", "p")
    client.add("a", "q")
    assert client.query("a") == [("a", "p"), ("a", "q")]
    assert client.query("q", "pfn") == [("a", "q")]
    assert client.exists("a")
    assert not client.exists("b")
    assert client.mapping_exists("a", "p")
    client.rename("lfn", "a", "b")
    client.rename("pfn", "p", "r")
    assert list(client.match("%")) == [("b", "r"), ("b", "q")]
    client.define("size", LFN, ValueType.INT)
    client.attribute_add("b", "size", LFN, ValueType.INT, "7")
    client.attribute_modify("b", "size", LFN, ValueType.INT, "8")
    assert client.attributes("", LFN) == [("size", ValueType.INT)]
    assert client.attribute_values("b", "", LFN) == [("size", ValueType.INT, "8")]
    assert list(client.attribute_search("size", LFN, Operator.BETWEEN, "8", "9")) == [("b", ValueType.INT, "8")]
    client.attribute_remove("b", "size", LFN)
    client.undefine("size", LFN)
    client.delete("b", "q")
    client.clear()
    with pytest.raises(FileNotFoundError, match="LFN doesn't exist: b"):
        client.query("b")


def test_bulks_and_pages_of_any_length(client: Client) -> None:
    pairs = [(f"l{i:05}", f"p{i}") for i in range(3001)]
    assert list(client.bulk("create", pairs)) == []
    assert list(client.bulk("create", pairs[:1001]))[-1] == (11, "l01000", "p1000")
    assert list(client.query_bulk(lfn for lfn, _ in pairs)) == [(0, *pair) for pair in pairs]
    assert list(client.query_bulk(["none", "l00001"])) == [(12, "none", ""), (0, "l00001", "p1")]
    assert list(client.exists_bulk(["none", "l00001"])) == [(12, "none"), (0, "l00001")]
    client.page = 700
    assert list(client.match("l%")) == pairs
    assert list(client.match("l%", "lfn"))[:2] == pairs[:2]


def test_names_without_a_server(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as silent:
        url = f"rlsn://localhost:{silent.getsockname()[1]}"
        with pytest.raises(errors.DeadlineExceeded):
            Client(url, timeout=0.1)
    with pytest.raises(errors.TransientError, match="cannot connect"):
        Client(url)
    for bad in ("http://localhost", "rls://", "rls://h:x", "rls://h/path", "rls://h:0", "rls://u@h", "rls://h h"):
        with pytest.raises(errors.UsageError):
            Client(bad)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\0", b"x\0", b"\0", b"99999999999\0"])
def test_what_is_no_server(said: bytes) -> None:
    with socket.create_server(("localhost", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.ProtocolError, match="not a reply"):
            Client(f"rlsn://localhost:{listening.getsockname()[1]}")
        thread.join()


# GSI -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(grid: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with the host's certificate; this process is the grid's user afterwards."""
    for name, value in grid.variables.items():
        monkeypatch.setenv(name, value)
    site = grid.directory / "host"
    rules = (acl.parse("/O=Grid/OU=Sandbox/CN=Ada Lovelace: all"),)
    server = Server(
        Configuration(port=0, lrc_server=True, lrc_dbname=str(tmp_path / "lrc"), acl=rules), bind="localhost"
    )
    with monkeypatch.context() as patch:
        patch.delenv("X509_USER_PROXY")
        patch.setenv("X509_USER_CERT", str(site / "hostcert.pem"))
        patch.setenv("X509_USER_KEY", str(site / "hostkey.pem"))
        server.start()
    yield server
    server.close(drain=1.0)


def test_login(secure: Server) -> None:
    with Client(secure.url) as client:
        client.create("a", "p")
        assert client.query("a") == [("a", "p")]


def test_a_stranger_is_logged_in_and_may_nothing(secure: Server, grid: Sandbox, tmp_path: Path) -> None:
    other = grid.authority.issue("Mallory")
    other.save(tmp_path / "cert.pem", tmp_path / "key.pem")
    credential = Credential.of_files(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Client(secure.url, credential=credential) as client, pytest.raises(errors.AccessDenied):
        client.query("a")


def test_somebody_of_a_foreign_authority_is_not(secure: Server, tmp_path: Path) -> None:
    foreign = Authority.create("/O=Grid/OU=Elsewhere")
    foreign.issue("Ada Lovelace").save(tmp_path / "cert.pem", tmp_path / "key.pem")
    credential = Credential.of_files(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(errors.CredentialError):
        Client(secure.url, credential=credential)


def test_no_login_and_half_a_login_hold_up_nobody(secure: Server) -> None:
    port = int(secure.url.rpartition(":")[2])
    garbage = socket.create_connection(("localhost", port), PROMPT)
    garbage.sendall(b"lrc_get_pfn\0a\x000\x000\0")
    assert garbage.recv(100) == b""
    halves = [socket.create_connection(("localhost", port), PROMPT) for _ in range(20)]
    for each in halves:
        each.sendall(b"\x16\x03\x01\x02\x00\x01")
    began = time.monotonic()
    with Client(secure.url) as client:
        assert not client.exists("a")
    assert time.monotonic() - began < PROMPT
    for each in (garbage, *halves):
        each.close()
    with pytest.raises(errors.Error):
        Client(secure.url.replace("rls:", "rlsn:"), timeout=0.2)


def test_the_server_must_be_who_is_meant(secure: Server) -> None:
    with pytest.raises(errors.CredentialError):
        Client(secure.url, subject="/O=Grid/OU=Sandbox/CN=somebody else")

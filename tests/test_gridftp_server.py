# SPDX-License-Identifier: Apache-2.0
"""``pyglobus gridftp server``: what it says, whom it lets in, what it refuses before it starts, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ftplib import FTP
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.sandbox import Sandbox
from tests.conftest import CommandRunner, Somebody
from tests.storages import ADA, serving
from tests.waiting import wait_until

PYGLOBUS = str(Path(sys.executable).with_name("pyglobus"))
#: As root a server that is not native must be told whose files it serves.
SELF = ["--user", "root"] if os.geteuid() == 0 else []


@contextmanager
def started(grid: Sandbox, *arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the first line it prints."""
    command = [PYGLOBUS, "gridftp", "server", *arguments]
    with subprocess.Popen(
        command, cwd=cwd, env=grid.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            if process.poll() is None:
                process.kill()


def refused(grid: Sandbox, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [PYGLOBUS, "gridftp", "server", *arguments], env=grid.env | (env or {}), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_serves_the_working_directory_to_oneself(grid: Sandbox, copy: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with started(grid, *SELF, "--log", "log", cwd=tmp_path) as (process, url):
        copy("-ss", ADA, f"{url}/file", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "content"
        wait_until(lambda: "disconnect" in (tmp_path / "log").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
        assert process.stderr is not None
        assert process.stderr.read() == ""
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "stop"
    assert {"connect", "accepted", "read", "transfer"} <= set(kinds)
    (moved,) = (event for event in events if event["type"] == "transfer")
    assert (moved["operation"], moved["path"], moved["bytes"], moved["outcome"]) == ("get", "/file", 7, "done")
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0
    with pytest.raises(ConnectionRefusedError), FTP() as client:
        client.connect("127.0.0.1", int(url.rpartition(":")[2]))


def test_events_and_a_storage(grid: Sandbox, copy: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"x" * 1000)
    with started(grid, *SELF, "--storage", "memory", "--format", "jsonl", cwd=tmp_path) as (process, line):
        url = json.loads(line)["url"]
        copy("-ds", ADA, tmp_path / "sent", f"{url}/there")
        copy("-ss", ADA, f"{url}/there", tmp_path / "back")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    kinds = [json.loads(each)["type"] for each in rest.splitlines()]
    assert "written" in kinds
    assert kinds.count("transfer") >= 2
    assert (tmp_path / "back").read_bytes() == b"x" * 1000


def test_ready_descriptor_and_sd_notify(grid: Sandbox, tmp_path: Path, runtime: Path) -> None:
    import socket

    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(runtime / "notify"))
        manager.settimeout(30)
        command = [PYGLOBUS, "gridftp", "server", *SELF, "--ready-fd", str(writing)]
        with subprocess.Popen(
            command, cwd=tmp_path, env=grid.env | {"NOTIFY_SOCKET": str(runtime / "notify")}, pass_fds=[writing],
            stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                os.close(writing)
                with os.fdopen(reading) as ready:
                    assert ready.read().startswith("gsiftp://localhost:")
                assert manager.recv(1000).startswith(b"READY=1")
                process.terminate()
                assert manager.recv(1000) == b"STOPPING=1"
            finally:
                process.terminate()


def test_drains(grid: Sandbox, tmp_path: Path) -> None:
    """A client that is there finishes; nobody else comes in."""
    with started(grid, *SELF, "--anonymous", "--drain", "20s", cwd=tmp_path) as (process, url), FTP() as client:
        port = int(url.rpartition(":")[2])
        client.connect("127.0.0.1", port, timeout=30)
        client.login()
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR late")
        data.sendall(b"first ")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert "waiting at most 20 s for 1 client" in process.stderr.readline()

        def closed() -> bool:
            with FTP() as another:
                try:
                    another.connect("127.0.0.1", port, timeout=5)
                except OSError:
                    return True
                return False

        wait_until(closed)
        data.sendall(b"last")
        data.close()
        client.voidresp()
        client.quit()
        assert process.wait(30) == -signal.SIGTERM
    assert (tmp_path / "late").read_bytes() == b"first last"


def test_ends_with_what_has_started_it(grid: Sandbox, tmp_path: Path) -> None:
    """Also when that is killed: no server is left that nobody knows of."""
    with started(grid, *SELF, cwd=tmp_path) as (process, url):
        process.kill()
        process.wait()

        def gone() -> bool:
            with FTP() as client:
                try:
                    client.connect("127.0.0.1", int(url.rpartition(":")[2]), timeout=5)
                except OSError:
                    return True
                return False

        wait_until(gone)


def test_who_may(grid: Sandbox, copy: CommandRunner, tmp_path: Path) -> None:
    """Only those who are named; and nobody is let in for free where there is no --anonymous."""
    (tmp_path / "file").write_text("content")
    (tmp_path / "map").write_text(f'# comment\n"{ADA}" somebody,else\n/O=Grid/CN=Bob bob\n')
    with serving(grid, directory=tmp_path, allow=("/O=Grid/CN=Bob",), anonymous=False) as served:
        assert copy(served.url("file"), tmp_path / "copy", check=False).returncode == 77
        with served.raw_connection() as client, pytest.raises(Exception, match="530"):
            client.login()
    with serving(grid, directory=tmp_path, allow=(), gridmap=tmp_path / "map", anonymous=False) as served:
        copy(served.url("file"), tmp_path / "copy")


def test_the_limit_of_connections(grid: Sandbox, tmp_path: Path) -> None:
    with (
        serving(grid, directory=tmp_path, connections=2) as served,
        served.raw(),
        served.raw(),
        served.raw_connection(greeted=False) as client,
        pytest.raises(Exception, match=r"421|closed|reset"),
    ):
        client.connect("127.0.0.1", served.port, timeout=30)
        client.login()


@pytest.mark.parametrize("place", [["--ipv6"], ["--bind", "::1"], ["--ipv6", "--bind", "any", "--hostname", "[::1]"]])
def test_over_ipv6(grid: Sandbox, copy: CommandRunner, tmp_path: Path, place: list[str]) -> None:
    (tmp_path / "file").write_text("content")
    with started(grid, *SELF, *place, cwd=tmp_path) as (_process, url):
        assert url.startswith("gsiftp://[::1]:")
        copy("-ss", ADA, f"{url}/file", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "content"


def test_banner_ports_and_native(grid: Sandbox, copy: CommandRunner, tmp_path: Path) -> None:
    account_owned = tmp_path if os.geteuid() else grid.data_dir
    (account_owned / "native").write_text("content")
    (account_owned / "native").chmod(0o644)
    with serving(
        grid, directory=account_owned, native=True, banner="hello there", ports=(41000, 41500),
        gridmap=grid.directory / "host/grid-mapfile", anonymous=False,
    ) as served:  # fmt: skip
        with served.raw_connection() as client:
            assert "hello there" in (client.welcome or "")
        path = str(account_owned / "native").lstrip("/")
        copy(served.url(f"/{path}"), tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "content"
        assert copy(served.url("/etc/passwd"), tmp_path / "none", check=False).returncode in (66, 77)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["/no/such/directory"], 66, "there is no such directory"),
        (["/etc/passwd"], 2, "not a directory"),
        (["--storage", "nonsense"], 2, "MODULE:CLASS"),
        (["--storage", "os:path"], 78, "cannot open the storage"),
        (["--storage", "memory", "/tmp"], 2, "exclude each other"),
        (["--storage", "memory", "--read-only"], 2, "exclude each other"),
        (["--storage", "memory", "--native"], 2, "not served natively"),
        (["--port-range", "50100,50000"], 2, "port range"),
        (["--port-range", "many"], 2, "FIRST,LAST"),
        (["--allow", "Ada"], 2, "not a subject"),
        (["--gridmap", "/no/such/file"], 66, "grid-mapfile"),
        (["--banner", 'a "b"'], 2, "banner"),
        (["--key", "/etc/passwd"], 2, "--key needs --cert"),
        (["--cert", "/etc/passwd"], 77, "chmod 600"),
        (["--proxy", "/no/such/file"], 66, "/no/such/file"),
        (["--port", "99999"], 2, "99999"),
        (["--connections", "0"], 2, "connections"),
        (["--bind", "192.0.2.1"], 73, "192.0.2.1"),
        (["--ipv6", "--bind", "127.0.0.1"], 2, "exclude each other"),
    ],
)
def test_what_is_refused_before_it_starts(grid: Sandbox, arguments: list[str], status: int, words: str) -> None:
    code, text = refused(grid, *SELF, *arguments)
    assert words in text
    assert text.count("\n") <= 2
    assert code == status, text


def test_a_port_that_is_taken(grid: Sandbox, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = refused(grid, *SELF, "--port", str(taken.getsockname()[1]), str(tmp_path))
    assert (code, "in use" in text) == (73, True), text


def test_no_credential(grid: Sandbox, tmp_path: Path) -> None:
    code, text = refused(grid, *SELF, str(tmp_path), env={"X509_USER_PROXY": str(tmp_path / "none")})
    assert code == 77
    assert "hint:" in text


@pytest.mark.root
def test_root_says_whose_files(grid: Sandbox, tmp_path: Path) -> None:
    code, text = refused(grid, str(tmp_path))
    assert code == 2
    assert "--user" in text
    code, text = refused(grid, "--user", "nosuchuser", str(tmp_path))
    assert code == 78


@pytest.mark.root
def test_root_gives_up_being_root(grid: Sandbox, copy: CommandRunner, ordinary_user: Somebody, tmp_path: Path) -> None:
    open_to_all = grid.data_dir / "given"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "sent").write_text("content")
    words = ("gridftp", "server", "--user", "nobody", str(open_to_all))
    with ordinary_user.start_pyglobus(*words, env=grid.variables) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("gsiftp:")
        copy("-ds", ADA, tmp_path / "sent", f"{url}/there")
        assert (open_to_all / "there").owner() == "nobody"


def test_the_sandbox_has_one(blank_user: Path, tmp_path: Path) -> None:
    with Sandbox(run=("pygridftp",)) as sandbox:
        url = sandbox.variables["PYGLOBUS_SANDBOX_PYGRIDFTP"]
        (tmp_path / "sent").write_text("content")
        for words in ([f"file://{tmp_path}/sent", f"{url}/x"], [f"{url}/x", f"file://{tmp_path}/back"]):
            subprocess.run(["globus-url-copy", *words], env=sandbox.env, check=True, timeout=60)
        assert (tmp_path / "back").read_text() == "content"


def test_facts_of_clients(grid: Sandbox, tmp_path: Path) -> None:
    def seen(**facts: Any) -> bool:
        return any(facts.items() <= client.items() for client in served.server.clients())

    with serving(grid, directory=tmp_path) as served, served.raw() as client:
        wait_until(lambda: seen(account="anonymous"))
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR new")
        wait_until(lambda: seen(operation="transfer", path="/new"))
        data.close()
        client.voidresp()
        wait_until(lambda: seen(operation=None, path=None))

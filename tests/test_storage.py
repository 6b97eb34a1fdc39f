# SPDX-License-Identifier: Apache-2.0
"""Storages in Python behind the toolkit's GridFTP server, by four clients; what arrives is compared by bytes."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from ftplib import FTP, error_perm, error_temp
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.storage import Entry, Storage, Visitor
from pyglobus.core.storage.archive import Archive
from pyglobus.core.storage.loading import load
from pyglobus.core.storage.memory import Memory
from pyglobus.core.storage.storage import DIRECTORY, REGULAR
from pyglobus.core.transfer import Transfer
from tests.conftest import CommandRunner
from tests.storages import ADA, DATA, SMALL, WRITABLE, Served, content, made, serving
from tests.test_peers import run_gfal
from tests.waiting import wait_until

CLIENTS = ("globus-url-copy", "pyglobus-url-copy", "gfal-copy", "curl")


@pytest.fixture(scope="module", params=[*WRITABLE, "zip"])
def place(grid: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of each storage, with a tree in it."""
    kind: str = request.param
    storage = made(kind, tmp_path_factory.mktemp(kind))
    with serving(grid, storage=storage) as served:
        served.storage = storage  # type: ignore[attr-defined]
        served.kind = kind  # type: ignore[attr-defined]
        yield served


def run(grid: Sandbox, client: str, source: str, destination: str) -> subprocess.CompletedProcess[str]:
    """Copy a file by a client."""
    if client == "gfal-copy":
        return run_gfal(grid.env, client, "-f", source, destination)
    commands = {
        "globus-url-copy": ["globus-url-copy", source, destination],
        "pyglobus-url-copy": [str(Path(sys.executable).with_name("pyglobus-url-copy")), source, destination],
        # It asks for a data channel before it says TYPE I, and the server makes one for text then.
        "curl": ["curl", "-sS", "-Q", "TYPE I", source, "-o", destination.removeprefix("file://")]
        if source.startswith("ftp")
        else ["curl", "-sS", "-Q", "TYPE I", "-T", source.removeprefix("file://"), destination],
    }
    return subprocess.run(commands[client], env=grid.env, capture_output=True, text=True, timeout=60, check=False)


def url_for(place: Served, client: str, path: str) -> str:
    return place.url(path, "ftp" if client == "curl" else "gsiftp")


@pytest.mark.parametrize("client", CLIENTS)
def test_get(place: Served, client: str, grid: Sandbox, tmp_path: Path) -> None:
    done = run(grid, client, url_for(place, client, "tree/large"), f"file://{tmp_path}/got")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "got").read_bytes() == DATA


@pytest.mark.parametrize("client", CLIENTS)
def test_put(place: Served, client: str, grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(DATA)
    done = run(grid, client, f"file://{tmp_path}/sent", url_for(place, client, f"by-{client}"))
    if place.kind == "zip":  # type: ignore[attr-defined]
        assert done.returncode != 0
        return
    assert (done.returncode, done.stderr) == (0, "")
    assert content(place.storage, f"/by-{client}") == DATA  # type: ignore[attr-defined]


def test_get_in_parallel_and_in_part(place: Served, copy: CommandRunner, tmp_path: Path) -> None:
    copy("-p", "4", place.url("tree/large"), tmp_path / "parallel")
    assert (tmp_path / "parallel").read_bytes() == DATA
    copy("-off", "1000000", "-len", "70000", place.url("tree/large"), tmp_path / "part")
    assert (tmp_path / "part").read_bytes()[-70000:] == DATA[1000000:1070000]


def test_a_tree_out(place: Served, copy: CommandRunner, tmp_path: Path) -> None:
    copy("-r", "-cd", place.url("tree/"), f"{tmp_path}/tree/")
    found = {str(each.relative_to(tmp_path / "tree")) for each in (tmp_path / "tree").rglob("*")}
    assert found == {"large", "below", "below/small", "none"}
    assert (tmp_path / "tree/below/small").read_bytes() == SMALL


def test_checksum(place: Served, copy: CommandRunner, tmp_path: Path) -> None:
    for algorithm in ("md5", "adler32", "sha1", "sha256", "sha512"):
        copy("--checksum", "-checksum-alg", algorithm, place.url("tree/large"), tmp_path / algorithm)
        assert (tmp_path / algorithm).read_bytes() == DATA


def test_third_party(place: Served, second_server: Server, grid: Sandbox, served: Path, copy: CommandRunner) -> None:
    copy(place.url("tree/large"), grid.gsiftp_url(served / "third", second_server))
    assert (served / "third").read_bytes() == DATA
    if place.kind != "zip":  # type: ignore[attr-defined]
        copy(grid.gsiftp_url(served / "third", second_server), place.url("third"))
        assert content(place.storage, "/third") == DATA  # type: ignore[attr-defined]


def test_a_read_only_storage_says_so(place: Served, tmp_path: Path) -> None:
    if place.kind != "zip":  # type: ignore[attr-defined]
        pytest.skip("this one can be written to")
    with place.raw() as client:
        for line in ("MKD x", "DELE tree/large", "RMD tree/none", "SITE CHMOD 600 tree/large", "STOR x"):
            if line.startswith("STOR"):
                client.makepasv()
                client.sendcmd("PASV")
            with pytest.raises(error_perm, match="550"):
                client.sendcmd(line)


@pytest.fixture
def writable(place: Served) -> Served:
    if place.kind == "zip":  # type: ignore[attr-defined]
        pytest.skip("it is read-only")
    return place


def test_put_in_parallel(writable: Served, copy: CommandRunner, url_copy: CommandRunner, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(DATA)
    copy("-p", "4", tmp_path / "sent", writable.url("parallel"))
    url_copy("-p", "4", "-fast", f"file://{tmp_path}/sent", writable.url("parallel-c"))
    for name in ("/parallel", "/parallel-c"):
        assert content(writable.storage, name) == DATA  # type: ignore[attr-defined]


def test_a_tree_in_and_in_step(writable: Served, copy: CommandRunner, tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "from" / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 100))
    there = writable.url("mirror/")
    copy("-r", "-cd", f"{tmp_path}/from/", there)
    (tmp_path / "from/d1/f1").write_bytes(b"changed")
    copy("-r", "-cd", "-sync", f"{tmp_path}/from/", there)
    copy("-r", "-cd", there, f"{tmp_path}/back/")
    assert subprocess.run(["diff", "-r", tmp_path / "from", tmp_path / "back"], check=False).returncode == 0


def test_names_change(writable: Served) -> None:
    storage: Storage = writable.storage  # type: ignore[attr-defined]
    with writable.raw() as client:
        client.storbinary("STOR old", io.BytesIO(SMALL))
        client.rename("old", "new")
        assert client.size("new") == len(SMALL)
        assert "old" not in client.nlst("/")
        client.mkd("made")
        with pytest.raises(error_perm, match="553"):
            client.mkd("made")
        with pytest.raises(error_perm, match="550"):
            client.delete("old")
        client.storbinary("STOR made/one", io.BytesIO(SMALL))
        with pytest.raises(error_perm, match="553"):
            client.rmd("made")
        client.delete("made/one")
        client.rmd("made")
        client.delete("new")
        with pytest.raises(error_perm, match="550"):
            client.rmd("made")
    with pytest.raises(FileNotFoundError):
        storage.stat("/new")


def test_gone_on_with_from_an_offset(writable: Served) -> None:
    """REST, by the plain protocol; what fsspec opens can only be written from the first byte."""
    with writable.raw() as client:
        client.voidcmd("TYPE I")
        half = io.BytesIO()
        client.retrbinary("RETR tree/large", half.write, rest=2_000_000)
        assert half.getvalue() == DATA[2_000_000:]
        client.storbinary("STOR half", io.BytesIO(DATA[:2_000_000]))
        if writable.kind == "fsspec":  # type: ignore[attr-defined]
            with pytest.raises(error_perm, match="500"):
                client.storbinary("STOR half", io.BytesIO(DATA[2_000_000:]), rest=2_000_000)
            return
        client.storbinary("STOR half", io.BytesIO(DATA[2_000_000:]), rest=2_000_000)
    assert content(writable.storage, "/half") == DATA  # type: ignore[attr-defined]


def test_a_session_that_is_killed_leaves_nothing(
    writable: Served, session_pids: Callable[[Any], list[int]], grid: Sandbox
) -> None:
    """And the server goes on: what had the name before still has it."""
    storage: Storage = writable.storage  # type: ignore[attr-defined]
    with writable.raw() as client:
        client.storbinary("STOR killed", io.BytesIO(SMALL))
    with FTP() as client:
        client.connect("127.0.0.1", writable.port, timeout=30)
        client.login()
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR killed")
        data.sendall(DATA[:1_000_000])
        discarded = len(writable.told("discarded"))
        for pid in session_pids(writable.server._daemon):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(writable.told("discarded")) > discarded)
        data.close()
    assert content(storage, "/killed") == SMALL
    with writable.raw() as client:
        assert client.size("killed") == len(SMALL)


def test_a_client_that_is_killed_leaves_nothing(writable: Served) -> None:
    storage: Storage = writable.storage  # type: ignore[attr-defined]
    discarded = len(writable.told("discarded"))
    with FTP() as client:
        client.connect("127.0.0.1", writable.port, timeout=30)
        client.login()
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR cut")
        data.sendall(DATA[:1_000_000])
        client.close()
        wait_until(lambda: len(writable.told("discarded")) > discarded)
        data.close()
    with pytest.raises(FileNotFoundError):
        storage.stat("/cut")


# A directory ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def confined(grid: Sandbox, tmp_path: Path) -> Iterator[Served]:
    """A directory beside which there is a secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret")
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "d/file").write_text("public")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "out-file").symlink_to(tmp_path / "secret/file")
    (root / "up").symlink_to("..")
    (root / "d/far").symlink_to("../../secret")
    (root / "within").symlink_to("d")
    (root / "absolute").symlink_to("/etc")
    (root / "loop").symlink_to("loop")
    with serving(grid, directory=root) as served:
        served.root = root  # type: ignore[attr-defined]
        yield served


ESCAPES = [
    f"{prefix}{path}"
    for prefix in ("", "/", "/d/", "./", "//")
    for path in (
        "../secret/file",
        "../../secret/file",
        "d/../../secret/file",
        "d/./../../secret/file",
        "out/file",
        "out-file",
        "up/secret/file",
        "d/far/file",
        "within/far/file",
        "absolute/passwd",
        "loop",
        ".../secret/file",
    )
    if not (prefix == "/d/" and path in ("out-file", "loop"))  # these are new names there
]


def test_nothing_outside_can_be_reached(confined: Served, tmp_path: Path) -> None:
    with confined.raw() as client:
        client.voidcmd("TYPE I")
        assert client.size("within/file") == 6, "links that stay inside are followed"
        for path in ESCAPES:
            for verb in ("SIZE", "MDTM", "MLST", "DELE", "RMD", "SITE CHMOD 777", "CKSM MD5 0 -1"):
                if verb == "MLST" and path.endswith(("out-file", "loop")):
                    continue  # the link itself may be seen
                if verb == "DELE" and path.endswith(("out-file", "loop")):
                    continue  # and taken away
                with pytest.raises((error_perm, error_temp)) as caught:
                    pytest.fail(f"{verb} {path}: {client.sendcmd(f'{verb} {path}')}")
                assert str(tmp_path) not in str(caught.value)
            for verb in ("RETR", "STOR", "APPE"):
                with pytest.raises((error_perm, error_temp)):
                    client.ntransfercmd(f"{verb} {path}")[0].close()
                    pytest.fail(f"{verb} {path}: {client.voidresp()}")
        for names in (("d/file", "out/stolen"), ("out/file", "d/stolen")):
            with pytest.raises((error_perm, error_temp)):
                client.rename(*names)
    assert (tmp_path / "secret/file").read_text() == "secret"
    assert sorted(os.listdir(tmp_path / "secret")) == ["file"]
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
    assert len(ESCAPES) >= 40


def test_an_upload_is_hidden_until_it_is_whole(confined: Served) -> None:
    root: Path = confined.root  # type: ignore[attr-defined]
    with confined.raw() as client, confined.raw() as other:
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR d/new")
        data.sendall(DATA[:1_000_000])
        wait_until(lambda: bool(list((root / "d").glob(".new*"))))
        (hidden,) = (root / "d").glob(".new*")
        assert set(filter(None, other.nlst("d"))) == {".", "far", "file"}
        with pytest.raises(error_perm, match="550"):
            other.sendcmd(f"SIZE d/{hidden.name}")
        data.sendall(DATA[1_000_000:])
        data.close()
        client.voidresp()
    assert (root / "d/new").read_bytes() == DATA
    assert not hidden.exists()


def test_two_uploads_of_one_name(confined: Served) -> None:
    root: Path = confined.root  # type: ignore[attr-defined]
    with confined.raw() as first, confined.raw() as second:
        streams = []
        for client in (first, second):
            client.voidcmd("TYPE I")
            streams.append(client.transfercmd("STOR both"))
            streams[-1].sendall(DATA[:500_000])
        for client, stream in zip((first, second), streams, strict=True):
            stream.sendall(DATA[500_000:])
            stream.close()
            client.voidresp()
    assert (root / "both").read_bytes() == DATA
    assert not list(root.glob(".both*"))


def test_an_upload_that_failed_is_gone_on_with(confined: Served, copy: CommandRunner, tmp_path: Path) -> None:
    root: Path = confined.root  # type: ignore[attr-defined]
    with FTP() as client:
        client.connect("127.0.0.1", confined.port, timeout=30)
        client.login()
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR later")
        data.sendall(DATA[:1_500_000])
        wait_until(lambda: any(each.stat().st_size > 1_000_000 for each in root.glob(".later*")))
        client.close()
        wait_until(lambda: bool(confined.told("discarded")))
        data.close()
    assert not (root / "later").exists()
    with confined.raw() as client:
        client.voidcmd("TYPE I")
        client.storbinary("STOR later", io.BytesIO(DATA[1_000_000:]), rest=1_000_000)
    assert (root / "later").read_bytes() == DATA
    assert not list(root.glob(".later*"))


def test_times_and_modes(confined: Served, copy: CommandRunner, tmp_path: Path) -> None:
    root: Path = confined.root  # type: ignore[attr-defined]
    (tmp_path / "sent").write_bytes(SMALL)
    (tmp_path / "sent").chmod(0o640)
    os.utime(tmp_path / "sent", (1e9, 1e9))
    copy("-preserve", tmp_path / "sent", confined.url("kept"))
    status = (root / "kept").stat()
    assert (status.st_mtime, status.st_mode & 0o777) == (1e9, 0o640)


def test_read_only(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SMALL)
    with serving(grid, directory=tmp_path, read_only=True) as served, served.raw() as client:
        got = io.BytesIO()
        client.retrbinary("RETR file", got.write)
        assert got.getvalue() == SMALL
        for line in ("DELE file", "MKD d", "SITE CHMOD 777 file", "SITE RDEL file"):
            with pytest.raises(error_perm, match="550"):
                client.sendcmd(line)
    assert os.listdir(tmp_path) == ["file"]


# Storages that fail ---------------------------------------------------------------------------------------------------


class Wicked(Storage):
    """What each path does is its name."""

    def login(self, visitor: Visitor) -> None:
        if visitor.identity == ADA:
            raise PermissionError("not you")

    def stat(self, path: str, follow: bool = True) -> Entry:
        name = path.rpartition("/")[2] or "/"
        number = getattr(errno, name, None)
        if number is not None:
            raise OSError(number, os.strerror(number), "/very/secret/path")
        if name == "crash":
            raise RuntimeError("/very/secret/path\r\n550 forged")
        if name == "hang":
            time.sleep(3)
        if name == "wrong":
            return None  # type: ignore[return-value]
        return Entry(name, DIRECTORY | 0o755 if name == "/" else REGULAR | 0o644, 100)

    def listdir(self, path: str) -> Iterator[Entry]:
        yield Entry("fine", REGULAR | 0o644, 1)
        if path == "/":
            yield Entry("line\r\nbreak", REGULAR | 0o644, 1)

    def open_read(self, path: str) -> Any:
        return WickedReader(path[1:])

    def open_write(self, path: str, truncate: bool, size: int | None) -> Any:
        return WickedWriter(path[1:])


class WickedReader:
    descriptor = None

    def __init__(self, name: str) -> None:
        self.name = name

    def read_into(self, buffer: memoryview, offset: int) -> Any:
        if self.name == "more":
            return len(buffer) + 1
        if self.name == "less":
            return -1
        if self.name == "text":
            return "many"
        if self.name == "short":  # than it has said, by small pieces
            piece = b"x" * min(7, max(0, 50 - offset))
            buffer[: len(piece)] = piece
            return len(piece)
        if self.name == "middle" and offset > 0:
            raise OSError(errno.EIO, "/very/secret/path")
        if self.name == "slow":
            time.sleep(3)
        return 0 if offset >= 1 << 20 else len(buffer)

    def close(self) -> None:
        if self.name == "close":
            raise RuntimeError("close")


class WickedWriter:
    descriptor = None
    ordered = False

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, data: memoryview, offset: int) -> None:
        if self.name == "full" and offset > 0:
            raise OSError(errno.ENOSPC, "no room in /very/secret/path")
        if self.name == "kept":
            self.view = data  # against the rules

    def commit(self, modified: float | None) -> None:
        if self.name == "late":
            raise OSError(errno.EDQUOT, "/very/secret/path")

    def discard(self) -> None:
        if self.name == "full":
            raise RuntimeError("discard")


@pytest.fixture(scope="module")
def wicked(grid: Sandbox) -> Iterator[Served]:
    with serving(grid, storage=Wicked(), patience=1) as served:
        yield served


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ENOENT", "550.*PATH_NOT_FOUND"),
        ("EACCES", "550.*PERMISSION_DENIED"),
        ("EEXIST", "553.*PATH_EXISTS"),
        ("ENOTDIR", "553.*NOT_A_DIRECTORY"),
        ("EBUSY", "451.*TOO_BUSY"),
        ("EIO", "500.*INTERNAL_ERROR"),
        ("crash", "500.*INTERNAL_ERROR"),
        ("wrong", "500.*INTERNAL_ERROR"),
        ("hang", "500.*INTERNAL_ERROR.*does not answer"),
    ],
)
def test_what_a_client_is_told(wicked: Served, name: str, words: str) -> None:
    with wicked.raw() as client:
        with pytest.raises((error_perm, error_temp), match=f"(?s){words}") as caught:
            client.sendcmd(f"MLST /{name}")
        assert "secret" not in str(caught.value)
        assert "forged" not in str(caught.value)


@pytest.mark.parametrize("name", ["more", "less", "text", "middle", "slow"])
def test_a_reader_that_fails(wicked: Served, name: str) -> None:
    got = io.BytesIO()
    with wicked.raw() as client:
        client.voidcmd("TYPE I")
        with pytest.raises((error_perm, error_temp)) as caught:
            client.retrbinary(f"RETR {name}", got.write)
        assert "secret" not in str(caught.value)
    with wicked.raw() as client:
        client.voidcmd("TYPE I")
        assert client.size("fine") == 100, "the server goes on"


def test_a_file_shorter_than_it_was_said_to_be(wicked: Served, copy: CommandRunner, tmp_path: Path) -> None:
    done = copy(wicked.url("short", "ftp"), tmp_path / "got", check=False)
    assert done.returncode == 74
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize(("name", "code"), [("full", "451"), ("late", "451"), ("kept", None)])
def test_a_writer_that_fails(wicked: Served, name: str, code: str | None) -> None:
    with wicked.raw() as client:
        client.voidcmd("TYPE I")
        if code is None:
            client.storbinary(f"STOR {name}", io.BytesIO(DATA))
            return
        with pytest.raises((error_temp, error_perm, ConnectionError, BrokenPipeError)) as caught:
            client.storbinary(f"STOR {name}", io.BytesIO(DATA))
        if isinstance(caught.value, ConnectionError):  # the refusal came while bytes were sent: it is the next reply
            with pytest.raises((error_temp, error_perm)) as caught:
                client.voidresp()
        assert str(caught.value).startswith(code)
        assert "secret" not in str(caught.value)


def test_names_that_would_forge_a_listing(wicked: Served) -> None:
    lines: list[str] = []
    with wicked.raw() as client:
        client.retrlines("MLSD /", lines.append)
    assert not [line for line in lines if line.startswith("break")]


def test_a_storage_refuses_a_login(wicked: Served, copy: CommandRunner, tmp_path: Path) -> None:
    done = copy(wicked.url("fine"), tmp_path / "got", check=False)
    assert done.returncode == 77
    assert [facts["identity"] for facts in wicked.told("failed") if facts["verb"] == "hello"][:1] == [""]


# Storages by themselves -----------------------------------------------------------------------------------------------


def test_memory_has_a_limit() -> None:
    storage = Memory(100)
    writer = storage.open_write("/a", True, None)
    writer.write(memoryview(bytes(80)), 0)
    with pytest.raises(OSError, match="No space"):
        writer.write(memoryview(bytes(80)), 80)
    writer.discard()
    for _ in range(3):
        writer = storage.open_write("/a", True, None)
        writer.write(memoryview(bytes(50)), 0)
        writer.commit(None)
    storage.unlink("/a")
    storage.take(100)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_archives(kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/large").write_bytes(DATA)
    (tree / "d/e/small").write_bytes(SMALL)
    (tree / "link").symlink_to("d/e")
    (tree / "out").symlink_to("/etc/passwd")
    (tree / "up").symlink_to("../../..")
    path = tmp_path / f"it.{kind}"
    if kind == "zip":
        subprocess.run([sys.executable, "-m", "zipfile", "-c", path, f"{tree}/d"], check=True)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as wound:
            wound.add(tree, "tree")
    storage = Archive(path)
    base = "" if kind == "zip" else "/tree"
    assert content(storage, f"{base}/d/large") == DATA
    assert content(storage, f"{base}/d/e/small") == SMALL
    assert {each.name for each in storage.listdir(f"{base}/d")} == {"e", "large"}
    reader = storage.open_read(f"{base}/d/large")
    block = memoryview(bytearray(1000))
    for offset in (2_000_000, 1000, 3_000_000):
        assert reader.read_into(block, offset) > 0
        assert bytes(block[:100]) == DATA[offset : offset + 100]
    reader.close()
    if kind != "zip":
        assert content(storage, "/tree/link/small") == SMALL
        for lost in ("/tree/out", "/tree/up/etc/passwd", "/tree/nothing"):
            with pytest.raises(FileNotFoundError):
                storage.open_read(lost)
    with pytest.raises(OSError, match="Read-only"):
        storage.mkdir("/x")


@pytest.mark.parametrize(
    ("words", "kind", "what"),
    [
        ("nonsense", errors.UsageError, "MODULE:CLASS"),
        ("no.such.module:X", errors.ConfigurationError, "No module"),
        ("os:path", errors.ConfigurationError, "not callable"),
        ("collections:OrderedDict", errors.ConfigurationError, "does not derive"),
        ("memory:lots", errors.ConfigurationError, "invalid literal"),
        ("archive:/etc/passwd", errors.ConfigurationError, ""),
        ("directory:/no/such", errors.ConfigurationError, "No such file"),
        ("fsspec:nothing://x", errors.ConfigurationError, "not known"),
    ],
)
def test_storages_that_cannot_be_had(words: str, kind: type[errors.Error], what: str) -> None:
    with pytest.raises(kind) as caught:
        load(words)
    assert what in str(caught.value)


def test_many_sessions_at_once(grid: Sandbox) -> None:
    """Fifty, and then many more one after the other: memory and descriptors stay what they were."""
    storage = Memory()
    storage.put("/small", SMALL, None)
    with serving(grid, storage=storage, connections=60) as served:
        failures: list[BaseException] = []

        def use() -> None:
            try:
                with served.raw() as client:
                    got = io.BytesIO()
                    client.retrbinary("RETR small", got.write)
                    assert got.getvalue() == SMALL
                    together.wait(30)
            except BaseException as error:
                failures.append(error)

        together = threading.Barrier(50)
        threads = [threading.Thread(target=use) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        host = served.server._host
        assert host is not None
        wait_until(lambda: host.sessions == 0)
        before = len(os.listdir("/proc/self/fd"))
        together = threading.Barrier(1)
        for _ in range(30):
            use()
        assert not failures
        wait_until(lambda: host.sessions == 0)
        assert len(os.listdir("/proc/self/fd")) <= before
        wait_until(lambda: served.server.sessions == 0)


def test_a_transfer_in_python(grid: Sandbox, as_user: None, tmp_path: Path) -> None:
    storage = Memory()
    (tmp_path / "sent").write_bytes(DATA)
    with serving(grid, storage=storage) as served:
        Transfer(str(tmp_path / "sent"), served.url("x"), Options(verify=True)).run()
    assert content(storage, "/x") == DATA

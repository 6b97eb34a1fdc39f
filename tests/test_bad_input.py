# SPDX-License-Identifier: Apache-2.0
"""What goes wrong for users every day: each ends with its exit code, one line that says what and why, at most one line
of advice, and nothing under the final name that is not whole.
"""

from __future__ import annotations

import datetime as dt
import http.server
import os
import pwd
import resource
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.sandbox.authority import Authority, Issued

Runner = Callable[..., "subprocess.CompletedProcess[str]"]
SHORT = b"a few bytes\n"
ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Scene:
    """A file on each side, and the addresses of all who could be asked for one. ``names`` fill the cases in."""

    here: Path
    there: Path
    names: dict[str, str]

    def fill(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def files(self) -> dict[str, bytes | None]:
        """All there is on both sides."""
        paths = [path for top in (self.here, self.there) for path in top.rglob("*")]
        readable = {path for path in paths if path.is_file() and os.access(path, os.R_OK)}
        return {str(path): path.read_bytes() if path in readable else None for path in paths}


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port of our own; ``serve`` gets each connection in a thread."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


def greet(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    while connection.recv(1000):
        pass


class Web(http.server.BaseHTTPRequestHandler):
    """A web server that breaks its word on ``/short`` and has nothing else."""

    def do_GET(self) -> None:
        if self.path != "/short":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 500)

    def do_PUT(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Ports: ``closed``, ``silent`` (takes connections and says nothing), ``ssh``, ``web``."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        closed = once.getsockname()[1]
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    with listening(lambda connection: connection.recv(1)) as silent, listening(greet) as ssh, web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        ports = {"closed": closed, "silent": silent, "ssh": ssh, "web": web.server_port}
        yield {name: f"localhost:{port}" for name, port in ports.items()}
        web.shutdown()


@pytest.fixture(scope="module")
def misnamed(grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose certificate is for another host."""
    directory = tmp_path_factory.mktemp("misnamed")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    grid.authority.issue_host("other.example", hosts=("other.example",)).save(certificate, key)
    with grid.start_gridftp(env={"X509_USER_CERT": str(certificate), "X509_USER_KEY": str(key)}) as server:
        yield server


@pytest.fixture
def scene(grid: Sandbox, misnamed: Server, addresses: dict[str, str], served: Path, tmp_path: Path) -> Scene:
    here = tmp_path / "here"
    here.mkdir()
    for place in (here, served):
        (place / "file").write_bytes(SHORT)
        (place / "file").chmod(0o644)
        (place / "dir").mkdir()
    (served / "secret").write_bytes(SHORT)
    (served / "secret").chmod(0)
    (served / "locked").mkdir()
    (served / "locked").chmod(0o555)
    if ROOT:
        os.chown(served / "dir", pwd.getpwnam(grid.user.account).pw_uid, -1)
    (here / "link").symlink_to("file")
    (here / "hard").hardlink_to(here / "file")
    (served / "link").symlink_to("file")
    names = {
        "here": str(here),
        "there": str(served),
        "gsi": grid.gsiftp_url(served),
        "ftp": grid.ftp_url(served),
        "gsi-host": f"localhost:{grid.servers['gridftp'].port}",
        "ftp-host": f"localhost:{grid.servers['ftp'].port}",
        "misnamed": grid.gsiftp_url(served, misnamed),
        "name": "n" * 256,
        "long": "x" * 65536,
        **addresses,
    }
    return Scene(here, served, names)


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert lines[0].startswith("pyglobus-url-copy: "), done.stderr
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), done.stderr
    for word in words:
        assert word in lines[0], done.stderr


CASES: dict[str, tuple[str, str, int, tuple[str, ...]]] = {
    # Servers
    "wrong-host-put": ("{here}/file", "{misnamed}/new", 77, ("other.example", "localhost")),
    "wrong-host-get": ("{misnamed}/file", "{here}/new", 77, ("other.example", "localhost")),
    "closed-gsiftp": ("{here}/file", "gsiftp://{closed}/new", 75, ("refused",)),
    "closed-ftp": ("ftp://{closed}/file", "{here}/new", 75, ("refused",)),
    "closed-http": ("http://{closed}/file", "{here}/new", 75, ("http://{closed}/file",)),
    "closed-third-party": ("{gsi}/file", "gsiftp://{closed}/new", 75, ("refused", "gsiftp://{closed}/new")),
    "silent-gsiftp": ("{here}/file", "gsiftp://{silent}/new", 75, ("no answer within 1 s",)),
    "silent-ftp": ("ftp://{silent}/file", "{here}/new", 75, ("no answer within 1 s",)),
    "silent-http": ("http://{silent}/file", "{here}/new", 75, ("no answer within 1 s",)),
    "silent-https": ("https://{silent}/file", "{here}/new", 75, ("no answer within 1 s",)),
    "web-as-gsiftp": ("{here}/file", "gsiftp://{web}/new", 75, ("no answer within 1 s",)),
    "web-as-ftp": ("ftp://{web}/file", "{here}/new", 75, ("no answer within 1 s",)),
    "ssh-as-gsiftp": ("{here}/file", "gsiftp://{ssh}/new", 69, ("not a GridFTP or FTP server",)),
    "ssh-as-ftp": ("ftp://{ssh}/file", "{here}/new", 69, ("not a GridFTP or FTP server",)),
    "ssh-as-http": ("http://{ssh}/file", "{here}/new", 69, ("not an HTTP server",)),
    "gsiftp-as-http": ("{here}/file", "http://{gsi-host}/new", 69, ("http://{gsi-host}/new",)),
    "unknown-host": ("gsiftp://no-such-host.invalid/file", "{here}/new", 66, ("no-such-host.invalid",)),
    "short-http": ("http://{web}/short", "{here}/new", 74, ("500 of 1000 bytes",)),
    "refusing-http": ("{here}/file", "http://{web}/new", 69, ("refused the request",)),
    # Sources and destinations
    "missing-local": ("{here}/nothing", "{gsi}/new", 66, ("{here}/nothing", "no such file")),
    "missing-file-url": ("file://{here}/nothing", "{gsi}/new", 66, ("no such file",)),
    "missing-gsiftp": ("{gsi}/nothing", "{here}/new", 66, ("{gsi}/nothing", "no such file")),
    "missing-ftp": ("{ftp}/nothing", "{here}/new", 66, ("no such file",)),
    "missing-http": ("http://{web}/nothing", "{here}/new", 66, ("does not know this path",)),
    "missing-third-party": ("{gsi}/nothing", "{ftp}/new", 66, ("{gsi}/nothing",)),
    "no-directory-local": ("{gsi}/file", "{here}/nothing/new", 73, ("directory does not exist",)),
    "no-directory-gsiftp": ("{here}/file", "{gsi}/nothing/new", 73, ("directory does not exist",)),
    "no-directory-ftp": ("{here}/file", "{ftp}/nothing/new", 73, ("directory does not exist",)),
    "no-directory-third-party": ("{gsi}/file", "{ftp}/nothing/new", 73, ("directory does not exist", "{ftp}")),
    "file-as-directory": ("{gsi}/file", "{here}/file/new", 73, ()),
    "unreadable-remote": ("{gsi}/secret", "{here}/new", 77, ("permission denied",)),
    "unwritable-remote": ("{here}/file", "{gsi}/locked/new", 77, ("permission denied",)),
    "unwritable-directory": ("-cd {here}/file", "{gsi}/locked/dir/new", 77, ("permission denied",)),
    "outside-of-what-is-served": ("{here}/file", "ftp://{ftp-host}/etc/new", 77, ()),
    "local-directory": ("{here}/dir", "{gsi}/new", 2, ("directory", "-r")),
    "remote-directory": ("{gsi}/dir", "{here}/new", 2, ("directory", "-r")),
    "directory-with-slash": ("{gsi}/dir/", "{here}/new", 2, ("must be a directory",)),
    "to-a-remote-directory": ("{here}/file", "{gsi}/dir", 73, ("it is a directory",)),
    "name-too-long-local": ("{gsi}/file", "{here}/{name}", 73, ("too long",)),
    "name-too-long-remote": ("{here}/file", "{gsi}/{name}", 73, ("too long",)),
    "name-too-long-source": ("{here}/{name}", "{gsi}/new", 66, ("too long",)),
    # The same file twice
    "same-path": ("{here}/file", "{here}/file", 2, ("onto itself",)),
    "same-path-as-url": ("{here}/file", "file://{here}/./file", 2, ("onto itself",)),
    "same-by-symbolic-link": ("{here}/link", "{here}/file", 2, ("onto itself",)),
    "same-by-hard-link": ("{here}/hard", "{here}/file", 2, ("onto itself",)),
    "same-url": ("{gsi}/file", "{gsi}/file", 2, ("onto itself",)),
    "same-by-remote-link": ("{gsi}/link", "{gsi}/file", 2, ("onto itself",)),
    "same-by-another-server": ("{gsi}/file", "{ftp}/file", 2, ("onto itself",)),
    # URLs and values
    "unknown-scheme": ("{here}/file", "gopher://h/new", 2, ("gopher",)),
    "nul": ("{here}/file", "{gsi}/a%00b", 2, ("NUL",)),
    "command-in-a-path": ("{ftp}/file%0d%0aDELE%20{there}/file", "{here}/new", 2, ("line break",)),
    "very-long": ("{here}/file", "{gsi}/{long}", 2, ("65536",)),
    "empty": ("{here}/file", "", 2, ("empty",)),
    "no-streams": ("-p -1 {here}/file", "{gsi}/new", 2, ("-p",)),
    "half-a-stream": ("-p 1.5 {here}/file", "{gsi}/new", 2, ("-p",)),
    "too-many-streams": ("-p 100000 {here}/file", "{gsi}/new", 2, ("100000",)),
    "offset-no-number": ("-off abc {here}/file", "{gsi}/new", 2, ("-off",)),
    "offset-negative": ("-off -1 {here}/file", "{gsi}/new", 2, ("-off",)),
    "offset-beyond-local": ("-off 13 {here}/file", "{gsi}/new", 2, ("only 12 bytes",)),
    "offset-beyond-remote": ("-off 13 {gsi}/file", "{here}/new", 2, ("only 12 bytes",)),
    "length-no-number": ("-len x {here}/file", "{gsi}/new", 2, ("-len",)),
    "length-huge": (f"-off 1 -len {1 << 62} {{here}}/file", "{gsi}/new", 2, ("length",)),
    "part-of-http": ("-off 1 http://{web}/file", "{here}/new", 69, ("part",)),
    "part-of-a-stream": ("-len 1 -", "{here}/new", 69, ("part",)),
    "checksum-of-http": ("-verify-checksum http://{web}/short", "{here}/new", 69, ("checksum",)),
    "checksum-unknown": ("-verify-checksum -checksum-alg crc7 {here}/file", "{gsi}/new", 2, ("crc7",)),
    "credential-missing": ("-cred {here}/nothing {here}/file", "{gsi}/new", 66, ("{here}/nothing",)),
    "wrong-subject": ("-ds /O=Grid/CN=nobody {here}/file", "{gsi}/new", 77, ("/O=Grid/CN=nobody",)),
    "name-for-http": ("http://ada:secret@{web}/file", "{here}/new", 69, ("http://ada@{web}/file", "not told names")),
    "one-argument": ("{here}/file", "--", 2, ("missing DEST",)),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str, scene: Scene, grid: Sandbox, copy: Runner) -> None:
    first, last, code, words = CASES[case]
    patience = ("--connect-timeout", "1") if "no answer within 1 s" in words else ()
    arguments = [*first.split(" "), last] if not first.startswith("{ftp}/file%0d") else [first, last]
    before = scene.files()
    done = copy(*patience, *map(scene.fill, arguments), check=False, stdin=subprocess.DEVNULL)
    assert_refused(done, code, *map(scene.fill, words))
    assert scene.files() == before


def test_nothing_is_given(copy: Runner) -> None:
    assert_refused(copy(check=False), 2, "missing SOURCE")


@pytest.mark.parametrize("end", ["reader", "writer"])
def test_nobody_opens_the_other_end_of_a_fifo(end: str, scene: Scene, copy: Runner) -> None:
    os.mkfifo(scene.here / "fifo")
    file, fifo = scene.fill("{gsi}/file"), str(scene.here / "fifo")
    ends = (file, fifo) if end == "reader" else (fifo, file)
    assert_refused(copy("--timeout", "1", *ends, check=False), 124, "deadline")


@pytest.mark.parametrize("end", ["reader", "writer"])
def test_the_other_end_of_a_fifo_comes_late(end: str, scene: Scene, copy: Runner) -> None:
    fifo = scene.here / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        if end == "writer":
            running = pool.submit(copy, fifo, scene.fill("{gsi}/new"))
            with fifo.open("wb") as late:
                late.write(b"late")
            running.result()
            assert (scene.there / "new").read_bytes() == b"late"
        else:
            running = pool.submit(copy, scene.fill("{gsi}/file"), fifo)
            assert fifo.read_bytes() == (scene.there / "file").read_bytes()
            running.result()


# Credentials ----------------------------------------------------------------------------------------------------------


def expired(grid: Sandbox, path: Path) -> str:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    user = Issued.load(grid.user.certificate, grid.user.key)
    user.proxy(not_before=now - dt.timedelta(minutes=2), not_after=now - dt.timedelta(minutes=1)).save_proxy(path)
    return "expired"


def of_another_authority(grid: Sandbox, path: Path) -> str:
    Authority.create("/O=Other").issue("/O=Other/CN=Eve").proxy().save_proxy(path)
    return "server"


def readable_by_all(grid: Sandbox, path: Path) -> str:
    shutil.copy(grid.user.proxy, path)
    path.chmod(0o644)
    return "0644"


def missing(grid: Sandbox, path: Path) -> str:
    return str(path)


def empty(grid: Sandbox, path: Path) -> str:
    path.touch(mode=0o600)
    return "empty"


def no_pem(grid: Sandbox, path: Path) -> str:
    path.write_bytes(os.urandom(2000))
    path.chmod(0o600)
    return "PEM"


@pytest.mark.parametrize("direction", ["put", "get"])
@pytest.mark.parametrize("make", [missing, expired, of_another_authority, readable_by_all, empty, no_pem])
def test_proxy_is_no_good(
    make: Callable[[Sandbox, Path], str], direction: str, grid: Sandbox, scene: Scene, copy: Runner
) -> None:
    proxy = scene.here.parent / "proxy.pem"
    word = make(grid, proxy)
    before = scene.files()
    here, there = f"{scene.here}/", scene.names["gsi"] + "/"
    ends = (here + "file", there + "new") if direction == "put" else (there + "file", here + "new")
    done = copy(*ends, env={"X509_USER_PROXY": str(proxy)}, check=False)
    assert_refused(done, 77, word)
    assert scene.files() == before


# Rights of an ordinary user -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["unreadable", "unwritable", "read-only"])
def test_local_file_is_not_for_us(way: str, grid: Sandbox, ordinary_user: Any, served: Path) -> None:
    """Root may do everything: somebody else has to try."""
    home: Path = ordinary_user.home
    file = home / f"{way}-file"
    file.write_bytes(b"old")
    file.chmod(0 if way == "unreadable" else 0o444)
    directory = home / f"{way}-dir"
    directory.mkdir(mode=0o555)
    if ROOT:
        for path in (file, directory):
            os.chown(path, ordinary_user.account.pw_uid, -1)
    (served / "file").write_bytes(SHORT)
    (served / "file").chmod(0o644)
    ends = {
        "unreadable": (str(file), grid.ftp_url(served / "new")),
        "unwritable": (grid.ftp_url(served / "file"), f"{directory}/new"),
        "read-only": (grid.ftp_url(served / "file"), str(file)),
    }[way]
    program = "import sys; from pyglobus.cli.main import url_copy; sys.exit(url_copy())"
    done = ordinary_user.run("python", "-c", program, *ends, check=False)
    assert_refused(done, 77, "permission denied")
    assert list(directory.iterdir()) == []
    assert not (served / "new").exists()
    assert file.stat().st_size == 3


# Full disks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def megabyte(tmp_path: Path) -> Path:
    path = tmp_path / "megabyte"
    path.write_bytes(os.urandom(1 << 20))
    path.chmod(0o644)
    return path


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(path)]
    if not ROOT or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize("scheme", ["gsi", "ftp", "file"])
def test_local_disk_is_full(scheme: str, scene: Scene, megabyte: Path, copy: Runner, tmp_path: Path) -> None:
    shutil.copy(megabyte, scene.there / "megabyte")
    source = str(megabyte) if scheme == "file" else scene.names[scheme] + "/megabyte"
    with small_disk(tmp_path / "disk") as disk:
        assert_refused(copy(source, f"{disk}/new", check=False), 74, "no space is left")
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("scheme", ["gsi", "ftp", "file"])
def test_local_file_may_not_grow(scheme: str, scene: Scene, megabyte: Path, copy: Runner, tmp_path: Path) -> None:
    shutil.copy(megabyte, scene.there / "megabyte")
    source = str(megabyte) if scheme == "file" else scene.names[scheme] + "/megabyte"
    before = scene.files()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))

    assert_refused(copy(source, f"{scene.here}/new", check=False, preexec_fn=limit), 74, "larger than")
    assert scene.files() == before


def test_remote_disk_is_full(grid: Sandbox, scene: Scene, megabyte: Path, copy: Runner) -> None:
    with small_disk(scene.there / "disk") as disk:
        assert_refused(copy(megabyte, f"{scene.names['gsi']}/disk/new", check=False), 74, "no space is left")
        assert list(disk.iterdir()) == []


def test_remote_file_may_not_grow(grid: Sandbox, scene: Scene, megabyte: Path, copy: Runner) -> None:
    """The server dies of the signal, or says what is wrong: either way no half of a file may stay. Several times, since
    the library may lose the last buffer if the refusal crosses it.
    """
    with grid.start_gridftp() as server:
        assert server.process is not None
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
        for _ in range(5):
            done = copy(megabyte, grid.gsiftp_url(scene.there / "new", server), check=False)
            assert_refused(done, done.returncode)
            assert done.returncode in (74, 75)
            assert not (scene.there / "new").exists()


# Streams --------------------------------------------------------------------------------------------------------------


def test_standard_input_is_closed(scene: Scene, copy: Runner) -> None:
    before = scene.files()
    done = copy("-", f"{scene.names['gsi']}/new", check=False, preexec_fn=lambda: os.close(0))
    assert_refused(done, 74, "standard input")
    assert scene.files() == before


@pytest.mark.parametrize("source", ["{gsi}/file", "{ftp}/file", "{here}/file", "http://{web}/short"])
def test_standard_output_is_closed(source: str, scene: Scene, copy: Runner) -> None:
    assert_refused(copy(scene.fill(source), "-", check=False, preexec_fn=lambda: os.close(1)), 74, "standard output")


@pytest.mark.parametrize("source", ["{gsi}/file", "{ftp}/file", "{here}/file", "http://{web}/short"])
def test_nobody_reads_standard_output(source: str, scene: Scene, copy: Runner) -> None:
    """As with any filter: no word, and the exit status of the signal."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = copy(scene.fill(source), "-", check=False, stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (-13, "")


# What looks like a fault and is none ----------------------------------------------------------------------------------


def test_local_directory_gets_the_name_of_the_source(scene: Scene, copy: Runner) -> None:
    copy(f"{scene.names['gsi']}/file", scene.here / "dir")
    assert (scene.here / "dir" / "file").read_bytes() == SHORT


@pytest.mark.parametrize("scheme", ["gsi", "ftp"])
def test_directories_are_made_with_cd(scheme: str, scene: Scene, copy: Runner) -> None:
    copy("-cd", scene.here / "file", f"{scene.names[scheme]}/a/b/new")
    assert (scene.there / "a" / "b" / "new").read_bytes() == SHORT
    copy("-cd", f"{scene.names[scheme]}/file", scene.here / "a" / "b" / "new")
    assert (scene.here / "a" / "b" / "new").read_bytes() == SHORT

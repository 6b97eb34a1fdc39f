# SPDX-License-Identifier: Apache-2.0
"""Every pair of schemes, every kind of name, every part: what arrives is what was meant, and the C tool agrees."""

from __future__ import annotations

import http.server
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.session import Session
from pyglobus.core.transfer import Transfer

Runner = Callable[..., "subprocess.CompletedProcess[Any]"]
SCHEMES = ("path", "file", "gsiftp", "ftp", "http", "https")
#: More than any buffer, and not a whole number of them.
pytestmark = pytest.mark.usefixtures("as_user")
CONTENT = os.urandom(3_000_001)
NAMES = [
    b"plain",
    b"two words",
    b"100%",
    b"%41",
    b"%2e%2e",
    b"#1",
    b"what?",
    b"a?b=c&d",
    b"it's",
    b'say "x"',
    b"semi;colon,comma",
    b"back\\slash",
    b"plus+and&",
    b"<angle>|bar`",
    b"~",
    b"~tilde",
    b"-dash",
    b"star*",
    b"[set]",
    b"a:b@c",
    b" lead and trail ",
    b"\xc3\xbc\xe2\x82\xac",
    b"bytes\xff\xfe",
    b"tab\there",
    b"x" * 255,
]


class Files(http.server.BaseHTTPRequestHandler):
    """A web server over a directory, which takes names for the bytes they are."""

    top: bytes

    def path_of(self) -> bytes:
        return self.top + b"/" + unquote_to_bytes(self.path.partition("?")[0]).removeprefix(b"/")

    def do_GET(self) -> None:
        try:
            content = Path(os.fsdecode(self.path_of())).read_bytes()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self) -> None:
        with open(self.path_of(), "wb") as file:
            while length := int(self.rfile.readline(), 16):
                file.write(self.rfile.read(length))
                self.rfile.readline()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serve_files(top: Path) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Files,), {"top": os.fsencode(top)}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def session(grid: Sandbox) -> Iterator[Session]:
    """One session for all: connections stay open, and no fault may spoil them for the next."""
    with Session() as session:
        yield session


@pytest.fixture(scope="module")
def gass(grid: Sandbox) -> Iterator[str]:
    """The address of a GASS server, which serves all files to the user alone."""
    if shutil.which("globus-gass-server") is None:
        pytest.skip("package globus-gass-server-ez-progs is not installed")
    with subprocess.Popen(
        ["globus-gass-server", "-r", "-w"], env=grid.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0], "it does not tell its address"
        address = process.stdout.readline().decode().strip()
        assert address.startswith("https://")
        yield address
        process.terminate()


@pytest.fixture
def place(
    grid: Sandbox, gass: str, served: Path, tmp_path: Path
) -> Iterator[Callable[[str, str | bytes], tuple[str, Path]]]:
    """A file at the end of a scheme: its URL, and its path on this machine."""
    web = serve_files(tmp_path)

    def at(scheme: str, name: str | bytes) -> tuple[str, Path]:
        remote = scheme in ("gsiftp", "ftp")
        path = (served if remote else tmp_path) / os.fsdecode(name)
        url = {
            "path": str(path),
            "file": f"file://{quote(os.fsencode(path))}",
            "gsiftp": grid.gsiftp_url(path),
            "ftp": grid.ftp_url(path),
            "http": f"http://localhost:{web.server_port}/{quote(os.fsencode(path.name))}",
            "https": f"{gass}{quote(os.fsencode(path))}",
        }[scheme]
        return url, path

    yield at
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize("destination", SCHEMES)
@pytest.mark.parametrize("source", SCHEMES)
def test_each_to_each(
    source: str, destination: str, place: Callable[[str, str], tuple[str, Path]], session: Session
) -> None:
    source_url, source_path = place(source, "source")
    target_url, target_path = place(destination, "target")
    source_path.write_bytes(CONTENT)
    source_path.chmod(0o644)
    result = Transfer(source_url, target_url, session=session).run()
    assert target_path.read_bytes() == CONTENT
    assert result.bytes == len(CONTENT)


@pytest.mark.parametrize("size", [0, 1, len(CONTENT)])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_standard_input_and_output(
    scheme: str, size: int, place: Callable[[str, str], tuple[str, Path]], copy: Runner
) -> None:
    url, path = place(scheme, "file")
    copy("-", url, input=CONTENT[:size], text=None, errors=None)
    assert path.read_bytes() == CONTENT[:size]
    path.chmod(0o644)
    assert copy(url, "-", text=None, errors=None).stdout == CONTENT[:size]


def test_standard_input_to_standard_output(copy: Runner) -> None:
    assert copy("-", "-", input=CONTENT, text=None, errors=None).stdout == CONTENT


@pytest.mark.parametrize("scheme", ["path", "gsiftp", "ftp", "http", "https"])
def test_streams_that_are_files_are_used_where_they_stand(
    scheme: str, place: Callable[[str, str], tuple[str, Path]], copy: Runner, tmp_path: Path
) -> None:
    """(read line; copy - URL; copy URL -) <in >out, with something before and after."""
    url, path = place(scheme, "file")
    (tmp_path / "in").write_bytes(b"first line\nrest\n")
    with (tmp_path / "in").open("rb", buffering=0) as reading, (tmp_path / "out").open("wb", buffering=0) as writing:
        reading.seek(11)
        copy("-", url, stdin=reading)
        assert path.read_bytes() == b"rest\n"
        path.chmod(0o644)
        writing.write(b"before\n")
        copy(url, "-", stdout=writing)
        copy(url, "-", stdout=writing)
        writing.write(b"after\n")
    assert (tmp_path / "out").read_bytes() == b"before\nrest\nrest\nafter\n"


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names(name: bytes, place: Callable[[str, bytes], tuple[str, Path]], session: Session) -> None:
    """Around by all schemes: only the right name will do at each of them."""
    tour: tuple[str, ...] = ("path", "gsiftp", "file", "ftp", "gsiftp", "http", "path", "https")
    if not name.isascii():
        tour = tuple(scheme for scheme in tour if scheme != "ftp")
    source_url, path = place(tour[0], name)
    path.write_bytes(name)
    for scheme in tour[1:]:
        target_url, target = place(scheme, name)
        if target != path:
            target.unlink(missing_ok=True)
            Transfer(source_url, target_url, session=session).run()
            assert target.read_bytes() == name
        source_url = target_url
        path = target


@pytest.mark.parametrize("direction", ["put", "get", "third-party"])
def test_name_that_the_server_would_cut(
    direction: str, place: Callable[[str, str], tuple[str, Path]], session: Session
) -> None:
    """Without GSI the Globus server takes "exté" for "ext": better no file than the wrong one."""
    plain, cut = place("ftp", "ext"), place("ftp", "exté")
    for path in (plain[1], cut[1], place("gsiftp", "other")[1]):
        path.write_bytes(b"precious")
        path.chmod(0o666)
    local = place("path", "local")
    local[1].write_bytes(b"new")
    ends = {
        "put": (local[0], cut[0]),
        "get": (cut[0], local[0]),
        "third-party": (place("gsiftp", "other")[0], cut[0]),
    }[direction]
    with pytest.raises(errors.Unsupported) as caught:
        Transfer(*ends, session=session).run()
    assert caught.value.fault == "name-not-kept"
    assert plain[1].read_bytes() == cut[1].read_bytes() == b"precious"
    assert local[1].read_bytes() == b"new"


def test_home_of_the_account(grid: Sandbox, served: Path, session: Session, tmp_path: Path) -> None:
    """``~`` is the server's business; here too."""
    (served / "file").write_bytes(b"there")
    (served / "file").chmod(0o644)
    base = grid.gsiftp_url("/").removesuffix("/")
    Transfer(f"{base}/~/{served.name}/file", str(tmp_path / "got"), session=session).run()
    assert (tmp_path / "got").read_bytes() == b"there"
    Transfer(str(tmp_path / "got"), f"{base}/%7E/{served.name}/again", session=session).run()
    assert (served / "again").read_bytes() == b"there"


def test_home_here(copy: Runner, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    for number, source in enumerate(("~/file", "file:///~/file")):
        copy(source, grid.gsiftp_url(served / str(number)), env={"HOME": str(tmp_path)})
        assert (served / str(number)).read_bytes() == b"here"


def test_ipv6(grid: Sandbox, sixth: Server, served: Path, tmp_path: Path, session: Session) -> None:
    url = f"gsiftp://[::1]:{sixth.port}{served}/file"
    (tmp_path / "file").write_bytes(CONTENT)
    Transfer(str(tmp_path / "file"), url, session=session).run()
    assert (served / "file").read_bytes() == CONTENT
    Transfer(url, str(tmp_path / "back"), session=session).run()
    assert (tmp_path / "back").read_bytes() == CONTENT


# Parts --------------------------------------------------------------------------------------------------------------

PARTS = {"middle": (5, 3), "from": (5, None), "head": (0, 3), "nothing": (0, 0), "end": (20, None), "beyond": (5, 100)}
ROUTES = {
    "local": ("path", "path", ()),
    "put": ("path", "gsiftp", ()),
    "put-parallel": ("path", "gsiftp", ("-p", "2")),
    "put-anonymous": ("path", "ftp", ()),
    "get": ("gsiftp", "path", ()),
    "get-parallel": ("gsiftp", "path", ("-p", "2")),
    "get-anonymous": ("ftp", "path", ()),
    "third-party": ("gsiftp", "gsiftp", ()),
    "third-party-parallel": ("gsiftp", "gsiftp", ("-p", "2")),
    "relayed": ("gsiftp", "gsiftp", ("-notpt",)),
}


def expected(old: bytes, offset: int, length: int | None) -> bytes:
    """What a part makes of a file that held ``old``."""
    data = b"0123456789ABCDEFGHIJ"
    part = data[offset:] if length is None else data[offset : offset + length]
    if not part:
        return old
    return old[:offset].ljust(offset, b"\0") + part + old[offset + len(part) :]


@pytest.mark.parametrize("old", [b"", b"........................."], ids=["new", "over"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("route", ROUTES)
def test_part(
    route: str, part: str, old: bytes, place: Callable[[str, str], tuple[str, Path]], session: Session
) -> None:
    """A part lands at the same offset; what a file held elsewhere stays."""
    source, destination, flags = ROUTES[route]
    source_url, source_path = place(source, "source")
    target_url, target_path = place(destination, "target")
    source_path.write_bytes(b"0123456789ABCDEFGHIJ")
    source_path.chmod(0o644)
    if old:
        target_path.write_bytes(old)
        target_path.chmod(0o666)
    offset, length = PARTS[part]
    options = Options(
        offset=offset, length=length, parallel=2 if flags == ("-p", "2") else 0, third_party=flags != ("-notpt",)
    )
    Transfer(source_url, target_url, options, session=session).run()
    assert target_path.read_bytes() == expected(old, offset, length)


@pytest.mark.parametrize("scheme", ["path", "gsiftp", "ftp"])
def test_part_to_standard_output(scheme: str, place: Callable[[str, str], tuple[str, Path]], copy: Runner) -> None:
    url, path = place(scheme, "source")
    path.write_bytes(b"0123456789ABCDEFGHIJ")
    path.chmod(0o644)
    assert copy("-off", "5", "-len", "3", url, "-").stdout == "567"

# SPDX-License-Identifier: Apache-2.0
"""The options of pyglobus-url-copy that few know: hosts in turn, multicast, preserved times, a limit, plugins."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import aliases, errors, multicast
from pyglobus.core.plan import Item
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.url import parse

Runner = Callable[..., "subprocess.CompletedProcess[Any]"]


# Hosts in turn --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def third_server(grid: Sandbox) -> Iterator[Server]:
    with grid.start_gridftp() as server:
        yield server


def transfers(server: Server) -> int:
    log = Path(server.logs[1]).read_text()
    return log.count("TYPE=STOR") + log.count("TYPE=RETR")


def test_each_connection_has_its_host(
    grid: Sandbox, second_server: Server, third_server: Server, served: Path, tmp_path: Path, copy: Runner
) -> None:
    """The host of the URLs is not there at all; both of the list get their share, in either direction."""
    names = [f"file{number}" for number in range(20)]
    (tmp_path / "from").mkdir()
    for name in names:
        (tmp_path / "from" / name).write_text(name)
    hosts = "\n".join(f"localhost:{server.port}" for server in (second_server, third_server))
    (tmp_path / "aliases").write_text(f"# who is who\n@source\n{hosts}\n\n@destination\n{hosts}\n")
    nobody = f"gsiftp://nobody.invalid{served}"
    for number, pair in enumerate(((f"{tmp_path}/from/", f"{nobody}/to/"), (f"{nobody}/to/", f"{tmp_path}/back/"))):
        before = transfers(second_server), transfers(third_server)
        # Options that a pipeline cannot serve, so that the files are parted among the connections one by one.
        copy("-cd", "-cc", "2", "-verify-checksum", "-af", tmp_path / "aliases", *pair)
        arrived = served / "to" if number == 0 else tmp_path / "back"
        assert {path.name: path.read_text() for path in arrived.iterdir()} == {name: name for name in names}
        shares = transfers(second_server) - before[0], transfers(third_server) - before[1]
        assert sum(shares) == len(names)


def test_which_host_is_whose(tmp_path: Path) -> None:
    path = tmp_path / "aliases"
    path.write_text(
        "@source\n one.example:1234 \n\ttwo.example\n[::1]:99\n#no\n@destination\nthree.example\n@other\nx\n"
    )
    found = aliases.read(str(path))
    item = Item(parse("gsiftp://user@old.example:7/a"), parse("ftp://old.example/b"))
    placed = [found.item(item, number) for number in range(4)]
    assert [str(item.source) for item in placed] == [
        "gsiftp://user@one.example:1234/a", "gsiftp://user@two.example/a", "gsiftp://user@[::1]:99/a",
        "gsiftp://user@one.example:1234/a",
    ]  # fmt: skip
    assert {str(item.destination) for item in placed} == {"ftp://three.example/b"}
    local = Item(parse("/a"), parse("https://old.example/b"))
    assert found.item(local, 1) == local


@pytest.mark.parametrize("text", ["host\n@source\n", "@source\nbad host!\n@source\nx\n", "@source\nhost:port\n"])
def test_bad_aliases_name_their_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text(text)
    with pytest.raises(errors.UsageError, match=r"aliases, line \d"):
        aliases.read(str(tmp_path / "aliases"))


# Multicast ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def passing_on(grid: Sandbox) -> Iterator[list[Server]]:
    """Three servers that may pass data on."""
    allowed = ("-fs-whitelist", "file,gridftp_multicast,ordering")
    with (
        grid.start_gridftp(*allowed, anonymous=True) as one,
        grid.start_gridftp(*allowed, anonymous=True) as two,
        grid.start_gridftp(*allowed, anonymous=True) as three,
    ):
        yield [one, two, three]


@pytest.mark.skipif(
    not list(Path("/usr").glob("lib*/**/libglobus_xio_gridftp_multicast_driver.so*")),
    reason="the driver gridftp_multicast is not installed",
)
@pytest.mark.parametrize("streams", [(), ("-p", "3")], ids=["one", "three"])
@pytest.mark.parametrize("first", [False, True], ids=["listed", "named"])
def test_multicast(
    first: bool, streams: tuple[str, ...], grid: Sandbox, passing_on: list[Server], served: Path, tmp_path: Path,
    copy: Runner,
) -> None:  # fmt: skip
    data = os.urandom(3_000_000)
    (tmp_path / "source").write_bytes(data)
    places = [served / f"copy {number}" for number in range(3)]
    urls = [grid.ftp_url(place, server).replace(" ", "%20") for place, server in zip(places, passing_on, strict=True)]
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in urls))
    named = [grid.ftp_url(served / "first", passing_on[0])] if first else []
    copy(*streams, "-MC", tmp_path / "list", tmp_path / "source", *named)
    for place in (*places, *([served / "first"] if first else [])):
        assert place.read_bytes() == data


def test_what_the_driver_is_told(tmp_path: Path) -> None:
    """The text is that of the C tool: `globus-url-copy -dbg -MC` shows it."""
    path = tmp_path / "list"
    path.write_text("gsiftp://one.example/a\n\ngsiftp://two.example/b%20c?P=4\ngsiftp://three.example/d\n")
    found = multicast.read(str(path), None, None)
    assert str(found.first) == "gsiftp://one.example/a"
    urls = "#gsiftp%3A//two.example/b%2520c?P%3D4#gsiftp%3A//three.example/d?".replace("%", "%25")
    assert found.driver == "gridftp_multicast:urls%3D" + urls.replace("#", "%23")
    named = multicast.read(str(path), parse("ftp://zero.example/x"), "/CN=a b")
    assert str(named.first) == "ftp://zero.example/x"
    assert named.driver.count("subject%253D/CN%253Da%2520b") == 3


def test_multicast_needs_somewhere_to_go(copy: Runner, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert copy("-MC", tmp_path / "empty", "/etc/hostname", check=False).returncode == 2
    assert copy("-MC", tmp_path / "missing", "/etc/hostname", check=False).returncode == 66


# Times and permissions ------------------------------------------------------------------------------------------------


def facts(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mode & 0o7777, int(status.st_mtime)


@pytest.mark.parametrize("flag", ["-preserve", "-cp"])
def test_preserve(flag: str, grid: Sandbox, second_server: Server, served: Path, tmp_path: Path, copy: Runner) -> None:
    """Through put, third party and get; what would give away more than permissions is not taken."""
    here = tmp_path / "odd % name"
    here.write_text("x")
    os.utime(here, (981_173_106.5, 981_173_106.5))
    here.chmod(0o4654)
    there, beyond = served / "one two", served / "beyond"
    copy(flag, here, grid.gsiftp_url(there))
    copy(flag, grid.gsiftp_url(there), grid.gsiftp_url(beyond, second_server))
    copy(flag, grid.gsiftp_url(beyond), tmp_path / "back")
    assert facts(there) == facts(beyond) == facts(tmp_path / "back") == (0o654, 981_173_106)


def test_preserve_in_a_tree(grid: Sandbox, served: Path, tmp_path: Path, copy: Runner) -> None:
    for number in range(5):
        path = tmp_path / "from" / f"d{number}" / "file"
        path.parent.mkdir(parents=True)
        path.write_text("x")
        path.chmod(0o640 + number)
        os.utime(path, (1e9 + number, 1e9 + number))
    copy("-r", "-cd", "-cp", f"{tmp_path}/from/", f"{grid.gsiftp_url(served / 'to')}/")
    copy("-r", "-cd", "-cp", f"{grid.gsiftp_url(served / 'to')}/", f"{tmp_path}/back/")
    for number in range(5):
        where = Path(f"d{number}") / "file"
        assert facts(served / "to" / where) == facts(tmp_path / "back" / where) == facts(tmp_path / "from" / where)


def test_preserve_directories(grid: Sandbox, served: Path, tmp_path: Path, copy: Runner) -> None:
    """With what lies in them, empty ones, and one that nobody may write to; again over what is there already."""
    top = tmp_path / "from"
    wanted = {"a": 0o750, "a/b": 0o705, "a/b/closed": 0o555, "empty": 0o711}
    for name in wanted:
        (top / name).mkdir(parents=True)
        (top / name / "file").write_text("x")
    (top / "empty" / "file").unlink()
    for number, (name, mode) in enumerate(sorted(wanted.items(), reverse=True)):
        os.utime(top / name, (1e9 + number, 1e9 + number))
        (top / name).chmod(mode)
    far = f"{grid.gsiftp_url(served / 'to')}/"
    for source, destination, arrived in (
        (f"{top}/", far, served / "to"),
        (far, f"{tmp_path}/back/", tmp_path / "back"),
    ):
        for again in (False, True):
            done = copy("-r", "-cd", "-preserve", *(("-sync",) if again else ()), source, destination)
            assert done.stderr == ""
            assert {name: facts(arrived / name) for name in wanted} == {name: facts(top / name) for name in wanted}
    copy("-r", "-cd", "-preserve", f"{top}/", f"{tmp_path}/near/")
    assert {name: facts(tmp_path / "near" / name) for name in wanted} == {name: facts(top / name) for name in wanted}
    (served / "to" / "a" / "b" / "closed").chmod(0o755)  # for who cleans up


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put somebody else's file there")
def test_what_cannot_be_preserved_is_told(grid: Sandbox, served: Path, tmp_path: Path, copy: Runner) -> None:
    """The file is another's, and all may write to it."""
    (served / "file").write_text("old")
    (served / "file").chmod(0o666)
    (tmp_path / "file").write_text("new")
    done = copy("-preserve", tmp_path / "file", grid.gsiftp_url(served / "file"))
    assert (served / "file").read_text() == "new"
    assert "cannot set the mode" in done.stderr
    lines = copy("-cp", "--format", "jsonl", tmp_path / "file", grid.gsiftp_url(served / "file")).stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines].count("warning") >= 1


# A limit, plugins, listings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("-r",)], ids=["one", "many"])
def test_a_limit_is_no_failure(
    options: tuple[str, ...], grid: Sandbox, served: Path, tmp_path: Path, copy: Runner
) -> None:
    """There is no end of zeros."""
    source = "/dev/zero"
    if options:
        (tmp_path / "pairs").write_text(f'"file:///dev/zero" "{grid.gsiftp_url(served / "zeros")}"\n')
    words = ("-f", tmp_path / "pairs") if options else (source, grid.gsiftp_url(served / "zeros"))
    done = copy("-t", "1", *words)
    assert re.fullmatch(r"pyglobus-url-copy: stopped after 1\S* s, as -t asks\n", done.stderr)
    assert copy("-t", "20", "--timeout", "1", *words, check=False).returncode == 124
    done = copy("-t", "1", grid.gsiftp_url("/dev/zero"), tmp_path / "zeros")
    assert not (tmp_path / "zeros").exists()


def test_plugins_are_missed_and_extensions_refused(
    grid: Sandbox, served: Path, tmp_path: Path, copy: Runner, url_copy: Runner
) -> None:
    pair = "file:///etc/hostname", grid.ftp_url(served / "to")
    for tool in (copy, url_copy):
        done = tool("-CP", "one,two:argument", *pair)
        assert "one" in done.stderr and "two" in done.stderr
        assert (served / "to").read_bytes() == Path("/etc/hostname").read_bytes()
        (served / "to").unlink()
        assert tool("-X", "one argument", *pair, check=False).returncode != 0
        assert not (served / "to").exists()


def test_recursive_listing_ends(grid: Sandbox, served: Path, copy: Runner, url_copy: Runner) -> None:
    (served / "d" / "e").mkdir(parents=True)
    (served / "d" / "file one").touch()
    (served / "d" / "e" / "inner").touch()
    for url in (f"{grid.ftp_url(served)}/", f"file://{served}/", f"{grid.ftp_url(served)}/d*"):
        ours, theirs = copy("-r", "-list", url).stdout, url_copy("-r", "-list", url).stdout
        parts = [sorted("\n".join(sorted(part.splitlines())) for part in text.split("\n\n")) for text in (ours, theirs)]
        assert parts[0] == parts[1]
    (served / "d" / "loop").symlink_to("..")
    for url in (f"{grid.ftp_url(served)}/", f"file://{served}/"):
        assert copy("-r", "-list", url).stdout.count("loop/") == 1
    names = [entry["name"] for entry in json.loads(copy("-r", "-list", url, "--format", "json").stdout)["entries"]]
    assert sorted(names) == ["d", "d/e", "d/e/inner", "d/file one", "d/loop"]

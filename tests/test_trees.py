# SPDX-License-Identifier: Apache-2.0
"""Directories, patterns and lists of URLs: what arrives is what was there, name by name and byte by byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyglobus.core import errors, urllist
from pyglobus.core.job import FileDone, Job, JobFinished
from pyglobus.core.options import Options
from pyglobus.core.plan import Pair
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.tree import _entry
from pyglobus.core.url import parse
from tests.stalling import Stalling

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
NAMES = (
    "x",
    "y z",
    ".hidden",
    "p%41",
    "h#h",
    "q?q",
    "l[1]",
    "quo'te",
    'dou"ble',
    "-dash",
    "ü",
    "a/deep/er/file",
    "b/w",
)

Copy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def copy(grid: Sandbox) -> Copy:
    def run(*words: str | Path, tool: str = COPY, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool, *map(str, words)], env=grid.env, capture_output=True, encoding="utf-8", errors="surrogateescape",
            timeout=100, check=False, cwd=cwd,
        )  # fmt: skip

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for number, name in enumerate((*NAMES, os.fsdecode(b"bytes\xff"))):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(bytes([number % 256]) * (number * 1000))
    (top / "a" / "empty").mkdir()
    return top


def contents(top: Path) -> dict[str, bytes | None]:
    """Every path below ``top`` with its bytes; None for a directory."""
    return {
        str(path.relative_to(top)): None if path.is_dir() else path.read_bytes()
        for path in top.rglob("*")
        if path.exists()
    }


def directory(grid: Sandbox, path: Path) -> str:
    return f"{grid.gsiftp_url(path)}/"


def test_round_trip(grid: Sandbox, copy: Copy, tree: Path, served: Path, tmp_path: Path) -> None:
    """Put, third party and get of a tree of awkward names."""
    for source, destination in (
        (f"{tree}/", directory(grid, served / "one")),
        (directory(grid, served / "one"), directory(grid, served / "two")),
        (directory(grid, served / "two"), f"{tmp_path}/back/"),
    ):
        done = copy("-r", "-cd", source, destination)
        assert (done.returncode, done.stderr) == (0, "")
    assert contents(served / "one") == contents(served / "two") == contents(tmp_path / "back") == contents(tree)


def test_same_tree_as_the_c_tool(grid: Sandbox, copy: Copy, tree: Path, served: Path) -> None:
    for name in (os.fsdecode(b"bytes\xff"), "ü", 'dou"ble', "l[1]", "q?q", "h#h"):
        (tree / name).unlink()  # the C tool does not get all of these across
    assert (
        copy("-r", "-cd", f"file://{tree}/", directory(grid, served / "theirs"), tool="globus-url-copy").returncode == 0
    )
    assert copy("-r", "-cd", f"file://{tree}/", directory(grid, served / "ours")).returncode == 0
    assert contents(served / "ours") == contents(served / "theirs")


def test_without_r_only_the_top(grid: Sandbox, copy: Copy, tree: Path, served: Path) -> None:
    assert copy("-cd", f"{tree}/", directory(grid, served / "d")).returncode == 0
    assert {name for name in contents(tree) if "/" not in name and contents(tree)[name] is not None} == set(
        contents(served / "d")
    )


def test_directory_is_made_only_if_asked(grid: Sandbox, copy: Copy, tree: Path, served: Path) -> None:
    done = copy("-r", f"{tree}/", directory(grid, served / "missing"))
    assert done.returncode == 73
    assert not (served / "missing").exists()


def test_patterns(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    for name in ("run1.h5", "run2.h5", "run10.h5", "note", "l[1]", "l1"):
        (served / name).write_text(name)
    assert copy("-cd", grid.gsiftp_url(served) + "/run?.h5", f"{tmp_path}/q/").returncode == 0
    assert set(contents(tmp_path / "q")) == {"run1.h5", "run2.h5"}
    assert copy("-cd", f"{served}/run*", directory(grid, served / "star")).returncode == 0
    assert set(contents(served / "star")) == {"run1.h5", "run2.h5", "run10.h5"}
    assert copy("-cd", grid.gsiftp_url(served) + "/l[0-9]", f"{tmp_path}/set/").returncode == 0
    assert set(contents(tmp_path / "set")) == {"l1"}
    assert copy(grid.gsiftp_url(served) + "/l%5B1%5D", tmp_path / "escaped").returncode == 0
    assert (tmp_path / "escaped").read_text() == "l[1]"
    assert copy(f"{served}/l[1]", tmp_path / "literal").returncode == 0
    assert (tmp_path / "literal").read_text() == "l[1]"
    done = copy(grid.gsiftp_url(served) + "/nothing*", f"{tmp_path}/none/")
    assert done.returncode == 66
    assert "no name matches" in done.stderr


def test_links_and_loops(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (top / "d" / "file").write_text("f")
    (top / "link").symlink_to("d/file")
    (top / "directory").symlink_to("d")
    (top / "d" / "loop").symlink_to("..")
    (top / "dead").symlink_to("nowhere")
    done = copy("-r", "-cd", f"{top}/", directory(grid, served / "t"))
    assert (done.returncode, done.stderr) == (0, "")
    assert {name for name, data in contents(served / "t").items() if data} == {"link", "d/file", "directory/file"}


def test_sync(grid: Sandbox, copy: Copy, tree: Path, served: Path) -> None:
    there = directory(grid, served / "mirror")
    assert copy("-r", "-cd", f"{tree}/", there).returncode == 0

    def copied(*options: str) -> set[str]:
        done = copy("-r", "-sync", *options, "--format", "jsonl", f"{tree}/", there)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return {Path(event["source"]).name for event in events if event["type"] == "file"}

    assert copied() == set()
    (tree / "x").write_text("longer")
    assert copied("-sync-level", "0") == set()
    assert copied("-sync-level", "1") == {"x"}
    (tree / "x").write_text("LONGER")
    os.utime(served / "mirror" / "x", (1, 1))
    assert copied("-sync-level", "1") == set()
    assert copied() == {"x"}
    (tree / "x").write_text("other!")
    assert copied("-sync-level", "3") == {"x"}
    assert copied("-sync-level", "3") == set()
    (served / "mirror" / "b" / "w").unlink()
    assert copied() == {"w"}
    assert contents(served / "mirror") == contents(tree)


def test_failures_end_the_job_or_not(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    good = served / "good"
    good.write_text("good")
    pairs.write_text(
        f"# a comment\n\n{grid.gsiftp_url(served / 'missing')} file://{tmp_path}/missing\n"
        f'"{grid.gsiftp_url(good)}" "file://{tmp_path}/with blank"\n'
        f"{grid.gsiftp_url(good)} file://{tmp_path}/part 1,2\n"
    )
    done = copy("-f", pairs, "-cc", "1")
    assert done.returncode == 66
    assert not (tmp_path / "missing").exists()
    done = copy("-c", "-f", pairs, "--format", "json")
    assert done.returncode == 3
    failed = json.loads(done.stderr.splitlines()[-1])
    assert [failure["fault"] for failure in failed["failures"]] == ["no-such-file"]
    assert (tmp_path / "with blank").read_text() == "good"
    assert (tmp_path / "part").read_bytes() == b"\0oo"
    assert not (tmp_path / "missing").exists()


def test_dump_only_is_read_back_by_both(grid: Sandbox, copy: Copy, tree: Path, served: Path, tmp_path: Path) -> None:
    (tree / os.fsdecode(b"bytes\xff")).unlink()
    (tree / 'dou"ble').unlink()  # neither form can quote a quote but by its escape, which the C tool does not read
    dump = tmp_path / "dump"
    assert copy("-do", dump, "-r", f"{tree}/", directory(grid, served / "d")).returncode == 0
    assert not (served / "d").exists()
    lines = dump.read_text().splitlines()
    assert sum(line.startswith("#") for line in lines) == 5
    for tool in (COPY, "globus-url-copy"):
        done = copy("-cd", "-f", dump, tool=tool)
        assert done.returncode == 0, done.stderr
        got = {name: data for name, data in contents(served / "d").items() if data is not None}
        assert got == {name: data for name, data in contents(tree).items() if data is not None}
        subprocess.run(["rm", "-rf", served / "d"], check=True)


def test_dump_of_the_c_tool_is_read(grid: Sandbox, copy: Copy, tree: Path, served: Path, tmp_path: Path) -> None:
    (tree / os.fsdecode(b"bytes\xff")).unlink()
    (tree / 'dou"ble').unlink()  # the C tool writes a line that it cannot read itself
    dump = tmp_path / "dump"
    assert (
        copy("-do", dump, "-r", f"file://{tree}/", directory(grid, served / "d"), tool="globus-url-copy").returncode
        == 0
    )
    assert copy("-cd", "-f", dump).returncode == 0
    assert {k: v for k, v in contents(served / "d").items() if v is not None} == {
        k: v for k, v in contents(tree).items() if v is not None
    }


@pytest.mark.parametrize(
    ("line", "offset", "length"),
    [
        ("file:///a gsiftp://h/b", None, None),
        ('"file:///a b" gsiftp://h/b 7', 7, None),
        ('file:///a "gsiftp://h/b" 7,9 size=3;mode=0644;', 7, 9),
        ("file:///a gsiftp://h/b 0,-1 size=1;", 0, None),
    ],
)
def test_lines_of_a_list(tmp_path: Path, line: str, offset: int | None, length: int | None) -> None:
    path = tmp_path / "list"
    path.write_text(f"  {line}\n")
    [pair] = urllist.read(str(path))
    assert (pair.destination.path, pair.offset, pair.length) == ("/b", offset, length)


@pytest.mark.parametrize("line", ["file:///a", '"file:///a gsiftp://h/b', "file:///a gsiftp://h/b x", "- -"])
def test_bad_lines_name_their_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list"
    path.write_text(f"\n{line}\n")
    with pytest.raises(errors.UsageError, match="line 2"):
        list(urllist.read(str(path)))


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b"])
def test_listed_names_never_lead_out(name: str) -> None:
    with pytest.raises(errors.ProtocolError):
        _entry(b"Type=file;Size=1; " + name.encode())


def test_leaving_the_loop_cancels_the_job(
    grid: Sandbox, monkeypatch: pytest.MonkeyPatch, tree: Path, served: Path, tmp_path: Path
) -> None:
    """The second file is at a server that says nothing, so that the job cannot end by itself."""
    for name, value in grid.env.items():
        monkeypatch.setenv(name, value)
    landing = tmp_path / "landing"
    landing.mkdir()
    port = parse(grid.gsiftp_url(served)).port
    assert port is not None
    with Stalling(port, replies=0) as silent:
        pairs = [
            Pair(parse(str(tree / "x")), parse(grid.gsiftp_url(served / "x"))),
            Pair(parse(f"gsiftp://localhost:{silent.port}{served}/x"), parse(str(landing / "never"))),
        ]
        for event in Job(pairs, Options(), concurrency=1):
            assert not isinstance(event, JobFinished)
            if isinstance(event, FileDone):
                break
    assert (served / "x").read_bytes() == (tree / "x").read_bytes()
    assert not list(landing.iterdir())


def test_listing_as_the_c_tool_prints_it(grid: Sandbox, copy: Copy, served: Path) -> None:
    for name in ("x", "y z", ".hidden"):
        (served / name).write_text(name)
    (served / "d").mkdir()
    for url in (directory(grid, served), f"file://{served}/"):
        ours, theirs = copy("-list", url), copy("-list", url, tool="globus-url-copy")
        assert (ours.returncode, theirs.returncode) == (0, 0)
        assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())
    records = json.loads(copy("-list", directory(grid, served), "--format", "json").stdout)["entries"]
    assert {entry["name"]: entry["size"] for entry in records if not entry["directory"]} == {
        "x": 1, "y z": 3, ".hidden": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        ("-g2",), ("-no-g2",), ("-dp",), ("-allo",), ("-no-allo",), ("-stripe",), ("-stripe", "-sbs", "1M"),
        ("-pp", "-ppq", "8"), ("-fast",), ("-b",), ("-ipv6",), ("-data-cred", "auto"), ("-dcstack", "tcp,gsi"),
    ],
)  # fmt: skip
def test_options_for_the_server(
    grid: Sandbox, copy: Copy, served: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Each is sent to a real server, and what arrives is right."""
    data = os.urandom(3_000_000)
    (tmp_path / "sent").write_bytes(data)
    there = grid.gsiftp_url(served / "file")
    for source, destination in ((tmp_path / "sent", there), (there, tmp_path / "back")):
        done = copy(*options, source, destination)
        assert (done.returncode, done.stderr) == (0, ""), options
    assert (served / "file").read_bytes() == (tmp_path / "back").read_bytes() == data


def test_relative_paths(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    """With -rp a path begins at the login's directory, unless it begins with %2F: for one file, for many, in a list."""
    (served / "file").write_text("here")
    (served / "file").chmod(0o644)
    login = grid.gsiftp_url("/").rstrip("/")
    for number, path in enumerate((served.name, f"%2F{str(served)[1:]}")):
        for tool in (COPY, "globus-url-copy"):
            target = tmp_path / f"{number}{Path(tool).name}"
            assert copy("-rp", f"{login}/{path}/file", f"file://{target}", tool=tool).returncode == 0
            assert target.read_text() == "here"
        done = copy("-rp", "-cd", f"{login}/{path}/", f"{tmp_path}/d{number}/")
        assert (done.returncode, contents(tmp_path / f"d{number}")) == (0, {"file": b"here"})
        assert copy("-rp", "-do", tmp_path / "dump", f"{login}/{path}/", f"{tmp_path}/e{number}/").returncode == 0
        for tool in (COPY, "globus-url-copy"):
            assert copy("-rp", "-cd", "-f", tmp_path / "dump", tool=tool).returncode == 0
            assert contents(tmp_path / f"e{number}") == {"file": b"here"}
            subprocess.run(["rm", "-r", tmp_path / f"e{number}"], check=True)
    assert copy("-rp", f"{login}/{str(served)[1:]}/file", tmp_path / "no").returncode == 66


def test_ascii_converts_line_ends(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"one\ntwo\n" * 1000)
    for tool, name in ((COPY, "ours"), ("globus-url-copy", "theirs")):
        assert copy("-a", f"file://{tmp_path}/text", grid.gsiftp_url(served / name), tool=tool).returncode == 0
        assert copy("-a", grid.gsiftp_url(served / name), f"file://{tmp_path}/{name}", tool=tool).returncode == 0
    assert (served / "ours").read_bytes() == (served / "theirs").read_bytes()
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_drivers_that_a_server_lacks_are_an_error(grid: Sandbox, copy: Copy, served: Path) -> None:
    for options in (("-u",), ("-mn", "nosuch"), ("-DP", "cat"), ("-dst-fsstack", "nosuch")):
        done = copy(*options, "/etc/passwd", grid.gsiftp_url(served / "file"))
        assert done.returncode != 0, options
        assert done.stderr.count("\n") <= 2
    done = copy("-SP", "cat /etc/passwd", grid.gsiftp_url(served / "x"), "/dev/null")
    assert done.returncode != 0


def test_loops_on_a_server_end(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    """Links to the top, to the directory that they are in, and to one above; a second name for a directory is none."""
    (served / "a" / "b").mkdir(parents=True)
    (served / "a" / "b" / "file").write_text("f")
    (served / "a" / "b" / "top").symlink_to("../..")
    (served / "a" / "b" / "here").symlink_to(".")
    (served / "a" / "b" / "above").symlink_to("..")
    (served / "again").symlink_to("a/b")
    for url in (directory(grid, served), f"{grid.ftp_url(served)}/"):
        done = copy("-r", "-cd", url, f"{tmp_path}/to/")
        assert (done.returncode, done.stderr) == (0, "")
        got = {name for name, data in contents(tmp_path / "to").items() if data is not None}
        assert {"a/b/file", "again/file"} <= got
        # Seen by another name, what is above is no loop until it comes again.
        assert all(name.count("top") <= 1 and "a/b/here" not in name for name in got)
        subprocess.run(["rm", "-r", tmp_path / "to"], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account whose directories another one cannot read")
def test_c_goes_on_after_a_directory_that_cannot_be_listed(
    grid: Sandbox, copy: Copy, served: Path, tmp_path: Path
) -> None:
    for name in ("a/one", "closed/two", "z/three", "four"):
        (served / name).parent.mkdir(exist_ok=True)
        (served / name).write_text(name)
    (served / "closed").chmod(0o700)
    done = copy("-r", "-cd", "-c", directory(grid, served), f"{tmp_path}/to/")
    assert done.returncode == 3
    assert "closed" in done.stderr
    assert {name for name, data in contents(tmp_path / "to").items() if data} == {"a/one", "z/three", "four"}


def test_a_path_that_is_too_long_at_the_other_end(grid: Sandbox, copy: Copy, served: Path, tmp_path: Path) -> None:
    """The path of the source is just short enough, that of the destination is not: that file alone is missed."""
    deep = Path(*["d" * 200] * 18)
    (tmp_path / "from").mkdir()
    here = os.open(tmp_path / "from", os.O_RDONLY)
    try:
        for _ in deep.parts:
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    finally:
        os.close(here)
    (tmp_path / "from" / "short").write_text("short")
    target = f"{directory(grid, served)}{'/'.join(['e' * 200] * 3)}/"
    done = copy("-r", "-cd", "-c", "from/", target, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert Path(served, *["e" * 200] * 3, "short").read_text() == "short"
    assert "Traceback" not in done.stderr

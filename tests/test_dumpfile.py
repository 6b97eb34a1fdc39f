# SPDX-License-Identifier: Apache-2.0
"""Dump files (-df, -do): what one tool writes the other one reads, and what is left to do is never forgotten."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyglobus.core import errors, urllist
from pyglobus.core.dumpfile import DumpFile
from pyglobus.core.job import FileDone, Job, JobProgress
from pyglobus.core.options import Options
from pyglobus.core.plan import Item, Pair
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.url import parse

OURS = str(Path(sys.executable).with_name("pyglobus-url-copy"))
THEIRS = "globus-url-copy"
#: All that ASCII has beside letters and digits, but for the quotation mark, which the C tool writes and cannot read.
ODD = "".join(chr(code) for code in range(32, 127) if not chr(code).isalnum() and chr(code) not in '/"')
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(grid: Sandbox) -> Run:
    def run(tool: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tool, *map(str, words)], env=grid.env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for name in ("a", "b c", "h#h", "q?q", "p%41", "sub/d", "sub/deep/e", "-dash", ODD):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (top / "empty").mkdir()
    (top / "link").symlink_to("a")
    (top / "a").chmod(0o600)
    os.utime(top / "a", (981_173_106, 981_173_106))
    return top


def files(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def names(top: Path) -> set[str]:
    """What has arrived, while more arrives: temporary names come and go."""
    return {os.path.relpath(os.path.join(here, name), top) for here, _, found in os.walk(top) for name in found}


@pytest.mark.parametrize(
    "options",
    [(), ("-r",), ("-r", "-off", "2"), ("-r", "-off", "1", "-len", "2"), ("-r", "-len", "0")],
    ids=" ".join,
)
@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_the_same_lines(
    options: tuple[str, ...], remote: bool, run: Run, grid: Sandbox, tree: Path, served: Path, tmp_path: Path
) -> None:
    """Written by both, in their own order."""
    if remote:
        subprocess.run(["cp", "-a", f"{tree}/.", served / "from"], check=True)
        subprocess.run(["chmod", "-R", "a+rX", served / "from"], check=True)
        pair = f"{grid.ftp_url(served / 'from')}/", f"file://{tmp_path}/to/"
    else:
        pair = f"file://{tree}/", f"{grid.ftp_url(served / 'to')}/"
    written = []
    for number, tool in enumerate((OURS, THEIRS)):
        dump = tmp_path / f"dump{number}"
        assert run(tool, *options, "-do", dump, *pair).returncode == 0
        assert dump.stat().st_mode & 0o777 == 0o600
        printed = run(tool, *options, "-do", "-", *pair)
        assert sorted(printed.stdout.splitlines()) == sorted(dump.read_text().splitlines())
        written.append(sorted(dump.read_text().splitlines()))
    assert written[0] == written[1]
    assert not (served / "to").exists() and not (tmp_path / "to").exists()


@pytest.mark.parametrize("part", [(), ("-off", "2"), ("-off", "1", "-len", "2")], ids=" ".join)
def test_the_same_line_for_one_file(part: tuple[str, ...], run: Run, grid: Sandbox, tree: Path, served: Path) -> None:
    pair = f"file://{tree}/a", grid.ftp_url(served / "a")
    assert run(OURS, *part, "-do", "-", *pair).stdout == run(THEIRS, *part, "-do", "-", *pair).stdout != ""


def test_sync_leaves_out_what_is_there(run: Run, grid: Sandbox, tree: Path, served: Path) -> None:
    pair = f"file://{tree}/", f"{grid.ftp_url(served / 'to')}/"
    assert run(OURS, "-r", "-cd", *pair).returncode == 0
    (served / "to" / "sub" / "d").unlink()
    for tool in (OURS, THEIRS):
        lines = run(tool, "-r", "-sync", "-do", "-", *pair).stdout.splitlines()
        assert [Path(line.split('"')[1]).name for line in lines if not line.startswith("#")] == ["d"]


@pytest.mark.parametrize(("writer", "reader"), [(OURS, THEIRS), (THEIRS, OURS), (OURS, OURS)])
def test_one_goes_on_where_the_other_has_failed(
    writer: str, reader: str, run: Run, grid: Sandbox, tree: Path, served: Path, tmp_path: Path
) -> None:
    """A directory is in the way of a file; once it is gone, the dump file alone brings the rest."""
    dump, pair = tmp_path / "dump", (f"file://{tree}/", f"{grid.ftp_url(served / 'to')}/")
    (served / "to" / "sub" / "d").mkdir(parents=True)
    subprocess.run(["chmod", "-R", "a+rwX", served / "to"], check=True)
    failed = run(writer, "-r", "-cd", "-df", dump, *pair)
    assert failed.returncode != 0
    assert dump.stat().st_mode & 0o777 == 0o600
    left = {line.split('"')[1] for line in dump.read_text().splitlines()}
    assert f"file://{tree}/sub/d" in left
    (served / "to" / "sub" / "d").rmdir()
    done = run(reader, "-r", "-cd", "-df", dump, "file:///not/looked/at", "file:///neither")
    assert done.returncode == 0, done.stderr
    assert files(served / "to") == files(tree)
    assert dump.read_text() == ""
    for tool in (OURS, THEIRS):
        again = run(tool, "-df", dump, *pair)
        assert (again.returncode, again.stdout) == (2, "Dumpfile exists and is empty.  Nothing to do.")
    again = run(OURS, "--format", "json", "-df", dump, *pair)
    assert (again.returncode, json.loads(again.stdout)["files"]) == (2, 0)


def test_a_dump_that_cannot_be_written_is_known_at_once(run: Run, grid: Sandbox, tree: Path, served: Path) -> None:
    done = run(OURS, "-df", "/nonexistent/dump", tree / "a", grid.ftp_url(served / "a"))
    assert (done.returncode, done.stderr.count("\n")) == (73, 1)
    assert not (served / "a").exists()


def test_what_fails_with_c_is_left(run: Run, grid: Sandbox, tree: Path, served: Path, tmp_path: Path) -> None:
    """The C tool forgets it."""
    (served / "to" / "sub" / "d").mkdir(parents=True)
    subprocess.run(["chmod", "-R", "a+rwX", served / "to"], check=True)
    done = run(OURS, "-c", "-r", "-cd", "-df", tmp_path / "dump", f"{tree}/", f"{grid.ftp_url(served / 'to')}/")
    assert done.returncode == 3
    [line] = (tmp_path / "dump").read_text().splitlines()
    ends = f'"file://{tree}/sub/d" "{grid.ftp_url(served / "to" / "sub" / "d")}"'
    assert re.fullmatch(re.escape(ends) + r" 0,-1 size=5;modify=\d+;mode=0644;", line)
    assert set(files(tree)) - set(files(served / "to")) == {"sub/d"}


def test_parts_are_read_from_a_dump(run: Run, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    """As the C tool writes them for what was under way: an offset, or an offset and a length, and facts."""
    (tmp_path / "from").write_bytes(b"0123456789")
    for number, (part, expected) in enumerate([("4 size=10;mode=0644;", b"xxxx456789"), ("2,3 ", b"xx234xxxxx")]):
        target = served / f"to{number}"
        target.write_bytes(b"x" * 10)
        target.chmod(0o666)
        (tmp_path / "dump").write_text(f'"file://{tmp_path}/from" "{grid.ftp_url(target)}" {part}\n')
        assert run(OURS, "-df", tmp_path / "dump").returncode == 0
        assert target.read_bytes() == expected


def test_nothing_is_forgotten_in_the_middle(as_user: None, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    """Wherever a job stands, what is there and what is left are together what was to be copied."""
    wanted = {f"d{number}/{name}" for number in range(6) for name in "abc"} | {"top"}
    for name in wanted:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "one").write_text("one")
    pairs = [
        Pair(parse(f"{tmp_path}/from/"), parse(f"{grid.ftp_url(served / 'to')}/")),
        Pair(parse(f"{tmp_path}/one"), parse(grid.ftp_url(served / "one"))),
    ]
    options = Options(create_directories=True, reuse_data=True)
    job = Job(pairs, options, recursive=True, concurrency=1, accounted=True)
    for number, event in enumerate(job):
        left = set()
        for thing in job.rest():
            if isinstance(thing, Item) or thing.source.is_plain:
                left.add(thing.source.path)
            else:
                left |= {str(path) for path in Path(thing.source.path).rglob("*") if path.is_file()}
        here = {str(tmp_path / "from" / name) for name in names(served / "to") if not name.endswith(".part")}
        here |= {str(tmp_path / "one")} if (served / "one").exists() else set()
        assert here | left == {str(tmp_path / "from" / name) for name in wanted} | {str(tmp_path / "one")}, number
        if isinstance(event, FileDone):
            assert event.result.source not in left
    assert list(job.rest()) == []


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancelled_job_leaves_its_rest(
    begun: bool, as_user: None, grid: Sandbox, tree: Path, served: Path, tmp_path: Path
) -> None:
    """Before it begins that is all; later it is what has not arrived, and may be nothing."""
    options = Options(create_directories=True)
    pair = Pair(parse(f"{tree}/"), parse(f"{grid.ftp_url(served / 'to')}/"))
    job = Job([pair], options, recursive=True, concurrency=1, accounted=True)
    dump = DumpFile(str(tmp_path / "dump"), options)
    if not begun:
        job.cancel()
    with pytest.raises(errors.Cancelled):
        dump.run(job, lambda _: job.cancel())
    left = dump.read()
    assert left == [pair] if not begun else left is not None
    if left:
        Job(left, options, recursive=True).run()
    assert files(served / "to") == files(tree)


def test_no_file_and_bad_file(tmp_path: Path) -> None:
    dump = DumpFile(str(tmp_path / "dump"), Options())
    assert dump.read() is None
    (tmp_path / "dump").write_text("file:///only/one\n")
    with pytest.raises(errors.UsageError, match="line 1"):
        dump.read()


def test_every_name_comes_back(tmp_path: Path) -> None:
    """Names that the C tool cannot quote, too."""
    for name in ('quo"te', "new\nline", os.fsdecode(b"\xff\xfe"), "%", "tab\t", "back\\slash", "a" * 2000):
        item = Item(parse(f"{tmp_path}/{name}"), parse("gsiftp://host/x"), size=1, mode=0o644)
        (tmp_path / "list").write_bytes(os.fsencode(urllist.item_line(item, Options())) + b"\n")
        [pair] = urllist.read(str(tmp_path / "list"))
        assert pair.source.path == f"{tmp_path}/{name}"


def test_a_list_has_a_total_only_if_all_sizes_are_known(
    as_user: None, grid: Sandbox, served: Path, tmp_path: Path
) -> None:
    (tmp_path / "here").write_bytes(b"x" * 1000)
    (served / "there").write_bytes(b"y" * 1000)
    (served / "there").chmod(0o644)
    put = Pair(parse(f"{tmp_path}/here"), parse(grid.ftp_url(served / "copy")))
    get = Pair(parse(grid.ftp_url(served / "there")), parse(f"{tmp_path}/copy"))
    for pairs, expected in (([put], 1000), ([put, get], None)):
        totals = [event.total for event in Job(pairs, Options()) if isinstance(event, JobProgress) and event.planned]
        assert totals and set(totals) == {expected}

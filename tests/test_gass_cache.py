# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass cache beside globus-gass-cache: the same caches, the same words, at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.gass.cache import Cache
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

OURS = [str(Path(sys.executable).with_name("pyglobus")), "gass", "cache"]
THEIRS = ["globus-gass-cache"]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=["normal", "flat"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The cache of each kind; a flat one is made where links between directories do not work."""
    (tmp_path / "cache").mkdir()
    if request.param == "flat":
        (tmp_path / "cache" / "config").write_text("type=flat\nlevels=2\n")
    return str(request.param)


@pytest.fixture
def environment(blank_user: Path, tmp_path: Path) -> dict[str, str]:
    del blank_user
    return os.environ | {"GLOBUS_GASS_CACHE_DEFAULT": str(tmp_path / "cache"), "GLOBUS_LOCATION": "/usr"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def call(command: list[str], operation: str, *words: str) -> subprocess.CompletedProcess[str]:
        operation = operation if command is OURS else f"-{operation}"
        line = [*command, operation, *words]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=100, check=False)

    return call


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "source").write_bytes(b"kept" * 1000)
    return f"file://{tmp_path}/source"


def paragraphs(text: str) -> list[str]:
    """What a list tells of each URL; the C tool has no order."""
    return sorted("\n".join([head, *sorted(rest)]) for head, *rest in map(str.splitlines, text.split("URL: ")[1:]))


def left(cache: Path) -> list[str]:
    """The files of entries; a flat cache has files for its roots."""
    fixed = ("config", "global", "local", "tmp")
    return [str(path) for path in cache.rglob("*") if path.is_file() and path.name not in fixed]


def test_the_words_are_those_of_the_c_tool(run: Run, kind: str, source: str) -> None:
    for command, tag in ((OURS, "T1"), (THEIRS, "T1"), (THEIRS, "T2"), (OURS, "")):
        words = ["-t", tag, source] if tag else [source]
        done = run(command, "add", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name, command in (("ours", OURS), ("theirs", THEIRS)):
        assert run(command, "add", "-n", name, source).returncode == 0
    for operation, *words in (
        ("query", source), ("query", "-t", "T1", source), ("query", "none"), ("type",),
        ("dirs",), ("dirs", "-t", "T1", source), ("mangle", source), ("mangle", "-t", "T2", source), ("mangle",),
    ):  # fmt: skip
        ours, theirs = run(OURS, operation, *words), run(THEIRS, operation, *words)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), (operation, words)
    for words in ([], ["-long"], ["-t", "T1"], ["-t", "none"]):
        ours, theirs = run(OURS, "list", *words), run(THEIRS, "list", *words)
        assert paragraphs(ours.stdout) == paragraphs(theirs.stdout), words
    entries = json.loads(run(OURS, "list", source, "--format", "json").stdout)["entries"]
    assert [(entry["url"], entry["size"], entry["ready"], entry["tags"]) for entry in entries] == [
        (source, 4000, True, {"T1": 2, "T2": 1, "null": 1})
    ]
    assert Path(run(OURS, "query", source).stdout.strip()).read_bytes() == b"kept" * 1000
    assert run(OURS, "type").stdout == f"CACHE_TYPE: '{kind}'\n"


def test_the_last_reference_takes_the_file_along(run: Run, kind: str, source: str, tmp_path: Path) -> None:
    for tag in ("T1", "T1", "T2"):
        run(OURS, "add", "-t", tag, source)
    for tag in ("T1", "T1"):
        assert run(OURS, "delete", "-t", tag, source).returncode == 0
        # Where references are left, the C tool's -delete keeps the entry locked for five minutes.
        assert run(THEIRS, "add", "-t", "T3", source).returncode == 0
        assert run(OURS, "cleanup-tag", "-t", "T3").returncode == 0
    assert run(OURS, "delete", "-t", "T1", source).returncode == 66
    assert run(OURS, "query", "-t", "T1", source).stdout == "\n"
    assert run(OURS, "delete", "-t", "T2", source).returncode == 0
    assert left(tmp_path / "cache") == [], kind


def test_cleaning_up(run: Run, source: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        for tag in ("T1", "T1", "T2"):
            run(OURS, "add", "-t", tag, "-n", name, source)
    assert run(OURS, "cleanup-tag", "-t", "T1", "a").returncode == 0
    listed = json.loads(run(OURS, "list", "--format", "json").stdout)["entries"]
    assert [(entry["url"], entry["tags"]) for entry in listed] == [("a", {"T2": 1}), ("b", {"T1": 2, "T2": 1})]
    assert run(OURS, "cleanup-tag", "-t", "T1", "a").returncode == 66
    assert run(OURS, "cleanup-tag", "-t", "T2").returncode == 0
    assert run(THEIRS, "list").stdout.count("URL: ") == 1
    assert run(OURS, "cleanup-tag", "-t", "T2").returncode == 0
    assert run(OURS, "cleanup-url", "b").returncode == 0
    assert run(OURS, "cleanup-url", "b").returncode == 66
    assert left(tmp_path / "cache") == []


def test_a_file_without_references_is_cleaned_up_too(run: Run, source: str, tmp_path: Path) -> None:
    run(OURS, "add", source)
    for path in (tmp_path / "cache" / "local").rglob("*"):
        if path.is_file():
            path.unlink()
    assert json.loads(run(OURS, "list", "--format", "json").stdout)["entries"][0]["tags"] == {}
    assert run(OURS, "cleanup-url", source).returncode == 0
    assert left(tmp_path / "cache") == []


def test_what_cannot_be_fetched_is_not_added(run: Run, tmp_path: Path) -> None:
    for operation, words, code, told in (
        ("add", [f"file://{tmp_path}/none"], 66, "no such file"),
        ("add", [], 2, "which URL?"),
        ("list", ["-n", "x"], 2, "-n goes with add"),
        ("query", ["x" * 4096], 2, "fewer than 4096 bytes"),
    ):
        done = run(OURS, operation, *words)
        assert done.returncode == code and told in done.stderr, done.stderr
    assert left(tmp_path / "cache") == []
    (tmp_path / "file").touch()
    done = subprocess.run(
        [*OURS, "list"], env=os.environ | {"GLOBUS_GASS_CACHE_DEFAULT": str(tmp_path / "file")}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 73, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_ended_while_it_fetches_leaves_nothing(
    run: Run, environment: dict[str, str], tmp_path: Path, number: int
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    cache = tmp_path / "cache"
    line = ["env", "--default-signal=INT", *OURS, "add", f"file://{fifo}"]
    with subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL) as one:
        wait_until(lambda: any("data." in name for name in left(cache)))
        # Another who wants it waits, and can be told to stop waiting.
        with subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL) as other:
            wait_until(lambda: str(other.pid) in _parents_of_uses())
            other.send_signal(signal.SIGINT)
            assert other.wait(30) == -signal.SIGINT
        one.send_signal(number)
        assert one.wait(30) == -number
    wait_until(lambda: left(cache) == [])
    assert str(one.pid) not in _parents_of_uses()
    (tmp_path / "source").write_text("at last")
    assert run(OURS, "add", f"file://{tmp_path}/source").returncode == 0


def _parents_of_uses() -> set[str]:
    """The process ids of those who use a cache now."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if "Name:\tgass-cache-use\n" in text:
            found.add(text.partition("PPid:\t")[2].partition("\n")[0])
    return found


def test_eight_processes_at_a_time(run: Run, source: str, tmp_path: Path) -> None:
    """Ours and the C tool's, for the same files: each finds them whole, and at last nothing is left.

    The library waits half a second to a second wherever two meet, and breaks a lock after thirty.
    """
    wrong: list[str] = []

    def user(number: int) -> None:
        command = OURS if number % 2 else THEIRS
        for name in ("a", "b"):
            for operation, *words in (
                ("add", "-t", f"job {number}", "-n", name, source),
                ("query", "-t", f"job {number}", name),
                *([("list",)] if command is OURS else []),
            ):
                done = run(command, operation, *words)
                if done.returncode != 0 or (
                    operation == "query" and Path(done.stdout.strip()).read_bytes() != b"kept" * 1000
                ):
                    wrong.append(f"{number} {operation} {name}: {done.returncode} {done.stdout}{done.stderr}")
        if number % 2:
            for operation, *words in (("delete", "-t", f"job {number}", "a"), ("cleanup-tag", "-t", f"job {number}")):
                done = run(OURS, operation, *words)
                if done.returncode != 0:
                    wrong.append(f"{number} {operation}: {done.stderr}")

    threads = [threading.Thread(target=user, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    entries = json.loads(run(OURS, "list", "--format", "json").stdout)["entries"]
    tags = {f"job {number}": 1 for number in range(0, 8, 2)}
    assert [(entry["url"], entry["ready"], entry["tags"]) for entry in entries] == [
        ("a", True, tags),
        ("b", True, tags),
    ]
    for number in range(0, 8, 2):
        assert run(OURS, "cleanup-tag", "-t", f"job {number}").returncode == 0
    assert left(tmp_path / "cache") == []


def test_threads_of_one_process_share_a_file(tmp_path: Path, source: str) -> None:
    cache = Cache(tmp_path / "cache")
    fetched: list[str] = []

    def fetch(_url: str, path: str) -> None:
        fetched.append(path)
        Path(path).write_bytes(b"by Python")

    paths: list[str] = []
    threads = [
        threading.Thread(target=lambda: paths.append(cache.add("x", tag="T", fetch=fetch).path)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1 and set(paths) == {cache.query("x", tag="T")}
    assert cache.entries()[0].tags == {"T": 3}
    with pytest.raises(ZeroDivisionError):
        cache.add("y", fetch=lambda _url, _path: 1 / 0)
    assert cache.query("y") is None
    with pytest.raises(FileNotFoundError):
        cache.delete("y")
    with pytest.raises(errors.NotFound):
        cache.cleanup_tag("none", url="x")
    assert cache.cleanup_tag("none") == 0
    assert cache.add(source).new and not cache.add(source).new
    cache.cleanup_url("x")
    assert [entry.url for entry in cache.entries()] == [source]

# SPDX-License-Identifier: Apache-2.0
"""The harness: it measures what it says, and takes no failing command for a fast one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import CASES
from benchmarks.cases import C_TOOL, OURS, Goal
from benchmarks.field import Field
from benchmarks.stopwatch import Stopwatch
from benchmarks.trees import Tree

ROOT = Path(__file__).parents[1]


def benchmarks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", None)
        patch.setenv("XDG_RUNTIME_DIR", "")
        with Field(Path("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp"), 3 << 20) as made:
            yield made


def test_every_case_has_a_line_in_the_list() -> None:
    lines = benchmarks("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CASES)


def test_a_case_that_is_not_known_is_a_usage_error() -> None:
    done = benchmarks("putt")
    assert done.returncode == 2
    assert "no such case: putt" in done.stderr


def test_both_sides_take_turns_and_every_reading_is_kept(tmp_path: Path) -> None:
    done = benchmarks("put", "byte-anonymous", "completion", "--size", "3M", "--rounds", "2", "--json", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    cases = json.loads((tmp_path / "r").read_text())["cases"]
    assert [case["name"] for case in cases] == ["put", "byte-anonymous", "completion"]
    for case in cases:
        ours, peer = case["sides"]
        assert len(ours["runs"]) == len(peer["runs"]) == 2
        assert case["ratio"] == pytest.approx(ours["median"] / peer["median"])
        assert f"| {case['title']} " in done.stdout
        assert all(run["status"] == 0 and run["seconds"] > 0 for run in ours["runs"] + peer["runs"])
    assert [side["name"] for side in cases[0]["sides"]] == [OURS, C_TOOL]


@pytest.mark.parametrize("name", ["put", "get"])
def test_a_copy_that_is_not_right_does_not_count(field: Field, name: str) -> None:
    copy = {"put": field.stored, "get": field.received}[name]
    data = field.large.path.read_bytes()
    for wrong, why in ((data[:-1], "bytes arrived"), (data[:-1] + bytes([data[-1] ^ 1]), "other bytes")):
        copy.write_bytes(wrong)
        with pytest.raises(ValueError, match=why):
            CASES[name].check(field, OURS, "", thorough=True)
    copy.write_bytes(data)
    CASES[name].check(field, OURS, "", thorough=True)
    assert not copy.exists()


def test_the_stopwatch_reads_time_memory_and_status(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"]}
    hungry = "import sys, time; sys.stdout.write('said'); b = bytearray(80 << 20); time.sleep(0.2); sys.exit(3)"
    with Stopwatch(tmp_path / "printed") as stopwatch:
        floor = stopwatch.floor()
        begin = time.perf_counter()
        reading = stopwatch.run([sys.executable, "-c", hungry], env)
        assert 0.2 <= reading.seconds <= time.perf_counter() - begin
        assert reading.status == 3
        assert reading.resident > 80 << 20
        assert stopwatch.printed() == "said"
        assert floor < 11 << 20  # less than the least that is measured, a bare Python's
        with pytest.raises(FileNotFoundError):
            stopwatch.run(["no-such-command"], env)
        assert stopwatch.run(["sh", "-c", "kill -9 $$"], env).status == -9


def test_a_goal_is_a_ratio_or_a_difference() -> None:
    assert Goal(ratio=1.05).met(1.04, 1.0)
    assert not Goal(ratio=1.05).met(1.06, 1.0)
    assert Goal(extra=0.08).met(0.1, 0.03)
    assert not Goal(extra=0.08).met(0.12, 0.03)


def test_a_tree_that_is_not_whole_does_not_count(field: Field) -> None:
    case = Tree("tiny", "a tiny tree", "file", "gsiftp", ((3, 50), (1, 70)), Goal(ratio=1))
    tree, copy = field.tree(case.files), field.stored
    first = sorted(path for path in tree.rglob("*") if path.is_file())[0].relative_to(tree)
    size = (tree / first).stat().st_size
    for name, data, why in (
        (str(first), b"x", "another size"),
        (str(first), bytes(size), "other contents"),
        (f"{first}.more", b"", "1 of them unknown"),
    ):
        shutil.copytree(tree, copy)
        (copy / name).write_bytes(data)
        with pytest.raises(ValueError, match=why):
            case.check(field, OURS, "", thorough=True)
        shutil.rmtree(copy)
    shutil.copytree(tree, copy)
    case.check(field, OURS, "", thorough=True)
    assert not copy.exists()


def test_a_far_server_is_reached_through_the_distance(field: Field) -> None:
    near, far = field.url("gsiftp", field.stored), field.url("gsiftp", field.stored, round_trip=0.05)
    assert near.partition("/")[2].split("/", 2)[2:] == far.partition("/")[2].split("/", 2)[2:] and near != far
    assert far == field.url("gsiftp", field.stored, round_trip=0.05)


def test_without_socat_nothing_is_compared_with_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rawcopy"], cwd=ROOT, env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "socat is not installed" in done.stdout) == (0, True)

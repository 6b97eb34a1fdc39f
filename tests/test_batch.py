# SPDX-License-Identifier: Apache-2.0
"""Many small files go down a pipeline: all of them arrive, and what fails is told apart from what does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox, Server
from tests.gate import Gate

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
FILES = 400


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    for number in range(FILES):
        path = top / f"d{number % 5}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 7))
    return top


def contents(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def copy(grid: Sandbox, *words: str | Path) -> tuple[int, list[dict[str, object]], str]:
    done = subprocess.run(
        [COPY, "--format", "jsonl", *map(str, words)],
        env=grid.env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
def test_there_and_back(grid: Sandbox, tree: Path, served: Path, tmp_path: Path, scheme: str) -> None:
    far = (grid.gsiftp_url if scheme == "gsiftp" else grid.ftp_url)(served / "far") + "/"
    for source, destination, arrived in (
        (f"{tree}/", far, served / "far"),
        (far, f"{tmp_path}/near/", tmp_path / "near"),
    ):
        status, events, errors = copy(grid, "-r", "-cd", source, destination)
        assert (status, errors) == (0, "")
        assert Counter(event["route"] for event in events if event["type"] == "file") == {"pipeline": FILES}
        assert contents(arrived) == contents(tree)


@pytest.mark.parametrize("direction", ["put", "get"])
def test_the_pipeline_logs_in_while_the_plan_does(
    grid: Sandbox, tree: Path, served: Path, tmp_path: Path, direction: str
) -> None:
    """Before the server has said a word, there are both connections."""
    shutil.copytree(tree, served / "there")
    with Gate(grid.servers["gridftp"].port) as gate:
        far = f"gsiftp://localhost:{gate.port}{served}"
        ends = (f"{tree}/", f"{far}/far/") if direction == "put" else (f"{far}/there/", f"{tmp_path}/near/")
        command = [COPY, "-r", "-cd", *ends]
        gate.open.clear()
        with subprocess.Popen(command, env=grid.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            until = time.monotonic() + 30
            while gate.connections < 2 and running.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            early = gate.connections
            gate.open.set()
            assert running.communicate(timeout=60)[1] == b""
    assert (early, running.returncode) == (2, 0)
    assert contents(served / "far" if direction == "put" else tmp_path / "near") == contents(tree)


def test_over_ipv6(grid: Sandbox, sixth: Server, tree: Path, served: Path) -> None:
    status, events, errors = copy(grid, "-r", "-cd", f"{tree}/", f"gsiftp://[::1]:{sixth.port}{served}/far/")
    assert (status, errors) == (0, "")
    assert Counter(event["route"] for event in events if event["type"] == "file") == {"pipeline": FILES}
    assert contents(served / "far") == contents(tree)


def test_what_is_written_in_place_and_what_is_refused(grid: Sandbox, tree: Path, served: Path) -> None:
    """Links are written through, a directory is in the way of one file, and all others arrive."""
    far = grid.gsiftp_url(served / "far") + "/"
    assert copy(grid, "-r", "-cd", f"{tree}/", far)[0] == 0
    top = served / "far" / "d1"
    (top / "f1").rename(served / "elsewhere")
    (top / "f1").symlink_to(served / "elsewhere")
    (top / "f6").unlink()
    (top / "f6").mkdir()
    (tree / "d1" / "f1").write_bytes(b"through the link")
    status, events, _ = copy(grid, "-c", "-r", "-cd", f"{tree}/", far)
    assert status == 3
    assert [event["fault"] for event in events if event["type"] == "failed"] == ["is-directory"]
    assert (served / "elsewhere").read_bytes() == b"through the link" and (top / "f1").is_symlink()
    expected = contents(tree)
    del expected["d1/f6"]
    assert contents(served / "far") == expected


def test_a_directory_that_may_not_be_written_to_does_not_hold_up_the_others(
    grid: Sandbox, tree: Path, served: Path
) -> None:
    """Its files are refused after their data has gone ahead: the rest goes down a second pipeline."""
    (served / "far").mkdir(mode=0o777)
    (served / "far").chmod(0o777)
    (served / "far" / "d2").mkdir()
    (served / "far" / "d2").chmod(0o555)
    if os.geteuid() == 0:
        shutil.chown(served / "far", grid.user.account)
    status, events, _ = copy(grid, "-c", "-r", "-cd", f"{tree}/", grid.gsiftp_url(served / "far") + "/")
    assert status == 3
    expected = {name: data for name, data in contents(tree).items() if not name.startswith("d2/")}
    assert contents(served / "far") == expected
    failed = [event for event in events if event["type"] == "failed"]
    assert {event["fault"] for event in failed} == {"permission-denied"} and len(failed) == FILES - len(expected)


def test_what_cannot_be_read_fails_alone(grid: Sandbox, tree: Path, served: Path, tmp_path: Path) -> None:
    far = grid.gsiftp_url(served / "far") + "/"
    assert copy(grid, "-r", "-cd", f"{tree}/", far)[0] == 0
    bad = served / "far" / "d1" / "f1"
    os.chmod(bad, 0)
    status, events, _ = copy(grid, "-c", "-r", "-cd", far, f"{tmp_path}/near/")
    assert status == 3
    assert [event["fault"] for event in events if event["type"] == "failed"] == ["permission-denied"]
    expected = contents(tree)
    del expected["d1/f1"]
    assert contents(tmp_path / "near") == expected


def test_large_files_among_small_ones(grid: Sandbox, tree: Path, served: Path) -> None:
    (tree / "large").write_bytes(os.urandom(6 << 20))
    status, events, errors = copy(grid, "-r", "-cd", f"{tree}/", grid.gsiftp_url(served / "far") + "/")
    assert (status, errors) == (0, "")
    assert Counter(event["route"] for event in events if event["type"] == "file") == {"pipeline": FILES, "put": 1}
    assert contents(served / "far") == contents(tree)


@pytest.mark.parametrize("direction", ["put", "get"])
def test_interrupted_it_leaves_whole_files_only(
    grid: Sandbox, tree: Path, served: Path, tmp_path: Path, direction: str
) -> None:
    far = grid.gsiftp_url(served / "far") + "/"
    if direction == "get":
        assert copy(grid, "-r", "-cd", f"{tree}/", far)[0] == 0
    ends = (f"{tree}/", far) if direction == "put" else (far, f"{tmp_path}/near/")
    running = subprocess.Popen(
        [COPY, "--format", "jsonl", "-r", "-cd", *ends],
        env=grid.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line)["type"] == "file":
            break
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode in (-signal.SIGINT, 0)  # 0: it was faster
    arrived, expected = contents(served / "far" if direction == "put" else tmp_path / "near"), contents(tree)
    assert arrived
    assert {name: data for name, data in arrived.items() if expected.get(name) != data} == {}

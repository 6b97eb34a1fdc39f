# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and TERM leave a dump file right: it and what has arrived are together what was to be copied, nothing that
was told to be done is in it, and globus-url-copy goes on with it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyglobus.core import urllist
from pyglobus.core.sandbox import Sandbox
from tests.misbehaving import Faults, Server
from tests.waiting import wait_until

OURS = str(Path(sys.executable).with_name("pyglobus-url-copy"))
FILES = 1000
#: A job may be through before the signal reaches it: then it is begun once more.
ATTEMPTS = 8
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def files(top: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in top.rglob("*") if path.is_file()}


def interrupted(command: list[str], grid: Sandbox, number: signal.Signals) -> tuple[int, set[str]]:
    """Send the signal when all is planned and some file is done; the exit status, and the files told to be done."""
    wanted, told = {"plan", "file"}, set()
    command = ["env", f"--default-signal={number.name.removeprefix('SIG')}", *command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env=grid.env, **pipes) as running:  # type: ignore[call-overload]
        for line in running.stdout:
            record = json.loads(line)
            if record["type"] == "file":
                told.add(Path(record["source"]).name)
            if wanted and not (wanted := wanted - {record["type"]}):
                running.send_signal(number)
    return running.returncode, told


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_not_done_is_in_it(number: signal.Signals, grid: Sandbox, served: Path, tmp_path: Path) -> None:
    source, dump = tmp_path / "from", tmp_path / "dump"
    source.mkdir()
    for index in range(FILES):
        (source / f"f{index}").write_bytes(b"%d " % index * 500)
    for attempt in range(ATTEMPTS):
        far = served / f"to-{attempt}"
        ends = [f"{source}/", f"{grid.ftp_url(far)}/"]
        status, told = interrupted([OURS, "--format", "jsonl", "-cd", "-df", str(dump), *ends], grid, number)
        if status:
            break
        assert dump.read_text() == ""
        dump.unlink()
    assert status == -number
    left = {Path(pair.source.path).name for pair in urllist.read(str(dump))}
    expected = files(source)
    assert left and not left & told
    arrived = {name: data for name, data in files(far).items() if name in expected}
    assert arrived.items() <= expected.items()
    assert left | arrived.keys() == expected.keys()
    done = subprocess.run(["globus-url-copy", "-f", str(dump)], env=grid.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {name: data for name, data in files(far).items() if not name.startswith(".")} == expected
    shutil.rmtree(source)


@pytest.mark.parametrize("number", SIGNALS)
def test_half_a_plan_is_not_written(number: signal.Signals, grid: Sandbox, tmp_path: Path) -> None:
    """While a listing stands still -do is ended: what was in the file before is still there, and nothing beside it."""
    dump = tmp_path / "dump"
    dump.write_text("before\n")
    with Server({"/from/one": b"1"}, Faults(hang_on="MLSD")) as server:
        command = ["env", f"--default-signal={number.name.removeprefix('SIG')}", OURS, "-do", str(dump)]
        ends = [server.url("/from/"), f"{tmp_path}/to/"]
        with subprocess.Popen([*command, *ends], env=grid.env, stderr=subprocess.DEVNULL) as running:
            wait_until(lambda: "MLSD" in server.commands)
            running.send_signal(number)
    assert running.returncode == -number
    assert dump.read_text() == "before\n" and list(tmp_path.iterdir()) == [dump]

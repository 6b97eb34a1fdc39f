# SPDX-License-Identifier: Apache-2.0
"""The sandbox's gatekeeper, by the C client: jobs run as the account, for the user alone, and end with the sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox import process as processes
from pyglobus.core.sandbox.gatekeeper import STATES
from pyglobus.core.sandbox.server import MARK

if TYPE_CHECKING:
    from tests.conftest import Somebody


@pytest.fixture(scope="module")
def grid(blank_user: Path) -> Iterator[Sandbox]:
    with Sandbox(run=("gatekeeper",)) as sandbox:
        yield sandbox


def globusrun(grid: Sandbox, *arguments: str, proxy: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = grid.env | ({"X509_USER_PROXY": str(proxy)} if proxy else {})
    return subprocess.run(["globusrun", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)


def contact(grid: Sandbox, service: str = "") -> str:
    return grid.variables["PYGLOBUS_SANDBOX_GRAM"] + service


@pytest.mark.parametrize("service", ["", "/jobmanager-fork"])
def test_a_job_runs_as_the_account_at_home_in_the_data(grid: Sandbox, service: str) -> None:
    job = "&(executable=/bin/sh)(arguments=-c 'id -un; pwd; echo $HOME; echo made >made')"
    done = globusrun(grid, "-s", "-r", contact(grid, service), job)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [grid.user.account, str(grid.data_dir), str(grid.data_dir)]
    made = grid.data_dir / "made"
    assert made.read_text() == "made\n"
    made.unlink()


def test_strangers_are_refused(grid: Sandbox, tmp_path: Path) -> None:
    stranger = grid.authority.issue("Mallory")
    stranger.proxy(key=stranger.key).save_proxy(tmp_path / "proxy")
    done = globusrun(grid, "-a", "-r", contact(grid), proxy=tmp_path / "proxy")
    assert (done.returncode, "GRAM Authentication test failure" in done.stdout + done.stderr) == (1, True)
    assert globusrun(grid, "-a", "-r", contact(grid)).returncode == 0


def test_all_that_a_job_leaves_ends_with_the_sandbox(blank_user: Path) -> None:
    """The job, its manager, the manager's script and what the job has put into the background."""
    with Sandbox(run=("gatekeeper",)) as sandbox:
        directory, shared = sandbox.directory, sandbox.data_dir.parent
        job = "&(executable=/bin/sh)(arguments=-c 'trap : TERM; setsid sleep 600 & touch begun; wait; sleep 600')"
        done = globusrun(sandbox, "-b", "-r", contact(sandbox), job)
        assert done.returncode == 0, done.stderr
        marks = ((MARK, str(directory)), (STATES, str(shared / "gram" / "states")))
        running = {process.pid: _program(process.pid) for mark in marks for process in processes.marked(*mark)}
        assert {"globus-gatekeeper", "globus-job-manager", "sh", "perl"} <= set(running.values())
    assert not any(list(processes.marked(*mark)) for mark in marks)
    assert not directory.exists()
    assert not shared.exists() or shared == directory


def _program(pid: int) -> str:
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])).name


def test_a_gatekeeper_is_added_to_what_is_up(me: Somebody) -> None:
    me.pyglobus("sandbox", "up")
    try:
        ask = ("sandbox", "exec", "--with", "gatekeeper", "sh", "-c", "globusrun -a -r $PYGLOBUS_SANDBOX_GRAM")
        refused = me.pyglobus(*ask, check=False)
        assert refused.returncode == 2
        assert refused.stderr.endswith("hint: pyglobus sandbox up --with gatekeeper\n")
        me.pyglobus("sandbox", "up", "--with", "gatekeeper")
        assert "GRAM Authentication test successful" in me.pyglobus(*ask).stdout
        assert "Authenticated globus user" in me.pyglobus("sandbox", "logs", "gatekeeper").stdout
    finally:
        me.pyglobus("sandbox", "down")


def test_an_ordinary_user_runs_jobs_too(ordinary_user: Somebody) -> None:
    before = set(ordinary_user.home.iterdir())
    script = """
        globusrun -s -r $PYGLOBUS_SANDBOX_GRAM '&(executable=/usr/bin/id)(arguments=-un)'
        echo in $PYGLOBUS_SANDBOX
    """
    command = ("sandbox", "exec", "--with", "gatekeeper", "sh", "-e", "-c", textwrap.dedent(script))
    done = ordinary_user.pyglobus(*command, env={"XDG_RUNTIME_DIR": str(ordinary_user.home)})
    said = re.fullmatch(r"(\S+)\n\s*in (\S+)\n", done.stdout)
    assert said is not None, done
    assert said[1] == ordinary_user.account.pw_name
    assert set(ordinary_user.home.iterdir()) == before
    assert not list(processes.marked(MARK, said[2]))


def test_a_place_that_the_job_manager_cannot_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("with a blank", "x" * 90):
        place = tmp_path / name
        place.mkdir()
        monkeypatch.setattr("pyglobus.core.sandbox.account.reachable", lambda directory, place=place: place / "shared")
        with pytest.raises(errors.UsageError, match="without blanks, and for its socket at most 107 bytes"):
            Sandbox(tmp_path / "grid", run=("gatekeeper",)).start()
        assert list(place.iterdir()) == []

# SPDX-License-Identifier: Apache-2.0
"""quickstart: what is missing is said in one line, and the tour moves a real file.

The machine's package manager and sudo are stood in for by small scripts on PATH; nothing of this needs root or changes
the system. What the script does when all is well, these very tests are run by.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyglobus.core.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
#: What quickstart itself calls, besides the package manager.
TOOLS = (
    *("awk", "cat", "dirname", "env", "find", "grep", "head", "id", "mkdir", "python3", "readlink", "rm", "sed", "sh"),
    *("sha256sum", "sort", "tail"),
)


class Machine:
    """A checkout in a directory with a space in its name, and a PATH that holds nothing but the tools and stand-ins."""

    def __init__(self, place: Path) -> None:
        self.root = place / "a checkout"
        self.root.mkdir()
        for name in ("quickstart", "pyproject.toml", "ffi/CMakeLists.txt"):
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        self.path = place / "bin"
        self.path.mkdir()
        self.stand_in("id", '[ "$1" = -un ] && echo ada || echo 1000')
        for tool in TOOLS:
            program = sys.executable if tool == "python3" else shutil.which(tool)
            if not (self.path / tool).exists():
                assert program is not None, tool
                (self.path / tool).symlink_to(program)

    def stand_in(self, name: str, script: str) -> None:
        """Put a shell script on PATH."""
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run quickstart from another directory."""
        return subprocess.run(
            ["sh", self.root / "quickstart", *arguments],
            env=os.environ | {"PATH": str(self.path)} | env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def fails(self, *arguments: str, **env: str) -> str:
        """Run quickstart, which must fail with one line; that line without the program's name."""
        done = self.run(*arguments, **env)
        assert done.returncode == 1, done
        assert done.stderr.startswith("quickstart: ")
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("quickstart: ").rstrip("\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """A Debian on which nothing is installed."""
    machine.stand_in("dpkg-query", "exit 1")
    machine.stand_in("apt-get", "echo apt-get was called; exit 99")
    return machine


def test_without_sudo_it_names_the_packages_to_install(bare: Machine) -> None:
    said = bare.fails()
    assert "there is no sudo. As root: apt-get install " in said
    packages = said.partition("apt-get install ")[2].split()
    assert {"gcc", "pkg-config", "libglobus-common-dev", "libglobus-gass-copy-dev"} <= set(packages)
    assert "globus-gridftp-server-progs" in packages
    assert "globus-gass-copy-progs" not in packages  # only the tests compare with the C tools
    assert "globus-gass-copy-progs" in bare.fails("test")


def test_a_sudo_that_wants_a_password_is_not_asked_without_a_terminal(bare: Machine) -> None:
    bare.stand_in("sudo", '[ "$1" = -n ] && exit 1; echo asked; exit 0')
    assert "sudo needs a password. As root: apt-get install gcc" in bare.fails()


def test_a_failing_apt_ends_with_what_apt_said(bare: Machine) -> None:
    bare.stand_in("sudo", 'while [ "${1#-}" != "$1" ]; do shift; done; "$@"')
    bare.stand_in("true", "exit 0")
    bare.stand_in("apt-get", "echo Reading lists; echo 'E: Temporary failure resolving deb.example' >&2; exit 100")
    said = bare.fails()
    assert said.startswith("cannot update the list of packages: Temporary failure resolving deb.example; ")
    assert f"{bare.root}/build/quickstart.log" in said


def test_root_needs_no_sudo(bare: Machine) -> None:
    bare.stand_in("id", '[ "$1" = -un ] && echo root || echo 0')
    bare.stand_in("apt-get", 'echo "E: called with $*"; exit 100')
    assert "called with -q -y" in bare.fails()


def test_an_rpm_system_is_told_its_own_names(machine: Machine) -> None:
    machine.stand_in("rpm", "exit 1")
    said = machine.fails()
    assert said.startswith("packages are missing. As root: dnf install epel-release && dnf install gcc ")
    assert "globus-gass-copy-devel" in said.split()


def test_with_a_toolkit_of_ones_own_no_libraries_are_asked_for(bare: Machine) -> None:
    assert "libglobus" not in bare.fails(GLOBUS_LOCATION="/opt/globus")


def test_without_a_network_the_build_ends_with_one_line(machine: Machine, tmp_path: Path) -> None:
    machine.stand_in("dpkg-query", "echo installed")
    nowhere = "http://127.0.0.1:1/simple"
    offline = {"PIP_INDEX_URL": nowhere, "PIP_EXTRA_INDEX_URL": nowhere, "PIP_FIND_LINKS": ""}
    said = machine.fails(**offline, PIP_CONFIG_FILE=os.devnull, PIP_NO_CACHE_DIR="1")
    assert said.startswith("cannot download (is there a network?): ")
    assert "scikit-build-core" in said


def test_a_verb_it_does_not_know_gets_the_help(machine: Machine) -> None:
    known = machine.run("help")
    assert known.returncode == 0
    unknown = machine.run("tset")
    assert unknown.returncode == 1
    assert unknown.stderr == known.stdout + "quickstart: no such thing to do: tset\n"


def test_a_shell_needs_no_home(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.stand_in("dpkg-query", "echo installed")
    programs = machine.root / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(str(programs.parent))
    machine.stand_in(str(programs / "python"), "")
    machine.stand_in(str(programs / "pyglobus"), 'echo "$@"')
    monkeypatch.delenv("HOME")
    done = machine.run("shell", SHELL="/bin/sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"sandbox exec --name quickstart-\d+ /bin/sh", done.stdout.splitlines()[-1])


def test_the_tour_moves_a_file_there_and_back(machine: Machine, grid: Sandbox) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = machine.run("tour", **(grid.env | {"PATH": path}))
    assert done.returncode == 0, done.stderr
    received = machine.root / "build" / "tour" / "received"
    assert received.stat().st_size == 256 << 20
    assert filecmp.cmp(received, grid.data_dir / "file", shallow=False)
    assert str(received) in done.stdout
    assert done.stdout.count("sha256 ") == 3
    (grid.data_dir / "file").unlink()
    received.unlink()


def test_ci_runs_what_people_run() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "set -eu",
        'exec "$(dirname -- "$0")/../quickstart" test',
    ]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)

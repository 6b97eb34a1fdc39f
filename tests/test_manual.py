# SPDX-License-Identifier: Apache-2.0
"""The manual pages: generated, fresh, clean to mandoc, and telling of every option and exit code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import pytest

from pyglobus.cli.command import Command, Option
from pyglobus.cli.exits import ExitCode
from pyglobus.cli.tree import TREE, Tree, load, scripts
from pyglobus.core.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
MAN = ROOT / "man"
PAGES: dict[str, Callable[[], click.Command]] = {
    "pyglobus": Tree,
    **{entry.page(name): partial(load, name) for name, entry in TREE.items()},
    **{script: partial(load, *place) for script, place in scripts().items()},
}
needs_mandoc = pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")


def shown(page: str) -> str:
    done = subprocess.run(["mandoc", "-T", "ascii", f"{page}.1"], cwd=MAN, capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


def commands(command: click.Command) -> list[click.Command]:
    """A command, or a noun and its verbs; of the whole tree only itself, for the rest has pages of its own."""
    if isinstance(command, click.Group) and not isinstance(command, Tree):
        return [command, *command.commands.values()]
    return [command]


def test_fresh() -> None:
    done = subprocess.run([sys.executable, "man/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run: python man/generate.py"


@needs_mandoc
@pytest.mark.parametrize("page", PAGES)
def test_clean(page: str) -> None:
    command = ["mandoc", "-T", "lint", "-W", "warning", f"{page}.1"]
    done = subprocess.run(command, cwd=MAN, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


@needs_mandoc
@pytest.mark.parametrize("page", PAGES)
def test_tells_all(page: str) -> None:
    text = shown(page)
    words = set(re.findall(r"(?<![\w-])-{1,2}[\w-]+", text))
    for command in commands(PAGES[page]()):
        for param in command.params:
            if isinstance(param, Option) and not param.hidden:
                assert {*param.opts, *param.secondary_opts} <= words
                assert param.help, f"{param.opts} says nothing of itself"
                assert " ".join(param.help.split()[:3]) in " ".join(text.split())
        if isinstance(command, Command) and command.drop_in:
            assert "COMPATIBILITY" in text
            assert command.drop_in in text
    for code in ExitCode:
        assert re.search(rf"^\s+{int(code)}\s", text, flags=re.MULTILINE)
    sections = re.findall(r"^[A-Z][A-Z ]+$", text, flags=re.MULTILINE)
    wanted = {"NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES", "SEE ALSO"}
    assert wanted <= set(sections)


@needs_mandoc
@pytest.mark.parametrize("page", PAGES)
def test_fits(page: str) -> None:
    assert max(map(len, shown(page).splitlines())) <= 80


def examples(page: str) -> list[str]:
    """The commands in a page's EXAMPLES, each block of them as one script. No block shows what they print."""
    text = (MAN / f"{page}.md").read_text().partition("\n# EXAMPLES\n")[2].partition("\n# ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", text + "\n", flags=re.MULTILINE)
    return [re.sub(r"^    \$ ", "", block, flags=re.MULTILINE) for block in blocks]


@pytest.mark.parametrize(("page", "script"), [(page, script) for page in PAGES for script in examples(page)])
def test_examples_run(
    page: str, script: str, grid: Sandbox, served: Path, tmp_path: Path, runtime: Path, request: pytest.FixtureRequest
) -> None:
    """Each example runs as it stands, but that the servers of the grid stand in for those of example.org."""
    for directory in (tmp_path, served / "dtn", served / "archive"):
        directory.mkdir(exist_ok=True)
        shutil.chown(directory, served.owner())
        (directory / "run7.h5").write_bytes(os.urandom(1 << 20))
        (directory / "run7.h5").chmod(0o666)
    (tmp_path / "results").mkdir()
    script = re.sub(r"gsiftp://(\w+)\.example\.org/~", lambda found: grid.gsiftp_url(served / found[1]), script)
    environment = {
        **grid.env,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SHELL": "/bin/sh",
        "XDG_RUNTIME_DIR": str(runtime),
    }
    if page in ("proxy-init", "pyglobus-proxy"):  # they make and destroy one, which must not be that of other tests
        shutil.copy(grid.user.proxy, tmp_path / "proxy")
        environment |= {"X509_USER_CERT": str(grid.user.certificate), "X509_USER_KEY": str(grid.user.key)}
        environment["X509_USER_PROXY"] = str(tmp_path / "proxy")
    if "myproxy" in page:  # its examples fetch what has been stored, with the phrase in a file
        keeper = request.getfixturevalue("keeper")
        environment |= keeper.prepare(tmp_path)
        if page == "pyglobus-myproxy":
            user = keeper.grid.user
            environment |= {"X509_USER_CERT": str(user.certificate), "X509_USER_KEY": str(user.key)}
        script = script.replace("myproxy.example.org", "localhost")
    if page in ("pyglobusrun", "pyglobus-job") or "ce.example.org" in script:
        environment["XDG_STATE_HOME"] = str(tmp_path)
        jobs: Sandbox = request.getfixturevalue("jobs")
        script = script.replace("ce.example.org", jobs.variables["PYGLOBUS_SANDBOX_GRAM"])
        environment |= jobs.variables
    if page == "pyglobus-gridftp" and os.geteuid() == 0:  # which says whose files it serves
        script = script.replace("gridftp server", "gridftp server --user root")
    if page == "pyglobus-browse":  # it wants a terminal, and somebody who leaves it
        script = re.sub(
            r"^(pyglobus browse [^-].*)$", r"printf '\\033[21~' | script -qec '\1' /dev/null", script, flags=re.M
        )
    if page == "pyglobus-sandbox":  # its examples have sandboxes of their own
        del environment["PYGLOBUS_SANDBOX"]
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_page_has_examples() -> None:
    assert not [page for page in PAGES if not any(examples(page))]


@pytest.mark.parametrize("page", PAGES)
def test_no_wish_is_left_in_the_prose(page: str) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", (MAN / f"{page}.md").read_text())


def test_the_tree_tells_what_its_commands_tell() -> None:
    for name, entry in TREE.items():
        command = load(name)
        assert command.short_help == entry.summary
        verbs = tuple(command.commands) if isinstance(command, click.Group) else ()
        assert verbs == entry.verbs
        assert command.help, f"{name} has no description"

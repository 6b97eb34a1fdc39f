# SPDX-License-Identifier: Apache-2.0
"""pyglobus sandbox, as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.shell import SHELLS, family

if TYPE_CHECKING:
    from tests.conftest import Somebody

#: A path that every shell has a word to say about.
AWKWARD = "it's $HOME! `x` \\n ~ & ünïcode"


def sandboxes(me: Somebody) -> list[Path]:
    """What is left where sandboxes lie."""
    return [path for path in me.home.iterdir() if path.name.startswith("pyglobus")]


def test_up_use_down(me: Somebody) -> None:
    up = json.loads(me.pyglobus("sandbox", "up", "--format", "json").stdout)
    try:
        assert up["type"] == "sandbox"
        assert up["changed"] is True
        assert up["name"] == "default"
        assert [(service["name"], service["alive"]) for service in up["services"]] == [("gridftp", True), ("ftp", True)]

        again = json.loads(me.pyglobus("sandbox", "up", "--format", "json").stdout)
        assert again == up | {"changed": False}
        status = json.loads(me.pyglobus("sandbox", "status", "--format", "json").stdout)
        assert status == {name: value for name, value in up.items() if name != "changed"}
        text = me.pyglobus("sandbox", "status").stdout
        for shown in (up["subject"], up["proxy"], up["data"], up["services"][0]["url"], up["services"][1]["url"]):
            assert shown in text

        copy = "globus-url-copy file:///etc/passwd $PYGLOBUS_SANDBOX_GSIFTP/~/copy"
        me.pyglobus("sandbox", "exec", "sh", "-c", copy)
        assert Path(up["data"], "copy").read_bytes() == Path("/etc/passwd").read_bytes()
        logs = me.pyglobus("sandbox", "logs").stdout
        assert f"DN {up['subject']} successfully authorized" in logs
        assert all(line.startswith(("gridftp: ", "ftp: ")) for line in logs.splitlines())
        assert "Server started" in me.pyglobus("sandbox", "logs", "ftp").stdout
        assert me.pyglobus("sandbox", "logs", "nfs", check=False).returncode == 66
    finally:
        me.pyglobus("sandbox", "down")
    assert sandboxes(me) == []
    assert not Path(up["data"]).exists()
    down = me.pyglobus("sandbox", "down")
    assert "there is no sandbox" in down.stderr
    none = me.pyglobus("sandbox", "status", check=False)
    assert (none.returncode, none.stdout) == (66, "")
    assert none.stderr.endswith("hint: pyglobus sandbox up\n")


def test_what_up_advises_works(me: Somebody) -> None:
    text = me.pyglobus("sandbox", "up", "--name", "other", env={"SHELL": "/bin/bash"}).stdout
    advice = [line.strip() for line in text.partition("try:\n")[2].splitlines()]
    path = f"{_pyglobus(me).parent}:{os.environ['PATH']}"
    copy = advice[1].replace("pyglobus-url-copy /etc/hostname", "globus-url-copy file:///etc/hostname")
    script = f"set -e; {advice[0]}; {copy}; cmp /etc/hostname $PYGLOBUS_SANDBOX_DATA/hostname; {advice[3]}"
    me.run("bash", "-c", script, env={"PATH": path})
    assert sandboxes(me) == []


def _pyglobus(me: Somebody) -> Path:
    """A program of that name for a shell to find."""
    from tests.conftest import PYGLOBUS

    program = me.home / "bin" / "pyglobus"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PYGLOBUS}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh", "csh"])
def test_shells_read_the_environment(shell: str, me: Somebody, awkward: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = {"PYGLOBUS_SANDBOX": str(awkward), "SHELL": f"/usr/bin/{shell}", "X509_USER_CERT": "old"}
    wanted = json.loads(me.pyglobus("sandbox", "env", "--format", "json", env=environment).stdout)
    assert wanted["variables"]["X509_USER_PROXY"] == f"{awkward}/user/proxy.pem"
    script, reads = me.home / "script", SHELLS[family(shell)].reads
    script.write_text(me.pyglobus("sandbox", "env", env=environment).stdout)
    show = f'{sys.executable} -c "import json, os; print(json.dumps(dict(os.environ)))"'
    done = me.run(shell, "-c", f"{reads.format(command=f'cat {script}')}\n{show}", env=environment)
    seen = json.loads(done.stdout)
    assert {name: seen.get(name) for name in wanted["variables"]} == wanted["variables"]
    assert not seen.keys() & set(wanted["unset"])
    assert done.stderr == ""


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sandbox in a directory with an awkward name."""
    with Sandbox(tmp_path_factory.mktemp("awkward") / AWKWARD, run=("ftp",)) as grid:
        yield grid.directory


def test_exec_ends_as_its_command_does(me: Somebody) -> None:
    assert me.pyglobus("sandbox", "exec", "sh", "-c", "exit 7", check=False).returncode == 7
    assert me.pyglobus("sandbox", "exec", "sh", "-c", "kill -KILL $$", check=False).returncode == 128 + signal.SIGKILL
    assert me.pyglobus("sandbox", "exec", "sh", "-c", "kill -TERM $$", check=False).returncode == -signal.SIGTERM
    missing = me.pyglobus("sandbox", "exec", "no-such-program", check=False)
    assert missing.returncode == 66
    assert "no-such-program" in missing.stderr
    assert me.pyglobus("sandbox", "exec", env={"SHELL": "/bin/pwd"}).stdout == f"{me.home}\n"
    assert sandboxes(me) == []


def test_exec_leaves_options_to_the_command(me: Somebody, awkward: Path) -> None:
    done = me.pyglobus("sandbox", "exec", "--dir", str(awkward), "echo", "--name", "-v", "--", "-x")
    assert done.stdout == "--name -v -- -x\n"


def test_exec_gives_the_command_default_signals(me: Somebody, awkward: Path) -> None:
    for which in (("--dir", str(awkward)), ()):
        show = me.pyglobus("sandbox", "exec", *which, "grep", "SigIgn", "/proc/self/status").stdout
        assert int(show.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_exec_reaches_the_command(number: signal.Signals, me: Somebody) -> None:
    script = f"trap 'echo got it; exit 5' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    with me.start_pyglobus("sandbox", "exec", "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "got it\n"
        assert process.wait(timeout=30) == 5
    assert sandboxes(me) == []


def test_ctrl_c_at_the_terminal_is_for_the_command(me: Somebody) -> None:
    from tests.conftest import PYGLOBUS

    script = "trap 'echo once' INT; echo ready; read line || read line && exit 6"  # it ends when the terminal does
    command = ["-c", PYGLOBUS, "sandbox", "exec", "sh", "-c", script]
    terminal = pexpect.spawn(me.python, command, env=me.environment, encoding="utf-8", timeout=30)
    terminal.expect_exact("ready")
    terminal.sendintr()
    terminal.expect_exact("once")
    terminal.sendline("enough")
    terminal.expect(pexpect.EOF)
    assert "once" not in str(terminal.before)
    terminal.close()
    assert terminal.exitstatus == 6
    assert sandboxes(me) == []


def test_a_signal_while_it_starts_cleans_up(me: Somebody) -> None:
    """The server here is one that never gets ready."""
    _fake_server(me, f"echo $$ >{me.home}/started; exec sleep 60")
    os.mkfifo(me.home / "started")
    path = f"{me.home}/bin:{os.environ['PATH']}"
    with me.start_pyglobus("sandbox", "up", env={"PATH": path}) as process:
        server = int((me.home / "started").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM
    assert sandboxes(me) == []
    assert Process.of(server) is None


def test_a_server_that_does_not_start_is_told_of(me: Somebody) -> None:
    _fake_server(me, "echo the moon is in the wrong phase; exit 1")
    done = me.pyglobus("sandbox", "up", check=False, env={"PATH": f"{me.home}/bin:{os.environ['PATH']}"})
    assert done.returncode == 69
    assert done.stderr == (
        "pyglobus sandbox up: cannot start gridftp: globus-gridftp-server: it ended at once: "
        "the moon is in the wrong phase\n"
    )
    assert sandboxes(me) == []


def _fake_server(me: Somebody, script: str) -> None:
    (me.home / "bin").mkdir()
    (me.home / "bin" / "globus-gridftp-server").write_text(f"#!/bin/sh\n{script}\n")
    (me.home / "bin" / "globus-gridftp-server").chmod(0o755)


def test_down_does_not_pull_the_rug(me: Somebody) -> None:
    command = f"{_pyglobus(me)} sandbox down"
    done = me.pyglobus("sandbox", "exec", "sh", "-c", command, check=False)
    assert done.returncode == 2
    assert "belongs to process" in done.stderr
    assert sandboxes(me) == []


def test_logs_are_followed_until_it_is_down(me: Somebody) -> None:
    me.pyglobus("sandbox", "up")
    with me.start_pyglobus("sandbox", "logs", "-f", "gridftp") as follower:
        try:
            assert follower.stdout is not None
            assert any("Server started" in line for line in follower.stdout)
            me.pyglobus("sandbox", "exec", "sh", "-c", "globus-url-copy -list $PYGLOBUS_SANDBOX_GSIFTP/~/")
            assert any("successfully authorized" in line for line in follower.stdout)
        finally:
            me.pyglobus("sandbox", "down")
        assert follower.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("up", "--name", "a/b"), 2),
        (("up", "--name", "x", "--dir", "y"), 2),
        (("env", "--shell", "rc"), 2),
        (("up", "extra"), 2),
        (("env",), 66),
        (("logs",), 66),
    ],
)
def test_wrong_use_is_refused_in_one_line(arguments: tuple[str, ...], code: int, me: Somebody) -> None:
    done = me.pyglobus("sandbox", *arguments, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) <= 2
    assert sandboxes(me) == []


def test_with_offers_what_is_not_there_by_itself() -> None:
    from pyglobus.cli.commands.sandbox import FURTHER
    from pyglobus.core.sandbox.services import DEFAULT, SERVICES

    assert (*DEFAULT, *FURTHER) == tuple(SERVICES)

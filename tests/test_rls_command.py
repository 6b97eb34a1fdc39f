# SPDX-License-Identifier: Apache-2.0
"""rls-query, pyglobus rls admin and pyglobus rls server, as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from pyglobus.core.sandbox import Sandbox
from tests.pace import PROMPT
from tests.rlswire import Wire
from tests.waiting import LIMIT, wait_until

BIN = Path(sys.executable).parent


@contextmanager
def serving(*options: str, cwd: Path, env: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server with these options: its URL and its process."""
    command = [str(BIN / "pyglobus"), "rls", "server", "--port", "0", *options]
    with (
        (cwd / "errors").open("w+") as errors,
        subprocess.Popen(
            command, cwd=cwd, env=env or dict(os.environ), stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("rls"), (cwd / "errors").read_text()
            yield url, process
        finally:
            process.terminate()
            process.wait(LIMIT)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("-N", "--lrc", "--rli", cwd=tmp_path_factory.mktemp("rls")) as (url, _):
        yield url


@pytest.fixture(autouse=True)
def blank(url: str) -> Iterator[None]:
    """Nothing is registered, and no connection of a test is left."""
    wire = Wire(url)
    assert wire.ask("lrc_clear") == ["0"]
    yield
    while Wire.made:
        Wire.made.pop().close()


def run(
    *words: str, text: str = "", env: dict[str, str] | None = None, tool: str = "rls-query"
) -> tuple[int, str, str]:
    command = [str(BIN / tool), *words] if tool == "rls-query" else [str(BIN / "pyglobus"), "rls", tool, *words]
    done = subprocess.run(
        command, input=text, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_one_command(url: str) -> None:
    assert run("create", "a", "p", url) == (0, "", "")
    assert run("query", "lrc", "lfn", "a", url) == (0, "a: p\n", "")
    assert run("-d", "query", "lrc", "pfn", "p", url) == (0, "  a: p\n", "")
    assert run("create", "a", "q", url) == (1, "", "rls-query: LFN already exists: a\n")
    status, _, said = run("query", "lrc", "lfn", "b", "--server", url)
    assert (status, said) == (66, "rls-query: LFN doesn't exist: b\n")
    assert run("query", "lrc", "lfn", "a", env={"PYGLOBUS_RLS_SERVER": url})[1] == "a: p\n"
    status, _, said = run("query", "lrc", "lfn", "a", "rlsn://localhost:1")
    assert (status, "cannot connect: rlsn://localhost:1: Connection refused" in said) == (75, True)
    assert run("query", "lrc", "lfn", "a")[0] == 2


def test_commands_from_standard_input(url: str) -> None:
    script = f"""
    # registers
    create "a b" p
    create c {"gsiftp://h/" + "x" * 900}
    query wildcard lrc lfn *
    create c q
    attribute define size lfn int
    attribute add c size lfn int 7
    attribute query c - lfn
    attribute search size lfn >= int 7
    attribute show - lfn
    exists lrc lfn c none
    rename lfn c d
    query lrc lfn "a b"
    bulk query lrc lfn d none
    attribute undefine size lfn
    set reslimit 1
    query wildcard lrc lfn %
    no such
    query lrc lfn "a
    exit
    create after exit
    """
    status, shown, said = run("-c", url, text=script)
    assert shown.splitlines() == [
        "a b: p",
        f"c: gsiftp://h/{'x' * 900}",
        "size: int: 7",
        "c: int: 7",
        "size: int",
        "c: LFN exists",
        "none: LFN doesn't exist",
        "a b: p",
        f"d: gsiftp://h/{'x' * 900}",
        "none: LFN doesn't exist",
    ]
    assert [line.partition(": ")[2] for line in said.splitlines() if not line.startswith("hint")] == [
        "LFN already exists: c",
        "LFN doesn't exist: \\%",
        "no such command: no",
        "a quote is not closed",
    ]
    assert status == 3


def test_bulk_of_any_length(url: str, tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("".join(f"l{i} gsiftp://h/é{i}\n" for i in range(3000)))
    assert run("-i", str(names), "bulk", "create", url) == (0, "", "")
    status, shown, _ = run("-i", "-", "bulk", "query", "lrc", "lfn", url, text="".join(f"l{i}\n" for i in range(3000)))
    assert (status, len(shown.splitlines())) == (0, 3000)
    assert "l2999: gsiftp://h/é2999\n" in shown
    assert run("bulk", "create", "l1", "p", "x1", "p", url)[:2] == (3, "l1,p: LFN already exists\n")
    status, _, said = run("bulk", "create", "y1", "p", "y2", url)
    assert (status, "y2 stands alone" in said) == (2, True)
    assert run("query", "lrc", "lfn", "y1", url)[0] == 66
    status, shown, _ = run("--format", "json", "-l", "700", "query", "wildcard", "lrc", "lfn", "l*", url)
    assert len(json.loads(shown)["results"]) == 3000
    assert (
        run("-s", "--format", "jsonl", "query", "wildcard", "lrc", "lfn", "l299_", url)[1].count('"type": "result"')
        == 10
    )


def test_conversation(url: str) -> None:
    child = pexpect.spawn(
        str(BIN / "rls-query"), [url], timeout=LIMIT, encoding="utf-8", env={**os.environ, "TERM": "dumb"}
    )
    child.expect_exact("rls> ")
    child.sendline("create a p")
    child.expect_exact("rls> ")
    child.sendline("create a p")
    child.expect_exact("LFN already exists: a")
    child.expect_exact("rls> ")
    child.send("que\tlr\tlf\ta\n")
    child.expect_exact("a: p")
    child.expect_exact("rls> ")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_locate(url: str, tmp_path: Path) -> None:
    with serving("-N", "--rli", cwd=tmp_path) as (index, _):
        assert run("create", "a", "p", url)[0] == 0
        assert run("-a", index, url, tool="admin") == (0, "", "")
        try:
            wire = Wire(index)
            wait_until(lambda: wire.ask("rli_exists", "a", "2") == ["0"])
            assert run("locate", "a", index) == (0, "a: p\n", "")
            dead = "rlsn://localhost:1"
            _, number = wire.ask("pyglobus1_update_begin", dead, "600", "1", "", more=1)
            wire.ask("pyglobus1_update_names", dead, number, "a", "b", "")
            status, shown, said = run("locate", "a", index)
            assert (status, shown) == (0, "a: p\n")
            assert f"{dead} does not answer" in said
            assert run("locate", "b", index)[0] == 75
            assert run("locate", "c", index)[0] == 66
        finally:
            assert run("-d", index, url, tool="admin")[0] == 0


def test_admin(url: str) -> None:
    assert run("create", "a", "p", url)[0] == 0
    assert re.fullmatch(rf"ping {url}: \d+ seconds\n", run("-p", url, tool="admin")[1])
    assert json.loads(run("-S", "--format", "json", url, tool="admin")[1])["lrc_mappings"] == 1
    assert run("-c", "timeout", url, tool="admin")[1] == "timeout: 30\n"
    assert run("-C", "timeout", "31", url, tool="admin")[0] == 0
    assert "timeout: 31\n" in run("-c", "all", url, tool="admin")[1]
    assert run("-C", "nonsense", "31", url, tool="admin")[0] == 2
    assert run("-a", "rlsn://localhost:1", "run*", url, tool="admin")[0] == 0
    assert run("-s", url, tool="admin")[1] == "rlsn://localhost:1 run*\n"
    assert run("-d", "rlsn://localhost:1", url, tool="admin")[0] == 0
    assert run("-e", url, tool="admin")[0] == 0
    assert run("query", "lrc", "lfn", "a", url)[0] == 66
    assert run("-p", "-S", url, tool="admin")[0] == 2


def test_server_reads_again_logs_and_ends(tmp_path: Path) -> None:
    conf = tmp_path / "globus-rls-server.conf"
    conf.write_text("authentication false\nlrc_server true\nacl .*: lrc_read\nmaxthreads 5\n")
    with serving("--config", str(conf), "--log", str(tmp_path / "log"), cwd=tmp_path) as (url, process):
        wire = Wire(url)
        assert wire.ask("lrc_create", "a", "p") == ["7", "lrc_create"]
        conf.write_text("authentication false\nlrc_server true\nacl .*: all\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: wire.ask("lrc_create", "a", "p") in (["0"], ["11", "a"]))
        conf.write_text("nonsense\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "unknown keyword" in (tmp_path / "errors").read_text())
        assert wire.ask("lrc_exists", "a", "0") == ["0"]
        process.terminate()
        assert process.wait(PROMPT * 6) == -signal.SIGTERM
    kinds = [json.loads(line)["type"] for line in (tmp_path / "log").read_text().splitlines()]
    assert {"start", "open", "denied", "reload", "stop"} <= set(kinds)
    assert "maxthreads" in (tmp_path / "errors").read_text()
    assert (tmp_path / "lrcdb").stat().st_mode & 0o777 == 0o600


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with serving("-N", "--lrc", cwd=tmp_path) as (url, process):
        wire = Wire(url)
        for number in range(200):
            assert wire.ask("lrc_create", f"l{number}", "p") == ["0"]
        for number in range(0, 200, 2):
            assert wire.ask("lrc_delete", f"l{number}", "p") == ["0"]
        process.kill()
        process.wait()
    with serving("-N", "--lrc", cwd=tmp_path) as (url, _):
        found = Wire(url).listed("lrc_get_lfn", "p", "0", "0", size=2)
        assert {row[0] for row in found} == {f"l{number}" for number in range(1, 200, 2)}


def test_by_gsi(grid: Sandbox, tmp_path: Path) -> None:
    host = grid.directory / "host"
    env = {name: value for name, value in grid.env.items() if name != "X509_USER_PROXY"}
    env |= {"X509_USER_CERT": str(host / "hostcert.pem"), "X509_USER_KEY": str(host / "hostkey.pem")}
    env |= {"GRIDMAP": str(host / "grid-mapfile"), "GLOBUS_HOSTNAME": "localhost"}
    rules = ("--acl", f"{grid.user.account}: lrc_read lrc_update")  # by the account that the grid-mapfile has
    with serving("--lrc", "--bind", "localhost", *rules, cwd=tmp_path, env=env) as (url, _):
        assert run("create", "a", "p", url, env=grid.variables) == (0, "", "")
        assert run("query", "lrc", "lfn", "a", url, env=grid.variables)[1] == "a: p\n"
        assert run("-q", url, tool="admin", env=grid.variables)[0] == 77
        nobody = grid.variables | {"X509_USER_PROXY": str(tmp_path / "none")}
        assert run("query", "lrc", "lfn", "a", url, env=nobody)[0] in (66, 77)


def test_in_a_sandbox(blank_user: Path, tmp_path: Path) -> None:
    (tmp_path / "run7").write_text("data")
    with Sandbox(run=("rls",)) as sandbox:
        env = sandbox.variables
        assert env["PYGLOBUS_SANDBOX_LRC"] == env["PYGLOBUS_RLS_SERVER"] != env["PYGLOBUS_SANDBOX_RLI"]
        assert run("create", "run7", f"file://{tmp_path}/run7", env=env) == (0, "", "")
        shown = f"run7: file://{tmp_path}/run7\n"
        wait_until(lambda: run("locate", "run7", env=env)[:2] == (0, shown))
        assert run("query", "rli", "lfn", "run7", env=env)[1] == f"run7: {env['PYGLOBUS_SANDBOX_LRC']}\n"
        for name in ("rls", "rli"):
            sandbox.servers[name].stop()
            assert sandbox.start()
            assert sandbox.variables == env, "each comes back where it was"
            wait_until(lambda: run("locate", "run7", env=env)[:2] == (0, shown))
        assert run("locate", "run7", "--copy", str(tmp_path / "copy"), "--register", env=env) == (0, shown, "")
        assert run("query", "lrc", "lfn", "run7", env=env)[1].count("run7: ") == 2
        for name in ("rls", "rli"):
            sandbox.servers[name].stop()
        with socket.create_server(("127.0.0.1", int(env["PYGLOBUS_SANDBOX_RLI"].rpartition(":")[2]))):
            assert sandbox.start()
        assert sandbox.variables["PYGLOBUS_SANDBOX_RLI"] != env["PYGLOBUS_SANDBOX_RLI"]
        wait_until(lambda: run("locate", "run7", env=sandbox.variables)[0] == 0)

# SPDX-License-Identifier: Apache-2.0
"""The local grid in core: files really move, only those who may can log in, and nothing is left behind."""

from __future__ import annotations

import ftplib
import os
import pwd
import re
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyglobus.core import errors
from pyglobus.core.sandbox import Sandbox, Server, state
from pyglobus.core.sandbox import process as processes
from pyglobus.core.sandbox import server as servers
from pyglobus.core.sandbox.authority import Authority
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.server import MARK
from tests.pace import PROMPT

if TYPE_CHECKING:
    from tests.conftest import CommandRunner, Somebody


@pytest.fixture
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for named sandboxes of this test alone."""
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place


def of_sandbox(directory: Path) -> list[Process]:
    return list(processes.marked(MARK, str(directory)))


def assert_gone(directory: Path, data: Path) -> None:
    assert not directory.exists()
    assert not data.exists()
    assert not data.parent.exists()
    assert of_sandbox(directory) == []


def wait_for_end(process: Process) -> None:
    descriptor = os.pidfd_open(process.pid)
    try:
        assert select.select([descriptor], [], [], 10)[0]
    finally:
        os.close(descriptor)


# What it is for


@pytest.mark.parametrize("scheme", ["gsiftp", "ftp"])
def test_a_file_moves_there_and_back(
    scheme: str, grid: Sandbox, served: Path, tmp_path: Path, url_copy: CommandRunner
) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "there").write_bytes(content)
    url = getattr(grid, f"{scheme}_url")(served / "a file")
    url_copy(f"file://{tmp_path}/there", url)
    assert (served / "a file").read_bytes() == content
    assert (served / "a file").owner() == grid.user.account
    url_copy(url, f"file://{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_file_moves_between_two_servers(
    grid: Sandbox, second_server: Server, served: Path, url_copy: CommandRunner
) -> None:
    (served / "here").write_bytes(b"third party")
    url_copy(grid.gsiftp_url(served / "here"), grid.gsiftp_url(served / "there", second_server))
    assert (served / "there").read_bytes() == b"third party"


def test_home_is_the_data_directory(grid: Sandbox, served: Path, url_copy: CommandRunner) -> None:
    for url in (f"gsiftp://localhost:{grid.servers['gridftp'].port}", f"ftp://localhost:{grid.servers['ftp'].port}"):
        url_copy("file:///etc/passwd", f"{url}/~/{served.name}/copy")
        assert (served / "copy").read_bytes() == Path("/etc/passwd").read_bytes()
        (served / "copy").unlink()


def test_the_server_sees_the_user(grid: Sandbox, url_copy: CommandRunner) -> None:
    url_copy("-list", f"{grid.gsiftp_url()}/")
    log = Path(grid.servers["gridftp"].logs[0]).read_text(errors="replace")
    assert f"DN {grid.user.subject} successfully authorized" in log
    assert f"User {grid.user.account} successfully authorized" in log


def test_a_strange_user_is_refused(grid: Sandbox, tmp_path: Path, url_copy: CommandRunner) -> None:
    for name, stranger in {
        "unmapped": grid.authority.issue("Mallory"),
        "outside": grid.authority.issue("/O=Elsewhere/CN=Ada Lovelace"),
        "untrusted": Authority.create().issue(grid.user.subject),
    }.items():
        stranger.proxy(key=stranger.key).save_proxy(tmp_path / name)
        done = url_copy("-list", f"{grid.gsiftp_url()}/", check=False, env={"X509_USER_PROXY": str(tmp_path / name)})
        assert done.returncode != 0, name


def test_the_anonymous_server_is_held_to_its_directory(grid: Sandbox, served: Path, url_copy: CommandRunner) -> None:
    assert url_copy(grid.ftp_url("/etc/passwd"), "file:///dev/null", check=False).returncode != 0
    outside = f"ftp://localhost:{grid.servers['ftp'].port}/tmp/pyglobus-outside"
    assert url_copy("file:///etc/passwd", outside, check=False).returncode != 0
    assert not Path("/tmp/pyglobus-outside").exists()
    (served / "link").symlink_to("/etc/passwd")
    assert url_copy(grid.ftp_url(served / "link"), "file:///dev/null", check=False).returncode != 0


def test_only_loopback_is_used(grid: Sandbox) -> None:
    for server in grid.servers.values():
        listening = [
            fields[1]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == server.port
        ]
        assert listening == [f"0100007F:{server.port:04X}"]
    with ftplib.FTP() as client:
        client.connect("localhost", grid.servers["ftp"].port, timeout=10)
        client.login()
        assert client.sendcmd("PASV").startswith("227 Entering Passive Mode (127,0,0,1,")


def test_the_environment_leaves_nothing_to_chance(grid: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("X509_USER_CERT", "X509_USER_KEY", "GLOBUS_TCP_PORT_RANGE", "GRIDMAP"):
        monkeypatch.setenv(name, "/somewhere/else")
    monkeypatch.setenv("KEPT", "yes")
    env = grid.env
    assert {name for name in env if name.startswith(("X509", "GLOBUS", "GRIDMAP"))} - {"GLOBUS_LOCATION"} == {
        "X509_CERT_DIR",
        "X509_USER_PROXY",
        "GLOBUS_HOSTNAME",
    }
    assert env["KEPT"] == "yes"
    with Sandbox(run=()) as untouched:  # others have used the home of the first
        assert list(Path(untouched.env["HOME"]).iterdir()) == []
    whole = grid.environment(os.environ)
    assert "X509_USER_CERT" not in whole
    assert whole["GRIDMAP"] == "/somewhere/else"
    assert whole["PYGLOBUS_SANDBOX_FTP"] == f"ftp://localhost:{grid.servers['ftp'].port}"


def test_secrets_are_for_their_owner_alone(grid: Sandbox) -> None:
    assert grid.directory.stat().st_mode & 0o777 == 0o700
    for path in (grid.user.key, grid.user.proxy, grid.directory / "ca" / "cakey.pem", grid.directory / "state.json"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    outside = grid.data_dir.parent
    if outside != grid.directory:
        assert sorted(path.name for path in outside.iterdir()) == ["certificates", "data"]
        assert not any(b"PRIVATE" in path.read_bytes() for path in (outside / "certificates").iterdir())
        assert grid.data_dir.stat().st_mode & 0o777 == 0o700


def test_a_proxy_is_renewed_when_it_is_about_to_end(grid: Sandbox, url_copy: CommandRunner) -> None:
    before = grid.user.proxy.read_bytes()
    assert not grid.renew_proxy()
    grid.user.proxy.unlink()
    assert grid.renew_proxy()
    assert grid.user.proxy.read_bytes() != before
    url_copy("-list", f"{grid.gsiftp_url()}/")


# Its life and its end


def test_nothing_is_left_behind(private_home: Path) -> None:
    with Sandbox() as sandbox:
        directory, data = sandbox.directory, sandbox.data_dir
        assert len(of_sandbox(directory)) == 2
        (data / "locked").mkdir()
        (data / "locked" / "file").touch()
        (data / "locked").chmod(0)
    assert_gone(directory, data)
    assert list(private_home.iterdir()) == []


def test_a_transfer_in_flight_ends_with_it(private_home: Path) -> None:
    with Sandbox() as sandbox:
        directory, data = sandbox.directory, sandbox.data_dir
        command = ["globus-url-copy", "-vb", "file:///dev/zero", sandbox.gsiftp_url("/dev/null")]
        client = subprocess.Popen(command, env=sandbox.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert client.stdout is not None
        client.stdout.read(200)  # the first report of bytes that have moved
        assert len(of_sandbox(directory)) == 3
        begun = time.monotonic()
    assert time.monotonic() - begun < PROMPT
    client.stdout.close()
    assert client.wait(timeout=30) != 0
    assert_gone(directory, data)


def test_two_at_once(private_home: Path) -> None:
    with Sandbox() as one, Sandbox() as other:
        assert one.directory != other.directory
        ports = [server.port for sandbox in (one, other) for server in sandbox.servers.values()]
        assert len(set(ports)) == 4
        for mine, url in ((one, other.gsiftp_url()), (other, one.gsiftp_url())):
            command = ["globus-url-copy", "-list", url + "/"]
            done = subprocess.run(command, env=mine.env, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode != 0, "one sandbox must not trust another"
        other.stop()
        assert all(server.alive for server in one.servers.values())


@pytest.fixture
def killed(private_home: Path) -> Iterator[tuple[Path, Path, list[Process]]]:
    """What is left of a sandbox whose process was killed while a client was connected."""
    program = """
        import sys
        from pyglobus.core.sandbox import Sandbox
        with Sandbox() as sandbox:
            print(sandbox.directory, sandbox.data_dir, sandbox.servers["ftp"].port, flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        directory, data, port = process.stdout.readline().split()
        with ftplib.FTP() as client:
            client.connect("localhost", int(port), timeout=10)
            client.login()
            process.kill()
            process.wait()
            orphans = of_sandbox(Path(directory))
            yield Path(directory), Path(data), orphans
            client.close()


def test_the_next_one_cleans_up_after_a_killed_one(killed: tuple[Path, Path, list[Process]]) -> None:
    directory, data, orphans = killed
    assert directory.exists()
    assert data.exists()
    assert len(orphans) == 3, "two servers and a session"
    with Sandbox(run=()):
        assert_gone(directory, data)
    assert not any(orphan.alive for orphan in orphans)


def test_one_that_was_killed_while_starting_is_replaced(private_home: Path) -> None:
    sandbox = Sandbox(name="x", owned=False)
    sandbox.start()
    assert sandbox._state is not None
    sandbox._state.complete = False
    sandbox._state.write(sandbox.directory)
    old, data = of_sandbox(sandbox.directory), sandbox.data_dir
    with pytest.raises(errors.NotFound):
        Sandbox.find(name="x")
    again = Sandbox(name="x", owned=False)
    assert again.start()
    try:
        assert not any(process.alive for process in old)
        assert again.data_dir == data or not data.exists()
        assert len(of_sandbox(again.directory)) == 2
    finally:
        again.stop()


def test_a_server_that_died_comes_back(private_home: Path) -> None:
    with Sandbox(run=("ftp",)) as sandbox:
        server = sandbox.servers["ftp"]
        assert server.process is not None
        dead = server.process
        os.kill(dead.pid, signal.SIGKILL)
        wait_for_end(dead)
        assert not server.alive
        assert sandbox.status()["services"][0]["alive"] is False
        assert sandbox.start()
        assert server.alive
        assert server.process != dead
        with ftplib.FTP() as client:
            assert client.connect("localhost", server.port, timeout=10).startswith("220")
        assert not sandbox.start(), "nothing was to be done"


def test_one_that_lost_all_its_servers_is_made_anew(private_home: Path) -> None:
    sandbox = Sandbox(name="x", run=("ftp",), owned=False)
    sandbox.start()
    (sandbox.data_dir / "old").touch()
    for process in of_sandbox(sandbox.directory):
        processes.kill(process)
    with pytest.raises(errors.NotFound):
        Sandbox.find(name="x")
    sandbox.start()
    try:
        assert list(sandbox.data_dir.iterdir()) == []
        found = Sandbox.find(name="x")
        assert found.status() == sandbox.status()
    finally:
        sandbox.stop()


def test_those_who_start_the_same_one_at_once_get_one(private_home: Path) -> None:
    program = "from pyglobus.core.sandbox import Sandbox; print(Sandbox(name='x', run=['ftp'], owned=False).start())"
    command = [sys.executable, "-c", program]
    crowd = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = sorted(process.communicate(timeout=60)[0] for process in crowd)
    sandbox = Sandbox.find(name="x")
    try:
        assert said == ["False\n"] * 3 + ["True\n"]
        assert len(of_sandbox(sandbox.directory)) == 1
    finally:
        sandbox.stop()


def test_what_is_up_already_is_not_taken_over(private_home: Path) -> None:
    with Sandbox(name="mine", run=("ftp",)) as mine:
        with pytest.raises(errors.UsageError, match=f"belongs to process {os.getpid()}"):
            Sandbox(name="mine", owned=False).start()
        assert mine.servers["ftp"].alive
    lasting = Sandbox(name="lasting", run=("ftp",), owned=False)
    lasting.start()
    try:
        with pytest.raises(errors.UsageError, match="started to stay"), Sandbox(name="lasting"):
            pass
        assert lasting.servers["ftp"].alive
    finally:
        lasting.stop()


# Where it may lie


def test_a_directory_that_is_in_use_is_left_alone(private_home: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir(mode=0o700)
    (taken / "thesis.tex").touch()
    with pytest.raises(errors.ConfigurationError, match="not empty"):
        Sandbox(taken).start()
    assert Sandbox(taken).stop() is False
    assert [path.name for path in taken.iterdir()] == ["thesis.tex"]


def test_a_directory_that_others_may_enter_is_refused(private_home: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(errors.ConfigurationError, match="others may enter it") as caught:
        Sandbox(tmp_path / "open").start()
    assert caught.value.hint == f"chmod 700 {tmp_path / 'open'}"


def test_a_link_where_sandboxes_lie_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In /tmp anybody can have put it there before us."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"pyglobus-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(errors.ConfigurationError, match="not a directory"):
        Sandbox(name="x").start()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 65])
def test_a_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(errors.UsageError):
        Sandbox.find(name=name) if name else state.place(name)


def test_a_record_that_is_not_legible_is_reported(private_home: Path, tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"format": 999}', '{"format": 1, "owner": 7}'):
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(errors.ConfigurationError, match="cannot read sandbox"):
            Sandbox.find(tmp_path)


# Servers and processes


def server(tmp_path: Path, program: str, *arguments: str, announcement: str = r"port (\d+)") -> Server:
    return Server(
        name="toy",
        title="toy",
        program=program,
        package="toys",
        arguments=list(arguments),
        environment={"PATH": os.defpath},
        exports={},
        logs=[str(tmp_path / "toy.out")],
        announcement=announcement,
    )


def test_a_server_that_ends_at_once_tells_why(grid: Sandbox) -> None:
    with pytest.raises(errors.Unsupported) as caught:
        grid.start_gridftp("-no-such-option")
    assert caught.value.fault == "server-not-started"
    assert "no-such-option" in str(caught.value)


def test_what_a_server_said_is_in_the_error(tmp_path: Path) -> None:
    toy = server(tmp_path, "sh", "-c", "echo out; echo disk is full >&2; exit 3")
    with pytest.raises(errors.Unsupported, match="it ended at once: out; disk is full") as caught:
        toy.start()
    assert caught.value.chain == ("out", "disk is full")
    assert not toy.alive


def test_a_server_that_never_announces_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STARTING", 0.2)
    toy = server(tmp_path, "sh", "-c", f"echo $$ >{tmp_path}/pid; echo loading; exec sleep 60")
    with pytest.raises(errors.Unsupported, match=r"not announced its port within 0\.2 s: loading"):
        toy.start()
    assert Process.of(int((tmp_path / "pid").read_text())) is None


def test_a_program_that_is_missing_names_its_package(tmp_path: Path) -> None:
    with pytest.raises(errors.Unsupported) as caught:
        server(tmp_path, "no-such-program").start()
    assert caught.value.hint == "apt install toys"


def test_a_server_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    toy = server(tmp_path, "sh", "-c", "trap '' TERM; echo port 42; sleep 60 & wait; wait")
    toy.start()
    assert toy.port == 42
    process = toy.process
    assert process is not None
    process.stop(grace=0.1)
    assert not process.alive


def test_another_process_with_the_same_number_is_not_killed() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        mistaken = Process(bystander.pid, "the day before")
        assert not mistaken.alive
        mistaken.stop()
        processes.kill(mistaken)
        assert bystander.poll() is None
        bystander.kill()


def test_a_process_is_known_by_its_start_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        process = Process.of(child.pid)
        assert process is not None
        assert process.alive
        assert not Process(child.pid, "another day").alive
        process.stop()
        assert not process.alive
        child.returncode = -signal.SIGTERM  # stop has waited for it
    assert Process.of(2**22 + 1) is None
    assert list(processes.marked(MARK, "/")) == []


# Who it acts for


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers act for another account")
def test_root_acts_for_an_unprivileged_account(private_home: Path) -> None:
    with Sandbox(run=("ftp",), account="daemon") as sandbox:
        assert sandbox.user.account == "daemon"
        command = ["globus-url-copy", "file:///etc/passwd", sandbox.ftp_url("x")]
        subprocess.run(command, env=sandbox.env, check=True, timeout=30)
        assert (sandbox.data_dir / "x").owner() == "daemon"
        shared = sandbox.data_dir.parent
        reachable = ["sh", "-c", f"ls {shared / 'certificates'} && ! ls {sandbox.directory}"]
        account = pwd.getpwnam("daemon")
        subprocess.run(reachable, user=account.pw_uid, group=account.pw_gid, extra_groups=[], check=True, timeout=30)
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        with Sandbox(Path(place, "grid"), run=()) as sandbox:
            assert sandbox.data_dir.parent.parent == Path(place), "beside it, where everybody can get"
        assert list(Path(place).iterdir()) == []
    for wrong, kind in (("root", errors.UsageError), ("no-such-account", errors.ConfigurationError)):
        with pytest.raises(kind):
            Sandbox(account=wrong).start()
    assert list(private_home.iterdir()) == []


def test_an_ordinary_user_has_a_grid_too(ordinary_user: Somebody) -> None:
    before = set(ordinary_user.home.iterdir())
    script = """
        set -e
        globus-url-copy file:///etc/passwd $PYGLOBUS_SANDBOX_GSIFTP/~/gsi
        globus-url-copy file:///etc/passwd $PYGLOBUS_SANDBOX_FTP/~/anonymous
        cmp /etc/passwd $PYGLOBUS_SANDBOX_DATA/gsi
        cmp /etc/passwd $PYGLOBUS_SANDBOX_DATA/anonymous
        stat -c 'owner %U' $PYGLOBUS_SANDBOX_DATA/gsi
        echo in $PYGLOBUS_SANDBOX
    """
    done = ordinary_user.pyglobus("sandbox", "exec", "sh", "-c", textwrap.dedent(script))
    owner, directory = re.fullmatch(r"owner (\S+)\nin (\S+)\n", done.stdout).groups()  # type: ignore[union-attr]
    assert owner == ordinary_user.account.pw_name
    assert Path(directory).is_relative_to(ordinary_user.home)
    assert set(ordinary_user.home.iterdir()) == before
    assert of_sandbox(Path(directory)) == []


def test_an_ordinary_user_cannot_choose_the_account(ordinary_user: Somebody) -> None:
    before = set(ordinary_user.home.iterdir())
    done = ordinary_user.pyglobus("sandbox", "up", "--account", "daemon", check=False)
    assert done.returncode == 2
    assert "only root can choose the account" in done.stderr
    assert set(ordinary_user.home.iterdir()) == before

# SPDX-License-Identifier: Apache-2.0
"""gass-server and gass shutdown as scripts see them, beside globus-gass-server, and the client in Python."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from benchmarks import gassload
from pyglobus.core import errors
from pyglobus.core.gass import Allow, Answer, Client, Deny, Redirect, Request, Server, everybody
from pyglobus.core.gass.policy import Operation
from pyglobus.core.gass.rules import Rule, parse, policy
from pyglobus.core.sandbox import Sandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

BIN = Path(sys.executable).parent
OURS = str(BIN / "gass-server")
THEIRS = "globus-gass-server"


@contextlib.contextmanager
def running(grid: Sandbox, *command: str, **how: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server's process, and the URL that it prints first."""
    how = {"env": grid.env} | how
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def run(grid: Sandbox, *command: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    how = {"env": grid.env} | how
    words = [
        str(BIN / command[0]) if str(command[0]).startswith("pyglobus") else str(command[0]),
        *map(str, command[1:]),
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, **how)


@pytest.mark.parametrize("server", [OURS, THEIRS])
@pytest.mark.parametrize("client", ["globus-url-copy", "pyglobus-url-copy"])
def test_peers(grid: Sandbox, tmp_path: Path, server: str, client: str) -> None:
    """Their client and ours see the same of their server and ours."""
    (tmp_path / "source").write_bytes(os.urandom(300_000))
    with running(grid, server) as (process, url):
        assert re.fullmatch(r"https://[\w.-]+:\d+", url)
        assert run(grid, client, f"file://{tmp_path}/source", f"{url}{tmp_path}/there").returncode == 0
        assert run(grid, client, f"{url}{tmp_path}/there", f"file://{tmp_path}/back").returncode == 0
        assert (tmp_path / "back").read_bytes() == (tmp_path / "source").read_bytes()
        assert run(grid, client, f"{url}{tmp_path}/none", f"file://{tmp_path}/none").returncode != 0
        (tmp_path / "line").write_text("told\n")
        assert run(grid, client, f"file://{tmp_path}/line", f"{url}/dev/stdout").returncode == 0
        process.terminate()
        assert process.communicate(timeout=30)[0] == "told\n"
        assert process.returncode == -signal.SIGTERM


#: What is done at a server, by what it is called below.
DOINGS = {
    "get": ("GET", "{tmp}/file"),
    "dot": ("GET", "/./file"),
    "tilde": ("GET", "/~/{kept}"),
    "user": ("GET", "/~{user}/{kept}"),
    "put": ("PUT", "{tmp}/put"),
    "stdout": ("PUT", "/dev/stdout"),
    "stderr": ("PUT", "/dev/stderr"),
}
ALL = frozenset(DOINGS)
#: Options, and what goes with them; -o and -e let files be written as well in the C tool.
OPTIONS: list[tuple[str, frozenset[str]]] = [
    ("-i", ALL),
    ("-i -r", frozenset(("get", "dot"))),
    ("-i -r -t", frozenset(("get", "dot", "tilde"))),
    ("-i -r -u", frozenset(("get", "dot", "user"))),
    ("-i -w", frozenset(("put",))),
    ("-i -r -w -o -e -n wo", frozenset(("get", "dot", "stderr"))),
    ("-i -o -l", frozenset(("stdout",))),
    ("-i -e", frozenset(("stderr",))),
    ("-insecure -read -write -tilde-expand -user-expand -linebuffer", ALL - {"stdout", "stderr"}),
]


def test_each_option_does_what_it_does_there(grid: Sandbox, tmp_path: Path) -> None:
    """All servers run at a time, ours and theirs. The home is that of the account, whatever HOME says."""
    (tmp_path / "file").write_text("read")
    account = pwd.getpwuid(os.getuid())
    kept = next((each.name for each in Path(account.pw_dir).glob("*") if each.is_file()), "")
    places = {"tmp": tmp_path, "user": account.pw_name, "kept": kept}
    environment = grid.env | {"HOME": "/nowhere"}
    with contextlib.ExitStack() as stack:
        started = []
        for words, expected in OPTIONS:
            for server in (OURS, THEIRS):
                process = subprocess.Popen([server, *words.split()], env=environment, cwd=tmp_path, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
                started.append((server, words, expected, stack.enter_context(process)))
                stack.callback(process.kill)
        for server, words, expected, process in started:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            done = {name for name, (method, path) in DOINGS.items() if asked_of(port, method, path.format(**places))}
            (tmp_path / "put").unlink(missing_ok=True)
            if server == THEIRS and {"-o", "-e"} & set(words.split()):
                done -= {"put"}
            assert done == (expected if kept else expected - {"tilde", "user"}), (server, words)
            process.terminate()
            out, err = process.communicate(timeout=30)
            assert process.returncode == -signal.SIGTERM
            assert ("sent" in out, "sent" in err) == ("stdout" in expected, "stderr" in expected), (server, words)


def asked_of(port: int, method: str, path: str) -> bool:
    """Whether an http server does that."""
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body=b"sent\n" if method == "PUT" else None)
        return connection.getresponse().status == 200


@pytest.mark.parametrize("server", [OURS, THEIRS])
def test_a_port_and_silence(grid: Sandbox, tmp_path: Path, server: str) -> None:
    (tmp_path / "file").write_text("read")
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    command = [server, "-silent", "-i", "-r", "-p", str(port)]
    with subprocess.Popen(command, env=grid.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:

        def answers() -> bool:
            with contextlib.suppress(ConnectionError):
                return asked_of(port, "GET", f"{tmp_path}/file")
            return False

        wait_until(answers)
        process.terminate()
        assert process.communicate(timeout=30)[0] == b""


@pytest.mark.parametrize("server", [OURS, THEIRS])
def test_a_client_ends_it(grid: Sandbox, server: str) -> None:
    with running(grid, server, "-c") as (process, url):
        done = run(grid, "pyglobus", "gass", "shutdown", url)
        assert (done.returncode, done.stderr) == (0, "")
        assert process.wait(30) == 0


@pytest.mark.parametrize("server", [OURS, THEIRS])
def test_a_client_that_may_not_is_told(grid: Sandbox, server: str) -> None:
    with running(grid, server, "-r") as (process, url):
        done = run(grid, "pyglobus", "gass", "shutdown", url)
        assert done.returncode == 77
        assert "may not end" in done.stderr
        assert process.poll() is None


def test_the_c_tool_ends_ours(grid: Sandbox) -> None:
    with running(grid, OURS, "-c") as (process, url):
        run(grid, "globus-gass-server-shutdown", url)
        assert process.wait(30) == 0


def test_without_leave_nothing_goes(grid: Sandbox, tmp_path: Path) -> None:
    """globus-gass-server with -o alone lets all files be written."""
    (tmp_path / "file").write_text("x")
    with running(grid, OURS, "-o") as (_, url):
        assert run(grid, "globus-url-copy", f"{url}{tmp_path}/file", f"file://{tmp_path}/got").returncode == 1
        assert run(grid, "globus-url-copy", f"file://{tmp_path}/file", f"{url}{tmp_path}/put").returncode == 1
    assert not (tmp_path / "put").exists()


@pytest.mark.parametrize("server", [OURS, THEIRS])
def test_insecure_is_http(grid: Sandbox, tmp_path: Path, server: str) -> None:
    (tmp_path / "file").write_text("open")
    with running(grid, server, "-i", "-r") as (_, url):
        assert url.startswith("http://")
        done = run(grid, "curl", "-sS", "--fail", "--max-time", "20", f"{url}{tmp_path}/file")
        assert done.stdout == "open"


@pytest.mark.parametrize("server", [OURS, THEIRS])
def test_its_exit_status_is_theirs(grid: Sandbox, server: str) -> None:
    assert run(grid, server, "-x").returncode == 1
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        assert run(grid, server, "-p", str(taken.getsockname()[1])).returncode == 255


def test_silent_prints_nothing_and_says_where_it_is_elsewhere(grid: Sandbox, tmp_path: Path) -> None:
    read, write = os.pipe()
    notified = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, open(read) as ready:
        manager.bind(str(notified))
        manager.settimeout(20)
        command = [OURS, "-s", "--ready-fd", str(write), "--bind", "127.0.0.1"]
        environment = grid.env | {"NOTIFY_SOCKET": str(notified)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, pass_fds=[write]) as process:
            os.close(write)
            url = ready.read().strip()
            assert url.startswith("https://127.0.0.1:")
            assert manager.recv(1000).startswith(b"READY=1\n")
            process.terminate()
            assert manager.recv(1000) == b"STOPPING=1"
            assert process.communicate(timeout=30)[0] == ""


def test_the_stock_server_is_reached(grid: Sandbox, tmp_path: Path) -> None:
    """The toolkit's own: with -o alone, it lets files be written."""
    (tmp_path / "file").write_text("x")
    with running(grid, OURS, "--stock", "-o", "-c") as (process, url):
        assert os.readlink(f"/proc/{process.pid}/exe").endswith(f"/{THEIRS}")
        assert run(grid, "globus-url-copy", f"file://{tmp_path}/file", f"{url}{tmp_path}/put").returncode == 0
        assert run(grid, "pyglobus", "gass", "shutdown", url).returncode == 0
        assert process.wait(30) == 0
    for words in (["--root", str(tmp_path)], ["--log", "-"], ["--format", "jsonl"]):
        done = run(grid, OURS, "--stock", *words)
        assert (done.returncode, done.stdout) == (1, "") and "exclude each other" in done.stderr
    done = run(grid, sys.executable, OURS, "--stock", env=grid.env | {"PATH": str(tmp_path)})
    assert done.returncode == 69 and "globus-gass-server-ez-progs" in done.stderr


def test_disabling_takes_away_from_the_default(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with running(grid, OURS, "-n", "w") as (_, url):
        assert run(grid, "globus-url-copy", f"{url}{tmp_path}/file", f"file://{tmp_path}/got").returncode == 0
        assert run(grid, "globus-url-copy", f"file://{tmp_path}/file", f"{url}{tmp_path}/put").returncode == 1
    assert not (tmp_path / "put").exists()


def test_rules_limits_and_a_log(grid: Sandbox, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "pub").mkdir(parents=True)
    (root / "pub" / "file").write_text("public")
    mallory = tmp_path / "mallory.pem"
    grid.authority.issue("Mallory").proxy().save_proxy(mallory)
    (tmp_path / "rules").write_text('allow "*/CN=Mallory" read,append /pub/*  # but no put\n')
    log = tmp_path / "log"
    options = [
        "-r",
        "-w",
        "--root",
        str(root),
        "--rules",
        str(tmp_path / "rules"),
        "--max-size",
        "10",
        "--log",
        str(log),
    ]
    options += ["--log-format", "jsonl", "--deny", "*/CN=Eve"]
    with running(grid, OURS, *options) as (process, url):
        other = grid.env | {"X509_USER_PROXY": str(mallory)}
        subject = "/O=Grid/OU=Sandbox/CN=Ada Lovelace"
        script = (
            "import sys; from pyglobus.core.gass import Client, Denial\n"
            "c = Client(subject=sys.argv[1])\n"
            "def told(call, *a):\n"
            "    try: print(call(*a).bytes)\n"
            "    except Denial as e: print(e.code, e.reason)\n"
            "u = sys.argv[2]\n"
            "got = []\n"
            "told(c.get, u + '/pub/file', got.append); print(got)\n"
            "told(c.append, b'!', u + '/pub/file')\n"
            "told(c.put, b'mine now', u + '/pub/file')\n"
            "told(c.get, u + '/else', got.append)\n"
        )
        done = run(grid, sys.executable, "-c", script, subject, url, env=other)
        assert done.stdout.splitlines() == [
            "6",
            "[b'public']",
            "1",
            "403 /O=Grid/OU=Sandbox/CN=Mallory is not allowed to put this",
            "403 /O=Grid/OU=Sandbox/CN=Mallory is not allowed to get this",
        ], done.stderr
        (tmp_path / "large").write_text("x" * 11)
        assert run(grid, "globus-url-copy", f"file://{tmp_path}/large", f"{url}/large").returncode == 1
        process.terminate()
        process.wait(30)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["operation"], entry["status"]) for entry in entries] == [
        ("get", 200),
        ("append", 200),
        ("put", 403),
        ("get", 403),
        ("put", 413),
    ]
    assert entries[0]["identity"].endswith("CN=Mallory") and entries[0]["bytes"] == 6
    assert (root / "pub" / "file").read_text() == "public!"


def test_who_is_allowed_and_a_log_as_text(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    proxies = {name: tmp_path / f"{name}.pem" for name in ("Mallory", "Eve")}
    for name, path in proxies.items():
        grid.authority.issue(name).proxy().save_proxy(path)
    log = tmp_path / "log"
    with running(grid, OURS, "-r", "--allow", "*/CN=Mallory", "--log", str(log)) as (process, url):
        for name, status in (("Mallory", 0), ("Eve", 1)):
            words = ["-ss", "/O=Grid/OU=Sandbox/CN=Ada Lovelace", f"{url}{tmp_path}/file", f"file://{tmp_path}/{name}"]
            done = run(grid, "globus-url-copy", *words, env=grid.env | {"X509_USER_PROXY": str(proxies[name])})
            assert done.returncode == status, done.stderr
        process.terminate()
        process.wait(30)
    allowed, refused = log.read_text().splitlines()
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+"
    file = re.escape(json.dumps(f"{tmp_path}/file"))
    assert re.fullmatch(rf'{when} "/O=Grid/OU=Sandbox/CN=Mallory" get {file} done 200 1 \d+\.\d{{3}}', allowed)
    assert re.fullmatch(rf'{when} "/O=Grid/OU=Sandbox/CN=Eve" get {file} \w+ 403 0 \d+\.\d{{3}} ".*"', refused)


def test_jsonl_tells_each_request(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with running(grid, OURS, "-r", "-c", "--format", "jsonl") as (process, first):
        listening = json.loads(first)
        assert listening["type"] == "listening"
        assert (
            run(grid, "globus-url-copy", f"{listening['url']}{tmp_path}/file", f"file://{tmp_path}/got").returncode == 0
        )
        assert run(grid, "pyglobus", "gass", "shutdown", listening["url"]).returncode == 0
        entries = [json.loads(line) for line in process.communicate(timeout=30)[0].splitlines()]
    assert [(entry["type"], entry["operation"], entry["outcome"]) for entry in entries] == [
        ("access", "get", "done"),
        ("access", "shutdown", "done"),
    ]


def test_a_signal_lets_clients_finish(grid: Sandbox, tmp_path: Path) -> None:
    with running(grid, OURS, "-i", "-w", "--root", str(tmp_path)) as (process, url):
        with socket.create_connection(("localhost", int(url.rpartition(":")[2])), timeout=20) as sock:
            sock.sendall(b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert b" 100 " in sock.recv(1000)
            process.terminate()
            with pytest.raises(ConnectionError):
                while True:
                    socket.create_connection(("localhost", int(url.rpartition(":")[2])), timeout=20).close()
            sock.sendall(b"ok")
            assert b" 200 " in sock.recv(1000)
        assert "waiting at most 30 s for 1 client to finish" in process.communicate(timeout=30)[1]
        assert process.returncode == -signal.SIGTERM
    assert (tmp_path / "x").read_text() == "ok"


@pytest.mark.timeout(180)
def test_sixty_four_clients_at_a_time(grid: Sandbox, tmp_path: Path) -> None:
    """What `benchmarks.gassload` does with 200 times 1 MiB each."""
    with running(grid, OURS, "-r", "-w") as (process, url):
        port = int(url.rpartition(":")[2])
        wrong = gassload.load(port, grid.env["X509_USER_PROXY"], tmp_path, clients=64, times=1, size=100_000)
        assert wrong == ""
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None and int(peak[1]) >> 10 < gassload.GOAL_MIB


@contextlib.contextmanager
def idle(url: str, count: int) -> Iterator[bytes]:
    """So many connections that say nothing, by a process of its own; and what the first has been told."""
    script = (
        "import resource, socket, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, int(sys.argv[2]) + 100), hard))\n"
        "where = ('localhost', int(sys.argv[1]))\n"
        "idle = [socket.create_connection(where, timeout=30) for _ in range(int(sys.argv[2]))]\n"
        "print(idle[0].recv(1000).hex(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, url.rpartition(":")[2], str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield bytes.fromhex(process.stdout.readline())
        assert process.communicate(timeout=30)[0] == ""


def test_a_thousand_idle_connections(grid: Sandbox, tmp_path: Path) -> None:
    """They take turns in the few places that there are, and hold up nobody; who must go is told, and it is logged."""
    (tmp_path / "file").write_text("served")
    log = tmp_path / "log"
    with running(grid, OURS, "-i", "-r", "--root", str(tmp_path), "--log", str(log)) as (process, url):
        with idle(url, 1000) as told:
            assert told.startswith(b"HTTP/1.1 503 there are too many clients")
            done = run(grid, "curl", "-sS", "--fail", "--max-time", "20", f"{url}/file")
            assert done.stdout == "served", done.stderr
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    lines = log.read_text().splitlines()
    assert sum(' - "-" denied 503 0 ' in line and "it had asked for nothing" in line for line in lines) >= 1000 - 128


def test_few_descriptors_are_a_limit_that_is_told(grid: Sandbox, tmp_path: Path) -> None:
    """More silent clients than descriptors: each that must go is told so in TLS, and who asks is served."""
    (tmp_path / "file").write_text("served")
    copy = ["globus-url-copy", "{url}/file", f"file://{tmp_path}/got"]
    few = ["prlimit", "--nofile=80:80", OURS, "-r", "--root", str(tmp_path)]
    with running(grid, *few) as (process, url):
        words = [word.format(url=url) for word in copy]
        with idle(url, 300) as told:
            assert told == bytes.fromhex("15 0303 0002 02 50"), "a fatal alert, internal_error"
            assert run(grid, *words).returncode == 0
            assert len(os.listdir(f"/proc/{process.pid}/fd")) <= 80
        assert run(grid, *words).returncode == 0
        process.terminate()
        assert re.search(r"serves \d+ clients at once: 80 open files", process.communicate(timeout=30)[1])
    done = run(grid, "prlimit", "--nofile=24:24", OURS, "-r", "-i")
    assert done.returncode == 255 and "leaves no room for a connection" in done.stderr, done.stderr


def test_busy_clients_up_to_the_last_descriptor(grid: Sandbox, tmp_path: Path) -> None:
    """All who come beyond are told so, and it is logged; when the others are done, the next is served."""
    log = tmp_path / "log"
    few = ["prlimit", "--nofile=80:80", OURS, "-i", "-w", "--root", str(tmp_path), "--log", str(log)]
    with running(grid, *few) as (process, url), contextlib.ExitStack() as stack:

        def put(number: int) -> tuple[socket.socket, bytes]:
            where = ("localhost", int(url.rpartition(":")[2]))
            sock = stack.enter_context(socket.create_connection(where, timeout=20))
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"PUT /%d HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n" % number)
                return sock, sock.recv(1000)
            return sock, b""

        answers = [put(number) for number in range(60)]
        busy = [sock for sock, answer in answers if b" 100 " in answer]
        assert 10 <= len(busy) < 27
        told = [answer for _, answer in answers if answer.startswith(b"HTTP/1.1 503 there are too many clients")]
        assert told, "who comes beyond is told so; one that is reset meanwhile may not hear it"
        for sock in busy:
            sock.sendall(b"ok")
            assert b" 200 " in sock.recv(1000)
        sock, answer = put(99)
        assert b" 100 " in answer, "there is room again"
        sock.sendall(b"ok")
        assert b" 200 " in sock.recv(1000)
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    statuses = re.findall(r" (?:done|denied) (\d+) ", log.read_text())
    assert (statuses.count("200"), statuses.count("503")) == (len(busy) + 1, 60 - len(busy))


def test_wrong_words(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("# good\nallow everybody\n")
    for words, code, told in (
        (["-n", "xyz"], 1, "invalid letter"),
        (["--quota", "1G"], 1, "without a root"),
        (["--root", str(tmp_path / "none")], 66, "cannot serve directory"),
        (["--rules", str(tmp_path / "rules")], 78, "rules:2: four fields"),
        (["-o", "--format", "jsonl"], 1, "exclude each other"),
    ):
        done = run(grid, OURS, *words)
        assert done.returncode == code and told in done.stderr, done.stderr
    done = run(grid, OURS, env=grid.env | {"X509_USER_PROXY": str(tmp_path / "none")})
    assert done.returncode == 77 and done.stdout == ""


def test_a_terminal_shows_who_is_there(grid: Sandbox, tmp_path: Path) -> None:
    environment = {name: str(value) for name, value in grid.env.items()} | {"TERM": "xterm-256color"}
    child = pexpect.spawn(OURS, ["-i", "-w", "--root", str(tmp_path)], env=environment, encoding="utf-8", timeout=20,
        dimensions=(24, 100))  # fmt: skip
    child.expect(r"http://[\w.-]+:(\d+)\r\n")
    assert isinstance(child.match, re.Match)
    with socket.create_connection(("localhost", int(child.match[1])), timeout=20) as sock:
        sock.sendall(b"PUT /incoming HTTP/1.1\r\nContent-Length: 2048\r\n\r\n" + b"x" * 1024)
        child.expect("1 client, 1.00 KiB served")
        child.expect("put +1.00 KiB of 2.00 KiB .*/incoming")
        child.setwinsize(24, 50)
        child.expect("put +1.00 KiB of 2.00 KiB +[0-9.]+ [KMG]?i?B/s ")  # names are what is cut off
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus == signal.SIGINT


# The client ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("as_user")
def test_the_client_meets_its_own_kind(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    large = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(large)

    def judge(request: Request) -> Answer:
        if request.path == "/moved":
            return Redirect("/large")
        return Deny(503, "come later") if request.path == "/busy" else Allow()

    with Server(judge, root=root, write=True, host="localhost", quota=4_000_000) as server:
        client = Client()
        done = client.put(tmp_path / "large", f"{server.url}/large")
        assert (done.bytes, done.subject) == (len(large), "/O=Grid/OU=Sandbox/CN=Ada Lovelace")
        client.append(b"tail", f"{server.url}/large")
        got = client.get(f"{server.url}/moved", tmp_path / "back")
        assert got.url == f"{server.url}/large" and (tmp_path / "back").read_bytes() == large + b"tail"
        for path, kind, code in (("/none", FileNotFoundError, 404), ("/busy", ConnectionError, 503)):
            with pytest.raises(kind) as caught:
                client.get(f"{server.url}{path}", tmp_path / "none")
            assert caught.value.code == code  # type: ignore[attr-defined]
        with pytest.raises(errors.CannotCreate, match="507 Disk quota exceeded"):
            client.put(tmp_path / "large", f"{server.url}/more")
        with pytest.raises(errors.CredentialError):
            Client(subject="/CN=Somebody else").get(f"{server.url}/large", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(errors.TransientError):
        client.get(f"{server.url}/large", tmp_path / "none")


@pytest.mark.usefixtures("as_user")
def test_the_client_meets_the_c_server(grid: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(3_000_000))
    with running(grid, THEIRS, "-r", "-w") as (_, url):
        client = Client()
        client.put(tmp_path / "large", f"{url}{tmp_path}/there")
        assert client.get(f"{url}{tmp_path}/there", tmp_path / "back").bytes == 3_000_000
        client.append(b"tail", f"{url}{tmp_path}/there")
        assert (tmp_path / "there").read_bytes() == (tmp_path / "back").read_bytes() + b"tail"
        with pytest.raises(FileNotFoundError, match="404 File Not Found"):
            client.get(f"{url}{tmp_path}/none", tmp_path / "none")


def test_a_server_that_ends_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in (
                b"HTTP/1.1 200 Ok\r\nContent-Length: 10\r\n\r\nhalf",
                b"HTTP/1.1 200 Ok\r\n\r\nwhole",
                b"nonsense\r\n\r\n",
            ):
                sock, _ = listening.accept()
                with sock:
                    sock.recv(65536)
                    sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        with pytest.raises(errors.DataError, match="in the middle"):
            Client().get(url, tmp_path / "x")
        assert list(tmp_path.iterdir()) == []
        Client().get(url, tmp_path / "x")
        assert (tmp_path / "x").read_text() == "whole"
        with pytest.raises(errors.ProtocolError, match="no HTTP response"):
            Client().get(url, tmp_path / "y")
        thread.join(20)


# Rules ---------------------------------------------------------------------------------------------------------------


def asked(operation: Operation, path: str, identity: str | None) -> Request:
    return Request(operation, path, identity, None, "127.0.0.1")


def test_the_first_rule_that_fits_decides() -> None:
    rules = parse(
        [
            'deny "/CN=Eve*" * *',
            "allow self * *",
            "deny * * /private/*",
            "allow /CN=[AB]* read,append /runs/*",
            "allow anonymous read /pub/*",
        ]
    )
    judge = policy(rules, own="/CN=Owner")
    for operation, path, identity, good in (
        ("put", "/anything", "/CN=Owner", True),
        ("get", "/pub/x", "/CN=Eve Too", False),
        ("get", "/runs/1", "/CN=Ada", True),
        ("append", "/runs/1", "/CN=Bob", True),
        ("put", "/runs/1", "/CN=Ada", False),
        ("get", "/runs/1", "/CN=Carl", False),
        ("get", "/private/x", "/CN=Ada", False),
        ("get", "/pub/a/b", None, True),
        ("put", "/pub/a", None, False),
        ("get", "/runs/1", None, False),
    ):
        answer = judge(asked(operation, path, identity))  # type: ignore[arg-type]
        assert isinstance(answer, Allow) is good, (operation, path, identity)


def test_a_pattern_lets_nobody_without_a_name_in() -> None:
    assert isinstance(policy([Rule(True, "*")], own=None)(asked("get", "/x", None)), Deny)
    assert isinstance(everybody(asked("get", "/x", None)), Allow)


@pytest.mark.parametrize(
    "line", ["allow", "permit * * *", "allow * look *", "allow * read relative", 'allow "open * *', "allow * * * *"]
)
def test_a_rule_that_is_none_is_named_by_its_line(line: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="rules:2"):
        parse(["", line])


def test_rules_know_the_gridmap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gridmap").write_text('"/CN=Known" somebody\n')
    monkeypatch.setenv("GRIDMAP", str(tmp_path / "gridmap"))
    judge = policy(parse(["allow gridmap read *"]), own=None)
    assert isinstance(judge(asked("get", "/x", "/CN=Known")), Allow)
    assert isinstance(judge(asked("get", "/x", "/CN=Unknown")), Deny)

# SPDX-License-Identifier: Apache-2.0
"""What every test stands on: a real grid on loopback, once per session, and a user who has configured nothing.

A test that needs files at the far end asks for ``served``, a directory of its own that the servers' account may write
to; in any other directory a test run by root has no luck, since root's servers act for an unprivileged account. A
test that spoils something (kills a server, takes a credential away) makes a sandbox of its own, which takes half a
second.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from pyglobus.core.sandbox import Sandbox, Server
from tests import cluster as postgresql

if TYPE_CHECKING:
    from pyglobus.core.sandbox.authority import Authority, Issued

#: Variables that tell of the user's own grid, or change how a client behaves or looks.
FOREIGN = (
    "X509_",
    "GLOBUS_",
    "MYPROXY_",
    "GRIDMAP",
    "GSI_",
    "PYGLOBUS_",
    "GUC_",
    "XDG_CONFIG",
    "XDG_CACHE",
    "XDG_DATA",
    "XDG_STATE",
    "LC_",
    "PG",
)
COLOURS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")

# How long one example takes says more about the machine than about what is tested.
hypothesis.settings.register_profile("pyglobus", deadline=None)
hypothesis.settings.load_profile("pyglobus")

CommandRunner = Callable[..., "subprocess.CompletedProcess[str]"]
Done = subprocess.CompletedProcess[str]


# What takes a minute begins first: at the end it would run alone.
LONGEST = ("test_packaging.py", "test_slurm.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin, and leave the order as it is otherwise."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def blank_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home, and an environment without anybody's Globus settings."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if (name.startswith(FOREIGN) and name != "GLOBUS_LOCATION") or name in COLOURS:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("LC_ALL", "C.UTF-8")
        # What a shell without job control starts in the background ignores it, and so would all that tests start.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield home


@pytest.fixture(scope="session")
def grid(blank_user: Path) -> Iterator[Sandbox]:
    """The local grid: GSI and anonymous GridFTP, an authority, a user with a proxy."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def second_server(grid: Sandbox) -> Iterator[Server]:
    """Another GSI GridFTP server of the same grid, for third-party transfers."""
    with grid.start_gridftp() as server:
        yield server


@pytest.fixture(scope="session")
def sixth(grid: Sandbox) -> Iterator[Server]:
    """A GSI server that listens on IPv6 alone."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("there is no IPv6 here")
    with grid.start_gridftp("-ipc-interface", "::1", "-control-interface", "::1", "-data-interface", "::1") as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgresql.Cluster]:
    """A PostgreSQL server."""
    with postgresql.running() as made:
        yield made


@pytest.fixture
def served(grid: Sandbox, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A new directory that the servers' account owns. It is gone after the test."""
    directory = grid.data_dir / f"test-{abs(hash(request.node.nodeid)):x}"
    directory.mkdir(mode=0o755)
    if os.geteuid() == 0:
        account = pwd.getpwnam(grid.user.account)
        os.chown(directory, account.pw_uid, account.pw_gid)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A directory that all may enter, in memory if there is room for a few gigabytes: disks take their time."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 8 << 30
    with tempfile.TemporaryDirectory(prefix="pyglobus-test-", dir=shared if roomy else None) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def memory_grid(blank_user: Path, memory: Path) -> Iterator[Sandbox]:
    """A grid like ``grid`` that lies and serves in memory, for large files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(memory))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        sandbox = Sandbox()
        sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def as_user(grid: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grid's user in this process."""
    for name, value in grid.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def copy(grid: Sandbox) -> CommandRunner:
    """Run pyglobus-url-copy as the grid's user. It must succeed unless ``check=False``; the other keywords are those
    of subprocess.run.
    """
    program = str(Path(sys.executable).with_name("pyglobus-url-copy"))

    def run(
        *arguments: str | Path | bytes, check: bool = True, env: Mapping[str, str | None] | None = None, **how: Any
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in (grid.env | dict(env or {})).items() if value is not None}
        words = [os.fspath(word) for word in arguments]
        keywords: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "errors": "surrogateescape"}
        keywords |= how
        if keywords["capture_output"] and ("stdout" in how or "stderr" in how):
            keywords["capture_output"] = False
            keywords = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | keywords
        done = subprocess.run([program, *words], env=environment, check=False, **keywords)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def url_copy(grid: Sandbox) -> CommandRunner:
    """Run globus-url-copy, the C client, as the grid's user. It must succeed unless ``check=False``."""

    def run(
        *arguments: str | Path, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = ["globus-url-copy", *map(str, arguments)]
        done = subprocess.run(
            command, env=grid.env | (env or {}), capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@dataclass(frozen=True)
class Lab:
    """A user whose whole chain is RSA, as grid-proxy-init needs it, known to nobody but a trusted directory."""

    directory: Path
    authority: Authority
    user: Issued
    #: That of ``locked.pem``, the user's key once more. Tests look for it where it must not be.
    pass_phrase: str = "Mellon, said the friend"

    @property
    def trusted(self) -> Path:
        """The trusted directory."""
        return self.directory / "certificates"

    @property
    def files(self) -> tuple[str, ...]:
        """The options that name the user's files to grid-proxy-init."""
        return ("-cert", str(self.directory / "usercert.pem"), "-key", str(self.directory / "userkey.pem"))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program that trusts the authority."""
        return dict(os.environ) | {"X509_CERT_DIR": str(self.trusted)}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An authority and a user, for tests of credentials that need no servers. Leave the files as they are."""
    from pyglobus.core.sandbox.authority import Authority
    from pyglobus.core.x509.keys import rsa_key

    directory = tmp_path_factory.mktemp("lab")
    authority = Authority.create("/O=Grid/OU=Lab", key=rsa_key())
    made = Lab(directory, authority, authority.issue("Ada Lovelace"))
    made.trusted.mkdir()
    authority.trust_in(made.trusted)
    made.user.save(directory / "usercert.pem", directory / "userkey.pem")
    made.user.save(directory / "usercert.pem", directory / "locked.pem", pass_phrase=made.pass_phrase.encode())
    return made


@pytest.fixture(scope="session")
def ada(grid: Sandbox) -> Issued:
    """The grid's user."""
    from pyglobus.core.sandbox.authority import Issued

    return Issued.load(grid.user.certificate, grid.user.key)


@pytest.fixture(scope="session")
def spare() -> Any:
    """An RSA key."""
    from pyglobus.core.x509.keys import rsa_key

    return rsa_key()


@dataclass(frozen=True)
class Keeper:
    """A grid with two MyProxy servers, one that keeps credentials and one that issues certificates.

    The user's is kept as ``ada``: without a name, and as ``renewable``.
    """

    grid: Sandbox
    pass_phrase: str = "Speak, friend, and enter"

    @property
    def ca(self) -> str:
        """The contact of the one that issues certificates."""
        return self.grid.variables["PYGLOBUS_SANDBOX_MYPROXY_CA"]

    def prepare(self, directory: Path) -> dict[str, str]:
        """What an environment needs whose directory of work is ``directory``: the pass phrase is there in ``phrase``,
        and a proxy of its own.
        """
        (directory / "phrase").touch(mode=0o600)
        (directory / "phrase").write_text(f"{self.pass_phrase}\n")
        shutil.copy(self.grid.user.proxy, directory / "proxy")
        return self.grid.variables | {"X509_USER_PROXY": str(directory / "proxy"), "LOGNAME": "ada"}

    def run(self, *command: str, cwd: Path, env: Mapping[str, str], lines: tuple[str, ...] = ()) -> Done:
        """Run a command without a terminal, with these lines (or the pass phrase) at its standard input."""
        return subprocess.run(
            command,
            cwd=cwd,
            env=env,
            input="".join(f"{line}\n" for line in lines or (self.pass_phrase,)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def keeper(blank_user: Path) -> Iterator[Keeper]:
    """MyProxy servers with something in them. Leave what is there as it is."""
    from pyglobus.core import proxy
    from pyglobus.core.myproxy import contact, credentials
    from pyglobus.core.myproxy.session import Session

    with Sandbox(run=("myproxy", "myproxy-ca")) as sandbox:
        made = Keeper(sandbox)
        mine = proxy.read(sandbox.user.proxy)
        servers = contact.servers(sandbox.variables["PYGLOBUS_SANDBOX_MYPROXY"])
        for name in (None, "renewable"):
            with Session(servers, credential=mine, environ=sandbox.env) as session:
                credentials.put(
                    session,
                    username="ada",
                    pass_phrase=b"" if name else made.pass_phrase.encode(),
                    name=name,
                    policies=credentials.Policies(renewers="*") if name else None,
                )
        yield made


#: A program that is the command ``pyglobus``, for an interpreter that need not have the entry points installed.
PYGLOBUS = "import sys; from pyglobus.cli.main import pyglobus; sys.exit(pyglobus())"


@dataclass(frozen=True)
class Somebody:
    """An account to run commands as: with an interpreter that has pyglobus, and an empty home."""

    account: pwd.struct_passwd
    python: str
    home: Path
    environment: dict[str, str]

    def run(
        self, *command: str, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, ``python`` for one with pyglobus in it; it must succeed unless ``check=False``."""
        other = os.geteuid() != self.account.pw_uid
        done = subprocess.run(
            [self.python if command[0] == "python" else command[0], *command[1:]],
            env=self.environment | dict(env or {}),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=self.account.pw_uid if other else None,
            group=self.account.pw_gid if other else None,
            extra_groups=[] if other else None,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def pyglobus(
        self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command ``pyglobus``."""
        return self.run("python", "-c", PYGLOBUS, *arguments, check=check, env=env)

    @contextmanager
    def start_pyglobus(self, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """The command ``pyglobus`` (for whoever runs the tests) with a pipe at its standard output; it ends with
        the block.
        """
        command = [self.python, "-c", PYGLOBUS, *arguments]
        with subprocess.Popen(
            command, env=self.environment | dict(env or {}), stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short path, as XDG_RUNTIME_DIR is for an ordinary user, since the names of sockets have a limit. What a failed
    test leaves of its sandboxes there is cleaned away.
    """
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        yield Path(name)
        for record in Path(name).glob("pyglobus/*/state.json"):
            Sandbox(record.parent).stop()


@pytest.fixture
def me(runtime: Path) -> Somebody:
    """Whoever runs the tests, with sandboxes of their own."""
    environment = dict(os.environ) | {"HOME": str(runtime), "XDG_RUNTIME_DIR": str(runtime)}
    return Somebody(pwd.getpwuid(os.geteuid()), sys.executable, runtime, environment)


@pytest.fixture(scope="session")
def ordinary_user(blank_user: Path) -> Iterator[Somebody]:
    """Somebody who is not root: whoever runs the tests, or nobody if that is root.

    An interpreter under root's home cannot be run by others. Then the system's is taken, if it is of the same version,
    and what pyglobus stands on is copied to a place that all can read.
    """
    with tempfile.TemporaryDirectory(prefix="pyglobus-test-") as name:
        home = Path(name, "home")
        home.mkdir(mode=0o700)
        environment = {key: value for key, value in os.environ.items() if key != "XDG_RUNTIME_DIR"}
        environment |= {"HOME": str(home), "TMPDIR": str(home)}
        if os.geteuid() != 0:
            yield Somebody(pwd.getpwuid(os.geteuid()), sys.executable, home, environment)
            return
        account = pwd.getpwnam("nobody")
        os.chown(home, account.pw_uid, account.pw_gid)
        Path(name).chmod(0o755)
        modules = Path(name, "modules")
        python = _python_for(account)
        _copy_modules(modules)
        yield Somebody(account, python, home, environment | {"PYTHONPATH": str(modules)})


def _python_for(account: pwd.struct_passwd) -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        probe = [python, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"]
        try:
            subprocess.run(
                probe, check=True, user=account.pw_uid, group=account.pw_gid, extra_groups=[], timeout=30, cwd="/"
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return python
    pytest.skip(f"no Python {version} that an ordinary user could run")


def _copy_modules(target: Path) -> None:
    target.mkdir(mode=0o755)
    for module in (
        "pyglobus",
        "click",
        "rich",
        "pygments",
        "markdown_it",
        "mdurl",
        "cryptography",
        "cffi",
        "_cffi_backend",
    ):
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        for place in reversed(list(spec.submodule_search_locations or ())):  # the first has the last word
            shutil.copytree(place, target / module, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        if not spec.submodule_search_locations:
            shutil.copy(str(spec.origin), target)


@pytest.fixture(scope="session")
def session_pids() -> Callable[[Server], list[int]]:
    """The processes that a GridFTP server has forked for the sessions that are open, by id."""

    def find(server: Server) -> list[int]:
        assert server.process is not None
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state, parent = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == server.process.pid and state not in "ZX":
                found.append(int(entry.name))
        return found

    return find


@pytest.fixture(scope="session")
def jobs(blank_user: Path) -> Iterator[Sandbox]:
    """A grid with a gatekeeper."""
    with Sandbox(run=("gatekeeper",)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def contact(jobs: Sandbox) -> str:
    """The contact of its gatekeeper."""
    return jobs.variables["PYGLOBUS_SANDBOX_GRAM"]

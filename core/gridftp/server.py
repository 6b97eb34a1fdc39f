# SPDX-License-Identifier: Apache-2.0
"""A GridFTP server from its start to its end.

It is the toolkit's own, which forks a process for each session; here are its configuration, in a private directory that
goes with it, what its logs tell, as events, and, unless it serves a directory natively, the host of the storage that
its sessions ask.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pyglobus.core import errors, files
from pyglobus.core.gridftp import access
from pyglobus.core.gridftp.logs import Logs
from pyglobus.core.gridftp.settings import Settings
from pyglobus.core.gss.credential import Credential
from pyglobus.core.sandbox.server import MARK, program_path
from pyglobus.core.sandbox.server import Server as Daemon
from pyglobus.core.storage.directory import Directory
from pyglobus.core.storage.host import Host
from pyglobus.core.storage.session import Event

_NAME, _PROGRAM = "the GridFTP server", "globus-gridftp-server"
#: The storage interface that the server loads.
_INTERFACE = "libglobus_gridftp_server_pyglobus.so"
#: What the server is in, and what the interface is built with.
_PACKAGES = ("globus-gridftp-server-progs", "libglobus-gridftp-server-dev")
# Seconds between two looks whether the server is still there.
_LOOK = 0.5
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "GLOBUS_LOCATION", "X509_CERT_DIR", "HOME", MARK)


class Server:
    """A server. `start`, or ``with``, starts it; `close` ends it."""

    def __init__(
        self, settings: Settings, credential: Credential | None = None, *, on_event: Event | None = None
    ) -> None:
        """``credential`` is who the server is; None where it needs none, for anonymous clients alone. ``on_event`` is
        called in threads of the server and must return at once.

        Raises `errors.UsageError`, `errors.Unsupported` where the toolkit's server or the storage interface is not
        installed, and `errors.ConfigurationError` where nobody could log in.
        """
        self.settings = settings.check()
        self._credential = credential
        self._tell = on_event or (lambda _kind, _facts: None)
        self._allowed = access.subjects(self.settings, credential)
        self._directory: Path | None = None
        self._daemon: Daemon | None = None
        self._host: Host | None = None
        self._logs: Logs | None = None
        self._asked: SimpleQueue[None] = SimpleQueue()
        #: The URL under which clients reach it, once started.
        self.url = ""

    # Life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen. Raises `errors.Error`; then nothing is left of it."""
        _free(self.settings)
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="pyglobus-gridftp-"))
            self._logs = logs = Logs(self._directory, self._tell)
            daemon = self._make(self._directory, logs)
            daemon.start()
        except BaseException:
            self._clean()
            raise
        self._daemon = daemon
        scheme = "gsiftp" if self._credential is not None else "ftp"
        self.url = f"{scheme}://{self._hostname()}:{daemon.port}"
        self._tell("start", {"url": self.url})

    def _make(self, directory: Path, logs: Logs) -> Daemon:
        settings = self.settings
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        words = {
            "port": str(settings.port),
            "connections_max": str(settings.connections),
            "control_idle_timeout": str(settings.idle),
            "control_preauth_timeout": str(settings.login),
            "log_single": str(logs.messages),
            "log_level": "error,warn,info",
            "log_module": "stdio:buffer=0",
            "log_transfer": str(logs.transfers),
        }
        for name, value in (("control_interface", settings.bind), ("data_interface", settings.data_bind)):
            if value:
                words[name] = value
        if settings.ports is not None:
            words["port_range"] = f"{settings.ports[0]},{settings.ports[1]}"
        if settings.banner is not None:
            words["banner"] = settings.banner
        if os.geteuid() == 0 and not settings.native:
            words["allow_root"] = "1"  # who starts it as root and does not want this has given up being root before
        if settings.anonymous:
            words["allow_anonymous"] = "1"
            if os.geteuid() == 0:
                words["anonymous_user"] = access.own_account() if not settings.native else "nobody"
        self._access(directory, environment)
        words |= self._contents(directory, environment)
        configuration = directory / "server.conf"
        files.write(configuration, "".join(f'{name} "{value}"\n' for name, value in words.items()))
        line = [*_mortal(), program_path(_PROGRAM, _NAME, _PACKAGES[0]), "-c", str(configuration)]
        return Daemon(
            name=_NAME, title="GridFTP server", program=line[0], package=_PACKAGES[0], arguments=line[1:],
            environment=environment, exports={}, logs=[str(directory / "output")],
            announcement=r"Server listening at \S+:(\d+)",
        )  # fmt: skip

    def _access(self, directory: Path, environment: dict[str, str]) -> None:
        """Who it is, and who may log in."""
        gridmap = directory / "gridmap"
        if self.settings.native and self.settings.gridmap is not None:
            gridmap = Path(self.settings.gridmap).absolute()
        else:
            account = access.own_account()
            files.write(gridmap, "".join(f'"{subject}" {account}\n' for subject in self._allowed))
        callouts = directory / "gsi-authz.conf"
        files.write(callouts, "")
        environment |= {"GRIDMAP": str(gridmap), "GSI_AUTHZ_CONF": str(callouts)}
        if self._credential is not None:
            own = directory / "credential.pem"
            files.write(own, self._credential.export())
            environment["X509_USER_PROXY"] = str(own)

    def _contents(self, directory: Path, environment: dict[str, str]) -> dict[str, str]:
        """What it serves."""
        settings = self.settings
        if settings.native:
            root = os.path.realpath(os.fspath(settings.directory or "/"))
            return {"restrict_paths": f"{'R' if settings.read_only else 'RW'}{root}", "home_dir": root}
        library = interface()
        environment["LD_LIBRARY_PATH"] = str(library.parent)
        environment["PYGLOBUS_STORAGE_PATIENCE"] = str(settings.patience)
        storage = settings.storage
        if storage is None:
            try:
                storage = Directory(settings.directory or "/", read_only=settings.read_only)
            except OSError as error:
                from pyglobus.core.faults import explain

                raise explain(error, what="cannot serve", where=str(settings.directory), role="source") from error
        socket = directory / "storage"
        self._host = Host(storage, socket, self._told)
        return {"load_dsi_module": f"pyglobus:{socket}"}

    def _told(self, kind: str, facts: dict[str, Any]) -> None:
        """What the storage's host tells; logins are in the server's log as well."""
        if kind not in ("login", "logout"):
            self._tell(kind, facts)

    def _hostname(self) -> str:
        settings = self.settings
        if settings.hostname:
            return settings.hostname
        if settings.bind in ("", "0.0.0.0", "::"):  # noqa: S104 - compared
            import socket

            return socket.getfqdn()
        if settings.bind == "127.0.0.1":  # not ::1: localhost may be the other one
            return "localhost"
        return f"[{settings.bind}]" if ":" in settings.bind else settings.bind

    @property
    def sessions(self) -> int:
        """How many clients there are."""
        return len(self._logs.clients()) if self._logs is not None else 0

    def clients(self) -> list[dict[str, Any]]:
        """Who is there: ``host``, ``identity``, ``operation``, ``path`` and ``seconds``, as far as they are known."""
        return self._logs.clients() if self._logs is not None else []

    def wait(self) -> None:
        """Until `end` is called. Raises `errors.TransientError` if the server has ended by itself."""
        assert self._daemon is not None
        while True:
            with contextlib.suppress(Empty):
                self._asked.get(timeout=_LOOK)
                return
            if not self._daemon.alive:
                lines = self._daemon.last_lines(4)
                raise errors.TransientError(
                    "the server has ended", where=self.url, why="; ".join(lines) or "it does not say why", chain=lines
                )

    def end(self) -> None:
        """Make `wait` return; a handler of signals may call it at any moment."""
        self._asked.put(None)

    def close(self, drain: float = 0.0) -> int:
        """Take no more clients, let those that are there finish for ``drain`` seconds, and end. How many had not
        finished. Idempotent.
        """
        daemon, self._daemon = self._daemon, None
        left = 0
        if daemon is not None:
            if drain > 0 and daemon.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(daemon.process.pid, signal.SIGINT)  # it closes its port, and ends with its last session
                deadline = time.monotonic() + drain
                while daemon.alive and self.sessions and time.monotonic() < deadline:
                    time.sleep(0.05)
                left = self.sessions if daemon.alive else 0
            daemon.stop()
            self._tell("stop", {"url": self.url, "unfinished": left})
        self._clean()
        return left

    def _clean(self) -> None:
        host, self._host = self._host, None
        logs, self._logs = self._logs, None
        directory, self._directory = self._directory, None
        for each in (host, logs):
            if each is not None:
                each.close()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def interface() -> Path:
    """The storage interface. Raises `errors.Unsupported` where it was not built."""
    import pyglobus.ffi

    path = Path(pyglobus.ffi.__file__).with_name(_INTERFACE)
    if not path.exists():
        raise errors.Unsupported(
            "cannot serve a storage", where=_INTERFACE, why=f"pyglobus was built without {_PACKAGES[1]}",
            hint=f"apt install {_PACKAGES[1]}, and install pyglobus again; --native serves a directory without it",
        )  # fmt: skip
    return path


def _free(settings: Settings) -> None:
    """Have an address or a port that cannot be had say so; the server only ends. Raises `errors.CannotCreate`."""
    import socket

    host = settings.bind or "0.0.0.0"  # noqa: S104 - looked at, and closed at once
    where = f"{settings.bind or 'any address'}, port {settings.port}" if settings.port else settings.bind
    try:
        family = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        socket.create_server((host, settings.port), family=family).close()
    except OSError as error:
        raise errors.CannotCreate("cannot listen", where=where, why=error.strerror or str(error)) from error


def _mortal() -> list[str]:
    """Words before a command that let it end with this process, however this ends. That is tied to the thread that
    starts it, so only the main one is good for it.
    """
    path = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    return [path, "--pdeathsig", "TERM"] if path else []

# SPDX-License-Identifier: Apache-2.0
"""The local grid: an authority, a user, and servers on loopback, in a private directory, in half a second.

    with Sandbox() as grid:
        subprocess.run(["globus-url-copy", "file:///etc/hostname", grid.gsiftp_url("copy")], env=grid.env, check=True)

A sandbox used so belongs to this process: it ends with the block, and if the process is killed, the next sandbox that
starts cleans up after it. One made with ``owned=False`` outlives the process; `Sandbox.find` finds it again by its
name or directory.

As root, the servers hand each session to an unprivileged account (``account``, by default nobody), since they refuse
to act for root.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyglobus.core import errors, files
from pyglobus.core.sandbox import account, credentials, services, state
from pyglobus.core.sandbox.credentials import User
from pyglobus.core.sandbox.process import Process
from pyglobus.core.sandbox.server import Server
from pyglobus.core.sandbox.site import DISTURBING, Site
from pyglobus.core.sandbox.state import State

if TYPE_CHECKING:
    from pyglobus.core.sandbox.authority import Authority

DEFAULT_NAME = "default"
NAMESPACE = "/O=Grid/OU=Sandbox"
USER = "Ada Lovelace"

#: A proxy with less life than this is made anew by whoever hands it out.
PROXY_RENEWAL = dt.timedelta(hours=2)


class Sandbox:
    """A local grid. Construction does nothing; `start` or ``with`` makes it.

    Without ``directory`` and ``name`` it lies in a new directory of its own. ``run`` names its servers
    (`services.SERVICES`). ``account`` is the local account that its user is mapped to; only root can choose.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        run: Sequence[str] = services.DEFAULT,
        account: str | None = None,
        owned: bool = True,
    ) -> None:
        if directory is not None and name is not None:
            raise errors.UsageError("cannot place sandbox", why="give it a directory or a name, not both")
        if directory is None:
            self.directory = state.place(name or f"run-{os.getpid()}-{secrets.token_hex(3)}")
        else:
            self.directory = Path(directory).resolve()
        self._run = services.known(run)
        self._account = account
        self._owner = Process.of(os.getpid()) if owned else None
        self._state: State | None = None
        self._further: list[Server] = []

    @classmethod
    def find(cls, directory: str | os.PathLike[str] | None = None, *, name: str | None = None) -> Sandbox:
        """The sandbox that is up in this directory or under this name. Raises `errors.NotFound`."""
        sandbox = cls(directory, name=name if name or directory else DEFAULT_NAME, owned=False)
        known = State.read(sandbox.directory)
        if known is None or not known.up:
            raise errors.NotFound(
                "no sandbox is up", where=str(sandbox.directory), hint="pyglobus sandbox up", fault="sandbox-not-up"
            )
        sandbox._state = known
        return sandbox

    def start(self) -> bool:
        """Bring it up, or back to full strength: what runs is left alone, a server that has died is started again.

        True if anything had to be done. Raises `errors.Unsupported` when a server does not start; then nothing of a
        new sandbox is left behind.
        """
        state.sweep()
        while True:
            self._make_directory()
            with state.locked(self.directory) as there:
                if not there:
                    continue
                known = State.read(self.directory)
                if known is None:
                    self._make()
                    return True
                if not known.stale:
                    self._claim(known)
                    return self._repair(known)
                state.destroy(self.directory, known)

    def stop(self) -> bool:
        """Stop its servers and remove it with all it holds. False if it was not there."""
        while self._further:
            self._further.pop().stop()
        with state.locked(self.directory) as there:
            known = State.read(self.directory) if there else None
            if known is not None:
                state.destroy(self.directory, known)
        self._state = None
        return known is not None

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_gridftp(self, *arguments: str, env: Mapping[str, str] | None = None, anonymous: bool = False) -> Server:
        """One more GridFTP server, with further arguments and environment; its own ``stop``, or the sandbox's,
        ends it.
        """
        from pyglobus.core.sandbox import gridftp

        prepare = gridftp.ftp if anonymous else gridftp.gridftp
        server = prepare(self._site, name=f"gridftp-{len(self._further) + 2}")
        server.arguments += arguments
        server.environment |= env or {}
        self._further.append(server)
        server.start()
        return server

    @property
    def exists(self) -> bool:
        """Whether there is one in its directory, be it up or only what is left of it."""
        return State.read(self.directory) is not None

    @property
    def owner(self) -> Process | None:
        """The process that it ends with, if there is one."""
        known = State.read(self.directory)
        return known.owner if known else None

    @property
    def servers(self) -> Mapping[str, Server]:
        """Its servers by name."""
        return self._known.servers

    @property
    def data_dir(self) -> Path:
        """The directory that the account may write to, and that is home (``/~/``) for every session."""
        return self._site.data

    @property
    def user(self) -> User:
        """Its user."""
        site = self._site
        return User(self._known.subject, site.user_certificate, site.user_key, site.user_proxy, site.account)

    @cached_property
    def authority(self) -> Authority:
        """Its certificate authority, to issue more."""
        from pyglobus.core.sandbox.authority import Authority, Issued

        root = Issued.load(self._site.authority_certificate, self._site.authority_key)
        return Authority(root, self._known.namespace)

    def gsiftp_url(self, path: str | os.PathLike[str] = "", server: Server | None = None) -> str:
        """The URL of a file at the GSI server, or at ``server``; a relative path begins at `data_dir`."""
        return self._url("gsiftp", server or self.servers["gridftp"], path)

    def ftp_url(self, path: str | os.PathLike[str] = "", server: Server | None = None) -> str:
        """The URL of a file at the anonymous server, or at ``server``; a relative path begins at `data_dir`."""
        return self._url("ftp", server or self.servers["ftp"], path)

    @property
    def variables(self) -> dict[str, str]:
        """What a client's environment gets; what it must not hold is `site.DISTURBING`."""
        contributed = (server.variables() for server in self.servers.values())
        return self._site.client_variables() | {name: value for each in contributed for name, value in each.items()}

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """A whole environment for a client: ``base`` without what would disturb, with `variables`."""
        return {name: value for name, value in base.items() if name not in DISTURBING} | self.variables

    @property
    def env(self) -> dict[str, str]:
        """A whole environment for a client whose user has configured nothing: no home, no Globus or X.509 variables."""
        foreign = ("X509_", "GLOBUS_", "MYPROXY_", "GRIDMAP", "GSI_", "PYGLOBUS_", "XDG_", "FTP_", "GUC_")
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(foreign) or name == "GLOBUS_LOCATION"
        }
        return self.environment(own | {"HOME": str(self._site.home)})

    def renew_proxy(self, minimum: dt.timedelta = PROXY_RENEWAL) -> bool:
        """Make the user's proxy anew if it has less life than ``minimum``, or is gone. True if it was."""
        end = credentials.proxy_end(self._site)
        if end is not None and end - dt.datetime.now(dt.UTC) >= minimum:
            return False
        credentials.renew_proxy(self._site)
        return True

    def status(self) -> dict[str, Any]:
        """All there is to know, as plain data."""
        known, site, user, end = self._known, self._site, self.user, credentials.proxy_end(self._site)
        return {
            "name": self.directory.name if self.directory.parent == state.home() else None,
            "directory": str(self.directory),
            "created": known.created,
            "owner": known.owner.pid if known.owner else None,
            "account": site.account,
            "data": str(site.data),
            "subject": user.subject,
            "certificate": str(user.certificate),
            "key": str(user.key),
            "proxy": str(user.proxy),
            "proxy_end": end.isoformat() if end else None,
            "trusted": str(site.trusted),
            "services": [server.status() for server in self.servers.values()],
            "variables": self.variables,
            "unset": list(DISTURBING),
        }

    @property
    def _known(self) -> State:
        if self._state is None:
            raise errors.UsageError("the sandbox is not up", where=str(self.directory))
        return self._state

    @property
    def _site(self) -> Site:
        known = self._known
        return Site(self.directory, Path(known.shared), known.account)

    def _make_directory(self) -> None:
        for attempt in range(10):
            try:
                if self.directory.parent == state.home():
                    files.private_directory(self.directory.parent)
                files.private_directory(self.directory)
            except errors.CannotCreate as error:
                # Another sandbox, the last one there, may just have removed the directory of them all.
                if error.errno != errno.ENOENT or attempt == 9 or self.directory.parent != state.home():
                    raise
            else:
                return

    def _make(self) -> None:
        if any(self.directory.iterdir()):
            raise errors.ConfigurationError(
                "cannot use directory", where=str(self.directory), why="it is not empty, and it holds no sandbox"
            )
        try:
            self._state = State(
                shared=str(account.reachable(self.directory)),
                account=account.choose(self._account),
                namespace=NAMESPACE,
                subject=f"{NAMESPACE}/CN={USER}",
                created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                owner=self._owner,
            )
            self._state.write(self.directory)
            self._site.make_directories()
            with credentials.making(self._site, self._state.namespace, self._state.subject):
                for name in self._run:
                    self._start_server(services.prepare(name, self._site))
            self._state.complete = True
            self._state.write(self.directory)
        except BaseException:
            if self._state is not None:
                state.destroy(self.directory, self._state)
            else:
                state.remove(self.directory)
            self._state = None
            raise

    def _claim(self, known: State) -> None:
        """Refuse a sandbox that would end when its owner wants it and not when this one does."""
        if known.owner != self._owner:
            belongs = f"it belongs to process {known.owner.pid}" if known.owner else "it was started to stay"
            raise errors.UsageError("a sandbox is up already", where=str(self.directory), why=belongs)

    def _repair(self, known: State) -> bool:
        if self._state != known:
            self._state = known
        else:
            known = self._state  # the same, but with the servers that callers already hold
        for name, door in services.REACHED_BY.items():
            if name in self._run and name not in known.servers and door in known.servers:
                known.servers.pop(door).stop()  # it begins anew, and then knows of it
        dead = [server for server in known.servers.values() if not server.alive]
        missing = [services.prepare(name, self._site) for name in self._run if name not in known.servers]
        for server in (*dead, *missing):
            self._start_server(server)
        return self.renew_proxy() or bool(dead or missing)

    def _start_server(self, server: Server) -> None:
        server.start()
        self._known.servers[server.name] = server
        self._known.write(self.directory)

    def _url(self, scheme: str, server: Server, path: str | os.PathLike[str]) -> str:
        return f"{scheme}://localhost:{server.port}{quote(os.fsencode(self.data_dir / path))}"

# SPDX-License-Identifier: Apache-2.0
"""Where everything of a sandbox lies, and what an environment must and must not hold for it.

    DIRECTORY/            0700
      state.json          what runs, whose it is
      ca/                 the authority's certificate and key
      host/               the servers' certificate, key and grid-mapfile
      user/               the user's certificate, key and proxy
      home/               an empty home for servers and tests, so that no ~/.globus is read
      log/                what the servers say
      certificates/       the trusted directory
      data/               what is served
      gram/               what a job manager keeps, if there is one
      slurm/              what Slurm's daemons keep, if there are any
      rls/                what a Replica Location Service keeps, if there is one
      myproxy/            what a MyProxy server keeps, if there is one

Servers of root hand each session to an unprivileged account, which cannot enter DIRECTORY, but must read the trusted
directory (to authenticate data channels) and write the data. Then these two, ``gram``, and what everybody may see of
``slurm``, lie in a directory of their own, open to that account, and DIRECTORY holds links to the two.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from pyglobus.core.sandbox.server import MARK

#: Of the caller's environment, what servers are given as well.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "GLOBUS_LOCATION")

#: What would mislead a client of the sandbox. The first two win over X509_USER_PROXY, silently.
DISTURBING = (
    "X509_USER_CERT",
    "X509_USER_KEY",
    "X509_VHOST_CRED_DIR",
    "GLOBUS_TCP_PORT_RANGE",
    "GLOBUS_TCP_SOURCE_RANGE",
    "GLOBUS_UDP_PORT_RANGE",
    "GLOBUS_GSSAPI_NAME_COMPATIBILITY",
    "GLOBUS_GSSAPI_MIN_TLS_PROTOCOL",
    "GLOBUS_GSSAPI_MAX_TLS_PROTOCOL",
    "GLOBUS_GSSAPI_CIPHERS",
    "MYPROXY_SERVER_DN",
)


@dataclass(frozen=True)
class Site:
    """A sandbox's files, and the local account that its user is mapped to. ``shared`` is where that account may
    enter.
    """

    directory: Path
    shared: Path
    account: str

    @property
    def authority_certificate(self) -> Path:
        return self.directory / "ca" / "cacert.pem"

    @property
    def authority_key(self) -> Path:
        return self.directory / "ca" / "cakey.pem"

    @property
    def trusted(self) -> Path:
        return self.shared / "certificates"

    @property
    def data(self) -> Path:
        return self.shared / "data"

    @property
    def host_certificate(self) -> Path:
        return self.directory / "host" / "hostcert.pem"

    @property
    def host_key(self) -> Path:
        return self.directory / "host" / "hostkey.pem"

    @property
    def gridmap(self) -> Path:
        return self.directory / "host" / "grid-mapfile"

    @property
    def authorization(self) -> Path:
        """An empty callout configuration, so that the machine's own is not read."""
        return self.directory / "host" / "gsi-authz.conf"

    @property
    def user_certificate(self) -> Path:
        return self.directory / "user" / "usercert.pem"

    @property
    def user_key(self) -> Path:
        return self.directory / "user" / "userkey.pem"

    @property
    def user_proxy(self) -> Path:
        return self.directory / "user" / "proxy.pem"

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def log(self, name: str) -> str:
        """The path of a log file."""
        return str(self.directory / "log" / name)

    def make_directories(self) -> None:
        """Make all directories: for the owner alone, but for the two in ``shared`` if that lies outside."""
        for name in ("ca", "host", "user", "home", "log"):
            (self.directory / name).mkdir(mode=0o700)
        if self.shared == self.directory:
            self.trusted.mkdir(mode=0o700)
            self.data.mkdir(mode=0o700)
            return
        entry = pwd.getpwnam(self.account)
        for path in (self.shared, self.trusted):
            path.mkdir(mode=0o700)
            path.chmod(0o755)
        self.data.mkdir(mode=0o700)
        os.chown(self.data, entry.pw_uid, entry.pw_gid)
        for path in (self.trusted, self.data):
            (self.directory / path.name).symlink_to(path)

    def server_environment(self) -> dict[str, str]:
        """A whole environment for a server: the host's credential, this sandbox's trust, and nothing of the
        caller's Globus.
        """
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            "PATH": os.defpath,
            **inherited,
            "HOME": str(self.home),
            "GLOBUS_HOSTNAME": "localhost",
            "X509_CERT_DIR": str(self.trusted),
            "X509_USER_CERT": str(self.host_certificate),
            "X509_USER_KEY": str(self.host_key),
            "GRIDMAP": str(self.gridmap),
            "GSI_AUTHZ_CONF": str(self.authorization),
            MARK: str(self.directory),
        }

    def client_variables(self) -> dict[str, str]:
        """What a client needs beside what the servers contribute; `DISTURBING` must be absent."""
        return {
            "PYGLOBUS_SANDBOX": str(self.directory),
            "PYGLOBUS_SANDBOX_DATA": str(self.data),
            "X509_CERT_DIR": str(self.trusted),
            "X509_USER_PROXY": str(self.user_proxy),
            "GLOBUS_HOSTNAME": "localhost",
        }

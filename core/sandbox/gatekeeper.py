# SPDX-License-Identifier: Apache-2.0
"""The gatekeeper with the fork job manager: a job is a process on this machine, run by the sandbox's account. Where the
sandbox has Slurm (`pyglobus.core.sandbox.slurm`), it has the job manager for that as well.

globus-gatekeeper cannot be told at which addresses to listen, nor can its job manager: both are reachable from
outside, for those who have a credential that the grid-mapfile knows. The gatekeeper starts a job manager with the first
job; that one stays for a minute after its last job. It and all jobs carry `server.MARK`, and its scripts the directory
of job states (`STATES`), so that nothing of them outlives the sandbox.

The data directory is the home of all jobs, so that what they write there is at ``gsiftp://.../~/``. What the job
manager keeps (states, cached files, its log) is in ``gram`` beside it, since the job manager acts for the account.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from pyglobus.core import errors, files
from pyglobus.core.sandbox import slurm
from pyglobus.core.sandbox.server import MARK, Server, program_path
from pyglobus.core.sandbox.site import Site

#: What runs it, on Debian.
PACKAGES = "globus-gatekeeper globus-gram-job-manager globus-gram-job-manager-fork-setup-poll"

#: The variable that the job manager gives its scripts: their directory of job states.
STATES = "GLOBUS_SPOOL_DIR"

# The longest path of a socket (unix(7)) without its final NUL.
_SOCKET_PATH = 107


def gatekeeper(site: Site, name: str = "gatekeeper") -> Server:
    """The server. Its services are ``jobmanager``, which clients ask for by default, and ``jobmanager-fork``, which is
    the same; beside Slurm also ``jobmanager-slurm``.
    """
    own = site.shared / "gram"
    _make(own, site.account)
    configuration = _job_manager(site, own)
    services = site.directory / "host" / "grid-services"
    services.mkdir(mode=0o700, exist_ok=True)
    job_manager = program_path("globus-job-manager", name, PACKAGES)
    line = f"stderr_log,local_cred - /usr/bin/env env HOME={site.data} {job_manager} -conf {configuration} -type "
    kinds = {"jobmanager": "fork", "jobmanager-fork": "fork"}
    if slurm.present(site):
        kinds["jobmanager-slurm"] = "slurm"
    for service, kind in kinds.items():
        files.write(services / service, f"{line}{kind}\n")
    log, output = site.log(f"{name}.log"), site.log(f"{name}.out")
    program = program_path("globus-gatekeeper", name, PACKAGES)
    arguments = ["-f", "-port", "0", "-logfile", log, "-grid_services", str(services)]
    program, arguments = slurm.within_reach(site, program, arguments)
    return Server(
        name=name,
        title=f"gatekeeper, job managers: {', '.join(dict.fromkeys(kinds.values()))}",
        program=program,
        package=PACKAGES,
        arguments=arguments,
        environment=site.server_environment() | {"USER": site.account, "LOGNAME": site.account},
        exports={"PYGLOBUS_SANDBOX_GRAM": "localhost:{port}"},
        logs=[log, str(own / "log"), output],
        marks={STATES: str(own / "states")},
        announcement=r"GRAM contact: [^:\s]+:(\d+)",
    )


def _make(own: Path, account: str) -> None:
    entry = pwd.getpwnam(account)
    for path in (own, own / "states", own / "cache"):
        path.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(path, entry.pw_uid, entry.pw_gid)


def _job_manager(site: Site, own: Path) -> Path:
    """The configuration of the job manager: words, which nothing can quote."""
    longest = own / site.account / "localhost" / f"slurm.{'x' * 8}.sock"  # with a hash of the user's name
    if len(os.fsencode(longest)) > _SOCKET_PATH or any(character.isspace() for character in str(longest)):
        why = f"the job manager needs a path without blanks, and for its socket at most {_SOCKET_PATH} bytes"
        raise errors.UsageError("cannot keep jobs", where=str(longest), why=why)
    options = {
        "-globus-toolkit-version": "6.2",
        "-state-file-dir": own / "states",
        "-globus-job-dir": own,
        "-cache-location": own / "cache",
        "-x509-cert-dir": site.trusted,
        "-extra-envvars": MARK,
        "-log-pattern": own / "log",
        "-log-levels": "FATAL|ERROR|WARN|INFO",
    }
    configuration = own / "job-manager.conf"
    files.write(configuration, "".join(f"{name} {value}\n" for name, value in options.items()), mode=0o644)
    return configuration

# SPDX-License-Identifier: Apache-2.0
"""Slurm, and how the gatekeeper's job manager finds it.

The daemons are `cluster`'s. Slurm's clients read the file that SLURM_CONF names, but the job manager gives its scripts
an environment of its own, and they call programs by the paths in /etc: there, /etc/slurm/slurm.conf is what counts. So
the gatekeeper, and all that it starts, lives in a mount namespace in which the sandbox's configuration lies over
/etc/slurm. Nothing outside sees it, the machine's own Slurm is left alone, and it ends with the last process in it.

slurmstepd, which looks after a job, has none of slurmd's environment but SLURM_CONF, with the path that slurmd was
given. Clients get another path of the same file, so that this one tells what belongs to the cluster.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.sandbox import cluster
from pyglobus.core.sandbox.server import MARK, Server, program_path
from pyglobus.core.sandbox.site import Site

#: What runs it, on Debian.
PACKAGES = "slurmctld slurmd slurm-client munge globus-gram-job-manager-slurm"

_PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sinfo", "sbatch", "scontrol", "scancel")
_MODULE = Path("/usr/share/perl5/Globus/GRAM/JobManager/slurm.pm")
_PLACE = Path("/etc/slurm")


def slurm(site: Site, name: str = "slurm") -> Server:
    """The cluster. Raises `errors.AccessDenied` for anybody but root, whom its daemons need to be."""
    if os.geteuid() != 0:
        why = "its daemons act for whoever submits a job, which only root can"
        raise errors.AccessDenied(f"cannot start {name}", why=why, hint="run this command as root")
    for program in _PROGRAMS:
        program_path(program, name, PACKAGES)
    for path in (_MODULE, _PLACE):
        if not path.exists():
            why, hint = "it is not installed", f"apt install {PACKAGES}"
            fault = "program-missing"
            raise errors.Unsupported(f"cannot start {name}", where=str(path), why=why, hint=hint, fault=fault)
    private, open_ = site.directory / "slurm", site.shared / "slurm"
    for path in (private, private / "state", open_, open_ / "etc", open_ / "spool"):
        path.mkdir(exist_ok=True)
        path.chmod(0o755 if path.is_relative_to(open_) else 0o700)
    given, own = open_ / "slurm.conf", open_ / "etc" / "slurm.conf"
    given.unlink(missing_ok=True)
    given.symlink_to(own)
    logs = [str(private / f"{daemon}.log") for daemon in ("slurmctld", "slurmd", "munged")]
    environment = site.server_environment()
    environment["PATH"] += ":/usr/sbin:/sbin"
    return Server(
        name=name,
        title="Slurm: munged, slurmctld, slurmd",
        program=sys.executable,
        package="python3",
        arguments=["-I", "-S", cluster.__file__, str(private), str(open_), MARK],
        environment=environment,
        exports={"SLURM_CONF": str(given)},
        logs=[*logs, site.log(f"{name}.out")],
        marks={"SLURM_CONF": str(own)},
        announcement=r"listening at port (\d+)",
    )


def within_reach(site: Site, program: str, arguments: list[str]) -> tuple[str, list[str]]:
    """The program and arguments that run a program where /etc/slurm is that of the site's cluster; the same ones if it
    has none.
    """
    if not present(site):
        return program, arguments
    script = f'mount --bind "$0" {_PLACE} && exec "$@"'
    words = ["--mount", "--propagation", "private", "sh", "-c", script, str(site.shared / "slurm" / "etc"), program]
    return "unshare", words + arguments


def present(site: Site) -> bool:
    """Whether the site has a cluster."""
    return (site.shared / "slurm").is_dir()

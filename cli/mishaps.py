# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with pyglobusrun: how it is called, what it says then, and the status that it ends with.

The manual page tells of them from here, and the tests run each, beside globusrun, against a gatekeeper. Words in
capitals stand for something else: ``CONTACT`` for a gatekeeper, ``SUBJECT`` for its subject, ``JOB`` for the contact
of a job (as a word of the call, of one that has ended), ``PROXY`` for the file of a proxy.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Mishap(NamedTuple):
    """One call. ``proxy`` tells what is wrong with the proxy, if that is it; ``theirs`` is what globusrun ends with,
    where ours knows better.
    """

    status: int
    words: tuple[str, ...]
    message: str
    proxy: str = ""
    theirs: int | None = None

    @property
    def command(self) -> str:
        """As it is typed."""
        return shlex.join(("pyglobusrun", *self.words))


_R = ("-r", "CONTACT")
_TRUE = "&(executable=/bin/true)"
_REFUSED, _FAILED = "cannot submit the job: CONTACT: ", "the job has failed: JOB: "
_VALUE = "the provided RSL '{}' parameter is invalid"
_ANYBODY = (
    "connecting to the job manager failed. Possible reasons: job terminated, invalid job contact, network problems, ..."
)


def _sent(status: int, description: str, message: str) -> Mishap:
    return Mishap(status, (*_R, description), message)


MISHAPS: dict[str, Mishap] = {
    "unknown attribute": _sent(
        1, f"{_TRUE}(colour=red)", f'{_REFUSED}the RSL attribute "colour" is not supported by the LRM adapter'
    ),
    "directory missing": _sent(
        4, f"{_TRUE}(directory=/no/such)", f"{_FAILED}jobmanager unable to set default to the directory requested"
    ),
    "executable missing": _sent(5, "&(executable=/no/such)", f"{_FAILED}the executable does not exist"),
    "executable not allowed": _sent(
        72, "&(executable=/etc/passwd)", f"{_FAILED}the executable file permissions do not allow execution"
    ),
    "stdin missing": _sent(11, f"{_TRUE}(stdin=/no/such)", f"{_FAILED}the stdin file does not exist"),
    "stdout denied": _sent(73, f"{_TRUE}(stdout=/proc/out)", f"{_REFUSED}the job manager failed to open stdout"),
    "stderr denied": _sent(74, f"{_TRUE}(stderr=/proc/err)", f"{_REFUSED}the job manager failed to open stderr"),
    "no executable": _sent(81, "&(arguments=x)", f"{_REFUSED}the executable parameter in the RSL is undefined"),
    "job type unknown": _sent(
        19,
        f"{_TRUE}(jobtype=some)",
        f'{_REFUSED}RSL attribute "jobtype" has value "some" which is not one of the allowed values '
        "(single multiple mpi condor)",
    ),
    "job type not there": _sent(
        26, f"{_TRUE}(jobtype=mpi)", f"{_FAILED}the provided RSL 'jobtype' value is not supported by this job manager"
    ),
    "count no number": _sent(14, f"{_TRUE}(count=some)", f"{_REFUSED}the provided RSL 'count' value is not an integer"),
    "environment no pairs": _sent(54, f"{_TRUE}(environment=a)", _FAILED + _VALUE.format("environment")),
    "arguments nested": _sent(50, f"{_TRUE}(arguments=(a b))", _FAILED + _VALUE.format("arguments")),
    "variable unknown": _sent(
        39,
        "&(executable=$(NO_SUCH))",
        f"{_REFUSED}the provided RSL string includes variables that could not be identified",
    ),
    "stage in from nowhere": _sent(
        135,
        f"{_TRUE}(file_stage_in=(gsiftp://localhost:1/x y))",
        f"{_FAILED}the job manager could not stage in a file from gsiftp://localhost:1/x to y",
    ),
    "stage out to nowhere": _sent(
        155,
        f"{_TRUE}(file_stage_out=(/etc/hostname gsiftp://localhost:1/x))",
        f"{_FAILED}the job manager could not stage out a file",
    ),
    "restart of nothing": _sent(121, "&(restart=JOB)", f"{_REFUSED}the job state file doesn't exist"),
    "two-phase no number": _sent(114, f"{_TRUE}(twophase=never)", _REFUSED + _VALUE.format("two_phase")),
    "save state no boolean": _sent(
        150,
        f"{_TRUE}(savestate=perhaps)",
        f'{_REFUSED}RSL attribute "savestate" has value "perhaps" which is not one of the allowed values (yes no)',
    ),
    "proxy timeout no number": _sent(
        153, f"{_TRUE}(proxytimeout=soon)", f"{_REFUSED}the provided RSL 'proxy_timeout' is invalid"
    ),
    "service unknown": Mishap(
        93,
        ("-r", "CONTACT/no-such", _TRUE),
        "cannot submit the job: CONTACT/no-such: the gatekeeper failed to find the requested service",
    ),
    "subject of somebody else": Mishap(
        7,
        ("-r", "CONTACT:/O=Grid/CN=else", _TRUE),
        "cannot submit the job: CONTACT:/O=Grid/CN=else: an authorization operation failed globus_xio_gsi: "
        "gss_init_sec_context failed. GSS failure: GSS Major Status: Unexpected Gatekeeper or Service Name GSS Minor "
        "Status Error Chain: globus_gsi_gssapi: Authorization denied: The name of the remote entity (SUBJECT), and the "
        "expected name for the remote entity (/O=Grid/CN=else) do not match",
    ),
    "nobody listens": Mishap(
        12,
        ("-r", "localhost:1", _TRUE),
        "cannot submit the job: localhost:1: the connection to the server failed (check host and port)",
    ),
    "host unknown": Mishap(
        12,
        ("-r", "no-such.invalid", _TRUE),
        "cannot submit the job: no-such.invalid: the connection to the server failed (check host and port)",
    ),
    "ping where nobody listens": Mishap(
        1, ("-a", "-r", "localhost:1"), f"cannot reach the gatekeeper: localhost:1: {_ANYBODY}"
    ),
    "ping of no service": Mishap(
        1,
        ("-a", "-r", "CONTACT/no-such"),
        "cannot reach the gatekeeper: CONTACT/no-such: the gatekeeper failed to find the requested service",
    ),
    "versions where nobody listens": Mishap(
        1, ("-j", "-r", "localhost:1"), f"cannot ask for the version: localhost:1: {_ANYBODY}"
    ),
    "bracket open": _sent(255, "&(executable=/bin/true", "not RSL: line 1, column 2: this bracket is not closed"),
    "relation alone": _sent(
        48, "executable=/bin/true", 'not a request: "executable" = "/bin/true": a request begins with & or |'
    ),
    "nothing to run": Mishap(255, _R, "missing what is to be run"),
    "two descriptions": Mishap(255, (*_R, _TRUE, _TRUE), "more than one description is given"),
    "description and file": Mishap(
        255, (*_R, "-f", "/etc/passwd", _TRUE), "a description and a file with one are given"
    ),
    "file missing": Mishap(
        1, (*_R, "-f", "/no/such"), "cannot read the description: /no/such: No such file or directory"
    ),
    "file no description": Mishap(
        255,
        (*_R, "-f", "/etc/passwd"),
        "not RSL: line 2, column 1: an operator such as = must follow the attribute, not 'd'",
    ),
    "nowhere to run": Mishap(255, (_TRUE,), "missing the contact of a gatekeeper"),
    "option unknown": Mishap(1, ("-nosuch",), "no such option -nosuch"),
    "kill of no contact": Mishap(1, ("-k", "job"), "not the contact of a job: job: that of a job begins with https://"),
    "status of no contact": Mishap(
        1, ("-status", "job"), "not the contact of a job: job: that of a job begins with https://"
    ),
    "kill of a job that is gone": Mishap(
        156,
        ("-k", "JOB"),
        "cannot cancel the job: JOB: the job contact string does not match any which the job manager is handling",
    ),
    "kill where nobody listens": Mishap(
        79, ("-k", "https://localhost:1/1/1/"), f"cannot cancel the job: https://localhost:1/1/1/: {_ANYBODY}"
    ),
    "stop where nobody listens": Mishap(
        79,
        ("-stop-manager", "https://localhost:1/1/1/"),
        f"cannot signal stop-manager to the job: https://localhost:1/1/1/: {_ANYBODY}",
    ),
    "state where nobody listens": Mishap(
        79,
        ("-status", "https://localhost:1/1/1/"),
        f"cannot ask for the state of the job: https://localhost:1/1/1/: {_ANYBODY}",
        theirs=0,
    ),
    "proxy of a stranger": Mishap(
        7, (*_R, _TRUE), f"{_REFUSED}authentication with the remote server failed", "of somebody the site does not know"
    ),
    "proxy limited": Mishap(7, (*_R, _TRUE), f"{_REFUSED}authentication with the remote server failed", "limited"),
    "proxy expired": Mishap(254, (*_R, _TRUE), "cannot use credential: the proxy PROXY expired 1 hour ago", "expired"),
    "proxy missing": Mishap(
        254,
        (*_R, _TRUE),
        "cannot use credential: there is no credential: PROXY does not exist, which X509_USER_PROXY names",
        "missing",
    ),
}


def by_status() -> list[Mishap]:
    """All, in the order of their statuses."""
    return sorted(MISHAPS.values(), key=lambda each: each.status)

# SPDX-License-Identifier: Apache-2.0
"""Faults that only the doctor sees, because nothing fails of them alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from pyglobus.core import faults
from tests.faults.case import CONFIGURATION, case
from tests.faults.lab import Lab, Record

SHIFTED = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) { const char *text = getenv("SHIFT"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int) syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += shift();
    return result;
}
time_t time(time_t *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *when, void *zone)
{
    struct timespec now;
    (void) zone;
    clock_gettime(CLOCK_REALTIME, &now);
    when->tv_sec = now.tv_sec;
    when->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def two_hours_behind(lab: Lab) -> dict[str, Any]:
    """An environment in which the clock is wrong, for C and Python alike: both ask the same functions."""
    source, library = lab.tmp / "shifted.c", lab.tmp / "shifted.so"
    source.write_text(SHIFTED)
    subprocess.run([shutil.which("cc") or "gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": library, "SHIFT": "-7200"}


def _diagnosed(lab: Lab, name: str, env: dict[str, Any]) -> Record:
    found = lab.pyglobus("doctor", env=env)
    check = next(check for check in found["checks"] if check["fault"] == name)
    kind = faults.kind_of(name).__name__
    status = CONFIGURATION[1] if check["outcome"] == "warning" else found["status"]
    return {"class": kind, "exit_code": status, "fault": name, "why": check["explanation"], "hint": check["hint"]}


@case("clock-skew", *CONFIGURATION, "clocks differ by 1 hour: .* begins at", "timedatectl")
def clock_that_is_behind(lab: Lab) -> Record:
    return _diagnosed(lab, "clock-skew", two_hours_behind(lab))


@case("port-range-invalid", *CONFIGURATION, "51000,50000, which is no range", "50000,51000")
def range_of_ports_that_is_none(lab: Lab) -> Record:
    return _diagnosed(lab, "port-range-invalid", {"GLOBUS_TCP_PORT_RANGE": "51000,50000"})


@case("proxy-shadowed", *CONFIGURATION, r"the proxy \S+ is not used", "unset X509_USER_CERT")
def proxy_in_the_shadow(lab: Lab) -> Record:
    lab.ada.save(lab.tmp / "cert.pem", lab.tmp / "key.pem")
    env = {"X509_USER_CERT": lab.tmp / "cert.pem", "X509_USER_KEY": lab.tmp / "key.pem"}
    return _diagnosed(lab, "proxy-shadowed", env)


@case("signing-policy-silent", *CONFIGURATION, "does not speak of its authority", "install the policy")
def policy_of_another_authority(lab: Lab) -> Record:
    directory = lab.trust(lab.grid.authority)
    policy: Path = directory / f"{lab.grid.authority.hash}.signing_policy"
    policy.write_text(policy.read_text().replace("Sandbox CA", "Other CA"))
    return _diagnosed(lab, "signing-policy-silent", {"X509_CERT_DIR": directory})

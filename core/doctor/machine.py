# SPDX-License-Identifier: Apache-2.0
"""This machine: versions, the clock, and the variables that decide what is used.

A machine cannot tell the time without another one. But what was made before cannot be later than now: if the program
itself, a revocation list or the credential in use begins in the future, the clock is wrong, here or where it was made.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyglobus.core import errors
from pyglobus.core.doctor import own, trusted
from pyglobus.core.faults.credentials import span
from pyglobus.core.x509.check import Check, failed, passed

#: Clocks that differ by less are alike: what is made begins this much before.
_SKEW = dt.timedelta(minutes=5)
#: Whatever decides what is used, whom is trusted, and which ports.
_VARIABLES = re.compile(r"(X509_USER_|X509_CERT_DIR$|X509_CADIR$|GRIDMAP|GLOBUS_|MYPROXY_SERVER)")
_RANGE = re.compile(r"\s*(\d{1,5})\s*[, ]\s*(\d{1,5})\s*")
_RANGES = ("GLOBUS_TCP_PORT_RANGE", "GLOBUS_TCP_SOURCE_RANGE", "GLOBUS_UDP_PORT_RANGE")
#: Those of the toolkit's modules that decide whom one can talk to.
_TELLING = ("globus_gsi_gssapi", "globus_ftp_client", "globus_xio", "openssl")


def checks(environ: Mapping[str, str] | None = None) -> Iterator[Check]:
    """Versions, clock, variables, and the ranges of ports."""
    environ = os.environ if environ is None else environ
    yield _versions()
    yield _clock()
    yield from _environment(environ)
    yield from _ranges(environ)


def _versions() -> Check:
    import platform

    from pyglobus.core import toolkit
    from pyglobus.core.version import __version__

    modules = {module.name: module.version for module in toolkit.versions()}
    telling = [f"{name.removeprefix('globus_')} {modules[name]}" for name in _TELLING if name in modules]
    return passed("versions", f"pyglobus {__version__}, Python {platform.python_version()}, {', '.join(telling)}")


def _clock() -> Check:
    now = dt.datetime.now(dt.UTC)
    for what, begin in _made_before():
        if begin > now + _SKEW:
            ahead = span(int((begin - now).total_seconds() // 60))
            return failed("clock", "clock-skew", skew=ahead, evidence=f"{what} begins at {begin:%F %H:%M} UTC")
    return passed("clock", f"{now:%F %H:%M:%S} UTC, and nothing here is from the future")


def _made_before() -> Iterator[tuple[str, dt.datetime]]:
    yield "pyglobus itself", dt.datetime.fromtimestamp(Path(__file__).stat().st_mtime, dt.UTC)
    for one in own.certificates():
        yield "your credential", one.not_valid_before_utc
    for path, listed in trusted.lists():
        if not isinstance(listed, errors.Error):
            yield str(path), listed.last_update_utc


def _environment(environ: Mapping[str, str]) -> Iterator[Check]:
    names = sorted(name for name in environ if _VARIABLES.match(name) and name not in _RANGES)
    told = [f"{name}={environ[name]}" for name in names]
    shadowed = own.shadowed(environ)
    if shadowed is not None:
        yield failed("environment", "proxy-shadowed", path=shadowed)
    else:
        yield passed("environment", ", ".join(told) or "no variable of Globus is set: the usual places count")


def _ranges(environ: Mapping[str, str]) -> Iterator[Check]:
    found = [(name, environ[name]) for name in _RANGES if name in environ]
    for name, value in found:
        match = _RANGE.fullmatch(value)
        if match is None or not 0 < int(match[1]) <= int(match[2]) < 65536:
            yield failed("port-range", "port-range-invalid", variable=name, value=value)
            return
    told = ", ".join(f"{name}={value}" for name, value in found)
    yield passed("port-range", told or "any port may be used for data: GLOBUS_TCP_PORT_RANGE is not set")

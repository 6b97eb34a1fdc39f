# SPDX-License-Identifier: Apache-2.0
"""The services that a sandbox can hold, by name. Each is a module of its own, loaded when it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.sandbox.server import Server
    from pyglobus.core.sandbox.site import Site

#: name -> (module, function that configures the service at a site and returns the server to start). They start in the
#: order they are asked for.
SERVICES = {
    "gridftp": ("pyglobus.core.sandbox.gridftp", "gridftp"),
    "ftp": ("pyglobus.core.sandbox.gridftp", "ftp"),
    "gatekeeper": ("pyglobus.core.sandbox.gatekeeper", "gatekeeper"),
    "slurm": ("pyglobus.core.sandbox.slurm", "slurm"),
    "gass": ("pyglobus.core.sandbox.gass", "gass"),
    "pygridftp": ("pyglobus.core.sandbox.pygridftp", "pygridftp"),
    "rli": ("pyglobus.core.sandbox.rls", "rli"),
    "rls": ("pyglobus.core.sandbox.rls", "rls"),
    "myproxy": ("pyglobus.core.sandbox.myproxy", "myproxy"),
    "myproxy-ca": ("pyglobus.core.sandbox.myproxy", "myproxy_ca"),
}

#: name -> the service by which it is reached, and which has to begin after it.
REACHED_BY = {"slurm": "gatekeeper"}

#: name -> the service that comes with it, and begins before it.
COMES_WITH = {"rls": "rli"}

#: What a sandbox holds unless told otherwise.
DEFAULT = ("gridftp", "ftp")


def known(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, with those that they need. Raises `errors.UsageError` for what is no service."""
    wanted = tuple(dict.fromkeys(each for name in names for each in (COMES_WITH.get(name, name), name)))
    doors = tuple(door for name, door in REACHED_BY.items() if name in wanted)
    chosen = (*(name for name in wanted if name not in doors), *doors)
    for name in chosen:
        if name not in SERVICES:
            raise errors.UsageError("no such service", where=name, why=f"there are {', '.join(SERVICES)}")
    return chosen


def prepare(name: str, site: Site) -> Server:
    """The server that runs this service at this site, configured and not yet started."""
    module, function = SERVICES[name]
    return cast("Callable[[Site], Server]", getattr(import_module(module), function))(site)

# SPDX-License-Identifier: Apache-2.0
"""pyglobus gridftp server: the toolkit's GridFTP server with one command and no configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import Output, command
from pyglobus.cli.copyoptions.section import Section
from pyglobus.cli.option import argument
from pyglobus.cli.values import CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gridftp import Settings
    from pyglobus.core.gss.credential import Credential

_path = click.Path(path_type=Path)

_files = Section("What is served")
_files.own("--read-only", "Let nothing be changed.")
_files.own(
    "--storage",
    "Serve a storage in place of DIR: MODULE:CLASS or MODULE:CLASS:ARGUMENT, a class in Python; or directory:DIR,"
    " memory, archive:FILE (zip or tar), fsspec:URL.",
    metavar="WORDS",
    type=click.STRING,
)
_files.own(
    "--native",
    "Serve DIR by the server's own file access: paths are those of this machine, and as root each client has the"
    " account that the grid-mapfile gives it.",
)
_files.own("--patience", "Give up a storage that does not answer for so long. [default: 1m]", value="TIME")

_who = Section("Who it is, who may")
_who.own("--proxy", "Be the owner of this proxy. [default: your own credential]", value="FILE", type=_path)
_who.own("--cert", "Be the owner of this certificate.", value="FILE", type=_path)
_who.own("--key", "The certificate's key. [default: in the file of --cert]", value="FILE", type=_path)
_who.own("--allow", "Let this subject in. Can be repeated. [default: your own]", metavar="DN", type=click.STRING,
    multiple=True)  # fmt: skip
_who.own("--gridmap", "Let the subjects of this grid-mapfile in.", value="FILE", type=_path)
_who.own("--anonymous", "Let everybody in who can connect, without a login.")
_who.own("--user", "Give up being root, and serve as this account.", metavar="ACCOUNT", type=click.STRING)

_place = Section("Where it listens")
_place.own("-p --port", "Listen at this port. [default: any]", metavar="PORT", type=CountType(1, 65535))
_place.own("--bind", "Listen at this address; any is all of them. [default: 127.0.0.1]", metavar="ADDRESS",
    type=click.STRING)  # fmt: skip
_place.own("--data-bind", "Listen for data at this address. [default: that of --bind]", metavar="ADDRESS",
    type=click.STRING)  # fmt: skip
_place.own("--port-range", "Use these ports for data, first and last.", metavar="FIRST,LAST", type=click.STRING)
_place.own("--ipv6", "Listen by IPv6: at ::1, or with --bind any at all addresses.")
_place.own("--hostname", "The name in the URL.", metavar="HOST", type=click.STRING)
_place.own("--connections", "Serve so many clients at once. [default: 100]", metavar="N", type=CountType(1, 10_000))
_place.own("--idle", "End sessions without a command for so long. [default: 10m]", value="TIME")
_place.own("--drain", "When told to end, let clients finish for so long. [default: 30s]", value="TIME")

_telling = Section("What is told")
_telling.own("--banner", "Greet clients with this line.", metavar="TEXT", type=click.STRING)
_telling.own("--log", "Append a JSON object for each event and transfer; - is standard error.", value="FILE")
_telling.own("--ready-fd", "Write the URL to this descriptor when the server is ready, and close it.", metavar="N",
    type=CountType(1, 1000))  # fmt: skip


@command("server", summary="serve a directory, or storage in Python", formats=("text", "jsonl"))
@argument("directory", required=False, type=_path, metavar="[DIR]", help="What to serve. [default: .]")
@_files
@_who
@_place
@_telling
def server(*, output: Output, **given: Any) -> None:
    """Serve a directory (by default the working directory), which clients see as /, to every GridFTP client; or a
    storage that is written in Python. Nothing outside can be reached, and a file appears under its name only when it is
    whole.

    The URL of the server is the first line of standard output. By default it listens on loopback only and lets only you
    in. TERM lets clients finish and ends it.
    """
    from pyglobus.cli.commands.gridftp.running import run
    from pyglobus.cli.eventlog import event_log
    from pyglobus.core.gridftp import Server

    credential = _credential(given)
    _give_up_root(given)
    settings = _settings(given)
    with event_log(output, given["log"]) as tell:
        run(Server(settings, credential, on_event=tell), output, given)


def _credential(given: dict[str, Any]) -> Credential | None:
    """Who the server is; anonymous clients alone need nobody."""
    from pyglobus.core.gss.credential import Credential

    named = [name for name in ("proxy", "cert") if given[name] is not None]
    if len(named) > 1:
        raise errors.UsageError("--proxy and --cert exclude each other")
    if given["key"] is not None and given["cert"] is None:
        raise errors.UsageError("--key needs --cert")
    if given["proxy"] is not None:
        return Credential.of_file(given["proxy"])
    if given["cert"] is not None:
        return Credential.of_files(given["cert"], given["key"] or given["cert"])
    if given["anonymous"]:
        return None
    return Credential.default(accept=True)


def _give_up_root(given: dict[str, Any]) -> None:
    import os

    if given["user"] is not None:
        from pyglobus.core.gridftp import access

        access.become(given["user"])
    elif os.geteuid() == 0 and not given["native"]:
        raise errors.UsageError(
            "whose files are served?", why="as root, everybody who may log in could reach all of them",
            hint="--user ACCOUNT serves as somebody else, --native gives each client the account of the grid-mapfile",
        )  # fmt: skip


def _settings(given: dict[str, Any]) -> Settings:
    from pyglobus.core.gridftp import Settings
    from pyglobus.core.storage import loading

    storage = None
    if given["storage"] is not None:
        if given["directory"] is not None:
            raise errors.UsageError("--storage and DIR exclude each other")
        if given["read_only"]:
            raise errors.UsageError("--storage and --read-only exclude each other", why="the storage decides")
        storage = loading.load(given["storage"])
    bind = _address(given["bind"], ipv6=given["ipv6"])
    chosen: dict[str, Any] = {
        "connections": given["connections"], "banner": given["banner"], "hostname": given["hostname"],
        "idle": _seconds(given["idle"]), "patience": _seconds(given["patience"]), "port": given["port"],
    }  # fmt: skip
    return Settings(
        directory=None if storage is not None else given["directory"] or Path(),
        storage=storage,
        native=given["native"],
        read_only=given["read_only"],
        allow=given["allow"],
        gridmap=given["gridmap"],
        anonymous=given["anonymous"],
        bind=bind,
        data_bind=given["data_bind"] if given["data_bind"] is not None else bind,
        ports=_ports(given["port_range"]),
        **{name: value for name, value in chosen.items() if value is not None},
    )


def _address(bind: str | None, *, ipv6: bool) -> str:
    if bind == "any":
        return "::" if ipv6 else ""
    if not ipv6:
        return bind or "127.0.0.1"
    if bind is not None:
        raise errors.UsageError("--ipv6 and --bind ADDRESS exclude each other", hint="give an IPv6 address to --bind")
    return "::1"


def _seconds(value: float | None) -> int | None:
    return None if value is None else max(1, round(value))


def _ports(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition(",")
    if not (first.isdecimal() and last.isdecimal()):
        raise errors.UsageError("invalid --port-range", where=text, why="it is FIRST,LAST, such as 50000,50100")
    return int(first), int(last)

# SPDX-License-Identifier: Apache-2.0
"""pyglobus rls admin: in place of globus-rls-admin."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyglobus.cli.command import BETTER, SAME, Output, argument, command, option
from pyglobus.cli.values import DURATION
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.rls import Client

_INDEXES, _SERVER, _ABOUT = "Indexes that it informs", "The server", "What is there"
_STATISTICS = (
    "version", "uptime", "flags", "bloom_interval", "list_interval", "lrc_lfns", "lrc_pfns", "lrc_mappings",
    "rli_lfns", "rli_lrcs", "rli_senders", "rli_mappings",
)  # fmt: skip
_TEXT = frozenset(("version",))


@command("admin", summary="look after a server", drop_in="globus-rls-admin")
@argument("words", nargs=-1, metavar="[ARGUMENT]... [URL]", completion="url",
    help="What the option takes, and last the URL of the server.")  # fmt: skip
@option("-a", "--add", is_flag=True, section=_INDEXES, parity=SAME,
    help="RLI [PATTERN]: send this index the catalogue's names, or those that a pattern fits.")  # fmt: skip
@option("-A", "--add-bloom", is_flag=True, section=_INDEXES, parity=SAME,
    help="RLI: send this index Bloom filters of the catalogue's names.")  # fmt: skip
@option("-d", "--remove", is_flag=True, section=_INDEXES, parity=SAME,
    help="RLI [PATTERN]: send this index no more, or not what this pattern fits.")  # fmt: skip
@option("-s", "--indexes", is_flag=True, section=_INDEXES, parity=SAME,
    help="[RLI [PATTERN]]: show the indexes that get names, with their patterns.")  # fmt: skip
@option("-r", "--forward", is_flag=True, section=_INDEXES, parity=SAME,
    help="RLI [PATTERN]: let an index pass on to this one what it is told, or what a pattern fits.")  # fmt: skip
@option("-D", "--no-forward", is_flag=True, section=_INDEXES, parity=SAME,
    help="RLI [PATTERN]: pass on nothing more to this index, or not what this pattern fits.")  # fmt: skip
@option("--forwards", is_flag=True, section=_INDEXES, help="[RLI [PATTERN]]: show to which indexes an index passes on.")
@option("-u", "--update", is_flag=True, section=_INDEXES, parity=SAME, help="Inform all indexes of everything now.")
@option("-p", "--ping", is_flag=True, section=_SERVER, parity=SAME, help="Tell how long the server takes to answer.")
@option("-q", "--quit", is_flag=True, section=_SERVER, parity=SAME, help="End the server.")
@option("-e", "--erase", is_flag=True, section=_SERVER, parity=SAME, help="Forget all mappings of the catalogue.")
@option("-C", "--set", is_flag=True, section=_SERVER, parity=SAME,
    help="OPTION VALUE: change the configuration until the server ends.")  # fmt: skip
@option("-c", "--get", is_flag=True, section=_ABOUT, parity=SAME, help="OPTION|all: show the configuration.")
@option("-S", "--statistics", is_flag=True, section=_ABOUT, parity=SAME, help="Show how much there is.")
@option("--senders", is_flag=True, section=_ABOUT, help="Show the catalogues and indexes that inform the index.")
@option("-v", "show_version", is_flag=True, section=_ABOUT, parity=SAME, help="Print the version and end.")
@option("-t", "--timeout", type=DURATION, metavar="TIME", section=_SERVER, parity=BETTER, remark="also 5m",
    help="Give up after so long without an answer; 0: never. [default: 30s]")  # fmt: skip
@option("--server", metavar="URL", completion="url", section=_SERVER,
    help="The server, where no URL is given. [default: PYGLOBUS_RLS_SERVER]")  # fmt: skip
@option("--protect", is_flag=True, section=_SERVER,
    help="Encrypt and sign what follows the login; only with servers of this package.")  # fmt: skip
def admin(*, output: Output, words: Sequence[str], **given: Any) -> None:
    """Look after a server of the Replica Location Service: which indexes its catalogue informs, how it is configured,
    and whether it is well. One of the options says what to do.
    """
    from pyglobus.core.rls import Client
    from pyglobus.core.version import __version__

    if given["show_version"]:
        output.line(f"rls-admin: {__version__}")
        return
    asked = [name for name in _WORK if given[name]]
    if len(asked) != 1:
        raise errors.UsageError("one thing to do is meant", why=f"{len(asked)} are given")
    arguments = list(words)
    url = given["server"]
    if url is None and arguments and arguments[-1].startswith(("rls://", "rlsn://")):
        url = arguments.pop()
    url = url or os.environ.get("PYGLOBUS_RLS_SERVER")
    if url is None:
        raise errors.UsageError("no server", why="give its URL last, by --server, or in PYGLOBUS_RLS_SERVER")
    least, most, work = _WORK[asked[0]]
    if not least <= len(arguments) <= most:
        raise errors.UsageError(f"{len(arguments)} arguments are given", why=f"{least} to {most} are meant")
    timeout = 30.0 if given["timeout"] is None else given["timeout"]
    with Client(url, timeout=timeout, protect=given["protect"]) as client:
        record, text = work(client, arguments)
    output.result(asked[0], record, text)


Shown = tuple[dict[str, Any], str]


def _add(flags: str) -> Callable[[Client, list[str]], Shown]:
    def add(client: Client, given: list[str]) -> Shown:
        client.call("lrc_rli_add", given[0], flags, given[1] if len(given) > 1 else "")
        return {"rli": given[0]}, ""

    return add


def _named(method: str) -> Callable[[Client, list[str]], Shown]:
    """Call a method with an index and perhaps a pattern."""

    def name(client: Client, given: list[str]) -> Shown:
        client.call(method, given[0], given[1] if len(given) > 1 else "")
        return {"rli": given[0]}, ""

    return name


def _indexes(method: str) -> Callable[[Client, list[str]], Shown]:
    def show(client: Client, given: list[str]) -> Shown:
        url, pattern = (*given, "", "")[:2]
        rows = client.call(method, url, pattern).records
        told = [{"rli": rli, "pattern": part} for rli, part in rows]
        return {"indexes": told}, "\n".join(f"{rli} {part or 'all LFNs'}" for rli, part in rows)

    return show


def _ordered(method: str, *fixed: str) -> Callable[[Client, list[str]], Shown]:
    def order(client: Client, _: list[str]) -> Shown:
        client.call(method, *fixed)
        return {"server": client.url}, ""

    return order


def _ping(client: Client, _: list[str]) -> Shown:
    began = time.monotonic()
    client.call("admin", "0")
    seconds = time.monotonic() - began
    return {"server": client.url, "seconds": seconds}, f"ping {client.url}: {int(seconds)} seconds"


def _set(client: Client, given: list[str]) -> Shown:
    client.call("set_configuration", *given)
    return {"option": given[0], "value": given[1]}, ""


def _get(client: Client, given: list[str]) -> Shown:
    rows = client.call("get_configuration", given[0]).records
    told = [{"option": name, "value": value} for name, value in rows]
    return {"configuration": told}, "\n".join(f"{name}: {value}" for name, value in rows)


def _statistics(client: Client, _: list[str]) -> Shown:
    values = dict(zip(_STATISTICS, client.call("stats").records[0], strict=True))
    record = {name: value if name in _TEXT or not value.isdigit() else int(value) for name, value in values.items()}
    return record, "\n".join(f"{name}: {value}" for name, value in values.items())


def _senders(client: Client, _: list[str]) -> Shown:
    rows = client.call("rli_sender_list").records
    told = [{"lrc": lrc, "last": last} for lrc, last in rows]
    return {"senders": told}, "\n".join(f"{lrc} {last}" for lrc, last in rows)


#: By option: the least and the most arguments, and what it does.
_WORK: dict[str, tuple[int, int, Callable[[Client, list[str]], Shown]]] = {
    "add": (1, 2, _add("0")),
    "add_bloom": (1, 1, _add("1")),
    "remove": (1, 2, _named("lrc_rli_delete")),
    "indexes": (0, 2, _indexes("lrc_rli_get_part")),
    "forward": (1, 2, _named("rli_rli_add")),
    "no_forward": (1, 2, _named("rli_rli_delete")),
    "forwards": (0, 2, _indexes("rli_rli_get_part")),
    "update": (0, 0, _ordered("admin", "2")),
    "ping": (0, 0, _ping),
    "quit": (0, 0, _ordered("admin", "1")),
    "erase": (0, 0, _ordered("lrc_clear")),
    "set": (2, 2, _set),
    "get": (1, 1, _get),
    "statistics": (0, 0, _statistics),
    "senders": (0, 0, _senders),
}

# SPDX-License-Identifier: Apache-2.0
"""pyglobus rls server: a catalogue, an index, or both, until it is told to end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli import signals
from pyglobus.cli.command import Output, command
from pyglobus.cli.copyoptions.section import Section
from pyglobus.cli.eventlog import event_log
from pyglobus.cli.notify import announce
from pyglobus.cli.values import CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.rls import Configuration

_what = Section("What it is")
_what.own("--lrc", "Be a catalogue: which file has which replicas.")
_what.own("--rli", "Be an index: which catalogue knows which file.")
_what.own("--data", "Keep the databases in this directory. [default: the working directory]", metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False), completion="directory")  # fmt: skip
_what.own("--database", "Keep them in PostgreSQL, at postgresql://HOST/NAME; several servers may share it.",
    metavar="URL", type=click.STRING)  # fmt: skip
_what.own("--config", "Read a configuration as that of globus-rls-server; options win over it. HUP reads it again.",
    value="FILE", type=click.Path(path_type=Path))  # fmt: skip

_who = Section("Who may")
_who.own("--acl", "Let these in: REGEX: PERMISSION..., as an acl line of the configuration. Can be repeated.",
    metavar="RULE", type=click.STRING, multiple=True)  # fmt: skip
_who.own("-N --no-authentication", "Serve everybody who can connect, by rlsn; on loopback unless --bind is given.")
_who.own("--require-protection", "Refuse requests that are not protected, as those of rls-query --protect are.")

_place = Section("Where it listens")
_place.own("-p --port", "Listen at this port; 0 is any. [default: 39281]", metavar="PORT", type=CountType(0, 65535))
_place.own("--bind", "Listen at this address only. [default: all]", metavar="ADDRESS", type=click.STRING)
_place.own("--connections", "Serve so many clients at once. [default: 100]", metavar="N", type=CountType(1, 100_000))
_place.own("--drain", "When told to end, let clients finish for so long. [default: 30s]", value="TIME")

_telling = Section("What is told")
_telling.own("--metrics", "Tell Prometheus what happens, at /metrics there. [default: localhost:39282]",
    metavar="[ADDRESS:PORT]", type=click.STRING, is_flag=False, flag_value="localhost:39282")  # fmt: skip
_telling.own("--log", "Append a JSON object for each event; - is standard error.", value="FILE")


@command("server", summary="keep a catalogue or an index", formats=("text", "jsonl"))
@_what
@_who
@_place
@_telling
def server(*, output: Output, **given: Any) -> None:
    """Keep a catalogue of replicas (--lrc), an index of catalogues (--rli), or both, in SQLite files or in PostgreSQL.

    The URL of the server is the first line of standard output. By default only your own identity is served. TERM lets
    clients finish and ends it.
    """
    from pyglobus.core.rls.server import Server

    configuration = _configuration(given)
    if configuration.idle:
        output.note(f"without meaning here: {', '.join(configuration.idle)}")
    metrics = None
    if given["metrics"] is not None:
        from pyglobus.core.rls import exposition

        metrics = exposition.parse(given["metrics"])
    with event_log(output, given["log"]) as tell:
        made = Server(configuration, bind=given["bind"] or "", on_event=tell, metrics=metrics)
        with signals.cancelling(made.end):
            made.start()
            left = 0
            try:
                with _reloading(lambda: made.reload(_configuration(given)), output):
                    announce(made.url, output)
                    if made.metrics_url:
                        output.note(f"metrics are at {made.metrics_url}")
                    made.wait()
            finally:
                left = made.close(30.0 if given["drain"] is None else given["drain"])
        if left:
            output.note(f"ended {left} clients that had not finished")


def _configuration(given: dict[str, Any]) -> Configuration:
    from dataclasses import replace

    from pyglobus.core.rls import acl, configuration
    from pyglobus.core.rls.databasename import is_url

    chosen = configuration.read(given["config"]) if given["config"] is not None else configuration.Configuration()
    values: dict[str, Any] = {}
    if given["lrc"] or given["rli"]:
        values |= {"lrc_server": given["lrc"], "rli_server": given["rli"]}
    if given["acl"]:
        values["acl"] = tuple(map(acl.parse, given["acl"]))
    if given["no_authentication"]:
        values["authentication"] = False
    if given["require_protection"]:
        values["protect"] = True
    for option, keyword in (("port", "port"), ("connections", "maxconnections")):
        if given[option] is not None:
            values[keyword] = given[option]
    chosen = replace(chosen, **values)
    if not (chosen.lrc_server or chosen.rli_server):
        raise errors.UsageError(
            "a server is a catalogue, an index, or both", hint="give --lrc, --rli, or --config FILE"
        )
    if chosen.protect and not chosen.authentication:
        raise errors.UsageError("nothing to protect requests with", why="clients do not log in")
    if given["database"] is not None:
        _check_database(given["database"])
        return replace(chosen, lrc_dbname=given["database"], rli_dbname=given["database"])
    directory = given["data"] or Path()
    names = (name if is_url(name) else str(directory / name) for name in (chosen.lrc_dbname, chosen.rli_dbname))
    return replace(chosen, lrc_dbname=next(names), rli_dbname=next(names))


def _check_database(url: str) -> None:
    from pyglobus.core.rls.databasename import is_url, masked

    if not is_url(url):
        raise errors.UsageError(
            "bad URL of a database",
            where=url,
            why="it begins with postgresql://",
            hint="--data DIR is for SQLite files",
        )
    if masked(url) != url:
        raise errors.UsageError(
            "a password on the command line can be read by everybody",
            where=masked(url),
            hint="give db_pwd in the file of --config, PGPASSWORD, or ~/.pgpass",
        )


@contextlib.contextmanager
def _reloading(reload: Callable[[], None], output: Output) -> Iterator[None]:
    """Within the block HUP reads the configuration again; one that is wrong changes nothing."""
    import signal
    import threading
    from queue import SimpleQueue

    wanted: SimpleQueue[bool] = SimpleQueue()  # a signal may come while one is being handled

    def work() -> None:
        while wanted.get():
            try:
                reload()
            except errors.Error as error:
                output.warning(f"{output.command}: the configuration stays as it was: {error}")

    thread = threading.Thread(target=work, name="rls-reload", daemon=True)
    thread.start()
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: wanted.put(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        wanted.put(False)
        thread.join()

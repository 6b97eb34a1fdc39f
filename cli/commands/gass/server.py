# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass server, or gass-server: in place of globus-gass-server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pyglobus.cli.command import Output, command
from pyglobus.cli.copyoptions.section import Section
from pyglobus.cli.exits import code_of
from pyglobus.cli.values import CountType
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gass.rules import Rule

_LETTERS = "sclturwoe"
#: The flags of globus-gass-server.
_STOCK = {
    "read": "-r", "write": "-w", "tilde_expand": "-t", "user_expand": "-u", "stdout_too": "-o", "stderr_too": "-e",
    "line_buffer": "-l", "insecure": "-i", "client_shutdown": "-c", "silent": "-s",
}  # fmt: skip
#: What is enabled when no letter of these is given.
_DEFAULT = frozenset("lturwoe")

_files = Section("Files")
_files.same("-r -read --read", "Let files be read.")
_files.same("-w -write --write", "Let files be written.")
_files.same("-t -tilde-expand --tilde-expand", "Let URL/~/file be a file in your home directory.")
_files.same("-u -user-expand --user-expand", "Let URL/~user/file be a file in the home directory of user.")
_files.same("-o stdout_too", "Write what is put to URL/dev/stdout to standard output.")
_files.same("-e stderr_too", "Write what is put to URL/dev/stderr to standard error.")
_files.same("-l -linebuffer --line-buffer", "With several writers to these, keep their lines whole.")
_files.better(
    "-n --disable",
    "Disable what these letters enable; without other letters, from all that is enabled by default.",
    remark="-n alone enables everything there",
    metavar="LETTERS",
    type=click.STRING,
)
_files.own(
    "--root",
    "Serve this directory and nothing outside it: all paths begin there.",
    metavar="DIR",
    type=click.Path(path_type=Path),
    completion="directory",
)
_files.own("--max-size", "Take no file that is larger.", value="SIZE")
_files.own("--quota", "Take no more when all files below the root have this size.", value="SIZE")

_access = Section("Who may")
_access.same("-i -insecure --insecure", "Serve http: without identities, to everybody who can connect.")
_access.same("-c -client-shutdown --client-shutdown", "Let clients end the server.")
_access.own(
    "--allow",
    "Let these in beside yourself: a subject or a pattern of subjects, gridmap, or anonymous. Can be repeated.",
    metavar="WHO",
    type=click.STRING,
    multiple=True,
)
_access.own("--deny", "Keep these out, whatever else is said. Can be repeated.", metavar="WHO", type=click.STRING,
    multiple=True)  # fmt: skip
_access.own("--rules", "Read rules: who may do what where. The first that fits decides.", value="FILE",
    type=click.Path(path_type=Path))  # fmt: skip

_place = Section("Where it listens")
_place.same("-p -port --port", "Listen at this port. [default: any]", metavar="PORT", type=CountType(1, 65535))
_place.own("--bind", "Listen at this address only. [default: all]", metavar="ADDRESS", type=click.STRING)
_place.own("--connections", "Serve so many clients at once, at most 300. [default: 128]", metavar="N",
    type=CountType(1, 300))  # fmt: skip
_place.own("--idle", "Give up clients that move no byte for so long. [default: 5m]", value="TIME")
_place.own("--drain", "When told to end, let clients finish for so long. [default: 30s]", value="TIME")

_place.own(
    "--stock", "Run globus-gass-server itself, the toolkit's own server, with these options of it.", is_flag=True
)

_telling = Section("What is told")
_telling.same("-s -silent --silent", "Do not print the URL.")
_telling.own("--log", "Append a line for each request; - is standard error.", value="FILE")
_telling.own(
    "--log-format", "What the lines of --log are: text or JSON. [default: text]", type=click.Choice(["text", "jsonl"])
)
_telling.own("--ready-fd", "Write the URL to this descriptor when the server is ready, and close it.", metavar="N",
    type=CountType(1, 1000))  # fmt: skip


def status_of(error: BaseException) -> int:
    """globus-gass-server ends with 1 for a usage error, and with 255 if it cannot listen."""
    if isinstance(error, errors.UsageError):
        return 1
    return 255 if isinstance(error, errors.CannotCreate) else code_of(error)


@command(
    "server",
    summary="serve files over https",
    drop_in="globus-gass-server",
    formats=("text", "jsonl"),
    status_of=status_of,
)
@_files
@_access
@_place
@_telling
def server(*, output: Output, **given: Any) -> None:
    """Serve files over https to those who have your own grid identity, and to whom you let in, until it is told to end.

    The URL of the server is the first line of standard output. By default files can be read and written with all the
    rights you have, and what is put to URL/dev/stdout is printed.
    """
    if given["stock"]:
        _become_stock(output, given)
    from pyglobus.cli.commands.gass.log import AccessLog
    from pyglobus.cli.commands.gass.running import run
    from pyglobus.core.gass import Server, Settings
    from pyglobus.core.place import Place

    letters = enabled(given)
    if output.format == "jsonl" and "o" in letters and given["stdout_too"]:
        raise errors.UsageError("-o and --format jsonl exclude each other", why="both write to standard output")
    with AccessLog(output, given["log"], given["log_format"] or "text") as log:
        settings = Settings(
            secure=not given["insecure"],
            address=(given["bind"] or "", given["port"] or 0),
            host=given["bind"] if given["bind"] not in (None, "0.0.0.0", "::") else None,  # noqa: S104 - compared
            read="r" in letters,
            write="w" in letters,
            sinks=_sinks(letters, output),
            shutdown=given["client_shutdown"] and "c" not in (given["disable"] or ""),
            most_bytes=given["max_size"],
            quota=given["quota"],
            connections=given["connections"] or 128,
            idle_seconds=given["idle"] or 300.0,
        )
        place = _place_of(given["root"], letters, Place)
        made = Server(_policy(given), place=place, settings=settings, on_access=log.add)
        run(made, output, given)


def _become_stock(output: Output, given: dict[str, Any]) -> NoReturn:
    """Go on as the toolkit's own server; it has options with one dash alone."""
    import os

    from pyglobus.core.gass import stock

    words = [_STOCK[name] for name, value in given.items() if name in _STOCK and value]
    if given["port"] is not None:
        words += ["-p", str(given["port"])]
    if given["disable"] is not None:
        words += ["-n", given["disable"]]
    known = {*_STOCK, "port", "disable", "stock"}
    strange = [name for name, value in given.items() if name not in known and value]
    if strange or not output.is_text:
        name = f"--{strange[0].replace('_', '-')}" if strange else "--format"
        raise errors.UsageError(f"--stock and {name} exclude each other", why=f"{stock.PROGRAM} has no {name}")
    line = stock.command(words)
    output.flush()
    os.execv(line[0], line)  # noqa: S606 - its words are options, no shell reads them


def enabled(given: dict[str, Any]) -> frozenset[str]:
    """The letters of what is enabled: as globus-gass-server has it, all by default, and else only what is asked for."""
    named = {
        "r": "read", "w": "write", "t": "tilde_expand", "u": "user_expand", "o": "stdout_too", "e": "stderr_too",
        "l": "line_buffer", "c": "client_shutdown",
    }  # fmt: skip
    asked = frozenset(letter for letter, name in named.items() if given[name])
    disabled = given["disable"] or ""
    for letter in disabled:
        if letter not in _LETTERS:
            raise errors.UsageError("invalid letter", where=f"-n {disabled}", why=f"there are {' '.join(_LETTERS)}")
    return (asked or _DEFAULT) - frozenset(disabled)


def _sinks(letters: frozenset[str], output: Output) -> dict[str, Any]:
    from pyglobus.core.gass import Sink

    sinks = {}
    for letter, path, descriptor in (("o", "/dev/stdout", 1), ("e", "/dev/stderr", 2)):
        if letter in letters and not (letter == "o" and output.format == "jsonl"):
            sinks[path] = Sink.of_descriptor(descriptor, lines="l" in letters)
    return sinks


def _place_of(root: Path | None, letters: frozenset[str], place: Callable[..., Any]) -> Any:
    try:
        return place(root, home="t" in letters, homes="u" in letters)
    except OSError as error:
        from pyglobus.core.faults import explain

        raise explain(error, what="cannot serve directory", where=str(root), role="source") from error


def _policy(given: dict[str, Any]) -> Any:
    from pyglobus.core.gass import everybody
    from pyglobus.core.gass.rules import Rule, policy, read
    from pyglobus.core.gss.credential import Credential

    rules: list[Rule] = [Rule(False, who) for who in given["deny"]]
    if given["rules"] is not None:
        rules += read(given["rules"])
    rules += [Rule(True, who) for who in given["allow"]]
    if given["insecure"]:
        return policy(rules, own=None) if rules else everybody
    if not rules:
        return None
    return policy([*rules, Rule(True, "self")], own=Credential.default(accept=True).identity)

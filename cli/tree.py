# SPDX-License-Identifier: Apache-2.0
"""The tree of commands: one table, from which a command's module is imported only when that command is run.

`TREE` holds what the overview and the help need; tests check it against the commands themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from pyglobus.cli import usage
from pyglobus.cli.command import Group
from pyglobus.cli.common import version_option
from pyglobus.core.version import __version__


class Entry(NamedTuple):
    """Where a command is, and what the overview says about it.

    ``verbs`` are those of a noun; ``script`` is the name that a command has on PATH besides its place in the tree, and
    ``verb_scripts`` those that verbs of a noun have.
    """

    section: str
    module: str
    attribute: str
    summary: str
    verbs: tuple[str, ...] = ()
    script: str | None = None
    verb_scripts: Mapping[str, str] = {}

    def page(self, name: str) -> str:
        """The name of the manual page for this entry, called ``name`` in the tree."""
        return self.script or f"pyglobus-{name}"


TREE: Mapping[str, Entry] = {
    "url-copy": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.url_copy",
        "url_copy",
        "copy a file between URLs",
        script="pyglobus-url-copy",
    ),
    "browse": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.browse",
        "browse",
        "two panes and a queue: browse files here and at servers",
    ),
    "gridftp": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.gridftp",
        "gridftp",
        "serve files by GridFTP",
        ("server",),
    ),
    "gass": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.gass",
        "gass",
        "files over https, by GSI",
        ("server", "shutdown", "cache"),
        verb_scripts={"server": "gass-server"},
    ),
    "run": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.run",
        "run",
        "submit a job, and follow it to its end",
        script="pyglobusrun",
    ),
    "job": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.job",
        "job",
        "jobs that were submitted",
        ("list", "status", "watch", "output", "cancel", "signal", "hold", "release", "renew", "forget"),
    ),
    "rls": Entry(
        "Data and jobs",
        "pyglobus.cli.commands.rls",
        "rls",
        "which files have which replicas",
        ("query", "admin", "server"),
        verb_scripts={"query": "rls-query"},
    ),
    "proxy": Entry(
        "Security",
        "pyglobus.cli.commands.proxy",
        "proxy",
        "proxy credentials",
        ("init", "info", "verify", "sign", "destroy"),
        verb_scripts={"init": "proxy-init"},
    ),
    "myproxy": Entry(
        "Security",
        "pyglobus.cli.commands.myproxy",
        "myproxy",
        "credentials kept at a MyProxy server",
        ("get", "put", "info", "passwd", "destroy", "store", "retrieve", "trustroots"),
        verb_scripts={"get": "myproxy-get"},
    ),
    "cert": Entry(
        "Security",
        "pyglobus.cli.commands.cert",
        "cert",
        "certificates and signatures",
        ("sign", "verify", "explain"),
    ),
    "xio": Entry(
        "Diagnosis, local grid",
        "pyglobus.cli.commands.xio",
        "xio",
        "connections over any stack of drivers, GSI included",
        ("cat",),
    ),
    "doctor": Entry(
        "Diagnosis, local grid", "pyglobus.cli.commands.doctor", "doctor", "find out why a connection does not work"
    ),
    "sandbox": Entry(
        "Diagnosis, local grid",
        "pyglobus.cli.commands.sandbox",
        "sandbox",
        "a local grid to try things on",
        ("up", "status", "env", "exec", "logs", "down"),
    ),
    "version": Entry(
        "Diagnosis, local grid", "pyglobus.cli.commands.version", "version", "versions of pyglobus and its libraries"
    ),
}

#: What the overview must fit into.
_COLUMNS = 80

_START = (
    ("pyglobus sandbox exec", "a shell in a grid of your own, gone when you leave"),
    ("pyglobus COMMAND --help", "every option of a command; man pyglobus: the rest"),
)


def load(name: str, verb: str | None = None) -> click.Command:
    """Import the command of that name, or a verb of that noun."""
    import importlib

    entry = TREE[name]
    found = getattr(importlib.import_module(entry.module), entry.attribute)
    if verb is not None:
        assert isinstance(found, Group)
        found = found.commands[verb]
    assert isinstance(found, click.Command)
    return found


def scripts() -> dict[str, tuple[str, str | None]]:
    """The names on PATH beside ``pyglobus``, and what to `load` for each."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, entry in TREE.items():
        if entry.script:
            found[entry.script] = (name, None)
        found |= {script: (name, verb) for verb, script in entry.verb_scripts.items()}
    return found


class Tree(Group):
    """The whole of pyglobus."""

    def __init__(self) -> None:
        what = "The Globus Toolkit for people who live in a shell: one tree of nouns and verbs."
        super().__init__("pyglobus", summary="the Globus Toolkit as one tree of commands", help=what)
        self.params.insert(0, version_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TREE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in TREE else None

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        return [(name, entry.summary) for name, entry in TREE.items()]

    def overview(self, ctx: click.Context) -> str:
        text = [f"{usage.bold('pyglobus')} {__version__}: the Globus Toolkit for people who live in a shell"]
        for section in dict.fromkeys(entry.section for entry in TREE.values()):
            entries = [(name, entry) for name, entry in TREE.items() if entry.section == section]
            text += [usage.bold(section), *(line for item in entries for line in _lines(*item))]
        return "\n".join([*text, usage.bold("Start here"), *_aligned(_START)])


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(call) for call, _ in rows)
    return [f"  {call:{width}}  {what}" for call, what in rows]


def _lines(name: str, entry: Entry) -> list[str]:
    """A command on one line, or on two if it has many verbs."""
    indent = max(map(len, TREE)) + 4
    first = f"  {name}".ljust(indent)
    if not entry.verbs:
        return [f"{first}{_told(entry)}"]
    verbs = "|".join(entry.verbs)
    if indent + len(verbs) + 2 + len(_told(entry)) <= _COLUMNS:
        return [f"{first}{verbs}: {_told(entry)}"]
    return [f"{first}{verbs}:", f"{' ' * indent}{_told(entry)}"]


def _told(entry: Entry) -> str:
    also = ", ".join(filter(None, (entry.script, *entry.verb_scripts.values())))
    return f"{entry.summary}; also {also}" if also else entry.summary

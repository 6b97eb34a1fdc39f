# SPDX-License-Identifier: Apache-2.0
"""What is imported when: help and overview must not pay for what only running a command needs."""

from __future__ import annotations
import __future__

import subprocess
import sys
import typing

import pytest

from pyglobus.cli.tree import TREE
from pyglobus.ffi import annotation

#: Top-level modules that take long to import, or that only a running command needs.
HEAVY = {
    *("asyncio", "concurrent", "cryptography", "email", "hashlib", "http", "importlib.metadata", "json", "logging"),
    *(
        "multiprocessing",
        "queue",
        "rich",
        "shutil",
        "socket",
        "textwrap",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "traceback",
    ),
    *("tempfile", "textwrap", "traceback", "xml"),
    *("ast", "dis", "inspect", "platform", "tokenize", "uuid"),
    *("_cffi_backend", "pyglobus.ffi", "pyglobus.ffi._globus", "pyglobus.core.toolkit"),
    *("dataclasses", "difflib", "click.shell_completion", "click.testing"),
}
#: Modules that importing the library does without: what they cost, it would cost every program.
UNUSED_BY_TRANSFER = {
    *("asyncio", "dataclasses", "enum", "inspect", "re", "signal", "socket", "subprocess", "typing"),
    *("hashlib", "json", "pathlib", "tempfile", "urllib.parse", "weakref"),
    *("pyglobus.core.faults.verdict", "pyglobus.core.job", "pyglobus.core.x509", "pyglobus.ffi.trace"),
}
PROBE = """
import atexit, sys
sys.argv = [{program!r}, *{arguments!r}]
atexit.register(lambda: print("\\0" + " ".join(sys.modules)))
from pyglobus.cli.main import {entry}
{entry}()
"""


def imported(entry: str, *arguments: str) -> tuple[str, set[str]]:
    """What a command shows, and the modules in its process at the end."""
    code = PROBE.format(program=entry, entry=entry, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.partition("\0")
    assert shown
    assert not done.stderr
    return shown, set(modules.split())


def bare() -> set[str]:
    """What the interpreter imports by itself in this environment."""
    code = "import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",), ("-h",)])
def test_the_tree_imports_no_command(arguments: tuple[str, ...]) -> None:
    _, modules = imported("pyglobus", *arguments)
    assert not {module for module in modules if module.startswith("pyglobus.cli.commands.")}
    assert not (modules - bare()) & HEAVY


@pytest.mark.parametrize("name", TREE)
@pytest.mark.parametrize("option", ["--help", "-help"])
def test_help_imports_one_command_and_nothing_heavy(name: str, option: str) -> None:
    _, modules = imported("pyglobus", name, option)
    mine = {module for module in modules if module.startswith("pyglobus.cli.commands.")}
    assert {module for module in mine if not module.startswith(f"{TREE[name].module}.")} == {TREE[name].module}
    assert not (modules - bare()) & HEAVY


def test_what_click_defers_is_there_when_it_is_used() -> None:
    code = """
import contextlib, io, sys
from pyglobus.cli.main import run
def tree():
    from pyglobus.cli.tree import Tree
    return Tree()
with contextlib.redirect_stdout(io.StringIO()):
    assert run(tree, "pyglobus", ["--version"]) == 0
import click
assert not any(one.__name__ == "AST" for one in object.__subclasses__())
import typing
assert typing.ForwardRef("int").__forward_code__.co_names == ("int",)
assert "inspect" not in sys.modules and "uuid" not in sys.modules
assert click.Option(["--x"], help="    one\\n    two").help == "one\\ntwo"
made = click.UUID.convert("12345678123456781234567812345678", None, None)
import dataclasses, inspect, uuid
assert type(inspect) is type(uuid) is type(sys)
assert type(made) is uuid.UUID
assert click.UUID.convert(made, None, None) is made
assert inspect.isfunction(run) and click.core.inspect.isfunction is inspect.isfunction
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_transfer_is_imported_without_what_it_may_never_need() -> None:
    code = "import sys, pyglobus.core.transfer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "pyglobus.ffi._globus" in modules
    assert not (modules - bare()) & UNUSED_BY_TRANSFER


def test_a_record_is_what_typing_makes_of_it() -> None:
    """The same source as a record of ours and of typing's."""
    source = """
class Point(NamedTuple):
    "A place."

    x: int
    y: int = 2
    mark: str | None = None

    def __str__(self) -> str:
        return f"{self.x}:{self.y}"

    @property
    def far(self) -> bool:
        return self.x > 9
"""
    made = []
    for module in (typing, annotation):
        scope: dict[str, typing.Any] = {"NamedTuple": module.NamedTuple, "__name__": "places"}
        exec(compile(source, "places", "exec", flags=__future__.annotations.compiler_flag), scope)
        made.append(scope["Point"])
    theirs, ours = made
    for name in ("_fields", "_field_defaults", "__doc__", "__module__", "__name__", "__qualname__", "__match_args__"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.__mro__ == (ours, tuple, object)
    assert ours(10) == theirs(10) == (10, 2, None)
    assert repr(ours(1, mark="m")) == repr(theirs(1, mark="m"))
    assert str(ours(1)) == str(theirs(1)) == "1:2"
    assert ours(10).far
    assert ours(1)._replace(y=5) == (1, 5, None)
    assert not hasattr(ours(1), "__dict__")
    with pytest.raises(TypeError):
        ours()


def test_the_overview_shows_the_whole_tree_in_a_small_terminal() -> None:
    shown, _ = imported("pyglobus")
    lines = shown.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    for name, entry in TREE.items():
        assert any(line.split()[:1] == [name] for line in lines)
        for verb in entry.verbs:
            assert verb in shown

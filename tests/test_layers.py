# SPDX-License-Identifier: Apache-2.0
"""cli -> core -> ffi: nothing imports upwards, nothing skips a layer, and each keeps to its own libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "cli": {"pyglobus.ffi", "cffi", "_cffi_backend"},
    "core": {"pyglobus.cli", "click", "rich"},
    "ffi": {"pyglobus.cli", "pyglobus.core.transfer", "click", "rich"},
}
#: The entry points may print; core and ffi never do.
SILENT = ("core", "ffi")
SOURCES = [path for layer in FORBIDDEN for path in sorted((ROOT / layer).rglob("*.py"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """The absolute names of all that a module imports, anywhere in it."""
    package = ["pyglobus", *path.relative_to(ROOT).with_suffix("").parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_direction(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    wrong = {
        module
        for module in imports(path)
        for forbidden in FORBIDDEN[layer]
        if module == forbidden or module.startswith(f"{forbidden}.")
    }
    assert not wrong


@pytest.mark.parametrize("path", [path for path in SOURCES if path.relative_to(ROOT).parts[0] in SILENT], ids=name)
def test_silence(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id in ("print", "input")]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    assert ast.get_docstring(ast.parse(text))


def test_the_check_sees_what_it_looks_for(tmp_path: Path) -> None:
    (ROOT / "cli").stat()
    sample = ROOT / "cli" / "commands" / "version.py"
    assert "pyglobus.core.toolkit" in set(imports(sample))
    assert "pyglobus.cli.command.Output" in set(imports(sample))

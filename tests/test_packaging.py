# SPDX-License-Identifier: Apache-2.0
"""The build: a source distribution that is whole, a wheel made from it, and libraries that are missing or elsewhere.

Both builds happen in the unpacked source distribution, so that nothing which it lacks can help them. The wheel is
built against a toolkit in a place of its own, named by GLOBUS_LOCATION, while the system's pkg-config directories are
hidden; the build against the system's own toolkit is the one that is being tested everywhere else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOOK = "import sys; from scikit_build_core import build; getattr(build, sys.argv[1])(sys.argv[2])"


def backend(hook: str, tree: Path, into: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Call a hook of the build backend (PEP 517) as pip does, in a source tree."""
    return subprocess.run(
        [sys.executable, "-c", HOOK, hook, into],
        cwd=tree,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    place = tmp_path_factory.mktemp("source")
    done = backend("build_sdist", ROOT, place)
    assert done.returncode == 0, done.stderr
    (archive,) = place.glob("pyglobus-*.tar.gz")
    subprocess.run(["tar", "-xzf", archive, "-C", place], check=True)
    return place / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pkg-config directory with nothing in it."""
    return str(tmp_path_factory.mktemp("nothing"))


def test_the_source_distribution_is_the_repository(source: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    there = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert there - {"PKG-INFO"} == tracked


def test_a_missing_library_ends_the_build_with_the_package_to_install(source: Path, nowhere: str) -> None:
    done = backend("build_wheel", source, source / "dist", PKG_CONFIG_LIBDIR=nowhere, PKG_CONFIG_PATH="")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    debian = re.search(r"Debian, Ubuntu: +apt-get install (.+)", said)
    epel = re.search(r"EPEL: +dnf install (.+)", said)
    assert debian is not None, said
    assert epel is not None
    assert {"libglobus-common-dev", "libglobus-gass-copy-dev"} <= set(debian[1].split())
    assert {"globus-common-devel", "globus-gass-copy-devel"} <= set(epel[1].split())
    assert not list((source / "dist").glob("*.whl"))


@pytest.mark.timeout(300)  # it compiles everything
def test_a_wheel_of_the_source_distribution_uses_the_toolkit_at_globus_location(
    source: Path, nowhere: str, tmp_path: Path
) -> None:
    location = toolkit_at(tmp_path / "my toolkit")
    env = {"PKG_CONFIG_LIBDIR": nowhere, "PKG_CONFIG_PATH": "", "GLOBUS_LOCATION": str(location)}
    done = backend("build_wheel", source, tmp_path, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name  # one for every Python from 3.11 on
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        content.extractall(tmp_path / "installed")
        (version,) = {name.partition(".dist-info/")[0] for name in names if ".dist-info/" in name}
        information, share = f"{version}.dist-info", f"{version}.data/data/share"
        scripts = content.read(f"{information}/entry_points.txt").decode()
        for program in ("myproxy-exchange", "gass-cache-use"):
            assert content.getinfo(f"pyglobus/ffi/{program}").external_attr >> 16 & 0o111 == 0o111
    assert {name.partition("/")[0] for name in names} == {"pyglobus", information, f"{version}.data"}
    sources = {str(path.relative_to(ROOT)) for area in ("cli", "core") for path in (ROOT / area).rglob("*.py")}
    assert {f"pyglobus/{path}" for path in sources} <= names
    assert {f"pyglobus/{area}/py.typed" for area in ("cli", "core", "ffi")} <= names
    assert f"{information}/licenses/LICENSE" in names
    pages = {path.name for path in (ROOT / "man").glob("*.1")}
    assert pages
    assert {f"{share}/man/man1/{page}" for page in pages} <= names
    assert f"{share}/bash-completion/completions/pyglobus" in names
    assert "pyglobus-url-copy = pyglobus.cli.main:url_copy" in scripts
    (extension,) = (tmp_path / "installed/pyglobus/ffi").glob("_globus*.so")
    dynamic = subprocess.run(["readelf", "-d", extension], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic)
    assert paths == [str(location / "lib")]
    probe = "from pyglobus.ffi import lib; import pyglobus; print(pyglobus.__path__[0], bool(lib))"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [str(tmp_path / "installed/pyglobus"), "True"], done.stderr


def toolkit_at(prefix: Path) -> Path:
    """The system's toolkit as if it were installed under ``prefix``: its files linked, its pkg-config files moved."""
    system = {name: _variable(name, "globus-common") for name in ("pcfiledir", "libdir", "includedir")}
    (prefix / "lib" / "pkgconfig").mkdir(parents=True)
    (prefix / "include").symlink_to(system["includedir"])
    for pattern in ("libglobus_*.so*", "libmyproxy.so*"):
        for library in Path(system["libdir"]).glob(pattern):
            (prefix / "lib" / library.name).symlink_to(library)
    moved = f"libdir={prefix}/lib\nincludedir={prefix}/include\n".replace(" ", r"\ ")
    for description in (*Path(system["pcfiledir"]).glob("globus-*.pc"), Path(system["pcfiledir"], "myproxy.pc")):
        text = re.sub(r"^(libdir|includedir)=.*\n", "", description.read_text(), flags=re.M)
        (prefix / "lib/pkgconfig" / description.name).write_text(moved + text)
    for name in ("openssl", "libssl", "libcrypto"):  # these stay where they are
        (prefix / "lib/pkgconfig" / f"{name}.pc").symlink_to(Path(_variable("pcfiledir", name), f"{name}.pc"))
    return prefix


def _variable(variable: str, module: str) -> str:
    command = ["pkg-config", f"--variable={variable}", module]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

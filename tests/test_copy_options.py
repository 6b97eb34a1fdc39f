# SPDX-License-Identifier: Apache-2.0
"""The options of pyglobus-url-copy for one file: each is seen at the other end, on the wire, or beside the C tool."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.checksum import ALGORITHMS
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.transfer import Event, Progress, Transfer

Runner = Callable[..., "subprocess.CompletedProcess[Any]"]
DIRECTIONS = ("put", "get", "third-party")


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(5_000_000)


@pytest.fixture
def ends(
    grid: Sandbox, second_server: Server, served: Path, tmp_path: Path, content: bytes
) -> Callable[[str], tuple[str, str, Path]]:
    """For a direction: source and destination, and the path of the latter."""

    def at(direction: str) -> tuple[str, str, Path]:
        source, target = served / "source", served / "target"
        source.write_bytes(content)
        source.chmod(0o644)
        if direction == "put":
            (tmp_path / "source").write_bytes(content)
            return str(tmp_path / "source"), grid.gsiftp_url(target), target
        if direction == "get":
            return grid.gsiftp_url(source), str(tmp_path / "target"), tmp_path / "target"
        return grid.gsiftp_url(source), grid.gsiftp_url(target, second_server), target

    return at


def log_of(server: Server, number: int) -> str:
    return Path(server.logs[number]).read_text(errors="replace")


# Data channels --------------------------------------------------------------------------------------------------------

#: Flags, and what the control channels must carry, or must not (!).
CHANNELS = {
    "": ("DCAU A", "!PROT", "!DCAU N", "!MODE E"),
    "-p 3": ("MODE E", "DCAU A"),
    "-nodcau": ("DCAU N", "!DCAU A", "!PROT"),
    "-dcsafe": ("PROT S",),
    "-dcpriv": ("PROT P",),
    "-dcpriv -p 2": ("PROT P", "MODE E"),
    "-tcp-bs 262144": ("SITE (STOR|RETR)?BUFSIZE 262144",),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("flags", CHANNELS)
def test_data_channels(
    flags: str, direction: str, ends: Callable[[str], tuple[str, str, Path]], content: bytes, copy: Runner
) -> None:
    source, destination, path = ends(direction)
    done = copy("-dbg", *flags.split(), source, destination)
    assert path.read_bytes() == content
    commands = done.stderr.splitlines()
    for expected in CHANNELS[flags]:
        found = any(re.match(expected.removeprefix("!"), line) for line in commands)
        assert found is not expected.startswith("!"), expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_streams_are_seen_by_the_server(
    direction: str, ends: Callable[[str], tuple[str, str, Path]], grid: Sandbox, second_server: Server, copy: Runner
) -> None:
    server = second_server if direction == "third-party" else grid.servers["gridftp"]
    before = log_of(server, 1)
    copy("-p", "3", *ends(direction)[:2])
    assert " STREAMS=3 " in log_of(server, 1).removeprefix(before)


def test_block_size(ends: Callable[[str], tuple[str, str, Path]], content: bytes, copy: Runner) -> None:
    for direction in ("put", "get"):
        source, destination, path = ends(direction)
        copy("-bs", "1000", source, destination)
        assert path.read_bytes() == content


@pytest.mark.parametrize("flags", [(), ("-p", "2"), ("-dcpriv",)])
def test_without_third_party(
    flags: tuple[str, ...], ends: Callable[[str], tuple[str, str, Path]], content: bytes, copy: Runner
) -> None:
    source, destination, path = ends("third-party")
    done = copy("-vv", "-notpt", *flags, source, destination)
    assert path.read_bytes() == content
    assert "relay: " in done.stderr


# Names and credentials ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alias(grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server that is known by another name, and its subject."""
    directory = tmp_path_factory.mktemp("alias")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    issued = grid.authority.issue_host("alias.example", hosts=("alias.example",))
    issued.save(certificate, key)
    with grid.start_gridftp(env={"X509_USER_CERT": str(certificate), "X509_USER_KEY": str(key)}) as server:
        yield server, issued.subject


@pytest.mark.parametrize(
    ("direction", "flag"),
    [("put", "-ds"), ("put", "-s"), ("get", "-ss"), ("get", "-subject"), ("put", "--dest-subject")],
)
def test_subject_of_the_server(
    direction: str, flag: str, alias: tuple[Server, str], grid: Sandbox, served: Path, tmp_path: Path, copy: Runner
) -> None:
    server, subject = alias
    (tmp_path / "file").write_bytes(b"x")
    remote = grid.gsiftp_url(served / "file", server)
    if direction == "get":
        (served / "file").write_bytes(b"x")
        (served / "file").chmod(0o644)
    pair = (str(tmp_path / "file"), remote) if direction == "put" else (remote, str(tmp_path / "got"))
    assert copy(*pair, check=False).returncode == 77
    copy(flag, subject, *pair)
    done = copy(flag, "/O=Grid/CN=somebody else", *pair, check=False)
    assert done.returncode == 77
    assert subject in done.stderr and "somebody else" in done.stderr


def test_subjects_of_both_servers(
    alias: tuple[Server, str], grid: Sandbox, ends: Callable[[str], tuple[str, str, Path]], copy: Runner, served: Path
) -> None:
    server, subject = alias
    host = f"{grid.authority.namespace}/CN=localhost"
    source, _, target = ends("third-party")
    destination = grid.gsiftp_url(target, server)
    copy("-ss", host, "-ds", subject, source, destination)
    assert copy("-ss", subject, "-ds", host, source, destination, check=False).returncode == 77
    assert copy("-s", subject, source, destination, check=False).returncode == 77


@pytest.fixture(scope="module")
def grace(grid: Sandbox) -> tuple[Path, str]:
    """Another user, whom the servers know: the proxy and the name."""
    user = grid.authority.issue("Grace Hopper")
    proxy = grid.directory / "grace.pem"
    user.proxy().save_proxy(proxy)
    with (grid.directory / "host" / "grid-mapfile").open("a") as gridmap:
        gridmap.write(f'"{user.subject}" {grid.user.account}\n')
    return proxy, user.subject


def logins(log: str) -> list[str]:
    return re.findall(r":: DN (.*) successfully authorized", log)


@pytest.mark.parametrize("flag", ["-cred", "-dc", "-dst-cred", "--credential"])
def test_credential_of_one_side(
    flag: str, grace: tuple[Path, str], grid: Sandbox, ends: Callable[[str], tuple[str, str, Path]], copy: Runner
) -> None:
    """The server tells who has come; the environment names somebody else, or nobody at all."""
    proxy, subject = grace
    source, destination, _ = ends("put")
    for environment in ({}, {"X509_USER_PROXY": "/nonexistent"}):
        before = log_of(grid.servers["gridftp"], 0)
        copy(flag, proxy, source, destination, env=environment)
        assert set(logins(log_of(grid.servers["gridftp"], 0).removeprefix(before))) == {subject}


@pytest.mark.parametrize("source_is_grace", [True, False])
def test_credentials_of_two_sides(
    source_is_grace: bool, grace: tuple[Path, str], grid: Sandbox, second_server: Server,
    ends: Callable[[str], tuple[str, str, Path]], content: bytes, copy: Runner,
) -> None:  # fmt: skip
    proxy, subject = grace
    source, destination, path = ends("third-party")
    one, other = grid.servers["gridftp"], second_server
    before = log_of(one, 0), log_of(other, 0)
    copy("-sc" if source_is_grace else "-dc", proxy, source, destination)
    assert path.read_bytes() == content
    came = [set(logins(log_of(server, 0).removeprefix(old))) for server, old in zip((one, other), before, strict=True)]
    expected = [{subject}, {grid.user.subject}]
    assert came == (expected if source_is_grace else expected[::-1])


# Checksums ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksum(
    algorithm: str, direction: str, ends: Callable[[str], tuple[str, str, Path]], content: bytes, as_user: None
) -> None:
    import hashlib
    import zlib

    source, destination, path = ends(direction)
    result = Transfer(source, destination, Options(verify=True, checksum_algorithm=algorithm)).run()
    expected = f"{zlib.adler32(content):08x}" if algorithm == "adler32" else hashlib.new(algorithm, content).hexdigest()
    assert (result.checksum, result.checksum_algorithm) == (expected, algorithm)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "option", [("--inplace",), ("-off", "10"), ("-off", "10", "-len", "100"), ("-len", "9999999999")]
)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_checksum_of_what_was_copied(
    direction: str, option: tuple[str, ...], ends: Callable[[str], tuple[str, str, Path]], copy: Runner
) -> None:
    source, destination, _ = ends(direction)
    copy("-verify-checksum", "-checksum-alg", "SHA256", *option, source, destination)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_checksums_differ(
    direction: str, ends: Callable[[str], tuple[str, str, Path]], content: bytes, as_user: None, tmp_path: Path
) -> None:
    """Somebody spoils the destination between the last byte and the comparison: it must not stay."""
    source, destination, path = ends(direction)
    before = set(path.parent.iterdir())
    spoiled: list[Path] = []

    def spoil(event: Event) -> None:
        if isinstance(event, Progress) and event.bytes == len(content) and not spoiled:
            found = [entry for entry in path.parent.iterdir() if entry not in before]
            if len(found) == 1 and found[0].stat().st_size == len(content):
                spoiled.extend(found)
                with found[0].open("r+b") as file:
                    file.write(b"spoiled")

    with pytest.raises(errors.ChecksumMismatch):
        Transfer(source, destination, Options(verify=True)).run(spoil)
    assert spoiled
    assert set(path.parent.iterdir()) == before


# What is shown --------------------------------------------------------------------------------------------------------


def shape(text: str) -> str:
    """Without what differs from run to run: rates, and the lines of them that the last one has overwritten."""
    text = re.sub(r" +[0-9.]+ MB/sec", " N MB/sec", text.replace("\r\n", "\n").replace("\r", "\n"))
    return re.sub(r"( +\d+ bytes N MB/sec avg N MB/sec inst\n)+(?= +\d+ bytes )", "", text)


@pytest.mark.parametrize("flag", ["-v", "-vb", "-verbose", "-verbose-perf", "-q"])
def test_output_is_that_of_the_c_tool(
    flag: str, grid: Sandbox, served: Path, tmp_path: Path, copy: Runner, url_copy: Runner
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1_000_000)
    for name in ("file", "other"):
        pair = f"file://{tmp_path}/file", grid.gsiftp_url(served / name)
        ours = copy(flag, *pair, text=False, errors=None).stdout
        theirs = url_copy(flag, *pair).stdout
        for _ in range(5):
            if flag not in ("-vb", "-verbose-perf") or "MB/sec" in theirs:
                break
            theirs = url_copy(flag, *pair).stdout  # once in a hundred short copies it shows no rate
        assert shape(ours.decode()) == shape(theirs)


def test_rates_stay_out_of_the_data(grid: Sandbox, served: Path, copy: Runner) -> None:
    (served / "file").write_bytes(b"data")
    (served / "file").chmod(0o644)
    for flags in (("-vb",), ("-v",), ("-v", "-vb"), ("-vv",)):
        assert copy(*flags, grid.gsiftp_url(served / "file"), "-").stdout == "data"
    for kind in ("json", "jsonl"):
        done = copy("--format", kind, grid.gsiftp_url(served / "file"), "-", check=False)
        assert (done.returncode, done.stdout) == (2, "")


SUMMARY: dict[str, Any] = {
    "type": str,
    "source": str,
    "destination": str,
    "route": str,
    "bytes": int,
    "seconds": float,
    "rate": float,
    "attempts": int,
    "checksum": str,
    "checksum_algorithm": str,
    "resumed": int,
}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_json(direction: str, ends: Callable[[str], tuple[str, str, Path]], content: bytes, copy: Runner) -> None:
    source, destination, _ = ends(direction)
    record = json.loads(copy("--format", "json", "-verify-checksum", source, destination).stdout)
    assert {key: type(value) for key, value in record.items()} == SUMMARY
    assert (record["type"], record["bytes"], record["attempts"]) == ("summary", len(content), 1)
    assert (record["source"], record["destination"]) == (source, destination)
    assert record["route"] == direction.replace("-", " ")


def test_json_lines(memory_grid: Sandbox, memory: Path, copy: Runner) -> None:
    """Each line is a record with a type; progress grows; the last one is the summary."""
    with (memory / "big").open("wb") as file:
        file.truncate(1 << 30)
    try:
        done = copy(
            "--format",
            "jsonl",
            "--stats",
            "0.1s",
            memory / "big",
            memory_grid.gsiftp_url("big"),
            env=memory_grid.variables,
        )
    finally:
        (memory / "big").unlink()
        (memory_grid.data_dir / "big").unlink(missing_ok=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [record["type"] for record in records]
    assert kinds == ["started", *["progress"] * (len(records) - 2), "summary"]
    assert records[0]["total"] == records[-1]["bytes"] == 1 << 30
    moved = [record["bytes"] for record in records if record["type"] == "progress"]
    assert len(moved) > 1
    assert moved == sorted(moved)
    assert set(records[1]) == {"type", "source", "destination", "bytes", "total", "seconds", "rate", "remaining"}


def test_error_in_json(grid: Sandbox, served: Path, tmp_path: Path, copy: Runner) -> None:
    done = copy("--format", "jsonl", grid.gsiftp_url(served / "nothing"), tmp_path / "x", check=False)
    record = json.loads(done.stderr.splitlines()[-1])
    assert (record["type"], record["exit_code"], record["fault"]) == ("error", done.returncode, "no-such-file")
    assert done.returncode == 66


# Mode bits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("old", [None, 0o600, 0o640, 0o755, 0o666])
def test_mode_is_that_of_the_c_tool(
    umask: int, old: int | None, grid: Sandbox, served: Path, tmp_path: Path, copy: Runner
) -> None:
    (served / "file").write_bytes(b"new")
    (served / "file").chmod(0o644)
    modes = []
    for number, program in enumerate((None, "globus-url-copy")):
        target = tmp_path / str(number)
        if old is not None:
            target.write_bytes(b"old")
            target.chmod(old)
        words = (grid.ftp_url(served / "file"), f"file://{target}")
        if program is None:
            copy(*words, umask=umask)
        else:
            subprocess.run([program, *words], env=grid.env, umask=umask, check=True)
        assert target.read_bytes() == b"new"
        modes.append(target.stat().st_mode)
    assert modes[0] == modes[1]


def test_destination_keeps_its_links_and_owner(grid: Sandbox, served: Path, tmp_path: Path, copy: Runner) -> None:
    (served / "file").write_bytes(b"new")
    (served / "file").chmod(0o644)
    (tmp_path / "file").write_bytes(b"old content")
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    (tmp_path / "soft").symlink_to("hard")
    owner = 1 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path / "file", owner, -1)
    copy(grid.gsiftp_url(served / "file"), tmp_path / "soft")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "soft").is_symlink()
    assert (tmp_path / "hard").stat().st_ino == (tmp_path / "file").stat().st_ino
    assert (tmp_path / "file").stat().st_uid == owner


@pytest.mark.parametrize("flags", [(), ("--inplace",), ("-p", "2"), ("--inplace", "-p", "2")])
@pytest.mark.parametrize("source", ["gsiftp", "ftp", "path"])
def test_nothing_of_a_longer_file_stays(
    source: str, flags: tuple[str, ...], grid: Sandbox, served: Path, tmp_path: Path, copy: Runner
) -> None:
    (served / "file").write_bytes(b"new")
    (served / "file").chmod(0o644)
    (tmp_path / "target").write_bytes(b"old and longer")
    file = served / "file"
    url = {"gsiftp": grid.gsiftp_url(file), "ftp": grid.ftp_url(file), "path": str(file)}[source]
    copy(*flags, url, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"new"

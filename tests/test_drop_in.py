# SPDX-License-Identifier: Apache-2.0
"""Every option of globus-url-copy: both spellings are taken, and a copy with it ends as well, or as badly, as there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyglobus.cli.command import Option
from pyglobus.cli.tree import load
from pyglobus.core.sandbox import Sandbox

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))

#: The options of version 10.12 that are flags, and how a file is copied with them: over plain FTP or with GSI.
FLAGS = {
    ("-a", "-ascii"): "ftp", ("-b", "-binary"): "ftp", ("-c", "-continue-on-error"): "ftp", ("-q", "-quiet"): "ftp",
    ("-v", "-verbose"): "ftp", ("-vb", "-verbose-perf"): "ftp", ("-dbg", "-debugftp"): "ftp",
    ("-rst", "-restart"): "ftp", ("-notpt", "-no-third-party-transfers"): "ftp", ("-r", "-recurse"): "ftp",
    ("-nodcau", "-no-data-channel-authentication"): "gsiftp", ("-dcsafe", "-data-channel-safe"): "gsiftp",
    ("-dcpriv", "-data-channel-private"): "gsiftp", ("-stripe", "-striped"): "gsiftp",
    ("-rp", "-relative-paths"): "ftp", ("-cd", "-create-dest"): "ftp", ("-fast", "-fast-data-channels"): "gsiftp",
    ("-ipv6", "-IPv6"): "ftp", ("-g2", "-gridftp2"): "gsiftp", ("-no-g2", "-nogridftp2"): "gsiftp",
    ("-u", "-udt"): "gsiftp", ("-dp", "-delayed-pasv"): "gsiftp", ("-pp", "-pipeline"): "ftp",
    ("-allo", "-allocate"): "ftp", ("-no-allo", "-no-allocate"): "ftp",
    ("-cache-aa", "-cache-authz-assert"): "ftp", ("-cache-saa", "-cache-src-authz-assert"): "ftp",
    ("-cache-daa", "-cache-dst-authz-assert"): "ftp", ("-nlb", "-nl-bottleneck"): "gsiftp", ("-sync",): "ftp",
    ("-preserve",): "ftp", ("-cp", "-copy-perms"): "ftp", ("-verify-checksum", "-checksum"): "gsiftp",
}  # fmt: skip
#: Those that take a value, and one that makes sense; {} is the directory of the test. The C tool takes a command for a
#: pipe only if a character is in it with which it parts the words.
VALUES = {
    ("-ppq", "-pipelineq"): "8", ("-list", "-list-url"): "file://{}/", ("-nli", "-nl-interval"): "3",
    ("-X", "-extentions"): "nosuch", ("-MC", "-multicast"): "{}/missing", ("-df", "-dumpfile"): "{}/dump",
    ("-af", "-alias-file"): "{}/aliases", ("-CP", "-plugin"): "nosuch", ("-mn", "-module-name"): "file",
    ("-mp", "-module-parameters"): "x", ("-smn", "-src-module-name"): "file", ("-smp", "-src-module-parameters"): "x",
    ("-dmn", "-dst-module-name"): "file", ("-dmp", "-dst-module-parameters"): "x", ("-f", "-filename"): "{}/pairs",
    ("-cc", "-concurrency"): "2", ("-sbs", "-striped-block-size"): "64K", ("-bs", "-block-size"): "64K",
    ("-tcp-bs", "-tcp-buffer-size"): "1M", ("-p", "-parallel"): "2", ("-t", "-transfer-time"): "30",
    ("-s", "-subject"): "/CN=somebody", ("-ss", "-source-subject"): "/CN=somebody",
    ("-ds", "-dest-subject"): "/CN=somebody", ("-rst-retries", "-restart-retries"): "1",
    ("-rst-interval", "-restart-interval"): "1", ("-rst-timeout", "-restart-timeout"): "10",
    ("-st", "-stall-timeout"): "20", ("-off", "-partial-offset"): "1", ("-len", "-partial-length"): "2",
    ("-SP", "-src-pipe"): "cat x#", ("-DP", "-dst-pipe"): "cat x#", ("-P", "-pipe"): "cat x#",
    ("-dcstack", "-data-channel-stack"): "tcp", ("-fsstack", "-file-system-stack"): "file",
    ("-src-dcstack", "-source-data-channel-stack"): "tcp", ("-src-fsstack", "-source-file-system-stack"): "file",
    ("-dst-dcstack", "-dest-data-channel-stack"): "tcp", ("-dst-fsstack", "-dest-file-system-stack"): "file",
    ("-aa", "-authz-assert"): "{}/assertion", ("-saa", "-src-authz-assert"): "{}/assertion",
    ("-daa", "-dst-authz-assert"): "{}/assertion", ("-cred",): "{proxy}", ("-sc", "-src-cred"): "{proxy}",
    ("-dc", "-dst-cred"): "{proxy}", ("-data-cred",): "{proxy}", ("-sync-level",): "1",
    ("-do", "-dump-only"): "{}/only", ("-checksum-alg", "-algo"): "MD5",
}  # fmt: skip
GENERAL = (("-help",), ("-usage",), ("-version",), ("-versions",))
#: Options without which another one would not be looked at.
WITH = {"-sync-level": ("-sync",), "-checksum-alg": ("-verify-checksum",), "-sbs": ("-stripe",)}
#: What is copied with GSI, besides the flags above.
SECURE = {"-cred", "-sc", "-dc", "-data-cred", "-mn", "-smn", "-dmn", "-s", "-ds", "-dcstack", "-dst-dcstack",
          "-fsstack", "-dst-fsstack", "-DP", "-P", "-checksum-alg", "-sbs", "-nli"}  # fmt: skip


def options() -> dict[str, Option]:
    """Ours, by spelling."""
    found: dict[str, Option] = {}
    for param in load("url-copy").params:
        if isinstance(param, Option):
            found |= dict.fromkeys((*param.opts, *param.secondary_opts), param)
    return found


def test_the_list_is_that_of_the_installed_program() -> None:
    """Each spelling is a string of the program, and each string of it that is spelled like one is in the list."""
    program = Path(str(shutil.which("globus-url-copy"))).resolve().read_bytes()
    listed = {word for words in (*FLAGS, *VALUES, *GENERAL) for word in words}
    # Strings that end another one are kept within it, so that nothing stands before them but the rest of that.
    for word in listed - {word for words in GENERAL for word in words}:
        assert word.encode() + b"\0" in program, word
    alone = {word.decode() for word in re.findall(rb"\0(-[A-Za-z][A-Za-z0-9-]*)(?=\0)", program)}
    assert alone <= listed
    usage = subprocess.run(["globus-url-copy", "-help"], capture_output=True, text=True, check=False).stdout
    assert set(re.findall(r"(?<![\w-])-[a-z][\w-]*(?= \||$| <)", usage, re.MULTILINE)) <= listed


@pytest.mark.parametrize("words", [*FLAGS, *VALUES, *GENERAL], ids=lambda words: words[0])
def test_both_spellings_are_one_option(words: tuple[str, ...]) -> None:
    ours = options()
    option = ours[words[0]]
    assert {ours.get(word) for word in words} == {option}
    assert set(words) <= set(option.c_spellings), "the manual's table would not tell of it"
    assert option.parity is not None
    assert any(word.startswith("--") for word in option.opts)
    assert (option.is_flag or option.count) is (words not in VALUES)


@pytest.mark.parametrize("words", [*FLAGS, *VALUES], ids=lambda words: words[0])
def test_a_copy_with_it_ends_as_there(words: tuple[str, ...], grid: Sandbox, served: Path, tmp_path: Path) -> None:
    option = words[0]
    secure = FLAGS.get(words) == "gsiftp" or option in SECURE
    ended = []
    for number, tool in enumerate((COPY, "globus-url-copy")):
        here = tmp_path / str(number)
        here.mkdir()
        source, target = here / "source", served / f"target{number}"
        source.write_bytes(b"one\ntwo\n" * 1000)
        url = grid.gsiftp_url(target) if secure else grid.ftp_url(target)
        if option == "-rp":
            url = url.replace(str(target), f"/{target.relative_to(grid.data_dir)}")
        (here / "aliases").write_text("# hosts\n@destination\n" + url.split("/")[2] + "\n")
        (here / "assertion").write_text("text")
        (here / "pairs").write_text(f'"file://{source}" "{url}"\n')
        value = VALUES[words].format(here, proxy=grid.variables["X509_USER_PROXY"]) if words in VALUES else None
        pair = [] if option == "-f" else [f"file://{source}", url]
        command = [tool, *WITH.get(option, ()), option, *([value] if value is not None else []), *pair]
        done = subprocess.run(command, env=grid.env, capture_output=True, text=True, timeout=60, check=False)
        ended.append((done.returncode == 0, target.read_bytes() if target.exists() else None, done))
    (well, there, ours), (well_there, there_too, theirs) = ended
    assert well is well_there, f"{ours.stderr}\n--\n{theirs.stderr}"
    if well:
        assert there == there_too
    assert "Traceback" not in ours.stderr

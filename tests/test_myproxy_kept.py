# SPDX-License-Identifier: Apache-2.0
"""pyglobus myproxy beside the C tools, at one server: what the one stores, the other tells, fetches, changes and
removes; and what options ask for is looked for in the certificates.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from pyglobus.core.sandbox.authority import Issued
from tests import myproxywire

if TYPE_CHECKING:
    from tests.conftest import Keeper

Done = subprocess.CompletedProcess[str]
PYGLOBUS = str(Path(sys.executable).with_name("pyglobus"))
C = {
    "put": "myproxy-init",
    "get": "myproxy-logon",
    "info": "myproxy-info",
    "passwd": "myproxy-change-pass-phrase",
    "destroy": "myproxy-destroy",
    "store": "myproxy-store",
    "retrieve": "myproxy-retrieve",
    "trustroots": "myproxy-get-trustroots",
}
OURS = {verb: f"{PYGLOBUS} myproxy {verb}" for verb in C}
BOTH = {"ours": OURS, "theirs": C}
OTHER = "Another phrase, my friend"
_numbers = itertools.count()


@pytest.fixture
def user() -> str:
    """A username that nothing is stored under."""
    return f"user{next(_numbers)}-{os.getpid()}"


@pytest.fixture
def env(keeper: Keeper, tmp_path: Path) -> dict[str, str]:
    return keeper.grid.env | keeper.prepare(tmp_path)


@pytest.fixture
def run(keeper: Keeper, tmp_path: Path, env: dict[str, str]) -> Callable[..., Done]:
    """Run a command, with lines for its standard input."""

    def call(command: str, *words: str, lines: tuple[str, ...] = (), **more: str) -> Done:
        return keeper.run(*command.split(), *words, cwd=tmp_path, env=env | more, lines=lines)

    return call


def good(done: Done) -> Done:
    assert done.returncode == 0, done.stderr
    return done


MINE = ("-C", "proxy", "-y", "proxy")


@pytest.mark.parametrize("putter", BOTH)
@pytest.mark.parametrize("user_of", BOTH)
def test_what_one_stores_the_other_handles(
    putter: str, user_of: str, run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path
) -> None:
    put, use = BOTH[putter], BOTH[user_of]
    named = ("-l", user, "-k", "one")
    words = ("-S", *MINE, *named, "-K", "for tests", "-r", "Ada*", "-x", "-R", "/O=Grid/*", "-c", "3", "-t", "2")
    good(run(put["put"], *words, "-S"))
    told = good(run(use["info"], *named)).stdout
    assert f"username: {user}\nowner: {keeper.grid.user.subject}\n  name: one\n  description: for tests\n" in told
    assert re.search(r"  retrieval policy: \*/CN=Ada\*\n  renewal policy: /O=Grid/\*\n  timeleft: (2:5|3:0)\d:", told)
    good(run(use["get"], *named, "-n", "-a", "proxy", "-o", "renewed", "-t", "9"))
    renewed = Issued.from_pem((tmp_path / "renewed").read_bytes())
    assert renewed.identity == keeper.grid.user.subject
    assert dt.timedelta(hours=1.9) < renewed.expires - dt.datetime.now(dt.UTC) < dt.timedelta(hours=2.1)
    removed = good(run(use["destroy"], *named)).stdout
    assert removed == f"MyProxy credential 'one' for user {user} was successfully removed.\n"
    assert run(put["info"], *named).returncode == 1


@pytest.mark.parametrize("putter", BOTH)
@pytest.mark.parametrize("changer", BOTH)
def test_a_pass_phrase_changed_by_one_counts_for_the_other(
    putter: str, changer: str, run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path
) -> None:
    put, change = BOTH[putter], BOTH[changer]
    good(run(put["put"], "-S", *MINE, "-l", user))
    wrong = run(change["passwd"], "-S", "-l", user, lines=("not the phrase", OTHER))
    assert (wrong.returncode, wrong.stdout) == (1, "")
    changed = good(run(change["passwd"], "-S", "-l", user, lines=(keeper.pass_phrase, OTHER)))
    assert changed.stdout == "Pass phrase changed.\n"
    assert run(put["get"], "-S", "-l", user, "-o", "out").returncode == 1
    assert not (tmp_path / "out").exists()
    good(run(put["get"], "-S", "-l", user, "-o", "out", lines=(OTHER,)))
    good(run(change["destroy"], "-l", user))


def test_the_lines_are_those_of_the_c_tools(run: Callable[..., Done], user: str) -> None:
    last = {}
    for whose, verbs in BOTH.items():
        stored = good(run(verbs["put"], "-S", *MINE, "-l", user, "-c", "4")).stdout.splitlines()
        told = good(run(verbs["info"], "-l", user)).stdout
        gone = good(run(verbs["destroy"], "-l", user)).stdout
        last[whose] = (stored[-1], re.sub(r"\d+:\d\d:\d\d", "TIME", told), gone)
    assert last["ours"] == last["theirs"]


def test_d_takes_the_subject_as_the_name(run: Callable[..., Done], keeper: Keeper, tmp_path: Path) -> None:
    for put, use in ((OURS, C), (C, OURS)):
        good(run(put["put"], "-S", *MINE, "-d", "-k", "by-name"))
        assert f"username: {keeper.grid.user.subject}\n" in good(run(use["info"], "-d", "-k", "by-name")).stdout
        good(run(use["get"], "-S", "-d", "-k", "by-name", "-o", "out"))
        assert Issued.from_pem((tmp_path / "out").read_bytes()).identity == keeper.grid.user.subject
        good(run(use["destroy"], "-d", "-k", "by-name"))


def test_an_encrypted_key_is_unlocked_and_both_phrases_come_from_standard_input(
    run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path
) -> None:
    mine = Issued.load(keeper.grid.user.certificate, keeper.grid.user.key)
    mine.save(tmp_path / "cert", tmp_path / "key", pass_phrase=b"the key's own")
    words = ("-S", "-C", "cert", "-y", "key", "-l", user, "--format", "json")
    stored = good(run(OURS["put"], *words, lines=("the key's own", OTHER)))
    assert json.loads(stored.stdout)["identity"] == keeper.grid.user.subject
    good(run(C["get"], "-S", "-l", user, "-o", "out", lines=(OTHER,)))
    good(run(C["destroy"], "-l", user))
    assert run(OURS["put"], *words, lines=("not the key's", OTHER)).returncode == 1


def test_a_local_proxy_is_made_too(run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path) -> None:
    good(run(OURS["put"], "-S", *MINE, "-l", user, "-L", "-t", "1", X509_USER_PROXY=str(tmp_path / "local")))
    local = Issued.from_pem((tmp_path / "local").read_bytes())
    assert (local.identity, (tmp_path / "local").stat().st_mode & 0o777) == (keeper.grid.user.subject, 0o600)
    assert local.expires - dt.datetime.now(dt.UTC) < dt.timedelta(hours=1.1)
    good(run(OURS["destroy"], "-l", user))


def test_the_pass_phrase_is_asked_for_twice(env: dict[str, str], keeper: Keeper, user: str, tmp_path: Path) -> None:
    for second, status in (("a typing mistake", 1), (keeper.pass_phrase, 0)):
        words = ["myproxy", "put", *MINE, "-l", user]
        with pexpect.spawn(PYGLOBUS, words, env=env, cwd=str(tmp_path), timeout=30, encoding="utf-8") as child:
            child.expect_exact("Enter MyProxy pass phrase:")
            child.waitnoecho()
            child.sendline(keeper.pass_phrase)
            child.expect_exact("Verifying - Enter MyProxy pass phrase:")
            child.waitnoecho()
            child.sendline(second)
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == status


@pytest.mark.parametrize(
    "words",
    [
        ("put", "-S", "-r", "a", "-a"),
        ("put", "-S", "-R", "a", "-A"),
        ("put", "-S", "-C", "nothing"),
        ("info", "-l", "nobody"),
        ("destroy", "-l", "nobody"),
        ("passwd", "-S", "-l", "nobody"),
        ("info", "-p", "1"),
        ("info", "surplus"),
    ],
    ids=" ".join,
)
def test_the_same_faults_have_the_same_status(words: tuple[str, ...], run: Callable[..., Done]) -> None:
    ours = run(OURS[words[0]], *words[1:], lines=("some phrase", OTHER))
    assert (ours.returncode, ours.stdout) == (1, "")
    assert len(ours.stderr.splitlines()) <= 2
    assert run(C[words[0]], *words[1:], lines=("some phrase", OTHER)).returncode == 1


@pytest.mark.parametrize("storer", BOTH)
@pytest.mark.parametrize("retriever", BOTH)
def test_a_certificate_goes_there_and_comes_back(
    storer: str, retriever: str, run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path
) -> None:
    mine = Issued.load(keeper.grid.user.certificate, keeper.grid.user.key)
    mine.save(tmp_path / "cert", tmp_path / "key", pass_phrase=keeper.pass_phrase.encode())
    words = ("-c", "cert", "-y", "key", "-l", user, "-x", "-E", "*", "-t", "1")
    assert good(run(BOTH[storer]["store"], *words)).stdout == "Credentials saved to myproxy server.\n"
    back = ("-S", "-l", user, "-c", "back/cert", "-y", "back/key")
    wrong = run(BOTH[retriever]["retrieve"], *back, lines=("not the phrase",))
    assert (wrong.returncode, (tmp_path / "back" / "key").exists()) == (255, False)
    told = good(run(BOTH[retriever]["retrieve"], *back)).stdout
    assert told == f"Credentials for {user} have been stored in\nback/cert and\nback/key.\n"
    pem = (tmp_path / "back" / "cert").read_bytes() + (tmp_path / "back" / "key").read_bytes()
    assert Issued.from_pem(pem, [keeper.pass_phrase.encode()]).key.private_numbers() == mine.key.private_numbers()
    assert (b"ENCRYPTED" in pem) == (os.geteuid() != 0)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "back").iterdir()} == {0o600}
    again = run(BOTH[retriever]["retrieve"], *back)
    assert (again.returncode, "exists" in again.stderr) == (255, True)
    good(run(BOTH[retriever]["destroy"], "-l", user))


def test_a_key_stays_where_no_policy_lets_it_go(run: Callable[..., Done], keeper: Keeper, user: str) -> None:
    user_files = (str(keeper.grid.user.certificate), str(keeper.grid.user.key))
    good(run(OURS["store"], "-c", user_files[0], "-y", user_files[1], "-l", user))
    for verbs in BOTH.values():
        assert run(verbs["retrieve"], "-S", "-l", user, "-c", "c", "-y", "k").returncode == 255
    good(run(OURS["destroy"], "-l", user))


def test_somebody_elses_is_not_touched(run: Callable[..., Done], keeper: Keeper, user: str, tmp_path: Path) -> None:
    good(run(OURS["put"], "-S", *MINE, "-l", user))
    keeper.grid.authority.issue("Mallory").proxy().save_proxy(tmp_path / "mallory")
    for verb in ("destroy", "passwd", "put"):
        words = ("-S", "-C", "mallory", "-y", "mallory") if verb == "put" else ("-S",) if verb == "passwd" else ()
        done = run(OURS[verb], *words, "-l", user, "-v", X509_USER_PROXY=str(tmp_path / "mallory"))
        assert done.returncode == 1
        assert keeper.pass_phrase not in done.stderr
    good(run(OURS["get"], "-S", "-l", user, "-o", "out"))
    good(run(OURS["destroy"], "-l", user))


def test_voms_is_refused_clearly(run: Callable[..., Done]) -> None:
    done = run(OURS["put"], "-S", *MINE, "-m", "atlas")
    assert (done.returncode, "voms-proxy-init" in done.stderr) == (1, True)


def test_trust_roots_are_those_that_the_c_tool_fetches(
    run: Callable[..., Done], keeper: Keeper, tmp_path: Path
) -> None:
    found = {}
    for whose, verbs in BOTH.items():
        trusted = tmp_path / whose
        trusted.mkdir()
        keeper.grid.authority.trust_in(trusted)
        done = good(run(verbs["trustroots"], X509_CERT_DIR=str(trusted)))
        files = {path.name: path.read_bytes() for path in trusted.iterdir() if "log" not in path.name}
        found[whose] = (done.stdout.replace(str(trusted), "TRUSTED"), files)
    assert found["ours"] == found["theirs"]


def test_the_wire_has_what_put_asks_for(keeper: Keeper, run: Callable[..., Done], tmp_path: Path) -> None:
    host = keeper.grid.authority.issue_host(hosts=["localhost"])
    refusal = b"VERSION=MYPROXYv2\nRESPONSE=1\nERROR=no\n\0"
    with myproxywire.Server(host, tmp_path, lambda stream, _: stream.sendall(refusal)) as server:
        words = ("-p", str(server.port), "-S", *MINE, "-l", "ada b", "-k", "k", "-K", "two words", "-a", "-t", "3")
        assert run(OURS["put"], *words, "-x", "-Z", "/CN=z").returncode == 1
    assert server.requests == [
        {
            "VERSION": "MYPROXYv2",
            "COMMAND": "1",
            "USERNAME": "ada b",
            "PASSPHRASE": "",
            "LIFETIME": "10800",
            "CRED_NAME": "k",
            "CRED_DESC": "two words",
            "RETRIEVER": "*",
            "RETRIEVER_TRUSTED": "/CN=z",
        }
    ]

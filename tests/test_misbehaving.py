# SPDX-License-Identifier: Apache-2.0
"""Servers that break off, lie, babble or fall silent: no wrong file under its final name, no hang, no crash.

Every case is one run of pyglobus-url-copy against `misbehaving.Server`. All runs of a session are begun when the first
case is tested, some at a time, since they mostly wait; each test then judges its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import misbehaving
from tests.misbehaving import Faults, Server

COPY = str(Path(sys.executable).with_name("pyglobus-url-copy"))
BIG = bytes(number * 7 % 251 for number in range(300_000))
SMALL = b"small\n"
OLD = b"what was here before"
TREE = {"/a": BIG, "/t/x": BIG, "/t/d/y": SMALL}

# Runs at a time; and seconds that one may take on a busy machine, where its own limits are one or two.
WORKERS = 8
PATIENCE = 40.0
QUICK = ("--connect-timeout", "1", "-st", "1")
# For faults that are seen at once: limits that a busy machine does not reach.
CALM = ("--connect-timeout", "15", "-st", "15")
RETRYING = ("-rst", "-rst-interval", "0.1", "-rst-retries", "2")
VERIFYING = ("-verify-checksum",)

#: What may happen to whom it is refused, lied to, or not answered.
FAILED = {66, 69, 73, 74, 75}


@dataclass(frozen=True)
class Case:
    """One run: what is copied, between which servers, and how it must end. ``says`` is part of the message."""

    name: str
    kind: str
    exits: set[int]
    faults: Faults
    words: tuple[str, ...] = CALM
    says: str = ""
    #: The far end cannot be asked to clean up.
    gone: bool = False
    #: A file that is at the local destination before.
    old: bool = False


@dataclass(frozen=True)
class Run:
    """How a case ended: files by their names below the working directory, and what else each server holds by now."""

    code: int
    stdout: bytes
    stderr: str
    seconds: float
    local: dict[str, bytes]
    remote: dict[str, bytes]


#: Arguments for each kind of copy, and the names and contents that are to be there afterwards. "s" is the server with
#: faults, "t" the one without.
KINDS: dict[str, tuple[Callable[[Server, Server], tuple[str, ...]], dict[str, bytes]]] = {
    "get": (lambda s, t: (s.url("/a"), "in/a"), {"in/a": BIG}),
    "get E": (lambda s, t: ("-p", "1", s.url("/a"), "in/a"), {"in/a": BIG}),
    "stdout": (lambda s, t: (s.url("/a"), "-"), {}),
    "put": (lambda s, t: ("from/x", s.url("/p")), {"/p": BIG}),
    "put E": (lambda s, t: ("-p", "1", "from/x", s.url("/p")), {"/p": BIG}),
    "source": (lambda s, t: (s.url("/a"), t.url("/p")), {"/p": BIG}),
    "dest": (lambda s, t: (t.url("/a"), s.url("/p")), {"/p": BIG}),
    "relay source": (lambda s, t: ("-notpt", s.url("/a"), t.url("/p")), {"/p": BIG}),
    "relay dest": (lambda s, t: ("-notpt", t.url("/a"), s.url("/p")), {"/p": BIG}),
    "get tree": (lambda s, t: ("-r", s.url("/t/"), "in/"), {"in/x": BIG, "in/d/y": SMALL}),
    "get tree E": (lambda s, t: ("-r", s.url("/t/"), "in/"), {"in/x": BIG, "in/d/y": SMALL}),
    "sync": (lambda s, t: ("-r", "-sync", s.url("/t/"), "in/"), {"in/x": BIG, "in/d/y": SMALL}),
    "put tree": (lambda s, t: ("-r", "-cd", "from/", s.url("/up/")), {"/up/x": BIG, "/up/d/y": SMALL}),
    "put tree E": (lambda s, t: ("-r", "-cd", "from/", s.url("/up/")), {"/up/x": BIG, "/up/d/y": SMALL}),
    "source tree": (lambda s, t: ("-r", "-cd", s.url("/t/"), t.url("/up/")), {"/up/x": BIG, "/up/d/y": SMALL}),
}
#: Replies of a server in a run without faults, the farewell included; those of trees depend on who comes first.
REPLIES = {"get": 12, "put": 13, "source": 12, "dest": 13}
TREE_REPLIES = {"get tree": 22, "put tree": 22, "source tree": 16}


def cuts() -> Iterator[Case]:
    for kind, count in REPLIES.items():
        for n in range(1, count + 1):
            last = {0} if n == count else {0, 75} if kind == "dest" and n == count - 1 else {75}
            yield Case(f"cut {n}", kind, last, Faults(cut_at=n, cut_for_good=n % 3 == 0), gone=n % 3 == 0)
    for kind, count in TREE_REPLIES.items():
        for n in range(1, count + 1, 3):
            yield Case(f"cut {n}", kind, {0, 75}, Faults(cut_at=n))
    for kind in ("get tree E", "put tree E"):
        for n in range(9, 26, 4):
            yield Case(f"cut {n}", kind, {0, 75}, Faults(cut_at=n, extended=True))
    for n in (3, 9, 11):
        for kind in ("get", "put"):
            ends = {0} if n > 8 else {75}  # what is asked before the bytes move is asked once
            yield Case(f"cut {n} and retry", kind, ends, Faults(cut_at=n), (*CALM, *RETRYING))
    yield Case("cut with an old file", "get", {75}, Faults(cut_at=11), old=True)


def hangs() -> Iterator[Case]:
    for kind, count in REPLIES.items():
        for n in range(1 if kind == "get" else 8, count + 1):
            ends = {0} if n == count else {0, 75} if kind == "dest" and n == count - 1 else {75}
            yield Case(f"silent from {n}", kind, ends, Faults(hang_at=n), QUICK, gone=True)
    for kind in TREE_REPLIES:
        for n in (1, 9, 14):
            yield Case(f"silent from {n}", kind, {75}, Faults(hang_at=n), QUICK, gone=True)
    for kind in ("get tree E", "put tree E"):
        for n in (11, 16, 20):
            yield Case(f"silent from {n}", kind, {75}, Faults(hang_at=n, extended=True), QUICK, gone=True)
    for kind in ("get", "put", "source", "get tree", "put tree"):
        for n in (1, 11):
            yield Case(f"deadline, silent from {n}", kind, {124}, Faults(hang_at=n), ("--timeout", "1"), gone=True)
    for kind in ("get", "put", "get E", "put E", "source", "dest", "relay source", "relay dest", "stdout", "get tree"):
        extended = kind.endswith("E")
        yield Case("150 and nothing", kind, {75}, Faults(idle_after_150=True, extended=extended), QUICK)
        yield Case("data that stand still", kind, {75}, Faults(stand_still_after=1000, extended=extended), QUICK)
    for kind in ("get", "put"):
        yield Case("silent checksum", kind, {75}, Faults(hang_on="CKSM"), (*QUICK, *VERIFYING), gone=kind == "put")
    drip = Faults(send=misbehaving.dripping)
    yield Case("slow drip", "get", {124}, drip, ("--timeout", "1"), says="deadline")


def sources() -> Iterator[Case]:
    """Faults of the server that sends."""
    for kind in ("get", "get E", "source", "stdout", "get tree", "get tree E", "sync", "relay source", "source tree"):
        extended = kind.endswith("E")
        for name, code, says, faults in (
            ("short", 74, "incomplete", Faults(send=misbehaving.short, extended=extended)),
            ("long", 74, "too long", Faults(send=misbehaving.long, extended=extended)),
            ("broken", 75, "", Faults(send=misbehaving.broken, extended=extended)),
        ):
            yield Case(name, kind, {code}, faults, says=says)
    for kind in ("get", "source", "stdout", "get tree"):
        for name, code, says, faults in (
            ("short and done before", 74, "incomplete", Faults(send=misbehaving.short, final_first=True)),
            ("done before the data", 0, "", Faults(final_first=True)),
            ("no reply after the data", 75, "closed the connection", Faults(final=b"")),
            ("426 after the data", 75, "data channel broke", Faults(final=b"426 broken")),
            ("garbage after the data", 69, "", Faults(final=b"\0\xff\1")),
            ("size in MLST too small", 74, "too long", Faults(size=5)),
        ):
            yield Case(name, kind, {code, 74} if kind == "get tree" else {code}, faults, says=says)
        retried = 74 if kind == "stdout" else 0  # what is in a pipe cannot be taken back
        once = Faults(send=misbehaving.broken, sends=1)
        yield Case("broken, then right", kind, {retried}, once, (*CALM, *RETRYING))
    yield Case("broken, always", "get", {75}, Faults(send=misbehaving.broken), (*CALM, *RETRYING))
    yield Case("short with an old file", "get", {74}, Faults(send=misbehaving.short), old=True)


def destinations() -> Iterator[Case]:
    """Faults of the server that receives, and of checksums and addresses."""
    for kind in ("put", "put E", "dest", "relay dest", "put tree", "put tree E"):
        extended = kind.endswith("E")
        for name, code, says, faults in (
            ("takes a part", 75, "", Faults(take=1000, extended=extended)),
            ("no reply after the data", 75, "", Faults(final=b"", extended=extended)),
            ("452 after the data", 74, "no space", Faults(final=b"452 full", extended=extended)),
            ("done before the data", 0, "", Faults(final_first=True, extended=extended)),
        ):
            # The relay believes the end, and waits for an upload that goes on after it.
            early = kind == "relay dest" and code == 0
            yield Case(name, kind, {0, 75} if early else {code}, faults, QUICK if early else CALM, says)
        once = Faults(take=100_000, takes=1, extended=extended)
        yield Case("takes a part, then all", kind, {0}, once, (*CALM, *RETRYING))
    yield Case("takes a part, always", "put", {75}, Faults(take=1000), (*CALM, *RETRYING))
    for kind in ("get", "put"):
        wrong = Faults(checksum=b"0" * 32)
        yield Case("wrong checksum", kind, {74}, wrong, (*CALM, *VERIFYING), "checksums differ")
    for kind in ("get", "put", "get tree", "put tree"):
        says = "the data channel to 127.0.0.1:1 was refused"
        yield Case("PASV to a closed port", kind, {75}, Faults(passive=("127.0.0.1", 1)), says=says)
        yield Case("PASV to another host", kind, {75}, Faults(passive=("127.0.0.2", 9)))


#: Replies that are none, or not to this command. What holds for all of them is that nothing wrong comes of it.
TEXTS = {
    "two replies": b"200 a\r\n200 b\r\n",
    "preliminary ones": b"150 a\r\n" * 200 + b"200 b\r\n",
    "10 MB in a line": b"200 " + b"x" * 10_000_000 + b"\r\n",
    "10 MB of lines": b"200-" + b" x\r\n" * 2_500_000 + b"200 end\r\n",
    "binary": b"\x00\xff\xfe\x01\x02\r\n",
    "too many digits": b"99999999999 a\r\n",
    "nothing in a line": b"\r\n",
    "code 000": b"000 a\r\n",
    "code 700": b"700 a\r\n",
    "format characters": b"200 %s%s%n%n\0\r\n",
    "two refusals": b"500 a\r\n500 b\r\n",
    "550": b"550 no\r\n",
    "421": b"421 later\r\n",
}


def replies() -> Iterator[Case]:
    verbs = {
        "get": ("USER", "PASS", "SITE", "FEAT", "TYPE", "MLST", "PASV", "RETR", "CKSM"),
        "put": ("ALLO", "STOR"),
        "get tree": ("MLSD", "MODE"),
        "put tree": ("MKD",),
    }
    for kind, names in verbs.items():
        for verb in names:
            thorough = verb in ("MLST", "STOR", "MLSD")
            for name, raw in TEXTS.items() if thorough else list(TEXTS.items())[:3]:
                # Who says that all is stored and has nothing is only caught by a checksum.
                words = (*QUICK, *VERIFYING) if verb in ("CKSM", "STOR") else QUICK
                yield Case(f"{name} to {verb}", kind, FAILED | {0}, Faults(answers={verb: (raw,)}), words)
    for name, says in (("10 MB in a line", "no end"), ("two replies", "nobody asked for"), ("binary", "")):
        yield Case(f"{name} to FEAT", "put", {69}, Faults(answers={"FEAT": (TEXTS[name],)}), says=says)
    for kind in ("get", "put", "get tree", "put tree", "source", "dest"):
        yield Case("550 to everything", kind, {66, 69, 73}, Faults(answers={"*": (TEXTS["550"],)}), gone=True)
    for kind, verb in (("get", "RETR"), ("put", "STOR"), ("source", "RETR"), ("dest", "STOR")):
        later = Faults(answers={verb: (b"451 later\r\n", None)})
        yield Case("451, then right", kind, {75}, later)
        yield Case("451, then right, with retries", kind, {0}, later, (*CALM, *RETRYING))
        early = Faults(answers={verb: (b"226 done\r\n",)})
        yield Case("done before it began", kind, {69}, early, says="before it had begun")
    early = Faults(answers={"MLSD": (b"226 done\r\n",)})
    yield Case("done before it began", "get tree", {69}, early, says="before it had begun")


def listings() -> Iterator[Case]:
    facts = b"Type=file;Size=6;Modify=20200101000000; "
    limits = ("--timeout", "20", *CALM)
    for name, text in (
        ("up and out", facts + b"../out\r\n"),
        ("absolute", facts + b"/tmp/pyglobus-out\r\n"),
        ("deep", facts + b"d/../../out\r\n"),
    ):
        for kind in ("get tree", "sync", "source tree"):
            yield Case(f"listing: {name}", kind, {69}, Faults(listing=text), limits, "would lead out")
    for name, text, ends in (
        ("above", b"Type=dir; ..\r\nType=dir; .\r\n", {0}),
        ("NUL", facts + b"a\0b\r\n", {69}),
        ("a newline in a name", facts + b"a\nb\r\n", FAILED),
        ("a lone carriage return", facts + b"a\rb\r\n", FAILED),
        ("a control sequence", facts + b"\x1b[2J\x1b]0;me\x07\r\n", FAILED),
        ("binary", bytes(range(256)) * 20, FAILED | {0}),
        ("names without facts", b"x\r\ny\r\n", FAILED | {0}),
        ("facts without names", b"Type=file;Size=6;\r\nType=file; \r\n", FAILED | {0}),
        ("no line end", facts + b"missing", {66}),
        ("a size out of reach", b"Type=file;Size=99999999999999999999999999; x\r\n", FAILED | {0}),
        ("a negative size", b"Type=file;Size=-1;Modify=-1;UNIX.mode=9999999; x\r\n", FAILED | {0}),
        ("a long name", facts + b"n" * 5000 + b"\r\n", {69}),
        ("10 MB in a line", facts + b"n" * 10_000_000 + b"\r\n", {69}),
        ("a directory in itself, for ever", b"Type=dir; d\r\n", FAILED | {0}),
    ):
        yield Case(f"listing: {name}", "get tree", ends, Faults(listing=text), limits)


CASES = [
    *cuts(),
    *hangs(),
    *sources(),
    *destinations(),
    *replies(),
    *listings(),
    *(Case("no fault", kind, {0}, Faults(extended=kind.endswith("E"))) for kind in KINDS),
]


def run(case: Case, top: Path) -> Run:
    """Do it, in a directory of its own."""
    arguments, _ = KINDS[case.kind]
    (top / "in").mkdir(parents=True)
    (top / "from" / "d").mkdir(parents=True)
    (top / "from" / "x").write_bytes(BIG)
    (top / "from" / "d" / "y").write_bytes(SMALL)
    if case.old:
        (top / "in" / "a").write_bytes(OLD)
    with Server(TREE, case.faults) as server, Server(TREE, Faults(extended=case.faults.extended)) as other:
        started = time.monotonic()
        done = subprocess.run(
            [COPY, *case.words, *arguments(server, other)], cwd=top, capture_output=True, check=False, timeout=PATIENCE
        )
        seconds = time.monotonic() - started
        remote = {
            name: data
            for end in (server, other)
            for name, data in end.files.items()
            if name not in TREE and not (end is server and case.gone)
        }
    local = {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}
    sources = {name: local.pop(name) for name in ("from/x", "from/d/y")}
    assert sources == {"from/x": BIG, "from/d/y": SMALL}
    return Run(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"), seconds, local, remote)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    chosen = [case for item in items if isinstance(case := item.callspec.params["case"], Case)]
    pool = ThreadPoolExecutor(WORKERS)
    top = tmp_path_factory.mktemp("misbehaving")
    yield {label(case): pool.submit(run, case, top / str(number)) for number, case in enumerate(chosen)}
    pool.shutdown(cancel_futures=True)


def label(case: Case) -> str:
    return f"{case.kind}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=label)
def test_misbehaving(case: Case, runs: dict[str, Future[Run]]) -> None:
    ended = runs[label(case)].result()
    assert ended.code in case.exits, ended.stderr
    assert case.says in ended.stderr
    _judge_message(ended)
    _, wanted = KINDS[case.kind]
    old = {"in/a": OLD} if case.old and ended.code else {}
    for name, data in (ended.local | ended.remote).items():
        right = None if case.kind == "stdout" else (wanted | old).get(name)
        assert data == right, f"{name} is wrong: {len(data)} bytes"
    if ended.code == 0 and case.faults.listing is None:
        if not case.gone:
            assert set(wanted) <= set(ended.local | ended.remote)
        assert case.kind != "stdout" or ended.stdout == BIG


def _judge_message(ended: Run) -> None:
    """One line that says what went wrong, one hint at most, and nothing that a terminal would obey."""
    lines = ended.stderr.splitlines()
    errors = [line for line in lines if "trying again in" not in line]
    assert all(line.isprintable() for line in lines), ended.stderr
    assert all(len(line) < 1000 for line in lines)
    if ended.code == 0:
        assert not errors, ended.stderr
        return
    assert errors[0].startswith("pyglobus-url-copy: "), ended.stderr
    assert len(errors) == 1 or (len(errors) == 2 and errors[1].startswith("hint: ")), ended.stderr

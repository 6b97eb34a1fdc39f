# SPDX-License-Identifier: Apache-2.0
"""Transfers as a library: what a program sees while they run, and what is left when it changes its mind."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.localfile import temporary_name
from pyglobus.core.options import Options
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.session import Session
from pyglobus.core.transfer import Event, Finished, Progress, Started, Transfer, copy
from tests.pace import PROMPT
from tests.sides import hollow, two_sides

BIG = 2 << 30
ROUTES = ("put", "get", "third-party", "relay", "local", "get-parallel", "put-anonymous")


@dataclass(frozen=True)
class Field:
    """A file of 2 GiB at both sides, and two servers."""

    grid: Sandbox
    second: Server
    here: Path
    there: Path

    def transfer(self, route: str, session: Session | None = None, **choices: object) -> Transfer:
        here, there, into = self.here / "big", self.there / "big", self.there / "new"
        gsi, ftp, here_new = self.grid.gsiftp_url, self.grid.ftp_url, str(self.here / "new")
        ends = {
            "put": (str(here), gsi(into)),
            "get": (gsi(there), here_new),
            "third-party": (gsi(there), gsi(into, self.second)),
            "relay": (gsi(there), gsi(into, self.second)),
            "local": (str(here), here_new),
            "get-parallel": (gsi(there), here_new),
            "put-anonymous": (str(here), ftp(into)),
        }[route]
        if route == "relay":
            choices["third_party"] = False
        if route == "get-parallel":
            choices["parallel"] = 2
        return Transfer(*ends, Options()._replace(**choices), session=session)  # type: ignore[arg-type]

    def assert_clean(self) -> None:
        """Nothing but the sources lies on either side."""
        assert [path.name for top in (self.here, self.there) for path in top.iterdir()] == ["big", "big"]


@pytest.fixture(scope="module")
def field(memory_grid: Sandbox, memory: Path) -> Iterator[Field]:
    with two_sides(memory_grid, memory, "transfer") as (here, there):
        for directory in (here, there):
            hollow(directory / "big", BIG)
        with memory_grid.start_gridftp() as second:
            yield Field(memory_grid, second, here, there)


@pytest.fixture
def clean(field: Field, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    """The field, with its user in this process; what a test leaves is taken away."""
    for name, value in field.grid.variables.items():
        monkeypatch.setenv(name, value)
    yield field
    for top in (field.here, field.there):
        for path in top.iterdir():
            if path.name != "big":
                path.unlink()


# Events --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_five_events_a_second(route: str, clean: Field) -> None:
    seen: list[tuple[float, Event]] = []
    result = clean.transfer(route).run(lambda event: seen.append((time.monotonic(), event)))
    kinds = [type(event) for _, event in seen]
    assert kinds == [Started, *[Progress] * (len(kinds) - 2), Finished]
    moved = [event.bytes for _, event in seen if isinstance(event, Progress)]
    assert moved == sorted(moved)
    assert moved[-1] == result.bytes == BIG
    if route != "third-party":  # servers tell every five seconds
        assert len(set(moved)) > 3
    elapsed = seen[-1][0] - seen[0][0]
    assert len(moved) >= 5 * elapsed - 1, f"{len(moved)} events in {elapsed:.2f} s"
    totals = {event.total for _, event in seen if isinstance(event, Progress | Started)}
    assert totals == {BIG}


# Ends before the end -------------------------------------------------------------------------------------------------


class Enough(Exception):
    pass


def begun(event: Event, transfer: Transfer) -> bool:
    """The bytes move; a third-party transfer does not tell, but by then the other server has begun."""
    return isinstance(event, Progress) and (event.bytes > 0 or event.seconds > 0.15)


@pytest.mark.parametrize("route", ROUTES)
def test_exception_of_the_caller(route: str, clean: Field) -> None:
    """It comes out as it is, at once, and nothing of the file stays."""
    mine = Enough()
    transfer = clean.transfer(route)

    def stop(event: Event) -> None:
        if begun(event, transfer):
            raise mine

    with pytest.raises(Enough) as caught:
        transfer.run(stop)
    assert caught.value is mine
    clean.assert_clean()


@pytest.mark.parametrize("route", ROUTES)
def test_leaving_the_loop(route: str, clean: Field) -> None:
    transfer = clean.transfer(route)
    for event in transfer:
        if begun(event, transfer):
            break
    clean.assert_clean()


@pytest.mark.parametrize("route", ROUTES)
def test_cancel_from_another_thread(route: str, clean: Field) -> None:
    """The session that was cancelled with it does the next transfer."""
    with Session() as session:
        transfer = clean.transfer(route, session)
        moving = threading.Event()

        def cancel() -> None:
            moving.wait(30)
            transfer.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(errors.Cancelled):
            transfer.run(lambda event: moving.set() if begun(event, transfer) else None)
        canceller.join()
        clean.assert_clean()
        transfer.cancel()  # too late is no fault
        small = clean.here / "small"
        small.write_bytes(b"next")
        Transfer(str(small), clean.grid.gsiftp_url(clean.there / "small"), session=session).run()
    assert (clean.there / "small").read_bytes() == b"next"


def test_cancel_before_the_beginning(clean: Field) -> None:
    transfer = clean.transfer("put")
    transfer.cancel()
    with pytest.raises(errors.Cancelled):
        transfer.run()
    clean.assert_clean()


def test_cancel_while_an_http_server_is_silent(clean: Field) -> None:
    """The library behind cannot cancel such a request; the caller is free all the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transfer = Transfer(f"http://127.0.0.1:{listener.getsockname()[1]}/x", str(clean.here / "new"))

        def accept() -> None:
            with listener.accept()[0]:
                transfer.cancel()
                over.wait(30)

        over = threading.Event()
        server = threading.Thread(target=accept)
        server.start()
        started = time.monotonic()
        with pytest.raises(errors.Cancelled):
            transfer.run()
        over.set()
        server.join()
    assert time.monotonic() - started < PROMPT
    clean.assert_clean()


def test_deadline_is_the_transfers_own(clean: Field, session_pids: Callable[[Server], list[int]]) -> None:
    """The server stops answering: the transfer ends in time, and the session goes on without a deadline."""
    server = clean.second
    with Session() as session:
        url = clean.grid.gsiftp_url(clean.there / "new", server)

        def freeze(event: Event) -> None:
            if isinstance(event, Started):
                for pid in session_pids(server):
                    os.kill(pid, signal.SIGSTOP)

        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded):
            Transfer(str(clean.here / "big"), url, Options(timeout=1.0), session=session).run(freeze)
        assert 0.9 < time.monotonic() - started < PROMPT
        for pid in session_pids(server):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        session.check()
        copied = clean.transfer("get", session).run()
    assert copied.bytes == BIG


# Several at a time, and one after the other --------------------------------------------------------------------------


def test_two_threads(clean: Field) -> None:
    results: dict[str, int] = {}

    def run(route: str) -> None:
        results[route] = clean.transfer(route).run().bytes

    threads = [threading.Thread(target=run, args=(route,)) for route in ("put", "get")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"put": BIG, "get": BIG}


def test_session_logs_in_once(clean: Field, tmp_path: Path) -> None:
    server = clean.grid.servers["gridftp"]
    log = Path(server.logs[0])

    def logins() -> int:
        return len(re.findall(r"DN .* successfully authorized", log.read_text(errors="replace")))

    before = logins()
    content = b"".join(bytes([number]) * 1000 for number in range(256))
    (clean.here / "small").write_bytes(content)
    with Session() as session:
        url = clean.grid.gsiftp_url(clean.there / "small")
        Transfer(str(clean.here / "small"), url, session=session).run()
        Transfer(url, str(clean.here / "back"), Options(verify=True), session=session).run()
        with pytest.raises(errors.NotFound):
            Transfer(url + "-not", str(clean.here / "nothing"), session=session).run()
        Transfer(url, str(clean.here / "again"), Options(parallel=2), session=session).run()
    assert (clean.here / "back").read_bytes() == (clean.here / "again").read_bytes() == content
    assert logins() == before + 1


def test_options_are_checked(tmp_path: Path) -> None:
    for choices in (
        {"offset": -1},
        {"length": -1},
        {"parallel": 1000},
        {"block_size": 0},
        {"protection": "secret"},
        {"timeout": -1.0},
        {"stall_timeout": float("nan")},
        {"connect_timeout": -1.0},
        {"checksum_algorithm": "crc7"},
        {"protection": "private", "authenticate_data": False},
    ):
        with pytest.raises(errors.UsageError):
            Transfer("a", "b", Options()._replace(**choices))


def test_copy_in_one_word(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    result = copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (result.bytes, result.route, result.attempts) == (3, "local copy", 1)
    assert (tmp_path / "b").read_bytes() == b"abc"


def test_source_that_shrinks_is_not_complete(clean: Field) -> None:
    """What was 100 MB when it was looked at, and is less when it is read, is nobody's file."""
    source = clean.here / "shrinking"
    for destination in (clean.grid.gsiftp_url(clean.there / "new"), str(clean.here / "new")):
        source.write_bytes(b"x" * 100_000_000)

        def shrink(event: Event) -> None:
            if isinstance(event, Started):
                os.truncate(source, 10)

        with pytest.raises(errors.DataError) as caught:
            Transfer(str(source), destination).run(shrink)
        assert caught.value.fault == "short-file"
        source.unlink()
        clean.assert_clean()


# Costs ---------------------------------------------------------------------------------------------------------------


def test_import_takes_nothing_that_is_not_needed() -> None:
    program = "import sys; import pyglobus.core.transfer; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"click", "rich", "cryptography", "asyncio", "subprocess", "tempfile", "http", "ssl", "json", "logging"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


# A process that is spawned starts with the memory of its parent on its account, so that a small one has to do it.
MEASURED = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@pytest.mark.parametrize("route", ["put", "get", "third-party", "local"])
def test_memory_does_not_grow_with_the_file(route: str, clean: Field) -> None:
    """At most 60 MiB for 2 GiB, the interpreter included."""
    transfer = clean.transfer(route)
    program = str(Path(sys.executable).with_name("pyglobus-url-copy"))
    command = [sys.executable, "-S", "-c", MEASURED, program, str(transfer.source), str(transfer.destination)]
    status, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert status == 0
    assert 10 * 1024 < peak <= 60 * 1024, f"{peak} KiB"


def test_many_transfers_leak_nothing(clean: Field) -> None:
    """Neither descriptors nor threads, whether they end well or not."""
    small, url = clean.here / "small", clean.grid.ftp_url(clean.there / "small")
    small.write_bytes(b"x")

    def rounds(count: int) -> tuple[int, int]:
        for number in range(count):
            Transfer(str(small), url).run()
            with pytest.raises(errors.NotFound):
                Transfer(url + "-not", str(clean.here / "new")).run()
            for _ in itertools.islice(Transfer(url, str(clean.here / f"back{number}")), 1):
                pass
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    descriptors, threads = rounds(2)
    after = rounds(10)
    assert after[0] <= descriptors + 3
    assert after[1] <= threads


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["a", "é", "€", "𝄞", "\udcff"])
@pytest.mark.parametrize("before", ["", "b", "bb", "bbb"])
def test_a_temporary_name_fits_and_is_text(before: str, letter: str) -> None:
    """Cut between two characters; bytes that are none are kept as they are."""
    name = before + letter * ((255 - len(before)) // len(os.fsencode(letter)))
    made = temporary_name(name, "0123abcd")
    assert len(os.fsencode(made)) <= 255
    stem = made.removeprefix(".").removesuffix(".0123abcd.part")
    assert name.startswith(stem) and len(os.fsencode(stem)) > 196
    assert temporary_name(before + letter, "0123abcd") == f".{before}{letter}.0123abcd.part"

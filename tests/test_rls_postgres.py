# SPDX-License-Identifier: Apache-2.0
"""A catalogue in PostgreSQL: several servers on one database, and a database that goes and comes back."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.rls import Client, Configuration, configuration
from pyglobus.core.rls.database import Fault, opened
from pyglobus.core.rls.databasename import masked
from pyglobus.core.rls.libpq import connection_of
from pyglobus.core.rls.results import RlsError
from pyglobus.core.rls.schema import LRC, Schema
from pyglobus.core.rls.server import Server
from tests.cluster import ACCOUNT, Cluster
from tests.pace import PROMPT
from tests.rlswire import Wire
from tests.waiting import LIMIT

BIN = Path(sys.executable).parent
#: What must never be: names whose count is not that of their mappings, and mappings of names that are not there.
WRONG = """
SELECT (SELECT count(*) FROM lrc.t_lfn n WHERE ref <> (SELECT count(*) FROM lrc.t_map WHERE lfn_id = n.id) OR ref < 1)
     + (SELECT count(*) FROM lrc.t_pfn n WHERE ref <> (SELECT count(*) FROM lrc.t_map WHERE pfn_id = n.id) OR ref < 1)
     + (SELECT count(*) FROM lrc.t_map WHERE lfn_id NOT IN (SELECT id FROM lrc.t_lfn)
                                         OR pfn_id NOT IN (SELECT id FROM lrc.t_pfn))
"""


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.database()


def serving(url: str) -> Server:
    return Server(Configuration(authentication=False, port=0, lrc_server=True, lrc_dbname=url))


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def load(server: Server, clients: int = 4) -> Iterator[tuple[list[str], list[str]]]:
    """Within the block clients create names: those that were acknowledged, and what was said of the others."""
    kept: list[str] = []
    refused: list[str] = []
    ended = threading.Event()

    def work(number: int) -> None:
        with Client(server.url) as client:
            at = 0
            while not ended.is_set():
                at += 1
                name = f"run{number}-{at}"
                try:
                    client.create(name, f"p{number}")
                    kept.append(name)
                except RlsError as error:
                    refused.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for each in threads:
        each.start()
    try:
        yield kept, refused
    finally:
        ended.set()
        for each in threads:
            each.join(LIMIT)
            assert not each.is_alive()


def grown(kept: list[str], by: int = 20) -> None:
    """Wait until so many more have been acknowledged."""
    goal, deadline = len(kept) + by, time.monotonic() + LIMIT
    while len(kept) < goal:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_servers_count_the_same_names(cluster: Cluster, url: str) -> None:
    names = [f"n{i}" for i in range(5)]
    said: list[tuple[str, int]] = []

    def work(address: str, seed: int) -> None:
        wire = Wire(address)
        for i in range(60):
            what = ("create", "add", "delete", "add", "delete")[(i + seed) % 5]
            reply = wire.ask(f"lrc_{what}", names[(i * 7 + seed) % 5], names[(i * 3 + seed * 2) % 5])
            said.append((what, int(reply[0])))

    with serving(url) as one, serving(url) as two:
        threads = [threading.Thread(target=work, args=((one, two)[i % 2].url, i)) for i in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(LIMIT)
        assert len(said) == 480
        assert {code for _, code in said} <= {0, 10, 11, 12, 14, 20}
        done = [what for what, code in said if not code]
        left = len(done) - 2 * done.count("delete")
        with Client(one.url) as first, Client(two.url) as second:
            found = list(first.match("*")) if left else []
            assert len(found) == left
            assert not left or list(second.match("*")) == found
    assert cluster.ask(WRONG, name_of(url)) == "0"
    while Wire.made:
        Wire.made.pop().close()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_takes_nothing_that_was_acknowledged(cluster: Cluster, url: str, how: str) -> None:
    with serving(url) as server, load(server) as (kept, refused):
        grown(kept)
        cluster.stop(how)
        cluster.start()
        grown(kept)
    with serving(url) as server, Client(server.url) as client:
        there = {lfn for i in range(4) for lfn, _ in client.query(f"p{i}", "pfn")}
    assert set(kept) <= there
    assert not [text for text in refused if "DB error" not in text]
    assert cluster.ask(WRONG, name_of(url)) == "0"


def test_connections_that_are_lost_are_made_again(cluster: Cluster, url: str) -> None:
    ending = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name_of(url)}'"
    with serving(url) as server, load(server) as (kept, refused):
        for _ in range(5):
            grown(kept)
            cluster.ask(ending)
            with Client(server.url) as client:
                assert client.query(kept[0])
        grown(kept)
    assert refused == [], "each was done once more where it had not been kept, and not where it had"
    assert cluster.ask("SELECT count(*) FROM lrc.t_lfn", name_of(url)) == str(len(kept))


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_RDWR])
def test_a_commit_without_answer_is_asked_for(url: str, how: int) -> None:
    storage = opened(url, LRC)
    storage.prepare()
    database = connection_of(storage.connect(reading=False))
    database.begin()
    database.execute("INSERT INTO t_rli (flags, name) VALUES (?, ?)", (0, "rls://x"))
    with socket.socket(fileno=os.dup(database.fileno())) as lost:
        lost.shutdown(how)
    if how == socket.SHUT_RD:  # the server has got it
        database.commit()
    else:
        with pytest.raises(Fault) as caught:
            database.commit()
        assert caught.value.passing
    kept = database.execute("SELECT count(*) FROM t_rli").fetchone()
    assert kept == (int(how == socket.SHUT_RD),)
    database.close()


def test_without_the_database_requests_fail_and_then_work(
    cluster: Cluster, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyglobus.core.rls.libpq._PATIENCE", 1.0)
    with serving(url) as server, Client(server.url) as client:
        client.create("a", "b")
        cluster.stop()
        try:
            begun = time.monotonic()
            with pytest.raises(errors.TransientError, match="DB error"):
                client.create("c", "d")
            assert time.monotonic() - begun < 1 + PROMPT
            with pytest.raises(errors.TransientError, match="DB error"):
                client.query("a")
            assert client.call("admin", "0").code == 0
        finally:
            cluster.start()
        client.create("c", "d")
        assert client.query("c") == [("c", "d")]


def test_what_the_database_cannot_store_is_told(cluster: Cluster, url: str) -> None:
    name = name_of(url)
    with serving(url) as server, Client(server.url) as client:
        client.create("a", "b")
        cluster.ask("ALTER TABLE lrc.t_map ADD CHECK (pfn_id < 4)", name)
        for i in range(2):
            client.add("a", f"c{i}")
        with pytest.raises(errors.TransientError, match="violates check constraint"):
            client.add("a", "too-many")
        assert len(client.query("a")) == 3
        client.delete("a", "c0")
    assert cluster.ask(WRONG, name) == "0"


@pytest.fixture
def small(cluster: Cluster) -> Iterator[tuple[str, Path]]:
    """A database on a disk of its own, of 24 MiB, and where that is mounted."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    place = Path(tempfile.mkdtemp(dir=cluster.directory))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        os.chown(place, pwd.getpwnam(ACCOUNT).pw_uid, -1)
        cluster.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
        cluster.ask("CREATE DATABASE small TABLESPACE small")
        yield f"postgresql://rls@/small?host={cluster.directory}", place
        cluster.ask("DROP DATABASE small WITH (FORCE)")
        cluster.ask("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_loses_nothing(cluster: Cluster, small: tuple[str, Path]) -> None:
    url, place = small
    kept: list[str] = []
    with serving(url) as server, Client(server.url) as client:

        def create(number: int) -> None:
            name = f"{number}-{'l' * 1500}"
            client.create(name, f"p{name}")
            kept.append(name)

        create(0)
        room = os.statvfs(place)
        (place / "ballast").write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - (256 << 10))))
        with pytest.raises(errors.TransientError, match=r"DB error: .*No space left on device"):
            for number in range(1, 1000):
                create(number)
        assert 1 < len(kept) < 1000
        assert client.query(kept[-1])
        pairs = [(f"b{number}", "x" * 1800 + str(number)) for number in range(300)]
        with pytest.raises(errors.TransientError, match="No space left"):
            list(client.bulk("create", pairs))
        assert not client.exists("b0"), "a bulk is kept as a whole, or not at all"
        (place / "ballast").unlink()
        create(1000)
        assert list(client.bulk("create", pairs)) == []
    with serving(url) as server, Client(server.url) as client:
        assert [code for code, _ in client.exists_bulk(kept)] == [0] * len(kept)
        assert sum(1 for _ in client.match("%")) == len(kept) + len(pairs)
    assert cluster.ask(WRONG, "small") == "0"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_tables_are_brought_up_to_date(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    name = str(tmp_path / "lrc.db")
    if kind == "postgres":
        name = request.getfixturevalue("url")
    later = Schema("lrc", (*LRC.versions, "ALTER TABLE t_rli ADD COLUMN note {text}; CREATE INDEX n ON t_rli (note);"))
    opened(name, LRC).prepare()
    database = opened(name, LRC).connect(reading=False)
    database.begin()
    database.execute("INSERT INTO t_rli (flags, name) VALUES (?, ?)", (0, "rls://x"))
    database.commit()
    database.close()
    for _ in range(2):
        opened(name, later).prepare()
    database = opened(name, later).connect(reading=True)
    assert database.execute("SELECT name, note FROM t_rli").fetchall() == [("rls://x", None)]
    with pytest.raises(Exception, match="read"):
        database.execute("DELETE FROM t_rli")
    database.close()
    number = len(later.versions)
    with pytest.raises(errors.ConfigurationError, match=f"version {number}, and this program knows {number - 1}"):
        opened(name, LRC).prepare()


def test_a_database_that_does_not_suit_is_refused(cluster: Cluster, url: str) -> None:
    cluster.ask("CREATE DATABASE old ENCODING LATIN1 TEMPLATE template0")
    with pytest.raises(errors.ConfigurationError, match="its encoding is LATIN1"):
        opened(url.replace(name_of(url), "old"), LRC).prepare()
    with pytest.raises(errors.ConfigurationError, match="bad URL"):
        opened("postgresql://h/db?nonsense=1", LRC)


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    for text in ("postgresql://u:se/c@r:et@h/d", "postgresql://h/d?user=u&password=secret&x=1", "postgres://:secret@h"):
        assert "se" not in masked(text).replace("password=", "").replace("user=", "").removeprefix("postgres")
    path = tmp_path / "globus-rls-server.conf"
    path.write_text("lrc_server true\nlrc_dbname postgresql://u:secret@127.0.0.1:1/d\ndb_pwd secret\n")
    found = configuration.read(path)
    assert "secret" not in repr(found)
    assert "secret" not in str(found.listed())
    done = rls_server("--config", str(path))
    assert (done.returncode, "secret" in done.stderr) == (75, False)
    assert "postgresql://u:***@127.0.0.1:1/d" in done.stderr
    done = rls_server("--lrc", "--database", "postgresql://u:secret@127.0.0.1:1/d")
    assert (done.returncode, "secret" in done.stderr) == (2, False)
    assert "db_pwd" in done.stderr
    assert rls_server("--lrc", "--database", "lrcdb").returncode == 2


def test_without_psycopg_the_extra_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['psycopg'] = None\nfrom pyglobus.cli.main import pyglobus\n"
         "sys.argv = 'pyglobus rls server -N --lrc --port 0 --database postgresql:///x'.split(); pyglobus()"],
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert "pyglobus[postgres]" in done.stderr


def rls_server(*options: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "pyglobus"), "rls", "server", "-N", "--port", "0", *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
    )

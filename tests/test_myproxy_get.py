# SPDX-License-Identifier: Apache-2.0
"""myproxy-get beside myproxy-logon: the same words do the same; and with servers that are wrong in every way an old
proxy stays as it was.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from cryptography.hazmat.primitives import serialization

from pyglobus.core import files
from pyglobus.core.myproxy import contact, credentials
from pyglobus.core.myproxy.session import Session
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509.credential import chain_pem
from pyglobus.core.x509.keys import rsa_key
from tests import myproxywire
from tests.myproxywire import OK, Server

if TYPE_CHECKING:
    from tests.conftest import Keeper

Done = subprocess.CompletedProcess[str]
GET = str(Path(sys.executable).with_name("myproxy-get"))
OLD = b"an older proxy\n"


@pytest.fixture
def env(keeper: Keeper, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody with a proxy, in ``tmp_path``."""
    return keeper.grid.env | keeper.prepare(tmp_path)


@pytest.fixture
def get(keeper: Keeper, tmp_path: Path, env: dict[str, str]) -> Callable[..., Done]:
    """Run myproxy-get (or ``program``) in ``tmp_path``, with the pass phrase on standard input."""

    def run(*words: str, program: str = GET, phrase: str | None = None, **more: str) -> Done:
        lines = () if phrase is None else (phrase,)
        return keeper.run(program, *words, cwd=tmp_path, env=env | more, lines=lines)

    return run


def fetched(path: Path) -> Issued:
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    return Issued.from_pem(path.read_bytes())


def hours(one: Issued) -> float:
    return (one.expires - dt.datetime.now(dt.UTC)).total_seconds() / 3600


# --- in place of myproxy-logon ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("-S", "-o", "OUT"),
        ("-Sl", "ada", "-oOUT", "-t", "2"),
        ("--stdin_pass", "--username=ada", "--out", "OUT", "--proxy_lifetime", "3"),
        ("-n", "-k", "renewable", "-a", "proxy", "-o", "OUT"),
        ("-q", "-S", "-o", "OUT"),
        ("-T", "-S", "-o", "OUT"),
        ("-N", "-S"),
    ],
    ids=" ".join,
)
def test_the_same_words_do_the_same(
    words: tuple[str, ...], get: Callable[..., Done], keeper: Keeper, tmp_path: Path
) -> None:
    found: list[tuple[object, ...]] = []
    for program, out in ((GET, "ours"), ("myproxy-logon", "theirs")):
        trusted = tmp_path / f"trusted-{out}"
        trusted.mkdir()
        keeper.grid.authority.trust_in(trusted)
        done = get(*(word.replace("OUT", out) for word in words), program=program, X509_CERT_DIR=str(trusted))
        said = done.stdout.replace(f" {out}.", " OUT.").replace(str(trusted), "TRUSTED")
        assert done.returncode == 0, done.stderr
        path = tmp_path / out
        one = fetched(path) if path.exists() else None
        life = round(hours(one), 1) if one else None
        kind = (one.identity, one.kind.text, one.key.key_size, len(one.chain)) if one else None
        roots = {name: (trusted / name).read_bytes() for name in os.listdir(trusted) if name != "trusted.install.log"}
        roots = {name: content for name, content in roots.items() if "log" not in name}
        found.append((said, life, kind, roots))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (("-S", "-o", "out"), "not the phrase"),
        (("-S", "-o", "out"), "short"),
        (("-S", "-l", "nobody", "-o", "out"), None),
        (("-S", "-k", "nothing", "-o", "out"), None),
        (("-S", "-p", "1", "-o", "out"), None),
        (("-S", "-o", "no/such/out"), None),
        (("-n", "-o", "out"), None),
        (("-x",), None),
        (("surplus",), None),
    ],
    ids=str,
)
def test_the_same_faults_have_the_same_status(
    words: tuple[str, ...], phrase: str | None, get: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(OLD)
    ours = get(*words, phrase=phrase)
    assert (tmp_path / "out").read_bytes() == OLD
    assert (ours.returncode, ours.stdout) == (1, "")
    assert len(ours.stderr.splitlines()) <= 2
    assert get(*words, phrase=phrase, program="myproxy-logon").returncode == 1


def test_the_prompt_is_that_of_the_c_tool(env: dict[str, str], keeper: Keeper, tmp_path: Path) -> None:
    for program in (GET, "myproxy-logon"):
        with pexpect.spawn(program, ["-o", "out"], env=env, cwd=str(tmp_path), timeout=30, encoding="utf-8") as child:
            child.expect_exact("Enter MyProxy pass phrase:")
            child.waitnoecho()
            child.sendline(keeper.pass_phrase)
            child.expect_exact("A credential has been received for user ada in ")
            child.expect(pexpect.EOF)
        assert keeper.pass_phrase not in (child.before or "")
        assert fetched(tmp_path / "out").identity == keeper.grid.user.subject
        (tmp_path / "out").unlink()


def test_without_a_terminal_nothing_is_asked(get: Callable[..., Done], tmp_path: Path) -> None:
    done = get("-o", "out")
    assert (done.returncode, (tmp_path / "out").exists()) == (77, False)
    assert "there is no terminal" in done.stderr


def test_standard_output_has_the_proxy_alone(get: Callable[..., Done]) -> None:
    done = get("-S", "-o", "-")
    assert Issued.from_pem(done.stdout.encode()).certificate
    assert done.stdout.startswith("-----BEGIN CERTIFICATE-----")


def test_an_authority_issues_what_the_c_tool_gets(get: Callable[..., Done], keeper: Keeper, tmp_path: Path) -> None:
    for program in (GET, "myproxy-logon"):
        done = get("-n", "-s", keeper.ca, "-o", "out", program=program)
        assert done.returncode == 0, done.stderr
        assert (fetched(tmp_path / "out").subject, fetched(tmp_path / "out").chain) == (keeper.grid.user.subject, ())


def test_a_request_is_signed_and_the_key_stays(get: Callable[..., Done], keeper: Keeper, tmp_path: Path) -> None:
    from pyglobus.core.x509 import pem, request

    key = rsa_key()
    (tmp_path / "request").write_bytes(request.create(key))
    for program in (GET, "myproxy-logon"):
        done = get("-S", "-Q", "request", "-o", "out", program=program)
        assert done.returncode == 0, done.stderr
        content = (tmp_path / "out").read_bytes()
        assert b"PRIVATE" not in content
        assert pem.certificates(pem.blocks(content))[0].public_key() == key.public_key()


# --- beyond it --------------------------------------------------------------------------------------------------------


def test_cron_renews_only_what_ends_soon(get: Callable[..., Done], tmp_path: Path) -> None:
    words = ("--passphrase-file", "phrase", "-o", "out", "-t", "2", "--format", "json")
    first = json.loads(get(*words).stdout)
    again = json.loads(get(*words, "--renew-below", "1:00", phrase="", MYPROXY_SERVER="nowhere.invalid").stdout)
    renewed = json.loads(get(*words, "--renew-below", "3:00").stdout)
    assert (first["changed"], again["changed"], renewed["changed"]) == (True, False, True)
    assert again["subject"] == first["subject"] != renewed["subject"]


def test_max_is_what_the_server_gives(get: Callable[..., Done], tmp_path: Path) -> None:
    assert get("-S", "-o", "out", "-t", "1").returncode == 0
    assert hours(fetched(tmp_path / "out")) < 1.1
    assert get("-S", "-o", "out", "--lifetime", "max").returncode == 0
    assert hours(fetched(tmp_path / "out")) > 11


def test_a_shell_is_told(get: Callable[..., Done], tmp_path: Path) -> None:
    assert get("-S", "-o", "out", "--export", "sh").stdout.split()[-1].startswith("X509_USER_PROXY=")


def test_of_several_servers_the_first_that_answers_is_taken(
    get: Callable[..., Done], keeper: Keeper, tmp_path: Path
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    port = keeper.grid.servers["myproxy"].port
    with silent:
        listed = f"nowhere.invalid,localhost:1,localhost:{silent.getsockname()[1]},localhost:{port}"
        done = get("-S", "-o", "out", "-s", listed, "--timeout", "8", "--format", "json")
    assert json.loads(done.stdout)["server"] == f"localhost:{port}", done.stderr


def test_a_fault_that_passes_is_waited_for(get: Callable[..., Done], tmp_path: Path) -> None:
    done = get("-S", "-p", "1", "-o", "out", "--retries", "1")
    assert done.returncode == 1
    assert done.stderr.count("the connection was refused") == 2


def test_voms_attributes_that_do_not_come_are_missed(get: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(OLD)
    done = get("-S", "-m", "atlas", "-o", "out")
    assert (done.returncode, (tmp_path / "out").read_bytes()) == (1, OLD)
    assert "added no VOMS attributes" in done.stderr


def test_a_link_is_replaced_and_what_it_names_stays(get: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(OLD)
    (tmp_path / "out").symlink_to("target")
    assert get("-S", "-o", "out").returncode == 0
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "target").read_bytes() == OLD


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_belongs_to_somebody_else_stays(get: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(OLD)
    os.chown(tmp_path / "out", 65534, 65534)
    done = get("-S", "-o", "out")
    assert (done.returncode, (tmp_path / "out").read_bytes()) == (1, OLD)


def test_many_at_a_time(keeper: Keeper, tmp_path: Path, env: dict[str, str]) -> None:
    def one(number: int) -> int:
        words = [GET, "-q", "--passphrase-file", "phrase", "-o", f"many/{number}"]
        return subprocess.run(words, cwd=tmp_path, env=env, timeout=100, check=False).returncode

    (tmp_path / "many").mkdir()
    with ThreadPoolExecutor(8) as callers:
        assert set(callers.map(one, range(16))) == {0}
    assert sorted(os.listdir(tmp_path / "many"), key=int) == [str(number) for number in range(16)]
    assert len({fetched(path).certificate.serial_number for path in (tmp_path / "many").iterdir()}) == 16


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_nobody_else_can_read_the_file_and_no_secret_is_told(
    keeper: Keeper, tmp_path: Path, env: dict[str, str]
) -> None:
    trace = ["strace", "-f", "-s", "4096", "-e", "trace=execve,openat,open,creat,chmod,fchmod,rename", "-o", "trace"]
    words = [*trace, GET, "-S", "-o", "out", "-vv", "--debug"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=env | {"PYGLOBUS_TRACE": "ffi"},
        input=f"{keeper.pass_phrase}\n",
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=lambda: os.umask(0) and None,
        check=True,
    )
    traced = (tmp_path / "trace").read_text()
    assert "myproxy-exchange" in traced
    assert keeper.pass_phrase not in traced + done.stdout + done.stderr
    assert "PRIVATE KEY" not in traced + done.stdout + done.stderr
    made = [line for line in traced.splitlines() if "O_CREAT" in line and ".out." in line]
    assert len(made) == 1
    assert "0600" in made[0]
    assert not [line for line in traced.splitlines() if "O_CREAT" in line and "/tmp/myproxy" in line]
    fetched(tmp_path / "out")


# --- servers that are wrong -------------------------------------------------------------------------------------------


@pytest.fixture
def mine(keeper: Keeper) -> Issued:
    """The grid's user, as a server would keep it."""
    return Issued.load(keeper.grid.user.certificate, keeper.grid.user.key)


def give(stream: ssl.SSLSocket, issuer: Issued, **how: Any) -> None:
    """Serve a GET with a proxy of ``issuer``."""
    stream.sendall(OK)
    stream.sendall(myproxywire.delegated(stream.recv(65536), issuer, **how) + OK)


def other_key(stream: ssl.SSLSocket, issuer: Issued) -> None:
    stream.sendall(OK)
    stream.recv(65536)
    made = issuer.proxy()
    chain = [one.public_bytes(serialization.Encoding.DER) for one in made.certificates]
    stream.sendall(bytes([len(chain)]) + b"".join(chain) + OK)


def say_ok_and(stream: ssl.SSLSocket, then: Callable[[], object]) -> None:
    stream.sendall(OK)
    then()


def send_nonsense(stream: ssl.SSLSocket) -> None:
    stream.recv(65536)
    stream.sendall(b"\1nothing" * 9)


HOUR = dt.timedelta(hours=1)
WRONG: dict[str, tuple[Callable[[Server, ssl.SSLSocket, Issued], object], str]] = {
    "cuts before its reply": (lambda _server, stream, _: stream.close(), "connection-lost"),
    "is silent before its reply": (lambda server, *_: server.wait(), "server-silent"),
    "cuts in its reply": (lambda _server, stream, _: stream.sendall(OK[:20]), "broken-protocol"),
    "talks nonsense": (lambda _server, stream, _: stream.sendall(b"220 ready\r\n\0"), "broken-protocol"),
    "sends 100 MB": (lambda _server, stream, _: stream.sendall(b"X" * 100_000_000), "reply-too-long|broken-protocol"),
    "cuts before the certificate": (lambda _server, stream, _: stream.sendall(OK), "connection-lost"),
    "is silent before the certificate": (
        lambda server, stream, _: say_ok_and(stream, server.wait),
        "server-silent",
    ),
    "sends no certificate": (
        lambda _server, stream, _: say_ok_and(stream, lambda: send_nonsense(stream)),
        "broken-protocol",
    ),
    "sends another key's": (lambda _server, stream, mine: other_key(stream, mine), "key-mismatch"),
    "sends an expired one": (
        lambda _server, stream, mine: give(
            stream, mine, not_before=dt.datetime.now(dt.UTC) - 2 * HOUR, not_after=dt.datetime.now(dt.UTC) - HOUR
        ),
        "proxy-expired",
    ),
    "sends more than its issuer has": (
        lambda _server, stream, mine: give(stream, mine.proxy(path_length=0)),
        "path-length-exceeded",
    ),
    "sends somebody else's": (
        lambda _server, stream, _: give(stream, Authority.create().issue("Mallory")),
        "other-owner",
    ),
    "refuses": (
        lambda _server, stream, _: stream.sendall(b"VERSION=MYPROXYv2\nRESPONSE=1\nERROR=come\nERROR=tomorrow\n\0"),
        "server-refused",
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_an_old_proxy_survives_a_server_that(
    how: str, keeper: Keeper, mine: Issued, get: Callable[..., Done], tmp_path: Path
) -> None:
    act, fault = WRONG[how]
    (tmp_path / "out").write_bytes(OLD)
    host = keeper.grid.authority.issue_host(hosts=["localhost"])
    with Server(host, tmp_path, lambda stream, _: act(server, stream, mine)) as server:
        # Whoever is silent has had enough time to be asked first, also on a slow machine.
        patience = "8" if fault == "server-silent" else "40"
        words = ("-S", "-o", "out", "-p", str(server.port), "--timeout", patience, "--format", "json")
        done = get(*words, "--expect-owner", keeper.grid.user.subject)
    assert (done.returncode, done.stdout, (tmp_path / "out").read_bytes()) == (1, "", OLD)
    assert json.loads(done.stderr.splitlines()[-1])["fault"] in fault.split("|"), done.stderr
    assert keeper.pass_phrase not in done.stderr
    assert server.requests[0]["PASSPHRASE"] == keeper.pass_phrase


def test_a_good_server_of_that_kind_is_believed(
    keeper: Keeper, mine: Issued, get: Callable[..., Done], tmp_path: Path
) -> None:
    host = keeper.grid.authority.issue_host(hosts=["localhost"])
    with Server(host, tmp_path, lambda stream, _: give(stream, mine)) as server:
        words = ("-S", "-o", "out", "-p", str(server.port), "-t", "5", "-k", "one", "-T", "-l", "ada b")
        assert get(*words, "-m", "atlas").returncode == 1
        assert get(*words).returncode == 0
    assert server.requests[1] == {
        "VERSION": "MYPROXYv2",
        "COMMAND": "0",
        "USERNAME": "ada b",
        "PASSPHRASE": keeper.pass_phrase,
        "LIFETIME": "18000",
        "CRED_NAME": "one",
        "TRUSTED_CERTS": "1",
    }
    assert server.requests[0]["VONAME"] == "atlas"


@pytest.mark.parametrize("whose", ["another host", "another authority"])
def test_the_phrase_is_for_the_right_server_only(
    whose: str, keeper: Keeper, get: Callable[..., Done], tmp_path: Path
) -> None:
    stranger = Authority.create() if whose == "another authority" else keeper.grid.authority
    host = stranger.issue_host("elsewhere", ["elsewhere" if whose == "another host" else "localhost"])
    with Server(host, tmp_path, lambda *_: None) as server:
        done = get("-S", "-o", "out", "-p", str(server.port), "--format", "json")
    assert not any(server.requests)
    fault = json.loads(done.stderr.splitlines()[-1])["fault"]
    assert fault == ("name-mismatch" if whose == "another host" else "ca-unknown"), done.stderr


def test_a_line_end_in_a_name_is_refused(get: Callable[..., Done]) -> None:
    done = get("-S", "-l", "ada\nLIFETIME=1", "-o", "out")
    assert (done.returncode, "not one line" in done.stderr) == (1, True)


def test_what_ours_stores_the_independent_client_fetches(keeper: Keeper) -> None:
    port = keeper.grid.servers["myproxy"].port
    with myproxywire.connected(port) as stream:
        asked = myproxywire.request(0, USERNAME="ada", PASSPHRASE=keeper.pass_phrase, LIFETIME=3600)
        assert myproxywire.ask(stream, asked)["RESPONSE"] == "0"
        made = myproxywire.take_proxy(stream)
    assert made.identity == keeper.grid.user.subject
    assert hours(made) < 1.1


def test_a_session_is_good_in_a_program_too(keeper: Keeper) -> None:
    servers = contact.servers(keeper.grid.variables["PYGLOBUS_SANDBOX_MYPROXY"])
    with Session(servers, anonymous=True, environ=keeper.grid.env) as session:
        found = credentials.get(session, username="ada", pass_phrase=keeper.pass_phrase.encode())
    assert found.credential.identity == keeper.grid.user.subject
    assert "PRIVATE" not in repr(found)


# --- what is kept has ended -------------------------------------------------------------------------------------------


def test_a_stored_credential_that_has_expired_is_told(get: Callable[..., Done], keeper: Keeper, tmp_path: Path) -> None:
    """Servers keep what has ended until somebody clears it away, and hand it out; the C tool says that all is well."""
    now = dt.datetime.now(dt.UTC)
    old = keeper.grid.authority.issue("Ada Lovelace").proxy(
        not_before=now - dt.timedelta(hours=2), not_after=now - dt.timedelta(hours=1)
    )
    store = keeper.grid.directory / "myproxy"
    files.write(
        store / "ended.creds",
        old.certificate_pem() + old.key_pem(keeper.pass_phrase.encode()) + chain_pem(old.chain),
    )
    files.write(store / "ended.data", (store / "ada.data").read_bytes())
    if os.geteuid() == 0:
        for name in ("ended.creds", "ended.data"):
            os.chown(store / name, (store / "ada.data").stat().st_uid, -1)
    (tmp_path / "out").write_text("old")
    theirs = get("-S", "-l", "ended", "-o", "theirs", program="myproxy-logon")
    ours = get("-S", "-l", "ended", "-o", "out")
    assert (ours.returncode, theirs.returncode) == (1, 0)
    assert "expired" in ours.stderr.splitlines()[0], ours.stderr
    assert (tmp_path / "out").read_text() == "old"


def test_a_closed_standard_input_is_told(tmp_path: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -S -o out <&-', GET], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "standard input" in done.stderr
    assert not (tmp_path / "out").exists()

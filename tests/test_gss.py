# SPDX-License-Identifier: Apache-2.0
"""Security contexts: what is granted is what there is, and no token, however bent, does more than raise."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.gss import Channel, Context, Credential, Delegation, Flag, Name, gridmap
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority
from pyglobus.core.x509.keys import ec_key
from pyglobus.core.x509.proxytype import LIMITED
from tests.pace import PROMPT

PROTECTED = Flag.MUTUAL | Flag.CONFIDENTIALITY | Flag.INTEGRITY | Flag.REPLAY | Flag.SEQUENCE
EXPORTED = bytes.fromhex("0401000b06092b060104019b500101")


@pytest.fixture(scope="module", autouse=True)
def client(grid: Sandbox) -> Iterator[None]:
    """This process is a client of the grid."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in grid.variables.items():
            patch.setenv(name, value)
        patch.setenv("GRIDMAP", str(grid.directory / "host" / "grid-mapfile"))
        yield


@pytest.fixture(scope="module")
def user(grid: Sandbox, client: None) -> Credential:
    return Credential.of_file(grid.user.proxy)


@pytest.fixture(scope="module")
def host(grid: Sandbox, client: None) -> Credential:
    directory = grid.directory / "host"
    return Credential.of_files(directory / "hostcert.pem", directory / "hostkey.pem")


@pytest.fixture(scope="module")
def pair(user: Credential, host: Credential) -> Callable[[], tuple[Context, Context]]:
    """Make two contexts that have shaken hands."""

    def make() -> tuple[Context, Context]:
        return shake(Context.initiate("localhost", credential=user), Context.accept(credential=host))

    return make


def shake(initiator: Context, acceptor: Context) -> tuple[Context, Context]:
    """Carry tokens until both are established."""
    token = initiator.step()
    while not (initiator.established and acceptor.established):
        token = acceptor.step(token)
        if initiator.established:
            break
        token = initiator.step(token)
    assert initiator.established and acceptor.established
    return initiator, acceptor


# What there is ----------------------------------------------------------------------------------------------------


def test_both_sides_know_who_the_other_is_before_any_message(
    grid: Sandbox, pair: Callable[[], tuple[Context, Context]]
) -> None:
    initiator, acceptor = pair()
    assert str(acceptor.peer) == str(initiator.name) == grid.user.subject
    assert str(initiator.peer) == str(acceptor.name) == f"{grid.authority.namespace}/CN=localhost"
    assert initiator.granted == acceptor.granted == PROTECTED
    assert initiator.tls[0].startswith("TLSv1.") and initiator.tls == acceptor.tls


def test_the_chain_of_the_peer_is_there_to_look_at(pair: Callable[[], tuple[Context, Context]], grid: Sandbox) -> None:
    from cryptography import x509

    _, acceptor = pair()
    chain = [x509.load_der_x509_certificate(der) for der in acceptor.peer_certificates]
    assert chain[0].issuer == chain[1].subject
    assert chain[0].fingerprint(chain[0].signature_hash_algorithm) == x509.load_pem_x509_certificate(  # type: ignore[arg-type]
        grid.user.proxy.read_bytes()
    ).fingerprint(chain[0].signature_hash_algorithm)  # type: ignore[arg-type]


@pytest.mark.parametrize("delegate", [Delegation.FULL, Delegation.LIMITED])
def test_what_was_delegated_is_what_was_asked(
    delegate: Delegation, grid: Sandbox, user: Credential, host: Credential
) -> None:
    initiator, acceptor = shake(
        Context.initiate("localhost", credential=user, delegate=delegate),
        Context.accept(credential=host, demand=PROTECTED | Flag.DELEGATION),
    )
    limited = delegate is Delegation.LIMITED
    expected = PROTECTED | Flag.DELEGATION | (Flag.LIMITED_DELEGATION if limited else Flag(0))
    assert initiator.granted == acceptor.granted == expected
    assert acceptor.delegated is not None
    assert acceptor.delegated.identity == grid.user.subject
    assert acceptor.delegated.limited is limited
    # It works: with it one can be that user.
    again, other = shake(Context.initiate("localhost", credential=acceptor.delegated), Context.accept(credential=host))
    assert str(other.peer) == grid.user.subject
    assert (Flag.PEER_LIMITED in other.granted) is limited
    assert again.unwrap(other.wrap(b"as Ada")) == b"as Ada"


def test_a_context_without_the_delegation_that_was_demanded_is_refused(user: Credential, host: Credential) -> None:
    initiator = Context.initiate("localhost", credential=user)
    acceptor = Context.accept(credential=host, demand=PROTECTED | Flag.DELEGATION)
    with pytest.raises(errors.CredentialError, match="lacks delegation") as caught:
        shake(initiator, acceptor)
    assert caught.value.fault == "context-lacks"
    with pytest.raises(errors.UsageError):
        acceptor.wrap(b"never")


def test_anonymity_is_for_who_lets_it_in(host: Credential) -> None:
    initiator, acceptor = shake(
        Context.initiate("localhost", anonymous=True), Context.accept(credential=host, anonymous=True)
    )
    assert acceptor.peer is None and initiator.name is None
    assert initiator.granted == acceptor.granted == PROTECTED | Flag.ANONYMOUS
    assert acceptor.unwrap(initiator.wrap(b"who?")) == b"who?"
    with pytest.raises(errors.CredentialError) as caught:
        shake(Context.initiate("localhost", anonymous=True), Context.accept(credential=host))
    assert caught.value.fault == "anonymous-peer"


def test_a_limited_proxy_is_refused_where_it_must_be(grid: Sandbox, host: Credential) -> None:
    issued = grid.authority.issue("Limited", key=ec_key()).proxy(key=ec_key(), language=LIMITED)
    with Credential.of_pem(issued.proxy_pem()) as limited:
        assert limited.limited
        with pytest.raises(errors.CredentialError):
            shake(
                Context.initiate("localhost", credential=limited),
                Context.accept(credential=host, limited_peer=False),
            )


@pytest.mark.parametrize("target", ["otherhost", "/O=Grid/OU=Sandbox/CN=somebody", "ldap@localhost"])
def test_a_peer_with_another_name_is_refused(target: str, user: Credential, host: Credential) -> None:
    with pytest.raises((errors.CredentialError, errors.AccessDenied)):
        shake(Context.initiate(target, credential=user), Context.accept(credential=host))


def test_a_peer_of_an_unknown_authority_is_refused_and_told(host: Credential) -> None:
    stranger = Authority.create("/O=Elsewhere").issue("Stranger", key=ec_key()).proxy(key=ec_key())
    initiator = Context.initiate("localhost", credential=Credential.of_pem(stranger.proxy_pem()))
    acceptor = Context.accept(credential=host)
    with pytest.raises(errors.Error) as caught:
        shake(initiator, acceptor)
    assert isinstance(caught.value, errors.CredentialError)
    assert acceptor.farewell, "the peer is told by a TLS alert"


def test_nothing_is_delegated_to_nobody_in_particular(user: Credential) -> None:
    with pytest.raises(errors.UsageError):
        Context.initiate(None, credential=user, delegate="full")


# Messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 1 << 20, (4 << 20) + 1])
def test_messages_of_any_size_pass(size: int, pair: Callable[[], tuple[Context, Context]]) -> None:
    initiator, acceptor = pair()
    message = random.Random(size).randbytes(size)
    if size:
        assert acceptor.unwrap(initiator.wrap(message)) == message
        assert initiator.unwrap(acceptor.wrap(memoryview(message))) == message
    for _ in range(2):
        acceptor.verify_mic(message, initiator.get_mic(message))
        initiator.verify_mic(bytearray(message), acceptor.get_mic(message))


def test_a_message_is_encrypted(pair: Callable[[], tuple[Context, Context]]) -> None:
    initiator, _ = pair()
    assert b"secret" not in initiator.wrap(b"secret" * 100)


def test_replays_gaps_and_forgeries_are_found_out(pair: Callable[[], tuple[Context, Context]]) -> None:
    initiator, acceptor = pair()
    first, second, third = (initiator.get_mic(b"message") for _ in range(3))
    acceptor.verify_mic(b"message", first)
    for mic, message, fault in (
        (first, b"message", "gss-replay"),
        (third, b"message", "gss-gap"),
        (second, b"massage", "gss-bad-signature"),
        (second[:-1], b"message", "gss-defective-token"),
        (b"", b"message", "gss-defective-token"),
    ):
        with pytest.raises(errors.Error) as caught:
            acceptor.verify_mic(message, mic)
        assert caught.value.fault == fault
    token = initiator.wrap(b"once")
    assert acceptor.unwrap(token) == b"once"
    with pytest.raises(errors.Error):
        acceptor.unwrap(token)


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 20, -1])
def test_a_part_of_a_token_is_no_token(cut: int, pair: Callable[[], tuple[Context, Context]]) -> None:
    initiator, acceptor = pair()
    with pytest.raises(errors.ProtocolError):
        acceptor.unwrap(initiator.wrap(b"x" * 100)[:cut])


def test_a_signed_but_clear_message_is_refused(pair: Callable[[], tuple[Context, Context]]) -> None:
    """The form that gss_wrap gives for quality of protection "big": a record of type 26 around a MIC."""
    initiator, acceptor = pair()
    mic, message = initiator.get_mic(b"clear"), b"clear"
    with pytest.raises(errors.ProtocolError) as caught:
        acceptor.unwrap(b"\x1a\x03\x00" + len(mic).to_bytes(2) + mic + message)
    assert caught.value.fault == "gss-clear"


def test_an_expired_credential_ends_the_use_of_a_context(
    grid: Sandbox, user: Credential, host: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = grid.authority.issue("Brief", key=ec_key())
    ends = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(minutes=10)
    with Credential.of_pem(issued.proxy(key=ec_key(), not_after=ends).proxy_pem()) as brief:
        initiator, acceptor = shake(Context.initiate("localhost", credential=brief), Context.accept(credential=host))
        assert initiator.expires is not None and acceptor.expires is not None
        # The library tells the end of the longer-lived credential; both of ours tell that of the shorter.
        assert abs(initiator.expires - ends.timestamp()) < 2
        assert abs(acceptor.expires - ends.timestamp()) < 2
        token = initiator.wrap(b"in time")
        later = ends.timestamp() + 1
        monkeypatch.setattr(time, "time", lambda: later)
        with pytest.raises(errors.CredentialError) as caught:
            initiator.wrap(b"late")
        assert caught.value.fault == "context-expired"
        with pytest.raises(errors.CredentialError):
            acceptor.unwrap(token)


def test_delegation_can_come_later(grid: Sandbox, pair: Callable[[], tuple[Context, Context]]) -> None:
    initiator, acceptor = pair()
    step = initiator.delegation(limited=True, seconds=1800)
    answer, credential = b"", None
    while credential is None:
        token, _last = step(answer)
        answer, credential = acceptor.accept_delegation(token)
    assert credential.identity == grid.user.subject and credential.limited
    assert credential.expires is not None and credential.expires - time.time() < 1800 + 60
    assert acceptor.unwrap(initiator.wrap(b"still there")) == b"still there"


# Names, credentials, grid-mapfile -------------------------------------------------------------------------------------


def test_names_compare_as_gsi_does() -> None:
    subject = Name.subject("/O=Grid/CN=host/a.example.org")
    assert subject == Name.subject("/O=Grid/CN=host/a.example.org")
    assert subject != Name.subject("/O=Grid/CN=host/b.example.org")
    assert Name.of("a.example.org") == Name.service("A.EXAMPLE.ORG")
    assert Name.imported(subject.export()) == subject
    assert str(subject) == "/O=Grid/CN=host/a.example.org"
    for bad in ("", "nul\0inside"):
        with pytest.raises(errors.Error):
            Name.of(bad)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda tail: EXPORTED + tail)))
def test_bent_exported_names_raise(data: bytes) -> None:
    with contextlib.suppress(errors.Error):
        Name.imported(data)


def test_credentials_go_through_memory(grid: Sandbox, user: Credential, host: Credential) -> None:
    text = user.export()
    assert b"PRIVATE KEY" in text and not list(Path("/tmp").glob(f"x509up_p{os.getpid()}*"))
    with Credential.of_pem(text) as again:
        _, acceptor = shake(Context.initiate("localhost", credential=again), Context.accept(credential=host))
    assert str(acceptor.peer) == grid.user.subject
    assert "PRIVATE" not in repr(user)


def test_a_key_that_others_can_read_is_refused(grid: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "proxy"
    path.write_bytes(grid.user.proxy.read_bytes())
    path.chmod(0o644)
    with pytest.raises(errors.CredentialError) as caught:
        Credential.of_file(path)
    assert caught.value.fault == "credential-exposed"
    with pytest.raises(errors.NotFound):
        Credential.of_file(tmp_path / "absent")


def test_no_trace_holds_a_private_key(grid: Sandbox) -> None:
    program = """
import sys
from pyglobus.core.gss import Context, Credential
with Credential.of_file(sys.argv[1]) as credential:
    assert Credential.of_pem(credential.export()).identity == credential.identity
    initiator, acceptor = Context.initiate(credential.identity, credential=credential), Context.accept()
    token = initiator.step()
    while not initiator.established:
        token = initiator.step(acceptor.step(token))
    acceptor.step(token)
    print(repr(credential), repr(initiator.peer), acceptor.granted)
    try:
        Credential.of_pem(credential.export().replace(b"A", b"B"))
    except Exception as error:
        print(repr(error), error, getattr(error, "chain", ""))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, grid.user.proxy],
        env=grid.env | {"PYGLOBUS_TRACE": "ffi"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "gss_import_cred" in done.stderr
    text = grid.user.proxy.read_text()
    key = text.partition("PRIVATE KEY-----\n")[2].partition("-----END")[0]
    said = done.stdout + done.stderr
    assert not [line for line in key.split() if line in said]


@pytest.mark.parametrize("pem", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_credential_is_refused(pem: bytes) -> None:
    """Of OpenSSL's errors only what lasts is told: the rest has been freed by then (see pg_error_text)."""
    with pytest.raises(errors.Error) as refused:
        Credential.of_pem(pem)
    said = [text for text in refused.value.chain if text.startswith("OpenSSL Error: ")]
    assert bool(said) == bool(pem)
    assert all(re.fullmatch(r"OpenSSL Error: in library: [\w ]+: [\w ]+", text) for text in said), said


def test_the_grid_mapfile(grid: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gridmap.account(grid.user.subject) == grid.user.account
    path = tmp_path / "grid-mapfile"
    path.write_text('"/O=Grid/CN=One" ada,root\n"/O=Grid/CN=Two" ada\n# "/O=Grid/CN=Three" ada\n')
    monkeypatch.setenv("GRIDMAP", str(path))
    assert gridmap.account("/O=Grid/CN=One") == "ada"
    assert gridmap.allows("/O=Grid/CN=One", "root") and not gridmap.allows("/O=Grid/CN=Two", "root")
    assert gridmap.subjects("ada") == ["/O=Grid/CN=One", "/O=Grid/CN=Two"]
    for subject in ("/O=Grid/CN=Three", "/O=Grid/CN=Nobody"):
        with pytest.raises(errors.AccessDenied):
            gridmap.account(subject)


# Over a socket ----------------------------------------------------------------------------------------------------


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_channel_carries_messages_both_ways(
    wire: tuple[socket.socket, socket.socket], user: Credential, host: Credential
) -> None:
    message = random.Random(1).randbytes(3_000_000)
    heard: list[bytes] = []

    def serve() -> None:
        with Channel.establish(Context.accept(credential=host), wire[1]) as channel:
            rest = len(message)
            while rest:
                heard.append(channel.receive())
                rest -= len(heard[-1])
            channel.send(b"got it")

    thread = threading.Thread(target=serve)
    thread.start()
    with Channel.establish(Context.initiate("localhost", credential=user), wire[0]) as channel:
        channel.send(message)
        assert channel.receive() == b"got it"
    thread.join()
    assert b"".join(heard) == message


@pytest.mark.parametrize("piece", [1, 1000, 100_000])
def test_a_handshake_takes_nothing_of_what_follows_it(
    piece: int, wire: tuple[socket.socket, socket.socket], user: Credential, host: Credential
) -> None:
    """However the tokens are cut, and though a message and other bytes come together with the last one."""
    heard: list[bytes] = []

    def serve() -> None:
        channel = Channel.establish(Context.accept(credential=host), wire[1])
        heard.append(channel.receive())
        heard.append(wire[1].recv(100, socket.MSG_WAITALL))

    thread = threading.Thread(target=serve)
    thread.start()
    initiator = Context.initiate("localhost", credential=user)
    token = initiator.step()
    while True:
        if initiator.established:
            token += initiator.wrap(b"first words") + b"no token" * 10
        for at in range(0, len(token), piece):
            wire[0].sendall(token[at : at + piece])
        if initiator.established:
            break
        token = b""
        while not token and not initiator.established:
            header = wire[0].recv(5, socket.MSG_WAITALL)
            token = initiator.step(header + wire[0].recv(int.from_bytes(header[3:]), socket.MSG_WAITALL))
    wire[0].shutdown(socket.SHUT_WR)
    thread.join()
    assert heard == [b"first words", b"no token" * 10]


def test_a_silent_peer_meets_the_time_limit(wire: tuple[socket.socket, socket.socket], user: Credential) -> None:
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        Channel.establish(Context.initiate("localhost", credential=user), wire[0], timeout=0.2)
    assert 0.2 <= time.monotonic() - started < PROMPT


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff" * 50])
def test_a_peer_of_another_kind_is_refused(
    said: bytes, wire: tuple[socket.socket, socket.socket], user: Credential
) -> None:
    wire[1].sendall(said)
    wire[1].shutdown(socket.SHUT_WR)
    with pytest.raises(errors.Error):
        Channel.establish(Context.initiate("localhost", credential=user), wire[0], timeout=2)


# Bent tokens ----------------------------------------------------------------------------------------------------------


def bent(token: bytes, draw: random.Random) -> bytes:
    """A token with some of it changed."""
    data = bytearray(token)
    kind = draw.randrange(4)
    if kind == 0 and data:
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == 1:
        del data[draw.randrange(len(data) + 1) :]
    elif kind == 2:
        at = draw.randrange(len(data) + 1)
        data[at:at] = draw.randbytes(draw.randrange(1, 40))
    else:
        data = bytearray(draw.randbytes(draw.randrange(200)))
    return bytes(data)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30), which=st.integers(0, 5))
def test_bent_handshake_tokens_raise_ours(seed: int, which: int, user: Credential, host: Credential) -> None:
    draw = random.Random(seed)
    initiator, acceptor = Context.initiate("localhost", credential=user), Context.accept(credential=host)
    with initiator, acceptor:
        token, sides = initiator.step(), (acceptor, initiator)
        try:
            for number in range(10):
                if number == which:
                    token = bent(token, draw)
                token = sides[number % 2].step(token)
                if initiator.established and acceptor.established:
                    break
                if not token:
                    return
        except errors.Error:
            return
        if acceptor.peer is not None:
            assert str(acceptor.peer) == user.identity, "what was bent did not change who it is"


def test_bent_messages_raise_ours(pair: Callable[[], tuple[Context, Context]]) -> None:
    draw, message = random.Random(7), b"message" * 50
    for _ in range(60):
        initiator, acceptor = pair()
        with initiator, acceptor:
            mic = acceptor.get_mic(message)
            crooked = bent(mic, draw)
            if crooked != mic:
                with pytest.raises(errors.Error):
                    initiator.verify_mic(message, crooked)
            token = initiator.wrap(message)
            crooked = bent(token, draw)
            if crooked != token:
                with pytest.raises(errors.Error):
                    acceptor.unwrap(crooked)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30))
def test_bent_delegation_tokens_raise_ours(seed: int, pair: Callable[[], tuple[Context, Context]]) -> None:
    draw = random.Random(seed)
    initiator, acceptor = pair()
    with initiator, acceptor:
        step = initiator.delegation()
        token, _ = step(b"")
        try:
            if draw.randrange(2):
                acceptor.accept_delegation(bent(token, draw))
            else:
                step(bent(acceptor.wrap(draw.randbytes(50)), draw))
        except errors.Error:
            pass


# Cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a_thousand_handshakes_leave_nothing_behind(grid: Sandbox, host: Credential) -> None:
    """With keys on curves, which are quick."""
    user = Credential.of_pem(grid.authority.issue("Often", key=ec_key()).proxy(key=ec_key()).proxy_pem())

    def handshakes(count: int) -> int:
        for _ in range(count):
            initiator, acceptor = shake(Context.initiate("localhost", credential=user), Context.accept(credential=host))
            assert acceptor.unwrap(initiator.wrap(b"x")) == b"x"
            initiator.close()
            acceptor.close()
        return resident()

    before = handshakes(100)
    assert handshakes(1000) - before < 4 << 20


def resident() -> int:
    """Bytes of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

# SPDX-License-Identifier: Apache-2.0
"""The doctor finds each fault that is made for real, and says of it what another command says that meets it.

The faults are those of ``tests/faults``; what is asked here is which line of the doctor or of ``cert explain`` tells of
it, that the advice is the same word for word, and that all is well where nothing is wrong.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from pyglobus.core import errors
from pyglobus.core.doctor import document, peerchain
from pyglobus.core.doctor.server import Target
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Authority, Issued
from pyglobus.core.x509 import request
from pyglobus.core.x509.keys import ec_key
from pyglobus.core.x509.proxytype import LIMITED
from tests.faults.case import apart
from tests.faults.diagnosed import FAULTS, SESAME, Told
from tests.faults.doctor import two_hours_behind
from tests.faults.lab import HOUR, Lab, revoke
from tests.faults.played import play, silence


@pytest.fixture
def lab(grid: Sandbox, ada: Issued, spare: Any, served: Path, tmp_path: Path) -> Iterator[Lab]:
    with contextlib.ExitStack() as close:
        yield Lab(grid, ada, spare, served, tmp_path, close)


def _secrets(lab: Lab) -> list[str]:
    """A pass phrase, and the lines of private keys."""
    pem = (lab.ada.key_pem() + Issued(lab.ada.certificate, lab.spare).key_pem()).decode()
    return [SESAME, *(line for line in pem.splitlines() if len(line) > 60)]


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_a_fault_is_found_and_advised_on_as_everywhere(make: Callable[[Lab], Told], lab: Lab) -> None:
    told = make(lab)
    found = [check for check in told.doctor["checks"] if check["fault"] == told.fault]
    assert found, told.doctor["shown"]
    assert told.check in [check["name"] for check in found]
    assert all(check["outcome"] in ("failed", "warning") for check in found)
    assert all(check["explanation"].isprintable() for check in found)
    assert not told.doctor["well"]
    assert told.doctor["status"] != 0
    if told.other is not None:
        assert told.other["fault"] == (told.others or told.fault), told.other
        assert told.other["hint"] == found[-1]["hint"]
    assert not any(secret in told.doctor["shown"] for secret in _secrets(lab))


# Names and clocks, which need a machine of their own ------------------------------------------------------------------


@apart
@pytest.mark.parametrize(
    ("asked", "hosts", "advice"),
    [
        ("alias.example.org", "127.0.0.1 real.example.org alias.example.org", "use real.example.org in the URL"),
        ("real.example.org.", "127.0.0.1 real.example.org.", "leave out the dot"),
    ],
)
def test_an_alias_and_a_dot_at_the_end_are_seen(asked: str, hosts: str, advice: str, lab: Lab) -> None:
    host = lab.grid.authority.issue_host("real.example.org")
    host.save(lab.tmp / "hostcert.pem", lab.tmp / "hostkey.pem")
    (lab.tmp / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}\n")
    port = lab.tls(host)
    found = lab.pyglobus("doctor", f"{asked}:{port}", prefix=_mounted(lab.tmp / "hosts"))
    check = next(check for check in found["checks"] if check["fault"] == "name-mismatch")
    assert advice in check["hint"]
    assert asked in check["explanation"]
    assert "real.example.org" in check["explanation"]


def _mounted(hosts: Path) -> list[str]:
    """Another /etc/hosts, in a namespace of its own that shares the network."""
    return ["unshare", "-rm", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"']


def test_a_clock_that_is_behind_is_seen(lab: Lab) -> None:
    """The machine's clock for one process: C and Python ask the same functions."""
    env = two_hours_behind(lab)
    found = lab.pyglobus("doctor", lab.gsi(), env=env)
    faults = {check["name"]: check["fault"] for check in found["checks"] if check["outcome"] == "failed"}
    assert faults["clock"] == "clock-skew"
    assert faults["dates"] == "not-yet-valid"
    assert faults["server-certificate"] == "server-certificate-not-yet-valid"
    told = lab.get(**env)
    assert told["fault"] == "server-certificate-not-yet-valid"
    assert told["hint"] in [check["hint"] for check in found["checks"]]


def test_a_server_whose_clock_is_ahead_is_seen(lab: Lab) -> None:
    class Ahead(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", self.date_time_string(int(time.time()) + 3 * 3600))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ahead) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found = lab.pyglobus("doctor", f"http://localhost:{server.server_port}/")
        server.shutdown()
    check = found["checks"][-1]
    assert (check["name"], check["fault"]) == ("server-clock", "clock-skew")
    assert "2 hours" in check["explanation"] or "3 hours" in check["explanation"]


# Where nothing is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gsiftp", "ftp", "contact", "none"])
def test_all_is_well(kind: str, lab: Lab) -> None:
    port = lab.grid.servers["gridftp"].port
    urls = {"gsiftp": [lab.gsi()], "ftp": [lab.ftp()], "contact": [f"localhost:{port}"], "none": []}
    found = lab.pyglobus("doctor", *urls[kind])
    assert found["well"], found["shown"]
    assert found["status"] == 0
    names = [check["name"] for check in found["checks"]]
    assert {"versions", "clock", "environment", "trusted-directory", "hashes", "credential", "chain"} <= set(names)
    last = {"gsiftp": "data-channel", "ftp": "data-channel", "contact": "data-channel", "none": "key"}
    assert names[-1] == last[kind]
    assert ("server-name" in names) == (kind in ("gsiftp", "contact"))


def test_a_limited_proxy_is_good_for_transfers(lab: Lab) -> None:
    found = lab.pyglobus("doctor", lab.gsi(), env={"X509_USER_PROXY": lab.proxy(language=LIMITED)})
    assert (found["status"], found["well"]) == (0, True), found["shown"]
    life = next(check for check in found["checks"] if check["name"] == "life")
    assert life["explanation"].endswith("it is good for transfers, and refused where jobs are started")


def test_lines_come_as_things_are_known_and_end_with_a_count(lab: Lab) -> None:
    program = str(Path(sys.executable).with_name("pyglobus"))
    url = f"gsiftp://localhost:{lab.played(silence)}/"
    command = [program, "doctor", "--timeout", "1s", url]
    started = time.monotonic()
    done = subprocess.run(command, env=lab.grid.env, capture_output=True, text=True, timeout=30, check=False)
    assert time.monotonic() - started < 10
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok       versions")
    assert any(line.startswith("problem  server-certificate") for line in lines)
    assert any(line.strip().startswith("what to do: ") for line in lines)
    assert lines[-1].startswith("1 problem")
    assert done.returncode == 75


def test_names_that_would_command_a_terminal_are_written_out(lab: Lab) -> None:
    evil = lab.grid.authority.issue("Eve \x1b[31m red", key=lab.spare)
    path = lab.proxy(evil)
    program = str(Path(sys.executable).with_name("pyglobus"))
    for arguments in (["doctor"], ["cert", "explain", str(path)], ["cert", "explain", f"{path}\x1b[31m"]):
        done = subprocess.run(
            [program, *arguments],
            env=lab.grid.env | {"X509_USER_PROXY": str(path)},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "\x1b" not in done.stdout + done.stderr
        assert "x1b[31m" in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("text", ["nothing", "file:///etc/hosts", "-", "host:0", "host:99999", "foo://host/"])
def test_what_is_no_server_is_refused(text: str, lab: Lab) -> None:
    found = lab.pyglobus("doctor", text)
    assert (found["status"], found["type"]) == (2, "error")


# What files and servers are -------------------------------------------------------------------------------------------


def _documents(lab: Lab) -> dict[str, tuple[bytes, str]]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    ada, authority = lab.ada, lab.grid.authority
    proxy = ada.proxy(key=lab.spare, path_length=3)
    directory = lab.trust(authority)
    revoke(authority, directory, ada)
    bag = pkcs12.serialize_key_and_certificates(
        b"ada", ada.key, ada.certificate, None, BestAvailableEncryption(SESAME.encode())
    )
    return {
        "proxy": (proxy.proxy_pem(), "a RFC 3820 compliant impersonation proxy with its private key"),
        "certificate": (ada.certificate_pem(), "a certificate of a person, host or service"),
        "certificate-der": (ada.certificate.public_bytes(Encoding.DER), "a certificate of a person, host or service"),
        "authority": (authority.root.certificate_pem(), "a certificate of an authority"),
        "key": (ada.key_pem(), "a private key"),
        "key-der": (ada.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "a private key"),
        "locked": (ada.key_pem(SESAME.encode()), "a private key that is protected by a pass phrase"),
        "request": (request.create(lab.spare), "a certificate request"),
        "list": ((directory / f"{authority.hash}.r0").read_bytes(), "a revocation list"),
        "policy": (authority.signing_policy().encode(), "a signing policy"),
        "pkcs12": (bag, "a PKCS #12 file"),
    }


def test_each_kind_of_file_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X509_CERT_DIR", lab.grid.env["X509_CERT_DIR"])
    for name, (content, kind) in _documents(lab).items():
        path = lab.tmp / name
        path.write_bytes(content)
        path.chmod(0o600)
        found = document.explain(path)
        assert found.kind.startswith(kind), name
        assert found.is_well, [check for check in found.checks if check.fault]
        facts = dict(found.facts)
        if ("certificate" in kind or "proxy" in kind) and name != "request":
            assert {"subject", "valid until", "may be used for", "fingerprint"} <= facts.keys()
        assert not any(secret in repr(found) for secret in _secrets(lab))
    assert document.explain(lab.tmp / "proxy").facts
    opened = document.explain(lab.tmp / "pkcs12", [SESAME.encode()])
    assert opened.kind == "a PKCS #12 file with a private key and its certificate"
    assert dict(opened.facts)["subject"] == lab.ada.subject


def test_a_list_and_a_policy_that_are_wrong_are_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X509_CERT_DIR", lab.grid.env["X509_CERT_DIR"])
    authority, directory = lab.grid.authority, lab.trust(lab.grid.authority)
    listed = directory / f"{authority.hash}.r0"
    revoke(authority, directory, next_update=-HOUR)
    assert {check.fault for check in document.explain(listed).checks} == {"crl-expired", None}
    revoke(authority, directory, signer=ec_key())
    assert {check.fault for check in document.explain(listed).checks} == {"crl-invalid", None}
    policy = directory / "0badcafe.signing_policy"
    policy.write_text(authority.signing_policy())
    assert [check.fault for check in document.explain(policy).checks] == ["wrong-hash-link"]
    policy.write_text("access_id_CA X509 '/CN=x'\nneg_rights globus CA:sign\n")
    assert [check.fault for check in document.explain(policy).checks] == ["signing-policy-silent"]


def test_a_server_is_explained_even_when_nobody_would_trust_it(lab: Lab) -> None:
    other = Authority.create()
    port = lab.tls(other.issue_host("elsewhere.example.org"))
    for url in (f"localhost:{port}", f"https://localhost:{port}/"):
        found = lab.pyglobus("cert", "explain", url)
        faults = [check["fault"] for check in found["checks"]]
        assert "ca-unknown" in faults
        assert "name-mismatch" in faults
        assert {"name": "names", "value": "elsewhere.example.org"} in found["facts"]
        assert found["status"] != 0


@settings(max_examples=200)
@given(data=st.binary(max_size=300), name=st.sampled_from(["a.pem", "0badcafe.r0", "0badcafe.signing_policy"]))
def test_anything_is_explained_or_refused(data: bytes, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.unlink(missing_ok=True)
    for content in (data, b"-----BEGIN X509 CRL-----\n" + data, b"access_id_CA " + data):
        path.write_bytes(content)
        with contextlib.suppress(errors.Error):
            document.explain(path)


@settings(max_examples=50)
@given(said=st.binary(max_size=200))
def test_a_server_may_say_anything(said: bytes) -> None:
    with play(lambda sock: sock.sendall(said)) as port:
        for look in ("tls", "ftp"):
            with socket.create_connection(("127.0.0.1", port)) as sock, pytest.raises(errors.Error):
                if look == "tls":
                    peerchain.over_tls(sock, None, 2)
                else:
                    control = peerchain.Control(sock, 2)
                    control.command()
                    control.chain()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host:2811", ("", "host", 2811)),
        ("[::1]:2811", ("", "::1", 2811)),
        ("gsiftp://host/x", ("gsiftp", "host", 2811)),
        ("https://host/", ("https", "host", 443)),
    ],
)
def test_targets(text: str, expected: tuple[str, str, int]) -> None:
    assert Target.parse(text)[:3] == expected


def test_every_step_has_a_deadline(lab: Lab) -> None:
    """A server that takes the connection and then says nothing, at every step of ours."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    with full, socket.create_connection(("127.0.0.1", port)):
        for url in (
            f"gsiftp://127.0.0.1:{port}/",
            f"https://127.0.0.1:{port}/",
            f"127.0.0.1:{port}",
            f"ftp://127.0.0.1:{port}/",
        ):
            started = time.monotonic()
            found = lab.pyglobus("doctor", url, "--timeout", "0.5s")
            assert time.monotonic() - started < 10
            assert found["checks"][-1]["outcome"] == "failed"
            assert not found["well"]

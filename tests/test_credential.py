# SPDX-License-Identifier: Apache-2.0
"""Which credential would be used, whose it is, and what is wrong with it: told as the C library sees it."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyglobus.core import errors
from pyglobus.core.credential import find, inspect, load
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Issued
from pyglobus.core.x509 import filerules
from pyglobus.core.x509.keys import ec_key, rsa_key
from pyglobus.ffi.engine import engine

HOUR = dt.timedelta(hours=1)

#: Tell what `find` says, then log in with what the library takes.
LOGIN = """
import json, sys
from pyglobus.core import credential, errors
from pyglobus.core.options import Options
from pyglobus.core.transfer import copy
told = {}
try:
    choice = credential.find()
    told = {"kind": choice.kind, "path": choice.path, "reason": choice.reason,
            "skipped": [[skipped.path, skipped.fault] for skipped in choice.skipped]}
    told["identity"] = credential.inspect().identity
except errors.Error as error:
    told["error"] = error.fault
try:
    copy(sys.argv[1], sys.argv[2], Options(delegate="none", authenticate_data=False))
    told["login"] = "accepted"
except errors.Error as error:
    told["login"], told["hint"] = str(error), error.hint
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def eve(grid: Sandbox) -> Issued:
    """A user whom no server knows: a refusal tells her name, which proves that her credential was used."""
    return grid.authority.issue("Eve Unknown", key=rsa_key())


@pytest.fixture(scope="module")
def ada(grid: Sandbox) -> Issued:
    """The grid's user."""
    return Issued.load(grid.user.certificate, grid.user.key)


@pytest.fixture
def proxy(ada: Issued, eve: Issued, tmp_path: Path) -> MakeProxy:
    """Make a proxy file of Ada's."""

    def make(name: str = "proxy.pem", **details: Any) -> Path:
        path = tmp_path / name
        ada.proxy(key=eve.key, **details).save_proxy(path)  # a key that exists already: making one takes long
        return path

    return make


Login = Callable[..., dict[str, Any]]
MakeProxy = Callable[..., Path]


@pytest.fixture
def login(grid: Sandbox, served: Path, tmp_path: Path) -> Login:
    """Log in from a process of its own, whose environment is the grid's with changes; None takes a variable away."""
    (served / "file").write_bytes(b"x")

    def run(prefix: Sequence[str] = (), **changes: Path | str | None) -> dict[str, Any]:
        env = {name: value for name, value in grid.env.items() if name not in changes}
        env |= {name: str(value) for name, value in changes.items() if value is not None}
        command = [*prefix, sys.executable, "-c", LOGIN, grid.gsiftp_url(served / "file"), str(tmp_path / "copy")]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


def can_unshare() -> bool:
    """Whether this machine lets us have a mount namespace of our own."""
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def home_login(login: Login, tmp_path: Path) -> Login:
    """As `login`, where ``tmp_path/home`` is the account's home directory: the library does not look at HOME."""
    if not can_unshare():
        pytest.skip("no mount namespaces here")
    accounts = tmp_path / "passwd"
    accounts.write_text(f"root:x:0:0::{tmp_path}/home:/bin/sh\n")
    (tmp_path / "home" / ".globus").mkdir(parents=True)
    mount = f'mount --bind {accounts} /etc/passwd && exec "$0" "$@"'
    return functools.partial(login, ["unshare", "-rm", "sh", "-c", mount])


def test_the_proxy_that_the_variable_names_is_used(login: Login, proxy: MakeProxy) -> None:
    path = proxy()
    told = login(X509_USER_PROXY=path)
    assert told["login"] == "accepted"
    assert (told["kind"], told["path"], told["reason"]) == ("proxy", str(path), "X509_USER_PROXY is set")
    assert told["identity"] == "/O=Grid/OU=Sandbox/CN=Ada Lovelace"


def test_certificate_and_key_win_over_the_proxy(login: Login, proxy: MakeProxy, eve: Issued, tmp_path: Path) -> None:
    eve.save(tmp_path / "cert.pem", tmp_path / "key.pem")
    told = login(X509_USER_PROXY=proxy(), X509_USER_CERT=tmp_path / "cert.pem", X509_USER_KEY=tmp_path / "key.pem")
    assert "/CN=Eve Unknown" in told["login"]
    assert (told["kind"], told["path"]) == ("certificate", str(tmp_path / "cert.pem"))
    assert told["reason"] == "X509_USER_CERT and X509_USER_KEY are set and win over X509_USER_PROXY"
    assert told["identity"] == eve.subject


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda key: key.chmod(0o640), "credential-exposed"),
        (lambda key: key.unlink(), "no-credential"),
        (lambda key: key.write_bytes(b""), "credential-empty"),
    ],
)
def test_a_key_that_cannot_be_used_lets_the_proxy_win(
    spoil: Callable[[Path], object], fault: str, login: Login, proxy: MakeProxy, eve: Issued, tmp_path: Path
) -> None:
    certificate, key, path = tmp_path / "cert.pem", tmp_path / "key.pem", proxy()
    eve.save(certificate, key)
    spoil(key)
    told = login(X509_USER_PROXY=path, X509_USER_CERT=certificate, X509_USER_KEY=key)
    assert told["login"] == "accepted"
    assert told["path"] == str(path)
    assert told["skipped"] == [[str(key), fault]]


def test_a_key_with_a_pass_phrase_ends_the_search(login: Login, proxy: MakeProxy, eve: Issued, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    eve.save(certificate, key, pass_phrase=b"open sesame")
    told = login(X509_USER_PROXY=proxy(), X509_USER_CERT=certificate, X509_USER_KEY=key)
    assert told["error"] == "key-encrypted"
    assert f"{key} is protected by a pass phrase" in told["login"]


def test_a_host_certificate_in_the_home_directory_wins(
    home_login: Login, proxy: MakeProxy, eve: Issued, tmp_path: Path
) -> None:
    directory = tmp_path / "home" / ".globus"
    eve.save(directory / "hostcert.pem", directory / "hostkey.pem")
    told = home_login(X509_USER_PROXY=proxy())
    assert "/CN=Eve Unknown" in told["login"]
    assert (told["kind"], told["path"]) == ("host", str(directory / "hostcert.pem"))


def test_a_host_certificate_without_its_key_does_not(
    home_login: Login, proxy: MakeProxy, eve: Issued, tmp_path: Path
) -> None:
    directory, path = tmp_path / "home" / ".globus", proxy()
    eve.save(directory / "hostcert.pem", directory / "hostkey.pem")
    (directory / "hostkey.pem").unlink()
    told = home_login(X509_USER_PROXY=path)
    assert told["login"] == "accepted"
    assert (told["path"], told["skipped"]) == (str(path), [])


def test_the_user_certificate_is_the_last_resort(home_login: Login, eve: Issued, tmp_path: Path) -> None:
    directory = tmp_path / "home" / ".globus"
    eve.save(directory / "usercert.pem", directory / "userkey.pem")
    told = home_login(X509_USER_PROXY=tmp_path / "absent")
    assert "/CN=Eve Unknown" in told["login"]
    assert (told["kind"], told["path"]) == ("certificate", str(directory / "usercert.pem"))


def test_a_user_without_proxy_is_told_to_make_one(home_login: Login, eve: Issued, tmp_path: Path) -> None:
    directory = tmp_path / "home" / ".globus"
    eve.save(directory / "usercert.pem", directory / "userkey.pem", pass_phrase=b"open sesame")
    told = home_login(X509_USER_PROXY=tmp_path / "absent")
    assert told["error"] == "key-encrypted"
    assert f"{directory}/userkey.pem is protected by a pass phrase" in told["login"]
    assert "proxy-init" in told["hint"]


def test_a_proxy_that_others_may_read_is_named_with_its_mode(login: Login, proxy: MakeProxy) -> None:
    path = proxy()
    path.chmod(0o644)
    told = login(X509_USER_PROXY=path)
    assert told["error"] == "credential-exposed"
    assert str(path) in told["login"]
    assert "mode 0644" in told["login"]


def test_without_any_variable_the_default_file_is_looked_for() -> None:
    path = f"/tmp/x509up_u{os.geteuid()}"
    assert filerules.default_proxy() == path
    try:
        choice = find({})
    except errors.CredentialError as error:
        assert error.fault is not None
        assert path in str(error)
    else:
        assert choice.path


def test_a_proxy_tells_owner_and_end(ada: Issued, proxy: MakeProxy) -> None:
    path = proxy(lifetime=HOUR)
    found = inspect(str(path))
    assert found.identity == ada.subject
    assert found.subject.startswith(f"{ada.subject}/CN=")
    assert abs(found.expires - (time.time() + 3600)) < 60
    assert 0 < found.remaining <= 3600


def test_a_proxy_ends_with_the_first_of_its_chain(grid: Sandbox, eve: Issued, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    short = grid.authority.issue("Short", key=eve.key, not_after=now + HOUR)
    short.proxy(key=eve.key, not_after=now + 5 * HOUR).save_proxy(tmp_path / "proxy.pem")
    assert inspect(str(tmp_path / "proxy.pem")).expires == (now + HOUR).timestamp()


@pytest.fixture
def trusted(grid: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of trusted certificates, without which the library loads nothing."""
    directory = grid.variables["X509_CERT_DIR"]
    monkeypatch.setenv("X509_CERT_DIR", directory)
    return Path(directory)


@pytest.fixture
def spoiled(request: pytest.FixtureRequest, grid: Sandbox, proxy: MakeProxy, eve: Issued, tmp_path: Path) -> Path:
    """A credential file that cannot be used."""
    path: Path = tmp_path / "spoiled.pem"
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    match request.param:
        case "exposed":
            proxy(path.name).chmod(0o640)
        case "not owned":
            if os.geteuid() == 0:
                os.chown(proxy(path.name), 65534, 65534)
            else:
                return Path("/etc/passwd")
        case "expired":
            proxy(path.name, not_before=now - 3 * HOUR, not_after=now - 2 * HOUR)
        case "expired behind":
            ended = grid.authority.issue("Ended", key=eve.key, not_before=now - 4 * HOUR, not_after=now - HOUR)
            ended.proxy(key=eve.key, not_before=now - 2 * HOUR, not_after=now + HOUR).save_proxy(path)
        case "empty":
            path.touch(0o600)
        case "garbage":
            path.write_text("this is no credential\n")
            path.chmod(0o600)
        case "no key":
            path.write_bytes(eve.certificate_pem())
            path.chmod(0o600)
        case "huge":
            path.touch(0o600)
            os.truncate(path, 1 << 21)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to(os.devnull)
    return path


@pytest.mark.parametrize(
    ("spoiled", "fault", "words"),
    [
        ("missing", "credential-missing", "does not exist"),
        ("exposed", "credential-exposed", "mode 0640"),
        ("not owned", "credential-not-owned", "somebody else"),
        ("expired", "proxy-expired", "the proxy {} expired 2 hours ago"),
        ("expired behind", "proxy-expired", "the certificate behind the proxy {} expired 1 hour ago"),
        ("empty", "credential-empty", "is empty"),
        ("garbage", "not-a-credential", "PEM"),
        ("no key", "not-a-credential", "private key"),
        ("huge", "not-a-credential", "PEM"),
        ("directory", "credential-not-a-file", "no regular file"),
        ("device", "credential-not-a-file", "no regular file"),
    ],
    indirect=["spoiled"],
)
@pytest.mark.parametrize("use", [inspect, load])
def test_what_is_wrong_with_a_file_is_told(
    use: Callable[[str], object], spoiled: Path, fault: str, words: str, trusted: Path
) -> None:
    with pytest.raises(errors.NotFound if fault == "credential-missing" else errors.CredentialError) as caught:
        use(str(spoiled))
    assert caught.value.fault == fault
    assert str(spoiled) in str(caught.value)
    assert words.format(spoiled) in str(caught.value)
    assert caught.value.hint


def test_a_loaded_credential_can_be_closed_twice(proxy: MakeProxy, trusted: Path) -> None:
    loaded = load(str(proxy()))
    assert loaded.pointer is not None
    for _ in range(2):
        engine().submit(loaded.close).result()
    assert loaded.pointer is None


def test_an_ec_key_is_no_obstacle(ada: Issued, tmp_path: Path) -> None:
    ada.proxy(key=ec_key()).save_proxy(tmp_path / "proxy.pem")
    assert inspect(str(tmp_path / "proxy.pem")).identity == ada.subject

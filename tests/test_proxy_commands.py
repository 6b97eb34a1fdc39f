# SPDX-License-Identifier: Apache-2.0
"""pyglobus proxy beside grid-proxy-init, -info and -destroy: the same words get the same answers; and what is ours
alone: pass phrases, PKCS #12, renewal, and files that nobody else can read or put in our way.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from pyglobus.core.x509 import proxy as proxies
from pyglobus.core.x509 import toolkit
from pyglobus.core.x509.credential import Credential
from pyglobus.core.x509.keys import ec_key, rsa_key
from pyglobus.core.x509.proxy import Wish

if TYPE_CHECKING:
    from tests.conftest import Lab

Done = subprocess.CompletedProcess[str]

INIT = (sys.executable, "-c", "import sys; from pyglobus.cli.main import proxy_init; sys.exit(proxy_init())")
TREE = (sys.executable, "-c", "import sys; from pyglobus.cli.main import pyglobus; sys.exit(pyglobus())")
OURS: dict[str, tuple[str, ...]] = {
    "grid-proxy-init": INIT,
    "grid-proxy-info": (*TREE, "proxy", "info"),
    "grid-proxy-destroy": (*TREE, "proxy", "destroy"),
}


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Callable[..., Done]:
    """Run a command with the lab's environment in an empty directory."""

    def call(*command: str, env: dict[str, str] | None = None, **more: Any) -> Done:
        environment = lab.environment | {"X509_USER_PROXY": str(tmp_path / "default")} | (env or {})
        more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
        if more["stdin"] is None:
            del more["stdin"]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, **more
        )

    return call


@pytest.fixture
def init(run: Callable[..., Done], lab: Lab) -> Callable[..., Done]:
    """Run proxy-init for the lab's user."""

    def call(*options: str, **more: Any) -> Done:
        return run(*INIT, *lab.files, *options, **more)

    return call


@pytest.fixture(scope="module")
def some_proxies(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Proxies of several sorts, all with one key."""
    directory = tmp_path_factory.mktemp("some")
    key = rsa_key()
    wishes = {
        "full": Wish(),
        "week": Wish(lifetime=dt.timedelta(days=7)),
        "policy": Wish(language="1.2.3", policy=b"x"),
    }
    made = {name: proxies.make(lab.user, wish, key=key) for name, wish in wishes.items()}
    made["second"] = proxies.make(made["full"], key=key)
    made["user"] = lab.user
    made["host"] = lab.authority.issue_host("host/é", ["localhost"], key=key)
    now = dt.datetime.now(dt.UTC)
    made["expired"] = lab.user.proxy(
        key=key, not_before=now - dt.timedelta(hours=2), not_after=now - dt.timedelta(hours=1)
    )
    for name, one in made.items():
        one.save_proxy(directory / name)
    return {name: directory / name for name in made}


DATE = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}")


def clean(text: str) -> str:
    """Without what differs from run to run: dots, serial numbers, times."""
    text = re.sub(r"Creating proxy \.+ Done", "Creating proxy ... Done", text)
    text = re.sub(r"/CN=\d{5,}", "/CN=1", text)
    text = re.sub(r"^\d{5,}$", "SECONDS", text, flags=re.MULTILINE)
    return DATE.sub("DATE", re.sub(r"(timeleft : \d+):\d\d:\d\d", r"\1", text))


def times(text: str) -> list[float]:
    """The times in it, in seconds since the epoch or from now."""
    left = [60 * int(minutes) + int(seconds) for minutes, seconds in re.findall(r"timeleft : \d+:(\d\d):(\d\d)", text)]
    seconds = [int(word) for word in re.findall(r"^\d{5,}$", text, flags=re.MULTILINE)]
    return [time.mktime(time.strptime(date)) for date in DATE.findall(text)] + left + seconds


# --- in place of the C tools ------------------------------------------------------------------------------------------

INIT_LINES = [
    ("-q",),
    (),
    ("-limited",),
    ("-draft", "-independent"),
    ("-old",),
    ("-rfc", "-path-length", "3", "-valid", "5:30"),
    ("-hours", "7"),
    ("-valid", "0:0"),
    ("-valid", "100000:00"),
    ("-verify",),
    ("-pl", "1.2.3.4", "-policy", "POLICY"),
]
INIT_FAULTS = [
    ("-valid", "1:70"),
    ("-valid", "12"),
    ("-valid",),
    ("-bits", "1000"),
    ("-path-length", "x"),
    ("-limited", "-independent"),
    ("-rfc", "-old"),
    ("-old", "-independent"),
    ("-policy", "POLICY"),
    ("-limited", "-pl", "1.2.3"),
    ("-nosuch",),
    ("-out", "nosuch/dir/proxy"),
    ("-cert", "nosuch"),
    ("-key", "nosuch"),
]


@pytest.mark.parametrize("options", INIT_LINES, ids=" ".join)
def test_init_prints_and_ends_as_grid_proxy_init(
    options: tuple[str, ...], run: Callable[..., Done], lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "POLICY").write_text("a policy")
    theirs = run("grid-proxy-init", *lab.files, "-out", "theirs", *options)
    ours = run(*INIT, *lab.files, "-out", "ours", *options)
    assert (clean(ours.stdout), ours.returncode) == (clean(theirs.stdout), theirs.returncode)
    assert ours.returncode == 0
    assert clean(ours.stderr) == clean(theirs.stderr)
    assert times(ours.stdout + ours.stderr) == pytest.approx(times(theirs.stdout + theirs.stderr), abs=30)
    facts = [toolkit.facts((tmp_path / name).read_bytes()) for name in ("ours", "theirs")]
    assert facts[0].type == facts[1].type
    assert abs(facts[0].expires - facts[1].expires) < 20
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("options", INIT_FAULTS, ids=" ".join)
def test_init_fails_as_grid_proxy_init(
    options: tuple[str, ...], run: Callable[..., Done], lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "POLICY").write_text("a policy")
    theirs = run("grid-proxy-init", *lab.files, "-out", "theirs", *options)
    ours = run(*INIT, *lab.files, "-out", "ours", *options)
    assert (ours.returncode, theirs.returncode) == (1, 1)
    assert not (tmp_path / "ours").exists()
    assert 1 <= len(ours.stderr.splitlines()) <= 2, "one line, and at most one hint"


def test_init_of_an_expired_certificate_ends_with_2(run: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    late = lab.authority.issue(
        "Late", key=lab.user.key, not_before=now - dt.timedelta(days=9), not_after=now - dt.timedelta(days=1)
    )
    late.save(tmp_path / "cert", tmp_path / "key", pass_phrase=b"never asked for")
    (tmp_path / "old").write_text("an older proxy")
    files = ("-cert", "cert", "-key", "key", "-out")
    theirs = run("grid-proxy-init", *files, "theirs", "-pwstdin", input="never asked for\n")
    ours = run(*INIT, *files, "old")
    assert (ours.returncode, theirs.returncode) == (2, 2)
    assert ours.stdout.splitlines() == theirs.stdout.splitlines()[:1]
    assert (tmp_path / "old").read_text() == "an older proxy"


INFO_LINES = [
    (),
    ("-all",),
    ("-subject",),
    ("-s", "-i", "-identity"),
    ("-timeleft", "-type", "-strength", "-path"),
    ("-path", "-subject"),
    ("-issuer", "-all", "-type"),
    ("-rfc2253",),
    ("-rfc2253", "-identity", "-issuer"),
    ("-text",),
    ("-exists",),
    ("-e", "-valid", "11:30"),
    ("-exists", "-v", "12:30"),
    ("-e", "-hours", "11"),
    ("-e", "-h", "13"),
    ("-e", "-bits", "2048"),
    ("-e", "-b", "4096"),
    ("-e", "-valid", "1:00", "-subject"),
    # faults
    ("-valid", "1:00"),
    ("-nosuch",),
    ("-e", "-valid", "1"),
]


@pytest.mark.parametrize("options", INFO_LINES, ids=" ".join)
def test_info_prints_and_ends_as_grid_proxy_info(
    options: tuple[str, ...], run: Callable[..., Done], some_proxies: dict[str, Path]
) -> None:
    same_answer("grid-proxy-info", ("-file", str(some_proxies["full"]), *options), run)


@pytest.mark.parametrize("name", ["week", "policy", "second", "user", "host", "expired", "missing"])
@pytest.mark.parametrize("options", [("-timeleft", "-identity", "-type", "-all"), ("-exists",)], ids=" ".join)
def test_info_of_other_files(
    name: str, options: tuple[str, ...], run: Callable[..., Done], some_proxies: dict[str, Path]
) -> None:
    path = some_proxies.get(name, Path("/nonexistent/proxy"))
    same_answer("grid-proxy-info", ("-f", str(path), *options), run)


def same_answer(tool: str, words: tuple[str, ...], run: Callable[..., Done]) -> None:
    for _ in range(3):  # a minute or an hour may end between the two
        theirs, ours = run(tool, *words), run(*OURS[tool], *words)
        if clean(ours.stdout) == clean(theirs.stdout) and times(ours.stdout) == pytest.approx(
            times(theirs.stdout), abs=20
        ):
            break
    assert clean(ours.stdout) == clean(theirs.stdout)
    assert times(ours.stdout) == pytest.approx(times(theirs.stdout), abs=20)
    assert ours.returncode == theirs.returncode
    assert ours.returncode == 0 or "-exists" in words or "-e" in words or ours.stderr


@pytest.mark.parametrize(
    ("mode", "owner"), [(0o644, None), (0o640, None), (0o700, None), (0o400, None), (0o600, "nobody")]
)
def test_info_demands_owner_and_mode_as_grid_proxy_info(
    mode: int, owner: str | None, run: Callable[..., Done], some_proxies: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copy(some_proxies["full"], tmp_path / "default")
    (tmp_path / "default").chmod(mode)
    if owner is not None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(tmp_path / "default", pwd.getpwnam(owner).pw_uid, -1)
    same_answer("grid-proxy-info", (), run)


DESTROY_LINES = [(), ("-default",), ("named",), ("named", "other"), ("-default", "named"), ("nosuch",), ("--", "named")]


@pytest.mark.parametrize("options", DESTROY_LINES, ids=" ".join)
@pytest.mark.parametrize("dry", [False, True])
def test_destroy_removes_and_ends_as_grid_proxy_destroy(
    options: tuple[str, ...], dry: bool, run: Callable[..., Done], tmp_path: Path
) -> None:
    left = {}
    for tool in ("grid-proxy-destroy", "ours"):
        for name in ("default", "named", "other"):
            (tmp_path / name).write_bytes(b"secret" * 100)
            (tmp_path / name).chmod(0o600)
        command = OURS["grid-proxy-destroy"] if tool == "ours" else (tool,)
        done = run(*command, *(("-dryrun",) if dry else ()), *options)
        left[tool] = (done.returncode, done.stdout, sorted(path.name for path in tmp_path.iterdir()))
    assert left["ours"] == left["grid-proxy-destroy"]


def test_destroy_without_a_proxy_ends_with_1(run: Callable[..., Done]) -> None:
    same_answer("grid-proxy-destroy", (), run)


def test_destroy_overwrites_and_does_not_follow_links(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "proxy").write_bytes(b"secret" * 1000)
    (tmp_path / "proxy").chmod(0o400)
    os.link(tmp_path / "proxy", tmp_path / "second name")
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")
    assert run(*OURS["grid-proxy-destroy"], "proxy", "link").returncode == 0
    assert (tmp_path / "second name").read_bytes() == bytes(6000)
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()


def test_destroy_says_what_it_cannot(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    done = run(*OURS["grid-proxy-destroy"], "directory")
    assert done.returncode == 1
    assert "directory" in done.stderr


# --- pass phrases -----------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(lab: Lab) -> tuple[str, ...]:
    """The options for the key with a pass phrase; they come after those for the one without."""
    return ("-key", str(lab.directory / "locked.pem"))


def ask(lab: Lab, directory: Path, *options: str) -> pexpect.spawn[str]:
    command = [*INIT, *lab.files, "-key", str(lab.directory / "locked.pem"), "-out", str(directory / "proxy"), *options]
    child: pexpect.spawn[str] = pexpect.spawn(
        command[0], command[1:], env={**lab.environment, "TERM": "dumb"}, encoding="utf-8", timeout=30
    )
    return child


def silent(child: pexpect.spawn[str]) -> None:
    """Wait until what is typed is not seen: it is asked for just after the question has been printed."""
    child.waitnoecho(timeout=5)
    assert not child.getecho()


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_the_pass_phrase_is_asked_for_up_to_three_times(wrong: int, lab: Lab, tmp_path: Path) -> None:
    child = ask(lab, tmp_path)
    seen = ""
    for answer in [*["nonsense phrase"] * wrong, lab.pass_phrase]:
        child.expect("Enter GRID pass phrase for this identity:")
        seen += child.before or ""
        silent(child)
        child.sendline(answer)
    child.expect(pexpect.EOF)
    seen += child.before or ""
    child.close()
    assert child.exitstatus == 0
    assert "Your proxy is valid until" in seen
    assert lab.pass_phrase not in seen
    assert "nonsense" not in seen
    assert toolkit.facts((tmp_path / "proxy").read_bytes()).identity == lab.user.subject


def test_three_wrong_pass_phrases_are_enough(lab: Lab, tmp_path: Path) -> None:
    child = ask(lab, tmp_path, "-q")
    for _ in range(3):
        child.expect("Enter GRID pass phrase:")
        child.sendline("nonsense phrase")
    child.expect("the pass phrase is wrong")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert not (tmp_path / "proxy").exists()


def test_the_end_of_input_at_the_question_is_no_wrong_answer(lab: Lab, tmp_path: Path) -> None:
    child = ask(lab, tmp_path)
    child.expect("Enter GRID pass phrase")
    silent(child)
    child.sendeof()
    child.expect("no pass phrase: the terminal has ended the input")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert not (tmp_path / "proxy").exists()


def test_an_interrupt_at_the_question_gives_the_terminal_back(lab: Lab, tmp_path: Path) -> None:
    child = ask(lab, tmp_path)
    child.expect("Enter GRID pass phrase")
    silent(child)
    child.sendintr()
    child.expect(pexpect.EOF)
    echo = child.getecho()
    child.close()
    assert echo
    assert child.signalstatus == signal.SIGINT
    assert not (tmp_path / "proxy").exists()


def test_without_a_terminal_nothing_is_asked(init: Callable[..., Done], locked: tuple[str, ...]) -> None:
    done = init(*locked, start_new_session=True)
    assert done.returncode == 77
    assert "hint: " in done.stderr
    assert "--pass-phrase-file" in done.stderr


def test_the_pass_phrase_comes_from_standard_input(
    init: Callable[..., Done], locked: tuple[str, ...], run: Callable[..., Done], lab: Lab
) -> None:
    assert init(*locked, "-pwstdin", input=f"{lab.pass_phrase}\n").returncode == 0
    assert init(*locked, "-pwstdin", input=lab.pass_phrase).returncode == 0
    for bad in ("", "\n", "nonsense\n", lab.pass_phrase[:-1], "x" * 5000):
        assert init(*locked, "-pwstdin", input=bad).returncode == 1
    words = " ".join(f"'{word}'" for word in (*INIT, *lab.files, *locked, "-q", "-pwstdin"))
    rest = run("sh", "-c", f"{words} && cat", input=f"{lab.pass_phrase}\nthe rest\n")
    assert rest.stdout == "the rest\n"


@pytest.mark.parametrize(("mode", "status"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_the_pass_phrase_comes_from_a_private_file(
    lab: Lab, mode: int, status: int, init: Callable[..., Done], locked: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "phrase").write_text(f"{lab.pass_phrase}\nanother line\n")
    (tmp_path / "phrase").chmod(mode)
    assert init(*locked, "--pass-phrase-file", "phrase").returncode == status


def test_the_pass_phrase_comes_from_systemd(
    lab: Lab, init: Callable[..., Done], locked: tuple[str, ...], tmp_path: Path
) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir(mode=0o700)
    (directory / "grid").write_text(lab.pass_phrase)
    (directory / "grid").chmod(0o400)
    here = {"CREDENTIALS_DIRECTORY": str(directory)}
    assert init(*locked, "--pass-phrase-credential", "grid", env=here).returncode == 0
    assert init(*locked, "--pass-phrase-credential", "nosuch", env=here).returncode == 1
    assert init(*locked, "--pass-phrase-credential", "../phrase", env=here).returncode == 1
    assert init(*locked, "--pass-phrase-credential", "grid").returncode == 1
    (directory / "grid").chmod(0o444)
    assert init(*locked, "--pass-phrase-credential", "grid", env=here).returncode == 1


# --- more than the C tool ---------------------------------------------------------------------------------------------


def test_pkcs12_holds_certificate_and_key(run: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    encryption = serialization.BestAvailableEncryption(lab.pass_phrase.encode())
    own = lab.user.certificate
    data = pkcs12.serialize_key_and_certificates(b"me", lab.user.key, own, [lab.authority.root.certificate], encryption)
    for name in ("user.p12", "credential"):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
        done = run(*INIT, "-cert", name, "-key", name, "-out", "proxy", "-pwstdin", input=f"{lab.pass_phrase}\n")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"Your identity: {lab.user.subject}\nCreating proxy .")
        made = Credential.from_pem((tmp_path / "proxy").read_bytes())
        assert made.chain == (own,)
    assert run(*INIT, "-cert", "user.p12", "-pwstdin", input="nonsense\n").returncode == 1


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_users_may_have_keys_on_curves(kind: str, run: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    user = lab.authority.issue("Curved", key=ec_key("p384"))
    user.save(tmp_path / "cert", tmp_path / "key")
    files = ("-cert", "cert", "-key", "key", "-out", "proxy")
    done = run(*INIT, *files, "--key-type", kind, "-verify", "--format", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["strength"] == {"rsa": 2048, "p256": 256, "p384": 384}[kind]
    assert run("grid-proxy-info", "-file", "proxy", "-identity").stdout.strip() == user.subject


def test_json_tells_all_of_the_proxy(init: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    done = init("-limited", "-path-length", "0", "-out", "proxy", "--format", "json")
    record = json.loads(done.stdout)
    expires = dt.datetime.fromisoformat(record.pop("expires"))
    assert dt.timedelta(hours=11) < expires - dt.datetime.now(dt.UTC) <= dt.timedelta(hours=12)
    assert record.pop("subject").startswith(f"{lab.user.subject}/CN=")
    assert record == {
        "type": "RFC 3820 compliant limited proxy",
        "path": str(tmp_path / "proxy"),
        "changed": True,
        "identity": lab.user.subject,
        "form": "rfc",
        "rights": "limited",
        "policy_language": "1.3.6.1.4.1.3536.1.1.1.9",
        "path_length": 0,
        "strength": 2048,
    }


SHELLS = {"sh": ("sh", 'eval "$({})"; echo "$X509_USER_PROXY"'), "csh": ("tcsh", "eval `{}`; echo $X509_USER_PROXY:q")}
SHELLS["fish"] = ("fish", "{} | source; echo $X509_USER_PROXY")


@pytest.mark.parametrize("family", SHELLS)
def test_export_tells_a_shell(family: str, run: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    shell, script = SHELLS[family]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    words = [*INIT, *lab.files, "-out", "a proxy's file", "--export", family]
    quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    done = run(shell, "-c", script.format(quoted))
    assert done.stdout == f"{tmp_path}/a proxy's file\n", done.stderr


def test_renewal_waits_until_life_is_short(init: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "default"

    def renewed(*options: str) -> bool:
        before = path.read_bytes() if path.exists() else b""
        done = init("--renew-below", "3:00", *options, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["changed"] == (path.read_bytes() != before)
        return path.read_bytes() != before

    assert renewed()
    assert not renewed()
    assert renewed("-limited")
    assert not renewed("-limited")
    assert renewed("-path-length", "1")
    assert init("-valid", "2:30").returncode == 0
    assert renewed()
    path.chmod(0o644)
    assert renewed()
    path.write_bytes(b"damaged")
    assert renewed()
    other = lab.authority.issue("Somebody Else", key=lab.user.key)
    proxies.make(other, key=lab.user.key).save_proxy(path)
    assert renewed()


def test_renewal_asks_for_no_pass_phrase_while_there_is_life(
    init: Callable[..., Done], locked: tuple[str, ...]
) -> None:
    assert init().returncode == 0
    assert init(*locked, "--renew-below", "3:00", start_new_session=True).returncode == 0
    assert init(*locked, "--renew-below", "30:00", start_new_session=True).returncode == 77


def test_what_ends_soon_is_told(run: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=3, hours=1)
    lab.authority.issue("Soon", key=lab.user.key, not_after=soon).save(tmp_path / "cert", tmp_path / "key")
    done = run(*INIT, "-cert", "cert", "-key", "key")
    assert "your certificate ends in 3 days" in done.stderr
    assert "ends in" not in run(*INIT, "-q", "-cert", "cert", "-key", "key").stderr


def test_variables_that_shadow_the_proxy_are_told(run: Callable[..., Done], lab: Lab) -> None:
    shadow = {"X509_USER_CERT": lab.files[1], "X509_USER_KEY": lab.files[3]}
    done = run(*INIT, env=shadow)
    assert done.returncode == 0
    assert "X509_USER_CERT" in done.stderr


def test_a_small_key_becomes_a_good_one(init: Callable[..., Done], tmp_path: Path) -> None:
    done = init("-bits", "1024")
    assert done.returncode == 0
    assert "1024 bits is refused" in done.stderr
    assert toolkit.facts((tmp_path / "default").read_bytes()).strength == 2048


# --- files ------------------------------------------------------------------------------------------------------------


def test_the_proxy_is_private_from_its_first_byte(lab: Lab, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=openat,rename,renameat,renameat2,fchmod", "-o", str(trace)]
    command += [*INIT, *lab.files, "-q", "-out", str(tmp_path / "proxy")]
    done = subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *command], env=lab.environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    calls = [line for line in trace.read_text().splitlines() if str(tmp_path) in line and "ENOENT" not in line]
    made = [line for line in calls if "O_CREAT" in line]
    assert len(made) == 1
    assert "O_EXCL" in made[0]
    assert ", 0600)" in made[0]
    assert f'"{tmp_path}/proxy"' not in made[0], "it is filled under another name"
    assert sum("rename" in line for line in calls) == 1
    assert not [line for line in trace.read_text().splitlines() if "fchmod" in line and ", 0600)" not in line]
    assert (tmp_path / "proxy").stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_way_is_replaced_not_followed(init: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "default").symlink_to("victim")
    assert init().returncode == 0
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "default").is_symlink()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")
def test_what_belongs_to_somebody_else_is_not_replaced(init: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "default").write_text("a trap")
    os.chown(tmp_path / "default", pwd.getpwnam("nobody").pw_uid, -1)
    done = init()
    assert done.returncode == 1
    assert "somebody else" in done.stderr
    assert (tmp_path / "default").read_text() == "a trap"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default"]


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_no_secret_is_ever_told(
    run: Callable[..., Done], init: Callable[..., Done], locked: tuple[str, ...], lab: Lab, tmp_path: Path
) -> None:
    """Neither the pass phrase nor a line of a private key is in anything that is printed, whatever goes wrong."""
    trace = {"PYGLOBUS_TRACE": "ffi", "PYTHONFAULTHANDLER": "1"}
    more = ("--debug", "-vv", "--format", "json")
    answers = [
        init(*locked, "-pwstdin", *more, input=f"{lab.pass_phrase}\n", env=trace),
        init(*locked, "-pwstdin", "-verify", *more, input=f"{lab.pass_phrase}\n", env=trace),
        init(
            *locked, "-pwstdin", *more, input=f"{lab.pass_phrase}", env={**trace, "X509_USER_PROXY": "/nonexistent/p"}
        ),
        init(*locked, "-pwstdin", *more, input=f"{lab.pass_phrase}!\n", env=trace),
        init(*more, env=trace),
        run(*TREE, "proxy", "info", *more, env=trace),
        run(*TREE, "proxy", "info", "-text", env=trace),
        run(*TREE, "proxy", "verify", *more, env=trace),
        run(*TREE, "proxy", "verify", lab.files[3], *more, env=trace),
    ]
    proxy_key = (tmp_path / "default").read_bytes()
    (tmp_path / "cut").write_bytes(proxy_key.replace(b"-----END PRIVATE", b"-----END"))
    (tmp_path / "swapped").write_bytes(proxy_key.replace(b"M", b"N"))
    for name in ("cut", "swapped"):
        (tmp_path / name).chmod(0o600)
        answers.append(run(*TREE, "proxy", "info", "-file", name, *more, env=trace))
        answers.append(run(*INIT, "-cert", name, "-key", name, *more, env=trace))
    for secret in secrets(lab, proxy_key):
        for answer in answers:
            assert secret not in answer.stdout
            assert secret not in answer.stderr
    assert [answer.returncode for answer in answers[:3]] == [0, 0, 1]


def secrets(lab: Lab, proxy: bytes) -> list[str]:
    keys = [(lab.directory / name).read_bytes() for name in ("userkey.pem", "locked.pem")] + [proxy]
    found = [lab.pass_phrase, lab.pass_phrase.encode().hex(), base64.b64encode(lab.pass_phrase.encode()).decode()]
    for data in keys:
        body = re.search(rb"PRIVATE KEY-----\n(.*?)-----END", data, re.S)
        assert body is not None
        lines = body[1].decode().split()
        found += lines[8:]  # before that is the modulus, which the certificate holds as well
        found += [base64.b64decode("".join(lines)).hex()[1000:1064]]
    return found


# --- sign -------------------------------------------------------------------------------------------------------------


def test_sign_delegates_by_hand(run: Callable[..., Done], init: Callable[..., Done], lab: Lab, tmp_path: Path) -> None:
    assert init().returncode == 0
    request = ("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "key")
    assert run(*request, "-out", "request").returncode == 0
    assert run(*TREE, "proxy", "sign", "request", "-limited", "-valid", "1:00", "-out", "chain").returncode == 0
    printed = run(*TREE, "proxy", "sign", "-", input=(tmp_path / "request").read_text())
    assert printed.stdout.count("BEGIN CERTIFICATE") == 3
    made = Credential.from_pem((tmp_path / "key").read_bytes() + (tmp_path / "chain").read_bytes())
    made.save_proxy(tmp_path / "made")
    shown = run("grid-proxy-info", "-file", "made", "-identity", "-type", "-timeleft").stdout.splitlines()
    assert shown[:2] == [lab.user.subject, "RFC 3820 compliant limited proxy"]
    assert 3500 < int(shown[2]) <= 3600
    assert "PRIVATE" not in printed.stdout
    for bad in ("key", "chain", "nosuch"):
        assert run(*TREE, "proxy", "sign", bad).returncode in (66, 77)


def test_times_are_those_of_the_shell(init: Callable[..., Done]) -> None:
    done = init("-valid", "1:00", env={"TZ": "Asia/Tokyo"})
    until = done.stdout.splitlines()[-1].removeprefix("Your proxy is valid until: ")
    end = time.mktime(time.strptime(until)) - time.localtime().tm_gmtoff  # as if it were UTC
    assert abs(end - 9 * 3600 - (time.time() + 3600)) < 60 + abs(time.localtime().tm_gmtoff)

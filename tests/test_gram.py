# SPDX-License-Identifier: Apache-2.0
"""Jobs in Python: submitted to a real gatekeeper, followed, cancelled, and refused by name."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core import errors, gram, rsl
from pyglobus.core.gram import State, request
from pyglobus.core.gram import errors as gram_errors
from pyglobus.core.gram.listener import address
from pyglobus.core.gss.credential import Credential
from pyglobus.core.sandbox import Sandbox

HEADER = Path("/usr/include/globus/globus_gram_protocol_constants.h")


@pytest.fixture(autouse=True)
def as_its_user(jobs: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.variables.items():
        monkeypatch.setenv(name, value)


def shell(script: str, **more: object) -> rsl.Boolean:
    return rsl.conjunction(executable="/bin/sh", arguments=["-c", script], **more)


@pytest.fixture
def gate(jobs: Sandbox) -> Iterator[Path]:
    """A pipe in the data directory; a job that reads it runs until the test has ended."""
    path = jobs.data_dir / "gate"
    os.mkfifo(path, 0o666)
    path.chmod(0o666)
    held = os.open(path, os.O_RDWR)
    yield path
    os.close(held)
    path.unlink()


def test_a_job_tells_its_states_up_to_the_end(contact: str, jobs: Sandbox) -> None:
    awkward = ["a b", 'say "hi"', "it's", "$(HOME)", "ünï", "", "#", "x" * 5000]
    out = jobs.data_dir / "out"
    job = gram.submit(contact, rsl.conjunction(executable="/usr/bin/printf", arguments=["%s|", *awkward], stdout=out))
    states = [event.state for event in job.events(60)]
    assert states[-1] is State.DONE
    assert set(states[:-1]) <= {State.PENDING, State.ACTIVE, State.STAGE_OUT}
    assert out.read_text() == "|".join(awkward) + "|"
    assert job.wait() == job.last
    out.unlink()


@pytest.mark.parametrize(
    ("description", "error", "kind"),
    [
        (rsl.conjunction(executable="/no/such"), "ExecutableNotFound", FileNotFoundError),
        (rsl.conjunction(executable="/bin/true", stdin="/no/such"), "StdinNotFound", FileNotFoundError),
        (rsl.conjunction(executable="/bin/true", directory="/no/such"), "BadDirectory", FileNotFoundError),
        (rsl.conjunction(executable="/etc/passwd"), "ExecutablePermissions", PermissionError),
        (rsl.conjunction(executable="/bin/true", stdout="/no/such/out"), "OpeningStdout", OSError),
        (rsl.conjunction(executable="/bin/true", colour="red"), "ParameterNotSupported", ValueError),
        (rsl.conjunction(arguments="x"), "UndefinedExe", ValueError),
        ("&(", "BadRsl", ValueError),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    description: rsl.Boolean | str, error: str, kind: type[Exception], contact: str
) -> None:
    """Some at submission, some when the job fails at once."""
    try:
        failure: Exception | None = gram.submit(contact, description).wait(60).failure
    except gram.GramError as refused:
        failure = refused
    assert type(failure).__name__ == error
    assert isinstance(failure, kind)
    assert isinstance(failure, getattr(gram_errors, error))


def test_a_job_is_cancelled(contact: str, gate: Path) -> None:
    job = gram.submit(contact, shell(f"read x <{gate}"))
    assert next(job.events(60)).state is State.ACTIVE
    assert gram.status(job.contact).state is State.ACTIVE
    job.cancel()
    last = job.wait(60)
    assert last.state is State.FAILED
    assert isinstance(last.failure, errors.Cancelled)
    assert last.failure.code == gram_errors.CODES["USER_CANCELLED"] == 8


def test_with_two_phase_commit_the_end_is_remembered(contact: str) -> None:
    """Also for one who is told nothing, and asks."""
    job = gram.submit(contact, rsl.conjunction(executable="/no/such", twophase=60), told=False)
    assert job.two_phase
    assert gram.status(job.contact).state is State.UNSUBMITTED
    job.commit()
    *_, last = job.events(60, silence=0.2)
    assert last.asked
    assert last.state is State.FAILED
    assert type(last.failure).__name__ == "ExecutableNotFound"
    job.commit_end()


def test_who_is_told_nothing_asks(contact: str, gate: Path) -> None:
    job = gram.submit(contact, shell(f"read x <{gate}"), told=False)
    events = job.events(60, silence=0.2)
    states = [next(events).state]
    while states[-1] is not State.ACTIVE:
        states.append(next(events).state)
    gate.write_text("go\n")
    assert [event.state for event in events][-1] is State.DONE
    with pytest.raises(gram_errors.JobContactNotFound):
        gram.status(job.contact)


def test_a_job_is_picked_up_by_its_contact(contact: str, gate: Path) -> None:
    first = gram.submit(contact, shell(f"read x <{gate}"), told=False)
    again = gram.Job(first.contact)
    request.register(again.contact, address())
    gate.write_text("go\n")
    assert again.wait(60).state is State.DONE
    assert not again.last.asked if again.last else False


def test_a_wait_can_end_before_the_job(contact: str, gate: Path) -> None:
    job = gram.submit(contact, shell(f"read x <{gate}"))
    with pytest.raises(TimeoutError):
        job.wait(0.05)
    job.refresh()
    gate.write_text("go\n")
    assert job.wait(60).state is State.DONE


@pytest.mark.parametrize(("full", "limited"), [(False, True), (True, False)])
def test_what_is_delegated_is_what_was_asked_for(contact: str, jobs: Sandbox, full: bool, limited: bool) -> None:
    description = rsl.conjunction(
        executable="/bin/sh", arguments=["-c", "cat $X509_USER_PROXY >handed; chmod 600 handed"]
    )
    job = gram.submit(contact, description, gram.delegation(full=full))
    assert job.wait(60).state is State.DONE
    handed = (jobs.data_dir / "handed").read_bytes()
    (jobs.data_dir / "handed").unlink()
    with Credential.of_pem(handed) as credential:
        assert credential.limited is limited


def test_another_credential_is_used_where_it_is_given(contact: str, jobs: Sandbox, tmp_path: Path) -> None:
    stranger = jobs.authority.issue("Mallory")
    stranger.proxy(key=stranger.key).save_proxy(tmp_path / "proxy")
    with (
        Credential.of_file(tmp_path / "proxy") as credential,
        pytest.raises(gram_errors.Authorization) as refused,
    ):
        gram.ping(contact, gram.delegation(credential))
    assert isinstance(refused.value, PermissionError)
    gram.ping(contact)


def test_versions_are_told(contact: str) -> None:
    assert gram.version(contact).keys() >= {"toolkit-version", "version"}


def test_a_gatekeeper_that_says_nothing_is_given_up(contact: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"localhost:{silent.getsockname()[1]}"
        for ask in (gram.ping, gram.version):
            with pytest.raises(errors.DeadlineExceeded, match=r"no answer within 0\.2 s"):
                ask(where, timeout=0.2)
        with pytest.raises(errors.DeadlineExceeded):
            gram.submit(where, shell("true"), timeout=0.2)
    gram.ping(contact)


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("localhost:1", "ContactingJobManager"),
        ("no-such-host.invalid", "ConnectionFailed"),
        ("{}/no-such-service", "ServiceNotFound"),
        ("{}:/O=Grid/CN=somebody else", "Authorization"),
    ],
)
def test_a_gatekeeper_that_cannot_be_used_is_told_by_name(where: str, error: str, contact: str) -> None:
    with pytest.raises(gram.GramError) as refused:
        gram.ping(where.format(contact))
    assert type(refused.value).__name__ == error


def test_wrong_use_is_refused(contact: str) -> None:
    with pytest.raises(errors.UsageError):
        gram.submit(contact, rsl.Boolean("+", (shell("true"), shell("true"))))
    with pytest.raises(errors.UsageError, match="suspend, resume"):
        gram.signal("https://localhost:1/1/1/", "kill")
    with pytest.raises(gram_errors.InvalidJobContact):
        gram.status("no contact")


@pytest.mark.skipif(not HEADER.exists(), reason="the header is elsewhere")
def test_every_error_of_the_protocol_is_an_exception_of_its_own() -> None:
    found = dict(re.findall(r"GLOBUS_GRAM_PROTOCOL_ERROR_(\w+)=(\d+)", HEADER.read_text()))
    del found["LAST"]
    assert {name: int(code) for name, code in found.items()} == gram_errors.CODES
    assert len({kind.__name__ for kind in gram_errors.BY_CODE.values()}) == len(found) > 160
    for names in gram_errors._KINDS.values():
        assert set(names) <= found.keys()
    with pytest.raises(AttributeError):
        _ = gram_errors.NoSuchError

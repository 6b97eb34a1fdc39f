# SPDX-License-Identifier: Apache-2.0
"""A job of GRAM writes to a capture URL, and each line is seen while it runs."""

from __future__ import annotations

import os
import queue
import statistics
import time
from pathlib import Path

import pytest

from pyglobus.core import gram, rsl
from pyglobus.core.gass import Server
from pyglobus.core.sandbox import Sandbox
from tests.pace import PROMPT

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def as_its_user(jobs: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jobs.variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def gate(jobs: Sandbox) -> Path:
    """A pipe in the data directory, of which the job takes a line before it writes the next of its own."""
    path = jobs.data_dir / "next"
    os.mkfifo(path, 0o666)
    path.chmod(0o666)
    return path


def test_a_jobs_lines_are_seen_as_it_writes_them(contact: str, jobs: Sandbox, gate: Path) -> None:
    seen: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    with Server(host="localhost") as server:
        url = server.capture(lambda data: seen.put((time.time(), data)), lines=True)
        script = (
            f'while read -r word; do printf "%s at " "$word"; date +%s.%N; done <"{gate}" |'
            f' curl -sSk --cert "$X509_USER_PROXY" -T - "{url}"'
        )
        job = gram.submit(contact, rsl.conjunction(executable="/bin/sh", arguments=["-c", script]))
        with gate.open("w", buffering=1) as words:
            delays = []
            for word in map(str, range(12)):
                words.write(f"{word}\n")
                came, line = seen.get(timeout=60)
                said, _, written = line.decode().partition(" at ")
                assert said == word, "it is there while the job waits for the next word"
                delays.append(came - float(written))
        # Curl has to connect for the first, and the machine may do other things during one or the other.
        assert max(delays[1:]) < PROMPT
        assert statistics.median(delays[1:]) < 0.5
        assert job.wait(60).state is gram.State.DONE
    assert seen.empty()
    gate.unlink()


def test_what_gram_stages_out_is_captured_too(contact: str) -> None:
    """With the URL as its standard output, a job needs no client; then all of it comes at the end."""
    seen: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with Server(host="localhost") as server:
        url = server.capture(seen.put)
        job = gram.submit(contact, rsl.conjunction(executable="/bin/echo", arguments=["all of it"], stdout=url))
        assert job.wait(60).state is gram.State.DONE
    assert seen.get(timeout=20) == b"all of it\n"

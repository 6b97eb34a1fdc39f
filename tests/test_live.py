# SPDX-License-Identifier: Apache-2.0
"""The output of jobs: as it is written, at the end, and each byte once."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyglobus.core import errors, rsl
from pyglobus.core.gram import wrapper
from pyglobus.core.gram.outlet import Lines, Outlet, Paths, Stream
from pyglobus.core.sandbox import Sandbox
from tests.pace import PROMPT

OURS = str(Path(sys.executable).with_name("pyglobusrun"))


@given(st.binary(max_size=50), st.lists(st.lists(st.integers(0, 50), max_size=4), max_size=4))
def test_of_copies_each_byte_is_handed_on_once(data: bytes, cuts: list[list[int]]) -> None:
    """However far each copy gets, and in which pieces; the last one is whole."""
    got = bytearray()
    stream = Stream(got.extend)
    writers = [stream.writer() for _ in cuts]
    for writer, ends in zip(writers, cuts, strict=True):
        position = 0
        for end in sorted(ends):
            writer.write(data[position:end])
            position = max(position, min(end, len(data)))
        writer.close()
    last = stream.writer()
    last.write(data)
    last.close()
    assert bytes(got) == data


@given(st.lists(st.binary(max_size=9)))
def test_lines_are_prefixed_whole(pieces: list[bytes]) -> None:
    got = bytearray()
    lines = Lines(got.extend, b"a| ")
    for piece in pieces:
        lines(piece)
    lines.close()
    data = b"".join(pieces)
    whole = data.split(b"\n") if not data.endswith(b"\n") and data else data.split(b"\n")[:-1]
    assert bytes(got) == b"".join(b"a| " + line + b"\n" for line in whole)


def test_an_exit_status_is_a_number_or_nothing() -> None:
    for told, status in ((b"7\n", 7), (b"", None), (b"x", None), (b"-1\n", None)):
        outlet = Outlet(None, None)
        outlet.sinks[Paths.of().status].writer().write(told)
        assert outlet.status == status


def test_a_wrapped_program_is_one_in_one_process() -> None:
    for wrong in ("&(executable=/bin/true)(count=2)", "|(executable=/bin/true)", "&(arguments=x)"):
        request = rsl.parse(wrong)
        assert isinstance(request, rsl.Boolean)
        with pytest.raises(errors.UsageError):
            wrapper.with_live(request, "https://localhost:1", "/a", "/b")


def test_a_job_writes_where_it_would_when_nobody_takes_its_output_live(tmp_path: Path) -> None:
    """The script alone: nobody listens, and there is no proxy."""
    request = wrapper.with_live(
        rsl.conjunction(executable="/bin/sh", arguments=["-c", "head -c 300000 /dev/zero; echo err >&2; exit 7"]),
        "https://localhost:1", "/a", "/b",
    )  # fmt: skip
    (words,) = request.relations("arguments")
    script = [value.text for value in words.values if isinstance(value, rsl.Literal)]
    done = subprocess.run(
        ["/bin/sh", *script], capture_output=True, env={"PATH": os.defpath, "TMPDIR": str(tmp_path)}, timeout=60
    )
    assert (done.returncode, len(done.stdout), done.stderr) == (7, 300_000, b"err\n")
    assert not list(tmp_path.iterdir())


def test_each_line_is_seen_as_it_is_written(jobs: Sandbox, contact: str) -> None:
    script = 'for i in 1 2 3; do echo "$i $(date +%s.%N)"; sleep 1; done; echo err >&2; exit 7'
    command = [OURS, "--live", "--propagate-exit", "-r", contact, "--", "sh", "-c", script]
    with subprocess.Popen(command, env=jobs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        late = [time.time() - float(line.split()[1]) for line in process.stdout]
        _, err = process.communicate(timeout=60)
    assert len(late) == 3
    assert statistics.median(late) < 1.0
    assert max(late) < PROMPT
    assert late[0] - late[-1] < 1.5, "they did not come together at the end"
    assert (process.returncode, err) == (7, "err\n")


def test_live_output_is_whole_whatever_its_bytes(jobs: Sandbox, contact: str, tmp_path: Path) -> None:
    data = os.urandom(400_000) + b"\0\nQ\nR\n" + "ü".encode() + b"no end"
    (tmp_path / "data").write_bytes(data)
    command = [OURS, "--live", "--stage-in", "data=live-data", "-r", contact, "--", "cat", "live-data"]
    done = subprocess.run(command, env=jobs.env, cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data
    (jobs.data_dir / "live-data").unlink()


def test_files_are_staged_by_name_and_no_others(jobs: Sandbox, contact: str, tmp_path: Path) -> None:
    (tmp_path / "in put").write_bytes(os.urandom(1000))
    (tmp_path / "secret").write_text("secret")
    options = ["--stage-in", "in put=staged-in", "--stage-out", "staged-out=out", "-r", contact]
    script = "cp staged-in staged-out; rm staged-in"
    done = subprocess.run(
        [OURS, *options, "--", "sh", "-c", script], env=jobs.env, cwd=tmp_path, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in put").read_bytes()
    (jobs.data_dir / "staged-out").unlink()
    more = f"(file_stage_in=($(GLOBUSRUN_GASS_URL){tmp_path}/secret secret))"
    request = f"&(executable=/bin/true){more}"
    done = subprocess.run([OURS, "-o", "-r", contact, request], env=jobs.env, capture_output=True, timeout=60)
    assert done.returncode == 135
    assert not (jobs.data_dir / "secret").exists()
    for wrong in ("a", "=b", "a=", "a=gsiftp://localhost/b"):
        done = subprocess.run([OURS, "--stage-in", wrong, "--rsl", "--", "true"], env=jobs.env, capture_output=True)
        assert done.returncode == 1

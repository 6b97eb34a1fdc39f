# SPDX-License-Identifier: Apache-2.0
"""Each fault of the table, made for real: the right class, name, words, hint and exit code.

Servers are real where one can be brought to the fault; the others are sockets that answer what such a server answers.
What reads credentials or the environment runs in a process of its own, since the C libraries keep what they have read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.cli.output import error_record
from pyglobus.core import errors, faults
from pyglobus.core.faults.verdict import FAULTS
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.sandbox.authority import Issued
from pyglobus.core.transfer import copy
from pyglobus.ffi.engine import engine
from pyglobus.ffi.errors import GlobusError, OperationCancelled
from pyglobus.ffi.ftp import FtpHandle, FtpOptions, Span
from tests.faults.case import (
    CASES,
    Case,
)
from tests.faults.lab import Lab
from tests.faults.played import closed_port


@pytest.fixture
def lab(grid: Sandbox, ada: Issued, spare: Any, served: Path, tmp_path: Path) -> Iterator[Lab]:
    with contextlib.ExitStack() as close:
        yield Lab(grid, ada, spare, served, tmp_path, close)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.make.__name__, marks=each.marks) for each in CASES])
def test_a_fault_is_recognised(case: Case, lab: Lab) -> None:
    record = case.make(lab)
    said = json.dumps(record, indent=1)
    assert (record["fault"], record["class"]) == (case.fault, case.kind.__name__), said
    assert record["exit_code"] == case.code, said
    why, hint = record["why"], record["hint"]
    assert hint, said
    for text in (why, hint):
        assert text.isprintable() and len(text) <= 300 and not re.search(r"globus_|GSS|OpenSSL|^\d{3}[ -]", text), said
    for words in case.words:
        assert re.search(words, why) or re.search(words, hint), said


@pytest.mark.parametrize(
    ("source", "destination", "end", "fault", "code"),
    [
        ("absent", "new", 0, "no-such-file", ExitCode.NOT_FOUND),
        ("file", "absent/new", 1, "no-such-file", ExitCode.CANNOT_CREATE),
        ("file", "closed", 1, "permission-denied", ExitCode.DENIED),
    ],
)
def test_the_end_that_failed_is_named(
    source: str, destination: str, end: int, fault: str, code: ExitCode, lab: Lab
) -> None:
    (lab.served / "closed").touch(0)
    urls = lab.ftp(source), lab.ftp(destination, lab.server(anonymous=True))
    with pytest.raises(GlobusError) as caught:
        handle = FtpHandle(engine(), version="0")
        handle.third_party(urls[0], FtpOptions(), urls[1], FtpOptions(), Span()).result(30)
    error = faults.explain(caught.value, what="cannot transfer", where=urls)
    assert (error.fault, error.where, code_of(error)) == (fault, urls[end], code)


@pytest.mark.parametrize("end", [0, 1])
def test_the_server_that_is_down_is_named(end: int, lab: Lab) -> None:
    urls = [lab.ftp(), lab.ftp("new")]
    urls[end] = f"ftp://localhost:{closed_port()}/file"
    with pytest.raises(errors.TransientError) as caught:
        copy(urls[0], urls[1])
    assert caught.value.where == urls[end]


def test_a_name_that_reads_like_an_error_is_no_error(lab: Lab) -> None:
    name = "System error in open: Permission denied"
    with pytest.raises(errors.NotFound) as caught:
        copy(lab.ftp(f"absent/{name}"), lab.copy)
    assert caught.value.fault == "no-such-file"


def test_a_password_is_not_told(lab: Lab) -> None:
    url = lab.spoken({"PASS": "530 Login incorrect."}).replace("ftp://", "ftp://ada:sesame@")
    with pytest.raises(errors.CredentialError) as caught:
        copy(url, lab.copy)
    record = json.dumps(error_record(caught.value, code_of(caught.value)))
    assert "ada@" in record
    assert "sesame" not in record


def test_the_chain_has_every_cause_on_a_line_of_its_own(lab: Lab) -> None:
    chain = lab.get(lab.tmp / "absent")["chain"]
    assert any(str(lab.tmp / "absent") in line for line in chain)
    assert all(line and "\n" not in line and "\r" not in line for line in chain)


def test_what_is_known_already_stays_as_it_is() -> None:
    error = errors.DataError("cannot", fault="short-file")
    assert faults.explain(error, what="cannot copy", where="here") is error


def test_a_cancelled_operation_and_a_deadline_are_told_apart() -> None:
    cancelled = faults.explain(OperationCancelled(), what="cannot copy", where="here")
    assert isinstance(cancelled, errors.Cancelled)
    late = faults.explain(TimeoutError(), what="cannot copy", where="here")
    assert (type(late), code_of(late)) == (errors.DeadlineExceeded, ExitCode.DEADLINE)


def test_a_pipe_without_reader_is_a_broken_pipe(lab: Lab) -> None:
    program = (
        "import os, sys; from pyglobus.core.transfer import copy\n"
        "try: copy(sys.argv[1], '-')\n"
        "except BrokenPipeError: os._exit(7)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([sys.executable, "-c", program, lab.ftp()], stdout=writing, timeout=60, check=False)
    finally:
        os.close(writing)
    assert done.returncode == 7


def test_a_bug_is_no_fault() -> None:
    with pytest.raises(KeyError):
        faults.explain(KeyError("bug"), what="cannot copy", where="here")


def test_nothing_is_loaded_before_something_goes_wrong() -> None:
    program = "import sys, pyglobus.core.transfer; assert not any('faults.' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("role", ["source", "destination", None])
def test_every_number_of_the_system_is_explained(role: faults.Role | None) -> None:
    for number in errno.errorcode:
        error = faults.explain(OSError(number, os.strerror(number)), what="cannot read", where="/a/path", role=role)
        assert error.errno == number
        assert error.why and error.hint
        assert error.fault != "unknown"
        assert code_of(error) not in (ExitCode.INTERNAL, ExitCode.FAILED)


def test_the_whole_table_is_tried() -> None:
    assert {fault.name for fault in FAULTS} == {case.fault for case in CASES}

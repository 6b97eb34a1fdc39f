# SPDX-License-Identifier: Apache-2.0
"""What programs read: every record that is printed is as the manual page says, and every one that it tells of comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pyglobus.cli.records import FAILURE, RECORDS, Record
from pyglobus.core.sandbox import Sandbox
from tests.misbehaving import Faults, Server

Copy = Callable[..., "subprocess.CompletedProcess[str]"]
FORMS: dict[str, Any] = {"text": str, "int": int, "number": (int, float), "bool": bool, "list": list}


def judge(record: dict[str, Any], wanted: Record) -> None:
    """Exactly these keys, each in its form."""
    assert wanted.keys.keys() - wanted.some <= record.keys() <= wanted.keys.keys()
    for key, value in record.items():
        form = wanted.keys[key]
        if value is None:
            assert form.endswith("?"), key
        else:
            assert isinstance(value, FORMS[form.rstrip("?")]), (key, value)
            assert isinstance(value, bool) == (form == "bool"), (key, value)


def judged(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The records of these lines, each of which must be one."""
    found = []
    for line in lines:
        record = json.loads(line)
        kind = record.pop("type")
        one = kind == "summary" and "files" not in record
        judge(record, RECORDS["file" if one else kind])
        for failure in record.get("failures", ()):
            judge(failure, RECORDS["error"])
        found.append({"type": kind, **record})
    return found


def kinds(records: list[dict[str, Any]]) -> list[str]:
    """Their types, but for progress, which comes when it takes long."""
    return [record["type"] for record in records if record["type"] != "progress"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "in").mkdir(parents=True)
    for name in ("a", "b", "in/c"):
        (source / name).write_bytes(os.urandom(1000))
    return source


def test_one_file(tree: Path, grid: Sandbox, served: Path, copy: Copy) -> None:
    done = copy("--format", "jsonl", "-verify-checksum", tree / "a", grid.gsiftp_url(served / "a"))
    records = judged(done.stdout.splitlines())
    assert kinds(records) == ["started", "summary"]
    assert records[1]["checksum_algorithm"] == "md5"
    judge({k: v for k, v in json.loads(copy("--format", "json", tree / "a", tree / "z").stdout).items() if k != "type"},
          RECORDS["file"])  # fmt: skip


def test_a_job(tree: Path, grid: Sandbox, served: Path, copy: Copy) -> None:
    words = ("-r", "-cd", "-sync", "--format", "jsonl", f"{tree}/", grid.gsiftp_url(served / "to") + "/")
    planned = judged(copy("--dry-run", *words).stdout.splitlines())
    assert kinds(planned) == ["copy", "copy", "copy", "plan", "summary"]
    records = judged(copy(*words).stdout.splitlines())
    assert sorted(kinds(records)) == ["file"] * 3 + ["plan"] + ["started"] * 3 + ["summary"]
    assert records[-1]["type"] == "summary"
    assert {(r["source"], r["destination"]) for r in planned if r["type"] == "copy"} == {
        (r["source"], r["destination"]) for r in records if r["type"] == "file"
    }
    begun: set[str] = set()
    for record in records:
        if record["type"] == "started":
            begun.add(record["destination"])
        elif record["type"] == "file":
            assert record["destination"] in begun
    (tree / "a").unlink()
    again = judged(copy("--delete", *words).stdout.splitlines())
    assert sorted(kinds(again)) == ["deleted", "plan", "skipped", "skipped", "summary"]
    assert not (served / "to" / "a").exists()


def test_progress_and_retry(tmp_path: Path, copy: Copy) -> None:
    """A server that waits is a transfer that shows progress; one that breaks off is one that is tried again."""
    with Server({"/f": bytes(100_000)}, Faults(send=broken, sends=1)) as server:
        words = ("-rst", "-rst-interval", "1", "--stats", "0.1s", "--format", "jsonl")
        done = copy(*words, server.url("/f"), tmp_path / "f")
    records = judged(done.stdout.splitlines())
    assert {"started", "retry", "progress", "summary"} <= {record["type"] for record in records}
    assert records[-1]["attempts"] == 2


def broken(content: bytes) -> Any:
    yield content[:1000]
    raise ConnectionError


def test_failures(tree: Path, grid: Sandbox, served: Path, copy: Copy, tmp_path: Path) -> None:
    """-c goes on, names each file with its cause, ends with 3; the report has a line for each."""
    (served / "to").mkdir()
    (served / "to").chmod(0o777)
    for name in ("a", "in"):
        (served / "to" / name).mkdir() if name == "a" else (served / "to" / name).write_bytes(b"")
    report = tmp_path / "report"
    report.write_text("of another time\n")
    target = grid.gsiftp_url(served / "to") + "/"
    done = copy("-r", "-c", "--format", "jsonl", "--fail-report", report, f"{tree}/", target, check=False)
    assert done.returncode == 3
    records = judged(done.stdout.splitlines())
    failed = [record for record in records if record["type"] == "failed"]
    assert {record["destination"].rstrip("/").rpartition("/to/")[2] for record in failed} == {"a", "in", "in/c"}
    assert (served / "to" / "b").read_bytes() == (tree / "b").read_bytes()
    (error,) = judged(line for line in done.stderr.splitlines() if line.startswith("{"))
    assert (error["type"], error["exit_code"], len(error["failures"])) == ("error", 3, 3)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    for line in lines:
        judge(line, FAILURE)
    assert [line["source"] for line in lines] == [record["source"] for record in failed]
    text = copy("-r", "-c", f"{tree}/", target, check=False)
    assert text.returncode == 3
    assert any("/to/a" in line for line in text.stderr.splitlines())
    assert any("/to/in" in line for line in text.stderr.splitlines())
    assert "3 of 3 files failed" in text.stderr


def test_report_is_empty_where_nothing_fails(tree: Path, tmp_path: Path, copy: Copy) -> None:
    copy("--fail-report", tmp_path / "report", tree / "a", tmp_path / "z")
    assert (tmp_path / "report").read_bytes() == b""
    done = copy("--fail-report", tmp_path / "no" / "report", tree / "a", tmp_path / "y", check=False)
    assert done.returncode == 73
    assert not (tmp_path / "y").exists()


def test_resumed(tree: Path, tmp_path: Path, copy: Copy) -> None:
    words = ("-r", "-cd", "--keep-journal", "--journal", tmp_path / "j", "--format", "jsonl", f"{tree}/")
    copy(*words, f"{tmp_path}/to/")
    records = judged(copy(*words, f"{tmp_path}/to/").stdout.splitlines())
    assert sorted(kinds(records)) == ["plan", "resumed", "skipped", "skipped", "skipped", "summary"]
    assert records[0]["type"] == "resumed"


def test_lifetime(tree: Path, grid: Sandbox, served: Path, copy: Copy) -> None:
    """Asked for before anything is done; local copies need no credential."""
    words = (tree / "a", grid.gsiftp_url(served / "a"))
    assert copy("--require-lifetime", "0:10", *words).returncode == 0
    (served / "a").unlink()
    done = copy("--require-lifetime", "9000:00", *words, check=False)
    assert done.returncode == 77
    assert "ends too soon" in done.stderr
    assert not (served / "a").exists()
    assert copy("--require-lifetime", "9000:00", tree / "a", tree / "d").returncode == 0
    assert copy("--require-lifetime", "1:75", *words, check=False).returncode == 2


def test_short_life_is_told(tree: Path, grid: Sandbox, served: Path, copy: Copy, tmp_path: Path) -> None:
    proxy = tmp_path / "proxy"
    keys = ["-cert", str(grid.user.certificate), "-key", str(grid.user.key)]
    making = [str(Path(sys.executable).with_name("proxy-init")), "-valid", "0:4", "-out", str(proxy), *keys]
    subprocess.run(making, env=grid.env, check=True, capture_output=True)
    target = grid.gsiftp_url(served / "to") + "/"
    done = copy("-r", "-cd", "-q", f"{tree}/", target, env={"X509_USER_PROXY": str(proxy)})
    assert "the credential ends in" in done.stderr
    assert "the credential ends in" not in copy("-r", "-cd", f"{tree}/", target).stderr


def test_life_against_the_size(grid: Sandbox, served: Path, copy: Copy, tmp_path: Path) -> None:
    """What no network brings over in that time is told of before a byte moves; a file of no size is told nothing of."""
    proxy = tmp_path / "proxy"
    keys = ["-cert", str(grid.user.certificate), "-key", str(grid.user.key)]
    making = [str(Path(sys.executable).with_name("proxy-init")), "-valid", "0:30", "-out", str(proxy), *keys]
    subprocess.run(making, env=grid.env, check=True, capture_output=True)
    sparse = tmp_path / "from" / "sparse"
    sparse.parent.mkdir()
    for size, warned in ((4 << 40, True), (1 << 40, False)):
        with sparse.open("wb") as file:
            file.truncate(size)
        words = "--dry-run", "-r", f"{sparse.parent}/", grid.gsiftp_url(served) + "/"
        said = copy(*words, env={"X509_USER_PROXY": str(proxy)}).stderr
        assert ("even at 10 Gbit/s" in said) == warned, said


def test_life_against_the_rate() -> None:
    """A rest that takes longer than the credential lives is told of once."""
    from pyglobus.cli.lifetime import Lifetime
    from pyglobus.cli.output import Output
    from pyglobus.core.options import Options

    said: list[str] = []
    output = Output("copy")
    lifetime = Lifetime(output, Options(), secure=True)
    with pytest.MonkeyPatch.context() as patch:
        from pyglobus.core import credential

        soon = credential.Credential("/proxy", "/CN=a", "/CN=a", time.time() + 3600)
        patch.setattr(output, "warning", said.append)
        patch.setattr(credential, "inspect", lambda path=None: soon)
        lifetime.update(10, 100, 1.0)  # too early to tell
        lifetime.update(50, 100, 100.0)
        lifetime.update(50, None, 1e6)
        assert said == []
        for _ in range(2):
            lifetime.update(1, 1000, 10.0)
    assert len(said) == 1
    assert "takes 2h46m at this rate" in said[0]

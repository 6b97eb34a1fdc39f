# SPDX-License-Identifier: Apache-2.0
"""What commands show: sizes and times, the three formats, progress for terminals, logs and programs."""

from __future__ import annotations

import json
import os
import re
import sys

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyglobus.cli import units
from pyglobus.cli.output import Output, columns
from pyglobus.cli.progress import Files, Meter, Progress, ends

SIZES = st.integers(0, 2**62)


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            *[("0", 0), ("512", 512), ("512K", 2**19), ("4k", 4096), ("4M", 2**22), ("1g", 2**30), ("2T", 2**41)],
            *[("4KB", 4096), ("4KiB", 4096), ("4b", 4), ("4B", 4), ("007", 7)],
        ],
    )
    def test_parsed(self, text: str, size: int) -> None:
        assert units.parse_size(text) == size

    @pytest.mark.parametrize(
        "text", ["", " 4", "4 K", "-1", "+5", "0x10", "4x", "4Mfoo", "1.5M", "1e3", "٣", "9" * 5000]
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a size"):
            units.parse_size(text)

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            assert units.parse_size(text) >= 0
        except ValueError as error:
            assert "is not a size" in str(error)

    @given(SIZES, st.sampled_from(["K", "M", "G", "T"]))
    def test_suffixes_are_powers_of_1024(self, size: int, unit: str) -> None:
        assert units.parse_size(f"{size % 2**20}{unit}") == size % 2**20 * 1024 ** ("KMGT".index(unit) + 1)

    @given(SIZES)
    def test_written(self, size: int) -> None:
        number, unit = units.format_size(size).split()
        scale = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
        assert abs(float(number) * scale - size) <= 0.006 * size
        assert len(number) <= 4
        assert unit == "B" or unit == "PiB" or float(number) >= 1

    def test_written_at_the_edges(self) -> None:
        shown = [units.format_size(n) for n in (0, 1023, 1024, 1024**2 - 1, 1024**2, 2 * 1024**3)]
        assert shown == ["0 B", "1023 B", "1.00 KiB", "1.00 MiB", "1.00 MiB", "2.00 GiB"]
        assert units.format_rate(1536) == "1.50 KiB/s"


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("90", 90),
            ("1.5", 1.5),
            ("30s", 30),
            ("5m", 300),
            ("2h", 7200),
            ("1d", 86400),
            ("1h30m", 5400),
            ("250ms", 0.25),
        ],
    )
    def test_parsed(self, text: str, seconds: float) -> None:
        assert units.parse_duration(text) == pytest.approx(seconds)

    @pytest.mark.parametrize("text", ["", "-1", "5 m", "m", "5w", "1h30", "nan", "inf", "1e3", "1" * 400 + "h"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a time"):
            units.parse_duration(text)

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            assert units.parse_duration(text) >= 0
        except ValueError as error:
            assert "is not a time" in str(error)

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            *[(0, "0 s"), (0.25, "0.25 s"), (4.21, "4.2 s"), (59.4, "59 s"), (59.9, "1m00s"), (307, "5m07s")],
            *[(7500, "2h05m"), (86400 * 3 + 3600 * 4, "3d04h")],
        ],
    )
    def test_written(self, seconds: float, text: str) -> None:
        assert units.format_duration(seconds) == text

    @given(st.integers(60, 10**7))
    def test_what_is_written_can_be_read(self, seconds: int) -> None:
        shown = units.format_duration(seconds)
        smallest = {"s": 1, "m": 60, "h": 3600}[shown[-1]]
        assert 0 <= seconds - units.parse_duration(shown) < smallest


def shown_by(kind: str, capfd: pytest.CaptureFixture[str]) -> tuple[str, str]:
    output = Output("p")
    output.format = kind
    output.event("step", {"name": "a\nb"}, "step a")
    output.note("by the way")
    output.result("done", {"count": 1}, lambda: "1 done")
    output.flush()
    shown = capfd.readouterr()
    return shown.out, shown.err


class TestFormats:
    def test_text(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert shown_by("text", capfd) == ("step a\n1 done\n", "p: by the way\n")

    def test_json_is_one_document(self, capfd: pytest.CaptureFixture[str]) -> None:
        out, err = shown_by("json", capfd)
        assert (json.loads(out), err) == ({"type": "done", "count": 1}, "")

    def test_jsonl_is_a_line_for_each(self, capfd: pytest.CaptureFixture[str]) -> None:
        out, err = shown_by("jsonl", capfd)
        records = [json.loads(line) for line in out.splitlines()]
        assert (records, err) == ([{"type": "step", "name": "a\nb"}, {"type": "done", "count": 1}], "")

    def test_quiet_and_details(self, capfd: pytest.CaptureFixture[str]) -> None:
        output = Output("p")
        output.detail("hidden")
        output.quiet = True
        output.note("hidden")
        output.verbosity = 2
        output.detail("how")
        assert capfd.readouterr().err == "p: how\n"

    def test_columns(self) -> None:
        assert columns([("a", "b"), ("long", "")]) == "a     b\nlong"


class TestMeter:
    def test_rate_and_remaining(self) -> None:
        meter = Meter(1000, 0.0)
        assert (meter.rate, meter.remaining, meter.fraction) == (0.0, None, 0.0)
        for second in range(1, 6):
            meter.update(second * 100, float(second))
        assert (meter.rate, meter.remaining, meter.fraction, meter.elapsed) == (100.0, 5.0, 0.5, 5.0)

    def test_the_rate_is_recent(self) -> None:
        meter = Meter(None, 0.0)
        meter.update(10**9, 1.0)
        for second in range(2, 20):
            meter.update(10**9, float(second))
        assert (meter.rate, meter.remaining, meter.fraction) == (0.0, None, None)

    def test_a_restart_begins_anew(self) -> None:
        meter = Meter(100, 0.0)
        meter.update(80, 1.0)
        meter.update(20, 2.0)
        assert (meter.done, meter.rate) == (20, 0.0)
        meter.update(30, 3.0)
        assert meter.rate == 10.0

    @given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 2**50))), st.none() | st.integers(0, 2**50))
    def test_no_sequence_confuses_it(self, steps: list[tuple[float, int]], total: int | None) -> None:
        meter = Meter(total, 0.0)
        now = 0.0
        for pause, done in steps:
            now += pause
            meter.update(done, now)
            assert meter.rate >= 0
            assert meter.fraction is None or 0 <= meter.fraction <= 1
            assert meter.remaining is None or meter.remaining >= 0
            assert meter.text()
        json.dumps(meter.record())

    @given(st.text(min_size=1), st.text(min_size=1), st.integers(6, 200))
    def test_both_ends_fit(self, source: str, destination: str, width: int) -> None:
        shown = ends(source, destination, width)
        assert len(shown) <= width
        assert " -> " in shown
        if len(source) + len(destination) + 4 <= width:
            assert shown == f"{source} -> {destination}"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fed(output: Output, stats: float | None, seconds: int) -> None:
    clock = Clock()
    with Progress(output, stats=stats, clock=clock) as progress:
        progress.start(100 * seconds, "gsiftp://host/a", "/tmp/a")
        for tick in range(seconds * 10):
            clock.now += 0.1
            progress.update(tick * 10)
    output.flush()


class TestProgress:
    def test_lines_without_a_terminal(self, capfd: pytest.CaptureFixture[str]) -> None:
        fed(Output("p"), 30.0, 100)
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 3
        assert re.fullmatch(
            r"30 s: 2\.9\d KiB of 9\.77 KiB, 30%, 100 B/s, 1m10s left: gsiftp://host/a -> /tmp/a", lines[0]
        )

    def test_numbers_of_files(self, capfd: pytest.CaptureFixture[str]) -> None:
        for form in ("text", "jsonl"):
            output, clock = Output("p"), Clock()
            output.format = form
            with Progress(output, stats=1.0, clock=clock) as progress:
                progress.start(None, "a/", "b/")
                clock.now = 2.0
                progress.update(10, 100, Files(3, 7, planned=False, failed=1))
            output.flush()
        shown = capfd.readouterr()
        assert shown.err == "2.0 s: 10 B of 100 B, 10%, 5 B/s, 18 s left, 3 of 7+ files, 1 failed: a/ -> b/\n"
        record = json.loads(shown.out)
        assert (record["done"], record["files"], record["failed"]) == (3, 7, 1)

    def test_nothing_without_a_terminal_unless_asked(self, capfd: pytest.CaptureFixture[str]) -> None:
        fed(Output("p"), None, 100)
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("how", ["quiet", "json"])
    def test_nothing_for_quiet_and_json(self, capfd: pytest.CaptureFixture[str], how: str) -> None:
        output = Output("p")
        output.quiet = how == "quiet"
        output.format = "json" if how == "json" else "text"
        fed(output, 1.0, 100)
        assert capfd.readouterr() == ("", "")

    def test_records(self, capfd: pytest.CaptureFixture[str]) -> None:
        output = Output("p")
        output.format = "jsonl"
        fed(output, None, 5)
        records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        assert {record["type"] for record in records} == {"progress"}
        assert 4 <= len(records) <= 5
        assert set(records[0]) == {"type", "source", "destination", "bytes", "total", "seconds", "rate", "remaining"}
        assert records[-1]["total"] == 500


LIVE = """
import sys, time
from pyglobus.cli import main, signals
from pyglobus.cli.command import Output, command
from pyglobus.cli.progress import Files, Progress
from pyglobus.core import errors

@command("p", summary="p", formats=("text", "json", "jsonl"))
def p(*, output: Output) -> None:
    done, stop = 0, []
    with signals.cancelling(lambda: stop.append(True)), Progress(output) as progress:
        progress.start(10**8, "gsiftp://dtn.example.org:2811/data/input/file.root", "/home/user/file.root")
        while done < 10**8:
            time.sleep(0.02)
            if stop:
                raise errors.Cancelled("cancelled")
            done += 2 * 10**6
            files = None
            if MANY:
                moving = [(f"gsiftp://host/part {n}", done // 50, 10**7) for n in range(done // 10**7)]
                files = Files(done // 10**7, 11, done > 5 * 10**7, 1, [*moving, ("gsiftp://host/small\\x07", None, 9)])
            progress.update(done, files=files)
            if done == 6 * 10**7:
                output.note("half way")
    output.line("copied")

sys.exit(main.run(lambda: p, "p", sys.argv[1:]))
"""
ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


def screen_of(raw: str) -> list[str]:
    """What a terminal shows after ``raw``: enough of one for carriage returns, line feeds, cursor up and erase line."""
    lines, row, column = [""], 0, 0
    position = 0
    while position < len(raw):
        if found := ESCAPE.match(raw, position):
            count = int(found[1]) if found[1].isdigit() else 1
            if found[2] == "A":
                row -= count
                assert row >= 0, "moved above its own lines"
            elif found[2] == "K":
                assert found[1] == "2"
                lines[row] = ""
            else:
                assert found[2] in "mhl"
            position = found.end()
            continue
        character = raw[position]
        position += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        else:
            lines[row] = lines[row].ljust(column)[:column] + character + lines[row][column + 1 :]
            column += 1
    return lines


def watch(
    *arguments: str, width: int = 80, height: int = 24, env: dict[str, str] | None = None, many: bool = False
) -> pexpect.spawn[str]:
    environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
    return pexpect.spawn(
        sys.executable,
        ["-c", LIVE.replace("MANY", str(many)), *arguments],
        dimensions=(height, width),
        env=environment,
        encoding="utf-8",
        timeout=20,
    )


class TestLiveProgress:
    @pytest.mark.parametrize("width", [100, 80, 40, 20])
    def test_names_both_ends_and_leaves_nothing(self, width: int) -> None:
        child = watch(width=width)
        raw = child.read()
        child.close()
        assert child.exitstatus == 0
        plain = ESCAPE.sub("", raw)
        assert "%" in plain
        assert " -> " in plain
        assert "half way" in raw
        if width >= 100:
            assert "gsiftp://dtn.example.org:2811/data/input/file.root -> /home/user/file.root" in plain
            assert "left" in plain
            assert "MiB/s" in plain
        assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= width
        assert [line for line in screen_of(raw) if line] == ["p: half way", "copied"]
        assert raw.rfind("\x1b[?25h") > raw.rfind("\x1b[?25l")

    @pytest.mark.parametrize(("width", "height", "named"), [(100, 24, 8), (40, 24, 8), (100, 8, 4), (100, 4, 0)])
    def test_files_under_way(self, width: int, height: int, named: int) -> None:
        """As many as there is room for, none wider than the terminal, and nothing of them afterwards."""
        child = watch(width=width, height=height, many=True)
        raw = child.read()
        child.close()
        assert child.exitstatus == 0
        plain = ESCAPE.sub("", raw)
        assert {int(number) for number in re.findall(r"part (\d)", plain)} == set(range(named))
        assert bool(re.search(r"\d% of 9\.54 MiB", plain)) is bool(named)
        assert ("small" in plain) is bool(named) and "\x07" not in plain
        assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= width
        if width >= 100:
            assert re.search(r"\d of 11\+ files, 1 failed", plain) and re.search(r"\d of 11 files", plain)
        assert [line for line in screen_of(raw) if line] == ["p: half way", "copied"]

    def test_the_cursor_is_never_left_hidden(self) -> None:
        child = watch()
        child.expect("MiB/s")
        child.kill(9)
        raw = str(child.before) + str(child.after) + child.read()
        child.close()
        assert raw.rfind("\x1b[?25h") > raw.rfind("\x1b[?25l")

    def test_interrupted(self) -> None:
        child = watch()
        child.expect("MiB/s")
        seen = str(child.before) + str(child.after)
        child.sendintr()
        seen += child.read()
        child.close()
        assert child.signalstatus == 2
        assert [line for line in screen_of(seen.replace("^C", "")) if line] == ["p: cancelled by SIGINT"]

    def test_no_colour(self) -> None:
        child = watch(env={"NO_COLOR": "1"})
        assert "\x1b[36m" not in child.read()
        child.close()
        coloured = watch()
        assert "\x1b[36m" in coloured.read()
        coloured.close()

    @pytest.mark.parametrize("arguments", [["-q"], ["--format", "json"], ["--format", "jsonl"]])
    def test_no_display(self, arguments: list[str]) -> None:
        child = watch(*arguments)
        raw = child.read()
        child.close()
        assert "\x1b" not in raw
        assert child.exitstatus == 0

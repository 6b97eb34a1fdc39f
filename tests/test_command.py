# SPDX-License-Identifier: Apache-2.0
"""The framework of commands: how words are read, how errors are told, how a process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pexpect
import pytest

from pyglobus.cli import main, words
from pyglobus.cli.command import BETTER, SAME, Group, Option, Output, argument, command, option
from pyglobus.cli.exits import ExitCode
from pyglobus.cli.output import printable
from pyglobus.cli.values import DURATION, POSITIVE, SIZE
from pyglobus.core import errors

Seen = dict[str, Any]
Run = Callable[..., int]


def copy_command(act: Callable[[Output, Seen], int | None]) -> click.Command:
    """A command with the options of globus-url-copy that are hard to read."""

    @command(
        "copy",
        summary="copy",
        drop_in="globus-url-copy",
        c_common=("-v", "-verbose", "-q", "-quiet"),
        formats=("text", "json", "jsonl"),
    )
    @argument("source", metavar="SOURCE", help="from")
    @argument("destination", metavar="DEST", help="to")
    @option(
        "-p", "-parallel", "--parallel", type=POSITIVE, metavar="N", section="Channels", parity=SAME, help="streams"
    )
    @option(
        "-tcp-bs", "-tcp-buffer-size", "--tcp-buffer-size", type=SIZE, metavar="SIZE", section="Channels", parity=SAME
    )
    @option("-vb", "-verbose-perf", "--performance", is_flag=True, section="Seen", parity=BETTER, remark="often")
    @option("-cc", "-concurrency", "--concurrency", type=POSITIVE, section="Channels", parity=SAME)
    @option("-c", "-continue-on-error", "--continue", "go_on", is_flag=True, parity=SAME)
    @option("-s", "-subject", "--subject", metavar="DN", parity=SAME)
    @option("--timeout", type=DURATION)
    @option("--range", "range_", type=int, nargs=2)
    @option("-af", "--alias", multiple=True, parity=SAME)
    def copy(*, output: Output, **given: Any) -> int | None:
        """Copy."""
        return act(output, given)

    return copy


def note(seen: Seen) -> Callable[[Output, Seen], None]:
    return lambda output, given: seen.update(given, output=output)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process as the entry points do, but leave the signals to the test."""
    monkeypatch.setattr("pyglobus.cli.signals.install", lambda: None)

    def run_it(act: Callable[[Output, Seen], int | None] | Seen, *arguments: str) -> int:
        chosen = note(act) if isinstance(act, dict) else act
        return main.run(lambda: copy_command(chosen), "pyglobus-copy", arguments)

    return run_it


class TestWords:
    def parse(self, run: Run, *arguments: str) -> Seen:
        seen: Seen = {}
        assert run(seen, *arguments) == 0
        return seen

    @pytest.mark.parametrize("spelling", ["-p", "-parallel", "--parallel"])
    def test_each_spelling(self, run: Run, spelling: str) -> None:
        assert self.parse(run, spelling, "4", "a", "b")["parallel"] == 4

    def test_options_after_arguments(self, run: Run) -> None:
        seen = self.parse(run, "a", "-vb", "b", "-tcp-bs", "4M")
        assert (seen["source"], seen["destination"], seen["performance"]) == ("a", "b", True)
        assert seen["tcp_buffer_size"] == 4 * 1024 * 1024

    def test_equals_sign(self, run: Run) -> None:
        seen = self.parse(run, "--subject=/O=Grid/CN=x", "--timeout=1h30m", "a", "b")
        assert (seen["subject"], seen["timeout"]) == ("/O=Grid/CN=x", 5400.0)

    def test_a_value_is_always_the_next_word(self, run: Run) -> None:
        assert self.parse(run, "-s", "-vb", "a", "b") | {"output": None} == {
            **dict.fromkeys(("parallel", "tcp_buffer_size", "concurrency", "timeout", "range_", "output")),
            "source": "a",
            "destination": "b",
            "performance": False,
            "go_on": False,
            "subject": "-vb",
            "alias": (),
        }
        assert self.parse(run, "-s", "--", "a", "b")["subject"] == "--"

    def test_two_dashes_end_options(self, run: Run) -> None:
        seen = self.parse(run, "--", "-vb", "--")
        assert (seen["source"], seen["destination"], seen["performance"]) == ("-vb", "--", False)

    def test_one_dash_is_an_argument(self, run: Run) -> None:
        assert self.parse(run, "-", "file:///b")["source"] == "-"

    def test_clusters_are_never_read(self, run: Run) -> None:
        seen = self.parse(run, "-vb", "a", "b")
        assert (seen["performance"], seen["output"].verbosity) == (True, 0)

    def test_verbosity(self, run: Run) -> None:
        levels = {("-v",): 1, ("-verbose", "-v"): 2, ("-vv",): 2, ("-vv", "-v"): 3, (): 0}
        for given, level in levels.items():
            assert self.parse(run, *given, "a", "b")["output"].verbosity == level

    def test_several_values(self, run: Run) -> None:
        seen = self.parse(run, "--range", "-1", "2", "-af", "x", "-af", "-y", "a", "b")
        assert (seen["range_"], seen["alias"]) == ((-1, 2), ("x", "-y"))

    @pytest.mark.parametrize(
        ("wrong", "meant"),
        [
            ("-tcpbs", "-tcp-bs"),
            ("--paralel", "--parallel"),
            ("-paralel", "-parallel"),
            ("-p4", "-p 4"),
            ("-p=4", "-p 4"),
            ("-tcp-bs=4M", "-tcp-bs 4M"),
            ("-tcp-bs4M", "-tcp-bs 4M"),
            ("--cc", "-cc"),
            ("-timeout", "--timeout"),
            ("--frmat", "--format"),
            ("-vbb", "-vb"),
        ],
    )
    def test_did_you_mean(self, run: Run, capfd: pytest.CaptureFixture[str], wrong: str, meant: str) -> None:
        assert run({}, wrong, "a", "b") == 2
        shown = capfd.readouterr()
        assert shown.out == ""
        assert shown.err.splitlines() == [
            f"pyglobus-copy: no such option {wrong} (did you mean {meant}?)",
            "hint: pyglobus-copy --help lists the options",
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-x", "a", "b"], "no such option -x"),
            (["--zzzzzz=1", "a", "b"], "no such option --zzzzzz"),
            (["a", "b", "-p"], "option -p needs a value"),
            (["--range", "1"], "option --range needs 2 values"),
            (["--performance=1", "a", "b"], "option --performance takes no value"),
            (["-p", "0", "a", "b"], "invalid value: -p: 0 is less than 1"),
            (["--parallel", "four", "a", "b"], "invalid value: --parallel: 'four' is not a whole number"),
            (["-tcp-bs", "4x", "a", "b"], "invalid value: -tcp-bs: '4x' is not a size such as 65536, 512K, 4M or 1G"),
            (
                ["--timeout", "soon", "a", "b"],
                "invalid value: --timeout: 'soon' is not a time such as 30s, 5m, 2h or 1h30m",
            ),
            (["--format", "xml", "a", "b"], "invalid value: --format: 'xml' is not one of 'text', 'json', 'jsonl'"),
            (["a"], "missing DEST"),
            (["a", "b", "c"], "unexpected extra argument (c)"),
        ],
    )
    def test_usage_errors(
        self, run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
    ) -> None:
        assert run({}, *arguments) == ExitCode.USAGE
        lines = capfd.readouterr().err.splitlines()
        assert lines[0] == f"pyglobus-copy: {message}"
        assert len(lines) == 2
        assert lines[1].startswith("hint: ")

    def test_typographic_dash(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        assert run({}, "–p", "4", "a", "b") == 2
        assert "hint: –p begins with a typographic dash: write -p\n" in capfd.readouterr().err

    def test_words_of_another_command_are_left_alone(self) -> None:
        spellings = words.Spellings([Option(["-v"], is_flag=True)])
        found, _ = words.sort(["-v", "ls", "-v", "--", "-x"], spellings, interspersed=False)
        assert found == ["-v", "--", "ls", "-v", "--", "-x"]


class TestErrors:
    def fail(self, error: BaseException) -> Callable[[Output, Seen], None]:
        def act(_output: Output, _given: Seen) -> None:
            raise error

        return act

    def test_one_line_and_a_hint(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        error = errors.CredentialError(
            "cannot copy", where="gsiftp://h/x", why="the proxy is gone", hint="run proxy-init"
        )
        assert run(self.fail(error), "a", "b") == ExitCode.DENIED
        assert (
            capfd.readouterr().err
            == "pyglobus-copy: cannot copy: gsiftp://h/x: the proxy is gone\nhint: run proxy-init\n"
        )

    @pytest.mark.parametrize("more", ["-vv", "--debug"])
    def test_chain(self, run: Run, capfd: pytest.CaptureFixture[str], more: str) -> None:
        error = errors.TransientError("cannot copy", why="refused", chain=["globus_xio: open", "refused\r\n"])
        assert run(self.fail(error), "a", "b") == ExitCode.TRY_LATER
        assert "globus_xio" not in capfd.readouterr().err
        assert run(self.fail(error), "a", "b", more) == ExitCode.TRY_LATER
        shown = capfd.readouterr().err
        assert shown.endswith("pyglobus-copy: cannot copy: refused\n  globus_xio: open\n  refused\n")
        assert ("Traceback" in shown) == (more == "--debug")

    def test_what_servers_say_is_harmless(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        error = errors.Unsupported("cannot\x1b[2J copy", why="550-no\r\n550 \x07\x9b31m end\u202e\udcff", hint="a\nb")
        assert run(self.fail(error), "a", "b") == ExitCode.UNSUPPORTED
        assert capfd.readouterr().err.splitlines() == [
            r"pyglobus-copy: cannot\x1b[2J copy: 550-no 550 \x07\x9b31m end\u202e\xff",
            "hint: a b",
        ]

    @pytest.mark.parametrize("kind", ["json", "jsonl"])
    def test_json(self, run: Run, capfd: pytest.CaptureFixture[str], kind: str) -> None:
        error = errors.NotFound(
            "cannot copy", where="x", why="gone", hint="look", chain=["one"], ftp_code=550, errno=2, fault="not-found"
        )
        assert run(self.fail(error), "a", "b", "--format", kind) == ExitCode.NOT_FOUND
        shown = capfd.readouterr()
        assert shown.out == ""
        assert json.loads(shown.err.splitlines()[-1]) == {
            "type": "error",
            "message": "cannot copy: x: gone",
            "what": "cannot copy",
            "where": "x",
            "why": "gone",
            "hint": "look",
            "fault": "not-found",
            "exit_code": 66,
            "ftp_code": 550,
            "errno": 2,
            "chain": ["one"],
        }

    def test_json_of_several_failures(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        failures = [errors.NotFound("one"), errors.AccessDenied("two")]
        error = errors.PartlyDone("2 of 3 failed", failures=failures)
        assert run(self.fail(error), "a", "b", "--format=json") == ExitCode.PARTLY
        record = json.loads(capfd.readouterr().err.splitlines()[-1])
        assert [(f["what"], f["exit_code"]) for f in record["failures"]] == [("one", 66), ("two", 77)]

    @pytest.mark.parametrize("arguments", [["--format", "json", "--bogus"], ["--bogus", "--format=jsonl"]])
    def test_json_of_a_usage_error(self, run: Run, capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        assert run({}, *arguments) == 2
        record = json.loads(capfd.readouterr().err.splitlines()[-1])
        assert (record["what"], record["exit_code"]) == ("no such option --bogus", 2)

    def test_our_own_bug(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        assert run(self.fail(ZeroDivisionError("oops")), "a", "b") == ExitCode.INTERNAL
        lines = capfd.readouterr().err.splitlines()
        assert lines[0] == "pyglobus-copy: internal error: ZeroDivisionError: oops"
        assert lines[1].startswith("hint: ")
        assert "report" in lines[1]
        assert len(lines) == 2
        assert run(self.fail(ZeroDivisionError("oops")), "a", "b", "--debug") == ExitCode.INTERNAL
        assert "Traceback (most recent call last)" in capfd.readouterr().err

    def test_exit_code_of_a_command(self, run: Run) -> None:
        assert run(lambda _output, _given: ExitCode.PARTLY, "a", "b") == 3
        assert run(lambda _output, _given: None, "a", "b") == 0

    def test_printable(self) -> None:
        assert printable("a\tb\r\n c") == "a b c"
        assert printable("naïve ☃") == "naïve ☃"


class TestHelp:
    def test_help(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        for spelling in ("-h", "-help", "--help"):
            assert run({}, spelling) == 0
            shown = capfd.readouterr()
            assert shown.err == ""
            assert "Usage: pyglobus-copy [OPTIONS] SOURCE DEST" in shown.out
            assert max(map(len, shown.out.splitlines())) <= 80
        for heading in ("Arguments:", "Channels:", "Seen:", "General options:"):
            assert f"\n{heading}\n" in shown.out
        assert "  -p, --parallel N" in shown.out

    def test_usage(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        assert run({}, "-usage") == 0
        assert capfd.readouterr().out == "Usage: pyglobus-copy [OPTIONS] SOURCE DEST\n"

    def test_version(self, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
        from pyglobus.core.version import __version__

        assert run({}, "-version") == 0
        assert capfd.readouterr().out == f"pyglobus-copy: {__version__}\n"

    def test_spellings_that_a_command_uses_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: Seen = {}

        @command("info", summary="info", drop_in="grid-proxy-info")
        @option("-v", "-valid", "--valid", metavar="H:M", parity=SAME)
        @option("-h", "-hours", "--hours", parity=SAME)
        def info(*, output: Output, valid: str, hours: str) -> None:
            seen.update(valid=valid, hours=hours, verbosity=output.verbosity)

        monkeypatch.setattr("pyglobus.cli.signals.install", lambda: None)
        assert main.run(lambda: info, "info", ["-v", "1:0", "-h", "3", "--verbose"]) == 0
        assert seen == {"valid": "1:0", "hours": "3", "verbosity": 1}
        assert main.run(lambda: info, "info", ["-vv"]) == 0
        assert seen["verbosity"] == 2

    def test_group(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        box = Group("box", summary="a box", help="A box.")
        ran: list[tuple[str, ...]] = []

        @box.verb("open", summary="open the box", interspersed=False)
        @argument("words", nargs=-1, help="all of it")
        def open_(*, output: Output, words: tuple[str, ...]) -> int:
            ran.append((output.command, *words))
            return 5

        monkeypatch.setattr("pyglobus.cli.signals.install", lambda: None)
        assert main.run(lambda: box, "pyglobus box", ["open", "ls", "--help", "-v"]) == 5
        assert ran == [("pyglobus box open", "ls", "--help", "-v")]
        assert main.run(lambda: box, "pyglobus box", []) == 0
        assert "  open  open the box\n" in capfd.readouterr().out
        assert main.run(lambda: box, "pyglobus box", ["opne"]) == 2
        assert "no such command opne (did you mean open?)" in capfd.readouterr().err
        assert main.run(lambda: box, "pyglobus box", ["--hlep"]) == 2
        assert "no such option --hlep (did you mean --help?)" in capfd.readouterr().err


PROGRAM = """
import os, queue, sys, threading, time
from pyglobus.cli import main, signals
from pyglobus.cli.command import Output, argument, command, option
from pyglobus.cli.progress import Progress
from pyglobus.core import errors

@command("p", summary="p", formats=("text", "json", "jsonl"))
def p(*, output: Output) -> None:
{body}

sys.exit(main.run(lambda: p, "p", sys.argv[1:]))
"""


def program(body: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    "))]


CANCELLED_CLEANLY = """
    stop = queue.SimpleQueue()  # what a signal handler may use at any moment; an Event waits for itself then
    try:
        with signals.cancelling(lambda: stop.put(None)):
            print("ready", flush=True)
            stop.get()
            raise errors.Cancelled("cancelled")
    finally:
        print("cleaned", flush=True)
"""
NOTHING_TO_CANCEL = """
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned", flush=True)
"""
DONE_ANYWAY = """
    stop = queue.SimpleQueue()
    with signals.cancelling(lambda: stop.put(None)):
        print("ready", flush=True)
        stop.get()
    print("cleaned", flush=True)
"""


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    @pytest.mark.parametrize("body", [CANCELLED_CLEANLY, NOTHING_TO_CANCEL, DONE_ANYWAY])
    def test_dies_by_the_signal_after_cleaning(self, number: signal.Signals, body: str) -> None:
        with subprocess.Popen(program(body), stdout=-1, stderr=-1, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.readline() == "cleaned\n"
            told = process.stderr.read()
            assert process.wait() == -number
        assert told == ("" if body is DONE_ANYWAY else f"p: cancelled by {number.name}\n")

    def test_the_last_json_line(self) -> None:
        with subprocess.Popen([*program(NOTHING_TO_CANCEL), "--format", "jsonl"], stdout=-1, stderr=-1, text=True) as p:
            assert p.stdout is not None
            assert p.stderr is not None
            assert p.stdout.readline() == "ready\n"
            p.send_signal(signal.SIGTERM)
            record = json.loads(p.stderr.read().splitlines()[-1])
        assert (record["type"], record["exit_code"]) == ("error", ExitCode.SIGTERM)

    def test_a_second_signal_ends_at_once(self) -> None:
        body = """
            with signals.cancelling(lambda: os.write(1, b"cancelling\\n")):  # print is not for signal handlers
                print("ready", flush=True)
                while True:
                    time.sleep(60)
        """
        with subprocess.Popen(program(body), stdout=-1, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "cancelling\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait() == -signal.SIGTERM

    def test_an_ignored_signal_stays_ignored(self) -> None:
        body = """
            print("ready", flush=True)
            sys.stdin.readline()
            print("went on", flush=True)
        """
        ignoring = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
        with subprocess.Popen(program(body), stdin=-1, stdout=-1, text=True, preexec_fn=ignoring) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "went on\n"
            assert process.wait() == 0


class TestStreams:
    def test_closed_pipe_is_silent(self) -> None:
        body = """
            while True:
                output.line("y" * 1000)
        """
        with subprocess.Popen(program(body), stdout=-1, stderr=-1, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline().startswith("y")
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait() == -signal.SIGPIPE

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    @pytest.mark.parametrize("body", ["output.line('y')", "output.line('y' * 100000)"])
    def test_full_disk(self, body: str) -> None:
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(program(body), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert ended.stderr == "p: cannot write to standard output: No space left on device\n"
        assert ended.returncode == ExitCode.DATA

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    @pytest.mark.parametrize(("body", "status"), [("pass", 0), ("raise errors.NotFound('y')", ExitCode.NOT_FOUND)])
    def test_full_disk_for_messages(self, body: str, status: int) -> None:
        """A log that takes no more changes neither the result nor the status."""
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                program(f"output.note('x')\noutput.line('first')\n{body}"),
                stdout=subprocess.PIPE,
                stderr=full,
                text=True,
                check=False,
            )
        assert (ended.returncode, ended.stdout) == (status, "first\n")

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
    def test_any_name_can_be_shown(self, locale: str) -> None:
        environment = {**os.environ, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        body = r"output.line('a\udcffb\u20ac')"
        ended = subprocess.run(program(body), env=environment, capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert ended.stdout == (b"a\xffb\xe2\x82\xac\n" if locale == "C.UTF-8" else b"a\xffb?\n")


def test_a_hint_is_plain_on_a_terminal() -> None:
    program = str(Path(sys.executable).with_name("pyglobus"))
    child = pexpect.spawn(program, ["xio", "cat"], encoding="utf-8", timeout=60, env={**os.environ, "TERM": "xterm"})
    child.expect_exact("hint: usage: pyglobus xio cat [OPTIONS] ADDRESS")
    child.expect(pexpect.EOF)


# Limits of the machine ------------------------------------------------------------------------------------------------


LIMITED = """
import resource, sys, threading
import click
from pyglobus.cli import deferred, main, output, tree
from pyglobus.core import errors

def refuse(thread):
    raise RuntimeError("can't start new thread")

command = tree.load("url-copy", None)
if sys.argv[1] == "files":
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
else:
    threading.Thread.start = refuse
sys.exit(main.run(lambda: command, "pyglobus-url-copy", ["ftp://localhost:1/file", "-"]))
"""


@pytest.mark.parametrize(
    ("what", "why", "limit"),
    [("files", "Too many open files", "ulimit -n"), ("threads", "Resource temporarily unavailable", "ulimit -u")],
)
def test_a_limit_of_the_machine_is_no_bug(what: str, why: str, limit: str) -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED, what], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (ExitCode.TRY_LATER, ""), ended.stderr
    told, hint = ended.stderr.splitlines()
    assert why in told
    assert hint.startswith("hint: let this") and limit in hint


def test_what_an_option_tells_before_click_makes_it() -> None:
    """Names, spellings and the value while unused, of every option of the tree, are what click finds out later."""
    program = """
        import click
        from pyglobus.cli.option import UNKNOWN, Option
        from pyglobus.cli.tree import TREE, load

        commands = [load(name) for name in TREE]
        commands += [verb for noun in commands if isinstance(noun, click.Group) for verb in noun.commands.values()]
        options = {id(param): param for one in commands for param in one.params if isinstance(param, Option)}.values()
        known = 0
        for param in options:
            said = param.name, param.opts, param.secondary_opts, param.expose_value
            assert "_made_of" in vars(param), f"{said}: made too early"
            param.hidden
            assert said == (param.name, param.opts, param.secondary_opts, param.expose_value)
            if param.expose_value and param.idle is not UNKNOWN:
                found = click.Command("x", params=[param]).make_context("x", []).params[param.name]
                assert (type(found), found) == (type(param.idle), param.idle), said
                known += 1
        print(len(options), known)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    options, known = map(int, done.stdout.split())
    assert options > 200 and known > options // 2

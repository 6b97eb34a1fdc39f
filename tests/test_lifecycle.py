# SPDX-License-Identifier: Apache-2.0
"""How processes with an engine begin and end: exits, forks, signals, closing. Each in a process of its own.

What is in flight in these processes is a question to a server that accepts the connection and says nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pace import PROMPT

PATIENCE = 20

PRELUDE = """
import atexit, os, signal, socket, sys, threading, time
from pyglobus.ffi.engine import Operation, engine
from pyglobus.ffi.errors import EngineError, OperationCancelled
from pyglobus.ffi.ftp import FtpHandle, FtpOptions

silent = socket.create_server(("127.0.0.1", 0))
silent_url = "ftp://127.0.0.1:%d/file" % silent.getsockname()[1]
handle = FtpHandle(engine(), version="test")
kept = []

def ask():
    operation = handle.size(silent_url, FtpOptions())
    kept.append(silent.accept())  # the question is on its way
    return operation

def lives():
    assert engine().submit(lambda: 42).result(10) == 42

def say(word):
    os.write(1, word.encode() + b"\\n")
"""


class Child:
    """A Python process that runs a script after `PRELUDE`."""

    def __init__(self, script: str, **env: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", PRELUDE + script],
            env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def hear(self, word: str) -> None:
        """Wait until it says this."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{word}\n", self.end()

    def kill(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Its exit status, and what it has printed."""
        out, err = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, out, err


def run(script: str, **env: str) -> str:
    """What a script prints that ends well and complains of nothing."""
    status, out, err = Child(script, **env).end()
    assert (status, err) == (0, ""), err
    return out


# Exits ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leave", "status", "complaint"),
    [
        ("pass", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os._exit(4)", 4, ""),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("engine().close()", 0, ""),
        ("handle.close()", 0, ""),
        ("threading.Thread(target=sys.exit).start()", 0, ""),
        ("operation.cancel()", 0, ""),
    ],
)
def test_exit_with_work_in_flight(leave: str, status: int, complaint: str) -> None:
    child = Child(f"operation = ask()\nsay('ready')\n{leave}")
    child.hear("ready")
    began = time.monotonic()
    code, _, err = child.end()
    assert time.monotonic() - began < PROMPT
    assert code == status, err
    assert (complaint in err) if complaint else not err


def test_exit_while_the_engine_itself_hangs() -> None:
    child = Child(
        "lives()\nengine().submit(time.sleep, 60)\nask_again = handle.size(silent_url, FtpOptions())\nsay('ready')"
    )
    child.hear("ready")
    began = time.monotonic()
    code, _, err = child.end()
    assert time.monotonic() - began < PROMPT
    assert (code, err) == (0, "")


SOCKETS = """
import atexit, threading
from pyglobus.core.xio import XioSocket
from pyglobus.ffi.engine import engine

def listening():
    server = XioSocket("tcp")
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server

def connected(server):
    client = XioSocket("tcp")
    client.connect(server.getsockname())
    return client, server.accept()[0]

server = listening()
kept = [connected(server) for _ in range(5)]
dropped = [connected(server) for _ in range(50)]
began = threading.Semaphore(0)

def wait(call, *arguments):
    began.release()
    call(*arguments)

for call, *arguments in ((kept[0][0].recv, 1), (kept[1][0].recv_into, bytearray(1)), (listening().accept,)):
    threading.Thread(target=wait, args=(call, *arguments), daemon=True).start()
    began.acquire()
"""


@pytest.mark.parametrize("leave", ["pass", "dropped.clear()", "atexit.register(dropped.clear)", "server.close()"])
def test_a_process_ends_without_a_word_about_its_sockets(leave: str) -> None:
    """Not of those that are released while the engine closes, nor of daemon threads that wait."""
    run(f"{SOCKETS}\n{leave}")


def test_sockets_that_outlive_the_engine_are_released_without_a_word() -> None:
    """Who waits for the engine is told, since the process goes on."""
    out = run(f"""{SOCKETS}
told = []
threading.excepthook = lambda failure: (told.append(failure.exc_type), began.release())
dropped.clear()
engine().close()
kept.clear()
began.acquire()
say(str(set(told) <= {{OSError, EngineError}}))
""")
    assert out == "True\n"


def test_a_waiting_thread_is_told_when_the_engine_closes() -> None:
    run("""
operation = ask()
threading.Timer(0.1, engine().close).start()
try:
    operation.result(10)
except OperationCancelled:
    sys.exit(0)
sys.exit(1)
""")


def test_exit_waits_for_threads_and_their_transfers() -> None:
    """As Python does for any thread that is no daemon; the engine works until they are done."""
    out = run("""
def work():
    time.sleep(0.3)
    say(str(engine().submit(lambda: 42).result(10)))
threading.Thread(target=work).start()
""")
    assert out == "42\n"


@pytest.mark.parametrize("wait", ["operation.result()", "operation.result(30)", "time.sleep(30)"])
def test_an_interrupt_in_the_waiting_main_thread(wait: str) -> None:
    child = Child(f"operation = ask()\nsay('ready')\n{wait}")
    child.hear("ready")
    time.sleep(0.1)  # let it come to wait
    began = time.monotonic()
    child.kill(signal.SIGINT)
    code, _, err = child.end()
    assert time.monotonic() - began < PROMPT
    assert code == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")


# Closing --------------------------------------------------------------------------------------------------------------


def test_closing_twice_and_use_after_close() -> None:
    run("""
lives()
operation = ask()
engine().close()
engine().close()
assert isinstance(operation.exception(10), OperationCancelled)
for use in (lives, lambda: engine().post(print), lambda: handle.size(silent_url, FtpOptions())):
    try:
        use()
    except EngineError as error:
        assert "closed" in str(error), error
    else:
        raise AssertionError
handle.close()
""")


def test_closing_before_the_first_use() -> None:
    run("""
engine().close()
try:
    lives()
except EngineError:
    sys.exit(0)
sys.exit(1)
""")


def test_closing_from_a_callback() -> None:
    run("""
operation = ask()
operation.add_done_callback(lambda _: engine().close())
operation.cancel()
try:
    operation.result(10)
except OperationCancelled:
    pass
engine()._thread.join(10)
assert not engine()._thread.is_alive()
""")


def test_closing_while_others_submit() -> None:
    """Whatever was accepted is done or refused; nobody waits for ever."""
    run("""
outcomes = []
def submit():
    try:
        while True:
            outcomes.append(engine().submit(lambda: 42).result(10))
    except EngineError:
        outcomes.append("refused")
threads = [threading.Thread(target=submit) for _ in range(4)]
for thread in threads: thread.start()
while len(outcomes) < 1000: time.sleep(0.001)
engine().close()
for thread in threads: thread.join(10)
assert outcomes.count("refused") == 4
""")


# Forks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
def test_a_forked_child_has_no_engine(leave: str) -> None:
    run(f"""
operation = ask()
pid = os.fork()
if pid == 0:
    for use in (lives, lambda: handle.size(silent_url, FtpOptions()), lambda: engine().post(print)):
        try:
            use()
        except EngineError as error:
            assert "fork" in str(error)
        else:
            os._exit(9)
    handle.close()
    engine().close()
    {leave}
assert os.waitpid(pid, 0)[1] == 0
lives()
assert not operation.done()
operation.cancel()
assert isinstance(operation.exception(10), OperationCancelled)
""")


def test_a_child_that_was_forked_first_has_its_own() -> None:
    run("""
pid = os.fork()
lives()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
""")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "def work(number):\n"
        "    from pyglobus.ffi.engine import engine\n"
        "    try:\n"
        "        return engine().submit(pow, number, 2).result(10)\n"
        "    except Exception as error:\n"
        "        return type(error).__name__\n"
    )
    out = run(
        f"""
import multiprocessing
from worker import work
if __name__ == "__main__":
    lives()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(work, [3, 4]))
    lives()
""",
        PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        PYTHONWARNINGS="ignore::DeprecationWarning",
    )
    assert out == ("['EngineError', 'EngineError']\n" if method == "fork" else "[9, 16]\n")


def test_subprocesses_work_and_inherit_nothing() -> None:
    out = run("""
import subprocess
operation = ask()
listing = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])"
print(subprocess.check_output([sys.executable, "-c", listing], close_fds=False, text=True).strip())
lives()
""")
    assert out == "[0, 1, 2, 3]\n"  # 3 is the directory itself


# Limits and traces ----------------------------------------------------------------------------------------------------


def test_no_more_descriptors_than_xio_can_count() -> None:
    out = run("""
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
lives()
assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1000
files = []
try:
    while True:
        files.append(os.open(os.devnull, os.O_RDONLY))
except OSError as error:
    said = handle.size(silent_url, FtpOptions()).exception(10)
    print(type(error).__name__, type(said).__name__)
for fd in files:
    os.close(fd)
lives()
""")
    assert out == "OSError GlobusError\n"


def test_a_trace_shows_calls_but_no_password() -> None:
    script = """
options = FtpOptions(user="ada", password="open sesame")
assert "sesame" not in repr(options)
operation = handle.size(silent_url.replace("//", "//ada:hush%40hush@"), options)
kept.append(silent.accept())
operation.cancel()
assert isinstance(operation.exception(10), OperationCancelled)
"""
    status, _, err = Child(script, PYGLOBUS_TRACE="ffi").end()
    assert status == 0, err
    assert "globus_ftp_client_size(" in err
    assert "//***@127.0.0.1" in err
    assert all(line.startswith("ffi ") for line in err.splitlines())
    assert not any(secret in err for secret in ("sesame", "hush"))
    assert not Child(script).end()[2]

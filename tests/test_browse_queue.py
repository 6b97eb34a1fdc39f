# SPDX-License-Identifier: Apache-2.0
"""What the browser does to entries, and its queue: results are looked at on the disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot

from pyglobus.cli.browse import sentences
from pyglobus.cli.browse.app import Browser
from pyglobus.cli.browse.dialogs import Choice
from pyglobus.core import errors
from pyglobus.core.browse import deeds, queue
from pyglobus.core.browse.errands import Errand, Rule, State
from pyglobus.core.browse.queue import Queue
from pyglobus.core.browse.rehearsal import Rehearsal
from pyglobus.core.options import Options
from pyglobus.core.pool import Pool
from pyglobus.core.sandbox import Sandbox, Server
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url, parse
from tests.browsing import at, browse, names, screen, until
from tests.waiting import wait_until

LARGE = 32 << 20
#: Bytes: with blocks so small, a file of that size takes a second or two wherever the test runs.
BLOCK = 1024
Held = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_user: None) -> Path:
    """What the browser remembers, for this test alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A tree on this machine."""
    path = tmp_path / "here"
    (path / "tree" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.txt", "b.txt", "tree/c.txt", "tree/deep/d.txt")):
        (path / name).write_text(f"{number} of here\n" * (number + 1))
    return path


@pytest.fixture
def there(served: Path) -> Path:
    """A directory at the servers."""
    served.chmod(0o777)
    return served


def owned(path: Path, grid: Sandbox) -> None:
    """Let all in this directory be the servers' own."""
    for each in (path, *path.rglob("*")):
        if os.geteuid() == 0:
            shutil.chown(each, grid.user.account)


def place(path: Path) -> Url:
    return parse(f"{path}/")


def entries(path: Path) -> list[Entry]:
    return [Entry(each.name, each.is_dir(), each.stat().st_size, None) for each in sorted(path.iterdir())]


def everything(path: Path) -> list[tuple[str, bool]]:
    return [(entry.name, entry.directory) for entry in entries(path)]


def finished(errand: Errand, how: Queue) -> State:
    how.add(errand)
    wait_until(lambda: errand.state in (State.DONE, State.FAILED))
    return errand.state


def contents(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_a_tree_goes_to_a_server_and_from_there_to_another(
    grid: Sandbox, second_server: Server, here: Path, there: Path, state: Path
) -> None:
    (there / "one").mkdir(mode=0o777)
    (there / "two").mkdir(mode=0o777)
    for each in ("one", "two"):
        (there / each).chmod(0o777)
    one = parse(grid.gsiftp_url(there / "one") + "/")
    two = parse(grid.gsiftp_url(there / "two", second_server) + "/")
    how = Queue(Pool(2))
    errand = Errand(place(here), one, everything(here), checked=True)
    assert finished(errand, how) is State.DONE, errand.error
    assert contents(there / "one") == contents(here)
    assert (errand.done, errand.files, errand.fraction) == (4, 4, 1.0)
    errand = Errand(one, two, everything(there / "one"))
    assert finished(errand, how) is State.DONE, errand.error
    assert contents(there / "two") == contents(here)
    how.close()
    assert not [path for path in state.rglob("*") if path.is_file()]


@pytest.mark.parametrize("rule", Rule)
def test_rules(rule: Rule, grid: Sandbox, here: Path, there: Path) -> None:
    """What is there: an older file of the same size, a newer one of another size, and a newer one of the same size."""
    source = here / "rules"
    source.mkdir()
    sizes = {"older": 5, "longer": 9, "newer": 5, "same": 5}
    for name, size in sizes.items():
        (source / name).write_bytes(b"x" * 5)
        os.utime(source / name, (2000, 2000))
        (there / name).write_bytes((b"x" if name == "same" else b"y") * size)
        os.utime(there / name, (1000 if name == "older" else 3000,) * 2)
    (source / "absent").write_bytes(b"x" * 5)
    owned(there, grid)
    before = contents(there)
    errand = Errand(place(source), parse(grid.gsiftp_url(there) + "/"), everything(source), rule=rule)
    how = Queue(Pool(2))
    assert finished(errand, how) is State.DONE, errand.error
    how.close()
    now = contents(there)
    changed = {name for name in before if now[name] != before[name]}
    expected: dict[Rule, set[str]] = {
        Rule.REPLACE: {"older", "longer", "newer"},
        Rule.NEWER: {"older", "longer"},
        Rule.DIFFERENT: {"older", "longer", "newer"},
        Rule.SKIP: set(),
    }
    assert changed == expected[rule]
    assert now["absent"] == b"x" * 5


def test_a_move_deletes_what_has_arrived_and_nothing_else(grid: Sandbox, here: Path, there: Path) -> None:
    (there / "tree").mkdir(mode=0o777)
    (there / "tree").chmod(0o777)
    (there / "tree" / "c.txt").write_text("there before")
    owned(there, grid)
    was = contents(here)
    to = parse(grid.gsiftp_url(there) + "/")
    how = Queue(Pool(2))
    errand = Errand(place(here), to, everything(here), move=True, rule=Rule.SKIP)
    assert finished(errand, how) is State.DONE, errand.error
    assert contents(here) == {"tree/c.txt": was["tree/c.txt"]}
    assert not (here / "tree" / "deep").exists()
    assert contents(there) == {**was, "tree/c.txt": b"there before"}
    how.close()


def test_a_move_within_a_server_is_a_rename(grid: Sandbox, here: Path, there: Path) -> None:
    (there / "to").mkdir()
    shutil.copytree(here / "tree", there / "from" / "tree")
    owned(there, grid)
    inode = (there / "from" / "tree").stat().st_ino
    how = Queue(Pool(2))
    url = grid.gsiftp_url(there)
    errand = Errand(parse(f"{url}/from/"), parse(f"{url}/to/"), [("tree", True)], move=True)
    assert finished(errand, how) is State.DONE, errand.error
    assert (there / "to" / "tree").stat().st_ino == inode
    assert not (there / "from" / "tree").exists()
    how.close()


@pytest.fixture
def slow(grid: Sandbox, memory: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> Errand:
    """A transfer that takes a while."""
    monkeypatch.setattr(queue, "Options", partial(Options, block_size=BLOCK))
    source = memory / "slow"
    source.mkdir(exist_ok=True)
    for number in range(3):
        with (source / f"{number}").open("wb") as file:
            file.truncate(LARGE)
    return Errand(place(source), parse(grid.gsiftp_url(there) + "/"), everything(source))


@pytest.fixture
def held(grid: Sandbox) -> Held:
    """Within the block the server takes connections and answers nobody: the browser's own work cannot outrun a test."""

    process = grid.servers["gridftp"].process
    assert process is not None

    @contextmanager
    def hold() -> Iterator[None]:
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGCONT)

    return hold


def begun(errand: Errand) -> Callable[[], bool]:
    return lambda: errand.bytes > 0 or errand.state is not State.RUNNING


def test_pause_leave_and_go_on(slow: Errand, there: Path, state: Path) -> None:
    how = Queue(Pool(2), limit=1)
    how.add(slow)
    later = Errand(slow.source, slow.destination, [("0", False)], rule=Rule.SKIP)
    last = Errand(slow.source, slow.destination, [("1", False)], rule=Rule.SKIP)
    how.add(later)
    how.add(last)
    how.shift(last, -1)
    assert how.errands == [slow, last, later]
    wait_until(begun(slow))
    how.pause(slow)
    wait_until(lambda: slow.state is State.PAUSED)
    assert slow.error is None
    how.cancel(later)
    how.close()
    assert last.state is State.PAUSED
    assert [oct(path.stat().st_mode) for path in state.rglob("*.json")] == ["0o100600"]
    again = Queue(Pool(2))
    left = again.adopt()
    assert [errand.key for errand in left] == [slow.key, last.key]
    assert {errand.state for errand in left} == {State.PAUSED}
    assert Queue(Pool(1)).adopt() == []
    for errand in left:
        again.resume(errand)
    wait_until(lambda: not again.active())
    assert [errand.error for errand in left] == [None, None]
    assert sorted(path.name for path in there.iterdir()) == ["0", "1", "2"]
    assert {path.stat().st_size for path in there.iterdir()} == {LARGE}
    again.close()
    assert not [path for path in state.rglob("*") if path.is_file()]


def test_giving_up_leaves_nothing_behind(slow: Errand, there: Path, state: Path) -> None:
    how = Queue(Pool(2))
    how.add(slow)
    wait_until(begun(slow))
    wait_until(lambda: any(path.name.startswith(".") for path in there.iterdir()))
    how.cancel(slow)
    wait_until(lambda: slow.state is State.CANCELLED)
    how.close()
    assert [path.name for path in there.iterdir() if path.name.startswith(".")] == []
    assert not [path for path in state.rglob("*") if path.is_file()]


def test_a_killed_browser_has_its_transfers_taken_over(slow: Errand, there: Path, state: Path) -> None:
    code = f"""
import functools, sys, time
from pyglobus.core.browse import queue as module
from pyglobus.core.browse.errands import Errand
from pyglobus.core.browse.queue import Queue
from pyglobus.core.options import Options
from pyglobus.core.pool import Pool
from pyglobus.core.url import parse
module.Options = functools.partial(Options, block_size={BLOCK})
errand = Errand(parse(sys.argv[1]), parse(sys.argv[2]), [(name, False) for name in "012"])
queue = Queue(Pool(1))
queue.add(errand)
while not errand.bytes:
    time.sleep(0.01)
print("begun", flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(slow.source), str(slow.destination)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        how = Queue(Pool(1))
        assert how.adopt() == []
        process.kill()
    (errand,) = how.adopt()
    how.resume(errand)
    wait_until(lambda: not how.active())
    assert errand.state is State.DONE, errand.error
    assert {path.name: path.stat().st_size for path in there.iterdir()} == dict.fromkeys("012", LARGE)
    how.close()


def test_a_queue_that_is_nonsense_harms_nobody(state: Path) -> None:
    queue.directory().mkdir(parents=True)
    for number, text in enumerate(("", "{", "[]", '{"pyglobus-queue": 1, "errands": [{}]}', '{"pyglobus-queue": 9}')):
        (queue.directory() / f"{number}.json").write_text(text)
    assert Queue(Pool(1)).adopt() == []
    assert len(list(queue.directory().glob("*.json"))) == 5


def test_no_password_is_written() -> None:
    errand = Errand(parse("ftp://ada:secret@localhost/a/"), parse("/tmp/"), [("x", False)])
    assert "secret" not in repr(errand.record())
    assert Errand.of(errand.record()).source.user == "ada"


@pytest.mark.parametrize("scheme", ["file", "gsiftp", "ftp"])
def test_small_things(scheme: str, grid: Sandbox, here: Path, there: Path) -> None:
    path = here if scheme == "file" else there
    if scheme != "file":
        shutil.copytree(here, there, dirs_exist_ok=True)
        owned(there, grid)
    at = {"file": str(path), "gsiftp": grid.gsiftp_url(path), "ftp": grid.ftp_url(path)}[scheme]
    base, options = parse(f"{at}/"), Options()
    with Pool(1).session() as session:
        deeds.rename(session, options, base.join("a.txt"), base.join("z.txt"))
        with pytest.raises(errors.CannotCreate, match="that name is taken"):
            deeds.rename(session, options, base.join("z.txt"), base.join("b.txt"))
        deeds.make_directory(session, options, base.join("new"))
        with pytest.raises(errors.CannotCreate, match="that name is taken"):
            deeds.make_directory(session, options, base.join("new"))
        assert sorted(each.name for each in path.iterdir()) == ["b.txt", "new", "tree", "z.txt"]
        if scheme != "ftp":
            deeds.change_mode(session, options, base, [Entry("b.txt", False, 1, None)], 0o604)
            assert (path / "b.txt").stat().st_mode & 0o777 == 0o604
        (path / "tree" / "out").symlink_to(path / "b.txt")
        gone: list[str] = []
        chosen = [Entry("tree", True, None, None), Entry("z.txt", False, 1, None)]
        deeds.delete(session, options, base, chosen, gone.append)
        assert sorted(each.name for each in path.iterdir()) == ["b.txt", "new"]
        assert len(gone) == 6


def test_what_fails_of_several_is_told(here: Path) -> None:
    missing = [Entry("nix", False, 1, None), Entry("a.txt", False, 1, None), Entry("nought", False, 1, None)]
    with Pool(1).session() as session, pytest.raises(errors.PartlyDone, match="2 of 3 could not be changed"):
        deeds.change_mode(session, Options(), place(here), missing, 0o600)
    assert (here / "a.txt").stat().st_mode & 0o777 == 0o600


def test_a_rehearsal_changes_nothing(grid: Sandbox, here: Path, there: Path) -> None:
    (there / "a.txt").write_text("there")
    errand = Errand(place(here), parse(grid.gsiftp_url(there) + "/"), everything(here))
    found = Rehearsal(errand).run()
    assert [Path(destination).name for _, destination in found.existing] == ["a.txt"]
    assert sorted(Path(source).name for source, _ in found.missing) == ["b.txt", "c.txt", "d.txt"]
    assert [path.name for path in there.iterdir()] == ["a.txt"]


def test_sentences() -> None:
    a, b = parse("/data/"), parse("gsiftp://one.example.org/~/")
    file, tree = Entry("run7.h5", False, 1 << 30, None), Entry("raw", True, None, None)
    assert sentences.delete(a, [file]) == ("Delete the file run7.h5 (1.00 GiB) from /data/. It cannot be brought back.")
    assert sentences.delete(b, [file, tree, file]) == (
        "Delete 2 files (2.00 GiB) and 1 directory with all that is in it from gsiftp://one.example.org/~/. "
        "They cannot be brought back."
    )
    moving = Errand(b, parse("gsiftp://two.example.org/x/"), [("raw", True)], move=True)
    assert sentences.transfer(moving, [tree]) == (
        "Move the directory raw with all that is in it from gsiftp://one.example.org/~/ to "
        "gsiftp://two.example.org/x/. The data goes straight from one server to the other. What has arrived is then "
        "deleted where it came from."
    )
    assert sentences.mode(0o640) == "0640 is rw-r-----"


# In the browser ------------------------------------------------------------------------------------------------------


def idle(browser: Browser) -> Callable[[], bool]:
    """Nothing is under way any more."""
    return lambda: (
        not (browser.doing.running or browser.queue.active() or browser.pane.reading or browser.opposite.reading)
    )


def test_copy_asks_if_something_is_there(grid: Sandbox, here: Path, there: Path) -> None:
    (there / "a.txt").write_text("there")

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+a", "f5")
        assert isinstance(browser.screen, Choice)
        assert "Copy 2 files" in browser.screen.sentence
        await pilot.press("enter")
        await until(pilot, lambda: "1 file of 4 is there already" in getattr(browser.screen, "sentence", ""))
        await pilot.click("#say-skip")
        await until(pilot, idle(browser))
        await until(pilot, lambda: names(browser.opposite) == ["tree", "a.txt", "b.txt"])
        assert "1 done" in screen(browser)
        assert browser.pane.view.marked == set()

    browse(here, grid.gsiftp_url(there), story)
    assert contents(there) == {**contents(here), "a.txt": b"there"}


def test_some_of_what_is_there_is_chosen(grid: Sandbox, here: Path, there: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (there / name).write_text("there")
    owned(there, grid)

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+a", "f5", "enter")
        await until(pilot, lambda: "2 files of 4 are there already" in getattr(browser.screen, "sentence", ""))
        await pilot.click("#say-pick")
        await pilot.press("down", "space", "enter")
        await until(pilot, idle(browser))

    browse(here, grid.gsiftp_url(there), story)
    assert contents(there) == {**contents(here), "a.txt": b"there"}


def test_the_other_deeds_by_key(grid: Sandbox, here: Path, there: Path) -> None:
    async def story(pilot: Pilot[None], browser: Browser) -> None:
        at(browser.pane, "a.txt")
        await pilot.press("f2", "z", "enter")
        await until(pilot, lambda: "z.txt" in names(browser.pane))
        await pilot.press("f7", *"new", "enter")
        await until(pilot, lambda: "new" in names(browser.pane))
        assert browser.pane.current is not None
        assert browser.pane.current.name == "new"
        at(browser.pane, "b.txt")
        await pilot.press("ctrl+p", *"600", "enter", "enter")
        await until(pilot, lambda: (here / "b.txt").stat().st_mode & 0o777 == 0o600)
        await until(pilot, idle(browser))
        await pilot.press("f8", "enter")
        assert (here / "b.txt").exists()
        await pilot.press("f8", "left", "enter")
        await until(pilot, lambda: "b.txt" not in names(browser.pane))
        at(browser.pane, "tree")
        await pilot.press("f6")
        await pilot.click("#say-replace")
        await until(pilot, lambda: "tree" not in names(browser.pane) and "tree" in names(browser.opposite))

    browse(here, grid.gsiftp_url(there), story)
    assert sorted(path.name for path in here.iterdir()) == ["new", "z.txt"]
    assert (there / "tree" / "deep" / "d.txt").is_file()


def test_a_failure_is_told_and_tried_again(grid: Sandbox, here: Path, there: Path) -> None:
    there.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(there, "root")

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        at(browser.pane, "a.txt")
        await pilot.press("f5", "enter")
        await until(pilot, lambda: browser.queue.errands and browser.queue.errands[0].state is State.FAILED)
        await pilot.press("f9")
        await until(pilot, lambda: "failed" in screen(browser))
        error = browser.queue.errands[0].error
        assert error is not None
        await until(pilot, lambda: error.what in screen(browser))
        there.chmod(0o777)
        await pilot.press("r")
        await until(pilot, lambda: "done" in screen(browser))

    if os.geteuid() != 0:
        pytest.skip("the server acts for this very user")
    browse(here, grid.gsiftp_url(there), story)
    assert (there / "a.txt").read_bytes() == (here / "a.txt").read_bytes()


def test_leaving_and_coming_back(slow: Errand, held: Held, there: Path, state: Path) -> None:
    async def leave(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+a", "f5", "right", "right", "right", "right")
        with held():
            await pilot.press("enter")
            await until(pilot, lambda: browser.queue.errands and browser.queue.errands[0].state is State.RUNNING)
            browser.queue.pause(browser.queue.errands[0])
            await until(pilot, lambda: browser.queue.errands[0].state is State.PAUSED)
        await pilot.press("f10")

    browse(str(slow.source), str(slow.destination), leave).queue.close()

    async def come_back(pilot: Pilot[None], browser: Browser) -> None:
        assert "1 transfer of an earlier run is not finished" in screen(browser)
        await pilot.press("enter")
        await until(pilot, idle(browser))
        assert "1 done" in screen(browser)

    browse(str(slow.source), str(slow.destination), come_back).queue.close()
    assert {path.name: path.stat().st_size for path in there.iterdir()} == dict.fromkeys("012", LARGE)


def test_the_queue_is_steered_by_keys(slow: Errand, held: Held, there: Path) -> None:
    async def story(pilot: Pilot[None], browser: Browser) -> None:
        browser.queue.set_limit(1)
        browser.queue.add(slow)
        browser.queue.add(Errand(slow.source, slow.destination, [("0", False)], rule=Rule.SKIP))
        await pilot.press("f9")
        await until(pilot, lambda: "waiting" in screen(browser))
        await pilot.press("p")
        await until(pilot, lambda: slow.state is State.PAUSED)
        await pilot.press("d")
        assert browser.queue.errands[1] is slow
        await pilot.press("plus")
        assert browser.queue.limit == 2
        await until(pilot, lambda: "2 transfers at a time" in screen(browser))
        await pilot.press("end", "c")
        await until(pilot, lambda: slow.state is State.CANCELLED)
        await pilot.press("f")
        await until(pilot, lambda: slow not in browser.queue.errands)

    with held():
        browser = browse(str(slow.source), "/", story)
    browser.queue.close()
    assert threading.active_count() < 50

# SPDX-License-Identifier: Apache-2.0
"""Credentials, the doctor, quick views and places in the browser."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from pyglobus.cli.browse.app import Browser
from pyglobus.cli.browse.dialogs import Text
from pyglobus.cli.browse.login import Login
from pyglobus.core.browse import memory
from pyglobus.core.browse.memory import Memory
from pyglobus.core.sandbox import Sandbox
from pyglobus.core.url import parse
from tests.browsing import at, browse, names, screen, until
from tests.conftest import Keeper


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_user: None) -> None:
    """What the browser remembers, for this test alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def without(grid: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No proxy, but a key with a pass phrase; the place where a proxy goes."""
    from pyglobus.core.sandbox.authority import Issued

    user = Issued.load(grid.user.certificate, grid.user.key)
    user.save(tmp_path / "cert.pem", tmp_path / "key.pem", pass_phrase=b"open sesame")
    monkeypatch.setenv("X509_USER_CERT", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "proxy"))
    monkeypatch.delenv("X509_USER_KEY", raising=False)
    return tmp_path / "proxy"


def test_the_header_says_whose_credential_is_used(grid: Sandbox, tmp_path: Path) -> None:
    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await until(pilot, lambda: "CN=" in screen(browser).splitlines()[0])
        assert " · " in screen(browser).splitlines()[0]

    browse(tmp_path, tmp_path, story, size=(120, 24))


def test_a_proxy_is_made_without_leaving(
    grid: Sandbox, served: Path, without: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served / "one").touch()
    shutil.copy(tmp_path / "key.pem", tmp_path / "userkey.pem")

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        assert browser.opposite.error is not None
        monkeypatch.setenv("X509_USER_KEY", str(tmp_path / "key.pem"))
        await pilot.press("ctrl+k")
        assert isinstance(browser.screen, Login)
        for phrase in ("wrong", "open sesame"):
            browser.screen.query_one("#phrase", Input).value = phrase
            await pilot.press("enter")
            if phrase == "wrong":
                await until(pilot, lambda: "hint:" in screen(browser))
                assert "sesame" not in screen(browser)
        await until(pilot, lambda: len(browser.screen_stack) == 1)
        assert without.stat().st_mode & 0o777 == 0o600
        monkeypatch.delenv("X509_USER_CERT")
        monkeypatch.delenv("X509_USER_KEY")
        await pilot.press("tab", "ctrl+r")
        await until(pilot, lambda: names(browser.pane) == ["one"])

    browse(tmp_path, grid.gsiftp_url(served), story)


def test_a_proxy_is_fetched_without_leaving(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keeper.grid.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "proxy"))

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+k")
        values = {"phrase": keeper.pass_phrase, "server": os.environ["PYGLOBUS_SANDBOX_MYPROXY"], "username": "ada"}
        for name, value in values.items():
            browser.screen.query_one(f"#{name}", Input).value = value
        browser.screen.query_one("#username", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: len(browser.screen_stack) == 1)
        await until(pilot, lambda: "CN=" in screen(browser).splitlines()[0])

    browse(tmp_path, tmp_path, story, size=(120, 40))
    assert (tmp_path / "proxy").stat().st_mode & 0o777 == 0o600


def test_the_doctor_is_one_key_away(grid: Sandbox, served: Path) -> None:
    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+d")
        shown = browser.screen
        assert isinstance(shown, Text)
        await until(pilot, lambda: "That is all." in shown.text)
        assert "login" in shown.text
        assert "problem" not in shown.text

    browse(grid.gsiftp_url(served), served, story)


def test_files_are_viewed_and_directories_counted(grid: Sandbox, served: Path) -> None:
    (served / "notes.txt").write_text("first line\nsecond [bold] line\n" * 5000)
    (served / "data").write_bytes(bytes(range(256)))
    (served / "tree" / "deep").mkdir(parents=True)
    (served / "tree" / "deep" / "one").write_bytes(b"x" * 3000)

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        at(browser.pane, "notes.txt")
        await pilot.press("enter")
        await until(pilot, lambda: "second [bold] line" in screen(browser))
        assert isinstance(browser.screen, Text)
        assert browser.screen.text.endswith("… the first 64 KiB")
        await pilot.press("escape")
        at(browser.pane, "data")
        await pilot.press("f3")
        await until(pilot, lambda: "000010  10 11 12" in screen(browser))
        await pilot.press("escape")
        at(browser.pane, "tree")
        await pilot.press("ctrl+w")
        await until(pilot, lambda: "tree holds 1 file, 2.93 KiB." in screen(browser))

    browse(grid.gsiftp_url(served), served, story, size=(120, 40))


def test_places_are_remembered(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()

    async def story(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+b", "b", "escape")
        at(browser.pane, "one")
        await pilot.press("enter")
        await until(pilot, lambda: browser.pane.place.name == "one" and not browser.pane.reading)

    browse(tmp_path, tmp_path, story)

    async def again(pilot: Pilot[None], browser: Browser) -> None:
        await pilot.press("ctrl+b")
        assert f"* {tmp_path}/" in screen(browser)
        await pilot.press("down", "enter")
        await until(pilot, lambda: browser.pane.place.path == f"{tmp_path}/")

    browse("/", "/", again, size=(160, 50))
    assert memory.path().stat().st_mode & 0o777 == 0o600


def test_no_password_is_remembered_and_nonsense_is_no_harm() -> None:
    known = Memory()
    known.visit(parse("ftp://ada:secret@localhost/a/"))
    assert known.toggle(parse("ftp://ada:secret@localhost/a/"))
    assert "secret" not in memory.path().read_text()
    assert not known.toggle(parse("ftp://ada@localhost/a/"))
    assert json.loads(memory.path().read_text())["recent"] == ["ftp://ada@localhost/a/"]
    memory.path().write_text("{")
    assert Memory().recent == []

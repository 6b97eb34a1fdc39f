# SPDX-License-Identifier: Apache-2.0
"""The browser in a web page: who gets in, who is refused, and when the door closes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.conftest import PYGLOBUS


@contextmanager
def door(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the URL that it prints; it ends with the block."""
    command = [sys.executable, "-c", PYGLOBUS, "browse", "--web", *arguments, str(tmp_path)]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def log(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def test_who_gets_in_and_who_does_not(tmp_path: Path) -> None:
    (tmp_path / "run7.h5").touch()

    async def visit(url: str) -> None:
        place = urlsplit(url)
        base = f"http://{place.netloc}"
        own = {"Origin": base}

        async def refused(path: str, why: str, session: aiohttp.ClientSession, **headers: str) -> None:
            async with session.get(base + path, headers=headers, allow_redirects=False) as answer:
                assert (answer.status, await answer.text()) == (403, "refused\n"), path
            assert why in log(tmp_path).splitlines()[-1]

        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession() as stranger, aiohttp.ClientSession(cookie_jar=jar) as user:
            for path in ("/", "/ws", "/static/js/textual.js", "/nowhere"):
                await refused(path, "there is no token", stranger, **own)
            await refused("/?token=wrong", "the token is wrong", stranger)
            await refused(f"/?{place.query}", "the Host is 'www.example.org'", stranger, Host="www.example.org")
            await refused(
                f"/?{place.query}", "the Origin is 'http://www.example.org'", stranger, Origin="http://www.example.org"
            )
            async with user.get(url) as answer:
                assert answer.status == 200
                assert "textual-terminal" in await answer.text()
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            (cookie,) = jar
            assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
            await refused(f"/?{place.query}", "the token was used before", stranger)
            async with user.get(f"{base}/static/js/textual.js") as answer:
                assert answer.status == 200
            await refused("/", "the Origin is 'null'", user, Origin="null")
            await refused("/ws", "there is no Origin", user)
            async with user.ws_connect(f"{base}/ws?width=100&height=30", headers=own) as page:
                shown = b""
                while b"run7.h5" not in shown:
                    shown += (await page.receive(30)).data
                await refused("/ws", "another page has the connection", user, **own)
                await page.send_str("nonsense")
                await page.send_json(["resize", {"width": 120, "height": 40}])
                await page.send_json(["stdin", "\x1bOP"])
                shown = b""
                while b"mark by a pattern" not in shown:
                    shown += (await page.receive(30)).data
                await page.send_json(["stdin", "\x1b"])
                await asyncio.sleep(0.5)
                await page.send_json(["stdin", "\x1b[21~"])
                while (message := await page.receive(30)).type is aiohttp.WSMsgType.BINARY:
                    pass
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)

    with door(tmp_path) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        asyncio.run(visit(url))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    assert "token=" not in log(tmp_path)


def test_the_door_closes_when_nobody_is_there(tmp_path: Path) -> None:
    with door(tmp_path, "--idle", "0.5") as (process, _):
        assert process.wait(30) == 0
    assert "nobody has been here" in log(tmp_path)


@pytest.mark.parametrize("port", ["0", "70000"])
def test_ports_that_are_none(port: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PYGLOBUS, "browse", "--web", "--port", port], capture_output=True, text=True
    )
    assert done.returncode == 2

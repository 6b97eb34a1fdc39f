# SPDX-License-Identifier: Apache-2.0
"""The browser under a pilot: no terminal, but all else is as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from pyglobus.cli.browse.app import Browser
from pyglobus.cli.browse.pane import Pane
from pyglobus.core.browse import address
from pyglobus.core.browse.settings import Settings

Story = Callable[[Pilot[None], Browser], Coroutine[Any, Any, None]]
LIMIT = 30.0


def browse(
    left: str | Path, right: str | Path, story: Story, *, size: tuple[int, int] = (80, 24), **how: Any
) -> Browser:
    """Run the browser with these places, and the story in it."""
    settings = how.pop("settings", Settings())
    browser = Browser(address.directory(str(left)), address.directory(str(right)), settings, **how)

    async def run() -> None:
        async with browser.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: not any(pane.reading for pane in browser.query(Pane)))
            await story(pilot, browser)

    asyncio.run(run())
    return browser


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Wait for what happens in the background."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"nothing has come of it in {LIMIT:g} s"
        await pilot.pause(0.01)
    await pilot.pause()


def names(pane: Pane) -> list[str]:
    """What is shown, without the way up."""
    return [row[2].name for row in pane.view.arrangement.shown]


def at(pane: Pane, name: str) -> None:
    """Put the cursor there."""
    row = pane.view.row(name)
    assert row is not None, f"{name} is not among {names(pane)}"
    pane.rows.cursor = row


def screen(browser: Browser) -> str:
    """What is seen, as text."""
    lines = browser.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)

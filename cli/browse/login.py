# SPDX-License-Identifier: Apache-2.0
"""The dialogue that makes a proxy, or fetches one from a MyProxy server, without leaving the browser."""

from __future__ import annotations

import datetime as dt
import os
import threading
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from pyglobus.cli.browse.pane import fault_lines
from pyglobus.core import errors
from pyglobus.core.browse import login

_MAX_HOURS = 24 * 365


class Login(ModalScreen[bool]):
    """Comes out with whether there is a new proxy. What is typed is in no message and no log."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", show=False)]

    class Tried(Message):
        """A thread has made one, or not."""

        def __init__(self, error: errors.Error | None) -> None:
            super().__init__()
            self.error = error

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why
        self._trying = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Credential"
            yield Static(Content(self._why))
            yield Static("Pass phrase of your key, or at the MyProxy server:")
            yield Input(password=True, id="phrase", compact=True)
            yield Static("Hours that the proxy shall live:")
            yield Input("12", id="hours", compact=True)
            yield Static("MyProxy server and user name there, only if you fetch:")
            yield Input(os.environ.get("MYPROXY_SERVER", ""), placeholder="host[:port]", id="server", compact=True)
            yield Input(os.environ.get("LOGNAME", ""), placeholder="user name", id="username", compact=True)
            yield Static(classes="wrong")
            with Horizontal(classes="buttons"):
                yield Button("Make a proxy", id="make", compact=True)
                yield Button("Fetch by MyProxy", id="fetch", compact=True)
                yield Button("Leave", id="leave", compact=True)

    def on_mount(self) -> None:
        self.query_one("#phrase", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._try(fetched=event.input.id in ("server", "username"))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "leave":
            self.dismiss(False)
        else:
            self._try(fetched=event.button.id == "fetch")

    def _try(self, *, fetched: bool) -> None:
        phrase, hours, server, username = (
            self.query_one(f"#{name}", Input).value for name in ("phrase", "hours", "server", "username")
        )
        if not (hours.isascii() and hours.isdigit() and 0 < int(hours[:6]) <= _MAX_HOURS):
            self._say("hours are a whole number")
            return
        if self._trying:
            return
        self._trying = True
        self._say("…")
        secret, lifetime = os.fsencode(phrase), dt.timedelta(hours=int(hours))

        def work() -> None:
            error: errors.Error | None = None
            try:
                if fetched:
                    login.fetch(server, username, secret, lifetime)
                else:
                    login.make(secret, lifetime)
            except errors.Error as caught:
                error = caught
            self.post_message(self.Tried(error))

        threading.Thread(target=work, name="browse-login", daemon=True).start()

    def on_login_tried(self, message: Tried) -> None:
        self._trying = False
        if message.error is None:
            self.dismiss(True)
        else:
            self._say("\n".join(fault_lines(message.error)))

    def _say(self, text: str) -> None:
        self.query_one(".wrong", Static).update(Content(text))

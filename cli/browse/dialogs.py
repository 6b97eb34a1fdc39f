# SPDX-License-Identifier: Apache-2.0
"""Dialogues: a sentence and a choice, a question and an answer, and a text to read. Esc leaves each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text as Line
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, SelectionList, Static

from pyglobus.cli.output import printable

_LEAVE: list[BindingType] = [Binding("escape", "dismiss(None)", "Leave", show=False)]


class Choice(ModalScreen[str]):
    """What will happen, in a sentence, and what one can say to it. It comes out with the key of the button pressed, or
    None. The focus is on the last button, which should do nothing, unless another one (``focus``) does no harm.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *_LEAVE,
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(
        self,
        title: str,
        sentence: str,
        buttons: Sequence[tuple[str, str]],
        *,
        check: str | None = None,
        focus: int = -1,
    ) -> None:
        """``buttons`` are keys and labels; ``check`` is something that can be ticked, and then is in ``checked``."""
        super().__init__()
        self._title = title
        self.sentence = sentence
        self._buttons = buttons
        self._check = check
        self._focus = focus
        self.checked = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            with VerticalScroll(classes="words", can_focus=False):
                yield Static(Content(self.sentence))
            if self._check is not None:
                yield Checkbox(self._check, compact=True)
            with Horizontal(classes="buttons"):
                for key, label in self._buttons:
                    yield Button(label, id=f"say-{key}", compact=True)

    def on_mount(self) -> None:
        list(self.query(Button))[self._focus].focus()

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        self.checked = event.value

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("say-"))


class Question(ModalScreen[str]):
    """A sentence and a line to type. It comes out with what was typed, or None. ``check`` returns what is wrong with
    an answer, or None.
    """

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def __init__(
        self,
        title: str,
        sentence: str,
        value: str = "",
        *,
        check: Callable[[str], str | None] = lambda _: None,
        select: int | None = None,
    ) -> None:
        """The first ``select`` characters of ``value`` are selected, so that typing replaces them; None: all."""
        super().__init__()
        self._title = title
        self.sentence = sentence
        self._value = value
        self._check = check
        self._select = len(value) if select is None else select

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield Static(Content(self.sentence))
            yield Input(self._value, select_on_focus=False, compact=True)
            yield Static(classes="wrong")

    def on_mount(self) -> None:
        line = self.query_one(Input)
        line.focus()
        line.selection = type(line.selection)(0, self._select)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        wrong = self._check(event.value) if event.value else "nothing was typed"
        if wrong is None:
            self.dismiss(event.value)
        else:
            self.query_one(".wrong", Static).update(Content(wrong))


class Pick(ModalScreen[list[str]]):
    """Names to tick. It comes out with those that are ticked when Enter is pressed, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [*_LEAVE, Binding("enter", "take", priority=True, show=False)]

    def __init__(self, title: str, sentence: str, names: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self.sentence = sentence
        self._names = names

    def compose(self) -> ComposeResult:
        with Vertical(classes="box large") as box:
            box.border_title = self._title
            box.border_subtitle = "Enter goes on · Esc leaves"
            yield Static(Content(self.sentence))
            yield SelectionList[str](*((Line(printable(name)), name) for name in self._names))

    def on_mount(self) -> None:
        self.query_one(SelectionList).focus()

    def action_take(self) -> None:
        self.dismiss(list(self.query_one(SelectionList).selected))


class Text(ModalScreen[None]):
    """Lines to read. `append` adds to them as they come."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_LEAVE,
        Binding("q,enter,f3,f4,f10", "dismiss(None)", show=False),
        Binding("up", "scroll('up')", show=False),
        Binding("down", "scroll('down')", show=False),
        Binding("pageup", "scroll('page_up')", show=False),
        Binding("pagedown,space", "scroll('page_down')", show=False),
        Binding("home", "scroll('home')", show=False),
        Binding("end", "scroll('end')", show=False),
    ]

    def __init__(self, title: str, text: str, *, large: bool = False) -> None:
        super().__init__()
        self._title = title
        self.text = text
        self._large = large

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box large" if self._large else "box", can_focus=True) as box:
            box.border_title = self._title
            box.border_subtitle = "Esc leaves"
            yield Static(Content(self.text))

    def replace(self, text: str) -> None:
        """Show this text."""
        self.text = text
        if self.is_mounted:
            self.query_one(Static).update(Content(text))

    def action_scroll(self, how: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{how}")(animate=False)

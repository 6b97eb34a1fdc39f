# SPDX-License-Identifier: Apache-2.0
"""The queue as it is seen: a line for each transfer, what goes on in the one at the cursor, and keys to steer."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text as Line
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from pyglobus.cli.browse.pane import fault_lines
from pyglobus.cli.browse.text import count, fitting
from pyglobus.cli.output import printable
from pyglobus.cli.units import format_duration, format_rate, format_size
from pyglobus.core import errors
from pyglobus.core.browse.errands import Errand, State
from pyglobus.core.browse.queue import Queue

_EVERY = 0.25
_BAR = 10
_MOST = 16
_KEYS = "p pause  r go on, again  c cancel  u sooner  d later  + - at a time  f forget what is over"


class QueueScreen(ModalScreen[None]):
    """Esc leaves it; the transfers go on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f9,q", "dismiss(None)", show=False),
        Binding("p", "steer('pause')", show=False),
        Binding("r", "steer('resume')", show=False),
        Binding("c", "steer('cancel')", show=False),
        Binding("u", "shift(-1)", show=False),
        Binding("d", "shift(1)", show=False),
        Binding("plus", "limit(1)", show=False),
        Binding("minus", "limit(-1)", show=False),
        Binding("f", "forget", show=False),
    ]

    def __init__(self, queue: Queue, fault: Callable[[errors.Error], None]) -> None:
        super().__init__()
        self._queue = queue
        self._fault = fault
        self._shown: list[Errand] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="box large") as box:
            box.border_title = "Transfers"
            yield OptionList()
            yield Static(classes="moving")
            yield Static(Content(_KEYS), classes="wrong")

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.set_interval(_EVERY, self.update_lines)
        self.call_after_refresh(self.update_lines)

    @property
    def chosen(self) -> Errand | None:
        """The transfer at the cursor."""
        at = self.query_one(OptionList).highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    def update_lines(self) -> None:
        """Show how it stands."""
        listed, errands = self.query_one(OptionList), self._queue.errands
        width = max(listed.size.width - 2, 20)
        lines = [Line(line(errand, width)) for errand in errands]
        if [errand.key for errand in errands] != [errand.key for errand in self._shown]:
            chosen = self.chosen
            self._shown = errands
            listed.clear_options()
            listed.add_options(lines)
            listed.highlighted = errands.index(chosen) if chosen in errands else (0 if errands else None)
        else:
            for at, text in enumerate(lines):
                listed.replace_option_prompt_at_index(at, text)
        box = self.query_one(Vertical)
        box.border_subtitle = f"{count(self._queue.limit, 'transfer')} at a time · Esc leaves"
        self.query_one(".moving", Static).update(Content("\n".join(_about(self.chosen))))

    def _steer(self, call: Callable[[], None]) -> None:
        try:
            call()
        except errors.Error as error:
            self._fault(error)
        self.update_lines()

    def action_steer(self, how: str) -> None:
        chosen = self.chosen
        if chosen is not None:
            self._steer(lambda: getattr(self._queue, how)(chosen))

    def action_shift(self, by: int) -> None:
        chosen = self.chosen
        if chosen is not None:
            self._steer(lambda: self._queue.shift(chosen, by))

    def action_limit(self, by: int) -> None:
        self._steer(lambda: self._queue.set_limit(min(self._queue.limit + by, _MOST)))

    def action_forget(self) -> None:
        self._steer(self._queue.forget)


def line(errand: Errand, width: int) -> str:
    """One transfer in one line."""
    fraction = errand.fraction
    if fraction is None:
        bar = " " * (_BAR + 6)
    else:
        done = int(fraction * _BAR)
        bar = "█" * done + "░" * (_BAR - done) + f" {fraction:4.0%} "
    what = printable(errand.names[0][0]) if len(errand.names) == 1 else f"{len(errand.names)} entries"
    verb = "move" if errand.move else "copy"
    how_far = f", {amount}" if (amount := _amount(errand)) else ""
    said = f"{errand.state:9} {bar} {verb} {what}{how_far}, to {printable(str(errand.destination))}"
    return fitting(said, width)


def _amount(errand: Errand) -> str:
    if errand.state is State.RUNNING and errand.seconds > 0:
        return f"{format_size(errand.bytes)} {format_rate(errand.bytes / errand.seconds)}"
    files = errand.done + errand.skipped
    return f"{files}/{errand.files} files" if errand.files else ""


def _about(errand: Errand | None) -> list[str]:
    if errand is None:
        return ["Nothing is waiting: F5 copies, F6 moves what is marked."]
    lines = [] if errand.error is None else fault_lines(errand.error)
    lines += [f"from {printable(str(errand.source))}", f"to   {printable(str(errand.destination))}"]
    lines += [f"now  {printable(name)}" for name in errand.moving[:3]]
    return lines


def summary(errands: list[Errand]) -> str:
    """All transfers in one line; empty if there are none."""
    by_state = {state: [errand for errand in errands if errand.state is state] for state in State}
    running = by_state[State.RUNNING]
    parts = []
    if running:
        moved, total = sum(one.bytes for one in running), sum(one.total or 0 for one in running)
        rate = sum(one.bytes / one.seconds for one in running if one.seconds > 0)
        of = f"{format_size(moved)} of {format_size(total)}" if total else format_size(moved)
        left = f", {format_duration((total - moved) / rate)} to go" if rate > 0 and total > moved else ""
        parts.append(f"{count(len(running), 'transfer')}: {of}, {format_rate(rate)}{left}")
    parts += [f"{len(by_state[state])} {state}" for state in (State.WAITING, State.PAUSED, State.FAILED, State.DONE)
              if by_state[state]]  # fmt: skip
    return ", ".join(parts)

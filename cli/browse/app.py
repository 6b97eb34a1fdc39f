# SPDX-License-Identifier: Apache-2.0
"""The browser itself: two panes, a line that says whose credential is used, a line of keys, and what the keys do."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widgets import Static

from pyglobus.cli import checks
from pyglobus.cli.browse import keys
from pyglobus.cli.browse.addressline import AddressLine
from pyglobus.cli.browse.dialogs import Choice, Question, Text
from pyglobus.cli.browse.doing import Doing
from pyglobus.cli.browse.login import Login
from pyglobus.cli.browse.pane import Pane, fault_lines
from pyglobus.cli.browse.places import Places
from pyglobus.cli.browse.queuescreen import QueueScreen, summary
from pyglobus.cli.browse.text import count, fitting, life
from pyglobus.cli.output import printable
from pyglobus.cli.units import format_size
from pyglobus.core import errors
from pyglobus.core.browse import glimpse, login
from pyglobus.core.browse.errands import Errand, State
from pyglobus.core.browse.memory import Memory
from pyglobus.core.browse.queue import Queue
from pyglobus.core.browse.settings import Settings
from pyglobus.core.browse.view import COLUMNS, UP, Order, Wish
from pyglobus.core.doctor import examine
from pyglobus.core.pool import Pool
from pyglobus.core.url import Url

# Seconds between two collections of garbage: by itself it would come in the middle of a key.
_COLLECT_EVERY = 10.0
# Seconds between two looks at the queue.
_SHOW_EVERY = 0.25
# Seconds between two looks at the credential.
_LOOK_EVERY = 20.0
# Cells of the keys in the help.
_KEYS_WIDTH = 23
# Idle connections that are kept: one for each pane, and for what is done beside.
_CONNECTIONS = 4


class Call(Message):
    """Something that a thread wants to be done."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call


class Browser(App[None]):
    """``plain``: one pane at a time and no drawings, for readers of the screen."""

    TITLE = "pyglobus browse"
    CSS_PATH = "browse.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, left: Url, right: Url, settings: Settings, *, plain: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.pool = Pool(_CONNECTIONS)
        self._places = left, right
        self._plain = plain
        self._active = "left"
        self.queue = Queue(self.pool, limit=settings.transfers, changed=self._queue_changed)
        self.doing = Doing(self)
        self.memory = Memory()
        # Errands that are over, and known to be.
        self._over: set[str] = set()
        self.actions = keys.bound(settings.keys)
        for action in self.actions:
            self.bind(action.keys, f"do_{action.name}", description=action.says, show=False)

    # What is there ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        wish = Wish(hidden=self.settings.hidden)
        yield Static(id="standing")
        with Horizontal(id="panes"):
            yield Pane(self._places[0], self.pool, wish, "left")
            yield Pane(self._places[1], self.pool, wish, "right")
        yield Static(id="queue")
        yield Static(id="keys")

    def on_mount(self) -> None:
        self.theme = "textual-light" if _is_light(self.settings.theme) else "textual-dark"
        self.set_class(self._plain, "-plain")
        self.look_at_credential()
        self.set_interval(_LOOK_EVERY, self.look_at_credential)
        bar = " ".join(
            f"[@click=app.do_{each.name}]{keys.shown(each.keys.split(',')[0])} {each.short}[/]"
            for each in sorted(self.actions, key=_function_key) if each.short
        )  # fmt: skip
        self.query_one("#keys", Static).update(bar)
        self._activate(self.pane)
        self.pane.rows.focus()
        gc.disable()
        self.set_interval(_COLLECT_EVERY, _collect)
        self.set_interval(_SHOW_EVERY, self.show_queue)
        self.show_queue()
        if left := self.queue.adopt():
            self._offer(left)

    def leave(self) -> None:
        """End soon; safe in a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.exit)

    def on_unmount(self) -> None:
        gc.enable()

    @property
    def pane(self) -> Pane:
        """The pane that has the cursor."""
        return self.screen_stack[0].query_one(f"#{self._active}", Pane)

    @property
    def opposite(self) -> Pane:
        """The other one."""
        return self.screen_stack[0].query_one("#right" if self._active == "left" else "#left", Pane)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        for pane in self.query(Pane):
            if pane.has_focus_within:
                self._activate(pane)

    def on_pane_changed(self, message: Pane.Changed) -> None:
        if message._sender is not None and self.pane.reading is False:
            gc.freeze()  # many entries live long, and need not be looked at again
            if self.pane.error is None:
                with suppress(errors.CannotCreate):
                    self.memory.visit(self.pane.place)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a dialogue is open, the keys are its own."""
        return not action.startswith("do_") or len(self.screen_stack) == 1

    # What is told ----------------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Say something that needs no answer."""
        self.notify(text, timeout=6, markup=False)

    def fault(self, error: errors.Error) -> None:
        """Say what went wrong, as the commands do."""
        self.push_screen(Text("That did not work", "\n".join(fault_lines(error))))

    def later(self, call: Callable[[], object]) -> None:
        """Have this called in the thread of the browser; safe in any thread."""
        self.post_message(Call(call))

    def on_call(self, message: Call) -> None:
        message.call()

    def reload(self, at: str | None) -> None:
        """Read both panes anew; with the cursor of the active one at this name."""
        self.show_queue()
        self.pane.reload(at=at)
        self.opposite.reload()

    # The credential --------------------------------------------------------------------------------------------------

    def look_at_credential(self) -> None:
        """Say whose credential is used, and how long it lives; that is found out in a thread."""

        def work() -> None:
            try:
                found = login.standing()
                said = f"{found.identity} · {life(found.remaining)}"
            except errors.Error as error:
                said = str(error)
            self.later(lambda: self._show_credential(said))

        threading.Thread(target=work, name="browse-standing", daemon=True).start()

    def _show_credential(self, said: str) -> None:
        for line in self.screen_stack[0].query("#standing").results(Static) if self.screen_stack else ():
            keys_ = keys.shown(next(each.keys for each in self.actions if each.name == "login").split(",")[0])
            room = max(self.size.width - len(self.TITLE) - len(keys_) - 8, 10)
            line.update(Content(f"{self.TITLE}  {fitting(printable(said), room)}  {keys_}"))

    def action_do_login(self) -> None:
        try:
            found = login.standing()
            why = f"In use: {found.identity}, for another {life(found.remaining)}."
        except errors.Error as error:
            why = "\n".join(fault_lines(error))

        def answered(made: bool | None) -> None:
            if made:
                self.pool.close()
                self.look_at_credential()
                self.reload(None)

        self.push_screen(Login(why), answered)

    def action_do_doctor(self) -> None:
        place = self.pane.place
        shown = Text("Doctor", "…", large=True)
        found: list[str] = []

        def work() -> None:
            try:
                for check in examine(str(place) if place.is_ftp else None):
                    found.append(checks.line(check))
                    self.later(lambda: shown.replace("\n".join(found)))
            except errors.Error as error:
                found.extend(fault_lines(error))
            self.later(lambda: shown.replace("\n".join([*found, "", "That is all."])))

        self.push_screen(shown)
        threading.Thread(target=work, name="browse-doctor", daemon=True).start()

    # The queue -------------------------------------------------------------------------------------------------------

    def _queue_changed(self) -> None:
        self.later(self._look_at_queue)

    def _look_at_queue(self) -> None:
        """Show what has become of transfers, and what they have changed."""
        places: set[Url] = set()
        for errand in self.queue.errands:
            ended = errand.state.is_over or errand.state is State.FAILED
            if ended and errand.key not in self._over:
                self._over.add(errand.key)
                places |= {errand.destination, *([errand.source] if errand.move else [])}
            elif not ended:
                self._over.discard(errand.key)
        for pane in self.screen_stack[0].query(Pane) if places else ():
            if pane.place in places:
                pane.reload()
        self.show_queue()

    def show_queue(self) -> None:
        """The line about what is being done."""
        said = " · ".join(filter(None, (self.doing.running, summary(self.queue.errands))))
        for line in self.screen_stack[0].query("#queue").results(Static) if self.screen_stack else ():
            line.display = bool(said)
            if said:
                line.update(Content(said))

    def _offer(self, left: list[Errand]) -> None:
        sentence = f"{count(len(left), 'transfer')} of an earlier run {'is' if len(left) == 1 else 'are'} not finished."
        buttons = [("on", "Go on"), ("drop", "Give up"), ("later", "Later")]

        def answered(said: str | None) -> None:
            for errand in left if said in ("on", "drop") else ():
                if said == "on":
                    self.queue.resume(errand)
                else:
                    self.queue.cancel(errand)

        self.push_screen(Choice("Transfers", sentence, buttons, focus=0), answered)

    def action_do_queue(self) -> None:
        self.push_screen(QueueScreen(self.queue, self.fault))

    def action_do_copy(self) -> None:
        self.doing.transfer(move=False)

    def action_do_move(self) -> None:
        self.doing.transfer(move=True)

    def action_do_delete(self) -> None:
        self.doing.delete()

    def action_do_rename(self) -> None:
        self.doing.rename()

    def action_do_make(self) -> None:
        self.doing.make_directory()

    def action_do_mode(self) -> None:
        self.doing.change_mode()

    # Going about -----------------------------------------------------------------------------------------------------

    def action_do_other(self) -> None:
        self.opposite.rows.focus()

    def _activate(self, chosen: Pane) -> None:
        self._active = chosen.id or self._active
        for pane in self.screen_stack[0].query(Pane):
            pane.set_class(pane is chosen, "-active")

    def action_do_open(self) -> None:
        entry, pane = self.pane.rows.current, self.pane
        if entry is UP:
            pane.up()
        elif entry is not None and entry.directory:
            from pyglobus.core.browse.address import inside

            pane.go(inside(pane.place, entry.name))
        elif entry is not None:
            self.action_do_view()

    def on_rows_opened(self) -> None:
        self.action_do_open()

    def action_do_up(self) -> None:
        if typed := self.pane.view.wish.filter:
            self.pane.ask(self.pane.view.wish._replace(filter=typed[:-1]))
        else:
            self.pane.up()

    def action_do_address(self) -> None:
        pane = self.pane
        self.push_screen(AddressLine(pane.place), lambda place: pane.go(place) if place is not None else None)

    def action_do_places(self) -> None:
        pane = self.pane
        self.push_screen(Places(pane.place, self.memory), lambda place: pane.go(place) if place is not None else None)

    def action_do_back(self) -> None:
        if self.pane.past:
            self.pane.go(self.pane.past.pop(), back=True)

    def action_do_same(self) -> None:
        self.opposite.go(self.pane.place)

    def action_do_swap(self) -> None:
        here, there = self.pane.place, self.opposite.place
        self.pane.go(there)
        self.opposite.go(here)

    def action_do_reload(self) -> None:
        self.pane.reload()

    # Marking ---------------------------------------------------------------------------------------------------------

    def action_do_mark(self) -> None:
        rows = self.pane.rows
        if rows.current is not None:
            rows.view.mark([rows.current.name])
            rows.cursor += 1
            rows.refresh()
            self.pane.describe()

    def action_do_mark_all(self) -> None:
        view = self.pane.view
        if view.marked:
            view.marked.clear()
        else:
            view.mark_pattern("*")
        self._redraw()

    def action_do_mark_pattern(self) -> None:
        self._ask_pattern("Mark", on=True)

    def action_do_unmark_pattern(self) -> None:
        self._ask_pattern("Take marks off", on=False)

    def action_do_invert(self) -> None:
        self.pane.view.invert()
        self._redraw()

    def action_do_clear(self) -> None:
        pane = self.pane
        if pane.view.wish.filter:
            pane.ask(pane.view.wish._replace(filter=""))
        elif pane.reading:
            pane.stop()
        elif not self.doing.cancel():
            pane.view.marked.clear()
            self._redraw()

    def _ask_pattern(self, title: str, *, on: bool) -> None:
        def answered(pattern: str | None) -> None:
            if pattern:
                self.pane.view.mark_pattern(pattern, on=on)
                self._redraw()

        self.push_screen(Question(title, "Names that match (* and ? stand for anything):", "*"), answered)

    def _redraw(self) -> None:
        self.pane.rows.refresh()
        self.pane.describe()

    # Looking ---------------------------------------------------------------------------------------------------------

    def action_do_sort(self) -> None:
        wish = self.pane.view.wish
        column = COLUMNS[(COLUMNS.index(wish.order.column) + 1) % len(COLUMNS)]
        self.pane.ask(wish._replace(order=Order(column)))

    def action_do_reverse(self) -> None:
        wish = self.pane.view.wish
        self.pane.ask(wish._replace(order=wish.order.by(wish.order.column)))

    def action_do_hidden(self) -> None:
        wish = self.pane.view.wish
        self.pane.ask(wish._replace(hidden=not wish.hidden))

    def action_do_view(self) -> None:
        entry, pane = self.pane.current, self.pane
        if entry is None or entry.directory:
            return
        url = pane.place.join(entry.name)

        def show(text: str) -> None:
            self.push_screen(Text(printable(entry.name), text, large=True))

        self.doing.look("Reading", lambda session: glimpse.glimpse(session, url), show)

    def action_do_size(self) -> None:
        entry, pane = self.pane.current, self.pane
        if entry is None or not entry.directory:
            return
        url, name = pane.place.join(f"{entry.name}/"), printable(entry.name)

        def show(found: tuple[int, int]) -> None:
            files, size = found
            self.tell(f"{name} holds {count(files, 'file')}, {format_size(size)}.")

        self.doing.look("Counting", lambda session: glimpse.total(session, url, lambda *_: None), show)

    def action_do_details(self) -> None:
        from pyglobus.cli.browse.details import Details

        entry, pane = self.pane.current, self.pane
        if entry is not None:
            self.push_screen(Details(pane.place, entry, self.pool))

    # The browser -----------------------------------------------------------------------------------------------------

    def action_do_help(self) -> None:
        lines = []
        for section, known in keys.sections(self.actions):
            width = _KEYS_WIDTH
            lines += [section, *(f"  {shown:{width}}  {says}" for shown, says in known), ""]
        self.push_screen(Text("Keys", "\n".join(lines).rstrip(), large=True))

    def action_do_theme(self) -> None:
        self.theme = "textual-dark" if self.theme == "textual-light" else "textual-light"

    def action_do_quit(self) -> None:
        under_way = [errand for errand in self.queue.errands if errand.state in (State.RUNNING, State.WAITING)]
        if not under_way:
            self.exit()
            return
        sentence = f"{count(len(under_way), 'transfer')} under way. Leaving stops this; the next start offers to go on."

        def answered(said: str | None) -> None:
            if said == "leave":
                self.exit()

        self.push_screen(Choice("Leave", sentence, [("leave", "Leave"), ("stay", "Stay")]), answered)


def _function_key(action: keys.Action) -> int:
    first = action.keys.split(",")[0].removeprefix("f")
    return int(first) if first.isdigit() else 99


def _is_light(wanted: str) -> bool:
    """Whether a light theme is wanted; "auto" believes COLORFGBG, which some terminals set, and is dark otherwise."""
    if wanted != "auto":
        return wanted == "light"
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", "15")


def _collect() -> None:
    gc.collect()
    gc.freeze()

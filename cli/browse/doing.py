# SPDX-License-Identifier: Apache-2.0
"""What is done to entries: a sentence first, then the thing itself in a thread, then the panes are read anew.

Copies and moves go into the queue. "Ask" rehearses the errand and asks only if something is there already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pyglobus.cli.browse import sentences
from pyglobus.cli.browse.dialogs import Choice, Pick, Question
from pyglobus.core import errors
from pyglobus.core.browse import deeds
from pyglobus.core.browse.errands import Errand, Rule
from pyglobus.core.browse.rehearsal import Found, Rehearsal
from pyglobus.core.options import Options
from pyglobus.core.session import Session

if TYPE_CHECKING:
    from pyglobus.cli.browse.app import Browser
    from pyglobus.cli.browse.pane import Pane
    from pyglobus.core.tree import Entry

T = TypeVar("T")

_ASK = "ask"
_RULES = (
    (_ASK, "Ask me"),
    (Rule.NEWER, "Only newer"),
    (Rule.DIFFERENT, "Only different"),
    (Rule.SKIP, "Skip"),
    (Rule.REPLACE, "Replace"),
)
_NO = ("no", "Leave")


class Doing:
    """For one browser. ``running`` is what is being done just now, in words; nothing else begins meanwhile."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.running = ""
        self._cancel: Callable[[], None] = lambda: None

    def cancel(self) -> bool:
        """End what is being done; whether there was anything."""
        self._cancel()
        return bool(self.running)

    # Copies and moves ------------------------------------------------------------------------------------------------

    def transfer(self, *, move: bool) -> None:
        """Ask how, and put it into the queue."""
        browser = self._browser
        pane, entries = browser.pane, browser.pane.chosen()
        if not self._are_there(entries):
            return
        names = [(entry.name, entry.directory) for entry in entries]
        errand = Errand(pane.place, browser.opposite.place, names, move=move)
        if wrong := _wrong(errand):
            browser.tell(wrong)
            return
        sentence = f"{sentences.transfer(errand, entries)}\n\nWhat if files of the same name are there?"
        title = "Move" if move else "Copy"
        dialog = Choice(title, sentence, [*_RULES, _NO], check="compare checksums afterwards", focus=0)

        def answered(said: str | None) -> None:
            errand.checked = dialog.checked
            if said == _ASK:
                self._rehearse(title, errand, pane)
            elif said not in (None, _NO[0]):
                errand.rule = Rule(said)
                self._queue(errand, pane)

        browser.push_screen(dialog, answered)

    def _queue(self, errand: Errand, pane: Pane) -> None:
        pane.view.marked.clear()
        pane.rows.refresh()
        pane.describe()
        try:
            self._browser.queue.add(errand)
        except errors.Error as error:
            self._browser.fault(error)

    def _rehearse(self, title: str, errand: Errand, pane: Pane) -> None:
        rehearsal = Rehearsal(errand)

        def found(result: Found) -> None:
            if not result.existing:
                errand.rule = Rule.SKIP
                self._queue(errand, pane)
                return
            sentence = sentences.collisions(len(result.existing), len(result.missing))
            buttons = [*_RULES[1:], ("pick", "Choose…"), _NO]
            browser = self._browser

            def picked(chosen: list[str] | None) -> None:
                if chosen is not None:
                    errand.only = [*result.missing, *(pair for pair in result.existing if pair[1] in set(chosen))]
                    self._queue(errand, pane)

            def answered(said: str | None) -> None:
                if said == "pick":
                    names = [destination for _, destination in result.existing]
                    browser.push_screen(Pick(title, "Replace those that are ticked (Space):", names), picked)
                elif said not in (None, _NO[0]):
                    errand.rule = Rule(said)
                    self._queue(errand, pane)

            browser.push_screen(Choice(title, sentence, buttons), answered)

        self._start("Looking at what is there", rehearsal.run, found, rehearsal.cancel)

    # Small things ----------------------------------------------------------------------------------------------------

    def delete(self) -> None:
        """Delete what is chosen, after a yes."""
        place, entries = self._browser.pane.place, self._browser.pane.chosen()
        if not self._are_there(entries):
            return

        def work(session: Session, told: Callable[[str], None]) -> None:
            deeds.delete(session, Options(), place, entries, told)

        def answered(said: str | None) -> None:
            if said == "yes":
                self._do("Deleting", work)

        buttons = [("yes", "Delete"), _NO]
        self._browser.push_screen(Choice("Delete", sentences.delete(place, entries), buttons), answered)

    def rename(self) -> None:
        """Give the entry at the cursor another name."""
        pane = self._browser.pane
        place, entry = pane.place, pane.current
        if entry is None:
            return
        old = entry.name

        def answered(name: str | None) -> None:
            if name and name != old:
                source, destination = place.join(old), place.join(name)
                self._do("Renaming", lambda session, _: deeds.rename(session, Options(), source, destination), name)

        stem = len(old.rpartition(".")[0]) or len(old)
        question = Question("Rename", sentences.rename(place, entry), old, check=self._name, select=stem)
        self._browser.push_screen(question, answered)

    def make_directory(self) -> None:
        """Make a directory in the pane's place."""
        place = self._browser.pane.place

        def answered(name: str | None) -> None:
            if name:
                url = place.join(name)
                self._do("Making", lambda session, _: deeds.make_directory(session, Options(), url), name)

        question = Question("New directory", sentences.make_directory(place), check=self._name)
        self._browser.push_screen(question, answered)

    def change_mode(self) -> None:
        """Give what is chosen another mode."""
        place, entries = self._browser.pane.place, self._browser.pane.chosen()
        if not self._are_there(entries):
            return

        def check(typed: str) -> str | None:
            if not (0 < len(typed) <= 4 and all(digit in "01234567" for digit in typed)):
                return "a mode is written in octal, as in 640"
            return None

        def answered(typed: str | None) -> None:
            if typed:
                mode = int(typed, 8)

                def sure(said: str | None) -> None:
                    if said == "yes":
                        self._do("Changing", lambda one, _: deeds.change_mode(one, Options(), place, entries, mode))

                sentence = f"{sentences.change_mode(place, entries)[:-26]}{typed}: {sentences.mode(mode)}."
                self._browser.push_screen(Choice("Mode", sentence, [("yes", "Change"), _NO], focus=0), sure)

        known = entries[0].mode
        value = "" if known is None else f"{known:o}"
        question = Question("Mode", sentences.change_mode(place, entries), value, check=check)
        self._browser.push_screen(question, answered)

    def _are_there(self, entries: list[Entry]) -> bool:
        if not entries:
            self._browser.tell("Nothing is marked, and the cursor is on no entry.")
        return bool(entries)

    def _name(self, typed: str) -> str | None:
        try:
            self._browser.pane.place.join(typed)
        except errors.UsageError:
            return "that is no name"
        return "a name has no slash" if typed.endswith("/") else None

    # In a thread -----------------------------------------------------------------------------------------------------

    def _do(self, what: str, work: Callable[[Session, Callable[[str], None]], None], at: str | None = None) -> None:
        """Do this with a session of the pool, and read the panes anew, with the cursor ``at`` that name."""
        running: list[Session] = []
        gone = 0

        def told(_: str) -> None:
            nonlocal gone
            gone += 1
            self.running = f"{what}… {gone}"

        def call() -> None:
            with self._browser.pool.session() as session:
                running.append(session)
                work(session, told)

        def cancel() -> None:
            for session in running:
                session.cancel()

        self._start(what, call, lambda _: self._browser.reload(at), cancel)

    def look(self, what: str, work: Callable[[Session], T], done: Callable[[T], None]) -> None:
        """Find something out that may take a while."""
        running: list[Session] = []

        def call() -> T:
            with self._browser.pool.session() as session:
                running.append(session)
                return work(session)

        def cancel() -> None:
            for session in running:
                session.cancel()

        self._start(what, call, done, cancel)

    def _start(self, what: str, call: Callable[[], T], done: Callable[[T], None], cancel: Callable[[], None]) -> None:
        browser = self._browser
        if self.running:
            browser.tell(f"{self.running}: wait for its end, or end it with Esc.")
            return
        self.running, self._cancel = f"{what}…", cancel
        browser.show_queue()

        def run() -> None:
            error: errors.Error | None = None
            try:
                result = call()
            except errors.Error as caught:
                error = caught
            except Exception as caught:
                why = f"{type(caught).__name__}: {caught}"
                error = errors.Error("internal error", why=why, fault="internal")
            self.running, self._cancel = "", lambda: None
            if error is None:
                browser.later(lambda: done(result))
            else:
                failure = error
                browser.later(lambda: self._failed(failure))

        threading.Thread(target=run, name="browse-doing", daemon=True).start()

    def _failed(self, error: errors.Error) -> None:
        self._browser.reload(None)
        if not isinstance(error, errors.Cancelled):
            self._browser.fault(error)


def _wrong(errand: Errand) -> str | None:
    """What is wrong with an errand, if anything is."""
    if errand.source == errand.destination:
        return "Both panes show the same place: choose another one for one of them."
    for name, directory in errand.names:
        if directory and str(errand.destination).startswith(str(errand.source.join(f"{name}/"))):
            return f"{name} cannot go into itself."
    return None

# SPDX-License-Identifier: Apache-2.0
"""All that is known of one entry; c computes the checksum of a file, s the size of a directory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from pyglobus.cli.browse.dialogs import Text
from pyglobus.cli.browse.pane import fault_lines
from pyglobus.cli.output import printable
from pyglobus.core import errors, sync
from pyglobus.core.browse import facts
from pyglobus.core.options import Options
from pyglobus.core.pool import Pool
from pyglobus.core.session import Session
from pyglobus.core.tree import Entry
from pyglobus.core.url import Url

_ALGORITHM = "md5"


class Details(Text):
    """Facts come as they are known; leaving ends what is still asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "checksum", show=False)]

    class Known(Message):
        """A thread has found something out."""

        def __init__(self, label: str, told: str) -> None:
            super().__init__()
            self.label = label
            self.told = told

    def __init__(self, place: Url, entry: Entry, pool: Pool) -> None:
        super().__init__(printable(entry.name), "…")
        self._url = place.join(f"{entry.name}/" if entry.directory else entry.name)
        self._entry = entry
        self._pool = pool
        self._session: Session | None = None
        self._known: list[tuple[str, str]] = []

    def on_mount(self) -> None:
        self._start(self._look)

    def on_unmount(self) -> None:
        if (session := self._session) is not None:
            session.cancel()

    def action_checksum(self) -> None:
        """Compute it, where the file is."""
        if self._session is None and not self._entry.directory:
            self._add(_ALGORITHM, "…")
            self._start(self._sum)

    def _start(self, work: Callable[[Session], None]) -> None:
        def run() -> None:
            try:
                with self._pool.session() as session:
                    self._session = session
                    try:
                        work(session)
                    finally:
                        self._session = None
            except errors.Error as error:
                self._tell("", "\n".join(fault_lines(error)))

        threading.Thread(target=run, name="browse-details", daemon=True).start()

    def _look(self, session: Session) -> None:
        for label, told in facts.facts(session, Options(), self._url):
            self._tell(label, told)
        if not self._entry.directory:
            self._tell("", "c computes the checksum")

    def _sum(self, session: Session) -> None:
        options = Options(checksum_algorithm=_ALGORITHM)
        self._tell(_ALGORITHM, sync.digest(session, options, self._url, "source", self._entry.size))

    def _tell(self, label: str, told: str) -> None:
        self.post_message(self.Known(label, told))

    def on_details_known(self, message: Known) -> None:
        self._add(message.label, message.told)

    def _add(self, label: str, told: str) -> None:
        self._known = [pair for pair in self._known if pair[0] != label]
        self._known.append((label, told))
        self.replace(
            "\n".join(f"{label:9} {printable(told) if label else told}".rstrip() for label, told in self._known)
        )

# SPDX-License-Identifier: Apache-2.0
"""The route from one server straight to another.

What is known of it here is what the servers report by markers, now and then: whether it stands still, and whether all
has arrived, is found out at the destination.
"""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.core.options import Options
from pyglobus.core.remote import Remote
from pyglobus.core.route import Attempt, Handled, parse_ranges
from pyglobus.core.session import Session

# Seconds: servers report the progress of a third-party transfer every five (GFD.20, 112 markers); three may be missed.
_SILENT_MARKERS = 16.0


class ThirdParty(Handled):
    """From one server straight to another."""

    name = "third party"
    counts = False

    def __init__(self, session: Session, options: Options, source: Remote, destination: Remote) -> None:
        super().__init__(session, options)
        self._source = source
        self._destination = destination
        # Bytes at the destination when it was last looked at; None if it does not tell.
        self._seen: int | None = 0

    @property
    def extended(self) -> bool:
        return self._source.extended

    def patience(self, limit: float) -> float:
        """Servers that report do so every few seconds."""
        return max(limit, _SILENT_MARKERS) if self._reports() else limit

    def moves(self) -> bool:
        """Look, over another connection, whether the destination has grown: plain FTP servers do not report.

        One that does not tell sizes is given the benefit of the doubt.
        """
        if self._reports():
            return False
        before = self._seen
        try:
            with self.session.aside() as aside:
                facts = self._destination.by(aside).stat()
        except errors.TransientError:
            return False
        except (errors.Unsupported, errors.AccessDenied):
            return True
        self._seen = 0 if facts is None else facts.size
        return self._seen is None or before is None or self._seen > before

    def _reports(self) -> bool:
        return self.bytes() > 0 or self._destination.url.scheme == "gsiftp"

    def attempt(self) -> Attempt:
        operation = self.handle.third_party(
            self._source.wire, self._source.attributes(), self._destination.wire, self._destination.attributes(),
            self.span, marker=self._marker(),
        )  # fmt: skip
        ends = str(self._source.url), str(self._destination.url)
        try:
            yield from self.session.watch(operation, what="cannot transfer", where=ends)
        finally:
            self._begun |= self.handle.begun

    def recover(self) -> None:
        confirmed = self.verified() if self.extended else parse_ranges(self.handle.marker)
        self._source.forget(self.handle)
        self._destination.forget(self.handle)
        if not self.options.partial:
            self._go_on(confirmed, extended=self.extended)

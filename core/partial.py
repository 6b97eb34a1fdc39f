# SPDX-License-Identifier: Apache-2.0
"""A large file under way, that an earlier run may have begun: its temporary name, and what of it is verified."""

from __future__ import annotations

import os
from collections.abc import Callable

from pyglobus.core.localfile import temporary_name
from pyglobus.core.url import Url
from pyglobus.ffi.annotation import TypeAlias

Ranges: TypeAlias = "list[tuple[int, int]]"


class Partial:
    """What a `Transfer` needs to go on with a file, and to let a later one go on.

    ``ranges`` are byte ranges (end exclusive, in order, apart) that are verified; None if nobody has begun with the
    file as it is now. ``note`` is told of more, by whichever thread drives the transfer.
    """

    def __init__(self, salt: str, ranges: Ranges | None, note: Callable[[Ranges], None]) -> None:
        """``salt`` makes the temporary name that of one job and one file."""
        self._salt = salt
        self.ranges = ranges
        self.note = note

    def url(self, destination: Url) -> Url:
        """The temporary name, in the destination's own directory."""
        return destination.parent().join(temporary_name(destination.name, self._salt))

    def path(self, destination: str) -> str:
        """The same for a local path."""
        directory, name = os.path.split(destination)
        return os.path.join(directory, temporary_name(name, self._salt))

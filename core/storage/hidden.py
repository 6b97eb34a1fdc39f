# SPDX-License-Identifier: Apache-2.0
"""The name of a file until it is whole: beside the one that it will have, and never shown to clients."""

from __future__ import annotations

import os

_END = ".pyglobus-part"
# The longest stem, so that with its ending it still fits into the 255 bytes of a name.
_STEM = 200


def name_for(name: str, *, unique: bool = False) -> str:
    """The hidden name: the same for each upload of ``name``, or one that no other has."""
    stem = os.fsdecode(os.fsencode(name)[:_STEM])
    return f".{stem}{'.' + os.urandom(4).hex() if unique else ''}{_END}"


def is_hidden(name: str) -> bool:
    """Whether it is such a name."""
    return name.startswith(".") and name.endswith(_END)

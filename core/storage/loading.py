# SPDX-License-Identifier: Apache-2.0
"""A storage from what is said of it on a command line: MODULE:CLASS, with :ARGUMENT where it takes one."""

from __future__ import annotations

import importlib
import re
from typing import Any

from pyglobus.core import errors
from pyglobus.core.storage.storage import Storage

#: Names for those that are supplied.
SUPPLIED = {
    "directory": "pyglobus.core.storage.directory:Directory",
    "memory": "pyglobus.core.storage.memory:Memory",
    "archive": "pyglobus.core.storage.archive:Archive",
    "fsspec": "pyglobus.core.storage.filesystem:Filesystem",
}


def load(words: str) -> Storage:
    """The storage that is meant. The argument is the one of its constructor.

    Raises `errors.UsageError` for words that are none, `errors.ConfigurationError` for a storage that cannot be had.
    """
    first, _, rest = words.partition(":")
    if first in SUPPLIED:
        words = SUPPLIED[first] + (f":{rest}" if rest else "")
    found = re.fullmatch(r"([\w.]+):([\w.]+)(?::(.*))?", words, re.DOTALL)
    if found is None:
        raise errors.UsageError(
            "cannot understand the storage", where=words, why="it is MODULE:CLASS or MODULE:CLASS:ARGUMENT",
            hint=f"or one of {', '.join(SUPPLIED)}",
        )  # fmt: skip
    module, name, argument = found.groups()
    try:
        kind: Any = importlib.import_module(module)
        for part in name.split("."):
            kind = getattr(kind, part)
        storage = kind() if argument is None else kind(argument)
    except errors.Error:
        raise
    except Exception as error:
        why = str(error) or type(error).__name__
        raise errors.ConfigurationError("cannot open the storage", where=words, why=why) from error
    if not isinstance(storage, Storage):
        raise errors.ConfigurationError(
            "cannot use the storage", where=words, why=f"{name} does not derive from pyglobus.core.storage.Storage"
        )
    return storage

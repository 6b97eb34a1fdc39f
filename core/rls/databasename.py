# SPDX-License-Identifier: Apache-2.0
"""The name of a database: the path of an SQLite file, or a URL of PostgreSQL, which may hold a password."""

from __future__ import annotations

import re

_URLS = ("postgresql://", "postgres://")


def is_url(name: str) -> bool:
    """Whether a database's name is that of one of PostgreSQL's."""
    return name.startswith(_URLS)


def masked(name: str) -> str:
    """The name without a password, for messages and logs."""
    name = re.sub(r"^(\w+://[^/?#@:]*):.*@", r"\1:***@", name)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", name)
